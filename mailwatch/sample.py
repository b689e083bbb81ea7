"""The words for what is looked at on this host: samples of the queue, and what a probe found.

A queue that could not be read has no state at all: a dead Postfix is never an empty queue. What is not known is
``None``, or absent from a mapping, and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

QUEUES: Final = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
"""Postfix's queues; its own programs list all of them but ``corrupt``."""
LISTED: Final = QUEUES[:-1]
MAILDROP: Final = QUEUES[0]
POSTQUEUE, DIRECTORIES = "postqueue", "directories"
QUEUE: Final = "queue"
"""The name under which samples of the queue stand among the probes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A Postfix on this machine. ``name`` is what its lines in the log begin with; no ``config_dir``: the default."""

    name: str
    config_dir: Path | None
    queue_directory: Path
    message_size_limit: int = 0
    queue_minfree: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue. Counting its files tells ``messages`` alone; the times are None when it is empty, too.

    ``by_cause`` counts the recipients whose delivery was put off, by why.
    """

    messages: int
    recipients: int | None
    bytes: int | None
    oldest_arrival: float | None
    newest_arrival: float | None
    by_cause: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """All queues of an instance at a moment. What is not ``complete`` is a lower bound, of the queues it has.

    ``how`` is POSTQUEUE or DIRECTORIES; ``up`` is what reading it told of Postfix; ``trouble``, what was in the way.
    """

    at: float
    instance: str
    queues: Mapping[str, QueueState]
    complete: bool
    how: str
    up: bool | None
    trouble: str | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one look at an instance found. ``success``: well, not well, or None when nobody could tell."""

    name: str
    at: float
    success: bool | None
    trouble: str | None
    values: Mapping[str, float] = field(default_factory=dict)
    instance: str = ""


class Latest(NamedTuple):
    """The last result of a probe for an instance, and when it was last known at all."""

    result: QueueSample | Probe
    known_at: float | None


def is_known(result: QueueSample | Probe) -> bool:
    """Whether a look could see what it looked at, well or not."""
    return result.complete if isinstance(result, QueueSample) else result.success is not None


def unread(*, at: float, instance: str, trouble: str, up: bool | None = None, how: str = POSTQUEUE) -> QueueSample:
    """The sample of a queue that could not be read."""
    return QueueSample(at=at, instance=instance, queues={}, complete=False, how=how, up=up, trouble=trouble)
