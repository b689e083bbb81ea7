"""Serves /metrics, /healthz and a landing page, in a thread and an event loop of its own; it only reads.

Promises
    A scrape shows committed values. /healthz is red when the work loop has not come round, or when the log
    cannot be read or the state not be written. Nothing a client sends changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailwatch import __version__
from mailwatch.metrics import page, registry
from mailwatch.store import Snapshot, read_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from mailwatch.options import Address
    from mailwatch.pulse import Pulse

BACKLOG: Final = 256
STOP_SECONDS: Final = 1
MINUTE: Final = 60.0
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


def numbers(snapshot: Snapshot | None) -> list[tuple[str, str]] | None:
    """The few numbers a person looks for first."""
    if snapshot is None:
        return None
    attempts = {"sent": 0, "deferred": 0, "bounced": 0}
    for (name, labels), value in snapshot.counters.items():
        if name == "delivery_attempts" and labels[1] in attempts:
            attempts[labels[1]] += value
    last = snapshot.last_event_at
    newest = "none yet" if last is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(last))
    return [
        *((f"delivery attempts {status}", f"{value:,}") for status, value in attempts.items()),
        ("messages open", f"{snapshot.open_messages:,}"),
        ("lines read", f"{snapshot.counters.get(('log_lines', ()), 0):,}"),
        ("newest line", newest),
    ]


@dataclass(slots=True)
class Subject:
    """What the pages are about; the supervisor changes it when the configuration has changed."""

    state_dir: Path
    log: object


def application(subject: Subject, pulse: Pulse) -> Starlette:
    """The three pages."""
    metrics = registry(lambda: subject.state_dir, pulse)
    landing = Environment(loader=PackageLoader("mailwatch"), autoescape=True).get_template("landing.html")
    host = socket.gethostname()

    async def show_metrics(request: Request) -> Response:
        body, content_type = page(metrics, request.headers.get("accept", ""))
        return Response(body, headers={**HEADERS, "Content-Type": content_type})

    async def show_health(_: Request) -> Response:
        complaint = pulse.complaint(time.monotonic())
        text = "ok\n" if complaint is None else f"not ok: {complaint}\n"
        return PlainTextResponse(text, status_code=200 if complaint is None else 503, headers=HEADERS)

    async def show_landing(_: Request) -> Response:
        shown = landing.render(
            version=__version__,
            host=host,
            log=subject.log,
            complaint=pulse.complaint(time.monotonic()),
            numbers=numbers(read_snapshot(subject.state_dir)),
        )
        return HTMLResponse(shown, headers=HEADERS)

    made = Starlette(
        routes=[Route("/metrics", show_metrics), Route("/healthz", show_health), Route("/", show_landing)],
        middleware=[Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)],
    )
    made.router.redirect_slashes = False  # a redirect would repeat whatever host the client named
    return made


def bind(address: Address) -> socket.socket:
    """A listening socket, before anything is served: so a port in use is told first of all. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # the protocol is named because asyncio sets TCP_NODELAY only then: without it an answer waits 40 ms for an ACK
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address.host, address.port))
        made.listen(BACKLOG)
        made.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except OSError:
        made.close()
        raise
    return made


class Complaints:
    """Says once a minute what goes wrong in the event loop: out of descriptors, asyncio would say it without end."""

    def __init__(self) -> None:
        self._said_at = -MINUTE

    def handle(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what happened, unless that was just done."""
        now = time.monotonic()
        if now - self._said_at >= MINUTE:
            self._said_at = now
            log.error("the web server: %s", context.get("exception") or context.get("message"))


class QuietServer(uvicorn.Server):
    """Sleeps until there is something to do: uvicorn's own loop wakes ten times a second, to no use for us."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def main_loop(self) -> None:
        """Serve until ``end``."""
        ended = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(Complaints().handle)
        self._ended = (asyncio.get_running_loop(), ended)
        if not self.should_exit:
            await ended.wait()

    def end(self) -> None:
        """Stop serving; from any thread."""
        self.should_exit = True
        if self._ended is not None:
            loop, ended = self._ended
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(ended.set)


class WebServer:
    """Serves an application on a socket until it is stopped."""

    def __init__(self, app: Starlette, listening: socket.socket) -> None:
        self._socket = listening
        self._server = QuietServer(
            uvicorn.Config(
                app,
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
            )
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
