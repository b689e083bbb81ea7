"""The domain is there, its name servers answer and agree, and this host sees what they say.

What a receiver reads is what the domain's own servers answer. Where they differ from each other, or from what this
host's resolver remembers, a change has not arrived everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dns.name import Name
from dns.rdtypes.ANY.TXT import TXT

from mailwatch.checks.dns.addresses import Host, reason
from mailwatch.checks.dns.apex import Server, hosts_of, servers_of, zone_of
from mailwatch.checks.dns.names import below, shown, written
from mailwatch.checks.dns.spf.selection import is_spf
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NXDOMAIN, Answer
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

NAME: Final = "delegation"
KINDS: Final = ("TXT", "MX")
LEAP: Final = 100_000_000
"""Three years of serials that are seconds, and more of those that are dates."""
SHOWN: Final = 600
"""So many characters of records are shown, where two answers differ."""
SECTION: Final = "RFC 1034 section 4.1"
WILDCARDS: Final = "RFC 4592 section 2.1.1"


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with the domain's servers, or that all is well with them."""
    domain = facts.domain
    beside = below(domain, facts.nonce)
    for kind in KINDS:
        asks.soon(domain, kind)
        if beside is not None:
            asks.soon(beside, kind)
    zone = await zone_of(asks, domain)
    local = [await asks.ask(domain, kind) for kind in KINDS]
    if any(each.outcome == NXDOMAIN for each in local):
        return [_no_domain(domain)]
    if isinstance(zone, Answer):
        return [_unknown(domain, [reason(zone)])]
    delegated = await asks.ask(zone, "NS")
    if delegated.outcome == NOBODY_KNOWS:
        return [_unknown(domain, [reason(delegated)])]
    if delegated.outcome != ANSWER:
        return [_no_servers(zone)]
    hosts = await hosts_of(asks, delegated)
    servers = await servers_of(asks, hosts, zone, domain)
    covering = [await asks.ask(beside, kind) for kind in KINDS] if beside is not None else []
    found = [*_of_hosts(zone, hosts, delegated), *_of_servers(zone, domain, servers)]
    found += [*_local(domain, servers, local), *_wildcards(domain, covering)]
    troubles = [host.trouble for host in hosts if host.trouble and not host.addresses]
    troubles += [reason(each) for each in (*local, *covering) if each.outcome == NOBODY_KNOWS]
    troubles += _silent(servers)
    found += [_unknown(domain, troubles)] if troubles else []
    if any(each.verdict not in (OK, NOT_APPLICABLE) for each in found):
        return found
    return [_ok(zone, servers), *found]


def _silent(servers: list[Server]) -> list[str]:
    """Why nobody could tell what some of the servers have; where none answers, it may be this host that is cut off."""
    answering = [each for each in servers if each.answers]
    if not answering:
        return [reason(each.soa) for each in servers]
    silent = [each.soa for each in servers if not each.answers and not each.is_lame]
    said = [answer for each in answering for answer in (each.mx, each.txt) if answer.outcome == NOBODY_KNOWS]
    return [reason(each) for each in (*silent, *said)]


def _finding(code: str, verdict: str, text: str, where: str = "", fix: str = "", reference: str = SECTION) -> Finding:
    return Finding(check=NAME, code=code, verdict=verdict, text=text, where=where, fix=fix, reference=reference)


def _no_domain(domain: Name) -> Finding:
    text = f"{shown(domain)} is not in the DNS: receivers refuse mail from it, and nothing comes back to it."
    fix = (
        "Look whether it is spelled so, and whether its registration has ended; then register it, or send for another."
    )
    return _finding("delegation-no-domain", ERROR, text, shown(domain), fix, "RFC 8020 section 2")


def _unknown(domain: Name, troubles: Iterable[str]) -> Finding:
    why = "; ".join(dict.fromkeys(troubles))
    text = (
        f"Whether the name servers of {shown(domain)} answer and agree could not be checked: {shortened(why, SHOWN)}."
    )
    fix = "Run this again later; if it stays so, ask whoever runs those name servers, and let port 53 out."
    return _finding("delegation-unknown", UNKNOWN, text, shown(domain), fix)


def _no_servers(zone: Name) -> Finding:
    text = f"{shown(zone)} names no name servers of its own: resolvers that look for them may not find the domain."
    fix = "Publish NS records in the zone itself, the same as at the registrar."
    return _finding("delegation-no-servers", ERROR, text, f"{shown(zone)} NS", fix, "RFC 1034 section 4.2.1")


