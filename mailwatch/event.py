"""The words a log line is told in: one immutable value per thing that happened.

An event is what Postfix said, read out of its line and nothing more: no judgement, no cause, no
arithmetic. Every time is in seconds since the epoch, UTC; every address is as Postfix logged it,
and the null sender is the empty string. What the line did not say is None.

Events are named tuples, not dataclasses: millions are made while catching up, and a frozen
dataclass costs five times as much to make (measured for a delivery: 0.83 us against 0.17 us). For the
same reason a delivery keeps what few readers ask for as text, and makes numbers of it when asked.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

STATUSES: Final = ("sent", "deferred", "bounced", "softbounce", "deliverable", "undeliverable", "other")
"""What a delivery attempt can end in; a word this list does not know counts as ``other``."""

AGENTS: Final = ("smtp", "lmtp", "error", "retry", "local", "virtual", "pipe", "discard", "other")
"""The delivery agents of Postfix. ``other``: a program of a newer Postfix, or none named in the line."""

PROGRAMS: Final = (
    "anvil", "bounce", "cleanup", "discard", "dnsblog", "error", "flush", "lmtp", "local", "master",
    "oqmgr", "pickup", "pipe", "postdrop", "postfix-script", "postlog", "postlogd", "postqueue", "postscreen",
    "postsuper", "proxymap", "qmgr", "qmqpd", "retry", "scache", "sendmail", "showq", "smtp", "smtpd", "spawn",
    "tlsmgr", "tlsproxy", "trace", "trivial-rewrite", "verify", "virtual", "other",
)  # fmt: skip
"""Programs whose lines are counted by name: a closed set, because the tag of a log line is free text."""

LEVELS: Final = ("warning", "error", "fatal", "panic")
"""How bad a program says a thing is (msg(3)); ``info`` is what has no such word in front."""

SECONDS: Final = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
DELAY: Final = re.compile(SECONDS)
DELAYS: Final = re.compile(rf"({SECONDS})/({SECONDS})/({SECONDS})/({SECONDS})")
# mx.example[192.0.2.7]:25     mx.example[2001:db8::7]:25     host[private/dovecot-lmtp]
RELAY: Final = re.compile(r"([^\[\]]{0,255})\[([^\[\]]{1,255})\](?::([0-9]{1,5}))?")


class Origin(NamedTuple):
    """Which process wrote the line: ``postfix/submission/smtpd`` on a host.

    ``program`` is empty where the log does not name it (rsyslog's RFC 5424 template cuts the tag
    at its first slash); ``service`` is the middle part, where there is one.
    """

    host: str | None
    instance: str
    service: str | None
    program: str
    pid: int | None


class Relay(NamedTuple):
    """The host an attempt talked to: ``mx.example[192.0.2.7]:25``; for LMTP over a socket the path is the address."""

    host: str
    address: str | None = None
    port: int | None = None


class Client(NamedTuple):
    """Who talked to one of our servers: ``mx.example[192.0.2.7]:4711``; postscreen knows no host."""

    host: str | None
    address: str
    port: int | None = None


class Delivery(NamedTuple):
    """One attempt to deliver one message to one recipient, by any delivery agent (log_adhoc.c).

    ``relay_text``, ``delay_text`` and ``delays_text`` are as logged; ``tls`` since Postfix 3.11.
    """

    at: float
    origin: Origin
    queue_id: str
    recipient: str
    original_recipient: str | None
    relay_text: str
    delay_text: str
    delays_text: str
    tls: str | None
    dsn: str | None
    status: str
    text: str

    @property
    def relay(self) -> Relay | None:
        """The host that was talked to; None for ``none``."""
        if self.relay_text in ("none", ""):
            return None
        found = RELAY.fullmatch(self.relay_text)
        if found is None:
            return Relay(self.relay_text)
        return Relay(found[1], found[2], None if found[3] is None else int(found[3]))

    @property
    def delay(self) -> float | None:
        """Seconds since the message came in."""
        return float(self.delay_text) if DELAY.fullmatch(self.delay_text) else None

    @property
    def delays(self) -> tuple[float, float, float, float] | None:
        """Seconds before the queue manager, in it, connecting, and transmitting (``delays=``, RELEASE_NOTES 2.3)."""
        found = DELAYS.fullmatch(self.delays_text)
        if found is None:
            return None
        before, queued, setup, transmission = map(float, found.groups())
        return before, queued, setup, transmission


class Queued(NamedTuple):
    """The queue manager took the message into its active queue: once when it is new, again at every retry."""

    at: float
    origin: Origin
    queue_id: str
    sender: str
    size: int
    nrcpt: int


class Removed(NamedTuple):
    """The queue manager is done with the message: every recipient was delivered, bounced or expired."""

    at: float
    origin: Origin
    queue_id: str


class Expired(NamedTuple):
    """A message was given up because its time was over, or an administrator said so (``forced``).

    postsuper names the message, then says in a closing line how many ``messages`` there were.
    """

    at: float
    origin: Origin
    queue_id: str | None
    sender: str | None
    forced: bool
    messages: int | None = None


class Received(NamedTuple):
    """A message came in: by SMTP (``client_*``) or from a program on this host (``uid``, ``sender``).

    No ``queue_id``: a proxy before the queue takes the message on (postconf(5), smtpd_proxy_filter).
    """

    at: float
    origin: Origin
    queue_id: str | None
    client_host: str | None = None
    client_address: str | None = None
    client_port: int | None = None
    sasl_method: str | None = None
    sasl_username: str | None = None
    sasl_sender: str | None = None
    original_queue_id: str | None = None
    original_client: str | None = None
    sender: str | None = None
    uid: int | None = None


class MessageId(NamedTuple):
    """The Message-ID a message carries, without its brackets; ``resent``: its Resent-Message-ID."""

    at: float
    origin: Origin
    queue_id: str
    message_id: str
    resent: bool


class Restriction(NamedTuple):
    """What a server decided about a command of its client or about the content of a message.

    ``action`` is Postfix's word (reject, milter-reject, hold, discard, warn, ...), ``stage`` the command
    or the part of the message; ``text`` is the header or body line that was looked at (smtpd_check.c,
    postscreen_smtpd.c, cleanup_message.c, cleanup_milter.c).
    """

    at: float
    origin: Origin
    queue_id: str | None
    action: str
    stage: str
    client: Client | None
    reply: str
    sender: str | None
    recipient: str | None
    protocol: str | None
    helo: str | None
    text: str | None = None


class Refusal(NamedTuple):
    """A relay ``said`` no, or ``refused`` to talk: another one is tried, or the recipient deferred (smtp_proto.c)."""

    at: float
    origin: Origin
    queue_id: str
    action: str
    relay: Relay
    reply: str
    stage: str | None


class BounceNotice(NamedTuple):
    """A notice about a message was put into the queue as a message of its own (bounce(8))."""

    at: float
    origin: Origin
    queue_id: str
    addressee: str
    notice: str
    notice_queue_id: str


class Connect(NamedTuple):
    """A client connected; or the SMTP client could not connect to a relay, and ``text`` says why."""

    at: float
    origin: Origin
    client: Client | None
    relay: Relay | None
    text: str | None


class Disconnect(NamedTuple):
    """A client is gone; ``commands`` is how many it sent and how many were accepted, as logged."""

    at: float
    origin: Origin
    client: Client
    commands: str | None


class LostConnection(NamedTuple):
    """The other side broke off; ``bytes`` of the message had come by then."""

    at: float
    origin: Origin
    queue_id: str | None
    stage: str | None
    bytes: int | None
    client: Client | None
    relay: Relay | None
    text: str | None


class Timeout(NamedTuple):
    """The other side did not answer in time."""

    at: float
    origin: Origin
    queue_id: str | None
    stage: str | None
    bytes: int | None
    client: Client | None
    relay: Relay | None
    text: str | None


class ProtocolError(NamedTuple):
    """A client does not keep to SMTP: ``pipelining`` where it may not, or ``too-many-errors``."""

    at: float
    origin: Origin
    action: str
    stage: str
    client: Client
    text: str | None


class Tls(NamedTuple):
    """A TLS session was made (``level``: how far the other side is known) or failed (then ``text`` says how)."""

    at: float
    origin: Origin
    level: str | None
    protocol: str | None
    cipher: str | None
    client: Client | None
    relay: Relay | None
    text: str | None


class SaslFailed(NamedTuple):
    """A client's password was refused by us, or ours by a relay (then ``reply`` is what it said)."""

    at: float
    origin: Origin
    queue_id: str | None
    method: str | None
    username: str | None
    client: Client | None
    relay: Relay | None
    text: str | None
    reply: str | None


