"""Room on the disk that is kept for the moment when there is none: given up, what is to be told can be committed.

Never raises: a reserve that cannot be made is one that cannot be given up.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "reserve"
BYTES: Final = 1 << 20
"""What a few commits take, with the write-ahead log that they are made in."""
ROOM: Final = 16 << 20
"""It is made only where there is so much room beside it: it must not be what fills the disk."""
EVERY: Final = 60.0


class Reserve:
    """A file in the state folder. ``now`` is monotonic seconds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._looked_at: float | None = None

    def keep(self, now: float) -> None:
        """Make it where it is not there and there is room; looked at once a minute."""
        if self._looked_at is not None and now - self._looked_at < EVERY:
            return
        self._looked_at = now
        with contextlib.suppress(OSError):
            if self._path.exists():
                if self._path.stat().st_size >= BYTES:
                    return
                self._path.unlink()  # of a process that ended while it was made
            found = os.statvfs(self._path.parent)
            if found.f_bavail * found.f_frsize < ROOM:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, BYTES)
            except OSError:
                self._path.unlink()  # a part of it would be taken for the whole
            finally:
                os.close(descriptor)

    def release(self) -> bool:
        """Give it up; whether there was one."""
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False
