"""Gets one page by HTTPS, for policies that are published so (RFC 8461 section 3.3, BIMI).

Promises
    The certificate is checked against the name of the URL; nothing is sent before. No redirect is followed, no proxy
    used, at most 64 KiB are taken. Nothing raises.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import dns.exception
import dns.name

from mailwatch import __version__
from mailwatch.question import Page
from mailwatch.resolver.message import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.resolver.transport import Server

LARGEST_BODY: Final = 64 << 10
LARGEST_LINE: Final = 8 << 10
MOST_HEADERS: Final = 100
MOST_CHUNKS: Final = 4096
MOST_CONTINUES: Final = 4
LONGEST_URL: Final = 2048
PORT: Final = 443
CONTINUE, OK = 100, 200
BODILESS: Final = (204, 304)


class Odd(Exception):  # noqa: N818 - its own state
    """What came is no answer of HTTP, or too much; the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a URL leads: a host by name, on the usual port, and what to ask it for."""

    url: str
    host: str
    name: Name
    path: str


def place(url: str) -> Place | str:
    """What a URL says; or why it is not got."""
    if len(url) > LONGEST_URL or not all("!" <= each <= "~" for each in url):
        return f"not a URL: {shown(url)}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"not a URL: {shown(url)}"
    if parts.scheme != "https":
        return f"not an HTTPS URL: {shown(url)}"
    name = _name(host)
    if parts.username is not None or port not in (None, PORT) or name is None:
        return f"only a host by its name, on port {PORT}, is asked: {shown(url)}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(url=url, host=host, name=name, path=path)


def context() -> ssl.SSLContext:
    """Checks certificates and names by the system's authorities."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def _name(host: str) -> Name | None:
    """The name of a host; None for an address, and for what is no name of a host."""
    labels = host.rstrip(".").split(".")
    fits = all(each.isalnum() or each in "-_" for label in labels for each in label)
    if not fits or not all(labels) or labels[-1].isdigit():
        return None
    try:
        return dns.name.Name([*(label.encode("ascii") for label in labels), b""])
    except dns.exception.DNSException:  # too long
        return None


async def get(at: Place, servers: Sequence[Server], context: ssl.SSLContext, ends: float) -> Page:
    """The page, from the first address that can be reached; by ``ends``, as the loop tells the time."""
    trouble = f"{at.host} has no address"
    for number, server in enumerate(servers):
        now = asyncio.get_running_loop().time()
        try:
            # the last may take all that is left, one before it its share
            async with asyncio.timeout_at(now + (ends - now) / (len(servers) - number)):
                return await _got(at, server, context)
        except ssl.SSLCertVerificationError as error:
            trouble = f"the certificate of {at.host} is not good for it: {shown(error.verify_message)}"
            return Page(url=at.url, untrusted=True, trouble=trouble)
        except (Odd, EOFError, ssl.SSLError) as error:
            return Page(url=at.url, trouble=f"{at.host} ({server[0]}) {_why(error)}")
        except OSError as error:  # TimeoutError is one
            trouble = f"{at.host} ({server[0]}) {_why(error)}"
    return Page(url=at.url, trouble=trouble)


def _why(error: Exception) -> str:
    match error:
        case Odd():
            return str(error)
        case EOFError() | ConnectionResetError():
            return "ended the connection before its answer was whole"
        case ssl.SSLError():
            return f"does not speak TLS with us: {shown(str(error.reason or error))}"
        case OSError(errno=int(number)):
            return f"cannot be reached: {os.strerror(number)}"
    return "did not answer in time"


async def _got(at: Place, server: Server, context: ssl.SSLContext) -> Page:
    reader, writer = await asyncio.open_connection(
        *server, ssl=context, server_hostname=at.host.rstrip("."), limit=LARGEST_LINE
    )
    try:
        writer.write(
            f"GET {at.path} HTTP/1.1\r\nHost: {at.host}\r\nUser-Agent: mailwatch/{__version__}\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        for _ in range(MOST_CONTINUES):
            status, headers = await _head(reader)
            if status >= OK:
                break
        body = b"" if status in BODILESS else await _body(reader, headers)
    finally:
        writer.transport.abort()
    return Page(url=at.url, status=status, content_type=shown(headers.get("content-type", "")), body=body)


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise Odd("sent what is no answer of HTTP: a line that does not end") from error
    return line.decode("latin-1").strip()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    version, _, rest = (await _line(reader)).partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit() and int(code) >= CONTINUE):
        raise Odd("sent what is no answer of HTTP")
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        line = await _line(reader)
        if not line:
            return int(code), headers
        key, _, value = line.partition(":")
        headers[key.strip().lower()] = value.strip()
    raise Odd("sent what is no answer of HTTP: too many headers")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit():
        if len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY:
            raise Odd(f"sends more than {LARGEST_BODY >> 10} KiB")
        return await reader.readexactly(int(length))
    body = bytearray()
    while more := await reader.read(LARGEST_LINE):
        body += more
        _bound(len(body))
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    for _ in range(MOST_CHUNKS):
        size = (await _line(reader)).partition(";")[0].strip()
        if (
            not size
            or len(size) > len(f"{LARGEST_BODY:x}")
            or not all(each in "0123456789abcdefABCDEF" for each in size)
        ):
            raise Odd(f"sends more than {LARGEST_BODY >> 10} KiB, or what is no answer of HTTP")
        if not int(size, 16):
            return bytes(body)
        _bound(len(body) + int(size, 16))
        body += await reader.readexactly(int(size, 16))
        await _line(reader)
    raise Odd("sends its answer in too many pieces")


def _bound(length: int) -> None:
    if length > LARGEST_BODY:
        raise Odd(f"sends more than {LARGEST_BODY >> 10} KiB")
