"""Tells an answer that was published from one that a wildcard gives for every name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailwatch.checks.dns.names import below, parent
from mailwatch.question import ANSWER, UNKNOWN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks


def neighbour(facts: Facts, name: Name) -> Name | None:
    """A name beside the given one that nobody has published; None where there can be none."""
    above = parent(name)
    return None if above is None else below(above, facts.nonce)


async def answered_by_wildcard(asks: Asks, facts: Facts, name: Name, kind: str) -> bool | None:
    """Whether a name beside it that nobody has published has the same records; None: nobody could tell.

    False as well when there is nothing at ``name``. A wildcard covers all names below it that are not there, whether
    or not there is one of several labels (RFC 4592 section 2.2.1), so that one question beside the name is enough.
    """
    beside = neighbour(facts, name)
    if beside is None:
        return False
    asks.soon(name, kind)
    asks.soon(beside, kind)
    answer, other = await asks.ask(name, kind), await asks.ask(beside, kind)
    if answer.outcome == UNKNOWN:
        return None
    if answer.outcome != ANSWER:
        return False
    if other.outcome == UNKNOWN:
        return None
    return other.outcome == ANSWER and set(other.records) == set(answer.records)
