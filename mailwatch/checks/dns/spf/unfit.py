"""Which terms of a record should not be published any more, as they break it, cost lookups for nothing, or open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.counts import loops
from mailwatch.checks.dns.spf.coverage import reaches
from mailwatch.checks.dns.spf.tree import target
from mailwatch.question import UNKNOWN

if TYPE_CHECKING:
    from mailwatch.checks.dns.spf.judging import Judgement
    from mailwatch.checks.dns.spf.ranges import Ranges
    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.checks.dns.spf.tree import Published, Tree

BROADEST: Final = {4: 8, 6: 20}
"""Prefixes of the largest networks that one sender may have."""
HALF: Final = 0.5
"""So much of all addresses is everybody, as good as."""


def unfit(tree: Tree, judgement: Judgement) -> list[Term]:
    """Such terms of the root's record. ``ptr`` only where the addresses are known that it may be there for."""
    root = tree.of(tree.root)
    if root is None:
        return []
    back = {term.column for domain, term in loops(tree) if domain == tree.root}
    opening = {term.column for term, matched in reaches(tree, tree.root, root.terms) if _opens(term, matched)}
    return [
        term
        for term in root.terms
        if term.column in back
        or _broken(tree.of(target(term)))
        or _dead(tree, term)
        or term.column in opening
        or (term.name == "ptr" and judgement.own)
    ]


def _broken(led: Published | None) -> bool:
    """Whether a record that is led to cannot be used, for sure."""
    if led is None or led.answer.outcome == UNKNOWN:
        return False
    return led.record is None or bool(led.record.problems)


def _dead(tree: Tree, term: Term) -> bool:
    reached = tree.reached.get((tree.root, term.column))
    return reached is not None and reached.void4 and reached.void6


def _opens(term: Term, matched: Ranges) -> bool:
    """Whether the term alone lets much more pass than any sender has."""
    if term.network is not None:
        return term.network.prefixlen < BROADEST[term.network.version]
    if term.name == "all":
        return False
    return any(matched.of_public(version) >= HALF for version in BROADEST)
