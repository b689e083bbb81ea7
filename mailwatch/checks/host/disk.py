"""Whether Postfix's queue has room: bytes, inodes, and a file system that can be written.

smtpd refuses all mail (452 4.3.1) when no more is free than one and a half times message_size_limit, or than
queue_minfree; ``needed`` is the larger of the two. What is free is what others than root may use, as Postfix reckons.
Read-only is what the file system itself is, by /proc/self/mountinfo: statvfs(3) tells of our own mount, which systemd
may have made read-only for us alone (ProtectSystem=), and not of an ext4 that the kernel has given up after an error.

Values
    ``bytes`` ``bytes_free`` ``needed`` ``read_only``; ``inodes`` ``inodes_free`` where their number is fixed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from mailwatch.sample import Probe

if TYPE_CHECKING:
    from pathlib import Path

    from mailwatch.sample import Instance

NAME: Final = "disk"
FACTOR: Final = 1.5
FEWEST_INODES: Final = 100
"""One for each process that may be taking mail (default_process_limit)."""
MEBIBYTE: Final = 1 << 20
MOUNTS: Final = "/proc/self/mountinfo"
LONGEST: Final = 1 << 20
# 42 27 7:0 / /var/spool rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro,emergency_ro
MOUNT_POINT: Final = 4
READ_ONLY: Final = frozenset({"ro", "emergency_ro", "shutdown"})
"""Options of a file system, the last word; those of the mount are the sixth."""
ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def needed(instance: Instance) -> float:
    """How many bytes must be free for smtpd to take mail."""
    return max(FACTOR * instance.message_size_limit, instance.queue_minfree)


def look(instance: Instance, at: float) -> Probe:
    """How much room there is for the queue, at ``at`` seconds. Hangs with the file system, if that does."""
    folder = instance.queue_directory
    try:
        found = os.statvfs(folder)
    except OSError as error:
        unseen = f"cannot look at the file system of {folder}: {error.strerror or error}"
        return Probe(name=NAME, instance=instance.name, at=at, success=None, trouble=unseen)
    free = float(found.f_bavail * found.f_frsize)
    read_only = is_read_only(folder)
    if read_only is None:
        read_only = bool(found.f_flag & os.ST_RDONLY)
    values = {
        "bytes": float(found.f_blocks * found.f_frsize),
        "bytes_free": free,
        "needed": needed(instance),
        "read_only": float(read_only),
    }
    if found.f_files:  # btrfs and others make inodes as they are wanted
        values |= {"inodes": float(found.f_files), "inodes_free": float(found.f_favail)}
    trouble = complaint(values)
    where = None if trouble is None else f"the file system of {folder} {trouble}"
    return Probe(name=NAME, instance=instance.name, at=at, success=trouble is None, trouble=where, values=values)


def is_read_only(folder: Path) -> bool | None:
    """Whether nobody can write to the file system of a folder; None where that cannot be told."""
    path = os.path.realpath(folder)
    try:
        with open(MOUNTS, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = file.read(LONGEST).splitlines()
    except OSError:
        return None
    longest, options = -1, ""
    for words in (line.split(" ") for line in lines):
        if len(words) > MOUNT_POINT and len(words[MOUNT_POINT]) >= longest and is_below(path, words[MOUNT_POINT]):
            longest, options = len(words[MOUNT_POINT]), words[-1]
    return not READ_ONLY.isdisjoint(options.split(",")) if options else None


def is_below(path: str, mount_point: str) -> bool:
    """Whether a path lies on what is mounted there."""
    if "\\" in mount_point:  # a blank is \040
        mount_point = ESCAPED.sub(lambda found: chr(int(found[1], 8)), mount_point)
    return path == mount_point or path.startswith(f"{mount_point.rstrip('/')}/")


def complaint(values: dict[str, float]) -> str | None:
    """What keeps Postfix from taking mail; None when nothing does."""
    if values["read_only"]:
        return "is read-only"
    if values["bytes_free"] <= values["needed"]:
        free, wanted = values["bytes_free"] / MEBIBYTE, values["needed"] / MEBIBYTE
        return f"has {free:.1f} MiB free, and smtpd takes no mail below {wanted:.1f}"
    inodes = values.get("inodes_free")
    if inodes is not None and inodes < FEWEST_INODES:
        return f"has {inodes:.0f} inodes free"
    return None
