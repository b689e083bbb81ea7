"""Delivery attempts, as every delivery agent logs them, and the queue manager itself where it hands mail to none.

Almost every line has the one order of keys that log_adhoc.c has had since Postfix 2.3: a single pattern reads it.
Older, newer and broken lines are read pair by pair, left to right, in any order; the text in brackets behind
``status=`` runs to the end of the line, whatever it holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.event import DELAY, DELAYS, Delivery, Event
from mailwatch.parsers.postfix.terms import ADDRESS, QUEUE_ID, Shape, made, unread

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values

# 3C8F4228CD3: to=<user@remote.example>, relay=mx.example[192.0.2.7]:25, delay=0.07, delays=0.03/0.01/0.01/0.02,
#   dsn=2.0.0, status=sent (250 Ok)
PATTERN: Final = (
    rf"({QUEUE_ID}): to=<({ADDRESS})>, (?:orig_to=<({ADDRESS})>, )?relay=([^, ()<>]*+), (?:conn_use=[0-9]++, )?"
    r"delay=([0-9.]++), delays=([0-9./]++), (?:tls=([^, ()<>]*+), )?"
    r"dsn=([245]\.[0-9]{1,3}+\.[0-9]{1,3}+), status=([a-z]{1,32}+) \((.*)\)"
)
START: Final = re.compile(rf"({QUEUE_ID}): (?=to=<)")
BRACKETED: Final = re.compile(rf"[a-z_]+=<({ADDRESS})>(?:, |$)")
STATUS: Final = re.compile(r"status=([A-Za-z-]{1,32})(?: \((.*?)\)?)?$", re.DOTALL)
# no blank and no bracket: a value cut or broken must not reach into the text, where another status may stand
PLAIN: Final = re.compile(r"[a-z_]+=([^, ()<>]*)(?:, |$)")
DSN: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


def plain(at: float, origin: Origin, values: Values) -> Event:
    """A delivery whose fields are the groups of PATTERN."""
    return made(Delivery, (at, origin) + values)  # noqa: RUF005 - unpacking makes a list first


DELIVERY: Final = Shape(Delivery, PATTERN, plain)


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
            found = BRACKETED.match(message, start)
        else:
            found = PLAIN.match(message, start)
        if found is None:
            return None
        fields.setdefault(key, found[1])
        start = found.end()
    return fields


def in_any_order(at: float, origin: Origin, message: str) -> Event:
    """A delivery line of an older or newer Postfix: keys missing, added or elsewhere; a line cut short."""
    started = START.match(message)
    fields = None if started is None else fields_of(message, started.end())
    if started is None or fields is None or "status" not in fields:
        return unread(at, origin, message)
    delay, delays, dsn = fields.get("delay", ""), fields.get("delays", ""), fields.get("dsn", "")
    return Delivery(
        at,
        origin,
        started[1],
        fields["to"],
        fields.get("orig_to"),
        fields.get("relay", ""),
        delay if DELAY.fullmatch(delay) else "",
        delays if DELAYS.fullmatch(delays) else "",
        fields.get("tls"),
        dsn if DSN.fullmatch(dsn) else None,
        fields["status"].lower(),
        fields.get("text", ""),
    )
