"""Keeps a place free at the page: which connections are open, what each waits for, and which one has to go.

Promises
    At most ``most`` connections are open. When there are more, the one that has waited longest goes: a client
    that says nothing makes room for one that asks, so nobody keeps a scrape out by being there first. One whose
    request is being answered never goes. A request that is not complete, and an answer that is not read, have a limit.

How it fails
    Who opens ``most`` connections between another client's connecting and its asking can push that one out.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mailwatch.web.config import is_allowed

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from uvicorn.server import ServerState

    from mailwatch.refusals import Refusals

REQUEST_SECONDS: Final = 5.0
"""From connecting, or from the first byte of a later request, to the end of the request's header."""
READ_SECONDS: Final = 10.0
"""For the client to read what it was sent, and for a closed connection to be gone."""
SWEEP_SECONDS: Final = 1.0
SWEEPS_OF_ALL: Final = 10
FOLLOW_UPS_A_SECOND: Final = 300.0
FOLLOW_UPS_AT_ONCE: Final = 20.0
LEAST_CONNECTIONS: Final = 4
SPARED: Final = 16
"""Descriptors left to the rest of the agent when there are none left: a page takes three, a rotation a few."""
UNREAD: Final = 1
"""Bytes the kernel did not take that make a client a slow reader."""

Waits = Literal["request", "next request", "turn", "answer"]


def nothing() -> None:
    """What ends a connection that has ended."""


@dataclass(slots=True, eq=False)
class Connection:
    """One client: what it ``waits`` for, since when, and how to end it."""

    since: float
    drop: Callable[[], object] = nothing
    waits: Waits = "request"
    unread_since: float | None = None
    closing_since: float | None = None
    answered: int = 0
    refused: bool = False
    """Whether that was counted already."""
    ended: bool = False
    """Whether nobody listens any more, though a request of it may have begun."""

    def wait(self, what: Waits, now: float) -> None:
        """Note what the client waits for from now on."""
        self.waits, self.since = what, now

    def idle_since(self) -> float | None:
        """Since when nothing is done for it; None while it is being answered."""
        waits = [self.unread_since, self.closing_since, self.since if self.waits != "answer" else None]
        return min((each for each in waits if each is not None), default=None)

    def overdue(self, now: float) -> str | None:
        """The reason to drop it; None when it has still time."""
        for since in (self.unread_since, self.closing_since):
            if since is not None and now - since >= READ_SECONDS:
                return "slow-reader"
        if self.waits == "request" and now - self.since >= REQUEST_SECONDS:
            return "slow-request"
        return None


class Pace:
    """How many follow-up requests of all kept connections are answered in which time.

    Each takes Python's one lock from the work loop: who asks without end would hold it without end.
    """

    def __init__(self, a_second: float = FOLLOW_UPS_A_SECOND, at_once: float = FOLLOW_UPS_AT_ONCE) -> None:
        self._apart = 1 / a_second
        self._ahead = at_once / a_second
        self._next = 0.0

    def take(self, now: float) -> float:
        """Answer one more, if that is 0; else the seconds until the next one may be."""
        turn = max(self._next, now - self._ahead)
        if turn <= now:
            self._next = turn + self._apart
            return 0.0
        return turn - now


