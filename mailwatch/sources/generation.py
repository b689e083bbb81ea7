"""A generation of a log: the content between two rotations, known by what it holds and not by its name.

Rotation renames, copies, compresses and truncates files, inodes are used again and dates change; the
bytes that were consumed do not. A generation is told by the digest of its first bytes (``head``) and
by the digest of the last bytes consumed (``marks``); it says up to where it was consumed.

Older marks are kept at growing distances: a power failure may cut the end off a log whose lines were
counted already, and an editor may rewrite it; reading then goes on at the newest mark that is still found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.sources.content import Content

HEAD: Final = 1024
MARK: Final = 512
"""Bytes of a mark: more than a line, for the ends of lines are alike where replies are."""
MARKS: Final = 12
SPREAD: Final = 4
SCAN: Final = 1 << 20


def digest(content: bytes) -> str:
    """A short name for some bytes; 96 bits, so that no two stretches of log share one."""
    return blake2b(content, digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What is known of one generation. Offsets are bytes of the decompressed content.

    ``log`` is the path of the log it was found for: content is the same under any path, but what is awaited
    is awaited there. ``live`` is set on the one whose file was last seen under the log's own name. ``size`` is
    up to where there are lines, as far as is known: beyond ``offset`` only while there is more to read.
    ``complete`` ones have nothing more to give, whatever is found of them.
    """

    number: int
    head_at: int = 0
    head_length: int = 0
    head: str = ""
    offset: int = 0
    marks: tuple[tuple[int, str], ...] = ()
    device: int = 0
    inode: int = 0
    size: int = 0
    log: str = ""
    live: bool = False
    complete: bool = False

    def to_json(self) -> str:
        """As the store keeps it."""
        # not asdict(): it copies every mark, and took half of the time of reading
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Generation:
        """As the store kept it."""
        fields = json.loads(text)
        fields["marks"] = tuple((offset, mark) for offset, mark in fields["marks"])
        return cls(**fields)

    @property
    def identity(self) -> tuple[int, int]:
        """The file it was last seen in."""
        return self.device, self.inode

    def has_head_of(self, head_at: int, head: bytes) -> bool:
        """Whether content that begins with ``head`` begins as this generation does."""
        return (
            0 < self.head_length <= len(head)
            and self.head_at == head_at
            and digest(head[: self.head_length]) == self.head
        )

    def is_continued_by(self, content: Content) -> bool:
        """Whether ``content`` holds, right before our offset, what we consumed last."""
        if not self.marks:
            return False
        offset, mark = self.marks[0]
        start = max(0, offset - MARK)
        return digest(content.at(start, offset - start)) == mark

    def advanced(self, content: Content, offset: int, *, size: int | None = None) -> Generation:
        """The same, consumed up to ``offset``; ``size`` when more than that is known to be there."""
        start = max(0, offset - MARK)
        mark = (offset, digest(content.at(start, offset - start)))
        known = self
        if self.head_length < HEAD:
            head_at = content.head_at() if self.head_length == 0 else self.head_at
            head = content.at(head_at, min(HEAD, max(0, offset - head_at)))
            known = replace(self, head_at=head_at, head_length=len(head), head=digest(head))
        return replace(known, offset=offset, marks=thinned((mark, *self.marks)), size=max(size or 0, offset))


def thinned(marks: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Few marks, newest first, at distances from the newest that grow at most fourfold from one to the next.

    A mark goes when its neighbours are near enough to each other to do without it.
    """
    newest = marks[0][0]
    kept = [marks[0]]
    for at in range(1, len(marks)):
        before = newest - kept[-1][0]
        if newest - marks[at][0] <= before:
            continue
        if at + 1 < len(marks) and newest - marks[at + 1][0] <= SPREAD * before:
            continue
        kept.append(marks[at])
    return tuple(kept[:MARKS])


def line_ends(content: Content) -> Iterator[tuple[int, bytes]]:
    """Each end of a line in the content, with the bytes before it that a mark is made of."""
    offset, tail = 0, b""
    while block := content.at(offset, SCAN):
        window = tail + block
        first = offset - len(tail)
        end = window.find(b"\n", len(tail)) + 1
        while end > 0:
            yield first + end, window[max(0, end - MARK) : end]
            end = window.find(b"\n", end) + 1
        offset += len(block)
        tail = window[-MARK:]


def found_again(generation: Generation, content: Content) -> tuple[int, bool] | None:
    """Where reading goes on in content that begins like the generation but was cut or rewritten.

    The offset behind the newest mark that is still found, and whether that is the very last one (then
    nothing is read twice). None when no mark is found. Reads the whole file: for the rare case only.
    """
    wanted = {mark: age for age, (_, mark) in reversed(list(enumerate(generation.marks)))}
    best: tuple[int, int] | None = None
    for offset, window in line_ends(content):
        age = wanted.get(digest(window))
        if age is not None and (best is None or age <= best[0]):
            best = (age, offset)
    return None if best is None else (best[1], best[0] == 0)
