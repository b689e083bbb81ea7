"""Checks DNSSEC: that what the parent says fits the keys, and that signatures are right and will be tomorrow.

A zone whose DNSSEC is broken is not there for resolvers that validate, and mail from it fails SPF, DKIM and DMARC at
their users. A resolver that says nothing about validation leaves it open: unknown, and never "unsigned".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dnssec.keys import OLD, SHA1, delegations, ds_line, fits, signing_keys
from mailwatch.checks.dns.names import parent, shown
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import NXDOMAIN
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name
    from dns.rdata import Rdata

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "dnssec"
DAY: Final = 86_400
SOON: Final = 3 * DAY
"""Seconds."""
FRESH: Final = 0.25
"""With more than this part of its life ahead a signature is not late: some servers sign at each answer, for hours."""
MOST_ITERATIONS: Final = 50
"""Hashes more than once are against RFC 9276, and with more than these resolvers take the zone for unsigned."""
HIGHEST: Final = 10
"""Labels that are climbed to find the zone."""
EFFECT: Final = "Resolvers that validate refuse its names: mail from and to it fails there."


def there(answer: Answer) -> tuple[Rdata, ...]:
    """The records of an answer, whether or not they can be believed."""
    return answer.records or answer.unbelieved


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is of a zone."""

    zone: Name
    ds: Answer
    dnskey: Answer
    answers: tuple[Answer, ...]
    nsec3: Answer

    @property
    def is_delegated(self) -> bool:
        """Whether the parent says that it is signed."""
        return bool(delegations(there(self.ds)))

    @property
    def bogus(self) -> list[Answer]:
        """Answers that do not validate."""
        return [each for each in (self.ds, self.dnskey, *self.answers) if each.bogus]

    def told(
        self, code: str, verdict: str, text: str, fix: str = "", reference: str = "", **more: str | None
    ) -> Finding:
        """A finding about it."""
        return Finding(check=NAME, code=f"dnssec-{code}", verdict=verdict, text=text, fix=fix, reference=reference,
                       where=more.get("where") or shown(self.zone), publish=more.get("publish"))  # fmt: skip


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with DNSSEC of the domain's zone."""
    for kind in ("SOA", "MX", "TXT", "DS", "DNSKEY", "NSEC3PARAM"):
        asks.soon(facts.domain, kind)
    if (await asks.ask(facts.domain, "SOA")).outcome == NXDOMAIN:
        text = f"{shown(facts.domain)} does not exist: there is nothing to sign."
        return [Finding(check=NAME, code="dnssec-absent", verdict=NOT_APPLICABLE, text=text, where=shown(facts.domain))]
    soa = await _apex(asks, facts.domain)
    if soa is None or (soa.outcome == NOBODY_KNOWS and not soa.bogus):
        trouble = soa.trouble if soa is not None else "no zone is found that it is in"
        return [_unknown(f"Could not check whether {shown(facts.domain)} is signed: {trouble}.", shown(facts.domain))]
    seen = await _seen(asks, soa, facts.domain)
    lost = next((each for each in (seen.ds, seen.dnskey) if each.outcome == NOBODY_KNOWS and not each.bogus), None)
    if lost is not None:
        text = f"Could not check whether {shown(seen.zone)} is signed: {lost.trouble}."
        return [_unknown(text, f"{shown(seen.zone)} {lost.kind}")]
    if not seen.is_delegated and not seen.bogus:
        return [_island(seen)]
    found = [*(_chain(seen) or _times(seen, facts.now) or _bogus(seen)), *_age(seen)]
    return found or [_validated(seen)]


async def _apex(asks: Asks, domain: Name) -> Answer | None:
    """The SOA of the zone that a name is in."""
    name: Name | None = domain
    for _ in range(HIGHEST):
        if name is None or len(name.labels) <= 1:
            return None
        answer = await asks.ask(name, "SOA")
        is_here = bool(there(answer)) and not answer.aliases
        if is_here or (answer.outcome == NOBODY_KNOWS and not answer.bogus):
            return answer
        name = parent(name)
    return None


