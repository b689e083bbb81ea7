"""Fires when the host that all mail goes through takes none of it, or too little, by cause.

Nothing passes: told within seconds, by failures in a row. Some passes: told by share, after ``slow_seconds``.
Between Postfix's retries nothing is attempted, up to 4 000 seconds: what fails holds until something is delivered.
What is about the recipient or the message (no such user, too big) is no fault of the relay and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.cause import RELAY, UNKNOWN
from mailwatch.firing import HOLD, RAISE, Firing, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.counters import Series
    from mailwatch.options import RelayFailing
    from mailwatch.streak import Streak
    from mailwatch.view import View

NAME: Final = "relay_failing"
SOON, SHARE, LONG = 120, 900, 9000
"""Seconds: to see at once, to tell a share, and more than two of Postfix's longest back-offs."""
LONELY, AGAIN = 600, 2
"""On a host that sends little, two failures this far apart are as good as three."""
AT_RELAY: Final = frozenset({"dns-failed", "tls-failed"})
"""A page at the relay, whatever they are elsewhere."""
PASSING: Final = frozenset({"remote-system", "remote-disk-full", UNKNOWN})
"""Normal life of other hosts; at the relay they matter when they last."""


class Seen(NamedTuple):
    """What was seen of one cause at the relay."""

    failures: int
    since: float
    nothing_passes: bool


def evaluate(view: View, options: RelayFailing, /) -> list[Firing]:
    """A firing for each cause at the relay that is not over."""
    told = {subject for subject in view.failures(LONG) if subject[1] == RELAY}
    told |= {subject for subject in view.history.streaks if subject[1] == RELAY and _streak(view, subject[0])}
    found = [_judged(view, options, cause) for cause, _ in sorted(told) if _counts(view, cause)]
    return [each for each in found if each is not None]


def _streak(view: View, cause: str) -> Streak | None:
    """Failures in a row, unless Postfix would long have tried again."""
    streak = view.streak((cause, RELAY))
    return None if streak is None or view.now - streak.last_at > LONG else streak


def _counts(view: View, cause: str) -> bool:
    return cause in PASSING or view.severity(cause) != "info"


def _judged(view: View, options: RelayFailing, cause: str) -> Firing | None:
    seen = _outage(view, options, cause)
    if seen is not None:
        grave = cause in AT_RELAY or view.severity(cause) == "page"
        wait = options.for_seconds if grave else options.slow_seconds
        return _firing(view, options, cause, seen, ("page", wait, RAISE))
    failures = view.failures(SHARE)
    failed = failures[cause, RELAY]
    attempts = view.attempts(SHARE, remote=True).total()
    share = percent(failed, attempts)
    seen = Seen(failed, view.now, nothing_passes=False)
    if share >= options.clear_percent and view.failures(SOON)[cause, RELAY]:
        raised = attempts >= options.min_attempts and share >= options.raise_percent
        return _firing(view, options, cause, seen, ("warn", options.slow_seconds, RAISE if raised else HOLD))
    if not view.delivered_since(_failing(cause), LONG):
        return _firing(view, options, cause, seen, ("warn", options.slow_seconds, HOLD))
    return None


def _outage(view: View, options: RelayFailing, cause: str) -> Seen | None:
    """Nothing passes: failures in a row, or a stretch with nothing but failures."""
    streak = _streak(view, cause)
    if streak is not None:
        lonely = streak.failures >= AGAIN and streak.last_at - streak.first_at >= LONELY
        if streak.failures >= options.min_failures or lonely:
            return Seen(streak.failures, streak.first_at, nothing_passes=True)
    for window in (SOON, SHARE):
        failed = view.failures(window)[cause, RELAY]
        if failed >= options.min_failures and not view.attempts(window, remote=True)["sent"]:
            return Seen(failed, view.began(_failing(cause), LONG), nothing_passes=True)
    return None


def _failing(cause: str) -> Callable[[Series], bool]:
    return lambda series: series[0] == "delivery_failures" and series[1][1:] == (cause, RELAY)


def _name(relay: str | None) -> str:
    """The host in ``[smtp.example.net]:587``."""
    if not relay:
        return "the relay"
    return relay[1:].partition("]")[0] if relay.startswith("[") else relay.partition(":")[0]


def _port(relay: str | None) -> str:
    """The port or service in it; SMTP's where there is none."""
    beyond = (relay or "").rpartition("]")[2] if (relay or "").startswith("[") else relay or ""
    return beyond.partition(":")[2] or "25"


def _firing(view: View, options: RelayFailing, cause: str, seen: Seen, judged: tuple[str, int, str]) -> Firing:
    severity, wait, level = judged
    share = percent(seen.failures, view.attempts(SHARE, remote=True).total())
    relay = view.history.site.relay
    evidence = {"relay": _name(relay), **({"port": _port(relay)} if relay else {})}
    if not seen.nothing_passes:
        evidence["percent"] = f"{share:.0f}"
    return Firing(
        rule=NAME,
        cause=cause,
        scope=RELAY,
        severity=options.severity or severity,
        level=RAISE if level == RAISE else HOLD,
        since=seen.since,
        count=seen.failures,
        evidence=evidence,
        for_seconds=wait,
    )