def _ok(zone: Name, servers: list[Server]) -> Finding:
    number = len({each.name for each in servers})
    text = f"The {number} name servers of {shown(zone)} answer, agree, and say what this host sees."
    return _finding("delegation-ok", OK, text)


def _of_hosts(zone: Name, hosts: list[Host], delegated: Answer) -> list[Finding]:
    """Name servers by their names: at least two, each with an address, and no alias."""
    where = f"{shown(zone)} NS"
    found = []
    usable = [host for host in hosts if host.addresses or host.trouble]
    places = {address for host in hosts for address in host.addresses}
    for host in hosts:
        if not host.addresses and not host.trouble:
            there = "has no address" if host.exists else "is not in the DNS"
            text = f"{shown(host.name)}, a name server of {shown(zone)}, {there}: resolvers that pick it wait in vain."
            verdict = WARNING if usable else ERROR
            fix = "Publish its address, or take it out of the NS records, at the registrar too."
            found.append(_finding("delegation-server-unresolved", verdict, text, where, fix))
        elif host.aliases:
            text = (
                f"{shown(host.name)}, a name server of {shown(zone)}, is an alias (CNAME): resolvers may not find it."
            )
            fix = f"Name {shown(host.aliases[-1])} in the NS records itself."
            found.append(_finding("delegation-server-alias", WARNING, text, where, fix, "RFC 2181 section 10.3"))
    in_one_place = len(places) == 1 and not any(host.trouble for host in hosts)
    if not found and (len(hosts) == 1 or in_one_place):
        text = f"{shown(zone)} has one name server, {shown(hosts[0].name)}: while it does not answer, mail is deferred."
        if len(hosts) > 1:
            text = f"The {len(hosts)} name servers of {shown(zone)} are one, at {min(map(str, places))}: "
            text += "while it does not answer, mail is deferred."
        fix = "Have a second one, in another network."
        found.append(_finding("delegation-one-server", WARNING, text, where, fix, "RFC 2182 section 5"))
    return [replace(each, record=_lines(delegated), ttl=delegated.ttl) for each in found]


def _of_servers(zone: Name, domain: Name, servers: list[Server]) -> list[Finding]:
    """Name servers by what they say: each has the zone, and all the same one."""
    answering = [each for each in servers if each.answers]
    if not answering:
        return []
    found = [_lame(zone, each) for each in servers if each.is_lame]
    for kind in KINDS:
        differing = _differing(answering, kind)
        if differing is not None:
            found.append(_disagree(domain, kind, *differing))
    serials = {each.serial for each in answering}
    if len(serials) > 1 and not any(each.code == "delegation-servers-disagree" for each in found):
        listed = ", ".join(f"{each.address} has {each.serial}" for each in answering)
        text = f"The name servers of {shown(zone)} have different versions of it ({listed})"
        if _kept_apart(serials):
            text += (
                " and the same records: two operators seem to keep it, each with serials of its own, which is no harm."
            )
            found.append(_finding("delegation-serials-apart", NOT_APPLICABLE, text, f"{shown(zone)} SOA"))
            return found
        text += ": a change is on its way, or does not get to all of them."
        fix = "Run this again in an hour; if it stays so, look at the transfer of the zone (notify, allow-transfer)."
        found.append(_finding("delegation-serials", WARNING, text, f"{shown(zone)} SOA", fix, "RFC 1034 section 4.3.5"))
    return found


def _kept_apart(serials: set[int | None]) -> bool:
    """Whether the serials are of different kinds, such as 1 and 2026112801: no change of a zone makes such a leap."""
    known = [each for each in serials if each is not None]
    return bool(known) and max(known) - min(known) > LEAP


def _lame(zone: Name, server: Server) -> Finding:
    why = reason(server.soa) if server.soa.outcome == NOBODY_KNOWS else f"it has no zone {shown(zone)}"
    text = f"{shown(server.name)} ({server.address}), a name server of {shown(zone)}, does not answer for it ({why}): "
    text += "whoever asks it waits, and mail is late or deferred."
    fix = "Set the zone up on it, or take it out of the NS records, at the registrar too."
    return _finding("delegation-lame-server", WARNING, text, f"{shown(zone)} NS", fix, "RFC 1912 section 2.8")


