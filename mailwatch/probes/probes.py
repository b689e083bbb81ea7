"""Runs probes on a schedule, each in a thread with a deadline, and keeps what they found until it is taken.

Promises
    Nothing here makes the work loop wait: ``taken`` gives what there is. Two looks of one kind never run at once. One
    past its deadline is a result that says so, again and again until it comes back, and keeps no other waiting. What
    is kept is bounded: when nobody takes it, the oldest goes.

How it fails
    What to look at cannot be told (``Unready``): that is a result, too, and it is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from mailwatch.checks.host import log_moving, postfix_up
from mailwatch.probes.timetable import Timetable
from mailwatch.probes.worker import Worker
from mailwatch.sample import QUEUE, Latest, Probe, QueueSample, is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailwatch.probes.job import Job

KEPT: Final = 1024
READY_AGAIN: Final = 30.0
ONCE: Final = 0.02
"""Seconds between looks at who has not answered yet."""
ENDS_WITHIN: Final = 2.0

log = logging.getLogger(__name__)


class Unready(Exception):  # noqa: N818 - the words of this house
    """What to look at is not known yet; the text says why."""


class Probes:
    """``make`` says what to do; it is called in our own thread, and may raise Unready."""

    def __init__(self, make: Callable[[Callable[[], bool]], Sequence[Job]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._taken: deque[QueueSample | Probe] = deque(maxlen=KEPT)
        self._latest: dict[tuple[str, str], Latest] = {}
        self._stopping = threading.Event()
        self._workers: list[Worker] = []
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look_once(self) -> None:
        """Look at everything one time, instead of ``start``; back when all have answered, or had their time."""
        trouble = self._attempt(self._look_once)
        if trouble is not None:
            self.hand_over(Probe(name=postfix_up.NAME, at=time.time(), success=None, trouble=trouble))

    def stop(self) -> None:
        """End; a look that hangs is left behind."""
        self._stopping.set()
        end = time.monotonic() + ENDS_WITHIN
        if self._thread.is_alive():
            self._thread.join(ENDS_WITHIN)
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(end - time.monotonic())

    def taken(self) -> list[QueueSample | Probe]:
        """What was found since this was asked last, oldest first."""
        with self._lock:
            found = list(self._taken)
            self._taken.clear()
        return found

    def latest(self) -> list[Latest]:
        """The last result of each probe of each instance."""
        with self._lock:
            return list(self._latest.values())

    def hand_over(self, result: QueueSample | Probe) -> None:
        """Keep a result."""
        key = (QUEUE if isinstance(result, QueueSample) else result.name, result.instance)
        with self._lock:
            before = self._latest.get(key)
            known_at = result.at if is_known(result) else None if before is None else before.known_at
            self._latest[key] = Latest(result, known_at)
            self._taken.append(result)
        if before is None or state(before.result) != state(result):
            tell(key, result, first=before is None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            trouble = self._attempt(self._look_after)
            if trouble is None:
                return
            with self._lock:  # what is known must not stay on the page as if it were looked at
                self._latest.clear()
            self.hand_over(Probe(name=postfix_up.NAME, at=time.time(), success=None, trouble=trouble))
            for worker in self._workers:
                worker.stop()
            self._stopping.wait(READY_AGAIN)

    def _attempt(self, look: Callable[[Sequence[Job]], None]) -> str | None:
        """Do what there is to do in this way; why that cannot be told."""
        try:
            jobs = self._make(self._stopping.is_set)
            with self._lock:  # what stood for all instances
                self._latest.pop((postfix_up.NAME, ""), None)
            look(jobs)
        except Unready as error:
            return str(error)
        except Exception as error:
            log.exception("a bug in the probes")
            return f"a bug in mailwatch: {type(error).__name__}"
        return None

    def _look_once(self, jobs: Sequence[Job]) -> None:
        self._workers = [Worker(job, self.hand_over) for job in jobs]
        for worker in self._workers:
            worker.ask()
        while any(worker.look_at_clock() is not None for worker in self._workers):
            self._stopping.wait(ONCE)

    def _look_after(self, jobs: Sequence[Job]) -> None:
        self._workers = [Worker(job, self.hand_over) for job in jobs]
        timetable = Timetable([(job.every, worker.ask) for job, worker in zip(jobs, self._workers, strict=True)])
        while not self._stopping.is_set():
            timetable.call_due()
            left = [each for each in (worker.look_at_clock() for worker in self._workers) if each is not None]
            self._stopping.wait(min((timetable.seconds_to_next(), *left)))


def state(result: QueueSample | Probe) -> tuple[bool | None, ...]:
    """What must change for a result to be worth a line in our log."""
    return (result.complete, result.up) if isinstance(result, QueueSample) else (result.success,)


def tell(key: tuple[str, str], result: QueueSample | Probe, *, first: bool) -> None:
    """Say in our log what has changed."""
    name, instance = key
    if name == log_moving.NAME and not is_known(result):
        return  # it cannot tell because another could not, and that one says so
    if result.trouble is not None:
        log.warning("probe=%s instance=%s: %s", name, instance, result.trouble)
    elif not first:
        log.info("probe=%s instance=%s: well again", name, instance)
