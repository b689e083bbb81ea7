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
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if sys.version_info >= (3, 14):  # pragma: no cover - the same library, from the standard one
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

STEP: Final = 1 << 16
OPENERS: Final[dict[str, Callable[[BinaryIO], ReadsForward]]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    ".zst": zstd.open,
}
BROKEN: Final = (EOFError, OSError, lzma.LZMAError, zlib.error, zstd.ZstdError, ValueError)
"""What the decompressors raise over a cut or damaged archive: an OSError too, but one without an errno."""


class ReadsForward(Protocol):
    """An open archive."""

    def read1(self, size: int = -1, /) -> bytes:
        """Decompress some bytes, at most ``size``; none at the end. What is good comes before the error."""
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
    """A compressed log file, read forwards from its beginning. Takes over the descriptor.

    ``broken`` says how it ends too early, once that was met; what was good before it is handed out first.
    """

    def __init__(self, descriptor: int, compression: str) -> None:
        self._file = os.fdopen(descriptor, "rb")
        self._compression = compression
        self._stream: ReadsForward | None = None
        self._next = 0
        self._kept = b""
        self._kept_from = 0
        self.broken: str | None = None

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer at the end. Raises ArchiveBroken, OSError."""
        if self._stream is None or offset < self._kept_from:
            self._rewind()
        while self._next < offset + size and self.broken is None:
            block = self._decompress()
            if not block:
                break
            # what lies more than a step before the offset is let go; never more than there is
            drop = min(max(0, offset - STEP - self._kept_from), len(self._kept))
            self._kept = self._kept[drop:] + block
            self._kept_from += drop
        start = max(0, offset - self._kept_from)
        found = self._kept[start : start + size]
        if not found and self.broken is not None:
            raise ArchiveBroken(self.broken)
        return found

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
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        self._file.close()

    def _rewind(self) -> None:
        self._next = self._kept_from = 0
        self._kept = b""
        self.broken = None
        self._file.seek(0)
        try:
            self._stream = OPENERS[self._compression](self._file)
        except BROKEN as error:
            self._note(error)

    def _decompress(self) -> bytes:
        assert self._stream is not None  # noqa: S101 - at() has opened it
        try:
            block = self._stream.read1(STEP)
        except BROKEN as error:
            self._note(error)
            return b""
        self._next += len(block)
        return block

    def _note(self, error: Exception) -> None:
        """Tell damage from trouble that may pass: too many open files, no permission, a disk that fails."""
        if isinstance(error, OSError) and error.errno is not None:
            raise error
        self.broken = str(error) or type(error).__name__


Content = PlainFile | Archive
