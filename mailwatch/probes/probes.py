"""Runs probes on a schedule, each in a thread with a deadline, and keeps what they found until it is taken.

Promises
    Nothing here makes the work loop wait: ``taken`` gives what there is. Two looks of one kind never run at once. One
    past its deadline is a result that says so, again and again until it comes back, and keeps no other waiting. What
    is kept is bounded: when nobody takes it, the oldest goes.

How it fails
    What to look at cannot be told (``Unready``): that is a result, too, and it is tried again. What is looked at in any
    case does not wait for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mailwatch.checks.host import log_moving, postfix_up
from mailwatch.probes.timetable import Timetable
from mailwatch.probes.worker import Worker
from mailwatch.sample import QUEUE, Latest, Probe, QueueSample, is_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.probes.job import Job

KEPT: Final = 1024
READY_AGAIN: Final = 30.0
ONCE: Final = 0.02
"""Seconds between looks at who has not answered yet."""
ENDS_WITHIN: Final = 2.0

log = logging.getLogger(__name__)


class Unready(Exception):  # noqa: N818 - the words of this house
    """What to look at is not known yet; the text says why."""


Make = Callable[[Callable[[], bool]], "Sequence[Job]"]


def nothing(_stopped: Callable[[], bool]) -> Sequence[Job]:
    """No job."""
    return ()


class Probes:
    """``make`` says what to do; it is called in our own thread, and may raise Unready.

    ``always`` says what is done in any case; it is called at once.
    """

    def __init__(self, make: Make, always: Make = nothing) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._taken: deque[QueueSample | Probe] = deque(maxlen=KEPT)
        self._latest: dict[tuple[str, str], Latest] = {}
        self._stopping = threading.Event()
        self._workers: list[Worker] = []
        self._always = always(self._stopping.is_set)
        targets = [self._run, self._run_always] if self._always else [self._run]
        self._threads = [threading.Thread(target=each, name="probes", daemon=True) for each in targets]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def look_once(self) -> None:
        """Look at everything one time, instead of ``start``; back when all have answered, or had their time."""
        workers = self._at_work(self._always)
        trouble = self._attempt(lambda jobs: workers.extend(self._at_work(jobs)))
        for worker in workers:
            worker.ask()
        while any([worker.look_at_clock() is not None for worker in workers]):  # noqa: C419 - of each, not of the first
            self._stopping.wait(ONCE)
        if trouble is not None:
            self.hand_over(Probe(name=postfix_up.NAME, at=time.time(), success=None, trouble=trouble))

    def stop(self) -> None:
        """End; a look that hangs is left behind."""
        self._stopping.set()
        end = time.monotonic() + ENDS_WITHIN
        for thread in self._threads:
            if thread.is_alive():
                thread.join(end - time.monotonic())
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
            looked_at = {job.name for job in self._always}
            with self._lock:  # what is known must not stay on the page as if it were looked at
                self._latest = {key: each for key, each in self._latest.items() if key[0] in looked_at}
            self.hand_over(Probe(name=postfix_up.NAME, at=time.time(), success=None, trouble=trouble))
            self._stopping.wait(READY_AGAIN)

    def _run_always(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look_after(self._always)
            except Exception:
                log.exception("a bug in the probes")
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

    def _at_work(self, jobs: Sequence[Job]) -> list[Worker]:
        """A worker for each job; those of earlier ones are forgotten when they have ended."""
        workers = [Worker(job, self.hand_over) for job in jobs]
        with self._lock:
            self._workers = [*(each for each in self._workers if each.is_alive()), *workers]
        return workers

    def _look_after(self, jobs: Sequence[Job]) -> None:
        workers = self._at_work(jobs)
        timetable = Timetable([(job.every, worker.ask) for job, worker in zip(jobs, workers, strict=True)])
        try:
            while not self._stopping.is_set():
                timetable.call_due()
                left = [each for each in (worker.look_at_clock() for worker in workers) if each is not None]
                self._stopping.wait(min((timetable.seconds_to_next(), *left)))
        finally:
            for worker in workers:
                worker.stop()


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
