"""What a blocklist answered: on it, not on it, or nothing that can be believed; and what its test entries say of it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.addresses import reason, records_of
from mailwatch.finding import VERDICTS
from mailwatch.question import ANSWER, UNKNOWN

if TYPE_CHECKING:
    from mailwatch.checks.dns.blocklists.lists import Blocklist, Meaning
    from mailwatch.question import Answer

CODES: Final = ip_network("127.0.0.0/8")
REFUSED: Final = ip_network("127.255.255.0/24")
RESOLVER: Final = "it refuses the resolver of this host: a public one, or one that asks too much"
REFUSALS: Final = {
    "127.255.255.252": "it knows no such zone",
    "127.255.255.254": "it refuses public resolvers, and this host asks through one",
    "127.255.255.255": "it refuses this resolver, which asks too much",
}
MOST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """``codes``: the addresses by which it says that the name is on it; ``trouble``: why nothing can be said."""

    codes: tuple[str, ...] = ()
    trouble: str | None = None


def read(blocklist: Blocklist, answer: Answer) -> Reading:
    """The answer to one question; one that cannot come from such a list is trouble, not a listing."""
    if answer.outcome == UNKNOWN:
        return Reading(
            trouble=reason(answer).partition(": ")[2] or "no answer"
        )  # without the name: many are told at once
    if answer.outcome != ANSWER:
        return Reading()
    addresses = [each for each in records_of(answer) if isinstance(each, IPv4Address)]
    for each in addresses:
        if each in REFUSED:
            return Reading(trouble=REFUSALS.get(str(each), f"it refuses the question ({each})"))
        if str(each) in blocklist.refusals:
            return Reading(trouble=RESOLVER)
        if each not in CODES:
            return Reading(trouble=f"it answers {each}, as no blocklist does: it has ended, or the answer is forged")
    return Reading(codes=tuple(sorted(map(str, addresses[:MOST]))))


def doubted(listed: Reading, free: Reading, made_up: Reading) -> str | None:
    """Why the list cannot be believed, by its two test entries (RFC 5782 section 5); None when it can.

    ``made_up``: what it says of a name that nobody has listed. A wildcard does not cover the entry that must be free,
    for that has a neighbour in the zone (RFC 4592 section 2.2.2).
    """
    trouble = listed.trouble or free.trouble or made_up.trouble
    if trouble:
        return trouble
    if not listed.codes:
        return "its test entry, which is always listed, is not: it has ended, or hides from this resolver"
    if free.codes or made_up.codes:
        return "it lists everything: it has ended"
    return None


def meanings(blocklist: Blocklist, codes: tuple[str, ...]) -> list[Meaning]:
    """What the codes say, worst first; nothing for one that the list does not explain."""
    if blocklist.bits:
        octets = [int(code.rpartition(".")[2]) for code in codes]
        found = [meaning for bit, meaning in blocklist.meanings.items() if any(octet & int(bit) for octet in octets)]
    else:
        found = [blocklist.meanings[code] for code in codes if code in blocklist.meanings]
    distinct = list(dict.fromkeys(found))
    return sorted(distinct, key=lambda each: (VERDICTS.index(each.weight or blocklist.weight), each.policy))
