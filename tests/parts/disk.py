"""A small disk that gets full, of bytes or of inodes, and one that the kernel takes for broken and makes read-only."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.parts.ports import eventually
from tests.parts.postfix import SECONDS, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = 1 << 16


@dataclass(frozen=True)
class Disk:
    """Mounted on ``folder``."""

    folder: Path

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            for size in (PIECE, 512):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)):
                        pass

    def fill_inodes(self) -> None:
        """Leave no inode."""
        (self.folder / "inodes").mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            for number in range(100_000):
                (self.folder / "inodes" / str(number)).touch()

    def free(self) -> None:
        """Take away what fills it."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "filler").unlink()
        for each in (self.folder / "inodes").glob("*"):
            each.unlink()

    def remount(self, options: str) -> None:
        """``ro`` while nothing is open for writing, ``rw``; ``abort``: as the kernel does with a broken ext4."""
        run("mount", "-o", f"remount,{options}", self.folder)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """64 MiB and 500 inodes, in memory."""
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=500,mode=755", "tmpfs", folder)
    try:
        yield Disk(folder)
    finally:
        run("umount", "--lazy", folder)


@contextlib.contextmanager
def breakable_disk(folder: Path, image: Path) -> Iterator[Disk]:
    """An ext4 of 64 MiB in a file, which is made where there is none."""
    folder.mkdir()
    if not image.exists():
        with image.open("wb") as file:
            os.truncate(file.fileno(), 64 << 20)
        run("mkfs.ext4", "-q", "-m", "0", image)
    run("mount", "-o", "loop,errors=remount-ro", image, folder)
    try:
        yield Disk(folder)
    finally:
        run("umount", "--lazy", folder)
        folder.rmdir()


def repair(image: Path) -> None:
    """Check it, once nothing is open on it any more."""
    eventually(lambda: not run("losetup", "--associated", image), within=20, what="the disk is let go of")
    assert subprocess.run(["e2fsck", "-p", image], timeout=SECONDS, check=False).returncode in (0, 1)