def _said(server: Server, kind: str) -> Answer:
    return server.txt if kind == "TXT" else server.mx


def _differing(servers: list[Server], kind: str) -> tuple[Server, Server] | None:
    """Two servers that say different things, if there are such."""
    known = [each for each in servers if _said(each, kind).outcome != NOBODY_KNOWS]
    for each in known[1:]:
        if not _same(_said(known[0], kind), _said(each, kind)):
            return known[0], each
    return None


def _same(one: Answer, other: Answer) -> bool:
    return set(one.records) == set(other.records)


def _lines(answer: Answer) -> str:
    """The records as lines of a zone, sorted, cut where it gets long; bytes that cannot be seen are escaped."""
    texts = sorted(escaped(each.to_text().encode("utf-8", "replace")) for each in answer.records)
    lines = [f"{written(answer.name)} IN {answer.kind} {shortened(each, SHOWN)}" for each in texts]
    return shortened("\n".join(lines), SHOWN) or f"(no {answer.kind})"


def _disagree(domain: Name, kind: str, one: Server, other: Server) -> Finding:
    text = (
        f"The name servers of {shown(domain)} give different {kind} records: {shown(one.name)} ({one.address}) and "
        f"{shown(other.name)} ({other.address}) do not agree, so that receivers see now this, now that."
    )
    return Finding(
        check=NAME,
        code="delegation-servers-disagree",
        verdict=WARNING,
        text=text,
        where=f"{shown(domain)} {kind}",
        fix="Look at the transfer of the zone: their serials are "
        f"{one.serial} and {other.serial}. If a change is on its way, run this again in an hour.",
        record=f"; {one.address}\n{_lines(_said(one, kind))}\n; {other.address}\n{_lines(_said(other, kind))}",
        reference="RFC 1034 section 4.3.5",
    )


def _local(domain: Name, servers: list[Server], local: list[Answer]) -> list[Finding]:
    """What this host sees and none of the domain's servers says: remembered, or made for this network only."""
    found = []
    for seen in local:
        others = [_said(each, seen.kind) for each in servers if each.answers]
        others = [each for each in others if each.outcome != NOBODY_KNOWS and not each.aliases]
        if seen.outcome == NOBODY_KNOWS or seen.aliases or not others or any(_same(seen, each) for each in others):
            continue
        text = f"This host sees other {seen.kind} records of {shown(domain)} than its name servers give: "
        text += f"its resolver remembers old ones, for {seen.ttl or 0} seconds more, or has some of its own."
        found.append(
            Finding(
                check=NAME,
                code="delegation-local-differs",
                verdict=WARNING,
                text=text,
                where=f"{shown(domain)} {seen.kind}",
                fix="Run this again after that time; if it stays so, the resolver of this host has a zone of its own: "
                "all other findings here are about that one, not about what receivers see.",
                record=f"; this host's resolver\n{_lines(seen)}\n; {others[0].server}\n{_lines(others[0])}",
                reference="RFC 1035 section 7.4",
                ttl=seen.ttl,
            )
        )
    return found


def _is_spf_alone(answer: Answer) -> bool:
    """A wildcard of SPF protects names that send no mail; whoever looks for keys and policies passes over it."""
    return all(isinstance(each, TXT) and is_spf(b"".join(each.strings)) for each in answer.records)


def _wildcards(domain: Name, covering: list[Answer]) -> list[Finding]:
    """Records that every name below the domain has, whether or not anybody means it."""
    found = []
    for each in covering:
        if each.outcome != ANSWER or each.aliases or _is_spf_alone(each):
            continue
        text = f"A wildcard gives every name below {shown(domain)} these {each.kind} records"
        if each.kind == "TXT":
            code, verdict = "delegation-wildcard-txt", WARNING
            text += ", DKIM selectors and _dmarc among them: whoever looks there finds something that is not meant."
            fix = "Take out the wildcard, and publish a record at each name that needs one."
        else:
            code, verdict = "delegation-wildcard-mx", NOT_APPLICABLE
            text += ": mail to any of them is taken, which may be meant."
            fix = ""
        finding = _finding(code, verdict, text, f"*.{shown(domain)} {each.kind}", fix, WILDCARDS)
        found.append(replace(finding, record=_lines(replace(each, name=Name([b"*", *domain.labels]))), ttl=each.ttl))
    return found
