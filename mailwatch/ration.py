"""How much one channel is told in an hour: beyond that, notifications are counted and told as "14 more". Pure.

Nothing is lost by it: what is held back is named, by number, in the next one that goes out. A page has twice the room,
and the first page of an alert is never held back: a storm of other things must not hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.notification import FIRST, PAGE

if TYPE_CHECKING:
    from mailwatch.options import AlertsOptions

HOUR: Final = 3600
WITHIN_LIMIT, OVER_LIMIT = "within-limit", "over-limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ration:
    """When a channel was told something in the last hour (seconds), and how many notifications were held back since."""

    told_at: tuple[float, ...] = ()
    held_back: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether to tell now, why, and how many more there were that were held back before."""

    admitted: bool
    reason: str
    more: int
    ration: Ration


def admit(ration: Ration, severity: str, kind: str, now: float, options: AlertsOptions) -> Admission:
    """Whether a channel may be told one more. Times ahead of now (a clock that went back) do not count against it."""
    told = tuple(at for at in ration.told_at if 0 <= now - at < HOUR)
    limit = options.per_hour * (2 if severity == PAGE else 1)
    if len(told) >= limit and (severity, kind) != (PAGE, FIRST):
        held = Ration(told_at=told, held_back=ration.held_back + 1)
        return Admission(admitted=False, reason=OVER_LIMIT, more=0, ration=held)
    after = Ration(told_at=(*told, now))
    return Admission(admitted=True, reason=WITHIN_LIMIT, more=ration.held_back, ration=after)
