"""The bytes of a log file, plain or compressed, under one set of offsets: those of the decompressed content.

A plain file is read at any offset through one descriptor, so what is verified and what is read are the
same file even while names move. An archive is read forwards only; ``Archive`` starts anew when it must go back.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import sys
from typing import TYPE_CHECKING, Final, Protocol

if sys.version_info >= (3, 14):  # pragma: no cover - the same library, from the standard one
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

STEP: Final = 1 << 16
OPENERS: Final[dict[str, Callable[[str], ReadsForward]]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    ".zst": zstd.open,
}
BROKEN: Final = (EOFError, OSError, lzma.LZMAError, zstd.ZstdError, ValueError)
"""What the decompressors raise over a cut or damaged archive."""


class ReadsForward(Protocol):
    """An open archive."""

    def read(self, size: int = -1, /) -> bytes:
        """Decompress up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class ArchiveBroken(Exception):  # noqa: N818 - the words of this house
    """The archive ends too early or is damaged; it may also still be in the making."""


class PlainFile:
    """A log file as it lies on the disk."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def open(cls, path: str) -> PlainFile:
        """Open for reading. Raises OSError."""
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK))

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer at the end."""
        return os.pread(self.descriptor, size, offset)

    def head_at(self) -> int:
        """Where the content begins: after the NUL bytes that a writer leaves which was not told of a truncation."""
        offset = 0
        if self.at(0, 1) > b"\0":
            return 0
        while block := self.at(offset, STEP):
            rest = block.lstrip(b"\0")
            if rest:
                return offset + len(block) - len(rest)
            offset += len(block)
            try:
                offset = max(offset, os.lseek(self.descriptor, offset, os.SEEK_DATA))
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                    return os.fstat(self.descriptor).st_size
        return offset

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class Archive:
    """A compressed log file, read forwards from its beginning."""

    def __init__(self, path: str, compression: str) -> None:
        self._path = path
        self._compression = compression
        self._stream: ReadsForward | None = None
        self._next = 0
        self._kept = b""
        self._kept_from = 0

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer at the end. Raises ArchiveBroken."""
        if self._stream is None or offset < self._kept_from:
            self._rewind()
        while self._next < offset + size:
            block = self._decompress()
            if not block:
                break
            # what lies more than a step before the offset is let go; never more than there is
            drop = min(max(0, offset - STEP - self._kept_from), len(self._kept))
            self._kept = self._kept[drop:] + block
            self._kept_from += drop
        start = offset - self._kept_from
        return self._kept[max(start, 0) : max(start, 0) + size] if start < len(self._kept) else b""

    def head_at(self) -> int:
        """Where the content begins: after leading NUL bytes. Raises ArchiveBroken."""
        offset = 0
        while block := self.at(offset, STEP):
            rest = block.lstrip(b"\0")
            if rest:
                return offset + len(block) - len(rest)
            offset += len(block)
        return offset

    def close(self) -> None:
        """Close the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _rewind(self) -> None:
        self.close()
        try:
            self._stream = OPENERS[self._compression](self._path)
        except BROKEN as error:
            raise ArchiveBroken(str(error)) from error
        self._next = self._kept_from = 0
        self._kept = b""

    def _decompress(self) -> bytes:
        assert self._stream is not None  # noqa: S101 - at() has opened it
        try:
            block = self._stream.read(STEP)
        except BROKEN as error:
            raise ArchiveBroken(str(error) or type(error).__name__) from error
        self._next += len(block)
        return block


Content = PlainFile | Archive
