"""What of the ip4 and ip6 terms of one record is of no use: written twice, within another, never on the Internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.checks.dns.spf.term import Term

UNROUTED: Final = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "::ffff:0:0/96",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)
"""No mail comes from there over the Internet (RFC 6890): private, shared, loopback, link-local, multicast, reserved."""


def unrouted(term: Term) -> bool:
    """Whether all addresses of the term's network are such."""
    return term.network is not None and any(within(term.network, each) for each in UNROUTED)


def routed(address: IPv4Address | IPv6Address) -> bool:
    """Whether mail can come from this address over the Internet."""
    return not any(address in each for each in UNROUTED)


def within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    """Whether one network lies in the other, or is the same."""
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def duplicates(terms: Sequence[Term]) -> list[tuple[Term, Term]]:
    """Each term that asks what one before it asks, with that one: it never decides."""
    first: dict[tuple[object, ...], Term] = {}
    found = []
    for term in terms:
        if term.is_modifier or term.name == "all":
            continue
        domain = term.domain.lower().removesuffix(".") if term.domain else None
        key = (term.name, domain, term.network, term.prefix4, term.prefix6)
        if key in first:
            found.append((term, first[key]))
        first.setdefault(key, term)
    return found


def shadowed(terms: Sequence[Term]) -> list[tuple[Term, Term]]:
    """Each ip4 or ip6 term whose network lies in that of another, so that it decides nothing, with that other one.

    Before a larger network with another qualifier it is an exception, and decides. At most 200 networks are compared.
    """
    held = [(term, term.network) for term in terms if term.network is not None][:200]
    found = []
    for at, (term, network) in enumerate(held):
        for other_at, (other, larger) in enumerate(held):
            if network == larger or not within(network, larger):
                continue
            if other_at < at or other.qualifier == term.qualifier:
                found.append((term, other))
                break
    return found
