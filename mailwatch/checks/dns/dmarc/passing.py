"""Whether mail from here can pass: what is known of MAIL FROM and of signatures, by RFC 9989 and by RFC 7489."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailwatch.checks.dns.dmarc.alignment import identities, mail_from, signing
from mailwatch.checks.dns.dmarc.in_force import made, with_tag
from mailwatch.checks.dns.dmarc.record import NONE, STRICT
from mailwatch.checks.dns.dmarc.suffix_list import registered
from mailwatch.checks.dns.names import shown
from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING, Finding

if TYPE_CHECKING:
    from mailwatch.checks.dns.dmarc.alignment import Identity
    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.checks.dns.dmarc.walk import Discovery, Step
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

SECTION = "RFC 9989 section 4.4"


async def findings(
    asks: Asks, facts: Facts, found: Discovery, step: Step, record: Record, policy: str | None
) -> tuple[list[Finding], bool]:
    """What keeps mail from passing, and whether something about it is not known."""
    sender = mail_from(facts)
    spf = await identities(asks, found, () if sender is None else (sender,), "aspf")
    dkim = await identities(asks, found, signing(facts), "adkim")
    unknown = any(each.aligned is None for each in (*spf, *dkim))
    told = [] if unknown else list(_alignment(found, step, record, policy, spf, dkim))
    if not any(each.verdict in (WARNING, ERROR) for each in told):
        told += _second_opinion(found, step, record, (*spf, *dkim))
    return told, unknown


def _alignment(
    found: Discovery,
    step: Step,
    record: Record,
    policy: str | None,
    spf: tuple[Identity, ...],
    dkim: tuple[Identity, ...],
) -> list[Finding]:
    start = shown(found.walk.start)
    if any(each.aligned for each in spf) and (not dkim or any(each.aligned for each in dkim)):
        return []
    if spf and dkim and not any(each.aligned for each in (*spf, *dkim)):
        domains = " and ".join(dict.fromkeys(shown(each.domain) for each in (*spf, *dkim)))
        severe = policy not in (None, NONE)
        return [made(
            about, "dmarc-nothing-aligned", ERROR if severe else WARNING,
            f"Mail from {start} fails DMARC whatever SPF and DKIM say: they are about {domains}, which is another domain "
            f"to receivers{'; it is refused or put aside' if severe else ''}.",
            fix=f"Sign with a key of {start}, or send with an envelope sender in it.{_strictness(record)}",
            reference=SECTION,
        )]  # fmt: skip
    if _differ((*spf, *dkim)):
        return []  # told as a difference between receivers
    if spf and not spf[0].aligned:
        other = "by DKIM alone" if dkim else "only if it is signed for it, which is not known here"
        return [made(
            about, "dmarc-spf-not-aligned", WARNING,
            f"SPF does not count for DMARC: envelopes are from {shown(spf[0].domain)}, and From is {start}; mail passes "
            f"{other}.",
            fix=f"Send with an envelope sender in {start}.{_strictness(record, 'aspf')}",
            publish=with_tag(record, "aspf", None) if record.values.get("aspf") == STRICT else None, reference=SECTION,
        )]  # fmt: skip
    if dkim and not any(each.aligned for each in dkim):
        return [made(
            about, "dmarc-dkim-not-aligned", WARNING,
            f"Signatures do not count for DMARC: they are by {shown(dkim[0].domain)}, and From is {start}; mail passes by "
            "SPF alone, and fails as soon as it is forwarded.",
            fix=f"Sign with a key of {start}.{_strictness(record, 'adkim')}",
            publish=with_tag(record, "adkim", None) if record.values.get("adkim") == STRICT else None, reference=SECTION,
        )]  # fmt: skip
    return []


def _strictness(record: Record, *tags: str) -> str:
    strict = [tag for tag in tags or ("aspf", "adkim") if record.values.get(tag) == STRICT]
    return f" Or take {' and '.join(f'{tag}=s' for tag in strict)} out, where a subdomain is enough." if strict else ""


def _differ(all_of_them: tuple[Identity, ...]) -> list[Identity]:
    return [each for each in all_of_them if each.aligned is not None and each.aligned != each.listed]


def _second_opinion(found: Discovery, step: Step, record: Record, known: tuple[Identity, ...]) -> list[Finding]:
    """What receivers see otherwise that go by the Public Suffix List, as RFC 7489 said."""
    listed = registered(found.walk.start)
    if found.organization is None:
        return []
    differing = _differ(known)
    old = found.walk.at(listed)
    other_record = found.inherited and (old is None or old.domain != step.domain)
    if not differing and not other_record and listed == found.organization:
        return []
    who = f"{shown(found.walk.start)} belongs to {shown(found.organization)} by its DMARC records (RFC 9989), and to "
    who += f"{shown(listed)} by the Public Suffix List (RFC 7489)"
    if differing:
        names = " and ".join(shown(each.domain) for each in differing)
        effect = f"mail from {names} passes DMARC at some receivers, and fails at others"
    elif other_record:
        effect = f"some receivers take the policy of {shown(step.domain)}, others look for one at {shown(listed)}"
    else:
        effect = "of what is known here, nothing comes of it"
    return [made(
        about, "dmarc-list-differs", WARNING if differing or other_record else NOT_APPLICABLE,
        f"{who}: {effect}.",
        fix=f"Publish a DMARC record for {shown(listed)}" + (" with psd=n." if listed.is_subdomain(found.organization) else "."),
        reference="RFC 9989 section 4.10.2",
    )]  # fmt: skip
