"""What postscreen(8) finds out about a client, and dnsblog(8) about its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import Client, Event, Postscreen
from mailwatch.parsers.postfix.terms import Shape

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values

# [192.0.2.7]:4711
PEER: Final = r"\[([^\[\] ]{1,64}+)\]:([0-9]{1,5}+)"
VERDICTS: Final = (
    "PASS NEW|PASS OLD|ALLOWLISTED|WHITELISTED|DENYLISTED|BLACKLISTED|ALLOWLIST VETO|WHITELIST VETO|DISCONNECT"
)
OFFENCES: Final = (
    "COMMAND PIPELINING|COMMAND TIME LIMIT|COMMAND COUNT LIMIT|COMMAND LENGTH LIMIT|BARE NEWLINE|NON-SMTP COMMAND"
)


def found_out(at: float, origin: Origin, values: Values) -> Event:
    """``CONNECT from [192.0.2.7]:4711 to [192.0.2.1]:25``, ``PASS NEW [192.0.2.7]:4711``, ``… after CONNECT: text``."""
    action, address, port, text = values
    return Postscreen(at, origin, action, Client(None, address, int(port)), text)


def spoken_first(at: float, origin: Origin, values: Values) -> Event:
    """``PREGREET 14 after 0.02 from [192.0.2.7]:4711: EHLO x``, ``HANGUP after 1.2 from … in tests …``."""
    action, before, address, port, behind = values
    return Postscreen(at, origin, action, Client(None, address, int(port)), before + behind)


def ranked(at: float, origin: Origin, values: Values) -> Event:
    """``DNSBL rank 3 for [192.0.2.7]:4711``."""
    rank, address, port = values
    return Postscreen(at, origin, "DNSBL", Client(None, address, int(port)), rank)


def listed(at: float, origin: Origin, values: Values) -> Event:
    """``addr 192.0.2.7 listed by domain dnsbl.example as 127.0.0.2``."""
    address, text = values
    return Postscreen(at, origin, "LISTED", Client(None, address), text)


SHAPES: Final = (
    Shape(Postscreen, rf"(CONNECT) from {PEER} (to .*)", found_out),
    Shape(Postscreen, rf"({VERDICTS}) {PEER}(?: (.*))?", found_out),
    Shape(Postscreen, rf"({OFFENCES}) from {PEER}(?: (after .*))?", found_out),
    Shape(Postscreen, rf"DNSBL (rank -?[0-9]{{1,9}}) for {PEER}", ranked),
    Shape(Postscreen, rf"(PREGREET) ([0-9]{{1,9}} after [0-9.]{{1,20}}) from {PEER}(: .*)", spoken_first),
    Shape(Postscreen, rf"(HANGUP) (after [0-9.]{{1,20}}) from {PEER}((?: .*)?)", spoken_first),
)
LISTED: Final = Shape(Postscreen, r"addr ([0-9a-fA-F:.]{2,64}) listed (by domain .*)", listed)
