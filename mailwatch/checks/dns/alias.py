"""Tells where nothing can be published because the name is an alias (CNAME): no other record may stand beside one.

RFC 1034 section 3.6.2. What is there stands at the name that the alias leads to, which may be a provider's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import name_of, shown
from mailwatch.checks.dns.wildcard import neighbour

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

ABOUT_ALIASES: Final = "-alias"
"""Ends the code of a finding whose advice is to put records in the place of an alias."""


async def publishable(asks: Asks, facts: Facts, found: Iterable[Finding]) -> list[Finding]:
    """The findings, without lines to publish at an alias: what is there must be changed where it leads."""
    return [await _one(asks, facts, each) for each in found]


async def _one(asks: Asks, facts: Facts, finding: Finding) -> Finding:
    if finding.publish is None or finding.code.endswith(ABOUT_ALIASES):
        return finding
    for line in finding.publish.splitlines():
        words = line.split() or [""]
        kind = words[words.index("IN") + 1] if "IN" in words[:-1] else None
        name = _name(words[0])
        target = await _target(asks, facts, name, kind) if kind is not None and name is not None else None
        if name is not None and target is not None:
            said = (
                f"{shown(name)} is an alias (CNAME) of {shown(target)}: "
                "have whoever publishes that change it there, or take the alias out first."
            )
            return replace(finding, publish=None, fix=f"{finding.fix} {said}".strip())
    return finding


def _name(text: str) -> Name | None:
    try:
        return name_of(text)
    except ValueError:
        return None


async def _target(asks: Asks, facts: Facts, name: Name, kind: str) -> Name | None:
    """Where the name leads by an alias of its own; None for an alias that it has from a wildcard."""
    answer = await asks.ask(name, kind)
    if not answer.aliases:
        return None
    beside = neighbour(facts, name)
    other = await asks.ask(beside, kind) if beside is not None else None
    if other is not None and other.aliases == answer.aliases:
        return None
    return answer.canonical or answer.aliases[-1]
