"""Fires when the queue moves and the log does not say so, or when lines of the log are known to be missing.

Silence alone is no fault: a quiet host logs nothing for hours. But mail that waits is tried again within 4 000
seconds at most, and a queue whose numbers change has done something that Postfix logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, told_whole

if TYPE_CHECKING:
    from mailwatch.options import LogSilent
    from mailwatch.view import View

NAME: Final = "log_silent"
RETRIED: Final = 9000
"""Seconds: more than two of Postfix's longest back-offs."""
POSSIBLE: Final = frozenset({"copytruncate"})
"""Lines may be missing, or not: counted, not told."""
HOUR: Final = 3600


def evaluate(view: View, options: LogSilent, /) -> list[Firing]:
    """A firing for silence, and one for gaps."""
    return [*_silence(view, options), *_gaps(view, options)]


def _silence(view: View, options: LogSilent) -> list[Firing]:
    last = view.history.last_event_at
    begin = view.history.started_at if last is None else max(last, view.history.started_at)
    silent = view.now - begin
    if silent < options.raise_seconds:
        return []
    samples = [each for each in view.samples(RETRIED) if is_readable(each) and each.complete and each.at > begin + 60]
    if not samples:
        return [] if told_whole(view.instances()) else unknown(NAME, view.now)
    counts = {(each.instance, messages(each), messages(each, ("active",))) for each in samples}
    moved = len(counts) > len({each.instance for each in samples})
    overdue = silent >= RETRIED and all(messages(each, ("deferred",)) for each in samples)
    if not moved and not overdue:
        return []
    return [
        Firing(
            rule=NAME,
            cause="log-silent",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE,
            since=max(begin + options.raise_seconds, samples[0].at),
            evidence={"minutes": f"{silent / 60:.0f}"},
        )
    ]


def _gaps(view: View, options: LogSilent) -> list[Firing]:
    gaps = {
        labels[0]: number
        for (name, labels), number in view.counted(HOUR).items()
        if name == "log_gaps" and labels[0] not in POSSIBLE
    }
    if not gaps:
        return []
    recent = any(name == "log_gaps" and labels[0] in gaps for name, labels in view.counted(300))
    return [
        Firing(
            rule=NAME,
            cause="log-gap",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE if recent else HOLD,
            since=view.now,
            count=sum(gaps.values()),
            evidence={"reasons": ", ".join(sorted(gaps))},
            for_seconds=0,
        )
    ]
