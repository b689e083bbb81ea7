"""What the SMTP and LMTP client says of the hosts it talks to, besides its delivery lines (smtp_proto.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import Connect, Event, LostConnection, Refusal, SaslFailed, Timeout
from mailwatch.parsers.postfix.terms import QUEUE_ID, RELAY, Shape, relay

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values


def not_connected(at: float, origin: Origin, values: Values) -> Event:
    """``connect to mx.example[192.0.2.7]:25: Connection refused``."""
    host, address, port, reason = values
    return Connect(at, origin, None, relay(host, address, port), reason)


def lost(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: lost connection with mx.example[192.0.2.7] while sending RCPT TO``."""
    queue_id, host, address, port, text = values
    return LostConnection(at, origin, queue_id, None, None, None, relay(host, address, port), text)


def timed_out(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: conversation with mx.example[192.0.2.7] timed out while sending RCPT TO``."""
    queue_id, host, address, port, text = values
    return Timeout(at, origin, queue_id, None, None, None, relay(host, address, port), text)


def said(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: host mx.example[192.0.2.7] said: 450 4.7.1 … (in reply to RCPT TO command)``."""
    queue_id, host, address, port, words, reply, stage = values
    action = "said" if words == "said" else "refused"
    return Refusal(at, origin, queue_id, action, relay(host, address, port), reply, stage)


def refused_our_password(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: SASL authentication failed; server mx.example[192.0.2.7] said: 535 5.7.8 …``."""
    queue_id, host, address, port, reply = values
    return SaslFailed(at, origin, queue_id, None, None, None, relay(host, address, port), None, reply)


def cannot_authenticate(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: SASL authentication failed; cannot authenticate to server mx.example[192.0.2.7]: why``."""
    queue_id, host, address, port, reason = values
    return SaslFailed(at, origin, queue_id, None, None, None, relay(host, address, port), reason, None)


SHAPES: Final = (
    Shape(Connect, rf"connect to {RELAY}: (.*)", not_connected),
    Shape(LostConnection, rf"(?:({QUEUE_ID}): )?lost connection with {RELAY} (while .*)", lost),
    Shape(Timeout, rf"(?:({QUEUE_ID}): )?conversation with {RELAY} timed out (while .*)", timed_out),
    Shape(
        Refusal,
        rf"({QUEUE_ID}): host {RELAY} (said|refused to talk to me): (.*?)"
        r"(?: \(in reply to ([A-Za-z][A-Za-z -]{0,40}?)(?: command)?\))?",
        said,
    ),
    Shape(
        SaslFailed, rf"({QUEUE_ID}): SASL authentication failed; server {RELAY} said: (.*)", refused_our_password
    ),
    Shape(
        SaslFailed,
        rf"({QUEUE_ID}): SASL authentication failed; cannot authenticate to server {RELAY}: (.*)",
        cannot_authenticate,
    ),
)  # fmt: skip
