"""Fires when the queue moves and the log does not say so, or when lines of the log are known to be missing.

Silence alone is no fault: a quiet host logs nothing for hours. That the queue moved is told by the probe
``log-moving``; where there is none, by mail that waits: Postfix tries it again within 4 000 seconds at most, and
logs that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, told_whole

if TYPE_CHECKING:
    from mailwatch.options import LogSilent
    from mailwatch.view import View

NAME: Final = "log_silent"
PROBE: Final = "log-moving"
RETRIED: Final = 9000
"""Seconds: more than two of Postfix's longest back-offs."""
POSSIBLE: Final = frozenset({"copytruncate"})
"""Lines may be missing, or not: counted, not told."""
HOUR, RECENT = 3600, 300


def evaluate(view: View, options: LogSilent, /) -> list[Firing]:
    """A firing for silence, and one for gaps."""
    return [*_silence(view, options), *_gaps(view, options)]


def _silence(view: View, options: LogSilent) -> list[Firing]:
    probes = view.probes(PROBE)
    silent = [probe for probe in probes if probe.success is False]
    if silent:
        return [_firing(view, options, silent[0].at - silent[0].values.get("silent", 0.0), silent[0].trouble)]
    if any(probe.success for probe in probes):
        return []
    last = view.history.last_event_at
    begin = view.history.started_at if last is None else max(last, view.history.started_at)
    if view.now - begin < RETRIED:
        return [] if not probes else unknown(NAME, view.now, "log-silent", "local")
    samples = [each for each in view.samples(RETRIED) if is_readable(each)]
    if samples and all(messages(each, ("deferred",)) for each in samples):
        return [_firing(view, options, begin + RETRIED, None)]
    return [] if told_whole(view.instances()) else unknown(NAME, view.now, "log-silent", "local")


def _firing(view: View, options: LogSilent, since: float, trouble: str | None) -> Firing:
    return Firing(
        rule=NAME,
        cause="log-silent",
        scope="local",
        severity=options.severity or "warn",
        level=RAISE,
        since=min(since, view.now),
        evidence={"trouble": trouble} if trouble else {},
    )


def _gaps(view: View, options: LogSilent) -> list[Firing]:
    gaps = {
        labels[0]: number
        for (name, labels), number in view.counted(HOUR).items()
        if name == "log_gaps" and labels[0] not in POSSIBLE
    }
    if not gaps:
        return []
    recent = any(name == "log_gaps" and labels[0] in gaps for name, labels in view.counted(RECENT))
    return [
        Firing(
            rule=NAME,
            cause="log-gap",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE if recent else HOLD,
            since=view.now,
            count=sum(gaps.values()),
            evidence={"trouble": f"gaps: {', '.join(sorted(gaps))}"},
            for_seconds=0,
        )
    ]
