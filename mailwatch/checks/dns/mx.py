"""Where mail to the domain goes: bounces and replies come back there, and receivers look whether they could.

RFC 5321 section 5.1, RFC 7505 (null MX), RFC 2181 section 10.3 (no alias behind an MX).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from dns.rdtypes.ANY.MX import MX

from mailwatch.checks.dns.addresses import Host, host_of, is_public, reason, soon_host
from mailwatch.checks.dns.names import is_local, shown, stated_name, written
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NXDOMAIN
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "mx"
IPV4: Final = 4
MOST: Final = 20
"""So many records are followed; senders try fewer."""
LOCATING: Final = "RFC 5321 section 5.1"
NO_ALIAS: Final = "RFC 2181 section 10.3"


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with the MX of the domain, and of the domain that bounces go to, if it is another one."""
    bounces = stated_name(facts.mail_from)
    domains = [facts.domain] + ([bounces] if bounces is not None and bounces != facts.domain else [])
    for domain in domains:
        asks.soon(domain, "MX")
        soon_host(asks, domain)
    for domain in domains:
        for record in _records(await asks.ask(domain, "MX")):
            if record.exchange.labels[0]:
                soon_host(asks, record.exchange)
    found = [finding for domain in domains for finding in await _of(asks, facts, domain)]
    bad = [each for each in found if each.verdict != OK]
    return bad or found[:1]


async def _of(asks: Asks, facts: Facts, domain: Name) -> list[Finding]:
    answer = await asks.ask(domain, "MX")
    if answer.outcome == NOBODY_KNOWS:
        return [_unknown(domain, domain, reason(answer))]
    if answer.outcome == NXDOMAIN:
        return [_not_there(domain, is_checked=domain == facts.domain)]
    records = _records(answer)
    if answer.outcome != ANSWER or not records:
        return [await _implicit(asks, facts, domain, answer)]
    exchanges = list(dict.fromkeys(record.exchange for record in records))
    null = [each for each in exchanges if not each.labels[0]]
    if null:
        return [_null(domain, answer, beside=len(exchanges) > 1)]
    found: list[Finding] = []
    usable = 0
    for each in exchanges:
        bad = _as_name(domain, each, answer) or _as_host(domain, await host_of(asks, each), answer)
        found += bad
        usable += all(one.verdict in (WARNING, UNKNOWN) for one in bad)
    hosts = [await host_of(asks, each) for each in exchanges]
    if usable and not any(host.trouble or any(each.version == IPV4 for each in host.addresses) for host in hosts):
        told = f"No server in the MX of {shown(domain)} has an IPv4 address: many senders have no IPv6, and their mail "
        told += "and bounces do not get there."
        found.append(_about(domain, "mx-ipv6-only", WARNING, told, "Give one of them an IPv4 address too.", answer))
    if found:
        return [_lighter(each) if usable and each.verdict == ERROR else each for each in found]
    listed = ", ".join(map(shown, exchanges))
    has = "has a public address" if len(exchanges) == 1 else "have public addresses"
    return [_finding(domain, "mx-ok", OK, f"Mail to {shown(domain)} goes to {listed}, which {has}.")]


def _records(answer: Answer) -> list[MX]:
    """Those that are followed: the most preferred first."""
    return sorted((each for each in answer.records if isinstance(each, MX)), key=_preference)[:MOST]


def _preference(record: MX) -> tuple[int, Name]:
    return record.preference, record.exchange


def _lighter(finding: Finding) -> Finding:
    """Another server is left: mail is delayed, not lost."""
    return replace(finding, verdict=WARNING, text=f"{finding.text} The domain's other servers still take it.")


def _as_name(domain: Name, exchange: Name, answer: Answer) -> list[Finding]:
    """What is wrong with a target before anything is asked about it."""
    text = ".".join(label.decode("ascii", "replace") for label in exchange.labels if label)
    if _is_address(text.strip("[]")):
        told = f"The MX of {shown(domain)} names the address {shown(exchange)}: it must be a name, and mail is lost."
        return [_about(domain, "mx-address", ERROR, told, "Name a host there, and give that host the address.", answer)]
    if is_local(exchange):
        told = f"The MX of {shown(domain)} names {shown(exchange)}, which others do not know, or know as themselves."
        return [_about(domain, "mx-local", ERROR, told, "Name a host there that others can look up.", answer)]
    return []


