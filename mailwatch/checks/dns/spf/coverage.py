"""Which addresses an SPF record lets pass in the end, over all its includes, and which terms make them so many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailwatch.checks.dns.spf.ranges import EVERYONE, NONE, Ranges
from mailwatch.checks.dns.spf.tree import LEADING, target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dns.name import Name

    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.checks.dns.spf.tree import Tree


@dataclass(frozen=True, slots=True)
class Part:
    """``term`` of the record of ``domain`` is the one that lets ``ranges`` pass."""

    domain: Name
    term: Term
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Coverage:
    """All addresses that pass, and the terms by which they do."""

    ranges: Ranges = NONE
    parts: tuple[Part, ...] = ()

    def largest(self, version: int) -> list[Part]:
        """The terms that let addresses of this IP version pass, those with most of them first."""
        held = [part for part in self.parts if part.ranges.share(version)]
        return sorted(held, key=lambda part: -part.ranges.share(version))


def coverage(tree: Tree, without: Collection[int] = ()) -> Coverage:
    """What the record at the root lets pass. ``ptr`` and macros let nobody pass here: who knows.

    The same if the terms at the columns ``without`` were not in the root's record.
    """
    root = tree.of(tree.root)
    terms = [each for each in (root.terms if root else ()) if each.column not in without]
    return _passing(tree, tree.root, terms, {tree.root: Coverage()})


def reaches(tree: Tree, domain: Name, terms: Iterable[Term]) -> Iterator[tuple[Term, Ranges]]:
    """All addresses that each of some terms of the record of a domain matches, whatever stands before it."""
    known = {domain: Coverage()}
    for term in terms:
        to = target(term)
        yield term, _matched(tree, domain, term, Coverage() if to is None else _covered(tree, to, known))


def _covered(tree: Tree, domain: Name, known: dict[Name, Coverage]) -> Coverage:
    """The same of one record; each is looked at once, and one that leads to itself lets nobody pass."""
    if domain not in known:
        known[domain] = Coverage()
        published = tree.of(domain)
        known[domain] = _passing(tree, domain, published.terms if published else (), known)
    return known[domain]


def _passing(tree: Tree, domain: Name, terms: Iterable[Term], known: dict[Name, Coverage]) -> Coverage:
    """What some terms let pass, the first that matches an address deciding."""
    left, passed, parts = EVERYONE, list[Ranges](), list[Part]()
    for term in terms:
        inner = _covered(tree, to, known) if (to := target(term)) is not None else Coverage()
        hit = left & _matched(tree, domain, term, inner)
        if hit and term.qualifier in ("+", ""):
            passed.append(hit)
            parts += _shares(Part(domain, term, hit), inner)
        left -= hit
    return Coverage(Ranges.union(passed), tuple(parts))


def _shares(part: Part, inner: Coverage) -> list[Part]:
    """An include is told by the terms within it."""
    if part.term.name not in LEADING:
        return [part]
    return [Part(each.domain, each.term, hit) for each in inner.parts if (hit := each.ranges & part.ranges)]


def _matched(tree: Tree, domain: Name, term: Term, inner: Coverage) -> Ranges:
    """The addresses that a term matches."""
    if term.name == "all":
        return EVERYONE
    if term.network is not None:
        return Ranges.of([term.network])
    if term.name in LEADING:
        return inner.ranges
    reached = tree.reached.get((domain, term.column))
    return NONE if reached is None else reached.addresses
