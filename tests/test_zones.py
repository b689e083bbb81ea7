"""Broken zones, each a healthy one with a few lines changed: the right finding, and only it, of all checks together."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.name
import pytest

from mailwatch.checks.dns import DNS
from mailwatch.checks.dns.facts import Facts, Selector, SendingAddress, Stated
from mailwatch.examination import examine
from mailwatch.finding import NOT_APPLICABLE, OK, Finding
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

ZONES = Path(__file__).parent / "zones"
HEALTHY = [line for file in sorted(ZONES.glob("*.zone")) for line in file.read_text().splitlines() if line]
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['says']}")
    for file in sorted(ZONES.glob("*.toml"))
    for case in tomllib.loads(file.read_text())["case"]
]
NOW = 1_800_000_000.0
DEADLINE = 6.0


def owner(line: str) -> tuple[str, str]:
    """The name and the type that a line is about."""
    name, _, _, kind, _ = line.split(maxsplit=4)
    return name.lower(), kind.upper()


def changed(lines: list[str], remove: list[str], zone: str) -> str:
    """The zone without what is removed, and with what is there instead."""
    new = [line for line in zone.splitlines() if line.strip()]
    gone = {owner(line) for line in new} | {(name.lower(), kind.upper()) for name, kind in map(str.split, remove)}
    kept = [line for line in lines if owner(line) not in gone and (owner(line)[0], "*") not in gone]
    return "\n".join([*kept, *new, ""])


def facts_of(given: dict[str, Any]) -> Facts:
    """The facts of the healthy host, with those of a case instead."""
    relay = given.get("relay")
    selectors = given.get("selectors", ["s1"])
    return Facts(
        domain=dns.name.from_text(given.get("domain", "example.com")),
        now=NOW,
        nonce="mailwatch-nonce",
        addresses=tuple(
            SendingAddress(address=ip_address(each), origin="--ip", guessed=given.get("guessed", False))
            for each in given.get("ip", [] if relay else ["192.0.2.25", "2001:db8::25"])
        ),
        helo=Stated(text=helo, origin="--helo") if (helo := given.get("helo", "mail.example.com")) else None,
        mail_from=Stated(text=given.get("mail_from", "user@example.com"), origin="--mail-from"),
        relay=Stated(text=relay, origin="--relay") if relay else None,
        direct=given.get("direct", not relay),
        senders=tuple(Stated(text=each, origin="the log") for each in given.get("senders", [])),
        selectors=tuple(Selector(selector=each, domain="example.com", origin="--selector") for each in selectors),
    )


def findings(case: dict[str, Any]) -> list[Finding]:
    """What all checks find in the zone of a case; ``second`` is what the second name server has instead."""
    zone = changed(HEALTHY, case.get("remove", []), case.get("zone", ""))
    second = changed(zone.splitlines(), [], case.get("second", ""))
    with NameServer(zone, faults=case.get("faults", {})) as server:
        port = server.address[1]
        with NameServer(second, host="127.0.0.2", port=port, faults=case.get("second_faults", {})):
            return asyncio.run(examined(port, facts_of(case.get("facts", {}))))


async def examined(port: int, facts: Facts) -> list[Finding]:
    async with Resolver(servers=(("127.0.0.1", port),), deadline=DEADLINE, authoritative_port=port) as asks:
        found = await examine(asks, facts)
    assert list(found) == list(DNS)
    assert all(found.values()), "a check without a finding"
    return [each for several in found.values() for each in several]


def bad(found: list[Finding]) -> list[Finding]:
    return [each for each in found if each.verdict not in (OK, NOT_APPLICABLE)]


def test_the_healthy_zone_has_nothing_to_find() -> None:
    found = findings({})
    assert bad(found) == []
    assert sum(each.verdict == OK for each in found) >= 5 or len(DNS) < 5


@pytest.mark.parametrize("case", CASES)
def test_a_broken_zone_has_the_right_finding_and_only_it(case: dict[str, Any]) -> None:
    found = bad(findings(case))
    assert Counter(each.code for each in found) == Counter(case["finds"]), "\n".join(map(str, found))
    for code, words in case.get("says_to", {}).items():
        assert any(words in each.fix for each in found if each.code == code), "\n".join(map(str, found))
    assert {each.code: each.reference for each in found if each.code in case.get("refers", {})} == case.get(
        "refers", {}
    )
    for each in found:
        assert each.text.endswith((".", "?")), each.text
        assert each.code.startswith(each.check.replace("_", "-") + "-"), each.code
        assert each.text, each.code
