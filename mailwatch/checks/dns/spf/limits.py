"""What an SPF record costs and covers, against what it may: lookups, empty answers, hosts, and the whole Internet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dns.reversename import from_address

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.counts import count
from mailwatch.checks.dns.spf.coverage import coverage
from mailwatch.checks.dns.spf.networks import UNROUTED
from mailwatch.checks.dns.spf.ranges import Ranges
from mailwatch.checks.dns.spf.subject import listed, placed
from mailwatch.checks.dns.spf.targets import dead_terms
from mailwatch.checks.dns.spf.unfit import BROADEST, HALF
from mailwatch.checks.dns.spf.verdict import MOST_LOOKUPS, MOST_MX, MOST_PTR
from mailwatch.checks.dns.spf.verdict import MOST_VOID_LOOKUPS as MOST_VOID
from mailwatch.finding import ERROR, WARNING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mailwatch.checks.dns.facts import SendingAddress
    from mailwatch.checks.dns.spf.coverage import Coverage
    from mailwatch.checks.dns.spf.subject import Subject
    from mailwatch.checks.dns.spf.tree import Tree
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

NEAR: Final = 9
"""Lookups from which on the next include is one too many."""
NOT_ROUTED: Final = Ranges.of(UNROUTED)
FAMILY: Final = {4: "IPv4", 6: "IPv6"}


def too_much(subject: Subject, tree: Tree, families: Collection[int]) -> list[Finding]:
    """The findings about costs and coverage; ``families``: the IP versions that mail is sent with."""
    return [*_lookups(subject, tree), *_void(subject, tree, families), *_hosts(subject, tree), *_covers(subject, tree)]


def _lookups(subject: Subject, tree: Tree) -> list[Finding]:
    needed = count(tree).lookups
    if needed > MOST_LOOKUPS:
        return [
            subject.tell(
                "spf-too-many-lookups",
                ERROR,
                f"The SPF record of {shown(subject.domain)} needs {needed} DNS lookups at worst, and {MOST_LOOKUPS} "
                "are allowed: for every server that is not named early in it receivers answer permerror.",
                fix="Remove includes of providers that no longer send for the domain; name your own servers by `ip4` "
                "and `ip6`, which cost nothing, and first.",
                reference="4.6.4",
            )
        ]
    if needed < NEAR:
        return []
    return [
        subject.tell(
            "spf-many-lookups",
            WARNING,
            f"The SPF record of {shown(subject.domain)} needs {needed} of the {MOST_LOOKUPS} DNS lookups that are "
            "allowed: it breaks as soon as a provider adds one or two to its own record.",
            fix=f"Remove includes of providers that no longer send for the domain.{_cheaper(tree)}",
            reference="4.6.4",
        )
    ]


def _cheaper(tree: Tree) -> str:
    """What else would save look-ups: the domain's own servers by their addresses."""
    root = tree.of(tree.root)
    own = [term for term in (root.terms if root else ()) if term.name in ("a", "mx")]
    return (
        f" Name your own servers by `ip4` and `ip6` instead of {listed([placed(each) for each in own])}." if own else ""
    )


def _void(subject: Subject, tree: Tree, families: Collection[int]) -> list[Finding]:
    needed = count(tree)
    if needed.void <= MOST_VOID:
        return dead_terms(subject, tree)
    empty = [
        placed(term, None if published.domain == subject.domain else published.domain)
        for published, term in tree.walk()
        if (reached := tree.reached.get((published.domain, term.column))) is not None
        and (reached.void4 if needed.void4 > MOST_VOID else reached.void6)
    ]
    ours = needed.void4 > MOST_VOID or 6 in families  # noqa: PLR2004 - IPv6
    whose = "" if needed.void4 > MOST_VOID else " for IPv6 senders"
    return [
        subject.tell(
            "spf-void-lookups",
            ERROR if ours else WARNING,
            f"{needed.void} terms of the SPF record get an empty answer{whose}, and {MOST_VOID} may: {listed(empty)}. "
            "Receivers that count answer permerror.",
            fix="Remove these terms, or publish the addresses that are meant.",
            reference="4.6.4",
        )
    ]


