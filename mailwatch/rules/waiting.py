"""What waits in the queue, by the newest samples; None where that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailwatch.sample import QueueSample

WAITING: Final = ("maildrop", "incoming", "active", "deferred")
"""The queues that Postfix is to bring mail out of; mail on hold waits for a person."""


def messages(sample: QueueSample, queues: tuple[str, ...] = WAITING) -> int:
    """How many messages wait; a lower bound where the sample is not complete."""
    return sum(state.messages for name, state in sample.queues.items() if name in queues)


def oldest(sample: QueueSample, queues: tuple[str, ...] = WAITING) -> float | None:
    """When the oldest message came in; None where nothing waits or it is not known."""
    arrivals = [
        state.oldest_arrival
        for name, state in sample.queues.items()
        if name in queues and state.messages and state.oldest_arrival is not None
    ]
    return min(arrivals, default=None)


def is_readable(sample: QueueSample) -> bool:
    """Whether the sample tells of the queue at all: Postfix that is down hides it."""
    return bool(sample.queues) and sample.up is not False


def told_whole(samples: list[QueueSample]) -> bool:
    """Whether a threshold that is not reached is really not reached."""
    return bool(samples) and all(is_readable(sample) and sample.complete for sample in samples)
