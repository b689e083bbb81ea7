"""Wakes the work loop when the log was written to: by inotify or poll at once, and once a second in any case.

inotify alone would miss network file systems, a full event queue and a name that appears later; then the second counts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
from typing import TYPE_CHECKING

from inotify_simple import INotify, flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Wakeup:
    """Waits for the log at ``path`` to change, or for ``interrupt`` from a signal handler."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._interrupted, self._interrupt = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._interrupted, select.POLLIN)
        self._pause = select.poll()
        self._pause.register(self._interrupted, select.POLLIN)
        self._inotify: INotify | None = None
        # instances and watches are a limited resource of the machine: without one the poll remains
        with contextlib.suppress(OSError):
            self._inotify = INotify(nonblocking=True)
            self._poll.register(self._inotify.fileno(), select.POLLIN)
            if path is not None:
                self._inotify.add_watch(str(path.parent), flags.CREATE | flags.MOVED_TO)
        self._watched: tuple[int, int] | None = None

    def interrupt(self) -> None:
        """End the wait that is on, or the next one. Safe in a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._interrupt, b"\0")

    def wait(self, seconds: float) -> None:
        """Return when the log changed, at an interrupt, or after ``seconds``."""
        # a line written before the watch was set has woken nobody: look once more at once
        fresh = self._watch()
        self._poll.poll(0 if fresh else max(0.0, seconds) * 1000)
        self._drain()

    def pause(self, seconds: float) -> None:
        """Return after ``seconds`` or at an interrupt, whatever happens to the log."""
        if seconds > 0 and self._pause.poll(seconds * 1000):
            self._drain()

    def close(self) -> None:
        """Close the descriptors."""
        if self._inotify is not None:
            self._inotify.close()
        os.close(self._interrupted)
        # a signal may come later than this: the number must not lead to a file that was opened since
        closing, self._interrupt = self._interrupt, -1
        os.close(closing)

    def _watch(self) -> bool:
        """Watch the file that has the name now, for rotation puts another one there; whether that was new."""
        if self._inotify is None or self._path is None:
            return False
        try:
            found = self._path.stat()
        except OSError:
            self._watched = None
            return False
        if (found.st_dev, found.st_ino) == self._watched:
            return False
        with contextlib.suppress(OSError):
            self._inotify.add_watch(str(self._path), flags.MODIFY | flags.MOVE_SELF | flags.DELETE_SELF)
            self._watched = (found.st_dev, found.st_ino)
            return True
        return False

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._interrupted, 4096)
        if self._inotify is None:
            return
        try:
            self._inotify.read(timeout=0)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise


class FoldersWakeup(Wakeup):
    """Waits for a file in some folders to change: journald writes through a mapping, and then sets the size anew."""

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        super().__init__(None)
        self._folders = folders
        self._watching: dict[Path, tuple[int, int]] = {}

    def _watch(self) -> bool:
        """Watch the folders that are there now; whether one was new."""
        if self._inotify is None:
            return False
        fresh = False
        for folder in self._folders():
            try:
                found = folder.stat()
                if self._watching.get(folder) != (found.st_dev, found.st_ino):
                    self._inotify.add_watch(str(folder), flags.MODIFY | flags.CREATE | flags.MOVED_TO)
                    self._watching[folder] = (found.st_dev, found.st_ino)
                    fresh = True
            except OSError:
                self._watching.pop(folder, None)
        return fresh


class StreamWakeup(Wakeup):
    """Waits for a pipe to have something to read, or to end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(None)
        self._poll.register(descriptor, select.POLLIN)
