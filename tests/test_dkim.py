"""DKIM keys: what is wrong with a record, and what this host knows of the key it signs with."""

from __future__ import annotations

import asyncio
import string
from base64 import b64encode
from typing import TYPE_CHECKING

import dns.name
import pytest
from dns.rdataclass import IN
from dns.rdatatype import TXT as A_TEXT
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.dkim.check import check
from mailwatch.checks.dns.dkim.grammar import key_record
from mailwatch.checks.dns.dkim.judged import judged
from mailwatch.checks.dns.dkim.published import Published
from mailwatch.checks.dns.dkim.usual import USUAL
from mailwatch.checks.dns.facts import Facts, Selector
from mailwatch.question import ANSWER, Answer
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.test_dkim_key import private, public, rsa

if TYPE_CHECKING:
    from mailwatch.finding import Finding

VISIBLE = set(string.printable) - set("\t\n\r\x0b\x0c")
SOA = "example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 1 1800 900 604800 300\n"
GOOD = b64encode(public(rsa(2048))).decode()
NAME = "s1._domainkey.example.com."


def strings(text: str) -> str:
    return " ".join(f'"{text[begin : begin + 255]}"' for begin in range(0, len(text), 255))


def checked(zone: str, *selectors: Selector) -> tuple[list[Finding], list[tuple[str, str]]]:
    """What is found, and what the server was asked."""
    facts = Facts(domain=dns.name.from_text("example.com"), now=0.0, nonce="mailwatch-nonce", selectors=selectors)
    with NameServer(SOA + zone) as server:

        async def run() -> list[Finding]:
            async with Resolver(servers=(server.address,), deadline=4.0) as asks:
                return await check(asks, facts)

        return asyncio.run(run()), server.asked


def selector(public_key: bytes | None = None, name: str = "s1", domain: str = "example.com") -> Selector:
    return Selector(selector=name, domain=domain, origin="opendkim.conf", public_key=public_key)


def test_the_key_that_signs_here_is_the_one_that_is_published() -> None:
    found, _ = checked(f"{NAME} 300 IN TXT {strings('v=DKIM1; p=' + GOOD)}", selector(public(rsa(2048))))
    assert [each.code for each in found] == ["dkim-ok"]
    assert "s1 (rsa, 2048 bits)" in found[0].text


def test_a_key_that_is_not_the_one_that_signs_is_an_error_and_the_right_line_is_given() -> None:
    other = public(rsa(1536))
    (found,), _ = checked(f"{NAME} 300 IN TXT {strings('v=DKIM1; p=' + GOOD)}", selector(other))
    assert (found.code, found.verdict) == ("dkim-key-differs", "error")
    assert found.publish == f"{NAME} 300 IN TXT {strings('v=DKIM1; k=rsa; p=' + b64encode(other).decode())}"


def test_the_line_of_a_missing_key_is_given_where_the_key_is_known() -> None:
    der = public(private("-algorithm", "ed25519"))
    (found,), _ = checked("", selector(der))
    assert found.code == "dkim-missing"
    assert found.publish == f'{NAME} 3600 IN TXT "v=DKIM1; k=ed25519; p={b64encode(der[-32:]).decode()}"'


def test_a_published_line_can_be_published_and_is_right_then() -> None:
    der = public(rsa(2048))
    (missing,), _ = checked("", selector(der))
    assert missing.publish is not None
    found, _ = checked(missing.publish, selector(der))
    assert [each.code for each in found] == ["dkim-ok"]


def test_without_a_selector_all_usual_ones_are_asked_for_and_nothing_is_concluded_from_finding_none() -> None:
    (found,), asked = checked("")
    assert (found.code, found.verdict) == ("dkim-selector-unknown", "unknown")
    assert "--selector" in found.fix
    assert {f"{each}._domainkey.example.com" for each in USUAL} <= {name for name, _ in asked}
    assert len(set(USUAL)) == len(USUAL)


def test_a_key_found_by_a_guess_is_said_to_be_a_guess() -> None:
    (found,), _ = checked(f"google._domainkey.example.com. 300 IN TXT {strings('v=DKIM1; p=' + GOOD)}")
    assert found.code == "dkim-ok"
    assert "guessing" in found.text


def test_a_key_that_a_wildcard_gives_for_every_guess_is_not_believed() -> None:
    (found,), _ = checked(f"*._domainkey.example.com. 300 IN TXT {strings('v=DKIM1; p=' + GOOD)}")
    assert found.code == "dkim-selector-unknown"


def test_a_key_that_a_guess_finds_broken_is_no_error() -> None:
    (found,), _ = checked('google._domainkey.example.com. 300 IN TXT "v=DKIM1; p=AAAA"')
    assert (found.code, found.verdict) == ("dkim-key-unreadable", "warning")


