"""Zones that are really signed, asked about by a resolver that really validates (unbound), and by one that does not."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dns.name
import pytest

from mailwatch.checks.dns.facts import Facts
from mailwatch.examination import examine
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.resolver import Resolver
from tests.parts.signed_zone import NONE, WRONG, SignedZones, Zone

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "example.com."
MAIL = """\
example.com. 300 IN MX 10 mail.example.com.
example.com. 300 IN TXT "v=spf1 mx -all"
mail.example.com. 300 IN A 192.0.2.25
"""
TLSA = f"_25._tcp.mail.example.com. 300 IN TLSA 3 1 1 {'ab' * 32}\n"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


async def examined(zones: SignedZones) -> dict[str, list[Finding]]:
    facts = Facts(domain=dns.name.from_text(DOMAIN), now=time.time(), nonce="mailwatch-nonce")
    async with Resolver(servers=(zones.address,), deadline=20.0) as asks:
        return await examine(asks, facts, only=("dnssec", "dane"))


def found(folder: Path, zone: Zone, *, validates: bool = True, **others: Zone) -> dict[str, list[tuple[str, str]]]:
    """The codes and verdicts of both checks."""
    there = {DOMAIN: zone, **{f"{name}.example.": each for name, each in others.items()}}
    with SignedZones(folder, there, validates=validates) as zones:
        return {
            name: [(each.code, each.verdict) for each in several]
            for name, several in asyncio.run(examined(zones)).items()
        }


ABSENT = ("dane-absent", NOT_APPLICABLE)
CASES = {
    "signed, with a DS that fits": (Zone(lines=MAIL), ("dnssec-ok", OK), ABSENT),
    "signed by RSA": (Zone(lines=MAIL, algorithm="RSASHA256"), ("dnssec-ok", OK), ABSENT),
    "not signed": (Zone(lines=MAIL, signed=False, ds=NONE), ("dnssec-absent", NOT_APPLICABLE), ABSENT),
    "signed, without a DS": (Zone(lines=MAIL, ds=NONE), ("dnssec-no-ds", WARNING), ABSENT),
    "a DS of another key": (Zone(lines=MAIL, ds=WRONG), ("dnssec-ds-mismatch", ERROR), ("dane-unknown", UNKNOWN)),
    "a DS, and not signed": (Zone(lines=MAIL, signed=False), ("dnssec-no-keys", ERROR), ("dane-unknown", UNKNOWN)),
    "signatures ended yesterday": (
        Zone(lines=MAIL, since=NOW - 30 * DAY, until=NOW - DAY), ("dnssec-expired", ERROR), ("dane-unknown", UNKNOWN),
    ),
    "signatures begin tomorrow": (
        Zone(lines=MAIL, since=NOW + DAY, until=NOW + 30 * DAY), ("dnssec-not-yet-valid", ERROR), ("dane-unknown", UNKNOWN),
    ),
    "signatures end in two days of thirty": (
        Zone(lines=MAIL, since=NOW - 28 * DAY, until=NOW + 2 * DAY), ("dnssec-expires-soon", WARNING), ABSENT,
    ),
    "signatures for two days, the first of which is over": (
        Zone(lines=MAIL, since=NOW - DAY, until=NOW + DAY), ("dnssec-ok", OK), ABSENT,
    ),
    "signed, with TLSA": (Zone(lines=MAIL + TLSA), ("dnssec-ok", OK), ("dane-ok", OK)),
    "not signed, with TLSA": (
        Zone(lines=MAIL + TLSA, signed=False, ds=NONE), ("dnssec-absent", NOT_APPLICABLE), ("dane-unsigned", WARNING),
    ),
    "signed without a DS, with TLSA": (
        Zone(lines=MAIL + TLSA, ds=NONE), ("dnssec-no-ds", WARNING), ("dane-unsigned", WARNING),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_resolver_that_validates_tells(case: str, tmp_path: Path) -> None:
    zone, dnssec, dane = CASES[case]
    assert {"dnssec": [dnssec], "dane": [dane]} == found(tmp_path, zone)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param(Zone(lines=MAIL + TLSA), ("dnssec-unknown", UNKNOWN), id="signed: unknown"),
        pytest.param(Zone(lines=MAIL + TLSA, signed=False, ds=NONE), ("dnssec-absent", NOT_APPLICABLE), id="unsigned"),
        pytest.param(Zone(lines=MAIL + TLSA, ds=WRONG), ("dnssec-ds-mismatch", ERROR), id="a DS of another key"),
        pytest.param(
            Zone(lines=MAIL + TLSA, since=NOW - 30 * DAY, until=NOW - DAY), ("dnssec-expired", ERROR), id="expired"
        ),
    ],
)
def test_without_a_word_of_the_resolver_tlsa_is_unknown_and_what_can_be_seen_is_told(
    zone: Zone, expected: tuple[str, str], tmp_path: Path
) -> None:
    assert {"dnssec": [expected], "dane": [("dane-unknown", UNKNOWN)]} == found(tmp_path, zone, validates=False)


def test_a_mail_host_in_another_zone_is_judged_by_its_own(tmp_path: Path) -> None:
    ours = Zone(lines="example.com. 300 IN MX 10 mx.provider.example.\n", signed=False, ds=NONE)
    theirs = Zone(lines=(MAIL + TLSA).replace("mail.example.com.", "mx.provider.example.").split("\n", 2)[2])
    expected = {"dnssec": [("dnssec-absent", NOT_APPLICABLE)], "dane": [("dane-ok", OK)]}
    assert expected == found(tmp_path, ours, provider=theirs)


def test_tlsa_by_an_alias_into_a_zone_that_is_not_signed_is_ignored(tmp_path: Path) -> None:
    ours = Zone(lines=f"{MAIL}_25._tcp.mail.example.com. 300 IN CNAME tlsa.provider.example.\n")
    theirs = Zone(lines=f"tlsa.provider.example. 300 IN TLSA 3 1 1 {'ab' * 32}\n", signed=False, ds=NONE)
    assert found(tmp_path, ours, provider=theirs)["dane"] == [("dane-unsigned", WARNING)]


def test_the_ds_that_is_proposed_is_the_one_that_ldns_makes(tmp_path: Path) -> None:
    zone = Zone(lines=MAIL, ds=NONE)
    with SignedZones(tmp_path, {DOMAIN: zone}) as zones:
        (proposed,) = asyncio.run(examined(zones))["dnssec"]
    (made,) = tmp_path.glob("Kexample.com.*.ds")
    _, _, _, *fields = made.read_text().split()
    assert proposed.publish is not None
    assert fields == proposed.publish.lower().split()[4:]


def test_no_resolver_is_left_running(tmp_path: Path) -> None:
    with SignedZones(tmp_path, {DOMAIN: Zone(lines=MAIL)}) as zones:
        process = zones.process
        assert process.poll() is None
    assert process.poll() is not None
