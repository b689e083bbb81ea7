"""DMARC of the domain: which record is in force, what it says, whether reports arrive and mail from here passes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc import alignment, in_force, passing, reports
from mailwatch.checks.dns.dmarc.absent import misplaced, missing, near_misses, zone_line
from mailwatch.checks.dns.dmarc.in_force import InForce
from mailwatch.checks.dns.dmarc.record import NONE
from mailwatch.checks.dns.dmarc.walk import LABEL, Discovery, Step, discover, soon
from mailwatch.checks.dns.names import below, shown
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.checks.dns.wildcard import answered_by_wildcard, neighbour
from mailwatch.finding import ERROR, NOT_APPLICABLE, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NXDOMAIN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "dmarc"
REGISTERED: Final = 3
"""Labels, with the root: what is shorter belongs to a registry, whose mistakes are not told here."""


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with DMARC of the domain; one finding when nothing is."""
    soon(asks, facts.domain)
    asks.soon(facts.domain, "TXT")
    alignment.ask_soon(asks, facts)
    own = below(facts.domain, LABEL)
    if own is not None and (beside := neighbour(facts, own)) is not None:
        asks.soon(beside, "TXT")
    found = await discover(asks, facts.domain)
    wild = await _wild(asks, facts, found)
    told = [*_several(found), *_near(found, wild)]
    if found.trouble is not None:
        return [*told, _unknown([found.trouble])]
    if found.step is None or found.record is None:
        return told or await _nothing(asks, facts.domain, found)
    if found.step.domain in wild:
        told.append(_wildcard(found.step, found.record))
    about = await _in_force(asks, facts, found, found.step, found.record)
    told += await _about(asks, facts, about)
    if about.policy in (None, NONE) or any(each.verdict in (ERROR, WARNING, UNKNOWN) for each in told):
        return told
    return [in_force.ok(about), *told]


async def _nothing(asks: Asks, domain: Name, found: Discovery) -> list[Finding]:
    """Why there is no record: of a domain that is not there itself, the check of its name servers tells."""
    if (await asks.ask(domain, "TXT")).outcome == NXDOMAIN:
        text = f"{shown(domain)} is not in the DNS, so that there is no DMARC record to look at."
        return [Finding(check=NAME, code="dmarc-no-domain", verdict=NOT_APPLICABLE, text=text)]
    return await misplaced(asks, domain) or [missing(found.walk)]


async def _in_force(asks: Asks, facts: Facts, found: Discovery, step: Step, record: Record) -> InForce:
    """The record, with its policy for the domain: existing subdomains have another one than those that do not exist."""
    exists = True
    if found.inherited:
        exists = (await asks.ask(facts.domain, "TXT")).outcome != NXDOMAIN
    policy = record.policy(subdomain=found.inherited, exists=exists)
    return InForce(found=found, step=step, record=record, policy=policy)


async def _about(asks: Asks, facts: Facts, about: InForce) -> list[Finding]:
    """What is to be said of the record in force."""
    about_reports, unknown = await reports.findings(asks, about)
    aligned, not_known = await passing.findings(asks, facts, about)
    told = [*in_force.findings(about), *about_reports, *aligned]
    if not_known:
        unknown += [each.answer for each in about.found.walk.steps if each.unknown][:1]
    return [*told, _unknown(unknown)] if unknown or not_known else told


async def _wild(asks: Asks, facts: Facts, found: Discovery) -> set[Name]:
    """The domains whose answer a wildcard gave."""
    wild = set()
    for step in found.walk.steps:
        name = below(step.domain, LABEL)
        if step.answer.outcome != ANSWER or name is None or len(step.domain.labels) < REGISTERED:
            continue
        if await answered_by_wildcard(asks, facts, name, "TXT"):
            wild.add(step.domain)
    return wild


def _on_the_way(found: Discovery) -> list[Step]:
    """The steps up to the one whose record is in force; without any, all that are not a registry's."""
    steps = itertools.takewhile(lambda each: found.step is None or each.domain != found.step.domain, found.walk.steps)
    before = [each for each in steps if len(each.domain.labels) >= REGISTERED]
    return before if found.step is None else [*before, found.step]


def _several(found: Discovery) -> list[Finding]:
    return [
        Finding(
            check=NAME,
            code="dmarc-several-records",
            verdict=ERROR,
            text=f"There are {len(step.records)} DMARC records for {shown(step.domain)}: receivers discard them all, "
            "as if there were none.",
            where=f"{LABEL}.{shown(step.domain)} TXT",
            fix="Take out all but one.",
            record=" | ".join(
                each.text.encode("latin-1").decode("ascii", "backslashreplace") for each in step.records[:5]
            ),
            reference="RFC 9989 section 4.10",
            ttl=step.answer.ttl,
        )
        for step in _on_the_way(found)
        if len(step.records) > 1
    ]


def _near(found: Discovery, wild: set[Name]) -> list[Finding]:
    return [each for step in _on_the_way(found) if step.domain not in wild for each in near_misses(step)]


def _wildcard(step: Step, record: Record) -> Finding:
    return Finding(
        check=NAME,
        code="dmarc-wildcard",
        verdict=WARNING,
        text=f"The DMARC record of {shown(step.domain)} comes from a wildcard, which gives it for every name that is "
        "not there: what others look for beside it (keys, policies) is answered wrongly.",
        where=f"{LABEL}.{shown(step.domain)} TXT",
        fix=f"Publish it at {LABEL}.{shown(step.domain)} itself, and take the wildcard out.",
        record=shortened(escaped(record.text.encode("latin-1"))),
        publish=zone_line(step.domain, record.corrected, step.answer.ttl) if record.corrected else None,
        reference="RFC 4592 section 2.2.1",
        ttl=step.answer.ttl,
    )


def _unknown(answers: list[Answer]) -> Finding:
    what = "; ".join(dict.fromkeys(each.trouble or "" for each in answers[:3]))
    return Finding(
        check=NAME,
        code="dmarc-unknown",
        verdict=UNKNOWN,
        text=f"Could not check DMARC to the end ({what or 'a name server did not answer'}).",
        fix="Try again; if it stays so, ask whoever runs the name servers.",
        where=shown(answers[0].name) if answers else "",
        reference="RFC 9989 section 4.10.1",
    )