async def _seen(asks: Asks, soa: Answer, domain: Name) -> Seen:
    zone = soa.name
    for kind in ("DS", "DNSKEY", "NSEC3PARAM"):
        asks.soon(zone, kind)
    return Seen(
        zone=zone,
        ds=await asks.ask(zone, "DS"),
        dnskey=await asks.ask(zone, "DNSKEY"),
        answers=(soa, await asks.ask(domain, "MX"), await asks.ask(domain, "TXT")),
        nsec3=await asks.ask(zone, "NSEC3PARAM"),
    )


def _island(seen: Seen) -> Finding:
    """There is no DS."""
    keys = signing_keys(there(seen.dnskey))
    zone = shown(seen.zone)
    if not keys:
        text = f"{zone} is not signed with DNSSEC, which is optional (DANE needs it)."
        return seen.told("absent", NOT_APPLICABLE, text, reference="RFC 4035 section 4.3")
    return seen.told(
        "no-ds",
        WARNING,
        f"{zone} is signed, and its parent does not say so: for every resolver it is as if it were not.",
        "Hand the DS record to the registrar of the domain, who publishes it; or stop signing.",
        "RFC 4035 section 5.2",
        publish=ds_line(seen.zone, keys),
    )


def _chain(seen: Seen) -> list[Finding]:
    """What is wrong between the parent and the keys."""
    keys, said = signing_keys(there(seen.dnskey)), delegations(there(seen.ds))
    zone = shown(seen.zone)
    if not said:
        return []
    if not keys:
        text = f"The parent of {zone} says by DS that it is signed, and it has no keys (DNSKEY). {EFFECT}"
        fix = "Let the registrar of the domain take the DS record out, or sign the zone."
        return [seen.told("no-keys", ERROR, text, fix, "RFC 4035 section 5.2", where=f"{zone} DNSKEY")]
    if any(fits(seen.zone, ds, key) for ds in said for key in keys):
        return []
    tags = ", ".join(str(each.key_tag) for each in said)
    text = f"The DS record at the parent of {zone} (key {tags}) fits none of the zone's keys. {EFFECT}"
    fix = "Let the registrar of the domain publish this DS record instead, or sign with the key that it is of."
    publish = ds_line(seen.zone, keys)
    return [seen.told("ds-mismatch", ERROR, text, fix, "RFC 4035 section 5.2", where=f"{zone} DS", publish=publish)]


def _times(seen: Seen, now: float) -> list[Finding]:
    """Signatures that are over, or soon will be: the first of them."""
    ending = [each for each in (seen.dnskey, *seen.answers) if each.signed_until is not None]
    if not ending:
        return []
    first = min(ending, key=_end)
    end = _end(first)
    where = f"{shown(first.name)} {first.kind}"
    when = _date(end)
    if end < now:
        text = f"The signature over {first.kind} of {shown(first.name)} ended at {when}. {EFFECT}"
        fix = "Sign the zone anew, and see why that is not done by itself (a signer that stopped, a stale secondary)."
        return [seen.told("expired", ERROR, text, fix, "RFC 4035 section 5.3.1", where=where)]
    if first.signed_since is not None and first.signed_since > now:
        text = f"The signature over {first.kind} of {shown(first.name)} begins at {_date(first.signed_since)}. {EFFECT}"
        fix = "Set the clock of whatever signs the zone, and sign it anew."
        return [seen.told("not-yet-valid", ERROR, text, fix, "RFC 4035 section 5.3.1", where=where)]
    life = None if first.signed_since is None else end - first.signed_since
    if end - now >= SOON or (life is not None and end - now > life * FRESH) or seen.bogus:
        return []
    text = (f"The signature over {first.kind} of {shown(first.name)} ends at {when}, in {_left(end - now)}:"
            " if the zone is not signed anew before, resolvers that validate refuse its names.")  # fmt: skip
    fix = "See that whatever signs the zone is running, and that the secondaries take over what it signs."
    return [seen.told("expires-soon", WARNING, text, fix, "RFC 6781 section 4.4.2", where=where)]


