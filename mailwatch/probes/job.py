"""What is done again and again: a look, how often, and how long it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailwatch.sample import Probe, QueueSample


class Job(NamedTuple):
    """A look every so many seconds. ``unanswered`` makes the results when there are none: at a time, for a reason."""

    name: str
    every: int
    deadline: float
    look: Callable[[], Iterable[QueueSample | Probe]]
    unanswered: Callable[[float, str], Iterable[QueueSample | Probe]]
