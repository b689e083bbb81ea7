"""Checks DANE: TLSA records of the hosts that take the domain's mail, which senders hold them to (RFC 7672).

A TLSA record counts only where DNSSEC covers it. Whether it fits the certificate is not asked here. A resolver that
validates nothing says nothing of a zone: that is unknown, and not "unsigned".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import below, shown, written
from mailwatch.checks.dns.receivers import Receivers, receivers
from mailwatch.checks.dns.txt import shortened
from mailwatch.checks.dns.wildcard import answered_by_wildcard, neighbour
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name
    from dns.rdata import Rdata

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "dane"
USABLE: Final = (2, 3)
"""DANE-TA and DANE-EE: an authority of one's own, or the certificate itself."""
SELECTORS: Final = (0, 1)
LENGTHS: Final = {1: ("SHA-256", 32), 2: ("SHA-512", 64)}
"""Bytes of a digest by its matching type."""
SEQUENCE: Final = 0x30
"""What a certificate, or a key, in DER begins with."""
VALIDATE: Final = (
    "Ask by a resolver that validates, such as unbound on this host, and see that the stub keeps AD (trust-ad)."
)
MOST_SHOWN: Final = 128
"""Bytes of a digest or certificate that are shown."""
MOST: Final = 20
"""So many records of a host are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A TLSA record. One without all three numbers has 255 for the others, which means nothing."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def text(self) -> str:
        """As it stands in a zone, shortened."""
        return shortened(f"{self.usage} {self.selector} {self.matching} {self.data[:MOST_SHOWN].hex()}")


def association(record: Rdata) -> Association:
    """What is in a TLSA record, also when its digest has not the length it should have."""
    octets = bytes(record.to_wire() or b"")
    usage, selector, matching = (*octets[:3], 255, 255, 255)[:3]
    return Association(usage=usage, selector=selector, matching=matching, data=octets[3:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A mail host and what is at its TLSA name."""

    name: Name
    answer: Answer

    @property
    def records(self) -> list[Association]:
        """Its TLSA records."""
        return [association(each) for each in self.answer.records[:MOST]]

    @property
    def where(self) -> str:
        """For people."""
        return f"{shown(self.answer.name)} TLSA"


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with DANE of the domain's mail hosts."""
    takes = await receivers(asks, facts.domain)
    if takes.answer.outcome == NOBODY_KNOWS:
        return [
            _plain("unknown", UNKNOWN, f"Could not check: nobody could tell the mail hosts: {takes.answer.trouble}.")
        ]
    if not takes.hosts:
        return [_plain("absent", NOT_APPLICABLE, f"{shown(facts.domain)} takes no mail: there is nothing for DANE.")]
    hosts = await _hosts(asks, takes)
    having = [each for each in hosts if each.answer.outcome == ANSWER]
    for host in having:
        if (beside := neighbour(facts, host.answer.name)) is not None:
            asks.soon(beside, "TLSA")
    found = [each for host in hosts if host.answer.outcome == NOBODY_KNOWS for each in _no_answer(host)]
    if not having:
        return found or [await _absent(asks, facts, takes)]
    found += _security(having)
    found += [each for host in having for each in _contents(host)]
    found += _without(hosts, having)
    return found or [await _ok(asks, facts, takes, having)]


async def _hosts(asks: Asks, takes: Receivers) -> list[Host]:
    for host in takes.hosts:
        asks.soon(host, "A")
        _soon(asks, host)
    return [each for host in takes.hosts if (each := await _host(asks, host)) is not None]


def _soon(asks: Asks, host: Name) -> None:
    name = below(host, "_25", "_tcp")
    if name is not None:
        asks.soon(name, "TLSA")


async def _host(asks: Asks, host: Name) -> Host | None:
    """A host with its TLSA: under the name it is an alias for, if there is one there (RFC 7671 section 7)."""
    address = await asks.ask(host, "A")
    bases = [address.canonical, host] if address.aliases and address.canonical is not None else [host]
    answers = [await asks.ask(name, "TLSA") for base in bases if (name := below(base, "_25", "_tcp")) is not None]
    best = next((each for each in answers if each.outcome in (ANSWER, NOBODY_KNOWS)), answers[-1] if answers else None)
    return None if best is None else Host(name=host, answer=best)


def _no_answer(host: Host) -> list[Finding]:
    name = shown(host.name)
    if host.answer.bogus:
        text = (f"The answer about the TLSA of {name} is signed wrongly ({host.answer.trouble}):"
                " senders with DANE deliver nothing there, and wait.")  # fmt: skip
        fix = "Sign the zone anew, and see that the name server answers about TLSA as it does about other types."
        return [_found(host, "bogus", ERROR, text, fix, "RFC 7672 section 2.1.2")]
    text = (f"Could not check {name}: {host.answer.trouble}. If senders with DANE get no answer about TLSA either,"
            " they deliver nothing there, and wait.")  # fmt: skip
    return [
        _found(host, "unknown", UNKNOWN, text, "See that its name servers answer about TLSA.", "RFC 7672 section 2.1.2")
    ]


