"""What SPF says of the first address that mail leaves from, and the tree of records that this came from.

All of it has been asked by the check already: nothing here waits for a name server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.checks.dns.spf.check import NAME
from mailwatch.checks.dns.spf.counts import drawn
from mailwatch.checks.dns.spf.evaluate import check_host
from mailwatch.checks.dns.spf.judging import senders
from mailwatch.checks.dns.spf.record import visible
from mailwatch.checks.dns.spf.tree import grow
from mailwatch.commands.dns_report import Evaluated

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

SPF: Final = NAME
LONGEST: Final = 1500


class Spf(NamedTuple):
    """``evaluated`` is None where it is not known from which address mail leaves."""

    evaluated: Evaluated | None = None
    tree: tuple[str, ...] = ()


async def spf_of(asks: Asks, facts: Facts) -> Spf:
    """The result of check_host (RFC 7208 section 4) for MAIL FROM, and the records drawn as lines."""
    tree = tuple(drawn(await grow(asks, facts.domain)))
    addresses = senders(facts)
    if not addresses:
        return Spf(tree=tree)
    sender = facts.mail_from.text if facts.mail_from is not None else ""
    helo = facts.helo.text if facts.helo is not None else ""
    said = await check_host(asks, addresses[0].address, None, address(sender), helo, now=facts.now)
    record = said.trace.record
    return Spf(
        Evaluated(
            result=said.result,
            explanation=visible(said.why),
            record=None if record is None else visible(record.text[:LONGEST]),
            lookups=said.lookups,
            void_lookups=said.void_lookups,
        ),
        tree,
    )


def address(mail_from: str) -> str:
    """An envelope sender; of a domain alone postmaster there (RFC 7208 section 4.3)."""
    return f"postmaster@{mail_from}" if mail_from and "@" not in mail_from else mail_from
