"""Whether the log moves while the queue does: what Postfix does and does not log is seen by no rule.

Postfix logs each message that it takes and each that it is done with. So a message in the queue that came, or one
that went, after the newest line we have, by more than ``SLACK``, says that lines are missing: syslog is dead or
drops them, the log is another one by now, its disk is full. A quiet log beside a quiet queue is well.

Values
    ``silent`` seconds between the newest line and the last thing the queue did; 0 when the log is the newer one.

Bugs
    Messages that come and go between two samples are not seen. While the agent catches up, its newest line is old
    and the log seems to stand: a rule should wait a little. Mail in maildrop counts for nothing: that pickup has
    not taken it is another fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.sample import MAILDROP, Probe

if TYPE_CHECKING:
    from mailwatch.sample import QueueSample

NAME: Final = "log-moving"
SLACK: Final = 60.0
"""Seconds that the log may be behind: syslog may buffer, and lines are read a little later than they are written."""


def moved_at(before: QueueSample | None, sample: QueueSample) -> float | None:
    """When the queue certainly did something that is logged: the latest moment that can be proved."""
    taken = {name: state for name, state in sample.queues.items() if name != MAILDROP}
    moments = [state.newest_arrival for state in taken.values() if state.newest_arrival is not None]
    if before is not None and before.complete and sample.complete:
        both = taken.keys() & before.queues.keys()
        if sum(taken[name].messages for name in both) < sum(before.queues[name].messages for name in both):
            moments.append(before.at)
    # a time to come proves nothing: the clock was set
    return max((moment for moment in moments if moment <= sample.at), default=None)


def look(before: QueueSample | None, sample: QueueSample, newest: float | None, at: float) -> Probe:
    """Whether the log, whose newest line is from ``newest``, is as new as the last two samples of the queue."""
    instance = sample.instance
    if newest is None or not sample.queues:
        what = "no line of the log has been read yet" if newest is None else "the queue could not be read"
        return Probe(name=NAME, instance=instance, at=at, success=None, trouble=f"cannot tell: {what}")
    moved = moved_at(before, sample)
    silent = 0.0 if moved is None else max(0.0, moved - newest)
    trouble = None
    if silent > SLACK:
        trouble = (
            f"the queue moves and the log does not: its newest line is {silent:.0f} s older than what the queue did"
        )
    return Probe(
        name=NAME, instance=instance, at=at, success=trouble is None, trouble=trouble, values={"silent": silent}
    )
