"""The words a log line is told in: one immutable value per thing that happened.

An event is what Postfix said, read out of its line and nothing more: no judgement, no cause, no
arithmetic. Every time is in seconds since the epoch, UTC; every address is as Postfix logged it,
and the null sender is the empty string. What the line did not say is None.

Events are named tuples, not dataclasses: millions are made while catching up, and a frozen
dataclass costs five times as much to make (measured for a delivery: 0.83 us against 0.17 us).
"""

from __future__ import annotations

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


class Delivery(NamedTuple):
    """One attempt to deliver one message to one recipient, by any delivery agent."""

    at: float
    origin: Origin
    queue_id: str
    recipient: str
    original_recipient: str | None
    relay: Relay | None
    delay: float | None
    stages: str | None
    dsn: str | None
    status: str
    text: str

    @property
    def delays(self) -> tuple[float, float, float, float] | None:
        """Seconds before the queue manager, in it, connecting, and transmitting (``delays=``, RELEASE_NOTES 2.3)."""
        if self.stages is None:
            return None
        before, queued, setup, transmission = map(float, self.stages.split("/"))
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
    """The queue manager gave the message up: its time was over, or an administrator said so (``forced``)."""

    at: float
    origin: Origin
    queue_id: str
    sender: str
    forced: bool


class Received(NamedTuple):
    """A message came in: by SMTP (``client_*``) or from a program on this host (``uid``, ``sender``)."""

    at: float
    origin: Origin
    queue_id: str
    client_host: str | None = None
    client_address: str | None = None
    client_port: int | None = None
    sasl_method: str | None = None
    sasl_username: str | None = None
    sender: str | None = None
    uid: int | None = None


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


class Other(NamedTuple):
    """A Postfix line that no grammar reads yet: kept by program, so that nothing is silently dropped."""

    at: float
    origin: Origin
    text: str


Event = Delivery | Queued | Removed | Expired | Received | Held | Deleted | Other
