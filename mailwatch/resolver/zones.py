"""Finds the name servers of the zone that a name is in, through a resolver; for asking them instead of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import dns.name
from dns.rdtypes.ANY.NS import NS

from mailwatch.question import ANSWER, UNKNOWN
from mailwatch.resolver.conversation import Servers
from mailwatch.resolver.message import Manner, said
from mailwatch.resolver.outside import is_name_server

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.resolver.asking import Asking
    from mailwatch.resolver.run import Run

MOST_NAME_SERVERS: Final = 6
DNS_PORT: Final = 53
AT_THE_PARENT: Final = "DS"
"""What a zone's parent knows of it (RFC 4035 section 3.1.4.1)."""


class Zones:
    """Asks ``resolver`` where zones begin, and who serves them; each zone once."""

    def __init__(self, resolver: Asking, run: Run, port: int) -> None:
        self._resolver, self._run, self._port = resolver, run, port
        self._served: dict[Name, asyncio.Task[Servers | str]] = {}

    async def find(self, name: Name, kind: str) -> Servers | str:
        """The servers of the zone of a name; or why they are not known."""
        zone = await self._zone(name.parent() if kind == AT_THE_PARENT and name != dns.name.root else name)
        if isinstance(zone, str):
            return zone
        if zone not in self._served:
            self._served[zone] = self._run.start(self._servers(zone))
        task = self._served[zone]
        await asyncio.wait([task])
        return task.result()

    async def _zone(self, name: Name) -> Name | str:
        """The zone that a name is in: where its SOA is, or whose SOA comes with the answer that there is none."""
        at = name
        while True:
            step = await self._resolver.step(at, "SOA")
            if step.outcome == UNKNOWN:
                return f"the zone of {said(name)} is not known: {step.trouble}"
            if not step.aliases and (step.outcome == ANSWER or step.zone is not None):
                return step.zone or at
            if at == dns.name.root:
                return f"no zone with {said(name)} in it was found"
            at = at.parent()  # of an alias it is the target's zone that was told

    async def _servers(self, zone: Name) -> Servers | str:
        names = await self._resolver.ask(zone, "NS")
        if names.outcome != ANSWER:
            return f"the name servers of {said(zone)} are not known: {names.trouble or 'it has none'}"
        hosts = [rdata.target for rdata in names.records[:MOST_NAME_SERVERS] if isinstance(rdata, NS)]
        for host in hosts:
            self._resolver.soon(host, "A")
            self._resolver.soon(host, "AAAA")
        answers = [[await self._resolver.ask(host, kind) for host in hosts] for kind in ("A", "AAAA")]
        four, six = ([str(answer.records[0]) for answer in family if answer.records] for family in answers)
        # one address of each, an IPv6 one among the first: either family may lead nowhere from here
        order = dict.fromkeys([*four[:2], *six[:1], *four[2:], *six[1:]])
        if not order:
            troubles = [answer.trouble for family in answers for answer in family if answer.trouble]
            return f"the name servers of {said(zone)} have no address{f': {troubles[0]}' if troubles else ''}"
        addresses = [(each, self._port) for each in order if self._port != DNS_PORT or is_name_server(each)]
        if not addresses:
            return f"the name servers of {said(zone)} are at {next(iter(order))}, which is not asked"
        return Servers(addresses, Manner(recurse=False), self._run, zone=zone)
