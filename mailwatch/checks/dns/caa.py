"""Checks CAA: which authorities may issue certificates for the mail hosts and for MTA-STS (RFC 8659).

An authority climbs from the name to its parents and heeds the first CAA records it finds. Names outside the domain are
somebody else's, and not looked at. A mistake here is felt when a certificate is to be renewed, and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from dns.rdtypes.ANY.CAA import CAA

from mailwatch.checks.dns.names import below, parent, shown, written
from mailwatch.checks.dns.receivers import receivers
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.checks.dns.versioned import DIGITS, LETTERS, plain, raw, versioned
from mailwatch.finding import NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "caa"
CRITICAL: Final = 128
ISSUING: Final = ("issue", "issuewild")
KNOWN: Final = (*ISSUING, "issuemail", "issuevmc", "iodef", "contactemail", "contactphone")
"""Property tags (RFC 8659 section 4, RFC 9495, and what the CA/Browser Forum has registered)."""
AUTHORITIES: Final = {
    "letsencrypt": "letsencrypt.org",
    "digicert": "digicert.com",
    "sectigo": "sectigo.com",
    "zerossl": "sectigo.com",
    "globalsign": "globalsign.com",
}
"""What large authorities are known by, after what people call them."""
REPORTS: Final = ("mailto:", "http://", "https://")
HIGHEST: Final = 12
"""Labels that are climbed."""
MOST: Final = 50
"""So many records of a name are looked at."""
LONGEST_LABEL: Final = 63
NOBODY: Final = "No authority may issue, and the certificate cannot be renewed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The CAA records that hold for ``hosts``; they stand at ``answer.name``."""

    answer: Answer
    hosts: tuple[Name, ...]

    @property
    def records(self) -> list[CAA]:
        """The records."""
        return [each for each in self.answer.records if isinstance(each, CAA)][:MOST]

    def issuers(self) -> tuple[str, ...] | None:
        """Who may issue for a name without a wildcard; None: everybody."""
        values = [each.value.decode("latin-1") for each in self.records if _tag(each) == "issue"]
        return tuple(dict.fromkeys(filter(None, map(issuer, values)))) if values else None


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with CAA of the domain, its mail hosts and the host of its MTA-STS policy."""
    for at in (facts.domain, parent(facts.domain)):
        if at is not None and len(at.labels) > 1:
            asks.soon(at, "CAA")
    names = await _names(asks, facts.domain)
    for name in names:
        asks.soon(name, "CAA")
    answers = {name: await _climbed(asks, name) for name in names}
    lost = next((each for each in answers.values() if each is not None and each.outcome == NOBODY_KNOWS), None)
    if lost is not None:
        text = (f"Could not check: nobody could tell the CAA records of {shown(lost.name)}: {lost.trouble}."
                " An authority that cannot either issues no certificate.")  # fmt: skip
        return [Finding(check=NAME, code="caa-unknown", verdict=UNKNOWN, text=text, where=f"{shown(lost.name)} CAA",
                        reference="RFC 8659 section 3")]  # fmt: skip
    there = _rules(answers)
    found = [each for rules in there for each in _findings(rules, facts.domain)]
    return found or [_fine(there, facts.domain)]


async def _names(asks: Asks, domain: Name) -> list[Name]:
    """The names that need a certificate for mail, and are the domain's own; the domain stands for others to come."""
    record = below(domain, "_mta-sts")
    policy = below(domain, "mta-sts")
    names = [domain]
    if (
        record is not None
        and policy is not None
        and versioned(raw((await asks.ask(record, "TXT")).records), "v=STSv1")[0]
    ):
        names.append(policy)
    hosts = (await receivers(asks, domain)).hosts
    return list(dict.fromkeys([*names, *(each for each in hosts if each.is_subdomain(domain))]))


async def _climbed(asks: Asks, name: Name) -> Answer | None:
    """The first answer with CAA records on the way up (RFC 8659 section 3); None when there is none."""
    at: Name | None = name
    for _ in range(HIGHEST):
        if at is None or len(at.labels) <= 1:
            return None
        answer = await asks.ask(at, "CAA")
        if answer.outcome in (ANSWER, NOBODY_KNOWS):
            return answer
        at = parent(at)
    return None


def _rules(answers: dict[Name, Answer | None]) -> list[Rules]:
    by_place: dict[Name, list[Name]] = {}
    for name, answer in answers.items():
        if answer is not None:
            by_place.setdefault(answer.name, []).append(name)
    places = {answer.name: answer for answer in answers.values() if answer is not None}
    return [Rules(answer=places[place], hosts=tuple(names)) for place, names in by_place.items()]


def _findings(rules: Rules, domain: Name) -> list[Finding]:
    found = [each for record in rules.records for each in _wrong(rules, record)]
    if len(rules.records) < len(rules.answer.records[:MOST]):
        text = f"A CAA record of {shown(rules.answer.name)} is no such record: its tag is not of letters and digits."
        found.append(_found(rules, "malformed", text, "Publish it anew.", "RFC 8659 section 4.1", None))
    needed = [each for each in rules.hosts if each != domain]
    bad = any(each.code in ("caa-malformed", "caa-unknown-critical") for each in found)
    if rules.issuers() == () and needed and not bad:
        named = ", ".join(map(shown, needed))
        text = f"CAA forbids every authority to issue a certificate for {named}, which needs one for mail."
        fix = "Publish an issue record of the authority that you get certificates from."
        found.append(_found(rules, "nobody", text, fix, "RFC 8659 section 4.2", None))
    return found


