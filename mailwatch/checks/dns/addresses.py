"""Addresses: those of a host, which of them others can reach, and the names they are asked for by."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

import dns.reversename

from mailwatch.question import NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import SendingAddress
    from mailwatch.question import Answer, Asks

Address = IPv4Address | IPv6Address

MOST: Final = 40
"""So many addresses of a host are looked at."""
HERE_ONLY: Final = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
"""Networks that nobody else can reach (RFC 6890). Those for documentation are not among them: they are no mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The addresses of a name, over CNAMEs; ``exists`` is False on NXDOMAIN.

    ``trouble``: why one of its two kinds of addresses is not known, as far as it is not.
    """

    name: Name
    addresses: tuple[Address, ...]
    aliases: tuple[Name, ...]
    exists: bool
    trouble: str | None
    ttl: int | None


def is_public(address: Address) -> bool:
    """Whether others can reach it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return False
    return not any(address in network for network in HERE_ONLY if network.version == address.version)


def reverse(address: Address) -> Name:
    """The name that its PTR is asked for at (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return dns.reversename.from_address(str(address))


def kind_of(address: Address) -> str:
    """A or AAAA."""
    return "A" if address.version == 4 else "AAAA"  # noqa: PLR2004 - IPv4


def records_of(answer: Answer) -> tuple[Address, ...]:
    """The addresses in an answer about A or AAAA, bounded."""
    texts = [str(getattr(record, "address", "")) for record in answer.records[:MOST]]
    return tuple(ip_address(text) for text in texts if text)


def soon_host(asks: Asks, name: Name) -> None:
    """Both questions of :func:`host_of`, under way."""
    asks.soon(name, "A")
    asks.soon(name, "AAAA")


async def host_of(asks: Asks, name: Name) -> Host:
    """The host of this name, by A and AAAA."""
    soon_host(asks, name)
    answers = [await asks.ask(name, "A"), await asks.ask(name, "AAAA")]
    unknown = [each for each in answers if each.outcome == UNKNOWN]
    times = [each.ttl for each in answers if each.ttl is not None]
    return Host(
        name=name,
        addresses=tuple(address for each in answers for address in records_of(each)),
        aliases=max((each.aliases for each in answers), key=len),
        exists=not any(each.outcome == NXDOMAIN for each in answers),
        trouble=reason(unknown[0]) if unknown else None,
        ttl=min(times) if times else None,
    )


def reason(answer: Answer) -> str:
    """Why nobody could tell, in words that may stand in a sentence."""
    return answer.trouble or "no answer"


def told(sending: SendingAddress) -> str:
    """The address as it stands in a sentence; that it is guessed is part of it."""
    return f"{sending.address} (guessed from {sending.origin})" if sending.guessed else str(sending.address)


def asking_for_ip(sending: SendingAddress, fix: str) -> str:
    """What to do, and to give the address first where it is only guessed."""
    if not sending.guessed:
        return fix
    return f"If mail leaves from another address, run this again with --ip ADDRESS. {fix}"
