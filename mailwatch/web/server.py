"""Takes the connections to the page, in a thread and an event loop of its own, and no more than are good for the agent.

Promises
    Clients that say nothing, never end, never read or send rubbish do not keep a scrape waiting; see guard.py.
    Nothing that goes wrong here reaches the work loop; out of descriptors, a client of the page goes, not the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from mailwatch.web.complaints import Complaints
from mailwatch.web.guard import LEAST_CONNECTIONS, READ_SECONDS, Connection, Conversation, Guard, Turn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from mailwatch.options import Address
    from mailwatch.refusals import Refusals
    from mailwatch.web.access import Access
    from mailwatch.web.passwords import Checks

BACKLOG: Final = 256
STOP_SECONDS: Final = 1
MOST_CONNECTIONS: Final = 128
ACCEPTED_AT_ONCE: Final = 8
"""Connections taken before those that are open get their turn again: few, so that a client whose request is here
already is heard before a burst of others makes it the one that has waited longest."""
RETRY_SECONDS: Final = 0.1
SEND_BUFFER: Final = 1 << 18
"""Bytes the kernel keeps for a client that does not read; left alone it would take megabytes for each."""

log = logging.getLogger(__name__)


def bind(address: Address) -> socket.socket:
    """A listening socket, before anything is served: so a port in use is told first of all. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # the protocol is named because asyncio sets TCP_NODELAY only then: without it an answer waits 40 ms for an ACK
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        made.bind((address.host, address.port))
        made.listen(BACKLOG)
        made.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except OSError:
        made.close()
        raise
    return made


def most_connections() -> int:
    """How many clients may be here at once: never so many that the log could not be opened any more."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(LEAST_CONNECTIONS, min(MOST_CONNECTIONS, soft // 4))
    )


class GuardedServer(uvicorn.Server):
    """uvicorn with a door of our own, under the guard's eyes.

    It sleeps until there is something to do: uvicorn's own loop wakes ten times a second, to no use for us.
    """

    def __init__(self, config: uvicorn.Config, guard: Guard, access: Access, checks: Checks) -> None:
        super().__init__(config)
        self._guard = guard
        self._access = access
        self._checks = checks
        self._complaints = Complaints()
        self._complaints.take_over(logging.getLogger("uvicorn"))
        self._ended: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._door: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        self.servers = []
        asyncio.get_running_loop().set_exception_handler(self._complaints.handle_loop)
        self._door = asyncio.create_task(self._take_connections((sockets or [])[0]))
        self.started = True

    async def main_loop(self) -> None:
        """Serve until ``end``."""
        ended = asyncio.Event()
        self._ended = (asyncio.get_running_loop(), ended)
        if not self.should_exit:
            await ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what was asked, and let go of everybody else."""
        if self._door is not None:
            self._door.cancel()
        self._guard.drop_waiting()
        self._checks.close()
        await super().shutdown(sockets)

    def end(self) -> None:
        """Stop serving; from any thread."""
        self.should_exit = True
        if self._ended is not None:
            loop, ended = self._ended
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(ended.set)

    async def _take_connections(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(ACCEPTED_AT_ONCE):
                try:
                    client, _address = await loop.sock_accept(listening)
                except OSError as error:
                    await self._without_descriptors(error)
                    continue
                self._welcome(client)
            await asyncio.sleep(0)

    async def _without_descriptors(self, error: OSError) -> None:
        """Make room for the log first; a client that left before it was taken in comes here too, and does no harm."""
        if not isinstance(error, ConnectionAbortedError):
            self._complaints.tell(error)
            self._guard.out_of_descriptors()
        await asyncio.sleep(RETRY_SECONDS)

    def _welcome(self, client: socket.socket) -> None:
        connection = Connection(since=asyncio.get_running_loop().time())
        task = asyncio.create_task(self._converse(client, connection))
        connection.drop = task.cancel
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        # a task that was dropped before it ran has closed nothing
        task.add_done_callback(lambda done: client.close() if done.cancelled() or done.exception() else None)
        self._guard.enter(connection)

    async def _converse(self, client: socket.socket, connection: Connection) -> None:
        terms, _ = self._access.now()
        # the guard is quicker; these are for what is half closed
        limits = (
            {} if terms.context is None else {f"ssl_{each}_timeout": READ_SECONDS for each in ("handshake", "shutdown")}
        )
        sans = () if terms.config.tls is None else terms.config.tls.client_allowed_sans
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Conversation(
                    self.config, self.server_state, connection=connection, guard=self._guard, sans=sans
                ),
                client,
                ssl=terms.context,
                **limits,
            )
        except OSError:  # ssl.SSLError is one
            self._guard.refuse(connection, "tls")
            client.close()
        except BaseException:
            self._guard.leave(connection)
            raise


class WebServer:
    """Serves an application on a socket until it is stopped."""

    def __init__(
        self, app: ASGIApp, listening: socket.socket, refusals: Refusals, access: Access, checks: Checks
    ) -> None:
        self._socket = listening
        guard = Guard(refusals, most_connections())
        self._server = GuardedServer(
            uvicorn.Config(
                Turn(app, guard),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=16384,
            ),
            guard,
            access,
            checks,
        )
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within about a second; the socket is closed."""
        self._server.end()
        self._thread.join(STOP_SECONDS + 0.5)
        self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            log.exception("the web server stopped; the log is still read")