def _hosts(subject: Subject, tree: Tree) -> list[Finding]:
    many = [
        (published.domain, term, reached.hosts)
        for published, term in tree.walk()
        if (reached := tree.reached.get((published.domain, term.column))) is not None and reached.hosts > MOST_MX
    ]
    return [
        subject.tell(
            "spf-too-many-mx",
            ERROR,
            f"{placed(term, None if domain == subject.domain else domain)} leads to {hosts} mail servers, and "
            f"{MOST_MX} are allowed: receivers answer permerror.",
            column=term.column if domain == subject.domain else None,
            fix="Name the addresses of the servers that send, by `ip4` and `ip6`.",
            reference="4.6.4",
        )
        for domain, term, hosts in many
    ]


async def too_many_ptr(asks: Asks, subject: Subject, tree: Tree, addresses: Sequence[SendingAddress]) -> list[Finding]:
    """Where the record has a ``ptr``: whether an address of ours has more names than are looked at."""
    if not any(term.name == "ptr" for _, term in tree.walk()):
        return []
    found = []
    for each in addresses:
        answer = await asks.ask(from_address(str(each.address)), "PTR")
        if len(answer.records) > MOST_PTR:
            found.append(
                subject.tell(
                    "spf-too-many-ptr",
                    WARNING,
                    f"{each.address} has {len(answer.records)} names (PTR), and `ptr` looks at {MOST_PTR} of them "
                    "only: whether mail passes is a matter of luck.",
                    fix="Keep one name, and put the address into the record instead of `ptr`.",
                    reference="4.6.4",
                )
            )
    return found


def _covers(subject: Subject, tree: Tree) -> list[Finding]:
    """Whether the record lets much more pass than any sender has; the worse of IPv4 and IPv6 is told."""
    held = coverage(tree)
    return _everyone(subject, held) or _broad(subject, held)


def _everyone(subject: Subject, held: Coverage) -> list[Finding]:
    version = max(BROADEST, key=held.ranges.of_public)
    share = held.ranges.of_public(version)
    if share < HALF:
        return []
    whole = "every" if share > 1 - 2**-16 else "more than every second"
    kind = "" if min(held.ranges.of_public(each) for each in BROADEST) >= HALF else f" {FAMILY[version]}"
    return [
        subject.tell(
            "spf-passes-everyone",
            ERROR,
            f"{_made_by(subject, held, version)} let{_s(held, version)} {whole}{kind} address on the "
            f"Internet send mail as {shown(subject.domain)}: anybody can forge it.",
            fix="Name only the servers that send for the domain, and end the record with `~all` or `-all`.",
            reference="5.1",
        )
    ]


def _broad(subject: Subject, held: Coverage) -> list[Finding]:
    routed = held.ranges - NOT_ROUTED
    for version, longest in BROADEST.items():
        bits = routed.bits(version)
        if bits is not None and routed.share(version) > 2.0**-longest:
            return [
                subject.tell(
                    "spf-broad",
                    WARNING,
                    f"{_made_by(subject, held, version)} let{_s(held, version)} about as many {FAMILY[version]} "
                    f"addresses as a whole /{bits} send mail as {shown(subject.domain)}: many strangers are among "
                    "them.",
                    fix="Name only the servers that send for the domain.",
                    reference="5.6",
                )
            ]
    return []


def _makers(held: Coverage, version: int) -> list[str]:
    parts = held.largest(version)
    least = parts[0].ranges.share(version) / 16
    return list(dict.fromkeys(placed(part.term, part.domain) for part in parts if part.ranges.share(version) > least))


def _made_by(subject: Subject, held: Coverage, version: int) -> str:
    own = f" of {shown(subject.domain)}"
    return listed([each.removesuffix(own) for each in _makers(held, version)])


def _s(held: Coverage, version: int) -> str:
    return "s" if len(_makers(held, version)) == 1 else ""
