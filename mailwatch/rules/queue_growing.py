"""Fires when more and more mail waits: twice as much as half an hour before, and not little.

Compares samples of the same instance. A sample that is not complete counts too few: it may start this, never end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, oldest, told_whole

if TYPE_CHECKING:
    from mailwatch.options import QueueGrowing
    from mailwatch.view import View

NAME: Final = "queue_growing"


def evaluate(view: View, options: QueueGrowing, /) -> list[Firing]:
    """One firing over all instances: the one that grew most counts."""
    newest = view.instances()
    window = [sample for sample in view.samples(max(options.window_seconds, 4000)) if is_readable(sample)]
    found = None
    for sample in newest:
        before = [
            each
            for each in window
            if each.instance == sample.instance and each.complete and each.at <= sample.at - options.window_seconds // 2
        ]
        if not is_readable(sample) or not before:
            continue
        then, now = messages(before[0]), messages(sample)
        grown = now >= options.min_messages and now * 100 >= then * (100 + options.growth_percent)
        # it does not shrink: half of what was added is still there, or more
        still = now >= options.min_messages and now * 10 >= then * 9
        if grown or (still and found is None):
            found = Firing(
                rule=NAME,
                cause="queue-growing",
                scope="local",
                severity=options.severity or "warn",
                level=RAISE if grown else HOLD,
                since=before[0].at if grown else sample.at,
                count=now,
                oldest=oldest(sample),
                evidence={"before": str(then), "now": str(now), "minutes": f"{(sample.at - before[0].at) / 60:.0f}"},
            )
    if found is None:
        return [] if told_whole(newest) else unknown(NAME, view.now)
    return [found]
