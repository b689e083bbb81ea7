"""The DNS Tree Walk against a real name server: what is asked, how often, and who a domain belongs to (RFC 9989, 4.10)."""

from __future__ import annotations

import asyncio

import dns.name
import pytest

from mailwatch.checks.dns.dmarc.walk import Discovery, discover
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

ROOT = """
. 300 IN SOA a.root.example. hostmaster.example.com. 1 1800 900 604800 300
com. 300 IN SOA ns.com. hostmaster.example.com. 1 1800 900 604800 300
"""
DEEP = "a.b.c.d.e.f.g.h.i.j.mail.example.com"


def walked(domain: str, records: dict[str, str], faults: dict[str, str] | None = None) -> tuple[Discovery, list[str]]:
    """What is discovered, and the names that the server was asked for."""
    zone = ROOT + "".join(f'_dmarc.{name}. 300 IN TXT "{text}"\n' for name, text in records.items())
    with NameServer(zone, faults=faults or {}) as server:

        async def run() -> Discovery:
            async with Resolver(servers=(server.address,), deadline=4.0) as asks:
                return await discover(asks, dns.name.from_text(domain))

        found = asyncio.run(run())
        return found, [name for name, kind in server.asked if kind == "TXT"]


def name(text: str | None) -> dns.name.Name | None:
    return None if text is None else dns.name.from_text(text)


def test_a_name_of_thirteen_labels_takes_the_eight_questions_that_the_rfc_shows() -> None:
    _, asked = walked(DEEP, {})
    expected = [
        f"_dmarc.{DEEP}",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]
    assert sorted(asked) == sorted(expected)


@pytest.mark.parametrize(("labels", "questions"), [(2, 2), (3, 3), (7, 7), (8, 8), (9, 8), (30, 8), (100, 8)], ids=str)
def test_a_walk_takes_at_most_eight_questions(labels: int, questions: int) -> None:
    domain = ".".join([*(["x"] * (labels - 2)), "example", "com"])
    _, asked = walked(domain, {})
    assert len(asked) == len(set(asked)) == questions


def test_a_name_without_room_for_the_label_before_it_has_no_record_of_its_own() -> None:
    domain = ".".join(["a" * 60] * 4 + ["example"])
    found, asked = walked(domain, {"example": "v=DMARC1; p=reject; psd=n"})
    assert found.step is not None
    assert found.step.domain == name("example")
    assert len(asked) == 4  # all but the first


N, Y, U = "v=DMARC1; p=none; psd=n", "v=DMARC1; p=quarantine; psd=y", "v=DMARC1; p=reject"
CASES = [
    # from the examples and rules of section 4.10.2
    pytest.param("a.mail.example.com", {"mail.example.com": U, "example.com": U}, "example.com", "example.com",
                 id="of several records the one with the fewest labels"),
    pytest.param("a.mail.example.com", {"mail.example.com": N, "example.com": U}, "mail.example.com", "mail.example.com",
                 id="psd=n ends the way, and is the organization"),
    pytest.param("a.mail.example.com", {"com": Y}, "example.com", "com",
                 id="below psd=y is the organization; without a record of its own, the suffix's policy holds"),
    pytest.param("mail.example.com", {"example.com": Y}, "mail.example.com", "example.com",
                 id="psd=y one label above makes the domain its own organization"),
    pytest.param("a.mail.example.com", {"example.com": U, "com": Y}, "example.com", "example.com",
                 id="the organization's own record goes before the suffix's"),
    pytest.param("example.com", {"example.com": Y}, "example.com", "example.com",
                 id="psd=y where the walk begins is the domain itself"),
    pytest.param("example.com", {"example.com": Y, "com": U}, "example.com", "example.com",
                 id="psd=y where the walk begins ends it"),
    pytest.param("a.example.com", {"a.example.com": N, "example.com": U}, "a.example.com", "a.example.com",
                 id="psd=n where the walk begins ends it"),
    pytest.param("a.example.com", {"a.example.com": U, "example.com": U}, "example.com", "a.example.com",
                 id="the domain's own record holds, whoever it belongs to"),
    pytest.param("mail.example.com", {"mail.example.com": U}, "mail.example.com", "mail.example.com",
                 id="nothing above: the domain is its own organization"),
    pytest.param("mail.example.com", {}, "mail.example.com", None,
                 id="no record at all"),
    pytest.param("a.mail.example.com", {"mail.example.com": U, "com": Y}, "example.com", "com",
                 id="a record between domain and organization is not in force"),
    pytest.param("a.mail.example.com", {"com": U}, "com", "com",
                 id="a record of a suffix that forgets psd=y makes it the organization"),
    pytest.param("a.example.com", {"a.example.com": "v=DMARC1; p=reject; psd=maybe", "example.com": U}, "example.com",
                 "a.example.com", id="psd= of another value is none"),
    pytest.param("a.example.com", {"a.example.com": "v=dmarc1; p=reject", "example.com": U}, "example.com", "example.com",
                 id="another version is discarded"),
    pytest.param(DEEP, {"c.d.e.f.g.h.i.j.mail.example.com": N, "example.com": U}, "example.com", "example.com",
                 id="what the jump to seven labels leaves out is not seen"),
    pytest.param(DEEP, {"h.i.j.mail.example.com": Y}, "g.h.i.j.mail.example.com", "h.i.j.mail.example.com",
                 id="one label below psd=y, on a long way"),
    pytest.param(DEEP, {"g.h.i.j.mail.example.com": Y}, "f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com",
                 id="one label below psd=y, in what the jump left out"),
]  # fmt: skip


@pytest.mark.parametrize(("domain", "records", "organization", "in_force"), CASES)
def test_whose_record_is_in_force(
    domain: str, records: dict[str, str], organization: str, in_force: str | None
) -> None:
    found, _ = walked(domain, records)
    assert found.organization == name(organization)
    assert (found.step.domain if found.step is not None else None) == name(in_force)


def test_two_records_are_both_discarded_and_the_way_goes_on() -> None:
    zone = ROOT + "".join(
        f'_dmarc.{where}. 300 IN TXT "{text}"\n'
        for where, text in (("a.example.com", N), ("a.example.com", U), ("example.com", U))
    )
    with NameServer(zone) as server:

        async def run() -> Discovery:
            async with Resolver(servers=(server.address,), deadline=4.0) as asks:
                return await discover(asks, dns.name.from_text("a.example.com"))

        found = asyncio.run(run())
    assert found.step is not None
    assert found.step.domain == name("example.com")


def test_what_cannot_be_asked_for_is_not_taken_for_missing() -> None:
    found, _ = walked("a.example.com", {"example.com": U}, {"_dmarc.a.example.com. TXT": "servfail"})
    assert found.step is None
    assert found.trouble is not None
    assert found.organization is None


def test_the_domains_own_record_holds_whatever_is_silent_above_it() -> None:
    found, _ = walked("a.example.com", {"a.example.com": U}, {"_dmarc.example.com. TXT": "servfail"})
    assert found.trouble is None
    assert found.step is not None
    assert found.step.domain == name("a.example.com")
    assert found.organization is None


def test_what_is_silent_above_the_end_of_the_way_does_not_matter() -> None:
    found, _ = walked("a.example.com", {"a.example.com": N}, {"_dmarc.example.com. TXT": "servfail"})
    assert found.organization == name("a.example.com")
