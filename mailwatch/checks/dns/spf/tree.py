"""The tree of records that one SPF record leads to, with all that could be asked on the way: include by include.

Promises
    Every domain is asked once, level by level, the questions of a level at the same time; there are at most
    MOST_DOMAINS of them, and no loop goes round for ever. Nothing depends on the address that sends: what does
    (a macro, ``ptr``) counts as the question it is, and its answer is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.macros import name_of
from mailwatch.checks.dns.spf.meant import as_meant
from mailwatch.checks.dns.spf.reached import Reached, reach, soon
from mailwatch.checks.dns.spf.record import parse
from mailwatch.checks.dns.spf.selection import readable, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dns.name import Name

    from mailwatch.checks.dns.spf.selection import NearMiss
    from mailwatch.checks.dns.spf.term import Record, Term
    from mailwatch.question import Answer, Asks

MOST_DOMAINS: Final = 60
"""Domains that are asked at most: a record that needs more of them has failed long before."""
MOST_TERMS: Final = 3000
"""Once a tree has more terms than this it grows no further: the largest ones have some hundreds."""
MOST_REACHED: Final = 100
"""Terms whose addresses are asked for at most; the others are counted all the same."""
LEADING: Final = ("include", "redirect")
"""Terms that lead to another record."""
REACHING: Final = ("a", "mx", "exists")
"""Terms that lead to addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is published at ``domain``: all its texts that are SPF records, and the record if there is just one.

    ``near`` are texts that were meant for an SPF record, and are none. ``guessed``: the record has mistakes, which
    receivers refuse, and its terms are those that were meant.
    """

    domain: Name
    answer: Answer
    texts: tuple[bytes, ...] = ()
    near: tuple[NearMiss, ...] = ()
    record: Record | None = None
    guessed: bool = False

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms that are ever evaluated, in that order: nothing after ``all``, ``redirect`` last and without it."""
        if self.record is None:
            return ()
        if self.record.problems:
            return evaluated(as_meant(self.record)) if self.guessed else ()
        return evaluated(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All records that ``root`` leads to, by their domain, and what ``a``, ``mx`` and ``exists`` lead to.

    ``reached`` goes by the domain of the record and the column of the term. ``is_cut``: there is more than was asked.
    """

    root: Name
    published: Mapping[Name, Published] = field(default_factory=dict)
    reached: Mapping[tuple[Name, int], Reached] = field(default_factory=dict)
    is_cut: bool = False

    def of(self, domain: Name | None) -> Published | None:
        """What is published there; None where nobody has asked."""
        return None if domain is None else self.published.get(domain)

    def walk(self) -> Iterator[tuple[Published, Term]]:
        """Every term that is ever evaluated, once, with the record it stands in; the root's first."""
        for each in self.published.values():
            for term in each.terms:
                yield each, term


def evaluated(record: Record) -> tuple[Term, ...]:
    """The terms that can decide, in the order of their evaluation (RFC 7208 sections 5.1 and 6.1)."""
    made: list[Term] = []
    for term in record.terms:
        if term.is_modifier:
            continue
        made.append(term)
        if term.name == "all":
            return tuple(made)
    return (*made, *(term for term in record.terms if term.is_modifier and term.name == "redirect"))


def target(term: Term) -> Name | None:
    """The domain that an include or redirect names; None when that depends on the message, or is no name."""
    return None if term.name not in LEADING or term.domain is None else named(term.domain)


@lru_cache(4 * MOST_TERMS)
def named(text: str) -> Name | None:
    """The name of a domain-spec without macros; None for anything else."""
    return None if "%" in text else name_of(text)


async def grow(asks: Asks, root: Name, *, guessed: bool = False) -> Tree:
    """The whole tree of the record of a domain; ``guessed``: the root's as it was meant, if it has mistakes."""
    published: dict[Name, Published] = {}
    reaching: list[tuple[Name, Term]] = []
    level, more, terms = [root], [root], 0
    while level:
        for name in level:
            asks.soon(name, "TXT")
        for name in level:
            if terms > MOST_TERMS:
                break
            published[name] = found = replace(await read(asks, name), guessed=guessed and name == root)
            terms += len(found.terms)
            late = [(name, term) for term in found.terms if term.name in REACHING][: MOST_REACHED - len(reaching)]
            for _, term in late:
                soon(asks, name, _spelled(term), term)
            reaching += late
        more = _leads(published, level)
        level = more[: MOST_DOMAINS - len(published)] if terms <= MOST_TERMS else []
    reached = {(each, term.column): await reach(asks, each, _spelled(term), term) for each, term in reaching}
    return Tree(root=root, published=published, reached=reached, is_cut=bool(more))


def _leads(published: Mapping[Name, Published], level: list[Name]) -> list[Name]:
    """Where the records of a level lead to that is not published yet, the level itself among that."""
    terms = [term for each in level if each in published for term in published[each].terms]
    leads = dict.fromkeys([*level, *(to for term in terms if (to := target(term)) is not None)])
    return [each for each in leads if each not in published]


def _spelled(term: Term) -> Name | None:
    return None if term.domain is None else named(term.domain)


async def read(asks: Asks, domain: Name) -> Published:
    """What is published at a domain."""
    answer = readable(await asks.ask(domain, "TXT"))
    selected = select(answer)
    texts = selected.records
    return Published(
        domain=domain,
        answer=answer,
        texts=texts,
        near=selected.near,
        record=parse(texts[0]) if len(texts) == 1 else None,
    )
