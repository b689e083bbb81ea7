"""Records of MTA-STS, TLS-RPT, DANE, CAA and DNSSEC by themselves: columns, what to publish instead, hostile bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from mailwatch.checks.dns.caa import issuer, malformed, meant
from mailwatch.checks.dns.dane import association
from mailwatch.checks.dns.dnssec.keys import OLD, key_tag, signing_keys
from mailwatch.checks.dns.facts import Facts
from mailwatch.checks.dns.versioned import read, versioned
from mailwatch.examination import examine
from mailwatch.finding import UNKNOWN, Finding
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKS = ("mta_sts", "tls_rpt", "dane", "dnssec", "caa")
SOA = "example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 1 1800 900 604800 300\n"


def examined(zone: str, *only: str, faults: Mapping[str, str] | None = None) -> list[Finding]:
    facts = Facts(domain=dns.name.from_text("example.com"), now=1_800_000_000.0, nonce="mailwatch-nonce")

    async def run(server: NameServer) -> dict[str, list[Finding]]:
        async with Resolver((server.address,), 5.0) as asks:
            return await examine(asks, facts, only=only)

    with NameServer(SOA + zone, faults=faults or {}) as server:
        return [each for several in asyncio.run(run(server)).values() for each in several]


def one(zone: str, check: str) -> Finding:
    (found,) = examined(zone, check)
    return found


def tls_rpt(text: str) -> Finding:
    return one(
        f"mail.example.com. A 192.0.2.25\nexample.com. MX 10 mail.example.com.\n_smtp._tls.example.com. TXT {text}\n",
        "tls_rpt",
    )


@pytest.mark.parametrize("check", CHECKS)
def test_where_nobody_answers_a_check_is_unknown_and_nothing_else(check: str) -> None:
    (found,) = examined("", check, faults={"*": "servfail"})
    assert (found.code, found.verdict) == (f"{check.replace('_', '-')}-unknown", UNKNOWN)
    assert "SERVFAIL" in found.text


@pytest.mark.parametrize("check", CHECKS)
def test_a_domain_that_does_not_exist_has_none_of_these(check: str) -> None:
    facts = Facts(domain=dns.name.from_text("gone.example.net"), now=1_800_000_000.0, nonce="mailwatch-nonce")

    async def run(server: NameServer) -> dict[str, list[Finding]]:
        async with Resolver((server.address,), 5.0) as asks:
            return await examine(asks, facts, only=[check])

    with NameServer("net. SOA ns.net. hostmaster.example.com. 1 1800 900 604800 300\n") as server:
        (found,) = asyncio.run(run(server))[check]
    assert found.verdict == "not-applicable"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("v=STSv1; id=1", []),
        ("v=STSv1;id=1;", []),
        ("v=STSv1 ; id=1 ; ", []),
        ("v=STSv1; id=1;; x=y", [15]),
        ("v=STSv1; id", [10]),
        ("v=STSv1;\tid=1; -a=b", [16]),
        ("v=STSv1; =1; =2", [10, 14]),
    ],
)
def test_mistakes_have_their_columns(text: str, mistakes: list[int]) -> None:
    assert mistakes == [each.column for each in read(text)[1]]


def test_a_field_has_the_column_of_its_name_and_of_its_value() -> None:
    (field,), _ = read("v=TLSRPTv1;  rua=mailto:tls@example.com")
    assert (field.name, field.value, field.column, field.at) == ("rua", "mailto:tls@example.com", 14, 18)


def test_what_only_looks_like_a_record_is_told_apart_from_what_is_none() -> None:
    texts = ["v=STSv1; id=1", " v=STSv1; id=1", '"v=STSv1; id=1"', "v=stsv1;id=1", "v=STSv1", "v=spf1 -all", ""]
    exact, near = versioned(texts, "v=STSv1")
    assert exact == texts[:1]
    assert near == texts[1:5]


def test_a_wrong_address_is_shown_with_its_column_and_the_record_to_publish() -> None:
    found = tls_rpt('"v=TLSRPTv1; rua=mailto:tls@example.com, tls@example.com"')
    assert found.where == "_smtp._tls.example.com TXT, column 41"
    assert "meant mailto:tls@example.com?" in found.text
    assert found.publish == '_smtp._tls.example.com. 300 IN TXT "v=TLSRPTv1; rua=mailto:tls@example.com"'


@pytest.mark.parametrize(
    ("rua", "publish"),
    [
        ("http://reports.example.com/v1", "https://reports.example.com/v1"),
        ("tls@example.com,mailto:b@example.com", "mailto:tls@example.com,mailto:b@example.com"),
        ("none", None),
    ],
)
def test_what_an_address_was_meant_to_be_is_proposed(rua: str, publish: str | None) -> None:
    found = tls_rpt(f'"v=TLSRPTv1; rua={rua}"')
    line = publish and f'_smtp._tls.example.com. 300 IN TXT "v=TLSRPTv1; rua={publish}"'
    assert (found.code, found.publish) == ("tls-rpt-bad-address", line)


def test_addresses_after_a_semicolon_are_proposed_where_they_belong() -> None:
    found = tls_rpt('"v=TLSRPTv1; rua=mailto:a@example.com; mailto:b@example.com"')
    assert (
        found.publish
        == '_smtp._tls.example.com. 300 IN TXT "v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com"'
    )


def test_several_records_are_united_in_the_one_to_publish() -> None:
    found = tls_rpt(
        '"v=TLSRPTv1; rua=mailto:a@example.com"\n_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:b@example.com"'
    )
    assert found.code == "tls-rpt-several-records"
    assert (
        found.publish
        == '_smtp._tls.example.com. 300 IN TXT "v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com"'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("letsencrypt.org", "letsencrypt.org"),
        (" LetsEncrypt.org ; validationmethods=dns-01", "letsencrypt.org"),
        (";", ""),
        ("", ""),
        ("letsencrypt.org;", "letsencrypt.org"),
        ("https://letsencrypt.org", None),
        ("letsencrypt", None),
        ("letsencrypt.org.", None),
        ("-a.example", None),
        ("ca.example; =x", None),
        ("ca.example; a=b c; d", None),
    ],
)
def test_an_authority_is_named_by_its_domain(value: str, expected: str | None) -> None:
    assert (malformed(value) is None) is (expected is not None)
    assert issuer(value) == (expected or "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://letsencrypt.org/", "letsencrypt.org"),
        ('"letsencrypt.org"', "letsencrypt.org"),
        ("letsencrypt.org.", "letsencrypt.org"),
        ("Let's Encrypt", "letsencrypt.org"),
        ("Some Authority", None),
    ],
)
def test_what_was_meant_is_proposed_where_it_can_be_told(value: str, expected: str | None) -> None:
    assert meant(value) == expected


def test_the_record_to_publish_escapes_what_a_zone_file_would_not_take() -> None:
    found = one(r'example.com. CAA 1 issue "ca.example; a=\"b\\\200"' + "\n", "caa")
    assert found.publish == r'example.com. 300 IN CAA 0 issue "ca.example; a=\"b\\\200"'


def test_a_tlsa_record_that_is_cut_short_has_numbers_that_mean_nothing() -> None:
    record = dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, b"\x03")
    assert (association(record).usage, association(record).selector) == (3, 255)


def test_the_tag_of_a_key_is_the_one_of_ldns() -> None:
    text = "257 3 13 wZ5c54M6wBgCMOO//UjZYSVSSFsdRiB4Xsr7L05NrmSgN+ItxI1kYnLjvQc7++BlVFiGvtTLLrrxSfYy7YeXNw=="
    (key,) = signing_keys([dns.rdata.from_text("IN", "DNSKEY", text)])
    assert key_tag(key) == 26389
    assert key.algorithm not in OLD


KINDS = {"TXT": 16, "TLSA": 52, "CAA": 257, "DS": 43, "DNSKEY": 48, "NSEC3PARAM": 51}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(some.tuples(some.sampled_from(sorted(KINDS)), some.binary(min_size=1, max_size=60)), max_size=6))
def test_whatever_the_records_a_check_ends_and_says_it_in_plain_text(given_records: list[tuple[str, bytes]]) -> None:
    names = {"TXT": ("_mta-sts.example.com.", "_smtp._tls.example.com."), "TLSA": ("_25._tcp.example.com.",)}
    begins = {"_mta-sts.example.com.": b"v=STSv1;", "_smtp._tls.example.com.": b"v=TLSRPTv1;"}
    zone = "example.com. A 192.0.2.80\n"
    for kind, octets in given_records:
        for name in names.get(kind, ("example.com.",)):
            data = begins.get(name, b"") + octets
            data = bytes([len(data)]) + data if kind == "TXT" else data
            zone += f"{name} {kind} \\# {len(data)} {data.hex()}\n"
    for each in examined(zone, *CHECKS):
        assert not each.code.endswith("-not-checked"), each
        said = [each.text, each.where, each.fix, each.record or "", (each.publish or "").replace("\n", "")]
        assert all(text.isascii() and text.isprintable() for text in said), each


@pytest.mark.parametrize("at", ["real", "alias"])
def test_tlsa_of_a_mail_host_that_is_an_alias_is_found_at_either_name(at: str) -> None:
    zone = f"""\
