"""Reads small text files of other programs: plain ones only, to a limit, never waiting."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST: Final = 1 << 18
"""Bytes of a file of settings that are read."""
LINES: Final = 4096
"""So many lines of one are looked at."""


def opened(path: Path) -> BinaryIO:
    """A plain file. Raises OSError and ValueError; a FIFO nobody writes to and a device are none."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a plain file")
    return file


def text_of(path: Path, largest: int = LARGEST) -> str | None:
    """The text of a file, its beginning where it is larger; None where it is no plain file, or may not be read."""
    try:
        with opened(path) as file:
            return file.read(largest).decode("utf-8", "replace")
    except (OSError, ValueError):  # ValueError: a NUL in a path out of a file
        return None


def settings_in(text: str) -> Iterator[tuple[str, str]]:
    """Lines ``name value``, without comments and blank ones; names as they stand."""
    for line in text.splitlines()[:LINES]:
        name, _, value = line.strip().replace("\t", " ").partition(" ")
        if name and not name.startswith("#"):
            yield name, value.strip()
