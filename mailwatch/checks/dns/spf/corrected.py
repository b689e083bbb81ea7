"""The record that should be published instead of one that has something wrong. Pure.

Promises
    What it gives has no mistake of grammar, lets pass what the record meant to let pass, and more only where that is
    asked for (``add``). Where nobody can tell what was meant there is None, and no guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.networks import duplicates, shadowed, unrouted
from mailwatch.checks.dns.spf.record import VERSION, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from mailwatch.checks.dns.spf.term import Problem, Record, Term

SOFT: Final = "~all"
"""What stands at the end of a record of which nobody has said that it is complete."""


def corrected(record: Record, add: Iterable[str] = (), drop: Iterable[str] = ()) -> str | None:
    """The record put right, with ``add`` (terms) before its ``all``, without the terms of text ``drop``."""
    meant = [each for each in record.doubts if each.instead]
    if record.problems or meant:
        record = parse(spelled_right(record.text, [*record.problems, *meant]) or "")
        if record.problems:
            return None
    dropped = {each.lower() for each in (*drop, *(each.token for each in record.doubts if each.instead is None))}
    kept = [_written(term) for term in useful(record) if term.text.lower() not in dropped]
    there = {each.lower() for each in kept}
    kept += [each for each in add if each.lower() not in there]
    return " ".join([VERSION, *kept, *_end(record, dropped)])


def fresh(add: Iterable[str]) -> str:
    """A first record of a domain that has none."""
    return " ".join([VERSION, *add, SOFT])


def merged(records: Sequence[Record], add: Iterable[str] = ()) -> str | None:
    """One record that says what several say; the strictest ``all`` of them is the one that was wanted last."""
    if any(record.problems for record in records):
        return None
    terms = [term.text for record in records for term in useful(record)]
    ends = [term.text for record in records for term in record.terms if term.name == "all" and term.qualifier in "-~"]
    end = "-all" if "-all" in [each.lower() for each in ends] else SOFT
    return corrected(parse(" ".join([VERSION, *terms, end])), add)


def terms_for(addresses: Iterable[IPv4Address | IPv6Address]) -> list[str]:
    """The terms that let addresses pass, cheap and clear: no lookup is needed for them."""
    return [f"ip{each.version}:{each}" for each in addresses]


def spelled_right(text: str, problems: Iterable[Problem]) -> str | None:
    """The text with each mistake replaced by what was meant; None when that of one is not known."""
    text = f"{text} "
    for problem in sorted(problems, key=lambda each: -each.column):
        begin = text.rfind(problem.token, 0, problem.column - 1 + len(problem.token))
        end = begin + len(problem.token)
        # the column is that of the character that is wrong, the token the whole word; it may have been cut off
        if problem.instead is None or not problem.token or not begin < problem.column <= end + 1 or text[end] != " ":
            return None
        text = f"{text[:begin]}{problem.instead}{text[end:]}"
    return " ".join(text.split())


def useful(record: Record) -> list[Term]:
    """The mechanisms before ``all`` that decide anything for anybody."""
    before: list[Term] = []
    for term in record.terms:
        if term.name == "all":
            break
        if not term.is_modifier:
            before.append(term)
    useless = {term.column for term, _ in (*duplicates(before), *shadowed(before))}
    return [term for term in before if term.column not in useless and not unrouted(term)]


def _written(term: Term) -> str:
    if term.network is None or not term.host_bits:
        return term.text
    return f"{term.qualifier if term.qualifier != '+' else ''}{term.name}:{term.network}"


def _end(record: Record, dropped: Collection[str]) -> list[str]:
    """``all`` or redirect, never both, and never one that lets everybody pass; then the other modifiers."""
    ends = [term for term in record.terms if term.name == "all"][:1]
    staying = [term for term in record.terms if term.is_modifier and term.text.lower() not in dropped]
    modifiers = [term.text for term in staying if term.name != "redirect"]
    redirect = [term.text for term in staying if term.name == "redirect"]
    if ends:
        return [ends[0].text if ends[0].qualifier in ("-", "~") else SOFT, *modifiers]
    return [*(redirect or [SOFT]), *modifiers]
