"""Whether Postfix's queue has room: bytes, inodes, and a file system that can be written.

smtpd refuses all mail (452 4.3.1) when no more is free than one and a half times message_size_limit, or than
queue_minfree; ``needed`` is the larger of the two. What is free is what others than root may use, as Postfix reckons.

Values
    ``bytes`` ``bytes_free`` ``needed`` ``read_only``; ``inodes`` ``inodes_free`` where their number is fixed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from mailwatch.sample import Probe

if TYPE_CHECKING:
    from mailwatch.sample import Instance

NAME: Final = "disk"
FACTOR: Final = 1.5
FEWEST_INODES: Final = 100
"""One for each process that may be taking mail (default_process_limit)."""
MEBIBYTE: Final = 1 << 20


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
    values = {
        "bytes": float(found.f_blocks * found.f_frsize),
        "bytes_free": free,
        "needed": needed(instance),
        "read_only": float(bool(found.f_flag & os.ST_RDONLY)),
    }
    if found.f_files:  # btrfs and others make inodes as they are wanted
        values |= {"inodes": float(found.f_files), "inodes_free": float(found.f_favail)}
    trouble = complaint(values)
    where = None if trouble is None else f"the file system of {folder} {trouble}"
    return Probe(name=NAME, instance=instance.name, at=at, success=trouble is None, trouble=where, values=values)


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
