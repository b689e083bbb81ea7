"""Postfix's grammar: who tried to deliver what to whom, and how it ended.

Reads the delivery lines of every delivery agent, the queue manager's queued, removed and expired,
what smtpd and pickup received, and what postsuper held or deleted. Every other line of Postfix is
an ``Other`` event; other programs' lines are skipped and counted. Anchored at the left: a field is
where the grammar puts it, so no address, reply or message-id can pretend to be a status. One pass
in linear time; nothing raises.

Known limit: before Postfix 3.5, or with info_log_address_format=internal, addresses are logged without quotes,
so one that holds ``>, status=sent (`` and the like cannot be told from the line's own fields.

Sources: log_adhoc.c (delivery lines), qmgr_active.c, smtpd.c, pickup.c, postsuper.c of Postfix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.event import (
    AGENTS,
    Deleted,
    Delivery,
    Event,
    Expired,
    Held,
    Origin,
    Other,
    Queued,
    Received,
    Relay,
    Removed,
)
from mailwatch.parsers.parsed import Parsed
from mailwatch.parsers.syslog import REMEMBERED, Envelope, Tag, unfold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo

# A queue ID is short (upper-case hex) or long (postconf(5), enable_long_queue_ids: base 52, no vowels, a z between).
LONG: Final = "[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]"
QUEUE_ID: Final = rf"(?:[0-9A-F]{{5,20}}|{LONG}{{10,16}}z{LONG}{{1,20}})"
# An address ends at the first > that is not inside its quoted local part (postconf(5), info_log_address_format).
ADDRESS: Final = r'(?:"(?:[^"\\]++|\\.)*+"[^<>]*+|[^"<>]*+)'
SECONDS: Final = r"[0-9]{1,9}+(?:\.[0-9]{1,6}+)?+"

# 3C8F4228CD3: to=<user@remote.example>, relay=mx.example[192.0.2.7]:25, delay=0.07, delays=0.03/0.01/0.01/0.02,
#   dsn=2.0.0, status=sent (250 Ok)
DELIVERY: Final = re.compile(
    rf"({QUEUE_ID}): to=<({ADDRESS})>, (?:orig_to=<({ADDRESS})>, )?relay=([^,]*+), (?:conn_use=[0-9]++, )?"
    rf"delay=({SECONDS}), delays=({SECONDS}/{SECONDS}/{SECONDS}/{SECONDS}), (?:tls=[^,]*+, )?"
    r"dsn=([245]\.[0-9]{1,3}+\.[0-9]{1,3}+), status=([A-Za-z-]{1,32}+)(?: \((.*)\))?",
    re.DOTALL,
)
# 3C8F4228CD3: from=<app@test.example>, size=2299, nrcpt=1 (queue active)
# 3C8F4228CD3: removed
QUEUED_OR_REMOVED: Final = re.compile(
    rf"({QUEUE_ID}): (?:removed|from=<({ADDRESS})>, size=([0-9]{{1,15}}+), nrcpt=([0-9]{{1,9}}+) \(queue active\))"
)
# D155822892C: from=<app@test.example>, status=expired, returned to sender
EXPIRED: Final = re.compile(rf"({QUEUE_ID}): from=<({ADDRESS})>, status=(force-)?expired, returned to sender")
# 3C8F4228CD3: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=app
CLIENT: Final = re.compile(
    rf"({QUEUE_ID}): client=([^\[\], ]*+)\[([^\[\] ]*+)\](?::([0-9]{{1,5}}+))?+"
    r"(?:, sasl_method=([^, ]*+))?+(?:, sasl_username=(.*?))?(?:, sasl_sender=.*)?(?:, orig_(?:queue_id|client)=.*)?",
    re.DOTALL,
)
# 57E28228C2D: uid=0 from=<root@test.example>
PICKED_UP: Final = re.compile(rf"({QUEUE_ID}): uid=([0-9]{{1,10}}) from=<({ADDRESS})>(?: orig_id=.*)?")
# 4C07F21074D: placed on hold          Deleted: 3 messages
POSTSUPER_ONE: Final = re.compile(rf"({QUEUE_ID}): (placed on hold|removed)")
POSTSUPER_ALL: Final = re.compile(r"(Placed on hold|Deleted): ([0-9]{1,8}) messages?")

DELIVERY_START: Final = re.compile(rf"({QUEUE_ID}): (?=to=<)")
BRACKETED: Final = re.compile(rf"[a-z_]+=<({ADDRESS})>(?:, |$)")
# Postfix before 3.5 logged addresses as they were, blanks and brackets included: its end is then the first ">, key="
UNQUOTED: Final = re.compile(r"[a-z_]+=<([^\n]*?)>(?:, (?=[a-z_]+=)|$)")
STATUS: Final = re.compile(r"status=([A-Za-z-]{1,32})(?: \((.*?)\)?)?$", re.DOTALL)
PLAIN: Final = re.compile(r"[a-z_]+=([^,]*)(?:, |$)")
DELAY: Final = re.compile(SECONDS)
STAGES: Final = re.compile(rf"{SECONDS}/{SECONDS}/{SECONDS}/{SECONDS}")
DSN: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# mx.example[192.0.2.7]:25     mx.example[2001:db8::7]:25     host[private/dovecot-lmtp]
RELAY: Final = re.compile(r"([^\[\]]{0,255})\[([^\[\]]{1,255})\](?::([0-9]{1,5}))?")

LONGEST_RELAY: Final = 300
"""Longer ones are not remembered: there is no such host."""

DELIVERS: Final = frozenset(AGENTS) | {"qmgr", "oqmgr", "bounce", "trace", "verify", ""}
"""Programs that may log a delivery. Not smtpd and cleanup: what they print of a stranger's text never is one."""