class Postscreen(NamedTuple):
    """What postscreen found out about a client before it let it talk to smtpd, in its own capital letters."""

    at: float
    origin: Origin
    action: str
    client: Client
    text: str | None


class Held(NamedTuple):
    """Messages were put on hold: one by its queue ID, or how many ``messages`` in postsuper's closing line."""

    at: float
    origin: Origin
    queue_id: str | None
    messages: int | None = None


class Deleted(NamedTuple):
    """An administrator deleted messages: one by its queue ID, or how many ``messages`` in postsuper's closing line."""

    at: float
    origin: Origin
    queue_id: str | None
    messages: int | None = None


class Released(NamedTuple):
    """An administrator released held messages: one by its queue ID, or how many ``messages``."""

    at: float
    origin: Origin
    queue_id: str | None
    messages: int | None = None


class Requeued(NamedTuple):
    """An administrator had messages come in anew, each under another queue ID: one by its old ID, or how many."""

    at: float
    origin: Origin
    queue_id: str | None
    messages: int | None = None


class Lifecycle(NamedTuple):
    """The mail system, or one of its programs, starts, stops or reads its configuration again (master(8))."""

    at: float
    origin: Origin
    action: str
    version: str | None
    text: str


class Statistics(NamedTuple):
    """What a program counted: anvil(8), scache(8), the caches of postscreen(8) and verify(8)."""

    at: float
    origin: Origin
    text: str


class Complaint(NamedTuple):
    """A program warns or gives up: ``level`` is one of LEVELS."""

    at: float
    origin: Origin
    level: str
    queue_id: str | None
    text: str


class Other(NamedTuple):
    """A Postfix line that no grammar reads: kept by program, so that nothing is silently dropped."""

    at: float
    origin: Origin
    text: str
    queue_id: str | None = None


Event = (
    Delivery | Queued | Removed | Expired | Received | MessageId | Restriction | Refusal | BounceNotice | Connect
    | Disconnect | LostConnection | Timeout | ProtocolError | Tls | SaslFailed | Postscreen | Held | Deleted
    | Released | Requeued | Lifecycle | Statistics | Complaint | Other
)  # fmt: skip
