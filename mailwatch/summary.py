"""What came of an hourly run: its exit code, and the one line that says why. Pure.

0: well. 1: something to look at. 2: mail fails, or failed since the run before and nobody was told. 3: the log, the
state or the queue could not be seen; that is worse than a warning, and no reason to hide a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mailwatch.alert import INHIBITED, SILENCED
from mailwatch.headline import headline
from mailwatch.letter import clock
from mailwatch.masking import on_one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import tzinfo

    from mailwatch.alert import Alert, Notice

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
GRADES: Final = {"page": CRITICAL, "warn": WARNING, "security": WARNING}
OWN: Final = "own_health"
MOST: Final = 5
"""So many problems are named."""
LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found. ``unseen``: what could not be looked at, and why; ``complaints``: what else did not work.

    ``new`` has the episodes that nobody was told of before; ``waiting`` is how many notifications no channel has taken.
    """

    now: float
    zone: tzinfo
    since: float | None
    first: bool
    lines: int
    firing: Sequence[Alert] = ()
    notices: Sequence[Notice] = ()
    new: Collection[str] = ()
    unseen: Sequence[str] = ()
    complaints: Sequence[str] = field(default_factory=tuple)
    waiting: int = 0

    @property
    def code(self) -> int:
        """The exit code."""
        worst = max((GRADES.get(severity, OK) for severity in self._severities()), default=OK)
        if worst == CRITICAL:
            return CRITICAL
        if self.unseen:
            return UNKNOWN
        return WARNING if worst or self.complaints or self.waiting else OK

    @property
    def is_news(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.code or self.notices or self.first)

    def line(self) -> str:
        """All of it in one line."""
        return f"{WORDS[self.code]}: {'; '.join(self._parts())}"

    def _severities(self) -> Iterator[str]:
        """How bad it is, and was. That we are blind is told as unknown, not as a fault of the mail."""
        for alert in self.firing:
            if alert.muted not in (SILENCED, INHIBITED) and not (alert.rule == OWN and self.unseen):
                yield alert.severity
        for notice in self.notices:
            if notice.kind == "resolved" and notice.episode_key in self.new:
                yield notice.severity

    def _parts(self) -> Iterator[str]:
        if self.first:
            yield "first run: it begins at the end of the log, what is written from now on is seen by the next one"
        told = [_said(alert) for alert in self.firing if alert.muted not in (SILENCED, INHIBITED)]
        told += [
            f"over: {_said(each.alert)} ({self._clock(each.alert.began_at)} to "
            f"{self._clock(each.alert.ended_at or each.at)})"
            for each in self.notices
            if each.kind == "resolved"
        ]
        yield from told[:MOST]
        if len(told) > MOST:
            yield f"{len(told) - MOST} more"
        yield from (shortened(on_one_line(each), LONGEST) for each in (*self.unseen, *self.complaints))
        if self.waiting:
            yield f"{self.waiting} notification{'s'[: self.waiting != 1]} not taken yet: mailwatch test-alert"
        if self.code == OK and not told and not self.first:
            yield "nothing is wrong" + (f" since {self._clock(self.since)}" if self.since is not None else "")
        yield f"{self.lines} line{'s'[: self.lines != 1]} read"

    def _clock(self, at: float) -> str:
        return clock(at, self.now, self.zone)


def _said(alert: Alert) -> str:
    return headline(alert.rule, alert.cause, alert.evidence)
