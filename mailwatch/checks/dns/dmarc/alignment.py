"""Alignment: whether what SPF and DKIM prove is the domain in From (RFC 9989 sections 4.4 and 4.10.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.record import RELAXED, STRICT
from mailwatch.checks.dns.dmarc.suffix_list import registered
from mailwatch.checks.dns.dmarc.walk import organizational_domain, soon, walk
from mailwatch.checks.dns.names import name_of

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.walk import Discovery
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

MOST: Final = 8
"""So many domains of selectors are compared: each takes a walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A domain that SPF or DKIM proves, and whether it is aligned with the one in From.

    ``aligned`` by RFC 9989, None when nobody could tell; ``listed``: by the Public Suffix List, as in RFC 7489.
    """

    domain: Name
    aligned: bool | None
    listed: bool


def mail_from(facts: Facts) -> Name | None:
    """The domain of MAIL FROM; None when it is not known, or empty as in a bounce."""
    if facts.mail_from is None:
        return None
    return _domain(facts.mail_from.text.strip("<> ").rpartition("@")[2])


def signing(facts: Facts) -> tuple[Name, ...]:
    """The domains that mail is signed for, as far as that is known; each once."""
    found = (_domain(each.domain) for each in facts.selectors)
    return tuple(dict.fromkeys(each for each in found if each is not None))[:MOST]


def _domain(text: str) -> Name | None:
    try:
        return name_of(text)
    except ValueError:
        return None


def ask_soon(asks: Asks, facts: Facts) -> None:
    """Put the questions by which alignment will be told."""
    for each in {mail_from(facts), *signing(facts)}:
        if each is not None and each != facts.domain:
            soon(asks, each)


async def identities(asks: Asks, found: Discovery, domains: tuple[Name, ...], tag: str) -> tuple[Identity, ...]:
    """How each domain stands to the one in From; ``tag`` is ``aspf`` or ``adkim``."""
    record = found.record
    mode = RELAXED if record is None else record.values.get(tag, RELAXED)
    return tuple([await _identity(asks, found, each, mode) for each in domains])


async def _identity(asks: Asks, found: Discovery, domain: Name, mode: str) -> Identity:
    start = found.walk.start
    if domain == start or mode == STRICT:
        return Identity(domain=domain, aligned=domain == start, listed=domain == start)
    listed = registered(domain) == registered(start)
    organization = organizational_domain(await walk(asks, domain))
    if organization is None or found.organization is None:
        return Identity(domain=domain, aligned=None, listed=listed)
    return Identity(domain=domain, aligned=organization == found.organization, listed=listed)
