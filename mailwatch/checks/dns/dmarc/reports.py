"""Whether reports arrive: a domain that is to have another one's reports must say so.

RFC 9990 section 4 for aggregate reports (rua), RFC 9991 section 5 for those of single failures (ruf).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.grammar import is_record
from mailwatch.checks.dns.dmarc.in_force import at_column, made
from mailwatch.checks.dns.dmarc.walk import organizational_domain, soon, walk
from mailwatch.checks.dns.names import below, name_of, shown, written
from mailwatch.checks.dns.txt import MOST as MOST_RECORDS
from mailwatch.checks.dns.txt import octets
from mailwatch.finding import WARNING, Finding
from mailwatch.question import ANSWER, NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.in_force import InForce
    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.question import Answer, Asks

MOST: Final = 10
"""So many domains that reports go to are looked at."""
TTL: Final = 3600
SECTION: Final = {"rua": "RFC 9990 section 4", "ruf": "RFC 9991 section 5"}


def destinations(record: Record) -> dict[Name, tuple[str, int]]:
    """Each domain that reports are to go to, with the tag and the column of the first address in it."""
    found: dict[Name, tuple[str, int]] = {}
    for tag, addresses in (("rua", record.rua), ("ruf", record.ruf)):
        for each in addresses:
            if each.trouble is not None or each.host is None or len(found) >= MOST:
                continue
            try:
                found.setdefault(name_of(each.host), (tag, each.column))
            except ValueError:
                continue
    return found


def permission(policy_domain: Name, host: Name) -> Name | None:
    """Where a domain says that it takes reports about another one; None where there is no room for the name."""
    return below(host, *(label for label in policy_domain.labels if label), "_report", "_dmarc")


async def findings(asks: Asks, about: InForce) -> tuple[list[Finding], list[Answer]]:
    """What keeps reports from arriving, and the answers for want of which that is not known."""
    places = destinations(about.record)
    others = [host for host in places if host not in (about.step.domain, about.start)]
    for host in others:
        soon(asks, host)
        asks.soon(host, "MX")
        if (name := permission(about.step.domain, host)) is not None:
            asks.soon(name, "TXT")
    problems: list[Finding] = []
    unknown: list[Answer] = []
    for host in others:
        tag, column = places[host]
        told = await _one(asks, about, host, tag)
        if isinstance(told, Finding):
            problems.append(at_column(told, column))
        elif told is not None:
            unknown.append(told)
    return problems, unknown


async def _one(asks: Asks, about: InForce, host: Name, tag: str) -> Finding | Answer | None:
    mx = await asks.ask(host, "MX")
    if mx.outcome == UNKNOWN:
        return mx
    if await _nowhere(asks, mx):
        return made(
            about,
            "dmarc-report-unreachable",
            WARNING,
            f"Reports are to go to {shown(host)} ({tag}=), and no mail can: it has no server for mail.",
            fix="Give an address that takes mail.",
            reference="RFC 9989 section 4.6",
        )
    organization = organizational_domain(await walk(asks, host))
    if organization is not None and organization == about.organization:
        return None
    return await _permitted(asks, about, host, tag)


async def _permitted(asks: Asks, about: InForce, host: Name, tag: str) -> Finding | Answer | None:
    domain = about.step.domain
    name = permission(domain, host)
    if name is not None:
        answer = await asks.ask(name, "TXT")
        if answer.outcome == UNKNOWN:
            return answer
        texts = (octets(each).decode("latin-1") for each in answer.records[:MOST_RECORDS])
        if answer.outcome == ANSWER and any(is_record(each) for each in texts):
            return None
    found = made(
        about,
        "dmarc-report-not-authorised",
        WARNING,
        f"Reports are to go to {shown(host)} ({tag}=), which does not say that it takes those about {shown(domain)}: "
        "receivers do not send them.",
        fix=f"{shown(host)} has to publish the line below; or give an address in your own domain.",
        reference=SECTION[tag],
    )
    return replace(found, publish=None if name is None else f'{written(name)} {TTL} IN TXT "v=DMARC1"')


async def _nowhere(asks: Asks, mx: Answer) -> bool:
    """Whether a domain cannot take mail: it is not there, says so (RFC 7505), or has neither MX nor address."""
    if mx.outcome == ANSWER:
        return all(written(getattr(each, "exchange", mx.name)) == "." for each in mx.records)
    if mx.outcome == NXDOMAIN:
        return True
    asks.soon(mx.name, "AAAA")
    for kind in ("A", "AAAA"):
        answer = await asks.ask(mx.name, kind)
        if answer.outcome in (ANSWER, UNKNOWN):
            return False
    return True
