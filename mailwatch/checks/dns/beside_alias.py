"""Lines to publish where a CNAME stands: with a record beside one (RFC 1034 section 3.6.2) servers refuse the zone.

Providers have such names at keys, policies and reverse zones (RFC 2317): the record is theirs, or the CNAME has to go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name

from mailwatch.checks.dns.names import shown

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.finding import Finding
    from mailwatch.question import Asks

CLASS: Final = "IN"
MOST: Final = 4
"""So many lines of a finding are looked at."""


async def heeding_aliases(asks: Asks, finding: Finding) -> Finding:
    """The finding; what to do says of a line to publish that a CNAME is in its way."""
    if finding.publish is None or "CNAME" in finding.fix:
        return finding
    for line in finding.publish.splitlines()[:MOST]:
        owner = _owner(line)
        if owner is None:
            continue
        answer = await asks.ask(*owner)
        if answer.aliases:
            target = shown(answer.canonical or answer.aliases[-1])
            more = (
                f"{shown(owner[0])} is an alias (CNAME) of {target}: have whoever publishes that change it there, or "
            )
            return replace(
                finding, fix=f"{finding.fix} {more}take the CNAME out first, for nothing may stand beside it."
            )
    return finding


def _owner(line: str) -> tuple[Name, str] | None:
    """The name and the type of a line of a zone."""
    words = line.split(maxsplit=4)
    if CLASS not in words[:-1]:
        return None
    try:
        return dns.name.from_text(words[0]), words[words.index(CLASS) + 1]
    except dns.exception.DNSException:
        return None
