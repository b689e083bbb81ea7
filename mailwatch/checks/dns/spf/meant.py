"""A record with mistakes of grammar, read as it was meant: whatever else is wrong with it is told at once. Pure.

Receivers do not read such a record at all: what is found in it is what they will meet when the mistakes are corrected.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailwatch.checks.dns.spf.record import read_term
from mailwatch.checks.dns.spf.term import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.spf.term import Problem, Record


def as_meant(record: Record) -> Record:
    """The record with the terms that were meant in place of the wrong ones; ``problems`` are what nobody can tell."""
    meant = [term for problem in record.problems for term in _meant(record, problem)]
    taken = {term.column for term in meant}
    terms = [term for term in record.terms if term.column not in taken]
    return replace(
        record,
        terms=tuple(sorted([*terms, *meant], key=lambda term: term.column)),
        problems=tuple(problem for problem in record.problems if not list(_meant(record, problem))),
    )


def _meant(record: Record, problem: Problem) -> Iterator[Term]:
    """Terms for a token, at the column where it begins; several of them at columns within it, one by one."""
    begin = record.text.rfind(problem.token, 0, problem.column - 1 + len(problem.token)) + 1 if problem.token else 0
    if not begin or problem.instead is None:
        return
    for at, word in enumerate(problem.instead.split()):
        term = read_term(word, begin + at)
        if isinstance(term, Term):
            yield term
