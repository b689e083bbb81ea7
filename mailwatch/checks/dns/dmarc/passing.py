"""Whether mail from here can pass: what is known of MAIL FROM and of signatures, by RFC 9989 and by RFC 7489."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.alignment import identities, mail_from, signing
from mailwatch.checks.dns.dmarc.in_force import made, with_tag
from mailwatch.checks.dns.dmarc.record import NONE, STRICT
from mailwatch.checks.dns.dmarc.suffix_list import registered
from mailwatch.checks.dns.names import shown
from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING, Finding

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.alignment import Identity
    from mailwatch.checks.dns.dmarc.in_force import InForce
    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

    Identities = tuple[Identity, ...]

SECTION: Final = "RFC 9989 section 4.4"


async def findings(asks: Asks, facts: Facts, about: InForce) -> tuple[list[Finding], bool]:
    """What keeps mail from passing, and whether something about it is not known."""
    sender = mail_from(facts)
    spf = await identities(asks, about.found, () if sender is None else (sender,), "aspf")
    dkim = await identities(asks, about.found, signing(facts), "adkim")
    unknown = any(each.aligned is None for each in (*spf, *dkim))
    told = None if unknown else _alignment(about, spf, dkim)
    opinion = _second_opinion(about, (*spf, *dkim)) if told is None else None
    return [each for each in (told, opinion) if each is not None], unknown


def _alignment(about: InForce, spf: Identities, dkim: Identities) -> Finding | None:
    by_spf = any(each.aligned for each in spf)
    by_dkim = any(each.aligned for each in dkim)
    if spf and dkim and not by_spf and not by_dkim:
        return _nothing(about, (*spf, *dkim))
    if _differing((*spf, *dkim)):
        return None  # told as a difference between receivers
    if spf and not by_spf:
        return _without_spf(about, spf[0].domain, signed=bool(dkim))
    if dkim and not by_dkim:
        return _without_dkim(about, dkim[0].domain)
    return None


def _nothing(about: InForce, known: Identities) -> Finding:
    start, severe = shown(about.start), about.policy not in (None, NONE)
    domains = " and ".join(dict.fromkeys(shown(each.domain) for each in known))
    return made(
        about,
        "dmarc-nothing-aligned",
        ERROR if severe else WARNING,
        f"Mail from {start} fails DMARC whatever SPF and DKIM say: to receivers they are about another domain, "
        f"{domains}{', and it is refused or put aside' if severe else ''}.",
        fix=f"Sign with a key of {start}, or send with an envelope sender in it.{_strictness(about.record)}",
        reference=SECTION,
    )


def _without_spf(about: InForce, domain: Name, *, signed: bool) -> Finding:
    start = shown(about.start)
    how = "by DKIM alone" if signed else f"only if it is signed for {start}, which is not known here"
    return made(
        about,
        "dmarc-spf-not-aligned",
        WARNING,
        f"SPF does not count for DMARC: envelopes are from {shown(domain)}, and From is {start}; mail passes {how}.",
        fix=f"Send with an envelope sender in {start}.{_strictness(about.record, 'aspf')}",
        publish=with_tag(about.record, "aspf", None) if about.record.values.get("aspf") == STRICT else None,
        reference=SECTION,
    )


def _without_dkim(about: InForce, domain: Name) -> Finding:
    start = shown(about.start)
    return made(
        about,
        "dmarc-dkim-not-aligned",
        WARNING,
        f"Signatures do not count for DMARC: they are by {shown(domain)}, and From is {start}; mail passes by SPF "
        "alone, and fails as soon as it is forwarded.",
        fix=f"Sign with a key of {start}.{_strictness(about.record, 'adkim')}",
        publish=with_tag(about.record, "adkim", None) if about.record.values.get("adkim") == STRICT else None,
        reference=SECTION,
    )


def _strictness(record: Record, *tags: str) -> str:
    strict = [f"{tag}=s" for tag in tags or ("aspf", "adkim") if record.values.get(tag) == STRICT]
    return f" Or take {' and '.join(strict)} out, if a subdomain is enough." if strict else ""


def _differing(known: Identities) -> list[Identity]:
    return [each for each in known if each.aligned is not None and each.aligned != each.listed]


def _second_opinion(about: InForce, known: Identities) -> Finding | None:
    """What receivers see otherwise that go by the Public Suffix List, as RFC 7489 said."""
    found, organization = about.found, about.found.organization
    if organization is None:
        return None
    listed = registered(about.start)
    differing = _differing(known)
    other_policy = found.inherited and listed != about.step.domain
    if not differing and not other_policy and listed == organization:
        return None
    if differing:
        names = " and ".join(shown(each.domain) for each in differing)
        effect = f"mail by {names} passes DMARC at some receivers, and fails at others"
    elif other_policy:
        effect = f"some take the policy of {shown(about.step.domain)}, others look for one at {shown(listed)}"
    else:
        effect = "of what is known here, nothing comes of it"
    psd = " with psd=n" if listed != organization and listed.is_subdomain(organization) else ""
    return made(
        about,
        "dmarc-list-differs",
        WARNING if differing or other_policy else NOT_APPLICABLE,
        f"To receivers by RFC 9989 {shown(about.start)} belongs to {shown(organization)}, to those by the Public "
        f"Suffix List (RFC 7489) to {shown(listed)}: {effect}.",
        fix=f"Publish a DMARC record for {shown(listed)}{psd}.",
        reference="RFC 9989 section 4.10.2",
    )
