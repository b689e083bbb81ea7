"""Puts the questions early that the terms of a record will ask, so that none waits for another. Counts nothing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from mailwatch.checks.dns.spf.macros import name_of, text_of
from mailwatch.checks.dns.spf.term import LOOKING_UP
from mailwatch.checks.dns.spf.verdict import MOST_LOOKUPS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.spf.term import Record, Term
    from mailwatch.question import Asks


def kind_for(address: IPv4Address | IPv6Address) -> str:
    """The records that hold such an address."""
    return "A" if isinstance(address, IPv4Address) else "AAAA"


def reverse_name(address: IPv4Address | IPv6Address) -> str:
    """Where the PTR records of an address stand."""
    return address.reverse_pointer


def soon(asks: Asks, record: Record, domain: str, address: IPv4Address | IPv6Address) -> None:
    """Put under way what the record asks, macros left out: up to what matches anyway, and no more than are allowed."""
    looking_up = 0
    for term in record.terms:
        looking_up += term.name in LOOKING_UP
        question = _question(term, domain, address)
        if question is not None and looking_up <= MOST_LOOKUPS:
            asks.soon(*question)
        if term.name == "all" or (term.network is not None and address in term.network):
            return


def _question(term: Term, domain: str, address: IPv4Address | IPv6Address) -> tuple[Name, str] | None:
    kinds = {"include": "TXT", "redirect": "TXT", "a": kind_for(address), "mx": "MX", "exists": "A", "ptr": "PTR"}
    kind = kinds.get(term.name)
    target = reverse_name(address) if term.name == "ptr" else domain if term.domain is None else term.domain
    if kind is None or "%" in target:
        return None
    name = name_of(target)
    return None if name is None or len(text_of(name)) > 253 else (name, kind)  # noqa: PLR2004  # it would be cut
