"""Leaves the metrics of a run behind for node_exporter's textfile collector: whole, or as they were.

Promises
    The file has its name only when it is complete and on the disk; who reads it sees the old one or the new one.
    Everybody may read it (0644): node_exporter runs as another user. What a killed run left beside it is cleared away.

How it fails
    Raises OSError, and the file is as it was.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

READABLE: Final = 0o644
LEFT_BEHIND: Final = 3600.0
"""Seconds after which nobody writes to what stands beside it any more."""


def write(path: Path, content: bytes) -> None:
    """Put the content in the place of what is at ``path``. Raises OSError."""
    clear(path, time.time())
    # the collector reads only names that end with .prom
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fchmod(descriptor, READABLE)
            os.fsync(descriptor)
        os.replace(name, path)  # noqa: PTH105 - a name that is none of Path's making
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def clear(path: Path, now: float) -> None:
    """Remove what runs that were killed left beside the file."""
    for each in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if now - each.stat().st_mtime > LEFT_BEHIND:
                each.unlink()
