"""How many DNS lookups an SPF record costs at worst: for an address that none of its terms matches before the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.term import LOOKING_UP
from mailwatch.checks.dns.spf.tree import target
from mailwatch.checks.dns.spf.verdict import MOST_LOOKUPS
from mailwatch.checks.dns.spf.verdict import MOST_VOID_LOOKUPS as MOST_VOID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns.name import Name

    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.checks.dns.spf.tree import Tree

COUNTED: Final = 999
"""Nobody needs to know how many more there are."""
MOST_LINES: Final = 120


@dataclass(frozen=True, slots=True)
class Count:
    """``lookups`` that count against ten; ``void4`` and ``void6``, for a client of that family, against two."""

    lookups: int = 0
    void4: int = 0
    void6: int = 0

    def __add__(self, other: Count) -> Count:
        """Both together."""
        return Count(
            min(COUNTED, self.lookups + other.lookups),
            min(COUNTED, self.void4 + other.void4),
            min(COUNTED, self.void6 + other.void6),
        )

    @property
    def void(self) -> int:
        """At worst."""
        return max(self.void4, self.void6)


def count(tree: Tree) -> Count:
    """What the whole record costs at worst."""
    return _count(tree, tree.root, {})


def _count(tree: Tree, domain: Name, known: dict[Name, Count]) -> Count:
    """A record that is included twice counts twice; one that includes itself counts until there."""
    if domain in known:
        return known[domain]
    known[domain] = Count()
    published = tree.of(domain)
    total = Count()
    for term in published.terms if published else ():
        total += _own(tree, domain, term)
        if (to := target(term)) is not None:
            total += _count(tree, to, known)
    known[domain] = total
    return total


def _own(tree: Tree, domain: Name, term: Term) -> Count:
    """What a term costs, without the record it leads to."""
    if term.name not in LOOKING_UP:
        return Count()
    reached = tree.reached.get((domain, term.column))
    return Count(1, int(reached.void4), int(reached.void6)) if reached else Count(1)


def loops(tree: Tree) -> list[tuple[Name, Term]]:
    """The terms that lead back to a record that is being evaluated, with the domain each stands in; each once."""
    found: dict[tuple[Name, int], tuple[Name, Term]] = {}
    done: set[Name] = set()

    path: set[Name] = set()

    def follow(domain: Name) -> None:
        path.add(domain)
        published = tree.of(domain)
        for term in published.terms if published else ():
            to = target(term)
            if to is not None and to in path:
                found[(domain, term.column)] = (domain, term)
            elif to is not None and to not in done:
                follow(to)
        path.remove(domain)
        done.add(domain)

    follow(tree.root)
    return list(found.values())


def drawn(tree: Tree) -> list[str]:
    """The tree as lines to print, each term that looks something up with what it costs; at most MOST_LINES."""
    lines = [f"{shown(tree.root)}: {_whole(tree)}"]
    for line in _branches(tree, tree.root, "", (tree.root,)):
        if len(lines) == MOST_LINES:
            return [*lines, "..."]
        lines.append(line)
    return lines


def _branches(tree: Tree, domain: Name, indent: str, path: tuple[Name, ...]) -> Iterator[str]:
    published = tree.of(domain)
    terms = [term for term in published.terms if term.name in LOOKING_UP] if published else []
    for term in terms:
        last = term is terms[-1]
        to = target(term)
        cost = _own(tree, domain, term)
        if to is not None and to not in path:
            cost += _count(tree, to, {})
        yield f"{indent}{'└─' if last else '├─'} {term.text}  {_cost(cost)}{_trouble(tree, domain, term, path)}"
        if to is not None and to not in path:
            yield from _branches(tree, to, indent + ("   " if last else "│  "), (*path, to))


def _whole(tree: Tree) -> str:
    """What the domain's record costs, and may cost; or why it costs nothing."""
    published = tree.of(tree.root)
    if published is None or published.record is None:
        return "no single SPF record"
    if published.record.problems:
        return "a record that is wrong, so that receivers look nothing up"
    cost = count(tree)
    lookups = f"{cost.lookups} lookup{'' if cost.lookups == 1 else 's'} at worst, {MOST_LOOKUPS} are allowed"
    return f"{lookups}; {cost.void} void{_family(cost)}, {MOST_VOID} are allowed" if cost.void else lookups


def _cost(cost: Count) -> str:
    lookups = "1 lookup" if cost.lookups == 1 else f"{cost.lookups} lookups"
    if not cost.void:
        return lookups
    return f"{lookups}, {'' if cost.lookups == 1 else f'{cost.void} of them '}void{_family(cost)}"


def _family(cost: Count) -> str:
    """For whom lookups are void; nothing where it is for both alike."""
    return "" if cost.void4 == cost.void6 else " for IPv6 senders" if cost.void6 > cost.void4 else " for IPv4 senders"


def _trouble(tree: Tree, domain: Name, term: Term, path: tuple[Name, ...]) -> str:
    """What is remarkable about the end of a branch."""
    to = target(term)
    if to is not None and to in path:
        return "  (a loop)"
    led = tree.of(to)
    if led is not None and led.record is None:
        return f"  (no single SPF record there: {led.answer.outcome})"
    if led is not None and led.record is not None and led.record.problems:
        return "  (its record is wrong)"
    reached = tree.reached.get((domain, term.column))
    return f"  (no answer: {reached.trouble})" if reached and reached.trouble else ""
