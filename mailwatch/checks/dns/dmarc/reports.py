"""Whether reports arrive: a domain that is to have another one's reports must say so (RFC 9990 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.absent import NAME
from mailwatch.checks.dns.dmarc.grammar import is_record
from mailwatch.checks.dns.dmarc.in_force import made
from mailwatch.checks.dns.dmarc.walk import organizational_domain, soon, walk
from mailwatch.checks.dns.names import below, name_of, shown, written
from mailwatch.checks.dns.txt import MOST as MOST_RECORDS
from mailwatch.checks.dns.txt import octets
from mailwatch.finding import WARNING, Finding
from mailwatch.question import ANSWER, NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.checks.dns.dmarc.report_address import ReportAddress
    from mailwatch.checks.dns.dmarc.walk import Discovery, Step
    from mailwatch.question import Answer, Asks

MOST: Final = 10
"""So many domains that reports go to are looked at."""
TTL: Final = 3600


def destinations(record: Record) -> dict[Name, tuple[str, ReportAddress]]:
    """Each domain that reports are to go to, with the tag and the first address in it."""
    found: dict[Name, tuple[str, ReportAddress]] = {}
    for tag, addresses in (("rua", record.rua), ("ruf", record.ruf)):
        for each in addresses:
            if each.trouble is not None or each.host is None or len(found) >= MOST:
                continue
            try:
                found.setdefault(name_of(each.host), (tag, each))
            except ValueError:
                continue
    return found


def permission(policy_domain: Name, host: Name) -> Name | None:
    """Where a domain says that it takes reports about another one; None where there is no room for the name."""
    return below(host, *(label for label in policy_domain.labels if label), "_report", "_dmarc")


async def findings(asks: Asks, found: Discovery, step: Step, record: Record) -> tuple[list[Finding], list[Answer]]:
    """What keeps reports from arriving, and the answers for want of which that is not known."""
    hosts = destinations(record)
    others = [host for host in hosts if host not in (step.domain, found.walk.start)]
    for host in others:
        soon(asks, host)
        asks.soon(host, "MX")
        if (name := permission(step.domain, host)) is not None:
            asks.soon(name, "TXT")
    problems: list[Finding] = []
    unknown: list[Answer] = []
    for host in others:
        told = await _one(asks, found, step, record, host, hosts[host])
        if isinstance(told, Finding):
            problems.append(told)
        elif told is not None:
            unknown.append(told)
    return problems, unknown


async def _one(
    asks: Asks, found: Discovery, step: Step, record: Record, host: Name, place: tuple[str, ReportAddress]
) -> Finding | Answer | None:
    mx = await asks.ask(host, "MX")
    if mx.outcome == UNKNOWN:
        return mx
    tag, address = place
    if await _nowhere(asks, mx):
        return made(
            about, "dmarc-report-unreachable", WARNING,
            f"Reports are to go to {shown(host)} ({tag}=), and no mail can: it has no server for mail.",
            fix="Give an address that takes mail.", reference="RFC 9989 section 4.6", column=address.column,
        )  # fmt: skip
    organization = organizational_domain(await walk(asks, host))
    own = found.organization if not found.inherited else step.domain
    if organization is not None and organization == own:
        return None
    return await _permitted(asks, step, record, host, place)


async def _permitted(
    asks: Asks, step: Step, record: Record, host: Name, place: tuple[str, ReportAddress]
) -> Finding | Answer | None:
    name = permission(step.domain, host)
    if name is not None:
        answer = await asks.ask(name, "TXT")
        if answer.outcome == UNKNOWN:
            return answer
        texts = (octets(each).decode("latin-1") for each in answer.records[:MOST_RECORDS])
        if answer.outcome == ANSWER and any(is_record(each) for each in texts):
            return None
    tag, address = place
    return Finding(
        check=NAME,
        code="dmarc-report-not-authorised",
        verdict=WARNING,
        text=f"Reports are to go to {shown(host)} ({tag}=), which does not say that it takes those about "
        f"{shown(step.domain)}: receivers do not send them.",
        where=f"_dmarc.{shown(step.domain)} TXT, column {address.column}",
        fix=f"{shown(host)} has to publish the line below; or give an address in your own domain.",
        record=record.text.encode("latin-1").decode("ascii", "backslashreplace"),
        publish=f'{written(name)} {TTL} IN TXT "v=DMARC1"' if name is not None else None,
        reference="RFC 9990 section 4",
        ttl=step.answer.ttl,
    )


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
