"""Whole lines out of bytes, with a bound on how long a line may be.

A line is handed out when its newline is there; a carriage return ends nothing. Lines longer than 64 KiB
are skipped and counted: Postfix cuts its own at 2 048 or 8 192 bytes. Leading NUL bytes belong to no line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from mailwatch.sources.content import Content

LONGEST: Final = 1 << 16
SCANNED_AT_ONCE: Final = 1 << 26
TAIL: Final = 512


class Stretch(NamedTuple):
    """Whole lines from an offset on, where to go on, and how many overlong lines were left out.

    ``more``: there may be more at once. ``scanned``: an overlong line without an end was searched up to here.
    ``tail`` holds the last bytes that were read before ``next_offset``.
    """

    block: bytes
    next_offset: int
    overlong: int
    more: bool
    scanned: int = 0
    tail: bytes = b""


def bounded(block: bytes) -> tuple[bytes, int]:
    """The block without its overlong lines, and how many those were. The block ends with a newline."""
    start = kept = 0
    pieces: list[bytes] = []
    overlong = 0
    while len(block) - start > LONGEST:
        # the last newline within reach: everything up to it is made of lines short enough, or is one that ends there
        end = block.rfind(b"\n", start, start + LONGEST + 1) + 1
        if end == 0:
            end = block.index(b"\n", start) + 1
            line = block[start:end].lstrip(b"\0")
            pieces.append(block[kept:start])
            if len(line) <= LONGEST + 1:
                pieces.append(line)
            else:
                overlong += 1
            kept = end
        start = end
    if not pieces:
        return block, 0
    return b"".join((*pieces, block[kept:])), overlong


def stretch(content: Content, offset: int, limit: int, scanned: int = 0) -> Stretch:
    """The whole lines from ``offset`` on, out of ``limit`` bytes (more than a line may have).

    ``scanned`` is what an earlier call said about the same offset, so that an overlong line that still
    grows is not searched from its beginning each time. Raises ArchiveBroken.
    """
    raw = content.at(offset, limit)
    end = raw.rfind(b"\n") + 1
    if end:
        block, overlong = bounded(raw[:end])
        return Stretch(block, offset + end, overlong, more=len(raw) == limit, tail=raw[max(0, end - TAIL) : end])
    holes = len(raw) - len(raw.lstrip(b"\0"))
    if holes >= LONGEST:
        return Stretch(b"", offset + holes, 0, more=True)
    if len(raw) < limit:
        return Stretch(b"", offset, 0, more=False)
    return _behind_overlong(content, offset, limit, max(scanned, offset + len(raw)))


def _behind_overlong(content: Content, offset: int, limit: int, position: int) -> Stretch:
    stop = position + SCANNED_AT_ONCE
    while position < stop:
        raw = content.at(position, limit)
        end = raw.find(b"\n") + 1
        if end:
            return Stretch(b"", position + end, 1, more=True)
        position += len(raw)
        if len(raw) < limit:
            return Stretch(b"", offset, 0, more=False, scanned=position)
    return Stretch(b"", offset, 0, more=True, scanned=position)


def last_line_end(content: Content, size: int) -> int:
    """The offset behind the last newline among the first ``size`` bytes; 0 without one."""
    end = size
    while end > 0:
        start = max(0, end - LONGEST)
        found = content.at(start, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
