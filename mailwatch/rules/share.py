"""A share of all attempts against two thresholds, with a floor: of few attempts no share is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailwatch.firing import HOLD, RAISE, Firing, percent

if TYPE_CHECKING:
    from collections import Counter

    from mailwatch.options import BouncedShare, DeferredShare
    from mailwatch.streak import Subject
    from mailwatch.view import View


class Share(NamedTuple):
    """The failures that count, by cause and scope, and all attempts."""

    failures: Counter[Subject]
    attempts: int


def judged(rule: str, cause: str, view: View, options: DeferredShare | BouncedShare, share: Share) -> list[Firing]:
    """One firing above the lower threshold, none below. Fewer attempts than the floor start nothing and end nothing."""
    failed = share.failures.total()
    found = percent(failed, share.attempts)
    if found < options.clear_percent:
        return []
    raised = found >= options.raise_percent and share.attempts >= options.min_attempts
    (top, scope), most = share.failures.most_common(1)[0]
    return [
        Firing(
            rule=rule,
            cause=cause,
            scope="recipient",
            severity=options.severity or "warn",
            level=RAISE if raised else HOLD,
            since=view.now,
            count=failed,
            evidence={
                "percent": f"{found:.0f}",
                "attempts": str(share.attempts),
                "top_cause": top,
                "top_scope": scope,
                "top_count": str(most),
            },
        )
    ]