example.com. MX 10 alias.example.com.
alias.example.com. CNAME real.example.com.
real.example.com. A 192.0.2.25
_25._tcp.{at}.example.com. TLSA 3 1 1 {"ab" * 32}
"""
    (found,) = examined(zone, "dane", faults={".": "secure", "example.com.": "secure"})
    assert found.code == "dane-ok"


def test_a_signed_host_under_a_domain_that_is_not_is_well_and_the_rest_is_said() -> None:
    zone = f"example.com. MX 10 mx.example.net.\nmx.example.net. A 192.0.2.25\n_25._tcp.mx.example.net. TLSA 3 1 1 {'ab' * 32}\n"
    (found,) = examined(zone, "dane", faults={".": "secure", "example.net.": "secure"})
    assert found.code == "dane-ok"
    assert "example.com itself is not signed" in found.text


def test_a_domain_that_takes_no_mail_needs_no_dane() -> None:
    (found,) = examined("example.com. MX 0 .\n", "dane")
    assert (found.code, found.verdict) == ("dane-absent", "not-applicable")
    assert "takes no mail" in found.text


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ('_mta-sts.example.com. TXT "v=STSv1; id=1"\n', "it has MTA-STS,"),
        (f"_25._tcp.mail.example.com. TLSA 3 1 1 {'ab' * 32}\n", "it has DANE,"),
        ("", "which is optional."),
    ],
)
def test_that_there_are_no_reports_is_said_with_what_may_fail_unseen(zone: str, said: str) -> None:
    found = one(f"example.com. MX 10 mail.example.com.\nmail.example.com. A 192.0.2.25\n{zone}", "tls_rpt")
    assert found.code == "tls-rpt-absent"
    assert said in found.text


@pytest.mark.parametrize(("faults", "code"), [({}, "dane-unknown"), ({".": "secure"}, "dane-unsigned")])
def test_hosts_in_the_same_case_are_told_of_together(faults: dict[str, str], code: str) -> None:
    zone = "".join(
        f"example.com. MX 10 mx{number}.example.com.\nmx{number}.example.com. A 192.0.2.{number}\n"
        f"_25._tcp.mx{number}.example.com. TLSA 3 1 1 {'ab' * 32}\n"
        for number in (1, 2, 3)
    )
    (found,) = examined(zone, "dane", faults=faults)
    assert found.code == code
    assert "mx1.example.com, mx2.example.com, mx3.example.com" in found.text
