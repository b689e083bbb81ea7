"""Reads a message in which some record breaks the rules of its kind, such as a TLSA digest that is too short.

dnspython refuses the whole of such a message, and a name with one bad record would seem to have no server. Here that
record is its bytes (``GenericRdata``), if it is of a kind that is looked at byte by byte, and the others are what they
are. What is broken elsewhere is an error still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire
from dns.exception import DNSException, FormError

if TYPE_CHECKING:
    from dns.message import Message

HEADER: Final = 12
KEPT: Final = (dns.rdatatype.TLSA, dns.rdatatype.CAA)
LONGEST_TTL: Final = 2**31 - 1


def read_unreadable(wire: bytes) -> Message:
    """The message; raises for what is no message at all."""
    message = dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=True)
    parser = dns.wire.Parser(wire, HEADER)
    questions, answers, others, more = (int.from_bytes(wire[at : at + 2], "big") for at in (4, 6, 8, 10))
    for _ in range(questions):
        parser.get_name(decompress=True)
        parser.get_struct("!HH")
    kept = sum(_keep(message, parser) for _ in range(answers))
    for _ in range(others + more):
        parser.get_name(decompress=True)
        parser.get_bytes(parser.get_struct("!HHIH")[3])
    if len(message.errors) != kept:
        raise FormError
    return message


def _keep(message: Message, parser: dns.wire.Parser) -> bool:
    """Put a record into the answer that is missing there because it cannot be read; whether that was so."""
    name = parser.get_name(decompress=True)
    kind, net, ttl, length = parser.get_struct("!HHIH")
    at = parser.current
    data = parser.get_bytes(length)
    if net != dns.rdataclass.IN or kind not in KEPT:
        return False
    rdtype = dns.rdatatype.RdataType.make(kind)
    try:
        dns.rdata.from_wire(dns.rdataclass.IN, rdtype, parser.wire, at, length)
    except (DNSException, ValueError):
        rrset = message.find_rrset(message.answer, name, dns.rdataclass.IN, rdtype, create=True)
        rrset.add(dns.rdata.GenericRdata(dns.rdataclass.IN, rdtype, data), ttl if ttl <= LONGEST_TTL else 0)
        return True
    return False
