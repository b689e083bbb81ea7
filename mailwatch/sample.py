"""What is seen when one looks: a sample of the queue, a probe. Values only; who looks, and how, stands elsewhere.

What could not be seen is None, never zero: a queue that could not be read is not an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One of Postfix's queues. ``oldest_arrival`` (seconds) is None where the queue is empty or it is not known."""

    messages: int
    recipients: int
    bytes: int
    oldest_arrival: float | None
    by_cause: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """The queues of one instance at one instant; ``up`` is None where it is not known whether Postfix runs."""

    at: float
    instance: str
    queues: Mapping[str, QueueState]
    complete: bool
    how: str
    up: bool | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one probe found; ``success`` is None where it is not known."""

    name: str
    at: float
    success: bool | None
    trouble: str | None
    values: Mapping[str, float]
