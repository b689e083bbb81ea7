"""What is remembered between ticks to decide on, and what each tick decides: in memory, committed by who asks. Pure.

Promises
    The same events, samples and clock give the same decisions, live, after a night's sleep and in an hourly run.
    Nothing decided is lost by a commit that fails: ``undo`` takes back what was counted, for that is read again, and
    keeps what was decided, for people may have been told of it.

Known limit: how long something has been pending is forgotten by a restart where nothing else was written meanwhile.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from mailwatch.advance import Terms, advance
from mailwatch.alert import PENDING
from mailwatch.cause import LOCAL, RECIPIENT, RELAY, blanked
from mailwatch.domain import DomainLook, folded
from mailwatch.sample import QueueSample
from mailwatch.streak import REMOTE_AGENTS, Streaks, joined
from mailwatch.view import History, Site, Sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailwatch.alert import Alert, AlertKey, Notice
    from mailwatch.domain import Domain
    from mailwatch.options import Options
    from mailwatch.sample import Probe
    from mailwatch.streak import Subject
    from mailwatch.tally import Delta

WINDOW: Final = 900.0
"""Seconds: what was over before, when an agent comes to it, informs and does not page."""
LOOKED_BACK: Final = 3 * 3600
"""Seconds of minute buckets that the rules may look at."""
SAMPLES: Final = 1024
EXAMPLE: Final = 500
LIVELY, QUIET = 1.0, 10.0
"""Seconds between looks at the rules while something is pending, and while nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a state has of earlier decisions; ``until`` is the instant up to which the rules were looked at."""

    alerts: Mapping[AlertKey, Alert] = field(default_factory=dict)
    minutes: Mapping[int, Mapping[tuple[str, tuple[str, ...]], int]] = field(default_factory=dict)
    samples: Sequence[QueueSample] = ()
    streaks: Streaks = field(default_factory=dict)
    examples: Mapping[Subject, str] = field(default_factory=dict)
    domains: Mapping[str, Domain] = field(default_factory=dict)
    until: float | None = None
    last_event_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a tick came to: ``alerts`` that are other than committed, and those that are ``gone``.

    ``pressing``: it is worth a commit of its own.
    """

    alerts: Mapping[AlertKey, Alert]
    gone: Sequence[AlertKey]
    notices: Sequence[Notice]
    streaks: Streaks
    examples: Mapping[Subject, str]
    samples: Sequence[QueueSample]
    domains: Mapping[str, Domain] | None
    """Those that are examined; None where what is committed of them is still true."""
    until: float | None
    pressing: bool