made: Final = tuple.__new__
"""Makes an event of all its values. Millions are made, and a named tuple's own constructor takes twice as long."""


class Writer(NamedTuple):
    """A process that writes to the log: where its lines come from and how they are read; foreign: ``read`` is None."""

    origin: Origin
    read: Callable[[float, Origin, str], Event] | None


def other(at: float, origin: Origin, message: str) -> Event:
    """A line that no grammar reads."""
    return made(Other, (at, origin, message))


def relay_of(text: str) -> Relay | None:
    """The host an attempt talked to, from the value of ``relay=``; None for ``none``."""
    if text == "none" or not text:
        return None
    found = RELAY.fullmatch(text)
    if found is None:
        return Relay(text)
    return Relay(found[1], found[2], None if found[3] is None else int(found[3]))


def fields_of(message: str, start: int) -> dict[str, str] | None:
    """The key=value pairs from ``start``, left to right in any order; ``status`` with its text ends them.

    None when the line is no list of pairs. The first of two equal keys counts. The text in
    brackets is under the key ``text``; it runs to the end of the line, whatever it holds.
    """
    fields: dict[str, str] = {}
    while start < len(message):
        key, equals, _ = message[start : start + 40].partition("=")
        if not equals:
            return None
        ends = STATUS.match(message, start) if key == "status" else None
        if ends is not None:
            fields.setdefault("status", ends[1])
            fields.setdefault("text", ends[2] or "")
            return fields
        if message.startswith("<", start + len(key) + 1):
            found = BRACKETED.match(message, start) or UNQUOTED.match(message, start)
        else:
            found = PLAIN.match(message, start)
        if found is None:
            return None
        fields.setdefault(key, found[1])
        start = found.end()
    return fields


