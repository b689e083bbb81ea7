"""Reads log files from beginning to end, remembering nothing: for the commands that are given files.

Each block holds whole lines, bounded as everywhere (lines.py); a last line without its newline is a line, too.
Which compression a file has is told by its first bytes, not by its name; standard input may be compressed as well.

How it fails
    Unreadable: a file that is not there or may not be read, before anything of it was handed out; an archive that
    is cut or damaged, after everything that is good in it.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from mailwatch.sources.content import BROKEN, OPENERS
from mailwatch.sources.lines import LONGEST, bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_INPUT: Final = "-"
BLOCK: Final = 1 << 18
MAGIC: Final = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\0": ".xz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
PEEKED: Final = max(map(len, MAGIC))


class Unreadable(Exception):  # noqa: N818 - the words of this house
    """A file cannot be read, or not to its end; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines; not written after ``written_at`` (seconds, UTC); ``overlong`` lines were left out."""

    lines: bytes
    written_at: float
    overlong: int


def blocks(name: str) -> Iterator[Block]:
    """The lines of the file called ``name``, of standard input for ``-``. Raises Unreadable."""
    try:
        file: BinaryIO = sys.stdin.buffer if name == STANDARD_INPUT else open_log(name)
        with closing(file):
            written_at = time.time() if name == STANDARD_INPUT else os.fstat(file.fileno()).st_mtime
            yield from whole_lines(decompressed(file), written_at)
    except BROKEN as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(f"cannot read {name}: {said}") from error


def open_log(name: str) -> BinaryIO:
    """The open file. Raises OSError; a folder, a FIFO nobody writes to and a device are none."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not a regular file; use - for what comes from a pipe")
    return os.fdopen(descriptor, "rb")


def decompressed(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, decompressed if they are compressed. Raises one of BROKEN, behind what is good."""
    peek = getattr(file, "peek", None)
    first = peek(PEEKED)[:PEEKED] if peek is not None else b""
    kind = next((kind for magic, kind in MAGIC.items() if first.startswith(magic)), None)
    if kind is None:
        read1 = getattr(file, "read1", file.read)
        while block := read1(BLOCK):
            yield block
        return
    stream = OPENERS[kind](file)
    while block := stream.read1(BLOCK):
        yield block


def whole_lines(pieces: Iterator[bytes], written_at: float) -> Iterator[Block]:
    """Whole lines out of pieces cut anywhere; lines longer than 64 KiB are counted, and not kept."""
    rest = b""
    overlong = False  # the line that is going on is too long: the rest of it is let go as it comes
    for piece in pieces:
        joined = rest + piece
        begin = joined.find(b"\n") + 1 if overlong else 0
        end = joined.rfind(b"\n") + 1
        rest = joined[end:]
        lines, skipped = bounded(joined[begin:end])
        skipped += overlong and end > 0
        overlong = len(rest) > LONGEST or (overlong and end == 0)
        rest = b"" if overlong else rest
        if lines or skipped:
            yield Block(lines, written_at, skipped)
    if rest or overlong:
        yield Block(b"" if overlong else rest + b"\n", written_at, int(overlong))