def _wrong(rules: Rules, record: CAA) -> list[Finding]:
    """What is wrong with a record."""
    tag, value = _tag(record), record.value.decode("latin-1")
    found = []
    if tag not in KNOWN:
        found += _unknown_tag(rules, record, tag)
    if record.flags not in (0, CRITICAL):
        text = f"The CAA record has flags {record.flags}, where 0 and 128 (critical) have a meaning."
        line: str | None = _line(rules, 0, tag, value)
        found.append(_found(rules, "flags", text, "Set flags to 0.", "RFC 8659 section 4.1", line, record))
    if tag in (*ISSUING, "issuemail", "issuevmc") and (wrong := malformed(value)) is not None:
        effect = NOBODY if tag == "issue" and not rules.issuers() else "The record authorises nobody."
        text = f'CAA: {tag} "{plain(value, 80)}" {wrong}. {effect}'
        fix = "Give the domain by which the authority is known, such as letsencrypt.org."
        better = meant(value)
        line = None if better is None else _line(rules, 0, tag, better)
        found.append(_found(rules, "malformed", text, fix, "RFC 8659 section 4.2", line, record))
    if tag == "iodef" and not value.lower().startswith(REPORTS):
        text = f'CAA: iodef "{plain(value, 80)}" is neither mailto: nor the address of a page: nobody can report there.'
        better = _line(rules, 0, tag, f"mailto:{value}") if "@" in value else None
        found.append(_found(rules, "bad-address", text, "Give mailto:ADDRESS.", "RFC 8659 section 4.4", better, record))
    return found


def _unknown_tag(rules: Rules, record: CAA, tag: str) -> list[Finding]:
    near = get_close_matches(tag[:40], KNOWN, 1, 0.75)
    line = _line(rules, 0, near[0], record.value.decode("latin-1")) if near else None
    hint = f" (meant {near[0]}?)" if near else ""
    if record.flags & CRITICAL:
        text = f'The CAA record "{plain(tag, 40)}"{hint} is marked critical, and no authority knows it. {NOBODY}'
        return [_found(rules, "unknown-critical", text, "Take the record out.", "RFC 8659 section 4.5", line, record)]
    if not near:
        return []
    text = f'The CAA record "{plain(tag, 40)}" is of a kind that no authority knows, and is ignored: meant {near[0]}?'
    return [_found(rules, "unknown-tag", text, "Publish it as shown.", "RFC 8659 section 4.1", line, record)]


def malformed(value: str) -> str | None:
    """What is wrong with the value of an issue record; None when it is good, also when it is for nobody."""
    domain, _, parameters = value.partition(";")
    domain = domain.strip(" \t")
    labels = domain.split(".")
    if domain and not all(map(_is_label, labels)):
        return "does not name an authority by a domain"
    if len(labels) == 1 and domain:
        return "is no domain, and no authority is known by it"
    for each in parameters.split(";"):
        bare = each.strip(" \t")
        tag, equals, _ = bare.partition("=")
        if bare and (not equals or not _is_label(tag.strip(" \t"))):
            return f'has the parameter "{plain(bare, 40)}", which is not name=value'
    return None


def issuer(value: str) -> str:
    """The authority that an issue record names; empty when it names none."""
    return "" if malformed(value) is not None else value.partition(";")[0].strip(" \t").lower()


def meant(value: str) -> str | None:
    """The domain that somebody may have meant by a value; None where that cannot be told."""
    bare = value.strip(" \t\"'").partition(";")[0].rpartition("://")[2].partition("/")[0].strip(' \t."').lower()
    if bare and malformed(bare) is None:
        return bare
    return AUTHORITIES.get("".join(each for each in bare if each.isalnum()))


def _is_label(label: str) -> bool:
    allowed = LETTERS | DIGITS
    return (
        0 < len(label) <= LONGEST_LABEL
        and set(label) <= allowed | {"-"}
        and label[0] in allowed
        and label[-1] in allowed
    )


def _tag(record: CAA) -> str:
    return record.tag.decode("latin-1").lower()


def _line(rules: Rules, flags: int, tag: str, value: str) -> str:
    text = escaped(value.replace("\\", "\\\\").replace('"', '\\"').encode("latin-1", "replace"))
    return f'{written(rules.answer.name)} 300 IN CAA {flags} {tag} "{text}"'


def _fine(there: list[Rules], domain: Name) -> Finding:
    if not there:
        text = f"{shown(domain)} has no CAA, which is optional: any authority may issue certificates for its names."
        return Finding(check=NAME, code="caa-absent", verdict=NOT_APPLICABLE, text=text, reference="RFC 8659")
    said = []
    for rules in there:
        who = rules.issuers()
        names = "any authority" if who is None else ", ".join(who) or "nobody"
        said.append(f"{names} may issue for {', '.join(map(shown, rules.hosts))}")
    return Finding(check=NAME, code="caa-ok", verdict=OK, text=f"CAA: {'; '.join(said)}.", reference="RFC 8659")


def _found(rules: Rules, code: str, text: str, fix: str, reference: str, publish: str | None,
           record: CAA | None = None) -> Finding:  # fmt: skip
    said = None if record is None else shortened(escaped(record.to_text().encode("latin-1", "replace")))
    return Finding(check=NAME, code=f"caa-{code}", verdict=WARNING, text=text, where=f"{shown(rules.answer.name)} CAA",
                   fix=fix, reference=reference, publish=publish, record=said, ttl=rules.answer.ttl)  # fmt: skip
