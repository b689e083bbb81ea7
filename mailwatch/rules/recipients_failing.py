"""Fires when other servers turn our mail away for a reason that is ours: a blocklist, PTR, SPF, or no way out at all.

How many domains refuse is not counted (a domain is no label), so it goes by share: a fifth of all attempts
to other hosts is more than one domain on most hosts. What concerns the other side alone counts only when nearly
all fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from mailwatch.cause import RECIPIENT, UNKNOWN
from mailwatch.firing import HOLD, RAISE, Firing, percent

if TYPE_CHECKING:
    from mailwatch.options import RecipientsFailing
    from mailwatch.view import View

NAME: Final = "recipients_failing"
OURS: Final = frozenset({
    "blocklisted", "ptr-missing", "spf-rejected", "dkim-rejected", "dmarc-rejected", "auth-rejected", "content-spam",
    "content-virus",
})  # fmt: skip
THEIRS: Final = frozenset({"remote-unreachable", "dns-failed", "tls-failed", "protocol-error", "rate-limited", UNKNOWN})
"""One server's trouble each; of nearly all servers at once, ours."""


def evaluate(view: View, options: RecipientsFailing, /) -> list[Firing]:
    """A firing for each cause that keeps too much of our mail out."""
    failures = view.failures(options.window_seconds)
    attempts = view.attempts(options.window_seconds, remote=True).total()
    found = []
    for (cause, scope), failed in sorted(failures.items()):
        share = percent(failed, attempts)
        level = _level(cause, share, attempts, options)
        if scope != RECIPIENT or level is None:
            continue
        severe = share >= options.page_percent and cause not in ("content-spam", "content-virus")
        found.append(
            Firing(
                rule=NAME,
                cause=cause,
                scope=scope,
                severity=options.severity or ("page" if severe else "warn"),
                level=level,
                since=view.now,
                count=failed,
                evidence={"percent": f"{share:.0f}", "attempts": str(attempts)},
            )
        )
    return found


def _level(cause: str, share: float, attempts: int, options: RecipientsFailing) -> Literal["raise", "hold"] | None:
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
