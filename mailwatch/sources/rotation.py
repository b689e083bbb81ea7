"""Which files belong to a log: the live one, and those that rotation made of it. By name, strictly.

Forms: those of logrotate (``mail.log.1``, ``mail.log-20261122``, with ``dateext``, ``dateformat``, ``extension``
and ``olddir``) and of ``postfix logrotate`` (``mail.log.20261122-061704``), each also compressed. Nothing
else belongs, whatever it holds: ``grep smtp mail.log > mail.log.txt``, an editor's copy and a saved
``mail.log.bak`` would be counted twice.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBER: Final = r"\.[0-9]{1,5}"
# -20261122  .20261122  -2026112206  -20261122-1795327024  -2026-11-22  -20261122-061704
_DATE: Final = r"[-.][0-9]{4}-?[0-9]{2}-?[0-9]{2}(?:[-_T]?[0-9]{2,10}(?:[-:]?[0-9]{2}){0,2})?"
_COMPRESSION: Final = r"(?P<compression>\.gz|\.xz|\.bz2|\.zst)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that belongs to the log, as it was when it was looked at."""

    path: str
    live: bool
    compression: str | None
    device: int
    inode: int
    size: int
    modified: int
    """mtime in nanoseconds."""

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: which file it is, whatever its name."""
        return self.device, self.inode

    @property
    def state(self) -> tuple[int, int, int, int]:
        """The same state is the same content."""
        return self.device, self.inode, self.size, self.modified


@lru_cache(maxsize=16)
def rotated_name(live: str) -> re.Pattern[str]:
    """The names that rotation gives to the log called ``live``."""
    stem, dot, extension = live.rpartition(".")
    forms = [rf"{re.escape(live)}(?:{_NUMBER}|{_DATE})"]
    if dot and stem:
        # logrotate's "extension .log": mail.log becomes mail-20261122.log
        forms.append(rf"{re.escape(stem)}(?:{_NUMBER}|{_DATE}){re.escape(dot + extension)}")
    return re.compile(rf"(?:{'|'.join(forms)}){_COMPRESSION}")


def candidate(path: str, *, live: bool, compression: str | None = None) -> Candidate | None:
    """Look at a file; None when it is not there or no regular file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - once a second for every rotated file: Path would cost as much as the call
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Candidate(
        path=path,
        live=live,
        compression=compression,
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        modified=found.st_mtime_ns,
    )


def folders(path: Path, olddir: Path | None) -> list[tuple[str, str]]:
    """Folder and live name for each place of rotated files: beside the name given, and beside what it points to."""
    folder, name = os.path.split(os.path.realpath(path))
    places = [(str(path.parent), path.name), (folder, name)]
    if olddir is not None:
        # logrotate takes a relative olddir from the folder of the log
        places.append((str(path.parent / olddir), path.name))
    return list(dict.fromkeys(places))


def rotated_files(path: Path, olddir: Path | None) -> Iterator[Candidate]:
    """Every rotated file of the log at ``path``, in no order. A folder that cannot be listed has none."""
    for folder, live in folders(path, olddir):
        pattern = rotated_name(live)
        try:
            names = os.listdir(folder)  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            matched = pattern.fullmatch(name)
            if matched is None:
                continue
            found = candidate(f"{folder}/{name}", live=False, compression=matched["compression"])
            if found is not None:
                yield found
