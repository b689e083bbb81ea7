"""Asks SPF about the mail of this host as a receiver would: each address, with MAIL FROM, with HELO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailwatch.checks.dns.names import name_of
from mailwatch.checks.dns.spf.evaluate import check_host
from mailwatch.checks.dns.spf.networks import routed
from mailwatch.checks.dns.spf.verdict import PASS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts, SendingAddress
    from mailwatch.checks.dns.spf.verdict import Verdict
    from mailwatch.question import Asks

GIVEN = "--ip"


@dataclass(frozen=True, slots=True)
class Judged:
    """What SPF answers for mail from an address."""

    sending: SendingAddress
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What SPF answers for this host: for the domain, for another one in MAIL FROM, for the HELO name.

    ``elsewhere`` is empty unless ``mail_from`` is another domain than the one that is checked.
    """

    own: tuple[Judged, ...] = ()
    mail_from: Name | None = None
    elsewhere: tuple[Judged, ...] = ()
    helo: Name | None = None
    by_helo: tuple[Judged, ...] = ()


def senders(facts: Facts) -> tuple[SendingAddress, ...]:
    """The addresses that receivers see. Behind a relay they are the relay's: only what was given for it is that."""
    there = [each for each in facts.addresses if routed(each.address)]
    return tuple(each for each in there if facts.relay is None or each.origin == GIVEN)


async def judge(asks: Asks, facts: Facts) -> Judgement:
    """All verdicts; where there is no address, there are none."""
    helo = facts.helo.text.strip() if facts.helo else ""
    sender = facts.mail_from.text.strip().strip("<>") if facts.mail_from else ""
    other = domain_of(sender)
    if other == facts.domain:
        other = None
    name = _name(helo)
    addresses = senders(facts)
    own_sender = sender if sender and other is None else f"postmaster@{facts.domain.to_text(omit_final_dot=True)}"
    return Judgement(
        own=await _all(asks, facts, addresses, facts.domain, own_sender),
        mail_from=other,
        elsewhere=await _all(asks, facts, addresses, other, sender) if other is not None else (),
        helo=name,
        by_helo=await _all(asks, facts, addresses, name, f"postmaster@{helo}")
        if name is not None and name not in (facts.domain, other)
        else (),
    )


async def _all(
    asks: Asks, facts: Facts, addresses: Sequence[SendingAddress], domain: Name, sender: str
) -> tuple[Judged, ...]:
    helo = facts.helo.text.strip() if facts.helo else ""
    return tuple(
        [Judged(each, await check_host(asks, each.address, domain, sender, helo, now=facts.now)) for each in addresses]
    )


def identities(facts: Facts) -> list[Name]:
    """The domains of MAIL FROM and HELO."""
    texts = [facts.mail_from.text.strip().strip("<>").rpartition("@")[2]] if facts.mail_from else []
    texts += [facts.helo.text.strip()] if facts.helo else []
    return [name for each in texts if (name := _name(each)) is not None]


def domain_of(sender: str) -> Name | None:
    """The domain of an envelope sender; None when it has none that can be asked."""
    return _name(sender.rpartition("@")[2]) if "@" in sender else None


def _name(text: str) -> Name | None:
    try:
        return name_of(text)
    except ValueError:
        return None


def refused(judged: Sequence[Judged]) -> list[Judged]:
    """Those that do not pass."""
    return [each for each in judged if each.verdict.result != PASS]
