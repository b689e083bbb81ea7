"""Folds events into what there is to remember: counters, how they spread over time, which messages are open.

Pure: the same events give the same delta, whatever blocks they came in, and nothing is remembered
between deltas. Attempts, recipients and messages are three different things here and never mix:
a message deferred fifty times is fifty attempts and one message.

A message begins with its first ``queue active`` line and ends once: at every moment the messages queued are those
that ended, by how, and those that are open. One of which the beginning was not seen is in neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.cause import CAUSES, CLIENT, LOCAL, UNKNOWN, blanked, shape
from mailwatch.counters import EVENTS, FAILING_SIDES, FAILURES, RECEIVERS, REFUSING, Labels, Series
from mailwatch.delays import Texts, observe
from mailwatch.event import (
    AGENTS,
    PROGRAMS,
    STATUSES,
    Complaint,
    Connect,
    Deleted,
    Delivery,
    Disconnect,
    Event,
    Expired,
    Held,
    MessageId,
    Other,
    Queued,
    Received,
    Released,
    Removed,
    Requeued,
    Restriction,
    SaslFailed,
)
from mailwatch.record import NAMES, name_of
from mailwatch.streak import Streaks, Subject, delivered, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailwatch.cause import Cause

    Tell = Callable[[Series], None]
    Judge = Callable[[Event], Cause | None]

ByHand = Held | Released | Deleted | Requeued
"""What an administrator does to messages with postsuper."""
MessageKey = tuple[str, str]
"""Instance and queue ID: each instance has queue IDs of its own, so the ID alone is not unique."""

PASSED: Final = frozenset({Connect, Disconnect, MessageId, Received})
"""Common lines that are only counted: nothing is remembered of what they say."""

SAMPLES: Final = 64
"""So many shapes of texts whose cause is unknown are kept in one delta."""
SAMPLE: Final = 300
"""So much of such a text is kept."""
SENT, BOUNCED, EXPIRED, DELETED, REQUEUED = "sent", "bounced", "expired", "deleted", "requeued"


TYPED: Final = frozenset(
    {"sendmail", "mailq", "newaliases", "postfix", "postmap", "postalias", "postconf", "postqueue", "postsuper",
     "postdrop", "postcat", "postlog", "postkick", "postlock", "postmulti", "postfix-script", "postmulti-script",
     "postfix-tls-script", "postfix-wrapper", "post-install", "posttls-finger"}
)  # fmt: skip
"""Tools that people and scripts call: what they complain of is told to who typed it, and anybody may."""

UnknownKey = tuple[str, str]
"""Scope and shape of a text whose cause is unknown: texts that differ in their numbers and names are alike."""


class Sample(NamedTuple):
    """How often texts of one shape were seen, and the last of them, without local parts; ``at`` in seconds."""

    number: int
    at: float
    text: str


class Fate(NamedTuple):
    """How an open message will end as far as is known, and why it was deferred last, on whose side."""

    end: str = SENT
    cause: str | None = None
    scope: str | None = None


UNTOLD: Final = Fate()


@dataclass(slots=True)
class Delta:
    """What a stretch of log adds to what is remembered; built by ``fold``, written whole or not at all.

    ``opened`` has the first ``queue active`` line of messages that are still open, ``closed`` those that were open
    before and are no more, ``fates`` what was learned about open messages: nothing, where it says nothing;
    ``unknown`` samples of failures that no rule knows, ``streaks`` the failures since the last delivery of their side,
    ``examples`` what was said last of each cause and scope, without local parts.
    """

    minutes: dict[int, Counter[Series]] = field(default_factory=dict)
    opened: dict[MessageKey, Queued] = field(default_factory=dict)
    closed: set[MessageKey] = field(default_factory=set)
    fates: dict[MessageKey, Fate] = field(default_factory=dict)
    delays: Texts = field(default_factory=dict)
    unknown: dict[UnknownKey, Sample] = field(default_factory=dict)
    streaks: Streaks = field(default_factory=dict)
    examples: dict[Subject, str] = field(default_factory=dict)
    last_event_at: float = 0.0
    last_queued_at: float = 0.0

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
        return not (self.minutes or self.opened or self.closed or self.fates)


Known = Mapping[MessageKey, Fate]
"""The messages that were open before a delta began, and what was known of each then."""

_ATTEMPTS: Final[dict[tuple[str, str], Series]] = {
    (agent, status): ("delivery_attempts", (agent, status)) for agent in AGENTS for status in STATUSES
}
_FAILED: Final[dict[tuple[str, str, str], Series]] = {
    (status, cause, scope): ("delivery_failures", (status, cause, scope))
    for status in FAILURES
    for cause, scopes in CAUSES.items()
    for scope in scopes
    if scope in FAILING_SIDES
}
_RECEIVED: Final[dict[str, Series]] = {program: ("messages_received", (program,)) for program in RECEIVERS}
_OTHERS: Final[dict[str, Series]] = {program: ("other_events", (program,)) for program in PROGRAMS}
_EVENTS: Final[dict[str, Series]] = {name: ("log_events", (name,)) for name in EVENTS}
_QUEUED: Final[Series] = ("messages_queued", ())
_REMOVED: Final[Series] = ("messages_removed", ())
_ENDED: Final[dict[str, Series]] = {
    end: ("messages_finished", (end,)) for end in (SENT, BOUNCED, EXPIRED, DELETED, REQUEUED)
}


def touched(events: Iterable[Event]) -> set[MessageKey]:
    """The messages of which a fold must know whether they are open."""
    return {
        (event.origin.instance, event.queue_id)
        for event in events
        if isinstance(event, Queued | Removed | Delivery | Expired | Deleted | Requeued) and event.queue_id
    }


def passed_series(kind: type, program: str) -> Series:
    """The series of a common line of which only its kind is known."""
    if kind is Received:
        return _RECEIVED.get(program, _RECEIVED["other"])
    return _EVENTS[NAMES[kind]]


def _attempt(event: Delivery) -> Series:
    """The series of an attempt by a program, or with a status, that no closed set knows."""
    agent, status = event.origin.program, event.status
    return _ATTEMPTS[agent if agent in AGENTS else "other", status if status in STATUSES else "other"]


def _learn(delta: Delta, known: Known, key: MessageKey, **learned: str) -> None:
    """Note something about an open message. Once it has expired, that stays so."""
    stored = key in known and key not in delta.closed
    if key in delta.opened or stored:
        before = delta.fates.get(key, known[key] if stored else UNTOLD)
        if before.end == EXPIRED:
            learned.pop("end", None)
        delta.fates[key] = before._replace(**learned)


def _fate(delta: Delta, known: Known, key: MessageKey) -> Fate:
    """What is known about a message."""
    fate = delta.fates.get(key)
    if fate is None and key in known and key not in delta.closed:
        return known[key]
    return fate or UNTOLD


def _close(delta: Delta, known: Known, key: MessageKey, end: str | None = None) -> Series | None:
    """Forget a message; how it ended. One that was not known to be open has not begun either: None."""
    if delta.opened.pop(key, None) is not None:
        fate = delta.fates.pop(key, UNTOLD)
    elif key in known and key not in delta.closed:
        delta.closed.add(key)
        fate = delta.fates.pop(key, known[key])
    else:
        return None
    return _ENDED[end or fate.end]


def _failed(delta: Delta, event: Delivery, known: Known, tell: Tell, cause: Cause | None) -> None:
    """An attempt that was not sent: why, and what that means for its message."""
    key = (event.origin.instance, event.queue_id)
    if event.status == BOUNCED:
        _learn(delta, known, key, end=BOUNCED)
    if cause is None:
        return
    status = event.status if event.status in FAILURES else "other"
    # an operator's rule may say what cannot be of a delivery
    tell(_FAILED.get((status, cause.name, cause.scope), _FAILED[status, UNKNOWN, LOCAL]))
    if event.status == "deferred":
        _learn(delta, known, key, cause=cause.name, scope=cause.scope)
    failed(delta.streaks, cause.name, cause.scope, event.at)
    delta.examples[cause.name, cause.scope] = event.text
    if cause.name == UNKNOWN:
        _sample(delta, cause.scope, event.at, event.text)


def _sample(delta: Delta, scope: str, at: float, text: str) -> None:
    """Keep a sample of what no rule knows."""
    text = blanked(text)[:SAMPLE]
    key = (scope, shape(text))
    before = delta.unknown.get(key)
    if before is not None or len(delta.unknown) < SAMPLES:
        delta.unknown[key] = Sample(1 if before is None else before.number + 1, at, text)


def _queued(delta: Delta, event: Queued, known: Known, tell: Tell, _judge: Judge) -> None:
    # logged again at every retry
    key = (event.origin.instance, event.queue_id)
    if key not in delta.opened and (key not in known or key in delta.closed):
        delta.opened[key] = event
        delta.last_queued_at = max(delta.last_queued_at, event.at)
        tell(_QUEUED)


def _removed(delta: Delta, event: Removed, known: Known, tell: Tell, _judge: Judge) -> None:
    tell(_REMOVED)
    ended = _close(delta, known, (event.origin.instance, event.queue_id))
    if ended is not None:
        tell(ended)


def _expired(delta: Delta, event: Expired, known: Known, tell: Tell, _judge: Judge) -> None:
    if event.queue_id is None:
        return
    key = (event.origin.instance, event.queue_id)
    if event.sender is not None:  # postsuper only asks for it; the queue manager says that it was done
        fate = _fate(delta, known, key)
        tell(("messages_expired", ()))
        tell(("messages_expired_by_cause", (fate.cause or "expired", fate.scope or LOCAL)))
    _learn(delta, known, key, end=EXPIRED)


def _by_hand(delta: Delta, event: ByHand, known: Known, tell: Tell, _judge: Judge) -> None:
    # postsuper names messages one by one, with ALL none of them, and counts them in its closing line: only that counts
    name, end = _BY_HAND[type(event)]
    delta.count(name, event.at, number=event.messages or 0)
    if end is not None and event.queue_id is not None:
        ended = _close(delta, known, (event.origin.instance, event.queue_id), end)
        if ended is not None:
            tell(ended)


def _received(_delta: Delta, event: Received, _known: Known, tell: Tell, _judge: Judge) -> None:
    if event.queue_id is not None:  # a proxy before the queue passes it on: it comes in again behind that
        tell(passed_series(Received, event.origin.program))


def _other(_delta: Delta, event: Other, _known: Known, tell: Tell, _judge: Judge) -> None:
    tell(_OTHERS.get(event.origin.program, _OTHERS["other"]))


def _named(_delta: Delta, event: Event, _known: Known, tell: Tell, _judge: Judge) -> None:
    tell(_EVENTS[name_of(event)])


def _refused(delta: Delta, event: Restriction | SaslFailed, known: Known, tell: Tell, judge: Judge) -> None:
    """A client was refused by one of our servers; or we by a relay: the attempt that follows tells why."""
    _named(delta, event, known, tell, judge)
    cause = judge(event) if event.client is not None or isinstance(event, Restriction) else None
    if cause is None:
        return
    tell(("rejects", (cause.name if cause.name in REFUSING else UNKNOWN,)))
    if cause.name == UNKNOWN:
        _sample(delta, CLIENT, event.at, (event.reply if isinstance(event, Restriction) else event.text) or "")


def _complained(delta: Delta, event: Complaint, known: Known, tell: Tell, judge: Judge) -> None:
    """A program of Postfix warns or gives up."""
    _named(delta, event, known, tell, judge)
    cause = judge(event)
    if cause is None:
        return
    if event.origin.program not in TYPED or _is_of_the_host(event, cause):
        tell(("complaints", (event.level, cause.name, cause.scope)))
        delta.examples[cause.name, cause.scope] = event.text
    if cause.name == UNKNOWN:
        _sample(delta, LOCAL, event.at, event.text)


def _is_of_the_host(event: Complaint, cause: Cause) -> bool:
    """Whether a tool complains of what is wrong for everybody: no room, or no leave to write to maildrop."""
    may_not_write = event.origin.program == "postdrop" and cause.name == "permission" and event.level == "warning"
    return cause.name == "disk-full" or may_not_write


_BY_HAND: Final[dict[type, tuple[str, str | None]]] = {
    Held: ("messages_held", None),
    Released: ("messages_released", None),
    Deleted: ("messages_deleted", DELETED),
    Requeued: ("messages_requeued", REQUEUED),
}
_TOLD: Final[dict[type, Callable[..., None]]] = {
    Queued: _queued,
    Removed: _removed,
    Expired: _expired,
    Received: _received,
    Other: _other,
    Complaint: _complained,
    **dict.fromkeys((Restriction, SaslFailed), _refused),
    **dict.fromkeys(_BY_HAND, _by_hand),
}
"""What each kind of event does to the open messages, and to the counters; any other kind is counted by its name."""


def fold(delta: Delta, events: Iterable[Event], known: Known, judge: Judge) -> None:
    """Add events to a delta; ``judge`` says why a failure failed.

    ``known`` has at least those of ``touched(events)`` that were open before the delta began.
    """
    begin = end = 0.0
    newest = delta.last_event_at
    told: list[Series] = []
    sent: list[Delivery] = []
    streaks = delta.streaks
    tell, told_of = told.append, _TOLD.get
    for event in events:
        at = event.at
        if not begin <= at < end:
            _add(delta, begin, told)
            begin = at // 60 * 60
            end = begin + 60
        if at > newest:  # noqa: PLR1730 - max() costs a call for every event
            newest = at
        if type(event) is Delivery:
            if event.status == SENT:
                sent.append(event)
                if streaks:
                    delivered(streaks, event.origin.program)
            else:
                _failed(delta, event, known, tell, judge(event))
            tell(_ATTEMPTS.get((event.origin.program, event.status)) or _attempt(event))
        else:
            told_of(type(event), _named)(delta, event, known, tell, judge)
    _add(delta, begin, told)
    if sent:
        observe(delta.delays, sent)
    delta.last_event_at = newest


def _add(delta: Delta, at: float, told: list[Series]) -> None:
    """Count what was told about the minute of ``at`` (seconds)."""
    if told:
        delta.minute(int(at) // 60).update(told)
        told.clear()
