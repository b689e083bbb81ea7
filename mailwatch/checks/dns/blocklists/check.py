"""Whether the addresses that mail leaves from, and the domains it names, are on blocklists.

Each list must first prove itself by its test entries (RFC 5782 section 5): one that refuses, has ended, or lists
everything says nothing about anybody. All such lists are one finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dns.name import Name

from mailwatch.checks.dns.addresses import asking_for_ip, is_public, reverse, told
from mailwatch.checks.dns.blocklists.lists import ADDRESS_LISTS, DOMAIN_LISTS, INFORMATION, Blocklist
from mailwatch.checks.dns.blocklists.reading import Reading, doubted, meanings, read
from mailwatch.checks.dns.names import below, shown, stated_name
from mailwatch.checks.dns.txt import shortened, texts
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Facts, SendingAddress
    from mailwatch.question import Asks

NAME: Final = "blocklists"
SECTION: Final = {4: "RFC 5782 section 2.1", 6: "RFC 5782 section 2.4", None: "RFC 5782 section 3"}
"""By the version of the address; None for a domain."""
MOST: Final = 8
"""So many addresses, and so many domains, are asked about."""
NAMED: Final = 6
"""So many lists that failed for one reason are named."""
ARPA: Final = 3
"""Labels of in-addr.arpa and ip6.arpa, with the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked about: an address or a domain, as the labels that stand before a list's zone."""

    text: str
    labels: tuple[bytes, ...]
    version: int | None
    """4 or 6; None for a domain."""
    sending: SendingAddress | None = None


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """A finding for each list and whoever is on it, and one for all lists that could not be asked."""
    subjects = [*_addresses(facts), *_domains(facts)]
    asked = [
        (each, [one for one in subjects if _is_for(each, one)])
        for each in (*ADDRESS_LISTS, *DOMAIN_LISTS)
        if any(_is_for(each, one) for one in subjects)
    ]
    for blocklist, about in asked:
        for labels in (blocklist.listed, blocklist.free, facts.nonce):
            _soon(asks, blocklist, labels)
        for one in about:
            _soon(asks, blocklist, one.labels)
    found: list[Finding] = []
    troubles: list[tuple[Blocklist, str]] = []
    for blocklist, about in asked:
        trouble = await _doubted(asks, facts, blocklist)
        if trouble is None:
            bad, trouble = await _on(asks, blocklist, about)
            found += bad
        if trouble is not None:
            troubles.append((blocklist, trouble))
    found += [*_not_asked(troubles), *_no_address(facts)]
    if any(each.verdict not in (OK, NOT_APPLICABLE) for each in found):
        return found
    return [_ok(subjects, len(asked) - len(troubles), found), *found]


def _addresses(facts: Facts) -> list[Subject]:
    if facts.relay is not None:
        return []
    return [
        Subject(
            text=told(each),
            labels=reverse(each.address).labels[:-ARPA],
            version=each.address.version,
            sending=each,
        )
        for each in facts.addresses
        if is_public(each.address)
    ][:MOST]


def _domains(facts: Facts) -> list[Subject]:
    """The domain that is checked, that of MAIL FROM, and the name in HELO: all of them stand in the mail."""
    named = [facts.domain, stated_name(facts.mail_from), None if facts.relay else stated_name(facts.helo)]
    names = dict.fromkeys(each.canonicalize() for each in named if each is not None)
    return [Subject(text=shown(each), labels=each.labels[:-1], version=None) for each in names][:MOST]


def _is_for(blocklist: Blocklist, subject: Subject) -> bool:
    if subject.version is None:
        return blocklist.of_domains
    return not blocklist.of_domains and (subject.version == 4 or blocklist.ipv6)  # noqa: PLR2004 - IPv4


def _question(blocklist: Blocklist, labels: str | tuple[bytes, ...]) -> Name | None:
    """The name to ask for; None when there can be none that long."""
    zone = Name([*(label.encode() for label in blocklist.zone.split(".")), b""])
    return below(zone, labels) if isinstance(labels, str) else below(zone, *labels)


def _soon(asks: Asks, blocklist: Blocklist, labels: str | tuple[bytes, ...]) -> None:
    name = _question(blocklist, labels)
    if name is not None:
        asks.soon(name, "A")


async def _reading(asks: Asks, blocklist: Blocklist, labels: str | tuple[bytes, ...]) -> Reading:
    name = _question(blocklist, labels)
    return Reading() if name is None else read(blocklist, await asks.ask(name, "A"))


async def _doubted(asks: Asks, facts: Facts, blocklist: Blocklist) -> str | None:
    """Why the list cannot be believed; None when it can."""
    labels = (blocklist.listed, blocklist.free, facts.nonce)
    listed, free, made_up = [await _reading(asks, blocklist, each) for each in labels]
    return doubted(listed, free, made_up)


