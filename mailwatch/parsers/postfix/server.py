"""Clients of our servers (smtpd, qmqpd, postscreen, cleanup): who came, what was refused, how it ended."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from mailwatch.event import (
    Connect,
    Disconnect,
    Event,
    LostConnection,
    ProtocolError,
    Received,
    Restriction,
    SaslFailed,
    Timeout,
)
from mailwatch.parsers.postfix.terms import ADDRESS, CLIENT, NO_QUEUE, QUEUE_ID, Shape, client, made, number, queue_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values

ACTION: Final = "([a-z][a-z_-]{1,30}+)"
# ; from=<a@shop.example> to=<b@remote.example> proto=ESMTP helo=<app>, with commas from postscreen. The HELO name is
# the client's own words and comes last, so it takes whatever stands there.
PEOPLE: Final = rf"(?: from=<({ADDRESS})>,?)?(?: to=<({ADDRESS})>,?)?(?: proto=([A-Z]{{1,16}}),?)?"
ABOUT: Final = re.compile(rf"{PEOPLE}(?: helo=<(.*)>)?")
# A reply may quote addresses, and those may quote anything: an address is stepped over as a whole.
ABOUT_BEGINS: Final = re.compile(rf"<{ADDRESS}>|(;)(?= (?:from=<|to=<|proto=|helo=<))")
TRIES: Final = 16
"""So many places in a reply are looked at for what follows it: a line of them must not take long."""
PARTS: Final = "header|body|mime-error|mime-header|nested-header|mime_header|nested_header"


def connect(at: float, origin: Origin, values: Values) -> Event:
    """``connect from unknown[192.0.2.7]``."""
    return Connect(at, origin, client(*values), None, None)


def disconnect(at: float, origin: Origin, values: Values) -> Event:
    """``disconnect from unknown[192.0.2.7] ehlo=1 quit=1 commands=2``."""
    host, address, port, commands = values
    return Disconnect(at, origin, client(host, address, port), commands.lstrip() or None)


def received(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=app``."""
    name, host, address, port, method, username, sender, original, first_client = values
    return made(
        Received,
        (
            at, origin, queue_id(name), host, address, None if port is None else int(port), method,
            username, sender, original, first_client, None, None,
        ),
    )  # fmt: skip


def about(text: str) -> tuple[str, Sequence[str | None]]:
    """The reply, and sender, recipient, protocol and HELO name: ``554 …; from=<a> to=<b> proto=ESMTP helo=<c>``."""
    for found in islice(ABOUT_BEGINS.finditer(text), TRIES):
        told = ABOUT.fullmatch(text, found.end()) if found[1] else None
        if told is not None:
            return text[: found.start()], told.groups()
    return text, (None, None, None, None)


def restriction(at: float, origin: Origin, values: Values) -> Event:
    """``NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 …; from=<> to=<b@c.example> …``."""
    name, action, stage, host, address, port, text = values
    reply, people = about(text)
    return Restriction(at, origin, queue_id(name), action, stage, client(host, address, port), reply, *people)


def proxied(at: float, origin: Origin, values: Values) -> Event:
    """``proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject; from=<> to=<b@c.example> proto=ESMTP helo=<app>``."""
    name, action, stage, text = values
    reply, people = about(text)
    return Restriction(at, origin, queue_id(name), action, stage, None, reply, *people)


def content(at: float, origin: Origin, values: Values) -> Event:
    """``3C8F4228CD3: reject: header Subject: x from unknown[192.0.2.7]; from=<> … helo=<app>: 5.7.1 text``."""
    name, action, stage, text, host, address, port, sender, recipient, protocol, helo, reply = values
    who = None if address is None else client(host, address, port)
    return Restriction(at, origin, name, action, stage, who, reply or "", sender, recipient, protocol, helo, text)


