"""Compresses a file as logrotate does: beside it under its final name, with its times, and only then is it unlinked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import time
from typing import TYPE_CHECKING, Final, Literal, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP: Final = 8192


class Sink(Protocol):
    """What a compressor is written to."""

    def write(self, data: bytes, /) -> int:
        """Compress some bytes."""
        ...

    def close(self) -> None:
        """Write the end of the archive."""
        ...


OPENERS: Final[dict[str, Callable[[Path, Literal["wb"]], Sink]]] = {
    ".gz": gzip.GzipFile,
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".zst": zstd.ZstdFile,
}
READERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".bz2": bz2.decompress,
    ".zst": zstd.decompress,
}


def compress(path: Path, suffix: str) -> Path:
    """Compress slowly enough to be seen at it; the archive."""
    found = path.stat()
    archive = path.with_name(path.name + suffix)
    made = OPENERS[suffix](archive, "wb")
    try:
        with path.open("rb") as source:
            while block := source.read(STEP):
                made.write(block)
                time.sleep(0.001)
    finally:
        made.close()
    if not archive.stat().st_size:  # of an empty file zstd(1) makes an archive, the library does not
        archive.write_bytes(zstd.compress(b""))
    os.utime(archive, ns=(found.st_atime_ns, found.st_mtime_ns))
    path.unlink()
    return archive
