"""Folds events into what there is to remember: counters, how they spread over time, which messages are open.

Pure: the same events give the same delta, whatever blocks they came in, and nothing is remembered
between deltas. Attempts, recipients and messages are three different things here and never mix:
a message deferred fifty times is fifty attempts and one message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.event import (
    AGENTS,
    PROGRAMS,
    STATUSES,
    Deleted,
    Delivery,
    Event,
    Expired,
    Held,
    Other,
    Queued,
    Received,
    Removed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Labels = tuple[str, ...]
Series = tuple[str, Labels]
"""A counter's name and the values of its labels, in the order of its definition."""

MessageKey = tuple[str, str]
"""Instance and queue ID: each instance has queue IDs of its own, so the ID alone is not unique."""

RECEIVERS: Final = ("smtpd", "pickup", "qmqpd", "other")
GAPS: Final = (
    "copytruncate", "missing-file", "archive-damaged", "cut", "rewritten", "state-damaged", "offset-unusable",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDefinition:
    """A counter, its labels with every value they can have, and what it counts."""

    name: str
    text: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def every(self) -> Iterable[Labels]:
        """Every combination of label values: all of them are shown at zero from the start."""
        return product(*(values for _, values in self.labels))


COUNTERS: Final[dict[str, CounterDefinition]] = {
    definition.name: definition
    for definition in (
        CounterDefinition(name="log_lines", text="Lines read from the log, of all programs."),
        CounterDefinition(name="log_foreign_lines", text="Lines of programs other than Postfix, skipped."),
        CounterDefinition(
            name="log_unparsed_lines", text="Lines without an envelope (time, program) that mailwatch knows."
        ),
        CounterDefinition(name="log_overlong_lines", text="Lines longer than 64 KiB, skipped."),
        CounterDefinition(
            name="log_gaps",
            text="Times lines were lost, or may have been: copytruncate is a possible gap, the others are seen.",
            labels=(("reason", GAPS),),
        ),
        CounterDefinition(
            name="delivery_attempts",
            text="Delivery attempts, one per recipient and try.",
            labels=(("agent", AGENTS), ("status", STATUSES)),
        ),
        CounterDefinition(
            name="messages_received",
            text="Messages that came in, by the program that took them.",
            labels=(("program", RECEIVERS),),
        ),
        CounterDefinition(
            name="messages_queued", text="Messages that entered the queue; a retry does not count again."
        ),
        CounterDefinition(name="messages_removed", text="Messages the queue manager was done with."),
        CounterDefinition(name="messages_expired", text="Messages given up because their time in the queue was over."),
        CounterDefinition(name="messages_held", text="Messages an administrator put on hold."),
        CounterDefinition(name="messages_deleted", text="Messages an administrator deleted from the queue."),
        CounterDefinition(
            name="open_messages_dropped", text="Open messages no longer remembered because there were too many."
        ),
        CounterDefinition(
            name="other_events",
            text="Postfix lines that no grammar reads, by program.",
            labels=(("program", PROGRAMS),),
        ),
    )
}


class OpenMessage(NamedTuple):
    """A message in the queue: from its first ``queue active`` line until it is removed or deleted."""

    sender: str
    size: int
    recipients: int
    first_seen: float


@dataclass(slots=True)
class Delta:
    """What a stretch of log adds to what is remembered; built by ``fold``, written whole or not at all."""

    minutes: dict[int, Counter[Series]] = field(default_factory=dict)
    opened: dict[MessageKey, OpenMessage] = field(default_factory=dict)
    closed: set[MessageKey] = field(default_factory=set)
    last_event_at: float = 0.0

    def minute(self, number: int) -> Counter[Series]:
        """What was counted in a minute (minutes since the epoch)."""
        counted = self.minutes.get(number)
        if counted is None:
            counted = self.minutes[number] = Counter()
        return counted

    def count(self, name: str, at: float, labels: Labels = (), number: int = 1) -> None:
        """Add ``number`` to a counter in the minute of ``at`` (seconds)."""
        if number:
            self.minute(int(at // 60))[name, labels] += number

    def totals(self) -> Counter[Series]:
        """What each counter grows by."""
        total: Counter[Series] = Counter()
        for counted in self.minutes.values():
            total.update(counted)
        return total

    def is_empty(self) -> bool:
        """Say whether there is nothing to remember."""
        return not (self.minutes or self.opened or self.closed)


def queued_messages(events: Iterable[Event]) -> set[MessageKey]:
    """The messages of which a fold must know whether they are open already."""
    return {(event.origin.instance, event.queue_id) for event in events if isinstance(event, Queued)}


_ATTEMPTS: Final[dict[tuple[str, str], Series]] = {
    (agent, status): ("delivery_attempts", (agent, status)) for agent in AGENTS for status in STATUSES
}
_RECEIVED: Final[dict[str, Series]] = {program: ("messages_received", (program,)) for program in RECEIVERS}
_OTHERS: Final[dict[str, Series]] = {program: ("other_events", (program,)) for program in PROGRAMS}
_QUEUED: Final[Series] = ("messages_queued", ())
_REMOVED: Final[Series] = ("messages_removed", ())
_EXPIRED: Final[Series] = ("messages_expired", ())
_HELD: Final[Series] = ("messages_held", ())
_DELETED: Final[Series] = ("messages_deleted", ())


def _attempt(event: Delivery) -> Series:
    program, status = event.origin.program, event.status
    series = _ATTEMPTS.get((program, status))
    if series is not None:
        return series
    return _ATTEMPTS[program if program in AGENTS else "other", status if status in STATUSES else "other"]


def _queued(delta: Delta, event: Queued, known: Collection[MessageKey]) -> bool:
    """Open the message; say whether it is new. ``queue active`` is logged again at every retry."""
    key = (event.origin.instance, event.queue_id)
    if key in delta.opened or (key in known and key not in delta.closed):
        return False
    delta.opened[key] = OpenMessage(event.sender, event.size, event.nrcpt, event.at)
    return True


def _closed(delta: Delta, instance: str, queue_id: str) -> None:
    # what this delta opened is not stored yet: nothing to forget. An older one with its ID is in closed already
    if delta.opened.pop((instance, queue_id), None) is None:
        delta.closed.add((instance, queue_id))


def fold(delta: Delta, events: Iterable[Event], known: Collection[MessageKey]) -> None:
    """Add events to a delta.

    ``known`` are those of ``queued_messages(events)`` that were open before the delta began.
    """
    begin = end = 0.0
    counted: Counter[Series] = Counter()
    for event in events:
        at = event.at
        if not begin <= at < end:
            begin = at // 60 * 60
            end = begin + 60
            counted = delta.minute(int(begin) // 60)
        series, number = _told(delta, event, known)
        counted[series] += number
        if at > delta.last_event_at:  # noqa: PLR1730 - max() costs a call for every event
            delta.last_event_at = at


def _told(delta: Delta, event: Event, known: Collection[MessageKey]) -> tuple[Series, int]:
    """Note what an event does to the open messages; its series, and by how much that grows."""
    if isinstance(event, Other):
        return _OTHERS.get(event.origin.program) or _OTHERS["other"], 1
    if isinstance(event, Delivery):
        return _attempt(event), 1
    if isinstance(event, Queued):
        return _QUEUED, int(_queued(delta, event, known))
    if isinstance(event, Removed):
        _closed(delta, event.origin.instance, event.queue_id)
        return _REMOVED, 1
    if isinstance(event, Received):
        return _RECEIVED.get(event.origin.program) or _RECEIVED["other"], 1
    if isinstance(event, Expired):
        return _EXPIRED, 1
    return _told_by_postsuper(delta, event)


def _told_by_postsuper(delta: Delta, event: Held | Deleted) -> tuple[Series, int]:
    """It names messages one by one, or with ALL none of them, and counts them in its closing line: only that counts."""
    if isinstance(event, Held):
        return _HELD, event.messages or 0
    if event.queue_id is not None:
        _closed(delta, event.origin.instance, event.queue_id)
    return _DELETED, event.messages or 0
