"""What a rule may see: sums over the last minutes, samples of the queue, probes, at one instant of event time. Pure.

A view sees nothing later than its instant, so the same minute looks the same live, catching up and in an hourly run.
Sums are kept while views advance minute by minute: a step costs what was counted in the minutes that come and go,
not what the window holds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mailwatch.streak import REMOTE_AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mailwatch.counters import Series
    from mailwatch.domain import Domain
    from mailwatch.sample import Probe, QueueSample
    from mailwatch.streak import Streak, Subject

MINUTE: Final = 60
WATCHED: Final = frozenset(
    {"delivery_attempts", "delivery_failures", "complaints", "rejects", "log_gaps", "messages_queued"}
)
"""The counters that rules look at."""
ATTEMPTED: Final = ("sent", "deferred", "bounced", "softbounce")
"""What a try to deliver ends in; a probe of an address (sendmail -bv) is none."""
FAILED: Final = ("deferred", "bounced", "softbounce")
FRESH: Final = 900
"""Seconds for which a sample of the queue says how it is now."""


class Sums:
    """Minute buckets, and sums over windows of them that move along. Used by one thread."""

    def __init__(self, minutes: Mapping[int, Mapping[Series, int]] | None = None) -> None:
        self.minutes: dict[int, Counter[Series]] = {}
        self._windows: dict[int, tuple[int, Counter[Series]]] = {}
        self.add(minutes or {})

    def add(self, minutes: Mapping[int, Mapping[Series, int]]) -> None:
        """Count more: what a stretch of log added."""
        for minute, counted in minutes.items():
            watched = {series: number for series, number in counted.items() if number > 0 and series[0] in WATCHED}
            if not watched:
                continue
            self.minutes.setdefault(minute, Counter()).update(watched)
            for length, (last, total) in self._windows.items():
                if last - length < minute <= last:
                    total.update(watched)

    def take_back(self, minutes: Mapping[int, Mapping[Series, int]]) -> None:
        """Count less: what was added and is not to count."""
        for minute, counted in minutes.items():
            known = self.minutes.get(minute)
            if known is not None:
                _less(known, {series: number for series, number in counted.items() if series[0] in WATCHED})
        self._windows.clear()

    def of(self, minute: int) -> Mapping[Series, int]:
        """What was counted in one minute."""
        return self.minutes.get(minute, {})

    def forget(self, before: int) -> None:
        """Let go of the minutes before one."""
        for minute in [each for each in self.minutes if each < before]:
            del self.minutes[minute]
        self._windows.clear()

    def window(self, last: int, length: int) -> Mapping[Series, int]:
        """What was counted in ``length`` minutes, ``last`` the last of them. Valid until the next call."""
        at, total = self._windows.get(length, (last - length, Counter()))
        if not 0 <= last - at < length:
            at, total = last - length, Counter()
        for minute in range(at + 1, last + 1):
            if (counted := self.minutes.get(minute)) is not None:
                total.update(counted)
        if at > last - length:  # else it was summed up anew, and nothing leaves it
            for minute in range(at + 1 - length, last + 1 - length):
                if (counted := self.minutes.get(minute)) is not None:
                    _less(total, counted)
        self._windows[length] = last, total
        return total


def _less(total: Counter[Series], counted: Mapping[Series, int]) -> None:
    for series, number in counted.items():
        left = total[series] - number
        if left > 0:
            total[series] = left
        else:
            del total[series]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is known of this host beforehand; ``severities`` is the catalogue's, by cause.

    ``looked_at``: whether the queue and Postfix are looked at, or only the log is read.
    """

    host: str
    severities: Mapping[str, str]
    relay: str | None = None
    looked_at: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that views are cut from.

    ``samples`` are in order of time, ``probes`` the last of each name and instance, ``streaks`` as of ``streaks_at``,
    ``domains`` what is known now of those that are examined, ``unlooked`` those at which nobody has looked yet.

    ``last_seen`` has, by counter, when it last grew (seconds, to the event, not to the minute); it may lack any.
    """

    site: Site
    sums: Sums
    started_at: float
    samples: Sequence[QueueSample] = ()
    probes: Sequence[Probe] = ()
    streaks: Mapping[Subject, Streak] = field(default_factory=dict)
    streaks_at: float = math.inf
    last_seen: Mapping[str, float] = field(default_factory=dict)
    last_event_at: float | None = None
    outbox_oldest_at: float | None = None
    examples: Mapping[Subject, str] = field(default_factory=dict)
    domains: Mapping[str, Domain] = field(default_factory=dict)
    unlooked: Sequence[str] = ()

    def at(self, now: float) -> View:
        """The view at an instant, in seconds."""
        return View(history=self, now=now)

    def views(self, begin: float, end: float) -> Iterator[View]:
        """A view at the end of each minute after ``begin``, and one at ``end``."""
        minute = (math.floor(begin / MINUTE) + 1) * MINUTE
        while minute < end:
            yield self.at(minute)
            minute += MINUTE
        yield self.at(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to see at ``now`` (seconds, event time): the end of a minute, or an instant within the last one."""

    history: History
    now: float

    @property
    def minute(self) -> int:
        """The last minute that is seen, whole or in part."""
        return math.ceil(self.now / MINUTE) - 1

    def counted(self, seconds: int) -> Mapping[Series, int]:
        """What was counted in the last so many seconds, in whole minutes."""
        return self.history.sums.window(self.minute, max(1, math.ceil(seconds / MINUTE)))

    def count(self, seconds: int, name: str) -> int:
        """How far a counter grew, over all its labels."""
        return sum(number for (each, _), number in self.counted(seconds).items() if each == name)

    def attempts(self, seconds: int, *, remote: bool = False) -> Counter[str]:
        """Delivery attempts by status; ``remote``: only those to other hosts."""
        found: Counter[str] = Counter()
        for (name, labels), number in self.counted(seconds).items():
            if name == "delivery_attempts" and labels[1] in ATTEMPTED and (not remote or labels[0] in REMOTE_AGENTS):
                found[labels[1]] += number
        return found

    def failures(self, seconds: int, statuses: Sequence[str] = FAILED) -> Counter[Subject]:
        """Failed attempts by cause and scope."""
        found: Counter[Subject] = Counter()
        for (name, labels), number in self.counted(seconds).items():
            if name == "delivery_failures" and labels[0] in statuses:
                found[labels[1], labels[2]] += number
        return found

    def complaints(self, seconds: int) -> Counter[Subject]:
        """Warnings, errors and fatal lines by cause and scope: the last two labels."""
        found: Counter[Subject] = Counter()
        for (name, labels), number in self.counted(seconds).items():
            if name == "complaints":
                found[labels[-2], labels[-1]] += number
        return found

    def quiet_for(self, name: str, longest: int) -> float:
        """Seconds since a counter last grew, as far as is known, ``longest`` at most."""
        seen = self.history.last_seen.get(name)
        if seen is not None and seen <= self.now:
            return min(self.now - seen, longest)
        for minute in range(self.minute, self.minute - math.ceil(longest / MINUTE), -1):
            if any(each == name for each, _ in self.history.sums.of(minute)):
                return min(max(0.0, self.now - (minute + 1) * MINUTE), longest)
        return longest

    def began(self, failing: Callable[[Series], bool], longest: int, agents: frozenset[str] = REMOTE_AGENTS) -> float:
        """Since when something fails and nothing is delivered: the begin of the first such minute, going back."""
        began = self.now
        for minute in range(self.minute, self.minute - math.ceil(longest / MINUTE), -1):
            counted = self.history.sums.of(minute)
            if any(failing(series) for series in counted):
                began = min(began, float(minute * MINUTE))
            if any(is_delivery(series, agents) for series in counted):
                break
        return began

    def delivered_since(self, failing: Callable[[Series], bool], longest: int) -> bool:
        """Whether the newest minute that tells anything tells of mail delivered to other hosts."""
        for minute in range(self.minute, self.minute - math.ceil(longest / MINUTE), -1):
            counted = self.history.sums.of(minute)
            if any(is_delivery(series, REMOTE_AGENTS) for series in counted):
                return True
            if any(failing(series) for series in counted):
                return False
        return False

    def streak(self, subject: Subject) -> Streak | None:
        """Failures in a row up to now; None where there are none, or it is not known for that instant."""
        return self.history.streaks.get(subject) if self.now >= self.history.streaks_at else None

    def samples(self, seconds: int) -> list[QueueSample]:
        """Samples of the queue in the last so many seconds, oldest first."""
        known = self.history.samples
        found = []
        for index in range(bisect_right(known, self.now, key=_taken_at) - 1, -1, -1):
            if known[index].at < self.now - seconds:
                break
            found.append(known[index])
        return found[::-1]

    def instances(self) -> list[QueueSample]:
        """The newest fresh sample of each instance."""
        return list({sample.instance: sample for sample in self.samples(FRESH)}.values())

    def probes(self, name: str) -> list[Probe]:
        """What a probe last found, for each instance, where that was not after this view."""
        return [each for each in self.history.probes if each.name == name and each.at <= self.now]

    def running_for(self) -> float:
        """Seconds since the start; below zero for what is looked at afterwards."""
        return self.now - self.history.started_at

    def severity(self, cause: str) -> str:
        """How bad a cause is to begin with."""
        return self.history.site.severities.get(cause, "warn")


def _taken_at(sample: QueueSample) -> float:
    return sample.at


def is_delivery(series: Series, agents: frozenset[str]) -> bool:
    """Whether a series counts mail that was delivered by one of these programs."""
    return series[0] == "delivery_attempts" and series[1][1] == "sent" and series[1][0] in agents
