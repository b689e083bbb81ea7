"""The hosts that take mail for a domain, as a sender finds them (RFC 5321 section 5.1, RFC 7505)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dns.name import root
from dns.rdtypes.mxbase import MXBase

from mailwatch.question import ANSWER, NO_DATA

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.question import Answer, Asks

MOST: Final = 20
"""So many hosts are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """``hosts``, the preferred first; none where the domain takes no mail, or where ``answer`` is UNKNOWN.

    ``implicit``: there is no MX, and the domain itself is tried.
    """

    answer: Answer
    hosts: tuple[Name, ...]
    implicit: bool = False


async def receivers(asks: Asks, domain: Name) -> Receivers:
    """Who takes mail for the domain."""
    answer = await asks.ask(domain, "MX")
    if answer.outcome == NO_DATA:
        return Receivers(answer=answer, hosts=(domain,), implicit=True)
    if answer.outcome != ANSWER:
        return Receivers(answer=answer, hosts=())
    found = sorted((each for each in answer.records if isinstance(each, MXBase)), key=lambda each: each.preference)
    hosts = dict.fromkeys(each.exchange for each in found if each.exchange != root)
    return Receivers(answer=answer, hosts=tuple(hosts)[:MOST])
