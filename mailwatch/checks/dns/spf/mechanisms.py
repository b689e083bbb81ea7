"""Whether one mechanism of SPF matches (RFC 7208 section 5), within the limits of section 4.6.4. Pure, never raises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.ahead import kind_for, reverse_name
from mailwatch.checks.dns.spf.macros import UNKNOWN_NAME, name_of, text_of
from mailwatch.checks.dns.spf.record import visible
from mailwatch.checks.dns.spf.verdict import (
    MATCH,
    MOST_LOOKUPS,
    MOST_MX,
    MOST_PTR,
    MOST_VOID_LOOKUPS,
    NO_MATCH,
    PERMERROR,
    TEMPERROR,
)
from mailwatch.question import NXDOMAIN, UNKNOWN, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dns.name import Name
    from dns.rdata import Rdata

    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.question import Asks

MOST_SEEN: Final = 30
"""Addresses and names of one term that a trace shows."""


@dataclass(slots=True)
class Budget:
    """What has been spent of the lookups, in the whole evaluation."""

    lookups: int = 0
    void_lookups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one mechanism: MATCH, NO_MATCH, TEMPERROR or PERMERROR, and why; ``seen`` is what was looked at."""

    outcome: str
    why: str
    seen: tuple[str, ...] = ()


def spend(budget: Budget) -> Outcome | None:
    """Count a term that looks something up, before it does; an outcome when there is none left (section 4.6.4)."""
    budget.lookups += 1
    if budget.lookups <= MOST_LOOKUPS:
        return None
    return Outcome(outcome=PERMERROR, why=f"this is lookup {budget.lookups}, and {MOST_LOOKUPS} are allowed")


def of_network(term: Term, address: IPv4Address | IPv6Address) -> Outcome:
    """ip4 and ip6 (section 5.6): an address matches a network of its own kind only."""
    network = term.network
    inside = network is not None and address in network
    return Outcome(
        outcome=MATCH if inside else NO_MATCH,
        why=f"{address} is {'' if inside else 'not '}in {network}",
    )


async def of_a(asks: Asks, budget: Budget, term: Term, target: str, address: IPv4Address | IPv6Address) -> Outcome:
    """``a`` (section 5.3)."""
    answer = await _reached(asks, budget, target, kind_for(address))
    if isinstance(answer, Outcome):
        return answer
    seen = _addresses(answer)
    return _among(term, seen, address, f"{kind_for(address)} of {visible(target)}", tuple(map(str, seen)))


async def of_mx(asks: Asks, budget: Budget, term: Term, target: str, address: IPv4Address | IPv6Address) -> Outcome:
    """``mx`` (section 5.4): more than ten hosts are an error, whoever is among them; their addresses do not count."""
    answer = await _reached(asks, budget, target, "MX")
    if isinstance(answer, Outcome):
        return answer
    hosts = [host for _, host in sorted(_hosts(answer), key=lambda each: each[0])]
    if len(hosts) > MOST_MX:
        return Outcome(
            outcome=PERMERROR, why=f"{visible(target)} has {len(hosts)} MX records, and {MOST_MX} are allowed"
        )
    for host in hosts:
        asks.soon(host, kind_for(address))
    seen: list[str] = []
    found: list[IPv4Address | IPv6Address] = []
    for host in hosts:
        of_host = await asks.ask(host, kind_for(address))
        shown = visible(text_of(host))
        if of_host.outcome == UNKNOWN:
            return _nobody(of_host, shown, tuple(seen))
        seen += [f"{shown} {each}" for each in _addresses(of_host)] or [f"{shown} has no {kind_for(address)}"]
        found += _addresses(of_host)
        if any(address in _network(term, each) for each in _addresses(of_host)):
            break
    return _among(term, found, address, f"mail hosts of {visible(target)}", tuple(seen))


async def of_exists(asks: Asks, budget: Budget, target: str) -> Outcome:
    """``exists`` (section 5.7): it asks for A, for an IPv6 client too."""
    answer = await _reached(asks, budget, target, "A")
    if isinstance(answer, Outcome):
        return answer
    seen = tuple(map(str, _addresses(answer)))
    return Outcome(outcome=MATCH, why=f"{visible(target)} exists", seen=seen[:MOST_SEEN])


