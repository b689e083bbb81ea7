"""Which zone a domain is in, and which servers have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.SOA import SOA

from mailwatch.checks.dns.addresses import Address, Host, host_of, soon_host
from mailwatch.checks.dns.names import parent
from mailwatch.question import ANSWER, UNKNOWN, Answer

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.question import Asks

MOST_LABELS: Final = 10
"""So many names above the domain are looked at for the zone that it is in."""
MOST_SERVERS: Final = 13
MOST_ADDRESSES: Final = 4
"""So many addresses of one name server are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One address of a name server, and what it says itself."""

    name: Name
    address: Address
    soa: Answer
    mx: Answer
    txt: Answer

    @property
    def answers(self) -> bool:
        """Whether it has the zone."""
        return self.soa.outcome == ANSWER

    @property
    def serial(self) -> int | None:
        """The version of the zone that it has."""
        return next((each.serial for each in self.soa.records if isinstance(each, SOA)), None)


async def zone_of(asks: Asks, domain: Name) -> Name | Answer:
    """The name of the zone that the domain is in, or the answer by which nobody could tell."""
    above = [domain]
    while len(above) < MOST_LABELS and (up := parent(above[-1])) is not None and len(up.labels) > 1:
        above.append(up)
    for name in above:
        asks.soon(name, "SOA")
    for name in above[:2]:  # it is one of these two, mostly
        asks.soon(name, "NS")
    for name in above:
        answer = await asks.ask(name, "SOA")
        if answer.outcome == UNKNOWN:
            return answer
        if answer.outcome == ANSWER and not answer.aliases:
            return name
    return answer


async def hosts_of(asks: Asks, delegated: Answer) -> list[Host]:
    """The name servers that an answer about NS names."""
    names = sorted({each.target for each in delegated.records if isinstance(each, NS)})[:MOST_SERVERS]
    for name in names:
        soon_host(asks, name)
    return [await host_of(asks, name) for name in names]


async def servers_of(asks: Asks, hosts: list[Host], zone: Name, domain: Name) -> list[Server]:
    """What each address of the name servers says of the zone and of the domain."""
    pairs = [(host.name, address) for host in hosts for address in host.addresses[:MOST_ADDRESSES]]
    questions = ((zone, "SOA"), (domain, "MX"), (domain, "TXT"))
    for _, address in pairs:
        for name, kind in questions:
            asks.directly(str(address)).soon(name, kind)
    servers = []
    for server, address in pairs:
        answers = [await asks.directly(str(address)).ask(name, kind) for name, kind in questions]
        servers.append(Server(name=server, address=address, soa=answers[0], mx=answers[1], txt=answers[2]))
    return _that_can_be_reached(servers)


def _that_can_be_reached(servers: list[Server]) -> list[Server]:
    """Without IPv6 where none of it answers and IPv4 does: then it is this host that has no IPv6."""
    heard = {each.address.version for each in servers if each.answers}
    if 4 not in heard or 6 in heard:  # noqa: PLR2004 - versions of IP
        return servers
    return [each for each in servers if each.address.version == 4]  # noqa: PLR2004
