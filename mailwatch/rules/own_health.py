"""Fires when mailwatch itself cannot see, remember or tell: who watches must be known to watch.

Only of a running mailwatch: of the minutes before its start nobody can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import RAISE, Firing, unknown
from mailwatch.rules.postfix_down import seen

if TYPE_CHECKING:
    from mailwatch.options import OwnHealth
    from mailwatch.sample import Probe
    from mailwatch.view import View

NAME: Final = "own_health"
GRAVE: Final = {"log": "log-unreadable", "state": "state-unwritable"}
"""Probes without which nothing is seen, or remembered."""
ELSEWHERE: Final = frozenset({"disk", "postfix"})
"""Probes whose no is told by a rule of its own; that nobody could tell is told here."""
LEFT_OUT: Final = frozenset({"log-moving", "dns"})
"""Cannot be told before the first line, or where the queue cannot be read; what DNS does not tell has a rule, which
waits for hours: that is told already."""


def evaluate(view: View, options: OwnHealth, /) -> list[Firing]:
    """A firing for each part of mailwatch that does not work."""
    if view.running_for() < 0:
        return unknown(NAME, view.now)
    failing = [
        probe
        for probe in view.history.probes
        if probe.at <= view.now
        and probe.name not in LEFT_OUT
        and (probe.success is None or (probe.success is False and probe.name not in ELSEWHERE))
    ]
    found = [
        _firing(options, GRAVE[probe.name], [probe], ("page", options.for_seconds))
        for probe in failing
        if probe.name in GRAVE and probe.success is False
    ]
    others = [probe for probe in failing if probe.name not in GRAVE]
    if others:
        found.append(_firing(options, "probe-failing", others, ("warn", options.probe_seconds)))
    return [*found, *_blind(view, options), *_outbox(view, options)]


def _firing(options: OwnHealth, cause: str, probes: list[Probe], grade: tuple[str, int]) -> Firing:
    trouble = next((probe.trouble for probe in probes if probe.trouble), None)
    return Firing(
        rule=NAME,
        cause=cause,
        scope="local",
        severity=options.severity or grade[0],
        level=RAISE,
        since=max(probe.at for probe in probes),
        evidence={
            "probes": ", ".join(sorted(probe.name for probe in probes)),
            **({"trouble": trouble} if trouble else {}),
        },
        for_seconds=grade[1],
    )


def _blind(view: View, options: OwnHealth) -> list[Firing]:
    """Nobody knows whether Postfix runs: there is no sample of the queue, or it says so; unless nobody wants to."""
    if not view.history.site.looked_at:
        return []
    newest = seen(view)
    if newest and all(each.up is not None for each in newest.values()):
        return []
    trouble = next((each.trouble for each in newest.values() if each.trouble), None)
    return [
        Firing(
            rule=NAME,
            cause="postfix-unknown",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE,
            since=view.now,
            evidence={"trouble": trouble} if trouble else {},
            for_seconds=options.probe_seconds,
        )
    ]


def _outbox(view: View, options: OwnHealth) -> list[Firing]:
    oldest = view.history.outbox_oldest_at
    if oldest is None or view.now - oldest < options.outbox_seconds:
        return []
    return [
        Firing(
            rule=NAME,
            cause="outbox-old",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE,
            since=oldest + options.outbox_seconds,
            oldest=oldest,
            for_seconds=0,
        )
    ]