async def _on(asks: Asks, blocklist: Blocklist, about: list[Subject]) -> tuple[list[Finding], str | None]:
    """A finding for each that is on the list, and why it could not be asked about another."""
    found, trouble = [], None
    for subject in about:
        reading = await _reading(asks, blocklist, subject.labels)
        trouble = trouble or reading.trouble
        if reading.codes:
            found.append(await _listed(asks, blocklist, subject, reading.codes))
    return found, trouble


async def _listed(asks: Asks, blocklist: Blocklist, subject: Subject, codes: tuple[str, ...]) -> Finding:
    means = meanings(blocklist, codes)
    verdict = (means[0].weight if means else None) or blocklist.weight
    policy = bool(means) and all(each.policy for each in means)
    why = "; ".join(each.text for each in means) or await _own_words(asks, blocklist, subject) or "it does not say why"
    name = _question(blocklist, subject.labels)
    return Finding(
        check=NAME,
        code=_code(subject, verdict, policy=policy),
        verdict=verdict,
        text=f"{subject.text} is on the blocklist {blocklist.name} ({', '.join(codes)}): {why}. {_effect(verdict)}",
        where="" if name is None else f"{name.to_text(omit_final_dot=True)} A",
        fix=_fix(blocklist, subject, verdict, policy=policy),
        record=", ".join(codes),
        reference=SECTION[subject.version],
    )


async def _own_words(asks: Asks, blocklist: Blocklist, subject: Subject) -> str:
    """What the list says of it in a TXT record, cut to what fits into a sentence."""
    name = _question(blocklist, subject.labels)
    if name is None:
        return ""
    said = texts((await asks.ask(name, "TXT")).records)
    return f'it says "{shortened(said[0])}"' if said and said[0] else ""


def _code(subject: Subject, verdict: str, *, policy: bool) -> str:
    if verdict == INFORMATION:
        return "blocklists-network-listed"
    if subject.version is None:
        return "blocklists-domain-listed"
    return "blocklists-address-policy" if policy else "blocklists-address-listed"


def _effect(verdict: str) -> str:
    effects = {ERROR: "Many receivers refuse mail by it.", WARNING: "Some receivers count it as a sign of spam."}
    return effects.get(verdict, "That says little about this host, and few receivers ask; it is told for information.")


def _fix(blocklist: Blocklist, subject: Subject, verdict: str, *, policy: bool) -> str:
    if verdict == INFORMATION:
        return f"Nothing, unless receivers name this list when they refuse mail: {blocklist.removal}"
    if policy:
        fix = f"Ask the network's owner to take the address out, or look whether you may yourself: {blocklist.removal}"
    else:
        fix = f"Find and end what caused it, then ask to be taken off: {blocklist.removal}"
    return fix if subject.sending is None else asking_for_ip(subject.sending, fix)


def _not_asked(troubles: list[tuple[Blocklist, str]]) -> list[Finding]:
    """One finding for all lists that could not be asked: unknown only where one is among them that counts."""
    if not troubles:
        return []
    reasons: dict[str, list[str]] = {}
    for each, trouble in troubles:
        because = f"it answers only resolvers that are registered with it: {trouble}" if each.registered else trouble
        reasons.setdefault(because, []).append(each.name)
    listed = "; ".join(f"{named(names)} ({because})" for because, names in reasons.items())
    counts = any(each.weight == ERROR and not each.registered for each, _ in troubles)
    return [
        Finding(
            check=NAME,
            code="blocklists-unknown" if counts else "blocklists-few-not-asked",
            verdict=UNKNOWN if counts else NOT_APPLICABLE,
            text=f"Blocklists that could not be asked: {listed}."
            + ("" if counts else " The lists that most receivers ask did answer."),
            fix="Ask through a resolver of your own, such as unbound on this host: lists refuse those that many share, "
            "such as 8.8.8.8 and 1.1.1.1.",
            reference="RFC 5782 section 5",
        )
    ]


def named(lists: list[str]) -> str:
    """Names of lists, as many as a sentence can bear."""
    return ", ".join(lists) if len(lists) <= NAMED else f"{', '.join(lists[:NAMED])} and {len(lists) - NAMED} more"


def _no_address(facts: Facts) -> list[Finding]:
    """That there is no sending address to ask about: it is the relay's, or not known."""
    if facts.relay is not None:
        text = f"All mail goes through {facts.relay.text}: its addresses count, and only domains were asked about."
        return [Finding(check=NAME, code="blocklists-relay", verdict=NOT_APPLICABLE, text=text)]
    if any(is_public(each.address) for each in facts.addresses):
        return []
    text = "It is not known from which address mail leaves, so that no blocklist could be asked about it."
    fix = "Run this again with --ip ADDRESS."
    return [Finding(check=NAME, code="blocklists-no-address", verdict=UNKNOWN, text=text, fix=fix)]


def _ok(subjects: list[Subject], number: int, others: list[Finding]) -> Finding:
    listed = ", ".join(each.text for each in subjects)
    but = " that count" if any(each.code == "blocklists-network-listed" for each in others) else ""
    text = f"{number} blocklists were asked, and none{but} has {listed}."
    return Finding(check=NAME, code="blocklists-ok", verdict=OK, text=text, reference="RFC 5782")
