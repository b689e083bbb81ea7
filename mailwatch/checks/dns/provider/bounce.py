"""Finds the subdomain that a provider was given for the envelope of its mail, by what the provider wants there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailwatch.checks.dns.names import below
from mailwatch.checks.dns.provider.provider import matches
from mailwatch.question import ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.name import Name
    from dns.rdata import Rdata

    from mailwatch.checks.dns.provider.provider import Bounce
    from mailwatch.question import Asks


@dataclass(frozen=True, slots=True)
class Found:
    """``name`` leads to ``host`` of the provider, by MX or by CNAME."""

    name: Name
    host: str


async def bounces(asks: Asks, domain: Name, bounce: Bounce) -> list[Found]:
    """All such names that can be found: the domain itself and the usual ones below it. There may be others."""
    kind, wanted = _wanted(bounce)
    names = _names(domain, bounce)
    soon(asks, domain, bounce)
    found = []
    for name in names:
        answer = await asks.ask(name, kind)
        if answer.outcome == ANSWER:
            found += [Found(name, host) for host in _hosts(answer.records) if _any(host, wanted)]
    return found


def soon(asks: Asks, domain: Name, bounce: Bounce) -> None:
    """Put all questions for such names."""
    for name in _names(domain, bounce):
        asks.soon(name, _wanted(bounce)[0])


def _wanted(bounce: Bounce) -> tuple[str, tuple[str, ...]]:
    return ("MX", bounce.mx) if bounce.mx else ("CNAME", bounce.cname)


def _names(domain: Name, bounce: Bounce) -> list[Name]:
    return [domain, *(each for label in bounce.labels if (each := below(domain, label)) is not None)]


def _hosts(records: Iterable[Rdata]) -> list[str]:
    targets = [getattr(each, "exchange", None) or getattr(each, "target", None) for each in records]
    return [each.to_text(omit_final_dot=True).lower() for each in targets if each is not None]


def _any(host: str, wanted: Iterable[str]) -> bool:
    return any(matches(host, pattern) for pattern in wanted)