def _as_host(domain: Name, host: Host, answer: Answer) -> list[Finding]:
    """What is wrong with a target as it stands in the DNS."""
    name = shown(host.name)
    if not host.addresses and host.trouble:
        return [_unknown(domain, host.name, host.trouble)]
    if not host.addresses:
        there = "has no address" if host.exists else "is not in the DNS"
        told = f"The MX of {shown(domain)} names {name}, which {there}: mail to the domain does not get there."
        fix = "Publish its address, or take it out of the MX."
        return [_about(domain, "mx-unresolved", ERROR, told, fix, answer)]
    found = []
    if host.aliases:
        told = (
            f"The MX of {shown(domain)} names {name}, an alias (CNAME) of {shown(host.aliases[-1])}: "
            "some senders do not follow it, and others send mail round in circles."
        )
        fix = f"Name {shown(host.aliases[-1])} in the MX itself."
        found.append(_about(domain, "mx-alias", WARNING, told, fix, answer, reference=NO_ALIAS))
    hidden = [each for each in host.addresses if not is_public(each)]
    if hidden:
        told = (
            f"The MX of {shown(domain)} names {name}, whose address {hidden[0]} nobody outside its network can reach: "
            "mail to the domain is lost, or waits."
        )
        verdict = WARNING if len(hidden) < len(host.addresses) else ERROR
        found.append(_about(domain, "mx-private", verdict, told, "Publish the address that others can reach.", answer))
    return found


async def _implicit(asks: Asks, facts: Facts, domain: Name, answer: Answer) -> Finding:
    """No MX: then mail goes to the address of the domain itself, if it has one."""
    host = await host_of(asks, domain)
    if not host.addresses and host.trouble:
        return _unknown(domain, domain, host.trouble)
    target = stated_name(facts.helo) or domain
    publish = f"{written(domain)} 3600 IN MX 10 {written(target)}"
    fix = "Publish an MX that names the host which takes mail to the domain."
    if host.addresses:
        code, verdict = "mx-implicit", WARNING
        told = f"{shown(domain)} has no MX, so that mail goes to its own address, {host.addresses[0]}: "
        told += "some receivers refuse mail from a domain without MX."
    else:
        code, verdict = "mx-missing", ERROR
        told = f"{shown(domain)} has neither MX nor address: bounces and replies cannot be delivered, "
        told += "and many receivers refuse mail from such a domain."
    return replace(_about(domain, code, verdict, told, fix, answer), publish=publish, record=None)


def _null(domain: Name, answer: Answer, *, beside: bool) -> Finding:
    """The domain says that it takes no mail."""
    if beside:
        told = f"{shown(domain)} says that it takes no mail (null MX), and names servers that do: it must not do both."
        fix, section = "Take out the MX that names '.', or all others.", "RFC 7505 section 3"
        return _about(domain, "mx-null-beside", ERROR, told, fix, answer, reference=section)
    told = f"{shown(domain)} says that it takes no mail (null MX): bounces are lost, and receivers refuse mail from it."
    fix = "Publish an MX that names a host which takes mail, if the domain sends mail."
    return _about(domain, "mx-null", ERROR, told, fix, answer, reference="RFC 7505 section 4.2")


def _not_there(domain: Name, *, is_checked: bool) -> Finding:
    if is_checked:
        told = f"{shown(domain)} is not in the DNS, so that there is no MX to look at."
        return _finding(domain, "mx-no-domain", NOT_APPLICABLE, told)
    told = f"{shown(domain)}, the domain that bounces go to, is not in the DNS: receivers refuse mail from it."
    return replace(
        _finding(domain, "mx-missing", ERROR, told), fix="Register the domain, or set another sender (MAIL FROM)."
    )


def _unknown(domain: Name, asked: Name, trouble: str) -> Finding:
    told = f"Where mail to {shown(domain)} goes could not be checked: {shown(asked)}: {trouble}."
    fix = "Run this again later; if it stays so, ask whoever runs those name servers."
    return replace(_finding(domain, "mx-unknown", UNKNOWN, told), fix=fix)


def _finding(domain: Name, code: str, verdict: str, text: str) -> Finding:
    return Finding(check=NAME, code=code, verdict=verdict, text=text, where=f"{shown(domain)} MX", reference=LOCATING)


def _about(
    domain: Name, code: str, verdict: str, text: str, fix: str, answer: Answer, *, reference: str = LOCATING
) -> Finding:
    """A finding about the records that are there."""
    records = [each for each in answer.records if isinstance(each, MX)][:MOST]
    lines = [f"{written(domain)} IN MX {each.preference} {written(each.exchange)}" for each in records]
    return replace(
        _finding(domain, code, verdict, text),
        fix=fix,
        record="\n".join(lines) or None,
        reference=reference,
        ttl=answer.ttl,
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
