"""A page is got by HTTPS from the host of its URL alone: checked, bounded, no redirect followed, by its own deadline."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch.question import Page
from mailwatch.resolver import Resolver
from tests.parts.certificates import Authority
from tests.parts.https_server import HttpsServer
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = """
mta-sts.example.com. 300 IN A 127.0.0.1
other.example.com. 300 IN A 127.0.0.1
six.example.com. 300 IN AAAA ::1
six.example.com. 300 IN A 127.0.0.1
closed.example.com. 300 IN A 127.0.0.2
text.example.com. 300 IN TXT "no address"
"""
HOST = "mta-sts.example.com"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
POLICY = b"version: STSv1\r\nmode: enforce\r\n"
FULL = 64 * 1024
ANSWERS = {
    "/policy": HEAD + b"Content-Length: 31\r\n\r\n" + POLICY,
    "/until-the-end": HEAD + b"\r\n" + POLICY,
    "/in-chunks": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nversi\r\n1A\r\non: STSv1\r\nmode: enforce\r\n\r\n0\r\n\r\n",
    "/after-continue": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 31\r\n\r\n" + POLICY,
    "/bare?a=b": b"HTTP/1.0 200 OK\n\n" + POLICY,
    "/full": HEAD + b"\r\n" + b"x" * FULL,
    "/moved": b"HTTP/1.1 301 Moved\r\nLocation: https://other.example.com/policy\r\nContent-Length: 0\r\n\r\n",
    "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    "/odd-type": b"HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[31mplain\r\nContent-Length: 0\r\n\r\n",
    "/long": HEAD + b"\r\n" + b"x" * (FULL + 1),
    "/long-by-its-length": HEAD + b"Content-Length: 65537\r\n\r\nx",
    "/long-in-chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + b"x" * 0x8000 + b"\r\n8001\r\n",
    "/no-chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
    "/short": HEAD + b"Content-Length: 500\r\n\r\nless",
    "/nothing": b"",
    "/no-http": b"220 mail.example.com ESMTP\r\n",
    "/endless-line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "/many-headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "/silent": None,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def web(authority: Authority) -> Iterator[HttpsServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", san=f"DNS:{HOST},DNS:six.example.com"))
    with HttpsServer(context, ANSWERS) as made:
        yield made


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer(ZONE, faults={"broken.example.com": "servfail"}) as made:
        yield made


def get(url: str, web: HttpsServer, names: NameServer, ca: Authority | None, *, deadline: float = 10.0) -> Page:
    context = ssl.create_default_context(cafile=None if ca is None else str(ca.ca))

    async def run() -> Page:
        async with Resolver([names.address], deadline, https_port=web.port, ssl_context=context) as asks:
            asks.directly("127.0.0.1")
            return await asks.page(url)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/policy", 200, "text/plain", POLICY),
        ("/until-the-end", 200, "text/plain", POLICY),
        ("/in-chunks", 200, "text/plain", POLICY),
        ("/after-continue", 200, "text/plain", POLICY),
        ("/bare?a=b", 200, "", POLICY),
        ("/full", 200, "text/plain", b"x" * FULL),
        ("/moved", 301, "", b""),
        ("/missing", 404, "", b"none"),
        ("/odd-type", 200, "text/\\x1b[31mplain", b""),
    ],
)
def test_a_page_is_what_the_server_sends(
    path: str, status: int, content_type: str, body: bytes, web: HttpsServer, names: NameServer, authority: Authority
) -> None:
    web.requests.clear()
    url = f"https://{HOST}{path}"
    assert get(url, web, names, authority) == Page(url=url, status=status, content_type=content_type, body=body)
    (request,) = web.requests
    assert request.startswith(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n")


TOO_MUCH, NO_HTTP = "sends more than 64 KiB", "sent what is no answer of HTTP"


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("/long", TOO_MUCH),
        ("/long-by-its-length", TOO_MUCH),
        ("/long-in-chunks", TOO_MUCH),
        ("/no-chunks", "sends more than 64 KiB, or what is no answer of HTTP"),
        ("/short", "ended the connection before its answer was whole"),
        ("/nothing", "ended the connection before its answer was whole"),
        ("/no-http", NO_HTTP),
        ("/endless-line", f"{NO_HTTP}: a line that does not end"),
        ("/many-headers", f"{NO_HTTP}: too many headers"),
    ],
)
def test_what_is_no_page_says_why(
    path: str, trouble: str, web: HttpsServer, names: NameServer, authority: Authority
) -> None:
    url = f"https://{HOST}{path}"
    assert get(url, web, names, authority) == Page(url=url, trouble=f"{HOST} (127.0.0.1) {trouble}")


def test_a_silent_server_is_waited_for_until_the_deadline(
    web: HttpsServer, names: NameServer, authority: Authority
) -> None:
    begun = time.monotonic()
    page = get(f"https://{HOST}/silent", web, names, authority, deadline=0.7)
    assert time.monotonic() - begun < 4
    assert (page.status, page.trouble) == (None, f"{HOST} (127.0.0.1) did not answer in time")


def test_a_certificate_for_another_name_is_untrusted_and_nothing_is_sent(
    web: HttpsServer, names: NameServer, authority: Authority
) -> None:
    web.requests.clear()
    page = get("https://other.example.com/policy", web, names, authority)
    assert (page.status, page.untrusted) == (None, True)
    assert page.trouble is not None
    assert page.trouble.startswith("the certificate of other.example.com is not good for it: Hostname mismatch")
    assert not any(web.requests)


def test_a_certificate_of_an_unknown_authority_is_untrusted(web: HttpsServer, names: NameServer) -> None:
    page = get(f"https://{HOST}/policy", web, names, None)
    assert page.untrusted
    assert "the certificate" in (page.trouble or "")


def test_every_address_of_the_host_is_tried(web: HttpsServer, names: NameServer, authority: Authority) -> None:
    assert get("https://six.example.com/policy", web, names, authority).body == POLICY


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("https://gone.example.com/", "there is no gone.example.com in the DNS"),
        ("https://text.example.com/", "text.example.com has no address"),
        ("https://broken.example.com/", "no answer about A of broken.example.com: 127.0.0.1 answered SERVFAIL"),
        ("https://closed.example.com/", "closed.example.com (127.0.0.2) cannot be reached: Connection refused"),
        ("http://mta-sts.example.com/", "not an HTTPS URL: http://mta-sts.example.com/"),
        ("https://127.0.0.1/", "only a host by its name, on port 443, is asked: https://127.0.0.1/"),
        ("https://[::1]/", "only a host by its name, on port 443, is asked: https://[::1]/"),
        ("https://2130706433/", "only a host by its name, on port 443, is asked: https://2130706433/"),
        ("https://mta-sts.example.com:25/", "only a host by its name, on port 443, is asked: https://mta-sts.example.com:25/"),
        ("https://me@mta-sts.example.com/", "only a host by its name, on port 443, is asked: https://me@mta-sts.example.com/"),
        ("https://a..b/", "only a host by its name, on port 443, is asked: https://a..b/"),
        ("https://[x/", "not a URL: https://[x/"),
        ("https://mta-sts.example.com/\r\nX: y", "not a URL: https://mta-sts.example.com/\\r\\nX: y"),
        ("", "not an HTTPS URL: "),
        (f"https://{'a' * 64}.example.com/", f"only a host by its name, on port 443, is asked: https://{'a' * 64}.example.com/"),
    ],
)  # fmt: skip
def test_a_url_that_leads_nowhere_says_why(
    url: str, trouble: str, web: HttpsServer, names: NameServer, authority: Authority
) -> None:
    web.requests.clear()
    assert get(url, web, names, authority) == Page(url=url, trouble=trouble)
    assert not any(web.requests)


def test_a_page_is_got_once(web: HttpsServer, names: NameServer, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    url = f"https://{HOST}/policy"

    async def run() -> list[Page]:
        async with Resolver([names.address], 10, https_port=web.port, ssl_context=context) as asks:
            return [*await asyncio.gather(asks.page(url), asks.page(url)), await asks.directly("127.0.0.1").page(url)]

    web.requests.clear()
    assert [page.status for page in asyncio.run(run())] == [200, 200, 200]
    assert len(web.requests) == 1