class PostfixParser:
    """Reads a log that Postfix writes to.

    ``names`` are the first parts of tags that are Postfix's besides those beginning with
    ``postfix`` (postconf(5), syslog_name); ``zone`` is the zone of stamps without one.
    """

    def __init__(self, names: Collection[str] = (), zone: tzinfo | None = None) -> None:
        self._names = frozenset(names)
        self._envelope: Envelope[Writer] = Envelope(self._writer, zone)
        self._relays: dict[str, Relay | None] = {}
        self._readers: dict[str, Callable[[float, Origin, str], Event]] = {
            **dict.fromkeys(DELIVERS, self._delivery),
            "": self._unnamed,
            "qmgr": self._qmgr,
            "oqmgr": self._qmgr,
            "smtpd": self._received,
            "qmqpd": self._received,
            "pickup": self._picked_up,
            "postsuper": self._postsuper,
        }

    def parse(self, block: bytes, reference: float) -> Parsed:
        """Tell what the block says; see ``Parser``."""
        events: list[Event] = []
        add = events.append
        lines = foreign = unparsed = 0
        self._envelope.begin(reference)
        # a hole in a file ends a line: what was cut off before it is not glued to what was written behind it
        text = block.decode("utf-8", "replace").replace("\0", "\n")
        for opened in self._envelope.opened(text.split("\n")):
            lines += 1
            if opened is None:
                unparsed += 1
                continue
            at, (origin, read), message = opened
            if read is None:
                foreign += 1
            elif message[:1] == "m" and message.startswith("message repeated"):
                message, times = unfold(message)
                events.extend([read(at, origin, message)] * times)
            else:
                add(read(at, origin, message))
        return Parsed(events, lines, foreign, unparsed)

    def _writer(self, tag: Tag) -> Writer:
        """What a tag means: ``postfix/submission/smtpd`` is instance postfix, service submission, program smtpd."""
        parts = tag.name.split("/")
        instance = parts[0]
        if not (instance in self._names or instance.startswith("postfix")):
            return Writer(Origin(tag.host, instance, None, tag.name, tag.pid), None)
        program = parts[-1] if len(parts) > 1 else ""
        origin = Origin(tag.host, instance, "/".join(parts[1:-1]) or None, program, tag.pid)
        return Writer(origin, self._readers.get(program, other))

    def _relay(self, text: str) -> Relay | None:
        relays = self._relays
        if len(text) > LONGEST_RELAY:
            return relay_of(text)
        if text not in relays:
            if len(relays) >= REMEMBERED:
                relays.clear()
            relays[text] = relay_of(text)
        return relays[text]

    def _delivery(self, at: float, origin: Origin, message: str) -> Event:
        found = DELIVERY.fullmatch(message)
        if found is None:
            return self._delivery_in_any_order(at, origin, message)
        queue_id, recipient, original, relay, delay, stages, dsn, status, text = found.groups()
        relays = self._relays
        host = relays[relay] if relay in relays else self._relay(relay)
        head = (at, origin, queue_id, recipient, original, host)
        return made(Delivery, (*head, float(delay), stages, dsn, status.lower(), text or ""))

    def _delivery_in_any_order(self, at: float, origin: Origin, message: str) -> Event:
        """A delivery line of an older or newer Postfix: keys missing, added or elsewhere; a line cut short."""
        started = DELIVERY_START.match(message)
        fields = None if started is None else fields_of(message, started.end())
        if started is None or fields is None or "status" not in fields:
            return other(at, origin, message)
        delay, stages, dsn = fields.get("delay", ""), fields.get("delays", ""), fields.get("dsn", "")
        return Delivery(
            at,
            origin,
            started[1],
            fields["to"],
            fields.get("orig_to"),
            self._relay(fields.get("relay", "")),
            float(delay) if DELAY.fullmatch(delay) else None,
            stages if STAGES.fullmatch(stages) else None,
            dsn if DSN.fullmatch(dsn) else None,
            fields["status"].lower(),
            fields.get("text", ""),
        )

    def _qmgr(self, at: float, origin: Origin, message: str) -> Event:
        found = QUEUED_OR_REMOVED.fullmatch(message)
        if found is not None:
            queue_id, sender, size, nrcpt = found.groups()
            if sender is None:
                return made(Removed, (at, origin, queue_id))
            return made(Queued, (at, origin, queue_id, sender, int(size), int(nrcpt)))
        found = EXPIRED.fullmatch(message)
        if found is not None:
            return Expired(at, origin, found[1], found[2], found[3] is not None)
        return self._delivery(at, origin, message)

    def _received(self, at: float, origin: Origin, message: str) -> Event:
        found = CLIENT.fullmatch(message)
        if found is None:
            return other(at, origin, message)
        queue_id, host, address, port, method, username = found.groups()
        number = None if port is None else int(port)
        return made(Received, (at, origin, queue_id, host, address, number, method, username, None, None))

    def _picked_up(self, at: float, origin: Origin, message: str) -> Event:
        found = PICKED_UP.fullmatch(message)
        if found is None:
            return other(at, origin, message)
        return Received(at, origin, found[1], sender=found[3], uid=int(found[2]))

    def _postsuper(self, at: float, origin: Origin, message: str) -> Event:
        one = POSTSUPER_ONE.fullmatch(message)
        if one is not None:
            kind = Held if one[2] == "placed on hold" else Deleted
            return kind(at, origin, one[1])
        every = POSTSUPER_ALL.fullmatch(message)
        if every is not None:
            kind = Held if every[1] == "Placed on hold" else Deleted
            return kind(at, origin, None, int(every[2]))
        return other(at, origin, message)

    def _unnamed(self, at: float, origin: Origin, message: str) -> Event:
        """A line whose program the log does not name: its shape tells, where one shape is one program's."""
        for read in (self._qmgr, self._received, self._picked_up):
            event = read(at, origin, message)
            if type(event) is not Other:
                return event
        return other(at, origin, message)
