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
    from collections.abc import Callable, Collection, Iterable

Labels = tuple[str, ...]
Series = tuple[str, Labels]
"""A counter's name and the values of its labels, in the order of its definition."""

MessageKey = tuple[str, str]
"""Instance and queue ID: each instance has queue IDs of its own, so the ID alone is not unique."""

RECEIVERS: Final = ("smtpd", "pickup", "qmqpd", "other")
GAPS: Final = (
    "copytruncate", "missing-file", "archive-damaged", "cut", "rewritten", "state-damaged", "offset-unusable",
    "journal-vacuumed", "journal-damaged", "journal-suppressed",
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
    return {(event.origin.instance, event.queue_id) for event in events if type(event) is Queued}


_ATTEMPTS: Final[dict[tuple[str, str], Series]] = {
    (agent, status): ("delivery_attempts", (agent, status)) for agent in AGENTS for status in STATUSES
}
_RECEIVED: Final[dict[str, Series]] = {program: ("messages_received", (program,)) for program in RECEIVERS}
_OTHERS: Final[dict[str, Series]] = {program: ("other_events", (program,)) for program in PROGRAMS}
_QUEUED: Final[Series] = ("messages_queued", ())
_REMOVED: Final[Series] = ("messages_removed", ())
_EXPIRED: Final[Series] = ("messages_expired", ())


def _attempt(_delta: Delta, event: Delivery, _known: Collection[MessageKey]) -> Series:
    program, status = event.origin.program, event.status
    series = _ATTEMPTS.get((program, status))
    if series is not None:
        return series
    return _ATTEMPTS[program if program in AGENTS else "other", status if status in STATUSES else "other"]


def _other(_delta: Delta, event: Other, _known: Collection[MessageKey]) -> Series:
    return _OTHERS.get(event.origin.program, _OTHER)


def _received(_delta: Delta, event: Received, _known: Collection[MessageKey]) -> Series:
    return _RECEIVED.get(event.origin.program, _RECEIVED_BY_OTHER)


def _expired(_delta: Delta, _event: Expired, _known: Collection[MessageKey]) -> Series:
    return _EXPIRED


def _queued(delta: Delta, event: Queued, known: Collection[MessageKey]) -> Series | None:
    """Open the message, if it is new. ``queue active`` is logged again at every retry."""
    key = (event.origin.instance, event.queue_id)
    if key in delta.opened or (key in known and key not in delta.closed):
        return None
    delta.opened[key] = OpenMessage(event.sender, event.size, event.nrcpt, event.at)
    return _QUEUED


def _removed(delta: Delta, event: Removed, _known: Collection[MessageKey]) -> Series:
    _close(delta, (event.origin.instance, event.queue_id))
    return _REMOVED


def _held(delta: Delta, event: Held, _known: Collection[MessageKey]) -> None:
    # postsuper names messages one by one, with ALL none of them, and counts them in its closing line: only that counts
    delta.count("messages_held", event.at, number=event.messages or 0)


def _deleted(delta: Delta, event: Deleted, _known: Collection[MessageKey]) -> None:
    delta.count("messages_deleted", event.at, number=event.messages or 0)
    if event.queue_id is not None:
        _close(delta, (event.origin.instance, event.queue_id))


def _close(delta: Delta, key: MessageKey) -> None:
    # what this delta opened is not stored yet: nothing to forget. An older one with its ID is in closed already
    if delta.opened.pop(key, None) is None:
        delta.closed.add(key)


_OTHER: Final = _OTHERS["other"]
_RECEIVED_BY_OTHER: Final = _RECEIVED["other"]
_TOLD: Final[dict[type, Callable[..., Series | None]]] = {
    Delivery: _attempt,
    Other: _other,
    Queued: _queued,
    Removed: _removed,
    Received: _received,
    Expired: _expired,
    Held: _held,
    Deleted: _deleted,
}
"""What each kind of event does to the open messages, and the series that grows by one for it, if any."""


def fold(delta: Delta, events: Iterable[Event], known: Collection[MessageKey]) -> None:
    """Add events to a delta.

    ``known`` are those of ``queued_messages(events)`` that were open before the delta began.
    """
    begin = end = 0.0
    newest = delta.last_event_at
    told: list[Series] = []
    tell = told.append
    for event in events:
        at = event.at
        if not begin <= at < end:
            _add(delta, begin, told)
            begin = at // 60 * 60
            end = begin + 60
        series = _TOLD[type(event)](delta, event, known)
        if series is not None:
            tell(series)
        if at > newest:  # noqa: PLR1730 - max() costs a call for every event
            newest = at
    _add(delta, begin, told)
    delta.last_event_at = newest


def _add(delta: Delta, at: float, told: list[Series]) -> None:
    """Count what was told about the minute of ``at`` (seconds)."""
    if told:
        delta.minute(int(at) // 60).update(told)
        told.clear()
