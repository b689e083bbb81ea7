"""Fires when the queue manager, or pickup, does not take up mail that waits in incoming or maildrop.

While the log shows that other mail is taken up, a backlog in incoming is load, not a fault: that waits longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, oldest, told_whole

if TYPE_CHECKING:
    from mailwatch.options import QueueStuck
    from mailwatch.sample import QueueSample
    from mailwatch.view import View

NAME: Final = "queue_stuck"
PICKUP: Final = 120
"""pickup(8) looks into maildrop once a minute, also where it is not told."""


def evaluate(view: View, options: QueueStuck, /) -> list[Firing]:
    """One firing over all instances."""
    newest = view.instances()
    found = [age for sample in newest if is_readable(sample) and (age := _stuck(view, options, sample)) is not None]
    if not found:
        return [] if told_whole(newest) else unknown(NAME, view.now)
    level, since, arrival, waiting = min(found)
    return [
        Firing(
            rule=NAME,
            cause="queue-stuck",
            scope="local",
            severity=options.severity or "page",
            level=RAISE if level == 0 else HOLD,
            since=since,
            count=waiting,
            oldest=arrival,
        )
    ]


def _stuck(view: View, options: QueueStuck, sample: QueueSample) -> tuple[int, float, float, int] | None:
    """0 for stuck, 1 for not over yet; since when, the oldest arrival, how many. None where mail is taken up."""
    quiet = view.quiet_for("messages_queued", options.busy_seconds)
    limits = {
        "incoming": options.raise_seconds if quiet >= options.raise_seconds else options.busy_seconds,
        "maildrop": max(PICKUP, options.raise_seconds),
    }
    found = []
    for queue, limit in limits.items():
        arrival = oldest(sample, (queue,))
        # as of the sample: what was there then may be gone by now
        if arrival is None or sample.at - arrival < min(limit, options.raise_seconds):
            continue
        level = 0 if sample.at - arrival >= limit else 1
        found.append((level, min(arrival + limit, view.now), arrival, messages(sample, (queue,))))
    return min(found, default=None)