async def of_ptr(asks: Asks, budget: Budget, target: str, address: IPv4Address | IPv6Address) -> Outcome:
    """``ptr`` (section 5.5): where DNS fails, it does not match."""
    above = name_of(target)
    answer = await _reached(asks, budget, reverse_name(address), "PTR")
    if isinstance(answer, Outcome):
        return replace(answer, outcome=NO_MATCH) if answer.outcome == TEMPERROR else answer
    names = _names(answer)
    seen = tuple(visible(text_of(each)) for each in names)
    below = [each for each in names if above is not None and each.is_subdomain(above)]
    async for name in _validated(asks, below, address):
        return Outcome(outcome=MATCH, why=f"{address} is {visible(text_of(name))}, and that name leads back", seen=seen)
    why = f"no name of {address} that leads back to it is in {visible(target)}"
    return Outcome(outcome=NO_MATCH, why=why, seen=seen)


async def validated_name(asks: Asks, domain: str, address: IPv4Address | IPv6Address) -> str:
    """What ``%{p}`` is (section 7.3): the domain if it leads back to the address, else a name in it, else any."""
    above, back = name_of(domain), name_of(reverse_name(address))
    if back is None:
        return UNKNOWN_NAME
    answer = await asks.ask(back, "PTR")

    def nearest(name: Name) -> int:
        return 0 if name == above else 1 if above is not None and name.is_subdomain(above) else 2

    async for name in _validated(asks, sorted(_names(answer), key=nearest), address):
        return text_of(name)
    return UNKNOWN_NAME


async def _validated(asks: Asks, names: list[Name], address: IPv4Address | IPv6Address) -> AsyncIterator[Name]:
    for name in names:
        asks.soon(name, kind_for(address))
    for name in names:
        if address in _addresses(await asks.ask(name, kind_for(address))):
            yield name


async def _reached(asks: Asks, budget: Budget, target: str, kind: str) -> Answer | Outcome:
    """An answer with records in it, or the outcome for want of one; it counts as void unless nobody could tell."""
    name, shown = name_of(target), visible(target)
    if name is None:
        return Outcome(outcome=NO_MATCH, why=f"{shown} is no name that DNS can hold")
    answer = await asks.ask(name, kind)
    if answer.outcome == UNKNOWN:
        return _nobody(answer, shown)
    if answer.records:
        return answer
    budget.void_lookups += 1
    said = f"{shown} does not exist" if answer.outcome == NXDOMAIN else f"{shown} has no {kind} record"
    if budget.void_lookups <= MOST_VOID_LOOKUPS:
        return Outcome(outcome=NO_MATCH, why=said)
    void = f"this is void lookup {budget.void_lookups}, and {MOST_VOID_LOOKUPS} are allowed"
    return Outcome(outcome=PERMERROR, why=f"{said}: {void}")


def _nobody(answer: Answer, shown: str, seen: tuple[str, ...] = ()) -> Outcome:
    trouble = f": {visible(answer.trouble)}" if answer.trouble else ""
    return Outcome(outcome=TEMPERROR, why=f"nobody could tell the {answer.kind} of {shown}{trouble}", seen=seen)


def _among(
    term: Term,
    found: list[IPv4Address | IPv6Address],
    address: IPv4Address | IPv6Address,
    of_what: str,
    seen: tuple[str, ...],
) -> Outcome:
    match = next((each for each in found if address in _network(term, each)), None)
    if match is None:
        return Outcome(outcome=NO_MATCH, why=f"{address} is not among the {of_what}", seen=seen[:MOST_SEEN])
    why = f"{address} is among the {of_what}"
    if match != address:
        why = f"{address} is in {_network(term, match)}, around the {of_what}"
    return Outcome(outcome=MATCH, why=why, seen=seen[:MOST_SEEN])


def _network(term: Term, address: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, term.prefix4), strict=False)
    return IPv6Network((address, term.prefix6), strict=False)


def _addresses(answer: Answer) -> list[IPv4Address | IPv6Address]:
    make = IPv4Address if answer.kind == "A" else IPv6Address
    return [make(text) for each in answer.records if (text := getattr(each, "address", None)) is not None]


def _hosts(answer: Answer) -> list[tuple[int, Name]]:
    """The hosts of MX records with their preferences; one that says there is no mail (RFC 7505) names no host."""
    found = [(getattr(each, "preference", 0), host) for each in answer.records if (host := _field(each, "exchange"))]
    return [(preference, host) for preference, host in found if len(host.labels) > 1]


def _names(answer: Answer) -> list[Name]:
    """The first ten names of PTR records: all others are ignored (section 4.6.4)."""
    return [name for each in answer.records if (name := _field(each, "target"))][:MOST_PTR]


def _field(record: Rdata, field: str) -> Name | None:
    name: Name | None = getattr(record, field, None)
    return name
