"""MTA-STS as senders see it: policies from a real web server with TLS, and by themselves."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as some

from mailwatch.checks.dns.facts import Facts
from mailwatch.checks.dns.mta_sts.policy import matches, read_policy
from mailwatch.examination import examine
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.resolver import Resolver
from tests.parts.certificates import Authority
from tests.parts.https_server import HttpsServer
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from pathlib import Path

HOST = "mta-sts.example.com"
PATH = "/.well-known/mta-sts.txt"
URL = f"https://{HOST}{PATH}"
NOW = 1_800_000_000.0
RECORD = '_mta-sts.example.com. 300 IN TXT "v=STSv1; id=20260101T000000"\n'
MX = """\
example.com. 300 IN MX 10 mail.example.com.
example.com. 300 IN MX 20 mx2.example.com.
"""
WEB = f"{HOST}. 300 IN A 127.0.0.1\n"
MONTH = "max_age: 2592000\n"
BOTH = "mx: mail.example.com\nmx: mx2.example.com\n"
GOOD = f"version: STSv1\nmode: enforce\n{MONTH}{BOTH}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("policy", san=f"DNS:{HOST}")


def page(body: str | bytes, *, status: str = "200 OK", kind: str = "text/plain", more: str = "") -> bytes:
    octets = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(octets)}\r\n\r\n"
    return head.encode() + octets


def examined(
    answer: bytes | None,
    authority: Authority,
    certificate: tuple[Path, Path],
    *,
    zone: str = RECORD + MX + WEB,
    faults: dict[str, str] | None = None,
    deadline: float = 10.0,
) -> list[Finding]:
    """What is found where the web server sends this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trusted = ssl.create_default_context(cafile=str(authority.ca))
    facts = Facts(domain=dns.name.from_text("example.com"), now=NOW, nonce="mailwatch-nonce")

    async def run(server: NameServer, web: HttpsServer) -> list[Finding]:
        resolver = Resolver((server.address,), deadline, https_port=web.port, ssl_context=trusted)
        async with resolver as asks:
            return (await examine(asks, facts, only=("mta_sts",)))["mta_sts"]

    with NameServer(zone, faults=faults or {}) as server, HttpsServer(context, {PATH: answer}) as web:
        return asyncio.run(run(server, web))


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.code.removeprefix("mta-sts-"), each.verdict) for each in found]


POLICIES = {
    "a good policy": (page(GOOD), [("ok", OK)]),
    "with CRLF, and blanks at the ends of lines": (page(GOOD.replace("\n", " \r\n")), [("ok", OK)]),
    "without an end of its last line": (page(GOOD.rstrip()), [("ok", OK)]),
    "with a field of its own": (page(GOOD + "example-field: x\n"), [("ok", OK)]),
    "with a charset": (page(GOOD, kind="Text/Plain; charset=utf-8"), [("ok", OK)]),
    "testing": (page(GOOD.replace("enforce", "testing")), [("ok", OK)]),
    "none, without hosts": (page("version: STSv1\nmode: none\nmax_age: 86400\n"), [("ok", OK)]),
    "a pattern for all hosts": (page(f"version: STSv1\nmode: enforce\n{MONTH}mx: *.example.com\n"), [("ok", OK)]),
    "names in capitals": (page(GOOD.replace("mail.example", "MAIL.Example")), [("ok", OK)]),
    "a host that is left out, enforced": (
        page(GOOD.replace("mx: mx2.example.com\n", "")), [("mx-not-covered", ERROR)]),
    "a host that is left out, tested": (
        page(GOOD.replace("mx: mx2.example.com\n", "").replace("enforce", "testing")), [("mx-not-covered", WARNING)]),
    "a wildcard stands for one label, not for none or two": (
        page(f"version: STSv1\nmode: enforce\n{MONTH}mx: *.mail.example.com\nmx: *.com\n"),
        [("mx-not-covered", ERROR), ("unused-pattern", WARNING)]),
    "a pattern of a host that is gone": (page(GOOD + "mx: old.example.com\n"), [("unused-pattern", WARNING)]),
    "remembered for an hour": (page(GOOD.replace("2592000", "3600")), [("short-max-age", WARNING)]),
    "remembered for too long": (page(GOOD.replace("2592000", "31557601")), [("malformed-policy", WARNING)]),
    "an age in words": (page(GOOD.replace("2592000", "1 month")), [("malformed-policy", WARNING)]),
    "no age": (page(GOOD.replace(MONTH, "")), [("malformed-policy", WARNING)]),
    "no version": (page(GOOD.replace("version: STSv1\n", "")), [("malformed-policy", WARNING)]),
    "another version": (page(GOOD.replace("STSv1", "STSv2")), [("malformed-policy", WARNING)]),
    "no hosts": (page(GOOD.replace(BOTH, "")), [("malformed-policy", WARNING)]),
    "an unknown mode": (page(GOOD.replace("enforce", "Enforce")), [("malformed-policy", WARNING)]),
    "a mark that text editors put first": (page(b"\xef\xbb\xbf" + GOOD.encode()), [("malformed-policy", WARNING)]),
    "an empty line": (page(GOOD.replace("mode", "\nmode")), [("malformed-policy", WARNING)]),
    "a mode twice": (page(GOOD + "mode: testing\n"), [("malformed-policy", WARNING)]),
    "a host with a dot at its end": (
        page(GOOD + "mx: mx3.example.com.\n"), [("malformed-policy", WARNING)]),
    "an equals sign instead of a colon": (
        page(GOOD.replace("max_age: ", "max_age=")), [("malformed-policy", WARNING)] * 2),
    "served as HTML": (page(GOOD, kind="text/html"), [("content-type", WARNING)]),
    "served without a type": (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD.encode()), [("content-type", WARNING)]),
    "not found": (page("no", status="404 Not Found"), [("no-policy", WARNING)]),
    "an error of the server": (page("no", status="503 Busy"), [("no-policy", WARNING)]),
    "moved": (
        page("", status="301 Moved Permanently", more=f"Location: https://{HOST}/policy.txt\r\n"), [("redirect", WARNING)]),
    "huge": (page(GOOD + "x: y\n" * 20_000), [("too-large", WARNING)]),
    "no answer of HTTP": (b"220 mail.example.com ESMTP\r\n", [("unknown", UNKNOWN)]),
    "ended before it is whole": (page(GOOD)[:-20], [("unknown", UNKNOWN)]),
    "empty": (page(""), [("malformed-policy", WARNING)] * 4),
}  # fmt: skip


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_is_told_as_senders_see_it(case: str, authority: Authority, certificate: tuple[Path, Path]) -> None:
    answer, expected = POLICIES[case]
    assert expected == told(examined(answer, authority, certificate))


