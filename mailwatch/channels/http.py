"""One HTTP request by its deadline: a POST, and the answer's status, a bounded piece of it, and Retry-After.

Promises
    No redirect is followed: it could lead the signature elsewhere, or turn a POST into a GET. Certificates are
    verified against the name of the URL, also where its address is given. Proxies of the environment are not used.
    Raises SendFailed: permanent for 3xx and for 4xx that waiting does not mend.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from mailwatch import __version__
from mailwatch.channels.answer import Receipt, SendFailed, line, retry_after
from mailwatch.channels.connect import connect, context_for, encrypted, shown

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_ANSWER: Final = 4096
BODY: Final = 1.0
"""Seconds for the words of an answer, whose status is there."""
OK, REDIRECT, CLIENT_ERROR, SERVER_ERROR = 200, 300, 400, 500
FOR_A_WHILE: Final = frozenset({408, 425, 429})
"""The 4xx that a later try may mend."""
TAG: Final = re.compile(r"<[^<>]{0,500}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a URL's host is reached."""

    address: str
    ca_file: Path | None
    deadline: float


class Connection(http.client.HTTPConnection):
    """A connection that is made our way."""

    def __init__(self, parts: SplitResult, way: Way) -> None:
        secure = parts.scheme == "https"
        super().__init__(parts.hostname or "", parts.port or (443 if secure else 80))
        self._way = way
        self._context = context_for(way.ca_file) if secure else None

    def connect(self) -> None:
        """Connect, and encrypt where the URL says https."""
        self.sock = connect(self.host, self.port, self._way.address, self._way.deadline)
        if self._context is not None:
            self.sock = encrypted(self.sock, self.host, self._context)
        self._kept = self.sock

    def piece(self, answer: http.client.HTTPResponse) -> bytes:
        """The first piece of the body. The status has decided: a body that does not come changes nothing."""
        self._kept.settimeout(min(BODY, max(self._way.deadline - time.monotonic(), 0.01)))
        try:
            return answer.read1(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException, ValueError):
            return b""


def post(url: str, body: bytes, headers: dict[str, str], way: Way, method: str = "POST") -> Receipt:
    """Post a body to a URL, or put it there; what was answered. Raises SendFailed."""
    parts = urlsplit(url)
    sent = {
        "User-Agent": f"mailwatch/{__version__}",
        "Connection": "close",
        **headers,
        **login(parts),
        "Content-Length": str(len(body)),
    }
    where = shown(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    connection = Connection(parts, way)
    try:
        connection.request(method, target(parts), body, sent)
        answer = connection.getresponse()
        said = connection.piece(answer)
    except TimeoutError as error:
        raise SendFailed(f"{where} did not answer in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SendFailed(f"{where}: no HTTP answer: {reason(error)}") from error
    finally:
        connection.close()
    return judged(answer, said, where)


def judged(answer: http.client.HTTPResponse, said: bytes, where: str) -> Receipt:
    """The receipt in an answer. Raises SendFailed."""
    words = " ".join(TAG.sub(" ", said.decode("utf-8", "replace")).split())
    text = line(f"HTTP {answer.status} {answer.reason}" + (f": {words}" if words else ""))
    if OK <= answer.status < REDIRECT:
        return Receipt(text)
    if REDIRECT <= answer.status < CLIENT_ERROR:
        raise SendFailed(f"{where} redirects (HTTP {answer.status}), which is not followed", permanent=True)
    permanent = CLIENT_ERROR <= answer.status < SERVER_ERROR and answer.status not in FOR_A_WHILE
    wait = retry_after(answer.headers.get("Retry-After"), time.time())
    raise SendFailed(f"{where} refuses it: {text}", permanent=permanent, retry_after=None if permanent else wait)


def target(parts: SplitResult) -> str:
    """What of a URL stands in the request."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def login(parts: SplitResult) -> dict[str, str]:
    """The header for the user and password in a URL."""
    if parts.username is None and parts.password is None:
        return {}
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def reason(error: Exception) -> str:
    """Why there was no answer."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the other side closed the connection"
    if isinstance(error, socket.gaierror | OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__} {error}".strip()
