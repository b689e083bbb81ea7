"""Keeps the live log open, and for a while the one before it.

A file that is held can be read to its end though it was deleted or compressed away, and its inode is not
given to another file meanwhile. It is let go when it was quiet for ten minutes: a deleted file that
is held takes up disk space.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import PlainFile
from mailwatch.sources.rotation import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

QUIET: Final = 600.0
AT_MOST: Final = 4

Identity = tuple[int, int]


@dataclass(slots=True)
class HeldFile:
    """An open file, and when it was last seen to grow (monotonic seconds)."""

    file: PlainFile
    size: int
    grown_at: float


class Held:
    """The open files, by device and inode; the oldest first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._files: dict[Identity, HeldFile] = {}

    def get(self, identity: Identity) -> PlainFile | None:
        """The open file with this identity."""
        held = self._files.get(identity)
        return None if held is None else held.file

    def hold(self, live: Candidate) -> None:
        """Open the live file unless it is open. Raises OSError when it may not be read."""
        if live.identity in self._files:
            return
        opened = PlainFile.open(live.path)
        found = os.fstat(opened.descriptor)
        # the name may belong to another file since it was looked at: that one is held, and found by its own identity
        self._files.setdefault((found.st_dev, found.st_ino), HeldFile(opened, found.st_size, self._clock()))
        if self._files[found.st_dev, found.st_ino].file is not opened:
            opened.close()

    def candidates(self) -> Iterator[Candidate]:
        """Every held file as it is now, whatever its name."""
        for (device, inode), held in self._files.items():
            found = os.fstat(held.file.descriptor)
            if found.st_size != held.size:
                held.size, held.grown_at = found.st_size, self._clock()
            yield Candidate(
                path="",
                live=False,
                compression=None,
                device=device,
                inode=inode,
                size=found.st_size,
                modified=found.st_mtime_ns,
            )

    def release(self, keep: Collection[Identity]) -> None:
        """Let go of what was quiet for long, and of the oldest when there are many."""
        now = self._clock()
        old = [identity for identity in self._files if identity not in keep]
        for age, identity in enumerate(reversed(old)):
            if age >= AT_MOST - 1 or now - self._files[identity].grown_at >= QUIET:
                self._files.pop(identity).file.close()

    def close(self) -> None:
        """Close them all."""
        for held in self._files.values():
            held.file.close()
        self._files.clear()
