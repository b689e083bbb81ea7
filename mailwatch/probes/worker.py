"""Does one job in a thread of its own: one look at a time, and one that hangs is told of and waited for, never doubled.

A thread that hangs in the kernel (statvfs on a dead NFS server) cannot be ended by anybody: it stays, keeps nobody
else waiting, and looks on when the kernel lets it go.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.probes.job import Job
    from mailwatch.sample import Probe, QueueSample

log = logging.getLogger(__name__)


class Worker:
    """Works on ``job``; ``hand_over`` gets each result, from any thread."""

    def __init__(self, job: Job, hand_over: Callable[[QueueSample | Probe], None]) -> None:
        self._job = job
        self._hand_over = hand_over
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._busy_since: float | None = None
        self._told = False
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"probe-{job.name}", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Have it look, unless it still does."""
        with self._lock:
            busy = self._busy_since is not None
            if not busy:
                self._busy_since, self._told = time.monotonic(), False
                self._asked.set()
            late = busy and self._told
        if late:
            self._tell()

    def look_at_clock(self) -> float | None:
        """Tell of a look that is past its deadline; how many seconds it has left, None when there is no such."""
        with self._lock:
            if self._busy_since is None or self._told:
                return None
            left = self._busy_since + self._job.deadline - time.monotonic()
            if left > 0:
                return left
            self._told = True
        self._tell()
        return None

    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Have the thread end; it may be in the middle of a look."""
        self._stopping = True
        self._asked.set()

    def join(self, seconds: float) -> None:
        """Wait for its end, for so long."""
        self._thread.join(max(0.0, seconds))

    def _tell(self) -> None:
        for result in self._job.unanswered(time.time(), f"no answer within {self._job.deadline:.0f} s"):
            self._hand_over(result)

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._stopping:
                return
            try:
                for result in self._job.look():
                    self._hand_over(result)
            except Exception as error:  # what is wrong with one probe must not end the others
                log.exception("a bug in the probe %s", self._job.name)
                for result in self._job.unanswered(time.time(), f"a bug in mailwatch: {type(error).__name__}"):
                    self._hand_over(result)
            with self._lock:
                self._busy_since = None
