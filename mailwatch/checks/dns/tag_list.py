"""Tag lists: ``v=DMARC1; p=reject``, as records of DKIM, DMARC and BIMI are written (RFC 6376 section 3.2).

Promises
    Never raises, whatever the text; linear in it; at most MOST tags are read.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 64
"""So many tags of a list are read: no record that is meant has twenty."""
MEANT: Final = 20
"""So many letters of an unknown name are compared."""
BLANKS: Final = " \t\r\n"
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One tag as it stands in the list. Columns count from 1, in bytes; blanks around name and value are left out."""

    name: str
    value: str
    column: int
    value_column: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What stands between two semicolons and is no tag. ``text`` says why, as the rest of a sentence."""

    column: int
    piece: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagList:
    """The tags in their order, and what is none."""

    tags: tuple[Tag, ...]
    flaws: tuple[Flaw, ...]

    def first(self, name: str) -> Tag | None:
        """The first tag of that name."""
        return next((each for each in self.tags if each.name == name), None)

    def repeated(self) -> tuple[Tag, ...]:
        """Tags whose name has stood there before."""
        seen: set[str] = set()
        again = []
        for each in self.tags:
            if each.name in seen:
                again.append(each)
            seen.add(each.name)
        return tuple(again)


def tag_list(text: str) -> TagList:
    """What a text holds, read as tags between semicolons."""
    tags: list[Tag] = []
    flaws: list[Flaw] = []
    pieces = text.split(";", MOST)[:MOST]
    column = 1
    for number, between in enumerate(pieces):
        piece = between.strip(BLANKS)
        begin = column + len(between) - len(between.lstrip(BLANKS))
        column += len(between) + 1
        if not piece:
            if number != len(pieces) - 1:
                flaws.append(Flaw(column=begin, piece=";", text="there is nothing between two semicolons"))
            continue
        read = _tag(piece, begin)
        if isinstance(read, Tag):
            tags.append(read)
        else:
            flaws.append(read)
    return TagList(tags=tuple(tags), flaws=tuple(flaws))


def _tag(piece: str, column: int) -> Tag | Flaw:
    before, equals, after = piece.partition("=")
    if not equals:
        return Flaw(column=column, piece=piece, text="there is no equals sign in it, so it is not a tag")
    name = before.rstrip(BLANKS)
    if NAME.fullmatch(name) is None:
        return Flaw(column=column, piece=piece, text="what stands before the equals sign is not the name of a tag")
    value = after.lstrip(BLANKS)
    value_column = column + len(before) + 1 + len(after) - len(value)
    return Tag(name=name, value=value, column=column, value_column=value_column, text=piece)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is probably meant: the same letters in another order, or nearly the same."""
    name = name[:MEANT].lower()
    turned = next((each for each in known if sorted(each) == sorted(name)), None)
    return turned or next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)


def replaced(text: str, changes: dict[tuple[int, str], str]) -> str:
    """The text with each piece, given by its column and itself, replaced; an empty replacement takes its tag out."""
    for (column, piece), instead in sorted(changes.items(), reverse=True):
        begin = column - 1
        if text[begin : begin + len(piece)] != piece:
            continue
        text = text[:begin] + instead + text[begin + len(piece) :]
    kept = [piece.strip(BLANKS) for piece in text.split(";")]
    return "; ".join(piece for piece in kept if piece)
