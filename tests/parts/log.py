"""A log with numbered lines, and a reader of it that remembers only what was committed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections import Counter
from typing import TYPE_CHECKING

from backports import zstd

from mailwatch.event import Other
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.sources.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = 1 << 18
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstd.compress,
}


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log with numbered lines, and a reader of it that remembers only what was committed."""

    def __init__(self, folder: Path, start: str = "end", olddir: Path | None = None, adopt: Path | None = None) -> None:
        self.path = folder / "mail.log"
        self.clock = Clock()
        self.written = 0
        self.got: Counter[int] = Counter()
        self.gaps: list[str] = []
        self.overlong = 0
        self.trouble: str | None = None
        self._committed: dict[str, str] = {}
        self._olddir = olddir
        self._adopt = adopt
        self._start = start
        self.source: FileSource | None = None

    def write(self, number: int = 1, to: Path | None = None, pad: int = 60) -> None:
        with (to or self.path).open("a") as file:
            for _ in range(number):
                file.write(f"line {self.written} {'.' * pad}\n")
                self.written += 1

    def read(self, limit: int = LIMIT, batches: int = 10_000) -> None:
        """Read and commit until nothing is left, or that many batches."""
        if self.source is None:
            self.source = FileSource(
                self.path,
                positions=self._committed,
                start=self._start,
                olddir=self._olddir,
                adopt=self._adopt,
                clock=self.clock,
            )
        for _ in range(batches):
            batch = self.source.read(limit)
            self.got.update(
                int(line.split()[1]) for line in batch.block.split(b"\n") if line.lstrip(b"\0").startswith(b"line ")
            )
            self.gaps += batch.gaps
            self.overlong += batch.overlong
            self.trouble = batch.trouble
            for key, value in batch.positions.items():
                if value is None:
                    del self._committed[key]
                else:
                    self._committed[key] = value
            if not batch.more:
                return

    def crash(self) -> None:
        """Forget everything that was not committed."""
        if self.source is not None:
            self.source.close()
        self.source = None

    def exact(self, gaps: tuple[str, ...] = (), missing: range = range(0)) -> None:
        self.once(missing)
        assert tuple(self.gaps) == gaps

    def once(self, missing: range = range(0)) -> None:
        expected = Counter({number: 1 for number in range(self.written) if number not in missing})
        assert self.got == expected, (self.got - expected, expected - self.got)


def rotate(log: Log, name: str = "mail.log.1") -> Path:
    return log.path.rename(log.path.with_name(name))


def replace(log: Log) -> None:
    """Delete the log and begin another, surely with another inode."""
    new = log.path.with_name("new")
    new.touch()
    new.rename(log.path)


def compressed(path: Path, ending: str = ".gz") -> Path:
    """Compress as logrotate does: beside it, with its time, then remove the source."""
    archive = path.with_name(path.name + ending)
    archive.write_bytes(COMPRESS[ending](path.read_bytes()))
    found = path.stat()
    os.utime(archive, ns=(found.st_atime_ns, found.st_mtime_ns))
    path.unlink()
    return archive


def others(log: Path) -> list[str]:
    """The lines of Postfix in a log that no grammar reads."""
    events = PostfixParser().parse(log.read_bytes(), log.stat().st_mtime).events
    return [f"{event.origin.program}: {event.text}" for event in events if isinstance(event, Other)]