def broken_off(at: float, origin: Origin, values: Values) -> Event:
    """``lost connection after DATA (123 bytes) from unknown[192.0.2.7]``, ``timeout after RCPT from …``."""
    name, word, stage, size, host, address, port = values
    kind = Timeout if word == "timeout" else LostConnection
    text = None if word in ("timeout", "lost connection") else word
    return kind(at, origin, queue_id(name), stage, number(size), client(host, address, port), None, text)


def misbehaved(at: float, origin: Origin, values: Values) -> Event:
    """``improper command pipelining after EHLO from unknown[192.0.2.7]: text``, ``too many errors after …``."""
    _, word, stage, host, address, port, text = values
    action = "too-many-errors" if word == "too many errors" else "pipelining"
    return ProtocolError(at, origin, action, stage, client(host, address, port), text)


def password_refused(at: float, origin: Origin, values: Values) -> Event:
    """``warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: reason, sasl_username=app``."""
    host, address, port, method, reason, username = values
    return SaslFailed(at, origin, None, method, username, client(host, address, port), None, reason, None)


CONNECT: Final = Shape(Connect, rf"connect from {CLIENT}", connect, head="connect from ")
DISCONNECT: Final = Shape(
    Disconnect,
    rf"disconnect from {CLIENT}((?: [a-z]{{1,20}}+=[0-9/]{{1,19}}+)*)",
    disconnect,
    head="disconnect from ",
)
COMES_FROM: Final = (
    r"client=([^\[\] ,]{0,255}+)\[([^\[\] ]{1,255}+)\](?::([0-9]{1,5}))?"
    r"(?:, sasl_method=([^, ]*+))?(?:, sasl_username=(.*?))?(?:, sasl_sender=(.*?))?"
    rf"(?:, orig_queue_id=({QUEUE_ID}))?(?:, orig_client=(.*))?"
)
RECEIVED: Final = Shape(Received, rf"({QUEUE_ID}): {COMES_FROM}", received, head=rf"{QUEUE_ID}: client=")
PASSED_ON: Final = Shape(Received, rf"({NO_QUEUE}): {COMES_FROM}", received)
STAGE: Final = "([A-Z][A-Za-z0-9-]{0,40}+)"
RESTRICTION: Final = Shape(Restriction, rf"({QUEUE_ID}|{NO_QUEUE}): {ACTION}: {STAGE} from {CLIENT}: (.*)", restriction)
PROXIED: Final = Shape(Restriction, rf"(?:({QUEUE_ID}|{NO_QUEUE}): )?(proxy-(?:accept|reject)): {STAGE}: (.*)", proxied)
CONTENT: Final = Shape(
    Restriction,
    # smtpd puts ? for angle brackets in a HELO name; without them in the pattern, trying each " from " stays linear
    rf"({QUEUE_ID}): {ACTION}: ({PARTS}) (.*) from (?:{CLIENT}|[a-z]{{1,20}}+);{PEOPLE}"
    r"(?: helo=<([^<>]*+)>)?(?:: (.*))?",
    content,
)
BROKEN_OFF: Final = Shape(
    LostConnection,
    rf"(?:({QUEUE_ID}|{NO_QUEUE}): )?(lost connection|timeout|canceled) after "
    rf"([A-Za-z][A-Za-z -]{{0,40}}?)(?: \(([0-9]{{1,15}}) bytes\))? from {CLIENT}",
    broken_off,
)
MISBEHAVED: Final = Shape(
    ProtocolError,
    rf"(?:({QUEUE_ID}|{NO_QUEUE}): )?(improper command pipelining|too many errors) after "
    rf"([A-Za-z][A-Za-z -]{{0,40}}?)(?: \([0-9]{{1,15}} bytes\))? from {CLIENT}(?:: (.*))?",
    misbehaved,
)
PASSWORD_REFUSED: Final = Shape(
    SaslFailed,
    rf"warning: {CLIENT}: SASL ([A-Za-z0-9_-]{{1,40}}+) authentication failed: (.*?)(?:, sasl_username=(.*))?",
    password_refused,
)
