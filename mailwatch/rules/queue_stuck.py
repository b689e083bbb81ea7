"""Fires when the queue manager, or pickup, does not take up mail that waits in incoming or maildrop, or is stopped.

The probe ``postfix`` sees processes that a signal has stopped, or a missing queue manager, before any mail waits.

While the log shows that other mail is taken up, a backlog in incoming is load, not a fault: that waits longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, oldest, told_whole

if TYPE_CHECKING:
    from mailwatch.options import QueueStuck
    from mailwatch.sample import Probe, QueueSample
    from mailwatch.view import View

NAME: Final = "queue_stuck"
PROBE: Final = "postfix"
PICKUP: Final = 120
"""pickup(8) looks into maildrop once a minute, also where it is not told."""


def evaluate(view: View, options: QueueStuck, /) -> list[Firing]:
    """One firing over all instances."""
    probes = view.probes(PROBE)
    halted = [probe for probe in probes if probe.values.get("up") and probe.success is False]
    if halted:
        return [_halted(view, options, halted[0])]
    newest = view.instances()
    found = [age for sample in newest if is_readable(sample) and (age := _stuck(view, options, sample)) is not None]
    if not found:
        # where the queue can never be read, the processes are all there is to see
        well = told_whole(newest) or (not any(map(is_readable, newest)) and any(probe.success for probe in probes))
        return [] if well else unknown(NAME, view.now)
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


def _halted(view: View, options: QueueStuck, probe: Probe) -> Firing:
    return Firing(
        rule=NAME,
        cause="queue-stuck",
        scope="local",
        severity=options.severity or "page",
        level=RAISE,
        since=min(probe.at, view.now),
        evidence={"trouble": probe.trouble or "", "face": "stopped" if probe.values.get("stopped") else "no-manager"},
    )


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