class Turns:
    """Lets follow-up requests through at a pace, first come first served: each connection waits with one at most.

    Who is gone waits no more, so nobody waits longer than those that are here take.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiting: dict[Connection, asyncio.Future[bool]] = {}
        self._next: asyncio.TimerHandle | None = None

    async def come(self, connection: Connection) -> bool:
        """Wait for the turn of a connection; False when it ended before."""
        loop = asyncio.get_running_loop()
        if not self._waiting and not self._pace.take(loop.time()):
            return True
        turn = self._waiting[connection] = loop.create_future()
        if self._next is None:
            self._let_through()
        try:
            through: bool = await turn
            return through
        finally:
            self._waiting.pop(connection, None)

    def end(self, connection: Connection) -> None:
        """Let a connection wait no more: it is gone, or goes."""
        turn = self._waiting.pop(connection, None)
        if turn is not None and not turn.done():
            turn.set_result(False)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _let_through(self) -> None:
        loop = asyncio.get_running_loop()
        self._next = None
        while self._waiting:
            seconds = self._pace.take(loop.time())
            if seconds:
                self._next = loop.call_later(seconds, self._let_through)
                return
            turn = self._waiting.pop(next(iter(self._waiting)))
            if not turn.done():
                turn.set_result(True)


class Guard:
    """The open connections. Everything here is called in the event loop of the page."""

    def __init__(self, refusals: Refusals, most: int) -> None:
        self.refusals = refusals
        self.turns = Turns(Pace())
        self._most = most
        self._open: set[Connection] = set()
        self._sweeps = 0
        self._sweep: asyncio.TimerHandle | None = None

    def enter(self, connection: Connection) -> None:
        """A client has connected; another one goes when that is one too many."""
        self._open.add(connection)
        if len(self._open) > self._most:
            self.make_room("connections")
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._drop_overdue)

    def leave(self, connection: Connection) -> None:
        """A connection is closed."""
        self._open.discard(connection)

    def make_room(self, reason: str) -> None:
        """Drop the client that has waited longest; nobody, when all are being answered."""
        waiting = [(since, each) for each in self._open if (since := each.idle_since()) is not None]
        if waiting:
            self.drop(min(waiting, key=lambda pair: pair[0])[1], reason)

    def out_of_descriptors(self) -> None:
        """Drop some, and keep fewer from now on: the log and the state need descriptors too."""
        self._most = max(LEAST_CONNECTIONS, len(self._open) - SPARED)
        for _ in range(len(self._open) - self._most):
            self.make_room("descriptors")

    def drop(self, connection: Connection, reason: str) -> None:
        """End a connection now, and count why."""
        if connection in self._open:
            self._open.discard(connection)
            self.count(connection, reason)
            connection.drop()

    def refuse(self, connection: Connection, reason: str) -> None:
        """Count a client that came to nothing by itself, unless it was dropped."""
        if connection in self._open:
            self._open.discard(connection)
            self.count(connection, reason)

    def count(self, connection: Connection, reason: str) -> None:
        """Count why a client is refused: once, however else it fails."""
        if not connection.refused:
            connection.refused = True
            self.refusals.count(reason)

    def drop_waiting(self) -> None:
        """End every connection that is not being answered, because the page ends."""
        for connection in [each for each in self._open if each.idle_since() is not None]:
            self._open.discard(connection)
            connection.drop()

    def _drop_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._open):
            reason = connection.overdue(now)
            if reason is not None:
                self.drop(connection, reason)
        # asyncio's transports are cycles, and the work loop has made looking for them rare: 20 MiB in a flood without
        # this; all generations now and then, for those that were open at a sweep (0.1 MiB/s in a flood; it takes 4 ms)
        self._sweeps += 1
        gc.collect(0 if self._sweeps % SWEEPS_OF_ALL else 2)
        # the page sleeps when nobody is there
        self._sweep = loop.call_later(SWEEP_SECONDS, self._drop_overdue) if self._open else None


class Conversation(H11Protocol):
    """uvicorn's HTTP/1.1, telling the guard how far each request is."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        *,
        connection: Connection,
        guard: Guard,
        sans: tuple[str, ...],
    ) -> None:
        # uvicorn hands its state on with every request: that is how the application knows whose it is
        super().__init__(config, server_state, {"connection": connection})
        self._connection = connection
        self._guard = guard
        self._sans = sans

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to listen to the client."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNREAD, low=0)
        self._connection.drop = self._drop
        if self._sans and not is_allowed(transport.get_extra_info("peercert"), self._sans):
            self._guard.drop(self._connection, "tls")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._guard.leave(self._connection)
        super().connection_lost(exc)
        self._let_go()
        # what is left has no cycles and nobody who waits for it: it is freed now, however many come and go
        self._unset_keepalive_if_required()
        self._connection.drop = nothing

    def data_received(self, data: bytes) -> None:
        """Take some bytes; the first ones of a request begin its time."""
        if self.transport.is_closing():
            return  # TLS hands on what came before the end
        if self._connection.waits == "next request":
            self._connection.wait("request", self.loop.time())
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request, which may be here already."""
        self._connection.answered += 1
        self._connection.wait("next request", self.loop.time())
        super().on_response_complete()
        if self.transport.is_closing():
            self._connection.closing_since = self.loop.time()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is sent to."""
        self._connection.unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read everything."""
        self._connection.unread_since = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a kept connection that was not used."""
        super().timeout_keep_alive_handler()
        self._connection.closing_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, and be the only one who answers it: the request may have begun well."""
        self._guard.count(self._connection, "bad-request")
        self._let_go()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()  # in the middle of an answer there is no place for another
        self._connection.closing_since = self.loop.time()

    def _let_go(self) -> None:
        """Tell the application that nobody listens any more: what it sends goes nowhere."""
        self._connection.ended = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._guard.turns.end(self._connection)

    def _drop(self) -> None:
        self._let_go()
        self.transport.abort()


class Turn:
    """Lets a request through to the application when it is its connection's turn."""

    def __init__(self, app: Any, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, unless its client is gone before its turn comes."""
        connection: Connection = scope["state"]["connection"]
        loop = asyncio.get_running_loop()
        if connection.ended:
            return
        if connection.answered:
            connection.wait("turn", loop.time())
            if not await self._guard.turns.come(connection):
                return
        connection.wait("answer", loop.time())
        await self._app(scope, receive, send)
