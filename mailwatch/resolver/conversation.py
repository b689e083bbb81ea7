"""Puts a question to servers until one of them answers, or none can.

Promises
    A server that does not answer, or answers that it failed, is followed by the next; the last try is by TCP. An answer
    cut short is asked for again by TCP; a server that does not know EDNS is asked without. Who did not answer comes
    last from then on.
    "DNSSEC is broken" is said only when the same resolver answers without checking it, and fails again with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype

from mailwatch.resolver.message import Manner, failure, not_about_validation, question, said
from mailwatch.resolver.transport import NO_REPLY, NoReply, by_tcp, by_udp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dns.message import Message
    from dns.name import Name
    from dns.rdatatype import RdataType

    from mailwatch.resolver.run import Run
    from mailwatch.resolver.transport import Server

    Troubles = dict[str, None]

MOST_SERVERS: Final = 3
"""As many as the system's own resolver asks."""
ANSWERED: Final = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
NO_EDNS: Final = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """``message`` of ``server``; None when there is none, and ``trouble`` says why.

    ``bogus`` is what it answers without checking, where DNSSEC is the trouble.
    """

    message: Message | None = None
    server: str = ""
    trouble: str = ""
    bogus: Message | None = None


@dataclass(slots=True)
class Servers:
    """Those who can be asked the same. ``zone``: they are its own servers, and what they say of others is not taken.

    ``limit`` is how many questions may be under way; that of the run, where none is given.
    """

    addresses: Sequence[Server]
    manner: Manner
    run: Run
    zone: Name | None = None
    limit: asyncio.Semaphore | None = None
    _late: set[Server] = field(default_factory=set)
    _without_edns: set[Server] = field(default_factory=set)
    _validates: asyncio.Task[bool] | None = None

    async def hear(self, name: Name, rdtype: RdataType, troubles: Troubles) -> Heard:
        """What one of them answers: a message without error, or NXDOMAIN."""
        failed: dict[Server, Message] = {}
        for server, tcp in self._tries():
            if server in failed:
                continue
            try:
                message = await self._reply(server, question(name, rdtype, self.manner), troubles, tcp=tcp)
            except NoReply as error:
                self._late.add(server)
                troubles[str(error)] = None
                if tcp:
                    break
                continue
            self._late.discard(server)
            trouble = self._trouble(server, message)
            if not trouble:
                return Heard(message=message, server=server[0])
            failed[server] = message
            troubles[trouble] = None
            if tcp:
                break
        for server, message in failed.items():
            if self._may_be_bogus(message):
                return await self._without_checking(server, name, rdtype, troubles)
        return Heard(trouble="; ".join(troubles), server=self.addresses[0][0])

    def validates(self) -> asyncio.Task[bool] | None:
        """Whether the first server says that it checks DNSSEC: it is asked about the root zone, which is signed."""
        if self.manner.recurse and self.manner.dnssec and self._validates is None:
            self._validates = self.run.start(self._shows_authentic())
        return self._validates

    async def _shows_authentic(self) -> bool:
        asked = question(dns.name.root, dns.rdatatype.SOA, self.manner)
        try:
            message = await self._reply(self._order()[0], asked, {}, tcp=False)
        except (NoReply, TimeoutError):
            return False
        return bool(message.flags & dns.flags.AD)

    def _may_be_bogus(self, message: Message) -> bool:
        wanted = self.manner.recurse and self.manner.dnssec
        return wanted and message.rcode() == dns.rcode.SERVFAIL and not not_about_validation(message)

    async def _without_checking(self, server: Server, name: Name, rdtype: RdataType, troubles: Troubles) -> Heard:
        """After SERVFAIL: is it DNSSEC? A failure that has passed meanwhile is none."""
        unsure = Heard(trouble="; ".join(troubles), server=server[0])
        unchecked = question(name, rdtype, replace(self.manner, checking=False))
        try:
            there = await self._reply(server, unchecked, troubles, tcp=False)
            if self._trouble(server, there):
                return unsure
            again = await self._reply(server, question(name, rdtype, self.manner), troubles, tcp=True)
        except NoReply:
            return unsure
        if not self._trouble(server, again):
            return Heard(message=again, server=server[0])
        trouble = f"{server[0]} answered {failure(again)}: DNSSEC of {said(_zone(there, name))} is broken"
        return Heard(trouble=trouble, server=server[0], bogus=there)

    def _order(self) -> list[Server]:
        return sorted(self.addresses[:MOST_SERVERS], key=self._late.__contains__)

    def _tries(self) -> Iterator[tuple[Server, bool]]:
        """Whom to ask, and whether by TCP; the first by TCP is the last of all."""
        order = self._order()
        yield from ((each, False) for each in order)
        if len(order) == 1:
            yield order[0], False
        yield from ((each, True) for each in order)

    async def _reply(self, server: Server, asked: Message, troubles: Troubles, *, tcp: bool) -> Message:
        """The answer of one server; without EDNS, where it does not know that."""
        async with self.limit or self.run.limit:
            if self.run.left() <= 0:
                raise TimeoutError
            try:
                if server in self._without_edns:
                    asked.use_edns(edns=False)
                message = await self._sent(server, asked, tcp=tcp)
                if asked.edns >= 0 and message.rcode() in NO_EDNS:
                    self._without_edns.add(server)
                    asked.use_edns(edns=False)
                    message = await self._sent(server, asked, tcp=tcp)
            except asyncio.CancelledError:  # the run is over
                troubles[f"{server[0]} {NO_REPLY}"] = None
                raise
        return message

    async def _sent(self, server: Server, asked: Message, *, tcp: bool) -> Message:
        if not tcp:
            message = await by_udp(server, asked, self.run.patience)
            if not message.flags & dns.flags.TC:
                return message
        message = await by_tcp(server, asked, self.run.patience)
        if message.flags & dns.flags.TC:
            raise NoReply(f"{server[0]} cut its answer short by TCP as well")
        return message

    def _trouble(self, server: Server, message: Message) -> str:
        """Why this is no answer; empty when it is one."""
        if message.rcode() not in ANSWERED:
            return f"{server[0]} answered {failure(message)}"
        if self.manner.recurse and not message.answer and not message.flags & (dns.flags.RA | dns.flags.AA):
            return f"{server[0]} does not ask other servers for us"
        if not self.manner.recurse and message.flags & (dns.flags.RA | dns.flags.AA) == dns.flags.RA:
            return f"{server[0]} is no name server of this zone: it asks others"
        return ""


def _zone(message: Message, name: Name) -> Name:
    """The zone that an answer is from, as far as it says so."""
    for rrset in (*message.answer, *message.authority):
        if rrset.rdtype == dns.rdatatype.SOA:
            return rrset.name
        if rrset.rdtype == dns.rdatatype.RRSIG:
            signer: Name = rrset[0].signer
            return signer
    return name
