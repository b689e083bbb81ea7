"""Failures in a row: how often one cause was met since anything was last delivered. Pure.

Minute buckets cannot tell whether the mail of this minute went out before or after the relay died; this can, at once.
A delivery ends the streaks of its own side: what local(8) stores in a mailbox says nothing about the relay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.cause import CAUSES, LOCAL, RECIPIENT, RELAY

if TYPE_CHECKING:
    from collections.abc import Mapping

Subject = tuple[str, str]
"""Cause and scope."""

REMOTE_AGENTS: Final = frozenset({"smtp", "error", "retry", "other"})
"""Programs that bring mail to another host, or say that it cannot be brought there."""


class Streak(NamedTuple):
    """Failures of one cause and scope, and nothing delivered since before the first of them."""

    failures: int
    first_at: float
    last_at: float


Streaks = dict[Subject, Streak]


def failed(streaks: Streaks, cause: str, scope: str, at: float) -> None:
    """Count a failed attempt, in place. Only what the closed lists know is counted, so it stays small."""
    if cause not in CAUSES:
        return
    before = streaks.get((cause, scope))
    if before is None:
        streaks[cause, scope] = Streak(1, at, at)
    else:
        streaks[cause, scope] = Streak(before.failures + 1, before.first_at, max(before.last_at, at))


def delivered(streaks: Streaks, agent: str) -> None:
    """End the streaks of the side that a delivery was on, in place."""
    over = (RELAY, RECIPIENT) if agent in REMOTE_AGENTS else (LOCAL,)
    for subject in [each for each in streaks if each[1] in over]:
        del streaks[subject]


def joined(before: Mapping[Subject, Streak], since: Mapping[Subject, Streak], *, cleared: set[str]) -> Streaks:
    """Streaks remembered, and those of what was read since; ``cleared``: scopes that were delivered to meanwhile."""
    streaks = {subject: streak for subject, streak in before.items() if subject[1] not in cleared}
    for subject, streak in since.items():
        known = streaks.get(subject)
        streaks[subject] = (
            streak
            if known is None
            else Streak(known.failures + streak.failures, known.first_at, max(known.last_at, streak.last_at))
        )
    return streaks