def _security(having: list[Host]) -> list[Finding]:
    """Whether senders believe the records; hosts in the same case are told of together."""
    unsigned = [each for each in having if each.answer.authentic is False]
    unsaid = [each for each in having if each.answer.authentic is None]
    found = []
    if unsigned:
        names = ", ".join(shown(each.name) for each in unsigned)
        text = f"DNSSEC does not cover the TLSA records of {names}: senders ignore them, and mail is not protected."
        fix = "Sign the zone and publish its DS at the parent; or take the TLSA records out."
        found.append(_found(unsigned[0], "unsigned", WARNING, text, fix, "RFC 7672 section 2.2"))
    if unsaid:
        names = ", ".join(shown(each.name) for each in unsaid)
        text = (f"Could not check whether DNSSEC covers the TLSA records of {names}: this resolver does not say so of"
                " anything. If it does not, senders ignore them.")  # fmt: skip
        found.append(_found(unsaid[0], "unknown", UNKNOWN, text, VALIDATE, "RFC 7672 section 2.1.3"))
    return found


def _contents(host: Host) -> list[Finding]:
    """What is wrong with each record; the same mistake of several is told once."""
    found: dict[str, Finding] = {}
    for record in host.records:
        wrong = _wrong(record)
        if wrong is None:
            continue
        code, text, fix = wrong
        usable = any(_wrong(each) is None for each in host.records)
        effect = (
            "it is ignored"
            if usable
            else "no record is left that counts, and senders use TLS without knowing with whom"
        )
        text = f"{shown(host.name)}: {text}: {effect}."
        found.setdefault(code, _found(host, code, WARNING, text, fix, "RFC 7672 section 3.1", record))
    return list(found.values())


def _wrong(record: Association) -> tuple[str, str, str] | None:
    """The code, what is wrong, and what to do."""
    fields = f"{record.usage} {record.selector} {record.matching}"
    if record.usage not in USABLE:
        what = "no mail server takes usage 0 or 1" if record.usage in (0, 1) else "there is no such usage"
        return (
            "usage",
            f"the TLSA record {fields} has usage {record.usage}, and {what}",
            "Publish 3 1 1, or 2 1 1, instead.",
        )
    if record.selector not in SELECTORS:
        return "parameters", f"the TLSA record {fields} has an unknown selector", "Publish selector 1: the public key."
    if record.matching != 0 and record.matching not in LENGTHS:
        return (
            "parameters",
            f"the TLSA record {fields} has an unknown matching type",
            "Publish matching type 1: SHA-256.",
        )
    if record.matching == 0:
        whole = record.data[:1] == bytes([SEQUENCE])
        say = f"the TLSA record {fields} holds no certificate nor key in DER"
        return None if whole else ("length", say, "Publish a digest (matching type 1) instead.")
    digest, length = LENGTHS[record.matching]
    if len(record.data) == length:
        return None
    text = f"the TLSA record {fields} holds {len(record.data)} bytes, and a {digest} has {length}"
    return "length", text, f"Compute the {digest} of the server's public key anew, and publish that."


def _without(hosts: list[Host], having: list[Host]) -> list[Finding]:
    """Hosts without TLSA beside some with it."""
    bare = [each for each in hosts if each not in having and each.answer.outcome != NOBODY_KNOWS]
    if not bare:
        return []
    named = ", ".join(shown(each.name) for each in bare)
    text = (f"Some mail hosts have TLSA records, and {named} not: whoever keeps senders from the others"
            " gets the mail without DANE.")  # fmt: skip
    fix = "Publish TLSA records for each mail host, made from the key of its certificate."
    return [_found(bare[0], "some-hosts", WARNING, text, fix, "RFC 7672 section 2.2.1")]


async def _absent(asks: Asks, facts: Facts, takes: Receivers) -> Finding:
    """That there is none; unless it is where nobody looks."""
    name = below(facts.domain, "_25", "_tcp")
    if name is not None and facts.domain not in takes.hosts and not takes.implicit:
        answer = await asks.ask(name, "TLSA")
        if answer.outcome == ANSWER and not await answered_by_wildcard(asks, facts, name, "TLSA"):
            host = Host(name=facts.domain, answer=answer)
            right = ", ".join(f"_25._tcp.{written(each)}" for each in takes.hosts)
            text = "There are TLSA records under the domain, where no sender looks: those of the mail hosts count."
            return _found(host, "misplaced", WARNING, text, f"Publish them at {right}", "RFC 7672 section 2.2.3")
    text = f"The mail hosts of {shown(facts.domain)} have no TLSA records (DANE), which are optional."
    return _plain("absent", NOT_APPLICABLE, text)


async def _ok(asks: Asks, facts: Facts, takes: Receivers, having: list[Host]) -> Finding:
    text = f"TLSA records, covered by DNSSEC, tell senders the keys of {', '.join(shown(each.name) for each in having)}"
    if any([await answered_by_wildcard(asks, facts, each.answer.name, "TLSA") for each in having]):
        text += " (by a wildcard: other ports have the same)"
    if takes.answer.authentic is False:
        text += (f"; {shown(facts.domain)} itself is not signed, so that who can forge its MX records"
                 " is not kept from the mail")  # fmt: skip
    return _plain("ok", OK, f"{text}.")


def _found(host: Host, code: str, verdict: str, text: str, fix: str, reference: str,
           record: Association | None = None) -> Finding:  # fmt: skip
    return Finding(
        check=NAME, code=f"dane-{code}", verdict=verdict, text=text, where=host.where, fix=fix, reference=reference,
        record=None if record is None else record.text, ttl=host.answer.ttl,
    )  # fmt: skip


def _plain(code: str, verdict: str, text: str) -> Finding:
    return Finding(check=NAME, code=f"dane-{code}", verdict=verdict, text=text, reference="RFC 7672")
