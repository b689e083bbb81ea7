"""Reads an answer: the chain of aliases, the records at its end, how long it may be remembered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.message import Message
    from dns.name import Name
    from dns.rdata import Rdata
    from dns.rdatatype import RdataType
    from dns.rrset import RRset

MOST_ALIASES: Final = 8
LONGEST_TTL: Final = 2**31 - 1
"""A larger one is none (RFC 2181 section 8)."""
DENIALS: Final = (dns.rdatatype.SOA, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one answer says. ``goes_on``: ``canonical`` must be asked about next.

    ``zone`` is who says that something is not there. ``trouble`` is why it says nothing; ``outcome`` is UNKNOWN then.
    """

    outcome: str
    canonical: Name
    records: tuple[Rdata, ...] = ()
    aliases: tuple[Name, ...] = ()
    ttl: int | None = None
    signed: bool = False
    signed_until: float | None = None
    signed_since: float | None = None
    authentic: bool | None = None
    zone: Name | None = None
    goes_on: bool = False
    trouble: str = ""
    bogus: bool = False
    server: str = ""


def read(message: Message, name: Name, rdtype: RdataType, zone: Name | None = None) -> Step:
    """What is answered about a name; the records in a fixed order, for a server gives them in any.

    ``zone``: whoever answered speaks for it alone; of an alias that leads elsewhere, another must be asked.
    """
    chain = _chain(message, name, rdtype)
    leaves = next((at for at, each in enumerate(chain) if zone and not each[0].target.is_subdomain(zone)), None)
    if leaves is not None:
        chain = chain[: leaves + 1]
    aliases, canonical = tuple(rrset[0].target for rrset in chain), name
    if aliases:
        canonical = aliases[-1]
    signatures = _signatures(message.answer, (name, *aliases), (dns.rdatatype.CNAME, rdtype))
    until, since = min(signatures, default=(None, None))
    step = Step(
        outcome=NXDOMAIN,
        canonical=canonical,
        aliases=aliases,
        ttl=_least(rrset.ttl for rrset in chain),
        signed_until=until,
        signed_since=since,
        authentic=True if message.flags & dns.flags.AD else None,
    )
    if leaves is not None:
        return replace(step, outcome=NO_DATA, goes_on=True)
    if message.rcode() == dns.rcode.NXDOMAIN:
        return _negative(step, message)
    found = [each for each in message.answer if each.name == canonical and each.rdtype == rdtype and _is_in(each)]
    if not found:
        return _without_records(step, message)
    return replace(
        step,
        outcome=ANSWER,
        records=tuple(sorted((rdata for rrset in found for rdata in rrset), key=_in_order)),
        ttl=_least(rrset.ttl for rrset in (*chain, *found)),
        signed=bool(_signatures(message.answer, (canonical,), (rdtype,))),
    )


def _in_order(rdata: Rdata) -> bytes:
    """The order of RFC 4034 section 6.3; made once for each record, where a comparison would make it for each pair."""
    return rdata.to_digestable()


def _chain(message: Message, name: Name, rdtype: RdataType) -> list[RRset]:
    """The aliases in the answer, from this name on, in their order; an alias for itself ends it."""
    if rdtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
        return []
    known = {each.name: each for each in message.answer if each.rdtype == dns.rdatatype.CNAME and _is_in(each)}
    chain: list[RRset] = []
    while name in known and len(chain) <= MOST_ALIASES:
        found = known.pop(name)
        chain.append(found)
        name = found[0].target
    return chain


def _without_records(step: Step, message: Message) -> Step:
    """No records of this kind: there are none, or somebody else must be asked."""
    has_soa = any(each.rdtype == dns.rdatatype.SOA for each in message.authority)
    referral = next((each for each in message.authority if each.rdtype == dns.rdatatype.NS), None)
    if step.aliases and not (has_soa and _soa(step, message)):
        return replace(step, outcome=NO_DATA, goes_on=True)
    if referral is not None and not has_soa and not message.flags & dns.flags.AA:  # RFC 2308 section 2.2
        return replace(step, outcome=UNKNOWN, trouble="refers to other name servers")
    return _negative(replace(step, outcome=NO_DATA), message)


def _negative(step: Step, message: Message) -> Step:
    """With what the SOA says of how long a thing stays away (RFC 2308 section 5)."""
    signatures = _signatures(message.authority, None, DENIALS)
    earlier = [] if step.signed_until is None else [(step.signed_until, step.signed_since or 0.0)]
    until, since = min((*signatures, *earlier), default=(None, None))
    soa = _soa(step, message)
    return replace(
        step,
        ttl=_least([step.ttl, *([soa.ttl, soa[0].minimum] if soa else [])]),
        zone=soa.name if soa else None,
        signed=bool(signatures),
        signed_until=until,
        signed_since=since,
    )


def _soa(step: Step, message: Message) -> RRset | None:
    return next(
        (
            each
            for each in message.authority
            if each.rdtype == dns.rdatatype.SOA and step.canonical.is_subdomain(each.name)
        ),
        None,
    )


def _signatures(
    section: Iterable[RRset], names: Iterable[Name] | None, kinds: Iterable[RdataType]
) -> list[tuple[float, float]]:
    """When each signature ends, and began, that is over one of these kinds, at one of these names."""
    return [
        (float(rdata.expiration), float(rdata.inception))
        for each in section
        if each.rdtype == dns.rdatatype.RRSIG and each.covers in kinds and (names is None or each.name in names)
        for rdata in each
    ]


def _least(ttls: Iterable[int | None]) -> int | None:
    return min((0 if each > LONGEST_TTL else each for each in ttls if each is not None), default=None)


def _is_in(rrset: RRset) -> bool:
    return rrset.rdclass == dns.rdataclass.IN
