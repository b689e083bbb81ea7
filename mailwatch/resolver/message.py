"""Questions as they are sent, and what comes back as it is believed. Bounded: an answer is at most 64 KiB, by TCP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

if TYPE_CHECKING:
    from dns.message import Message
    from dns.name import Name
    from dns.rdatatype import RdataType

PAYLOAD: Final = 1232
"""What fits into a packet nearly everywhere (DNS flag day 2020)."""
HEADER: Final = 12
RESPONSE: Final = 0x80
RESPONSE_OR_OPCODE: Final = 0xF8
"""The bits of the third byte: an answer, to an ordinary question (RFC 1035 section 4.1.1)."""
LONGEST_TEXT: Final = 120
LONGEST_NAME: Final = 260
AT_ONCE: Final = 3
"""So many extended errors of one answer are shown."""
VALIDATION: Final = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27})
"""The extended errors that are about DNSSEC (RFC 8914 section 4 and the registry of IANA)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to ask. ``recurse``: ask others for us (RD). ``dnssec``: with signatures (DO), and say what is checked (AD).

    ``checking``: answer only what passes the checks of DNSSEC (no CD).
    """

    recurse: bool
    dnssec: bool = True
    edns: bool = True
    checking: bool = True


def question(name: Name, rdtype: RdataType, manner: Manner) -> Message:
    """The message that asks."""
    made = dns.message.QueryMessage()  # its identifier is random
    made.flags = dns.flags.Flag(0)
    if manner.recurse:
        made.flags |= dns.flags.RD
    if manner.recurse and manner.dnssec:
        made.flags |= dns.flags.AD
    if not manner.checking:
        made.flags |= dns.flags.CD
    if manner.edns:
        made.use_edns(0, dns.flags.DO if manner.dnssec else 0, PAYLOAD)
    made.find_rrset(made.question, name, dns.rdataclass.IN, rdtype, create=True, force_unique=True)
    return made


def accepted(wire: bytes, asked: Message) -> Message | None:
    """What was sent, if it answers this question; None for all else, as anybody could have sent it."""
    if len(wire) < HEADER or int.from_bytes(wire[:2], "big") != asked.id or wire[2] & RESPONSE_OR_OPCODE != RESPONSE:
        return None
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except Exception:  # noqa: BLE001 - hostile bytes meet a parser for every kind of record here
        return None
    if not message.question and message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return message  # some servers refuse with nothing but a header
    return message if message.question == asked.question else None


def failure(message: Message) -> str:
    """How a server said that it cannot answer: its code, and its own words (RFC 8914), escaped and bounded."""
    words = [_words(each) for each in extended(message)[:AT_ONCE]]
    code = dns.rcode.to_text(message.rcode())
    return f"{code} ({'; '.join(words)})" if words else code


def _words(error: dns.edns.EDEOption) -> str:
    meaning = dns.edns.EDECode(error.code).name.lower().replace("_", " ")
    return f"{meaning}: {shown(error.text)}" if error.text else meaning


def extended(message: Message) -> list[dns.edns.EDEOption]:
    """The extended errors."""
    return [each for each in message.options if isinstance(each, dns.edns.EDEOption)]


def not_about_validation(message: Message) -> bool:
    """Whether the server says why it failed, and that it is not for DNSSEC."""
    codes = {int(each.code) for each in extended(message)}
    return bool(codes) and not codes & VALIDATION


def shown(text: str, longest: int = LONGEST_TEXT) -> str:
    """A stranger's text, bounded, without control characters."""
    return text[:longest].encode("unicode_escape").decode("ascii")[:longest]


def said(name: Name) -> str:
    """A name as a person reads it: escaped as in a zone, bounded."""
    return name.to_text(omit_final_dot=True)[:LONGEST_NAME]