def test_selectors_of_several_domains_are_each_looked_at_in_their_own() -> None:
    zone = f"{NAME} 300 IN TXT {strings('v=DKIM1; p=' + GOOD)}"
    found, _ = checked(zone, selector(), selector(domain="other.example", name="x.y"))
    assert [(each.code, each.where) for each in found] == [("dkim-missing", "x.y._domainkey.other.example TXT")]


def test_a_selector_that_can_be_no_name_is_told() -> None:
    (found,), _ = checked("", selector(name="a" * 70))
    assert (found.code, found.verdict) == ("dkim-selector-invalid", "unknown")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"v=DKIM1; k=rsa; p={GOOD}", []),
        (f"v=DKIM1;k=rsa;h=sha256;s=email;n=a note;t=s;p={GOOD};", [(41, "dkim-strict")]),
        (f"v=DKIM1; k=rsa; h=sha1:sha256; s=*; p={GOOD}", []),
        (f"k=rsa; v=DKIM1; p={GOOD}", [(8, "dkim-version")]),
        (f"v=DKIM1; t=s:y; p={GOOD}", [(10, "dkim-testing")]),
        (f"v=DKIM1; h=sha1; s=other; g=; p={GOOD}",
         [(10, "dkim-hash"), (18, "dkim-not-for-mail"), (27, "dkim-granularity")]),
        ("v=DKIM1; p=!!!", [(12, "dkim-key-unreadable")]),
        ("v=DKIM1; p=AAAAA", [(12, "dkim-key-unreadable")]),
        (f"v=DKIM1; p={GOOD[:-40]}", [(12, "dkim-key-unreadable")]),
        (f"v=DKIM1; kk=rsa; p={GOOD}", [(10, "dkim-unknown-tag")]),
        (f"v=DKIM1; ; p={GOOD}", [(10, "dkim-syntax")]),
        (f"v=DKIM1; rsa; p={GOOD}", [(10, "dkim-syntax")]),
        ("v=DKIM1; k=rsa", [(1, "dkim-no-key")]),
    ],
)  # fmt: skip
def test_each_problem_of_a_record_has_its_column(text: str, places: list[tuple[int, str]]) -> None:
    assert [(each.column, each.code) for each in key_record(text).problems] == places


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1\\; k=rsa\\; p={GOOD}",
        f'v=DKIM1; k=rsa; p={GOOD[:100]}" "{GOOD[100:]}',
        f"v=DKIM1; k=rsa; t=y; p={GOOD}",
        f"v=DKIM1; k=rsa;; h=sha1; p={GOOD}",
        f"v=DKIM1; k=rsa; kk=1; p={GOOD}; p={GOOD}",
        f"k=rsa; v=DKIM1; p={GOOD}",
    ],
)
def test_a_record_is_put_right_where_that_can_be_told(text: str) -> None:
    corrected = key_record(text).corrected
    assert corrected is not None
    assert corrected.startswith("v=DKIM1; k=rsa; ")
    assert key_record(corrected).key == key_record(f"v=DKIM1; p={GOOD}").key


PIECES = st.sampled_from([b"v=DKIM1", b";", b" ", b"p=", b"k=", b"rsa", b"ed25519", b"MIIB", b"=", b"\x00", b"\xff", b"t=y",
                          b"h=", b"sha1", b"\\;", b'"', b"g=", b"A" * 60])  # fmt: skip
RAW = st.binary(max_size=100) | st.lists(PIECES, max_size=40).map(b"".join)


@given(st.lists(RAW, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_no_bytes_raise_and_no_control_character_reaches_a_person(
    raws: list[bytes], guess: bool, wildcard: bool
) -> None:
    domain, name = dns.name.from_text("example.com"), dns.name.from_text(NAME)
    records = tuple(
        TXT(IN, A_TEXT, [raw[begin : begin + 255] for begin in range(0, max(1, len(raw)), 255)]) for raw in raws
    )
    texts = [raw.decode("latin-1") for raw in raws]
    found = Published(
        name=name,
        domain=domain,
        selector=selector(public_key=raws[0]),
        answer=Answer(name=name, kind="TXT", outcome=ANSWER, records=records),
        keys=tuple(key_record(text) for text in texts),
        strays=tuple(texts),
        guess=guess,
        wildcard=wildcard,
    )
    for each in judged(found):
        for text in (each.text, each.where, each.fix, each.record or "", each.publish or ""):
            assert set(text) <= VISIBLE
        assert not guess or each.verdict != "error"


@given(RAW)
def test_a_record_put_right_has_nothing_wrong_left(raw: bytes) -> None:
    corrected = key_record(f"v=DKIM1; p={GOOD}; {raw.decode('latin-1')}").corrected
    if corrected is not None:
        assert all(each.verdict == "not-applicable" for each in key_record(corrected).problems)
