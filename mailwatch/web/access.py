"""On which terms the page is served: TLS, passwords and headers of a web configuration file, as it is now.

Promises
    A changed file, certificate, key or CA is used within a second, for new connections and requests, without a restart.
    What does not fit together (a certificate was replaced, its key not yet) is told once, tried again every second that
    somebody comes, and what was good serves on. Without a web configuration file nothing is imported for it.

How it fails
    Files on a file system that hangs hang the page with them, not the work loop.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

from mailwatch.config import ConfigError
from mailwatch.web.config import LARGEST, WebConfig, load
from mailwatch.web.files import read_regular
from mailwatch.web.passwords import Ending, Passwords, TooMany

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mailwatch.refusals import Refusals
    from mailwatch.web.passwords import Checks

LOOK_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one state of the files comes to; ``seen`` tells that state from another."""

    path: Path | None = None
    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None
    seen: bytes = b""

    @property
    def scheme(self) -> str:
        """How the address of the page begins."""
        return "http" if self.context is None else "https"


def agree(path: Path | None) -> Terms:
    """The terms in a web configuration file; everybody and in the clear without one. Raises ConfigError."""
    if path is None:
        return Terms()
    config = load(path)
    seen = look(path, config)  # before it is read by OpenSSL: what changes meanwhile is looked at again
    if config.tls is None:
        return Terms(path=path, config=config, seen=seen)
    from mailwatch.web.tls import TlsWrong, make_context  # noqa: PLC0415 - only for whom has a certificate

    try:
        context = make_context(config.tls)
    except TlsWrong as error:
        raise ConfigError(path, [f"tls_server_config.{error}"]) from None
    return Terms(path=path, config=config, context=context, seen=seen)


def look(path: Path, config: WebConfig) -> bytes:
    """What the files hold now, as a digest: two certificates may be of one size and one moment."""
    digest = hashlib.sha256()
    for each in (path, *(config.tls.files() if config.tls else ())):
        try:
            content = read_regular(each, 16 * LARGEST)
        except OSError:
            content = b"cannot be read"
        digest.update(b"%d %b" % (len(content), content))
    return digest.digest()


class Access:
    """Keeps the terms as the files are. Asked in the event loop of the page only, changed from any thread."""

    def __init__(self, terms: Terms) -> None:
        self._looked_at = 0.0
        self._told: str | None = None
        self._lock = threading.Lock()
        self._take(terms)

    def change(self, terms: Terms) -> None:
        """Take the terms of a configuration that was read again."""
        with self._lock:
            self._take(terms)

    def now(self) -> tuple[Terms, Passwords | None]:
        """The terms and the passwords, looked at again once a second."""
        terms, _ = self._current
        if terms.path is not None and time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._look_again(terms, terms.path)
        return self._current

    def _take(self, terms: Terms) -> None:
        before = getattr(self, "_current", None)
        users = terms.config.users
        if before is not None and before[0].config.users == users:
            passwords = before[1]  # with what it remembers
        else:
            passwords = Passwords(users) if users else None
        self._current: tuple[Terms, Passwords | None] = (terms, passwords)

    def _look_again(self, terms: Terms, path: Path) -> None:
        if look(path, terms.config) == terms.seen:
            self._told = None
            return
        try:
            changed = agree(path)
        except ConfigError as error:
            if str(error) != self._told:
                for line in (*error.mistakes, "the page is served as before, and this is tried again"):
                    log.error("%s", line)
            self._told = str(error)
            return
        self._told = None
        with self._lock:
            if self._current[0] is not terms:
                return  # a hang-up has brought others meanwhile
            self._take(changed)
        log.info("the web configuration was read again web_config_file=%s", path)


class Headers:
    """Adds the headers of the web configuration to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        wanted = self._access.now()[0].config.headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(wanted)
            await send(message)

        await self._app(scope, receive, send_with_headers if wanted else send)


class Logins:
    """Lets through who has the right password, when there are users."""

    def __init__(
        self, app: ASGIApp, access: Access, checks: Checks, refusals: Refusals, headers: dict[str, str]
    ) -> None:
        self._app = app
        self._access = access
        self._checks = checks
        self._refusals = refusals
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        _, passwords = self._access.now()
        if passwords is None:
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        address = scope["client"][0] if scope["client"] else ""
        try:
            allowed = await passwords.allow(given, address, self._checks)
        except Ending:
            answer = PlainTextResponse("the page ends: come again\n", status_code=503, headers=self._headers)
        except TooMany:
            text = "too many passwords are being checked: come again\n"
            answer = self._refuse("auth-busy", 429, text, "Retry-After", "1")
        else:
            if allowed:
                await self._app(scope, receive, send)
                return
            answer = self._refuse("auth", 401, "Unauthorized\n", "WWW-Authenticate", 'Basic realm="mailwatch"')
        await answer(scope, receive, send)

    def _refuse(self, reason: str, status: int, text: str, header: str, value: str) -> PlainTextResponse:
        self._refusals.count(reason)
        return PlainTextResponse(text, status_code=status, headers={**self._headers, header: value})
