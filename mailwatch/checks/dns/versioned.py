"""Reads a record of the form ``v=NAME; key=value; ...``, as MTA-STS and TLS-RPT have it.

Grammar: RFC 8461 section 3.1, RFC 8460 section 3; both drop what does not begin with ``v=NAME;`` to the letter.
A text holds one character a byte (Latin 1), so that columns count bytes; they count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.txt import escaped, octets, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.rdata import Rdata

MOST: Final = 20
"""So many mistakes are told."""
WSP: Final = " \t"
LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS: Final = frozenset("0123456789")
NAME: Final = LETTERS | DIGITS | frozenset("_-.")
LONGEST_NAME: Final = 32
VALUE: Final = frozenset(map(chr, range(0x21, 0x7F))) - frozenset(";=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """``name=value`` at a column; ``at`` is the column of the value."""

    name: str
    value: str
    column: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What the grammar does not allow, and where."""

    column: int
    text: str


def raw(records: Iterable[Rdata]) -> list[str]:
    """The text of each TXT record, its strings without anything between them, one character a byte."""
    return [octets(each).decode("latin-1") for each in records]


def plain(text: str, longest: int = 200) -> str:
    """Such a text, or a part of it, as it may be shown."""
    return shortened(escaped(text.encode("latin-1", "replace")), longest)


def versioned(texts: Iterable[str], version: str) -> tuple[list[str], list[str]]:
    """The records of that version (``v=STSv1``), and those that only look like one: no receiver sees these."""
    there = list(texts)
    exact = [each for each in there if each.startswith(f"{version};")]
    wanted = version.lower()
    others = [each for each in there if not each.startswith(f"{version};")]
    near = [each for each in others if each.replace(" ", "").strip("\t\"'").lower().startswith(wanted)]
    return exact, near


def read(text: str) -> tuple[tuple[Field, ...], tuple[Mistake, ...]]:
    """The fields after the version, and every mistake."""
    fields: list[Field] = []
    mistakes: list[Mistake] = []
    begin = text.find(";") + 1 or len(text)
    parts = text[begin:].split(";")
    for number, part in enumerate(parts):
        bare = part.strip(WSP)
        column = begin + 1 + len(part) - len(part.lstrip(WSP))
        begin += len(part) + 1
        if bare:
            _read_field(bare, column, fields, mistakes)
        elif number < len(parts) - 1:
            mistakes.append(Mistake(column=column, text="two semicolons with nothing between them"))
    return tuple(fields), tuple(mistakes[:MOST])


def _read_field(bare: str, column: int, fields: list[Field], mistakes: list[Mistake]) -> None:
    name, equals, value = bare.partition("=")
    if not equals:
        mistakes.append(Mistake(column=column, text=f'"{plain(bare, 40)}" is not name=value'))
    elif not _is_name(name):
        mistakes.append(Mistake(column=column, text=f'"{plain(name, 40)}" is not a name of a field'))
    else:
        fields.append(Field(name=name, value=value, column=column, at=column + len(name) + 1))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name[0] not in "_-." and set(name) <= NAME
