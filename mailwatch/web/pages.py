"""The pages: /metrics, /healthz and a landing page; they only read.

Promises
    A scrape shows committed values. /healthz is red when the work loop has not come round, or when the log
    cannot be read or the state not be written. Nothing a client sends changes anything. However often a page
    is asked for, it is made ten times a second at most, and once more for each change: never is it more than
    a tenth of a second behind what is committed.
"""

from __future__ import annotations

import gzip
import os
import socket
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailwatch import __version__
from mailwatch.database import NAME
from mailwatch.metrics import encoding, registry
from mailwatch.store import Snapshot, read_snapshot
from mailwatch.web.access import Headers, Logins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from jinja2 import Template
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mailwatch.alert import Alert
    from mailwatch.pulse import Pulse
    from mailwatch.refusals import Refusals
    from mailwatch.sample import Latest
    from mailwatch.web.access import Access
    from mailwatch.web.passwords import Checks

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
FRESH_SECONDS: Final = 0.1
MOST_KINDS: Final = 8
"""Formats of a page that are kept at once; a client may name more versions than there are."""
COMPRESSED_FROM: Final = 1024
LONGEST_TARGET: Final = 8192
LONGEST_HEADERS: Final = 16384


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
    channels: Sequence[str] = ()
    probed: Callable[[], Iterable[Latest]] = tuple
    alerts: Callable[[], Iterable[Alert] | None] = lambda: None


class Kept:
    """Pages made lately, as long as they are true: what they show is what ``state`` names."""

    def __init__(self, state: Callable[[], object], fresh_seconds: float = FRESH_SECONDS) -> None:
        self._state = state
        self._fresh_seconds = fresh_seconds
        self._known: object = None
        self._made_at = 0.0
        self._pages: dict[str, bytes] = {}

    def page(self, kind: str, make: Callable[[], bytes]) -> bytes:
        """The page of this kind, made again if need be."""
        now = time.monotonic()
        state = self._state()  # before the page is made: what is committed meanwhile makes it old
        if state != self._known or now - self._made_at >= self._fresh_seconds:
            self._pages.clear()
            self._known, self._made_at = state, now
        if kind not in self._pages:
            self._pages[kind] = make()
        return self._pages[kind]

    def room_for(self, kind: str) -> bool:
        """Whether a page of this kind is kept, or can be."""
        return kind in self._pages or len(self._pages) < MOST_KINDS


def written(folder: Path) -> list[tuple[int, int, int] | None]:
    """What tells one commit from the next: the database and its write-ahead log, as the file system sees them."""
    found: list[tuple[int, int, int] | None] = []
    for name in (NAME, f"{NAME}-wal"):
        try:
            seen = os.stat(folder / name)  # noqa: PTH116 - as quick as can be: it is asked at every request
        except OSError:
            found.append(None)
        else:
            found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return found


def wants_gzip(accepted: str) -> bool:
    """Whether a client takes gzip, by its Accept-Encoding."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def refusal(method: str, target: int, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, int, str] | None:
    """Why a request is not answered: the reason to count, the status, the text. ``target`` is its target's length."""
    if method not in ("GET", "HEAD"):
        return "method", 405, "only GET and HEAD are answered here\n"
    if target > LONGEST_TARGET:
        return "bad-request", 414, "the path is too long\n"
    if sum(len(name) + len(value) for name, value in headers) > LONGEST_HEADERS:
        return "bad-request", 431, "the headers are too long\n"
    if any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers):
        return "body", 413, "a request has no body here\n"
    return None


class Bounds:
    """Refuses, before anything is done for it, a request that no page is made for."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        target = len(scope["raw_path"]) + len(scope["query_string"])
        refused = refusal(scope["method"], target, scope["headers"])
        if refused is None:
            await self._app(scope, receive, send)
            return
        reason, status, text = refused
        self._refusals.count(reason)
        scope["state"]["connection"].refused = True
        # closed, because what else it sends is not read
        headers = {**HEADERS, "Connection": "close", **({"Allow": "GET, HEAD"} if status == 405 else {})}  # noqa: PLR2004
        await PlainTextResponse(text, status_code=status, headers=headers)(scope, receive, send)


class Pages:
    """The three pages."""

    def __init__(self, subject: Subject, pulse: Pulse, refusals: Refusals) -> None:
        self._subject = subject
        self._pulse = pulse
        self._metrics = registry(subject, pulse, refusals)
        self._kept = Kept(lambda: (subject.state_dir, subject.log, written(subject.state_dir), pulse.probes()))
        self._host = socket.gethostname()

    async def metrics(self, request: Request) -> Response:
        """The numbers, for Prometheus."""
        encode, content_type = encoding(request.headers.get("accept", ""))
        if not self._kept.room_for(content_type):
            encode, content_type = encoding("")
        body = self._kept.page(content_type, lambda: encode(self._metrics))
        headers = {**HEADERS, "Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if len(body) >= COMPRESSED_FROM and wants_gzip(request.headers.get("accept-encoding", "")):
            plain = body
            body = self._kept.page(f"gzip {content_type}", lambda: gzip.compress(plain, 5))
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    async def health(self, _: Request) -> Response:
        """Whether the agent is well."""
        complaint = self._pulse.complaint(time.monotonic())
        text = "ok\n" if complaint is None else f"not ok: {complaint}\n"
        return PlainTextResponse(text, status_code=200 if complaint is None else 503, headers=HEADERS)

    async def landing(self, _: Request) -> Response:
        """The numbers, for a person."""
        return HTMLResponse(self._kept.page("landing", self._make_landing), headers=HEADERS)

    @cached_property
    def _template(self) -> Template:
        # a sixth of the agent's time to start, for a page that is seldom looked at
        from jinja2 import Environment, PackageLoader  # noqa: PLC0415

        return Environment(loader=PackageLoader("mailwatch"), autoescape=True).get_template("landing.html")

    def _make_landing(self) -> bytes:
        shown = self._template.render(
            version=__version__,
            host=self._host,
            log=self._subject.log,
            complaint=self._pulse.complaint(time.monotonic()),
            numbers=numbers(read_snapshot(self._subject.state_dir)),
        )
        return shown.encode()


def application(subject: Subject, pulse: Pulse, refusals: Refusals, access: Access, checks: Checks) -> Starlette:
    """What is served."""
    pages = Pages(subject, pulse, refusals)
    made = Starlette(
        routes=[Route("/metrics", pages.metrics), Route("/healthz", pages.health), Route("/", pages.landing)],
        middleware=[
            Middleware(Headers, access=access),
            Middleware(Bounds, refusals=refusals),
            Middleware(Logins, access=access, checks=checks, refusals=refusals, headers=HEADERS),
        ],
    )
    made.router.redirect_slashes = False  # a redirect would repeat whatever host the client named
    return made
