"""A small disk that can be full: a tmpfs mounted on a folder for the time of a run."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE: Final = "8m"
PAGE: Final = 4096
WITHIN: Final = 20


class NotPossible(AssertionError):  # noqa: N818 - the words of this house
    """This machine lacks what the torture needs; the text says what to do."""


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount it, and take it away at the end whatever happened. Raises NotPossible."""
    if os.geteuid() != 0:
        raise NotPossible("a full disk needs a mounted tmpfs, and that needs root: run this as root")
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode != 0:
        raise NotPossible(f"cannot mount a tmpfs ({done.stderr.strip()}): in a container, run it with CAP_SYS_ADMIN")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], timeout=WITHIN, check=True)


class SmallDisk:
    """The mounted disk."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self, left: int) -> None:
        """Fill it but for ``left`` pages."""
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * PAGE)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            filler.truncate(max(0, filler.tell() - left * PAGE))

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)
