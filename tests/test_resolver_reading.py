"""What an answer says is taken for the name that was asked about, and for nothing else."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN, UNKNOWN
from mailwatch.resolver.message import extended, failure, not_about_validation, said, shown
from mailwatch.resolver.reading import Step, read

ASKED = dns.name.from_text("www.example.com")
SOA = "IN SOA ns.example.com. host.example.com. 1 2 3 4 60"
SIGNED = "8 3 300 {} 20200101000000 1 example.com. AAAA"


def step(
    answer: str = "", authority: str = "", *, code: str = "NOERROR", flags: str = "QR RD RA", zone: str = ""
) -> Step:
    head = f"id 1\nopcode QUERY\nrcode {code}\nflags {flags}\n;QUESTION\nwww.example.com. IN TXT"
    sections = [head, ";ANSWER", answer, ";AUTHORITY", authority]
    message = dns.message.from_text("\n".join(filter(None, sections)) + "\n")
    return read(message, ASKED, dns.rdatatype.TXT, dns.name.from_text(zone) if zone else None)


def test_records_of_other_names_and_kinds_are_not_taken() -> None:
    found = step(
        'other.example.com. 300 IN TXT "no"\nwww.example.com. 300 IN A 192.0.2.1\nwww.example.com. 300 CH TXT "no"'
    )
    assert (found.outcome, found.records) == (NO_DATA, ())


@pytest.mark.parametrize(
    ("soa", "ttl", "zone"),
    [
        (f"example.com. 3600 {SOA}", 60, "example.com."),
        (f"example.com. 30 {SOA}", 30, "example.com."),
        (f"example.org. 30 {SOA}", None, None),
        ("", None, None),
    ],
    ids=["its minimum is less", "its own TTL is less", "of another zone", "none"],
)
@pytest.mark.parametrize(("code", "outcome"), [("NXDOMAIN", NXDOMAIN), ("NOERROR", NO_DATA)])
def test_what_is_not_there_is_remembered_as_the_zone_says(
    soa: str, ttl: int | None, zone: str | None, code: str, outcome: str
) -> None:
    found = step(authority=soa, code=code)
    assert (found.outcome, found.ttl) == (outcome, ttl)
    assert (None if found.zone is None else str(found.zone)) == zone


def test_an_alias_alone_is_followed_unless_the_zone_of_its_target_says_that_there_is_nothing() -> None:
    alias = "www.example.com. 300 IN CNAME web.example.org."
    assert step(alias).goes_on
    assert step(alias, f"example.com. 300 {SOA}").goes_on
    ended = step(alias, f"example.org. 300 {SOA}")
    assert (ended.goes_on, ended.outcome, ended.ttl, str(ended.canonical)) == (False, NO_DATA, 60, "web.example.org.")
    assert step(alias, code="NXDOMAIN").outcome == NXDOMAIN


def test_of_an_alias_that_leaves_the_zone_its_servers_say_nothing() -> None:
    answer = 'www.example.com. 300 IN CNAME web.example.org.\nweb.example.org. 300 IN TXT "no"'
    assert step(answer).outcome == ANSWER
    found = step(answer, zone="example.com")
    assert (found.goes_on, found.records, str(found.canonical)) == (True, (), "web.example.org.")
    assert step("www.example.com. 300 IN CNAME web.example.org.", code="NXDOMAIN", zone="example.com").goes_on


def test_a_referral_is_no_answer() -> None:
    referral = "example.com. 300 IN NS ns.example.com."
    assert step(authority=referral).outcome == UNKNOWN
    assert step(authority=referral, flags="QR AA").outcome == NO_DATA
    assert step(authority=f"{referral}\nexample.com. 300 {SOA}").outcome == NO_DATA


def test_a_ttl_beyond_all_bounds_is_none() -> None:
    assert step(f'www.example.com. {2**31 - 1} IN TXT "x"').ttl == 2**31 - 1
    message = bytearray(
        dns.message.from_text(
            "id 1\nflags QR\n;QUESTION\nwww.example.com. IN TXT\n;ANSWER\nwww.example.com. 5 IN TXT x"
        ).to_wire()
    )
    at = message.rindex(b"\0\0\0\x05")
    message[at] = 0x80
    assert read(dns.message.from_wire(bytes(message)), ASKED, dns.rdatatype.TXT).ttl == 0


def test_signatures_are_those_of_the_chain() -> None:
    early, late = SIGNED.format("20290101000000"), SIGNED.format("20300101000000")
    records = 'www.example.com. 300 IN CNAME web.example.com.\nweb.example.com. 300 IN TXT "x"\n'
    found = step(f"{records}www.example.com. 300 IN RRSIG CNAME {early}\nweb.example.com. 300 IN RRSIG TXT {late}")
    assert (found.signed, found.signed_until) == (True, 1861920000)
    assert not step(f"{records}www.example.com. 300 IN RRSIG CNAME {early}").signed
    assert not step(f"{records}web.example.com. 300 IN RRSIG MX {early}").signed
    assert not step(f"{records}other.example.com. 300 IN RRSIG TXT {early}").signed
    assert step(authority=f"example.com. 300 {SOA}\nexample.com. 300 IN RRSIG SOA {late}").signed


def test_a_servers_own_words_are_escaped_and_bounded() -> None:
    message = dns.message.make_response(dns.message.make_query("example.com", "TXT", use_edns=0))
    message.set_rcode(dns.rcode.SERVFAIL)
    words = dns.edns.EDEOption(dns.edns.EDECode.NO_REACHABLE_AUTHORITY, "\x1b[31m\n" + "x" * 500)
    message.use_edns(0, options=[words, *[dns.edns.EDEOption(dns.edns.EDECode(49152), "y")] * 50])
    text = failure(dns.message.from_wire(message.to_wire()))
    assert text.startswith(r"SERVFAIL (no reachable authority: \x1b[31m\nxxx")
    assert text.isprintable()
    assert len(text) < 500
    assert len(extended(message)) == 51
    assert not_about_validation(message)


def test_names_and_texts_are_shown_escaped() -> None:
    assert said(dns.name.Name([b"a\x1b\n.b", b"\xff" * 60, b""])) == r"a\027\010\.b." + r"\255" * 60
    assert len(said(dns.name.Name([b"\xff" * 60] * 4 + [b""]))) == 260
    assert shown("\u202e\x00é" * 500) == (r"\u202e\x00\xe9" * 30)[:120]
