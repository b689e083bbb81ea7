"""The name that this host says in HELO: a whole domain name, with the address that mail leaves from, equal to its PTR.

RFC 5321 section 2.3.5 asks for a name with address records of its own; sections 4.1.1.1 and 4.1.4 say what it is for.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from dns.rdtypes.ANY.PTR import PTR

from mailwatch.checks.dns.addresses import Host, asking_for_ip, host_of, is_public, kind_of, reverse, soon_host, told
from mailwatch.checks.dns.names import is_local, name_of, shown, written
from mailwatch.checks.dns.txt import shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts, SendingAddress, Stated
    from mailwatch.question import Asks

NAME: Final = "helo"
FIX: Final = (
    "Set myhostname (or smtp_helo_name) in main.cf to the name of this host in the DNS, such as mail.example.com."
)
SECTION: Final = "RFC 5321 section 2.3.5"
GREETING: Final = "RFC 5321 section 4.1.1.1"
VERIFIED: Final = "RFC 5321 section 4.1.4"
LITERAL: Final = "RFC 5321 section 4.1.3"


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with the name, as text first, then in the DNS."""
    if facts.relay is not None:
        text = f"All mail goes through {facts.relay.text}: what receivers hear in HELO is its name, not this host's."
        return [_finding("helo-relay", NOT_APPLICABLE, text)]
    if facts.helo is None:
        text = "It is not known which name this host says in HELO, so that it could not be checked."
        return [_finding("helo-not-known", UNKNOWN, text, fix="Run this again with --helo NAME.")]
    bad = _as_text(facts.helo, facts)
    if bad is not None:
        return [bad]
    name = name_of(facts.helo.text)
    soon_host(asks, name)
    sending = [each for each in facts.addresses if is_public(each.address)]
    for each in sending:
        asks.soon(reverse(each.address), "PTR")
    host = await host_of(asks, name)
    if not host.addresses:
        return [_unknown(host) if host.trouble else _unresolved(host, facts, await _right_name(asks, sending))]
    found = [_alias(host)] if host.aliases else []
    found += _elsewhere(host, sending, facts, await _right_name(asks, sending))
    found += [] if any(each.code != "helo-alias" for each in found) else await _other_than_ptr(asks, host, sending)
    return found or [
        _finding("helo-ok", OK, f"{shown(name)} has the addresses that mail leaves from, and they its name.")
    ]


async def _right_name(asks: Asks, sending: list[SendingAddress]) -> Name | None:
    """The one name that all sending addresses have, and that leads back to them: the one to say in HELO."""
    names: set[Name] = set()
    for each in sending:
        answer = await asks.ask(reverse(each.address), "PTR")
        names |= {record.target for record in answer.records if isinstance(record, PTR)}
    if len(names) != 1:
        return None
    name = names.pop()
    there = await host_of(asks, name)
    return name if all(each.address in there.addresses for each in sending) else None


def _as_text(helo: Stated, facts: Facts) -> Finding | None:
    """What is wrong before anything is asked."""
    text = helo.text.strip()
    seen = shortened("".join(each if each.isprintable() else "?" for each in text), 80)
    if text.startswith("["):
        said = f"This host says {seen} in HELO, an address and not a name: many receivers take that for spam."
        return _finding("helo-literal", WARNING, said, fix=FIX, reference=LITERAL, facts=facts)
    if _is_address(text):
        said = f"This host says {seen} in HELO, an address without brackets: that is no valid HELO, and is refused."
        return _finding("helo-address", ERROR, said, fix=FIX, reference=LITERAL, facts=facts)
    if text.rstrip(".").lower() in ("localhost", "localhost.localdomain", "localhost6"):
        said = f"This host says {seen} in HELO, as any host could: receivers refuse it."
        return _finding("helo-localhost", ERROR, said, fix=FIX, facts=facts)
    if "." not in text.strip("."):
        said = f"This host says {seen} in HELO, which is no whole domain name: receivers that ask for one refuse it."
        return _finding("helo-not-fqdn", ERROR, said, fix=FIX, facts=facts)
    if "_" in text:
        said = f"This host says {seen} in HELO: no underscore is allowed there, and many receivers refuse it."
        return _finding("helo-underscore", ERROR, said, fix=FIX, reference=GREETING, facts=facts)
    try:
        name = name_of(text)
    except ValueError as error:
        said = f"This host says no valid name in HELO, and receivers refuse it: {error}."
        return _finding("helo-syntax", ERROR, said, fix=FIX, reference=GREETING, facts=facts)
    if is_local(name):
        said = f"This host says {seen} in HELO, a name of its own network: receivers that look it up refuse the mail."
        return _finding("helo-local", ERROR, said, fix=FIX, facts=facts)
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _finding(
    code: str, verdict: str, text: str, *, fix: str = "", reference: str = SECTION, facts: Facts | None = None
) -> Finding:
    where = f"HELO, from {facts.helo.origin}" if facts is not None and facts.helo is not None else "HELO"
    return Finding(check=NAME, code=code, verdict=verdict, text=text, where=where, fix=fix, reference=reference)


