"""Messages in the queue: how they come in, leave and are tampered with (qmgr, pickup, cleanup, bounce, postsuper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import (
    BounceNotice,
    Deleted,
    Event,
    Expired,
    Held,
    MessageId,
    Queued,
    Received,
    Released,
    Removed,
    Requeued,
)
from mailwatch.parsers.postfix.terms import ADDRESS, QUEUE_ID, Shape, made

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values

POSTSUPER: Final[dict[str, type]] = {
    "placed on hold": Held,
    "released from hold": Released,
    "removed": Deleted,
    "deleted": Deleted,
    "requeued": Requeued,
}


def queued_or_removed(at: float, origin: Origin, values: Values) -> Event:
    """qmgr: ``3C8F4228CD3: from=<app@shop.example>, size=2299, nrcpt=1 (queue active)``, ``3C8F4228CD3: removed``."""
    queue_id, sender, size, nrcpt = values
    if sender is None:
        return made(Removed, (at, origin, queue_id))
    return made(Queued, (at, origin, queue_id, sender, int(size), int(nrcpt)))


def expired(at: float, origin: Origin, values: Values) -> Event:
    """qmgr: ``D155822892C: from=<app@shop.example>, status=expired, returned to sender``."""
    queue_id, sender, forced = values
    return Expired(at, origin, queue_id, sender, forced is not None)


def expired_by_hand(at: float, origin: Origin, values: Values) -> Event:
    """postsuper: ``D155822892C: expired``."""
    return Expired(at, origin, values[0], None, forced=True)


def all_expired(at: float, origin: Origin, values: Values) -> Event:
    """postsuper: ``Force-expired: 3 messages``."""
    return Expired(at, origin, None, None, forced=True, messages=int(values[0]))


def picked_up(at: float, origin: Origin, values: Values) -> Event:
    """pickup: ``57E28228C2D: uid=33 from=<www-data@shop.example>``, requeued: `` orig_id=…`` behind it."""
    queue_id, uid, sender, original = values
    return Received(at, origin, queue_id, sender=sender, uid=int(uid), original_queue_id=original)


def message_id(at: float, origin: Origin, values: Values) -> Event:
    """cleanup: ``3C8F4228CD3: message-id=<20261122@shop.example>``."""
    queue_id, resent, value = values
    if value[:1] == "<" and value[-1:] == ">" and len(value) > 1:
        value = value[1:-1]
    return made(MessageId, (at, origin, queue_id, value, resent is not None))


def bounce_notice(at: float, origin: Origin, values: Values) -> Event:
    """bounce: ``3C8F4228CD3: sender non-delivery notification: 41A09228CD5``."""
    return BounceNotice(at, origin, *values)


def by_hand(at: float, origin: Origin, values: Values) -> Event:
    """postsuper: ``4C07F21074D: placed on hold``."""
    queue_id, word = values
    event: Event = POSTSUPER[word](at, origin, queue_id)
    return event


def all_by_hand(at: float, origin: Origin, values: Values) -> Event:
    """postsuper: ``Placed on hold: 3 messages``."""
    word, messages = values
    event: Event = POSTSUPER[word.lower()](at, origin, None, int(messages))
    return event


QUEUED_OR_REMOVED: Final = Shape(
    Queued,
    rf"({QUEUE_ID}): (?:removed|from=<({ADDRESS})>, size=([0-9]{{1,15}}+), nrcpt=([0-9]{{1,9}}+) \(queue active\))",
    queued_or_removed,
)
EXPIRED: Final = Shape(
    Expired, rf"({QUEUE_ID}): from=<({ADDRESS})>, status=(force-)?expired, returned to sender", expired
)
PICKED_UP: Final = Shape(
    Received,
    rf"({QUEUE_ID}): uid=([0-9]{{1,10}}) from=<({ADDRESS})>(?: orig_id=({QUEUE_ID}))?",
    picked_up,
    head=rf"{QUEUE_ID}: uid=",
)
MESSAGE_ID: Final = Shape(
    MessageId,
    rf"({QUEUE_ID}): (resent-)?message-id=(.*+)",
    message_id,
    head=rf"{QUEUE_ID}: (?:resent-)?message-id=",
)
BOUNCE_NOTICE: Final = Shape(
    BounceNotice,
    rf"({QUEUE_ID}): (sender|postmaster) (non-delivery|delay|delivery status) notification: ({QUEUE_ID})",
    bounce_notice,
)
BY_HAND: Final = (
    Shape(Held, rf"({QUEUE_ID}): (placed on hold|released from hold|removed|requeued)", by_hand),
    Shape(Held, r"(Placed on hold|Released from hold|Deleted|Requeued): ([0-9]{1,8}) messages?", all_by_hand),
    Shape(Expired, rf"({QUEUE_ID}): (?:force-)?expired", expired_by_hand),
    Shape(Expired, r"(?:Force-e|E)xpired: ([0-9]{1,8}) messages?", all_expired),
)
