"""Simulated days of a mail host, as minute buckets and samples of the queue: what a rule would see of them.

Ordinary traffic has a rhythm, greylisting, bounces and hiccups; a fault is something put on top of it. All of it comes
from a seed, so a day that fails can be looked at again.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailwatch.causes import catalogue
from mailwatch.sample import Probe, QueueSample, QueueState
from mailwatch.view import History, Site, Sums

if TYPE_CHECKING:
    from mailwatch.counters import Series

BEGIN = 1_795_132_800  # a midnight
DAY = 1440
HICCUPS = ("remote-system", "rate-limited", "protocol-error")
SITE = Site(
    host="mx1", relay="smtp.example.net", severities={cause: entry.severity for cause, entry in catalogue().items()}
)


@dataclass
class Day:
    """A day in the making."""

    seed: int
    per_minute: float = 20.0
    minutes: dict[int, Counter[Series]] = field(default_factory=dict)
    samples: list[QueueSample] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    down: list[tuple[int, int]] = field(default_factory=list)
    growth: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        for minute in range(DAY):
            self.ordinary(minute)

    def at(self, minute: int) -> Counter[Series]:
        """The bucket of a minute of the day."""
        return self.minutes.setdefault(BEGIN // 60 + minute, Counter())

    def volume(self, minute: int) -> int:
        """How many messages come in: few at night, most before noon."""
        rhythm = 0.5 - 0.45 * math.cos((minute - 240) / DAY * 2 * math.pi)
        return self.poisson(self.per_minute * rhythm)

    def poisson(self, mean: float) -> int:
        if mean > 30:
            return max(0, round(self.random.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self.random.random()
        while product > limit:
            count += 1
            product *= self.random.random()
        return count

    def attempt(
        self, minute: int, status: str, cause: str = "", scope: str = "recipient", *, agent: str = "smtp"
    ) -> None:
        """One delivery attempt."""
        bucket = self.at(minute)
        bucket["delivery_attempts", (agent, status)] += 1
        if cause:
            bucket["delivery_failures", (status, cause, scope)] += 1

    def ordinary(self, minute: int) -> None:
        for _ in range(self.volume(minute)):
            self.at(minute)["messages_queued", ()] += 1
            self.message(minute, self.random.random())
        if self.random.random() < 0.01:  # a hiccup of the relay: a few messages are turned away, others pass
            for _ in range(self.random.randrange(1, 5)):
                self.attempt(minute, "deferred", self.random.choice(HICCUPS), "relay")
                self.attempt(minute + 6, "sent")
        if self.random.random() < 0.01:
            self.at(minute)["complaints", (self.random.choice(["dns-failed", "tls-failed"]), "local")] += 1
        if self.random.random() < 0.002:
            self.at(minute)["complaints", ("daemon-crash", "local")] += 1

    def message(self, minute: int, dice: float) -> None:
        """What becomes of a message, by chance."""
        if dice < 0.06:
            self.attempt(minute, "deferred", "greylisted")
            self.attempt(minute + 6, "sent")
        elif dice < 0.09:
            self.attempt(minute, "bounced", "user-unknown")
        elif dice < 0.10:
            self.attempt(minute, "deferred", "remote-unreachable")
        elif dice < 0.103:
            self.attempt(minute, "bounced", "content-spam")
        else:
            self.attempt(minute, "sent", agent="local" if dice < 0.15 else "smtp")

    def fails(
        self, first: int, last: int, cause: str, scope: str, *, share: float = 1.0, status: str = "deferred"
    ) -> None:
        """From one minute up to another, what would have been sent to other hosts fails."""
        for minute in range(first, last):
            bucket = self.at(minute)
            sent = bucket["delivery_attempts", ("smtp", "sent")]
            failing = round(sent * share)
            bucket["delivery_attempts", ("smtp", "sent")] -= failing
            bucket["delivery_attempts", ("smtp", status)] += failing
            bucket["delivery_failures", (status, cause, scope)] += failing
            if share == 1:  # nothing else is heard from the relay meanwhile
                for series in [each for each in bucket if each[0] == "delivery_failures" and each[1][1] in HICCUPS]:
                    bucket["delivery_failures", (status, cause, scope)] += bucket.pop(series)

    def silent(self, first: int, last: int) -> None:
        """From one minute up to another nothing is logged."""
        for minute in range(first, last):
            self.at(minute).clear()

    def sampled(self) -> None:
        """A sample of the queue each minute."""
        ordinary = 40
        for minute in range(DAY):
            at = BEGIN + minute * 60 + 30.0
            if self.at(minute):  # a queue that changes is logged
                ordinary = self.random.randrange(20, 60)
            waiting = ordinary
            up: bool | None = not any(first <= minute < last for first, last in self.down)
            for first, last, more in self.growth:
                if first <= minute:  # and it drains as fast as it grew
                    waiting += more * max(0, min(minute, last) - first - max(0, minute - last))
            state = QueueState(
                messages=waiting,
                recipients=waiting,
                bytes=waiting * 4000,
                oldest_arrival=at - 3600,
                newest_arrival=at,
                by_cause={},
            )
            self.samples.append(
                QueueSample(
                    at=at, instance="postfix", queues={"deferred": state} if up else {}, complete=bool(up), how="test",
                    up=up, trouble=None if up else "mail system is down",
                )
            )  # fmt: skip

    def history(self) -> History:
        """All of it, as the rules see it."""
        if not self.samples:
            self.sampled()
        logged = [minute for minute, bucket in self.minutes.items() if bucket]
        return History(
            site=SITE,
            sums=Sums(self.minutes),
            started_at=BEGIN,
            samples=self.samples,
            probes=self.probes or [Probe(name="disk", at=BEGIN, success=True, trouble=None, instance="postfix")],
            last_event_at=max(logged) * 60 + 59.0,
        )
