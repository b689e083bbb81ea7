"""What mutes what: where the reason is known, what follows from it is not told as well. Pure.

A reason mutes from the moment it is seen, before it is told, and for a while after its end: a queue does not shrink
at once. Only what explains that mail waits mutes that it does: a program that warns of its configuration, or cannot
look something up, need not hold up any. A queue manager that is seen stopped or missing is no consequence of anything
but a Postfix that is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.alert import FIRING, GRADES, RESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailwatch.alert import Alert, AlertKey
    from mailwatch.firing import Firing

Pattern = tuple[str, str | None]
"""A rule, and one of its causes or any."""

_WAITING: Final[tuple[Pattern, ...]] = (
    ("queue_growing", None), ("oldest_too_old", None), ("queue_stuck", None), ("no_delivery", None),
)  # fmt: skip
_SHARES: Final[tuple[Pattern, ...]] = (("deferred_share", None), ("bounced_share", None))
_OWN: Final[tuple[Pattern, ...]] = (("own_health", "state-unwritable"), ("own_health", "postfix-unknown"))
MUTED_BY: Final[dict[Pattern, tuple[Pattern, ...]]] = {
    # reason: what follows from it. The first ones mute those below too, where both hold
    ("local_fault", "disk-full"): (
        ("local_fault", "daemon-crash"), ("local_fault", "lookup-failed"), ("local_fault", "local-delivery"),
        ("local_fault", "filter-failed"), ("log_silent", None), *_WAITING, *_SHARES, *_OWN,
    ),
    ("postfix_down", None): (("log_silent", None), ("local_fault", "transport-unavailable"), *_WAITING, *_SHARES),
    ("local_fault", "config-error"): (("local_fault", "daemon-crash"), ("local_fault", "transport-unavailable")),
    ("local_fault", "permission"): (("local_fault", "daemon-crash"), *_WAITING, *_SHARES),
    **dict.fromkeys(
        (("local_fault", "transport-unavailable"), ("local_fault", "daemon-crash"), ("local_fault", "filter-failed")),
        (*_WAITING, *_SHARES),
    ),
    **dict.fromkeys(
        (("local_fault", "lookup-failed"), ("local_fault", "milter-failed"), ("local_fault", "local-delivery")),
        _SHARES,
    ),
    ("queue_stuck", None): (
        ("queue_growing", None), ("oldest_too_old", None), ("no_delivery", None), ("log_silent", "log-silent"),
    ),
    ("relay_failing", None): (*_WAITING, *_SHARES),
    ("recipients_failing", None): (*_WAITING, *_SHARES),
    ("no_delivery", None): (("queue_growing", None), ("oldest_too_old", None), *_SHARES),
    ("deferred_share", None): (("queue_growing", None),),
    ("own_health", "log-unreadable"): (("log_silent", None), ("no_delivery", None)),
    # what cannot be committed is not read either
    ("own_health", "state-unwritable"): (("log_silent", None), ("no_delivery", None)),
}  # fmt: skip

DOWN: Final = "postfix_down"
HALTED: Final = frozenset({"stopped", "no-manager"})
"""The faces of a queue that is stuck because its manager does not work."""


def reasons(
    alerts: Mapping[AlertKey, Alert], firings: Iterable[Firing], now: float, aftermath: float
) -> dict[tuple[str, str], int]:
    """Rule and cause of all that is a reason now, and how bad: what fires, is about to, or ended a moment ago."""
    found = {
        (alert.rule, alert.cause): GRADES.get(alert.told_severity or alert.severity, 0)
        for alert in alerts.values()
        if _is_reason(alert, now, aftermath)
    }
    for firing in firings:
        if firing.level == "raise":
            reason = firing.rule, firing.cause
            found[reason] = max(GRADES.get(firing.severity, 0), found.get(reason, 0))
    return found


def _is_reason(alert: Alert, now: float, aftermath: float) -> bool:
    if alert.state == RESOLVED:
        return alert.ended_at is not None and now - alert.ended_at < aftermath
    return alert.state == FIRING or alert.clear_since is None


def inhibited_by(
    rule: str, cause: str, grade: int, found: Mapping[tuple[str, str], int], face: str | None = None
) -> tuple[str, str] | None:
    """The reason that mutes an alert; None where none does. Nothing mutes itself, or what is worse than it."""
    for reason in sorted(found):
        if reason == (rule, cause) or found[reason] < grade:
            continue
        if face in HALTED and reason[0] != DOWN:
            continue
        muted = (*MUTED_BY.get(reason, ()), *MUTED_BY.get((reason[0], None), ()))
        if (rule, cause) in muted or (rule, None) in muted:
            return reason
    return None
