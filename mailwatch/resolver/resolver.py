"""A resolver of one's own: asks name servers, by one deadline for all questions together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from mailwatch.question import Page
from mailwatch.resolver.asking import Asking
from mailwatch.resolver.conversation import Servers
from mailwatch.resolver.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.question import Answer, Asks
    from mailwatch.resolver.transport import Server

PATIENCE: Final = 1.5
TRIES: Final = 4
"""So many tries fit into a deadline that is shorter than their patience together."""


class Resolver:
    """Asks ``servers``, ``(address, port)`` each; a context (``async with``), whose end ends whatever is under way.

    ``deadline`` is in seconds, for the whole run: what has no answer then is UNKNOWN. ``in_flight`` questions are under
    way at once. ``authoritative_port`` is that of servers asked ``directly``.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        deadline: float,
        *,
        authoritative_port: int = 53,
        in_flight: int = 64,
        patience: float = PATIENCE,
    ) -> None:
        self._run = Run(deadline, min(patience, deadline / TRIES), asyncio.Semaphore(in_flight))
        self._servers = Servers(servers, recurse=True, run=self._run)
        self._asking = Asking(self._run, self._find)
        self._port = authoritative_port
        self._direct: dict[str, Direct] = {}

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
            servers = Servers([(address, self._port)], recurse=False, run=self._run)
            self._direct[address] = Direct(self, servers, self._run)
        return self._direct[address]

    async def page(self, url: str) -> Page:
        """See Asks."""
        return Page(url=url, trouble="not there yet")

    async def _find(self, name: Name, kind: str) -> Servers | str:  # noqa: ARG002 - others look at them
        return self._servers


class Direct:
    """Asks one name server for what it knows itself; for pages, and other servers, it is as its resolver."""

    def __init__(self, resolver: Resolver, servers: Servers, run: Run) -> None:
        self._resolver, self._servers = resolver, servers
        self._asking = Asking(run, self._find)

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

    async def _find(self, name: Name, kind: str) -> Servers | str:  # noqa: ARG002
        return self._servers