def _unknown(host: Host) -> Finding:
    text = f"Whether {shown(host.name)}, the name in HELO, has an address could not be checked: {host.trouble}."
    fix = "Run this again later; if it stays so, ask whoever runs those name servers."
    return _finding("helo-unknown", UNKNOWN, text, fix=fix)


def _unresolved(host: Host, facts: Facts, right: Name | None) -> Finding:
    lines = [
        f"{written(host.name)} 3600 IN {kind_of(each.address)} {each.address}"
        for each in facts.addresses
        if is_public(each.address)
    ]
    there = "is not in the DNS" if not host.exists else "has no address in the DNS"
    return Finding(
        check=NAME,
        code="helo-unresolved",
        verdict=ERROR,
        text=f"{shown(host.name)}, the name in HELO, {there}: receivers that look it up refuse the mail.",
        where=f"{shown(host.name)} A, AAAA",
        fix=f"Publish its address, or say a name in HELO that has one{_such_as(right)}.",
        publish="\n".join(lines) or None,
        reference=SECTION,
    )


def _such_as(right: Name | None) -> str:
    return f": {shown(right)} is the name of the sending address" if right is not None else ""


def _alias(host: Host) -> Finding:
    return Finding(
        check=NAME,
        code="helo-alias",
        verdict=WARNING,
        text=f"{shown(host.name)}, the name in HELO, is an alias (CNAME) of {shown(host.aliases[-1])}: "
        "HELO asks for a name with an address of its own.",
        where=f"{shown(host.name)} CNAME",
        fix="Publish the address in place of the CNAME.",
        publish="\n".join(f"{written(host.name)} 3600 IN {kind_of(each)} {each}" for each in host.addresses),
        reference=SECTION,
        ttl=host.ttl,
    )


def _elsewhere(host: Host, sending: list[SendingAddress], facts: Facts, right: Name | None) -> list[Finding]:
    """That mail leaves from addresses which the name does not have; or that nobody knows from where it leaves."""
    if not sending:
        text = f"{shown(host.name)}, the name in HELO, has addresses; whether mail leaves from them is not known."
        if facts.addresses:
            text = f"{text[:-1]}: {told(facts.addresses[0])} is not the one that receivers see."
        return [_finding("helo-no-address", UNKNOWN, text, fix="Run this again with --ip ADDRESS.", reference=VERIFIED)]
    missing = [each for each in sending if each.address not in host.addresses]
    if not missing:
        return []
    if host.trouble:
        return [_unknown(host)]
    listed = ", ".join(map(told, missing))
    there = ", ".join(map(str, host.addresses[:4]))
    finding = Finding(
        check=NAME,
        code="helo-elsewhere",
        verdict=WARNING,
        text=f"{shown(host.name)}, the name in HELO, does not have the address that mail leaves from ({listed}); "
        f"it has {there}: receivers that compare the two count it as spam.",
        where=f"{shown(host.name)} A, AAAA",
        fix=asking_for_ip(
            next((each for each in missing if each.guessed), missing[0]),
            f"Say {shown(right)} in HELO, the name of the sending address (myhostname or smtp_helo_name in main.cf)."
            if right is not None and right != host.name
            else "Publish the address under the name, or say the name of that address in HELO.",
        ),
        publish="\n".join(f"{written(host.name)} 3600 IN {kind_of(each.address)} {each.address}" for each in missing)
        if right is None or right == host.name
        else None,
        reference=VERIFIED,
        ttl=host.ttl,
    )
    return [finding]


async def _other_than_ptr(asks: Asks, host: Host, sending: list[SendingAddress]) -> list[Finding]:
    """That an address has a name, and it is not this one. Where it has none, the check of PTR says so."""
    different: dict[Name, SendingAddress] = {}
    for each in sending:
        answer = await asks.ask(reverse(each.address), "PTR")
        names = [record.target for record in answer.records if isinstance(record, PTR)]
        if answer.outcome == ANSWER and names and host.name not in names:
            different.setdefault(min(names), each)
    if not different:
        return []
    listed = ", ".join(f"{told(each)} is {shown(name)}" for name, each in different.items())
    finding = Finding(
        check=NAME,
        code="helo-not-ptr",
        verdict=WARNING,
        text=f"{shown(host.name)} is said in HELO, and the name (PTR) of the sending address is another one: {listed}. "
        "Some receivers count that as spam.",
        where="HELO",
        fix="Have the PTR set to the name in HELO by whoever the address is from, or say the name of the PTR in HELO.",
        publish="\n".join(
            f"{written(reverse(each.address))} 3600 IN PTR {written(host.name)}" for each in different.values()
        ),
        reference=VERIFIED,
    )
    return [finding]
