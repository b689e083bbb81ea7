"""A resolver of one's own: asks name servers, by one deadline for all questions together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Self

from mailwatch.question import ANSWER, NO_DATA, UNKNOWN, Page
from mailwatch.resolver.asking import NO_TIME, Asking
from mailwatch.resolver.conversation import Servers
from mailwatch.resolver.message import Manner, said
from mailwatch.resolver.outside import is_name_server, is_web_server
from mailwatch.resolver.run import Run
from mailwatch.resolver.zones import Zones

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.question import Answer, Asks
    from mailwatch.resolver.asking import Finds
    from mailwatch.resolver.transport import Server

log = logging.getLogger(__name__)

PATIENCE: Final = 1.5
TRIES: Final = 4
"""So many tries fit into a deadline that is shorter than their patience together."""
AT_ONCE: Final = 32
"""Questions to name servers of a domain's own: those that do not answer must not hold up all others."""
DNS_PORT, HTTPS_PORT = 53, 443
NOT_ASKED: Final = "is an address of this host or network alone, and is not asked"
PAGE: Final = 5.0
"""Seconds for a page."""
MOST_ADDRESSES: Final = 4


class Resolver:
    """Asks ``servers``, ``(address, port)`` each; a context (``async with``), whose end ends whatever is under way.

    ``deadline`` is in seconds, for the whole run: what has no answer then is UNKNOWN. ``in_flight`` questions are under
    way at once; ``patience`` is for each try, in seconds. ``authoritative``: the servers only tell who serves a zone,
    and those are asked. ``authoritative_port`` is theirs, and that of who is asked ``directly``. ``dnssec``: signatures
    are asked for, and what was checked. Pages come from ``https_port``, and by ``ssl_context`` in place of the
    system's authorities. On the usual ports nobody is asked at an address that no stranger may choose (``outside``).
    """

    def __init__(  # noqa: PLR0913 - all but two have a good default
        self,
        servers: Sequence[Server],
        deadline: float,
        *,
        authoritative: bool = False,
        authoritative_port: int = DNS_PORT,
        in_flight: int = 64,
        patience: float | None = None,
        dnssec: bool = True,
        https_port: int = HTTPS_PORT,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        patience = min(PATIENCE, deadline / TRIES) if patience is None else patience
        self._run = Run(deadline, patience, asyncio.Semaphore(in_flight))
        self._port, self._dnssec = authoritative_port, dnssec
        self._beside = asyncio.Semaphore(min(AT_ONCE, in_flight))
        find = self._of(Servers(servers, Manner(recurse=True, dnssec=dnssec), self._run))
        self._asking = Asking(self._run, find)
        if authoritative:
            self._asking = Asking(self._run, Zones(self._asking, self._run, authoritative_port).find)
        self._direct: dict[str, Direct] = {}
        self._pages: dict[str, asyncio.Task[Page]] = {}
        self._https_port, self._ssl_context = https_port, ssl_context

    async def __aenter__(self) -> Self:
        """Begin: the deadline counts from here."""
        self._run.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End whatever is under way."""
        await self._run.end()

    async def ask(self, name: Name, kind: str) -> Answer:
        """See Asks."""
        return await self._asking.ask(name, kind)

    def soon(self, name: Name, kind: str) -> None:
        """See Asks."""
        self._asking.soon(name, kind)

    def directly(self, address: str) -> Asks:
        """See Asks. Without recursion, by the same deadline."""
        if address not in self._direct:
            self._direct[address] = Direct(self, Asking(self._run, self._of(self._at(address))))
        return self._direct[address]

    async def page(self, url: str) -> Page:
        """See Asks. At most 64 KiB, from a host by its name, on the usual port."""
        if url not in self._pages:
            self._pages[url] = self._run.start(self._page(url))
        task = self._pages[url]
        if not task.done():
            await asyncio.wait([task])
        return Page(url=url, trouble=NO_TIME) if task.cancelled() else task.result()

    def _at(self, address: str) -> Servers | str:
        if self._port == DNS_PORT and not is_name_server(address):
            return f"{address} {NOT_ASKED}"
        manner = Manner(recurse=False, dnssec=self._dnssec)
        return Servers([(address, self._port)], manner, self._run, limit=self._beside)

    @staticmethod
    def _of(servers: Servers | str) -> Finds:
        async def find(_name: Name, _kind: str) -> Servers | str:
            return servers

        return find

    async def _page(self, url: str) -> Page:
        from mailwatch.resolver import https  # noqa: PLC0415 - TLS is loaded when there is a page to get

        at = https.place(url)
        if isinstance(at, str):
            return Page(url=url, trouble=at)
        ends = asyncio.get_running_loop().time() + min(PAGE, self._run.left())
        try:
            async with asyncio.timeout_at(ends):
                addresses = await self._addresses(at.name)
                if isinstance(addresses, str):
                    return Page(url=url, trouble=addresses)
                if self._ssl_context is None:
                    self._ssl_context = await asyncio.to_thread(https.context)
            return await https.get(at, [(each, self._https_port) for each in addresses], self._ssl_context, ends)
        except TimeoutError:
            return Page(url=url, trouble=f"no time was left to find {at.host}")
        except Exception as error:  # a bug, or what nobody has thought of: all other checks must go on
            log.exception("a bug in getting %s", url)
            return Page(url=url, trouble=f"a bug in mailwatch ({type(error).__name__})")

    async def _addresses(self, name: Name) -> list[str] | str:
        """Those of a host, IPv4 first; or why there are none."""
        self.soon(name, "AAAA")
        four, six = await self.ask(name, "A"), await self.ask(name, "AAAA")
        found = [str(each) for each in (*four.records[:MOST_ADDRESSES], *six.records[:MOST_ADDRESSES])]
        asked = [each for each in found if self._https_port != HTTPS_PORT or is_web_server(each)]
        if found:
            return asked or f"{found[0]} {NOT_ASKED}"
        unknown = next((each.trouble for each in (four, six) if each.outcome == UNKNOWN), None)
        if unknown is not None:
            return unknown
        there = {four.outcome, six.outcome} & {ANSWER, NO_DATA}
        return f"{said(name)} has no address" if there else f"there is no {said(name)} in the DNS"


class Direct:
    """Asks one name server for what it knows itself; for pages, and other servers, it is as its resolver."""

    def __init__(self, resolver: Resolver, asking: Asking) -> None:
        self._resolver, self._asking = resolver, asking

    async def ask(self, name: Name, kind: str) -> Answer:
        """See Asks."""
        return await self._asking.ask(name, kind)

    def soon(self, name: Name, kind: str) -> None:
        """See Asks."""
        self._asking.soon(name, kind)

    def directly(self, address: str) -> Asks:
        """See Asks."""
        return self._resolver.directly(address)

    async def page(self, url: str) -> Page:
        """See Asks."""
        return await self._resolver.page(url)