def _end(answer: Answer) -> float:
    return answer.signed_until or 0.0


def _date(end: float) -> str:
    try:
        return datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "an impossible time"


def _left(seconds: float) -> str:
    return f"{seconds / DAY:.1f} days" if seconds >= DAY else f"{seconds / 3600:.0f} hours"


def _bogus(seen: Seen) -> list[Finding]:
    """DNSSEC is wrong, and nothing above says why."""
    if not seen.bogus:
        return []
    first = seen.bogus[0]
    text = f"DNSSEC of {shown(seen.zone)} is broken ({first.trouble}). {EFFECT}"
    fix = (
        "Sign the zone anew; see that the DS at the parent is of its key, and that all name servers have the same zone."
    )
    where = ", ".join(f"{shown(each.name)} {each.kind}" for each in seen.bogus)
    return [seen.told("bogus", ERROR, text, fix, "RFC 4035 section 5.5", where=where)]


def _age(seen: Seen) -> list[Finding]:
    """What works, and should not be used any more."""
    found = []
    zone = shown(seen.zone)
    said = delegations(there(seen.ds))
    numbers = {int(each.algorithm) for each in said}
    numbers |= {int(each.algorithm) for each in signing_keys(there(seen.dnskey))}
    if old := sorted(numbers & set(OLD)):
        names = ", ".join(OLD[each][0] for each in old)
        text = (
            f"{zone} is signed with {names}, which is broken or out of use: some resolvers take the zone for unsigned."
        )
        fix = "Roll over to ECDSAP256SHA256 (algorithm 13)."
        found.append(seen.told("old-algorithm", WARNING, text, fix, OLD[old[0]][1], where=f"{zone} DNSKEY"))
    if said and all(each.digest_type == SHA1 for each in said):
        text = f"The DS record of {zone} is a SHA-1 digest, which is not to be used any more: a resolver may ignore it."
        publish = ds_line(seen.zone, signing_keys(there(seen.dnskey)))
        fix = "Let the registrar of the domain publish a SHA-256 digest instead."
        found.append(seen.told("old-digest", WARNING, text, fix, "RFC 9904", where=f"{zone} DS", publish=publish))
    most = max((int(getattr(each, "iterations", 0)) for each in seen.nsec3.records), default=0)
    if most > MOST_ITERATIONS:
        text = f"{zone} hashes its names {most} times more (NSEC3): resolvers take the zone for unsigned, or fail."
        fix = "Set NSEC3 iterations to 0, and the salt to none."
        found.append(seen.told("iterations", WARNING, text, fix, "RFC 9276 section 3.1", where=f"{zone} NSEC3PARAM"))
    return found


def _validated(seen: Seen) -> Finding:
    """What the resolver says of a zone in which nothing is wrong to be seen."""
    zone, soa = shown(seen.zone), seen.answers[0]
    if soa.authentic:
        return seen.told("ok", OK, f"{zone} is signed, its parent says so, and the resolver has checked it.")
    reference = "RFC 4035 section 4.9.3"
    if soa.authentic is None:
        text = (f"Could not check the signatures of {zone}, which is signed and whose DS fits: this resolver says"
                " of nothing whether it is valid.")  # fmt: skip
        fix = (
            "Ask by a resolver that validates, such as unbound on this host, and see that the stub keeps AD (trust-ad)."
        )
        return seen.told("unknown", UNKNOWN, text, fix, reference)
    text = f"{zone} is signed and its DS fits, and yet the resolver, which validates others, takes it for unsigned."
    fix = (
        "See that the resolver knows the zone's algorithm, and that no exception (negative trust anchor) is set in it."
    )
    return seen.told("not-validated", WARNING, text, fix, reference)


def _unknown(text: str, where: str) -> Finding:
    return Finding(check=NAME, code="dnssec-unknown", verdict=UNKNOWN, text=text, where=where,
                   reference="RFC 4035 section 4.3")  # fmt: skip
