"""What the terms ``a``, ``mx`` and ``exists`` of an SPF record lead to: the addresses, and which answers were empty."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.ranges import EVERYONE, NONE, Ranges
from mailwatch.checks.dns.spf.verdict import MOST_MX
from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.name import Name

    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.question import Answer, Asks

VOID: Final = (NXDOMAIN, NO_DATA)
KINDS: Final = {4: "A", 6: "AAAA"}
FIRST: Final = {"a": ("A", "AAAA"), "mx": ("MX",), "exists": ("A",)}
"""What is asked of the name itself; ``exists`` asks for A whatever the client has (section 5.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """``addresses`` match. ``void4`` and ``void6``: for a client of that family this is a void lookup.

    ``hosts`` is how many an ``mx`` names. ``trouble``: nobody could tell, and why. ``open``: what is asked depends on
    the message, so nothing of this is known.
    """

    addresses: Ranges = NONE
    void4: bool = False
    void6: bool = False
    hosts: int = 0
    trouble: str | None = None
    open: bool = False


def soon(asks: Asks, domain: Name, spelled: Name | None, term: Term) -> None:
    """Put the first questions of a term."""
    name = _asked(domain, spelled, term)
    for kind in FIRST.get(term.name, ()):
        if name is not None:
            asks.soon(name, kind)


async def reach(asks: Asks, domain: Name, spelled: Name | None, term: Term) -> Reached:
    """What the term leads to; ``spelled`` is the name it says, ``domain`` that of the record it stands in."""
    name = _asked(domain, spelled, term)
    if name is None:
        return Reached(open=True)
    if term.name == "mx":
        return await _mx(asks, name, term)
    answers = [await asks.ask(name, kind) for kind in FIRST[term.name]]
    if term.name == "exists":
        void = answers[0].outcome in VOID
        everyone = EVERYONE if answers[0].outcome == ANSWER else NONE  # without a macro it is the same for all
        return Reached(addresses=everyone, void4=void, void6=void, trouble=_trouble(answers))
    return Reached(
        addresses=_around(answers, term),
        void4=answers[0].outcome in VOID,
        void6=answers[1].outcome in VOID,
        trouble=_trouble(answers),
    )


def _asked(domain: Name, spelled: Name | None, term: Term) -> Name | None:
    return domain if term.domain is None else spelled


async def _mx(asks: Asks, name: Name, term: Term) -> Reached:
    answer = await asks.ask(name, "MX")
    if answer.outcome != ANSWER:
        void = answer.outcome in VOID
        return Reached(void4=void, void6=void, trouble=_trouble([answer]))
    hosts: list[Name] = [each.exchange for each in answer.records if hasattr(each, "exchange")]
    for host in hosts[:MOST_MX]:
        for kind in KINDS.values():
            asks.soon(host, kind)
    answers = [await asks.ask(host, kind) for host in hosts[:MOST_MX] for kind in KINDS.values()]
    return Reached(addresses=_around(answers, term), hosts=len(hosts), trouble=_trouble(answers))


def _trouble(answers: Iterable[Answer]) -> str | None:
    return next((each.trouble or "no answer" for each in answers if each.outcome == UNKNOWN), None)


def _around(answers: Iterable[Answer], term: Term) -> Ranges:
    """The networks of the term's prefix around the addresses that were answered."""
    found = [each.address for answer in answers for each in answer.records if hasattr(each, "address")]
    return Ranges.of(
        ip_network((address, term.prefix4 if isinstance(address, IPv4Address) else term.prefix6), strict=False)
        for address in (IPv6Address(text) if ":" in text else IPv4Address(text) for text in found)
    )
