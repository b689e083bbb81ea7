"""When what is due, by the schedule library: only asked for here, done elsewhere.

The library goes by the local wall clock: when that goes back (a step, the end of summer time), nothing would be due
until it has come round again. So the timetable is made anew when wall and monotonic clock have diverged, and
everything is due at once then.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_DIVERGENCE: Final = 5.0
LONGEST_WAIT: Final = 5.0


class Clocks(NamedTuple):
    """Both clocks at one moment: the local wall clock, as the library reads it, and the monotonic one."""

    wall: datetime
    monotonic: float


def read_clocks() -> Clocks:
    """The clocks now."""
    return Clocks(datetime.now(), time.monotonic())  # noqa: DTZ005 - the library reckons in local time, too


def have_diverged(before: Clocks, now: Clocks) -> bool:
    """Whether one clock has gone further than the other."""
    return abs((now.wall - before.wall).total_seconds() - (now.monotonic - before.monotonic)) > MOST_DIVERGENCE


class Timetable:
    """Calls each function every so many seconds, the first time at once. They must neither wait nor raise."""

    def __init__(self, entries: Sequence[tuple[int, Callable[[], None]]]) -> None:
        self._entries = entries
        self._made_at: Clocks | None = None
        self._scheduler = schedule.Scheduler()

    def call_due(self) -> None:
        """Call what is due."""
        now = read_clocks()
        if self._made_at is None or have_diverged(self._made_at, now):
            self._make(now)
            for _, function in self._entries:
                function()
        self._scheduler.run_pending()

    def seconds_to_next(self) -> float:
        """How long nothing is due; short enough to see the clock change."""
        wait = self._scheduler.idle_seconds
        return LONGEST_WAIT if wait is None else min(max(wait, 0.0), LONGEST_WAIT)

    def _make(self, now: Clocks) -> None:
        self._made_at = now
        self._scheduler = schedule.Scheduler()
        for seconds, function in self._entries:
            self._scheduler.every(seconds).seconds.do(function)
