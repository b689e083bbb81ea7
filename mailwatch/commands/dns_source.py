"""Asks a domain's own name servers about it, and the resolver about all else: what is published now, not remembered.

A name below the domain that its servers do not know, for it is delegated on, is asked of the resolver after all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import dns.name

from mailwatch.question import ANSWER, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.question import Answer, Asks, Page

MOST: Final = 4
"""So many of a domain's name servers are asked, one after another until one answers."""


class AtTheSource:
    """See Asks; ``servers`` are those of ``zone``."""

    def __init__(self, asks: Asks, zone: Name, servers: Sequence[Asks]) -> None:
        self._asks, self._zone, self._servers = asks, zone, servers

    async def ask(self, name: Name, kind: str) -> Answer:
        """The answer of the domain's own servers; the resolver's where it is not theirs, or none answers."""
        for server in self._of(name):
            answer = await server.ask(name, kind)
            if answer.outcome != UNKNOWN:
                return answer
        return await self._asks.ask(name, kind)

    def soon(self, name: Name, kind: str) -> None:
        """See Asks."""
        next(iter(self._of(name)), self._asks).soon(name, kind)

    def directly(self, address: str) -> Asks:
        """See Asks."""
        return self._asks.directly(address)

    async def page(self, url: str) -> Page:
        """See Asks."""
        return await self._asks.page(url)

    def _of(self, name: Name) -> Sequence[Asks]:
        return self._servers if name.is_subdomain(self._zone) else ()


async def at_the_source(asks: Asks, domain: Name) -> AtTheSource | None:
    """Whoever asks the name servers of the zone that a domain is in; None where these are not known."""
    zone = domain
    while zone not in (dns.name.root, dns.name.empty):
        answer = await asks.ask(zone, "NS")
        if answer.outcome == ANSWER and (answer.canonical or zone) == zone:
            names = [each.target for each in answer.records if hasattr(each, "target")][:MOST]
            found = await asyncio.gather(*(asks.ask(name, kind) for name in names for kind in ("A", "AAAA")))
            addresses = [each.address for said in found for each in said.records if hasattr(each, "address")]
            servers = [asks.directly(address) for address in addresses[:MOST]]
            return AtTheSource(asks, zone, servers) if servers else None
        zone = zone.parent()
    return None