class Decisions:
    """Used by one thread. ``started_at`` (seconds): before that nothing was looked at but the log.

    ``page_from`` and ``ahead`` are those of an hourly run: since when it was not looked, and until when it will not be.
    """

    def __init__(
        self,
        site: Site,
        options: Options,
        remembered: Remembered,
        started_at: float,
        *,
        page_from: float | None = None,
        ahead: float = 0.0,
    ) -> None:
        self._site = site
        self._options = options
        self._started_at = started_at
        self._page_from = page_from
        self._ahead = ahead
        self.alerts: dict[AlertKey, Alert] = dict(remembered.alerts)
        self._written: dict[AlertKey, Alert | None] = dict(remembered.alerts)
        self._sums = Sums(remembered.minutes)
        self._samples: deque[QueueSample] = deque(remembered.samples, SAMPLES)
        self._probes: dict[tuple[str, str], Probe] = {}
        self._streaks: Streaks = dict(remembered.streaks)
        self._examples: dict[Subject, str] = dict(remembered.examples)
        self.domains: dict[str, Domain] = {
            name: remembered.domains[name].without(options.dns.checks)
            for name in options.dns.names
            if name in remembered.domains
        }
        self._domains_changed = self.domains != remembered.domains
        self._until = remembered.until
        self._last_event_at = remembered.last_event_at
        self._last_queued_at = 0.0
        self._looked_at = 0.0
        self._caught_up = False
        self._unwritten: deque[QueueSample] = deque(maxlen=SAMPLES)
        self._pressing = self._domains_changed
        self._before: tuple[Delta, Streaks, float | None] | None = None

    @property
    def examples(self) -> Mapping[Subject, str]:
        """What was said last of each cause and scope, without local parts."""
        return self._examples

    def take(self, results: Sequence[QueueSample | Probe]) -> None:
        """Take in what was looked at."""
        for result in results:
            if isinstance(result, QueueSample):
                self._samples.append(result)
                self._unwritten.append(result)
                self._looked_at = 0.0
                continue
            if isinstance(result, DomainLook):
                self._learn(result)
            before = self._probes.get((result.name, result.instance))
            self._probes[result.name, result.instance] = result
            # what is as it was is no reason to look at all the rules, every two seconds
            if before is None or (before.success, before.trouble) != (result.success, result.trouble):
                self._looked_at = 0.0

    def _learn(self, look: DomainLook) -> None:
        """Take in what DNS says of a domain."""
        if look.instance in self._options.dns.names:
            looks = self._options.rules.dns_changed.min_count
            self.domains[look.instance] = folded(self.domains.get(look.instance), look, looks)
            self._domains_changed = self._pressing = True
            self._looked_at = 0.0

    def go_on_from(self, alerts: Mapping[AlertKey, Alert], domains: Mapping[str, Domain]) -> None:
        """Take over what was decided, and known, and is in no state."""
        self.alerts.update(alerts)
        of_dns = self._options.dns
        self.domains.update(
            {name: each.without(of_dns.checks) for name, each in domains.items() if name in of_dns.names}
        )
        self._domains_changed = True
        self.owe()

    def decide(
        self,
        delta: Delta,
        now: float,
        *,
        caught_up: bool,
        blind: bool = False,
        outbox_oldest_at: float | None = None,
    ) -> Decided | None:
        """Take in what was read, and decide at each minute of event time up to now, or to the end of what was read.

        ``blind``: the log cannot be read on. None when there is nothing to look at yet.
        """
        self._count(delta)
        end = now if caught_up else min(self._last_event_at or 0.0, now)
        looked_lately = 0 <= now - self._looked_at < (LIVELY if self._is_pending() else QUIET)
        if delta.is_empty() and looked_lately and caught_up == self._caught_up:
            return self.standing() if self._pressing else None
        self._caught_up = caught_up
        if self._until is None and not caught_up:
            return self.standing()
        self._looked_at = now
        begin = end if self._until is None else self._until
        if end < begin and not caught_up:
            return self.standing()
        signs = {key: sign(alert) for key, alert in self.alerts.items()}
        terms = self._terms(now, ahead=self._ahead if caught_up else 0.0, blind=blind)
        history = self._history(outbox_oldest_at)
        views = chain.from_iterable(history.views(*each) for each in self._stretches(begin, end))
        course = advance(self.alerts, views, terms)
        self.alerts = dict(course.alerts)
        self._until = end
        changed = signs != {key: sign(alert) for key, alert in self.alerts.items()}
        self._pressing = self._pressing or changed or bool(course.notices)
        return self._decided(course.notices)

    def standing(self) -> Decided:
        """What is decided already, for a commit that takes it along."""
        return self._decided(())

    def owe(self) -> None:
        """What was decided is in no state: it is to be committed with the next thing, and soon."""
        self._pressing = True

    def begun_anew(self, gap: Delta) -> None:
        """The state is begun anew: all that was decided is to be committed again, and ``gap`` is what that cost."""
        self._written = dict.fromkeys(self._written)
        self._domains_changed = True
        self._count(gap)
        self._before = None  # what was read before is not read again
        self.owe()
        self.look_again()

    def count(self, delta: Delta) -> Decided:
        """Take in what was read, and decide nothing yet: a later ``decide`` looks at all of it."""
        self._count(delta)
        return self.standing()

    def look_again(self) -> None:
        """Have the next ``decide`` look, though nothing is new."""
        self._looked_at = 0.0

    @property
    def undecided(self) -> float:
        """Seconds of event time that were read and not decided on."""
        return 0.0 if self._until is None else max(0.0, (self._last_event_at or 0.0) - self._until)

    def settled(self, now: float) -> None:
        """What was decided is committed."""
        self._before = None
        self._pressing = self._domains_changed = False
        self._unwritten.clear()
        self._written = dict(self.alerts)
        seen = min(now, self._until or self._last_event_at or now)
        oldest = int(seen - LOOKED_BACK) // 60
        if self._sums.minutes and min(self._sums.minutes) < oldest - 60:
            self._sums.forget(oldest)

    def undo(self) -> None:
        """Take back what was counted since the last commit: it is read again. What was decided stays."""
        if self._before is not None:
            delta, self._streaks, self._last_event_at = self._before
            self._sums.take_back(delta.minutes)
            self._before = None

    def _count(self, delta: Delta) -> None:
        self._before = (delta, self._streaks, self._last_event_at)
        self._sums.add(delta.minutes)
        cleared: set[str] = set()
        for counted in delta.minutes.values():
            for name, labels in counted:
                if name == "delivery_attempts" and labels[1] == "sent":
                    cleared.update((RELAY, RECIPIENT) if labels[0] in REMOTE_AGENTS else (LOCAL,))
        self._streaks = joined(self._streaks, delta.streaks, cleared=cleared)
        self._examples.update((subject, blanked(text)[:EXAMPLE]) for subject, text in delta.examples.items())
        self._last_queued_at = max(self._last_queued_at, delta.last_queued_at)
        if delta.last_event_at:
            self._last_event_at = max(self._last_event_at or 0.0, delta.last_event_at)

    def _is_pending(self) -> bool:
        return any(alert.state == PENDING for alert in self.alerts.values())

    def _stretches(self, begin: float, end: float) -> list[tuple[float, float]]:
        """The time to look at, without what is longer than the rules look back and has nothing in it.

        A clock that was in 1970 until the network came up must not be an hour of work.
        """
        known = (*(minute * 60.0 for minute in self._sums.minutes), *(sample.at for sample in self._samples))
        found, at = [], begin
        for moment in (*sorted(each for each in known if begin < each < end), end):
            if moment - at > 3 * LOOKED_BACK:
                found.append((begin, at + LOOKED_BACK))
                begin = max(moment - LOOKED_BACK, at + LOOKED_BACK)
            at = moment
        return [*found, (begin, end)]

    def _terms(self, now: float, *, ahead: float, blind: bool) -> Terms:
        page_from = now - WINDOW if self._page_from is None else self._page_from
        return Terms(options=self._options, page_from=page_from, ahead=ahead, blind=blind)

    def _history(self, outbox_oldest_at: float | None) -> History:
        return History(
            site=self._site,
            sums=self._sums,
            started_at=self._started_at,
            samples=self._samples,
            probes=tuple(self._probes.values()),
            streaks=self._streaks,
            streaks_at=max((streak.last_at for streak in self._streaks.values()), default=0.0),
            last_seen={"messages_queued": self._last_queued_at} if self._last_queued_at else {},
            last_event_at=self._last_event_at,
            outbox_oldest_at=outbox_oldest_at,
            examples=self._examples,
            domains=self.domains,
            unlooked=[name for name in self._options.dns.names if name not in self.domains],
        )

    def _decided(self, notices: Sequence[Notice]) -> Decided:
        return Decided(
            alerts={key: alert for key, alert in self.alerts.items() if self._written.get(key) is not alert},
            gone=[key for key in self._written if key not in self.alerts],
            notices=notices,
            streaks=self._streaks,
            examples=self._examples,
            samples=tuple(self._unwritten),
            domains=dict(self.domains) if self._domains_changed else None,
            until=self._until,
            pressing=self._pressing,
        )


def sign(alert: Alert) -> tuple[object, ...]:
    """What must change of an alert to be worth a commit of its own."""
    return (
        alert.state, alert.severity, alert.told_severity, alert.number, alert.clear_since is None, alert.ended_at,
        alert.muted, alert.undelivered, alert.acknowledged_by, alert.episode,
    )  # fmt: skip
