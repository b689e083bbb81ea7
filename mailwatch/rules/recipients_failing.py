"""Fires when other servers turn our mail away for a reason that is ours: a blocklist, PTR, SPF, or no way out at all.

How many domains refuse is not counted (a domain is no label), so it goes by share: a fifth of all attempts
to other hosts is more than one domain on most hosts. What concerns the other side alone counts only when nearly
all fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.cause import RECIPIENT, UNKNOWN
from mailwatch.firing import HOLD, RAISE, Firing, percent

if TYPE_CHECKING:
    from collections import Counter

    from mailwatch.firing import Level
    from mailwatch.options import RecipientsFailing
    from mailwatch.streak import Subject
    from mailwatch.view import View

NAME: Final = "recipients_failing"
SHORT: Final = 900
"""Seconds: nearly all that fails is seen sooner."""
OURS: Final = frozenset({
    "blocklisted", "ptr-missing", "spf-rejected", "dkim-rejected", "dmarc-rejected", "auth-rejected", "content-spam",
    "content-virus",
})  # fmt: skip
THEIRS: Final = frozenset({"remote-unreachable", "dns-failed", "tls-failed", "protocol-error", "rate-limited", UNKNOWN})
"""One server's trouble each; of nearly all servers at once, ours."""


def evaluate(view: View, options: RecipientsFailing, /) -> list[Firing]:
    """A firing for each cause that keeps too much of our mail out."""
    windows = [_Window.of(view, seconds) for seconds in (SHORT, options.window_seconds)]
    found = []
    for cause, scope in sorted({subject for window in windows for subject in window.failures}):
        judged = [(_level(cause, window.share(cause), window.attempts, options), window) for window in windows]
        levels = [each for each in judged if each[0] is not None]
        if scope != RECIPIENT or not levels:
            continue
        level, window = max(levels, key=lambda each: (each[0] == RAISE, each[1].share(cause)))
        found.append(_firing(view, options, cause, window, level or HOLD))
    return found


class _Window(NamedTuple):
    """Failures by cause and scope, and all attempts, over one stretch."""

    failures: Counter[Subject]
    attempts: int

    @classmethod
    def of(cls, view: View, seconds: int) -> _Window:
        return cls(view.failures(seconds), view.attempts(seconds, remote=True).total())

    def share(self, cause: str) -> float:
        return percent(self.failures[cause, RECIPIENT], self.attempts)


def _level(cause: str, share: float, attempts: int, options: RecipientsFailing) -> Level | None:
    if cause in OURS:
        above, below = options.raise_percent, options.clear_percent
    elif cause in THEIRS:
        above, below = options.page_percent, options.page_percent // 2
    else:
        return None
    if share >= above and attempts >= options.min_attempts:
        return RAISE
    # a share of very little says nothing, so it ends nothing
    return HOLD if share >= below else None


def _firing(view: View, options: RecipientsFailing, cause: str, window: _Window, level: Level) -> Firing:
    share = window.share(cause)
    grave = share >= options.page_percent and cause not in ("content-spam", "content-virus")
    return Firing(
        rule=NAME,
        cause=cause,
        scope=RECIPIENT,
        severity=options.severity or ("page" if grave else "warn"),
        level=level,
        since=view.now,
        count=window.failures[cause, RECIPIENT],
        evidence={"percent": f"{share:.0f}", "attempts": str(window.attempts)},
    )
