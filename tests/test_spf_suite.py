"""SPF answers what RFC 7208 says: its test suite, over a real name server, by UDP and by TCP."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from mailwatch.checks.dns.spf.evaluate import check_host
from mailwatch.resolver import Resolver
from tests.parts import spf_suite
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.spf.verdict import Verdict
    from tests.parts.spf_suite import Case

CASES = spf_suite.cases()
SCENARIOS = spf_suite.scenarios()


def test_the_suite_is_there_whole() -> None:
    assert spf_suite.is_there(), spf_suite.MISSING
    assert len(CASES) == 203


@pytest.fixture(scope="module", params=range(len(SCENARIOS)))
def scenario(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def by_udp(scenario: int) -> Iterator[NameServer]:
    dead = dict.fromkeys(SCENARIOS[scenario].dead, "servfail")
    with NameServer(SCENARIOS[scenario].zone, faults=dead) as server:
        yield server


@pytest.fixture(scope="module")
def by_tcp(scenario: int) -> Iterator[NameServer]:
    dead = dict.fromkeys(SCENARIOS[scenario].dead, "silent")
    with NameServer(SCENARIOS[scenario].zone, faults={"*": "truncated-udp", **dead}) as server:
        yield server


def answered(case: Case, server: NameServer, deadline: float) -> Verdict:
    async def ask() -> Verdict:
        async with Resolver(servers=(server.address,), deadline=deadline) as asks:
            return await check_host(asks, ip_address(case.address), None, case.sender, case.helo, now=1.0)

    return asyncio.run(ask())


def wrong(case: Case, verdict: Verdict) -> str | None:
    if verdict.result not in case.results:
        return f"{case.name}: {verdict.result} instead of {' or '.join(case.results)}: {verdict.why}"
    if case.explanation is not None and verdict.explanation != case.explanation:
        return f"{case.name}: says {verdict.explanation!r} instead of {case.explanation!r}"
    return None


def test_every_case_of_a_scenario_by_udp(scenario: int, by_udp: NameServer) -> None:
    cases = [case for case in CASES if case.scenario == scenario]
    assert cases
    assert [wrong(case, answered(case, by_udp, 20)) for case in cases] == [None] * len(cases)
    assert {each.how for each in by_udp.questions if (each.name, each.kind) in served(by_udp)} == {"udp"}


def test_every_case_of_a_scenario_by_tcp_where_the_dead_are_silent(scenario: int, by_tcp: NameServer) -> None:
    cases = [case for case in CASES if case.scenario == scenario]
    assert cases
    deadline = 2.5 if SCENARIOS[scenario].dead else 20
    assert [wrong(case, answered(case, by_tcp, deadline)) for case in cases] == [None] * len(cases)
    asked = {(each.name, each.kind) for each in by_tcp.questions}
    assert asked & served(by_tcp) == {
        (each.name, each.kind) for each in by_tcp.questions if each.how == "tcp"
    } & served(by_tcp)


def served(server: NameServer) -> set[tuple[str, str]]:
    """What was asked and is not dead."""
    return {(name, kind) for name, kind in server.asked if (f"{name}.", kind) not in server._faults}