def test_a_silent_web_server_is_unknown(authority: Authority, certificate: tuple[Path, Path]) -> None:
    (found,) = examined(None, authority, certificate, deadline=1.0)
    assert (found.code, found.verdict) == ("mta-sts-unknown", UNKNOWN)
    assert "in time" in found.text


@pytest.mark.parametrize(
    ("san", "days"), [("DNS:www.example.com", 2), (f"DNS:{HOST}", -1)], ids=["another name", "expired"]
)
def test_a_certificate_that_is_not_good_keeps_senders_away(san: str, days: int, authority: Authority) -> None:
    (found,) = examined(page(GOOD), authority, authority.sign("bad", san=san, days=days))
    assert (found.code, found.verdict) == ("mta-sts-certificate", WARNING)
    assert ("expired" if days < 0 else "mismatch") in found.text


def test_an_authority_that_nobody_knows_keeps_senders_away(authority: Authority, tmp_path: Path) -> None:
    (found,) = examined(page(GOOD), authority, Authority.make(tmp_path).sign("own", san=f"DNS:{HOST}"))
    assert (found.code, found.verdict) == ("mta-sts-certificate", WARNING)


def test_a_policy_that_no_record_tells_of_is_not_seen(authority: Authority, certificate: tuple[Path, Path]) -> None:
    (found,) = examined(page(GOOD), authority, certificate, zone=MX + WEB)
    assert (found.code, found.verdict) == ("mta-sts-no-record", WARNING)
    assert found.publish == '_mta-sts.example.com. 300 IN TXT "v=STSv1; id=20270115080000"'


def test_any_web_page_is_no_policy_where_no_record_tells_of_one(
    authority: Authority, certificate: tuple[Path, Path]
) -> None:
    for answer in (page("<html>", kind="text/html"), page("", status="404 Not Found"), None):
        (found,) = examined(answer, authority, certificate, zone=MX + WEB, deadline=1.0)
        assert (found.code, found.verdict) == ("mta-sts-absent", NOT_APPLICABLE)


def test_mail_hosts_that_nobody_can_tell_are_unknown(authority: Authority, certificate: tuple[Path, Path]) -> None:
    found = examined(page(GOOD), authority, certificate, faults={"example.com. MX": "servfail"})
    assert told(found) == [("unknown", UNKNOWN)]


def test_without_mx_the_domain_itself_is_to_be_named(authority: Authority, certificate: tuple[Path, Path]) -> None:
    zone = f"{RECORD}{WEB}example.com. 300 IN A 192.0.2.25\n"
    policy = f"version: STSv1\nmode: enforce\n{MONTH}mx: example.com\n"
    assert told(examined(page(policy), authority, certificate, zone=zone)) == [("ok", OK)]


def test_what_keeps_mail_away_is_named_with_the_lines_to_add(
    authority: Authority, certificate: tuple[Path, Path]
) -> None:
    (found,) = examined(page(GOOD.replace("mx: mx2.example.com\n", "")), authority, certificate)
    assert "mx2.example.com" in found.text
    assert '"mx: mx2.example.com"' in found.fix
    assert found.where == URL


def test_a_mistake_is_told_with_its_line() -> None:
    (slip,) = read_policy(GOOD.replace("2592000", "a month").encode()).slips
    assert (slip.line, slip.text) == (3, 'max_age is "a month", not a number of seconds')


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.mail.example.com", False),
        ("example.com", "mail.example.com", False),
    ],
)
def test_a_pattern_stands_for(pattern: str, host: str, expected: bool) -> None:
    assert matches(pattern, host) is expected


@given(some.binary(max_size=300))
def test_whatever_the_bytes_a_policy_is_read_and_told_in_plain_text(body: bytes) -> None:
    for each in (body, b"version: STSv1\nmode: enforce\nmax_age: " + body, GOOD.encode() + b"mx: " + body):
        policy = read_policy(each)
        assert all(slip.text.isprintable() and slip.text.isascii() for slip in policy.slips)
        assert all(pattern.isascii() and pattern.isprintable() for pattern in policy.patterns)
