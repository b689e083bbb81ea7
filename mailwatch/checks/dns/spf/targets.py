"""What is wrong with the records that an SPF record leads to: not there, broken, unanswered, going round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dns.name import root

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.counts import loops
from mailwatch.checks.dns.spf.subject import listed, placed
from mailwatch.checks.dns.spf.tree import target
from mailwatch.finding import ERROR, UNKNOWN, WARNING
from mailwatch.question import NXDOMAIN
from mailwatch.question import UNKNOWN as UNANSWERED

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.spf.subject import Subject
    from mailwatch.checks.dns.spf.term import Term
    from mailwatch.checks.dns.spf.tree import Published, Tree
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

SECTION: Final = {"include": "5.2", "redirect": "6.1"}
PERMERROR: Final = "every receiver that gets so far in the record answers permerror, and many refuse the mail"
CORRECT: Final = "Remove the term, or correct the name: the provider's own instructions have it."
SECOND_LEVEL: Final = frozenset({b"ac", b"co", b"com", b"edu", b"gov", b"gob", b"ne", b"net", b"or", b"org"})
"""Labels below which names are registered in many countries: example.co.uk, example.com.br."""
COUNTRY: Final = 2
"""Letters of the name of a country."""


async def wrong_targets(asks: Asks, subject: Subject, tree: Tree) -> list[Finding]:
    """A finding for each record that is led to and cannot be used; each is told once, where it is first met."""
    found: list[Finding] = []
    told: set[Name] = set()
    for published, term in tree.walk():
        to = target(term)
        led = tree.of(to)
        if to is None or led is None or to in told:
            continue
        finding = await _wrong(asks, subject, led, (published.domain, term))
        if finding is not None:
            told.add(to)
            found.append(finding)
    return [*found, *_loops(subject, tree), *_unanswered(subject, tree)]


async def _wrong(asks: Asks, subject: Subject, led: Published, place: tuple[Name, Term]) -> Finding | None:
    """What is wrong with one record that is led to."""
    domain, term = place
    at = placed(term, None if domain == subject.domain else domain)
    if led.answer.outcome == UNANSWERED:
        return subject.tell(
            f"spf-{term.name}-unknown",
            UNKNOWN,
            f"{at} could not be looked up ({led.answer.trouble or 'no answer'}): whoever has the same trouble puts the "
            "mail off (temperror).",
            column=term.column if domain == subject.domain else None,
            fix=f"Ask again later; if it stays so, the name servers of {shown(led.domain)} are broken.",
            reference="2.6.6",
        )
    if led.answer.outcome == NXDOMAIN:
        return await _missing(asks, subject, led, place)
    unusable = _unusable(led, SECTION[term.name])
    if unusable is None:
        return None
    code, said, fix, section = unusable
    return subject.tell(
        f"spf-{term.name}-{code}",
        ERROR,
        f"{at} leads to {shown(led.domain)}, {said}: {PERMERROR}.",
        column=term.column if domain == subject.domain else None,
        fix=fix,
        reference=section,
    )


def _unusable(led: Published, section: str) -> tuple[str, str, str, str] | None:
    """The end of the code, what is said, what to do, and the section, of a record that no receiver can use."""
    if not led.texts:
        near = ", only something that looks like one" if led.near else ""
        return "no-record", f"which has no SPF record{near}", CORRECT, section
    if len(led.texts) > 1:
        several = f"which has {len(led.texts)} SPF records instead of one"
        return (
            "two-records",
            several,
            "Whoever publishes them must make one of them; until then remove the term.",
            "4.5",
        )
    if led.record is not None and led.record.problems:
        first = led.record.problems[0]
        broken = f"whose SPF record is wrong at column {first.column} ({first.text})"
        return "syntax", broken, "Whoever publishes it must correct it; until then remove the term.", "4.6"
    return None


async def _missing(asks: Asks, subject: Subject, led: Published, place: tuple[Name, Term]) -> Finding:
    """A name that is not there: who registers it decides who may send for the domain."""
    domain, term = place
    free = await registrable(asks, led.domain)
    at = placed(term, None if domain == subject.domain else domain)
    risk = (
        f" Nobody seems to own {shown(free)}: whoever registers it may then send mail as {shown(subject.domain)}."
        if free is not None
        else ""
    )
    return subject.tell(
        f"spf-{term.name}-{'unregistered' if free is not None else 'nxdomain'}",
        ERROR,
        f"{at} leads to {shown(led.domain)}, which does not exist: {PERMERROR}.{risk}",
        column=term.column if domain == subject.domain else None,
        fix=CORRECT,
        reference=SECTION[term.name],
    )


async def registrable(asks: Asks, name: Name) -> Name | None:
    """The name above (or itself) that anybody could register now, as far as can be seen; None if there is none.

    A name is free when it does not exist and stands directly below a top level, or below a second level like co.uk.
    """
    above = name.parent() if name != root else root
    free = name
    while above != root and (await asks.ask(above, "SOA")).outcome == NXDOMAIN:
        free, above = above, above.parent()
    labels = above.labels[:-1]
    if len(labels) == 1:
        return free
    national = len(labels) == COUNTRY and len(labels[1]) == COUNTRY and labels[0].lower() in SECOND_LEVEL
    return free if national else None


def _loops(subject: Subject, tree: Tree) -> list[Finding]:
    found = loops(tree)
    if not found:
        return []
    domain, term = found[0]
    return [
        subject.tell(
            "spf-loop",
            ERROR,
            f"{placed(term, None if domain == subject.domain else domain)} leads back to a record that led to it, so "
            f"the record goes round in circles: {PERMERROR}.",
            column=term.column if domain == subject.domain else None,
            fix="Remove the term that leads back.",
            reference="4.6.4",
        )
    ]


def _unanswered(subject: Subject, tree: Tree) -> list[Finding]:
    """Terms whose addresses nobody could tell."""
    places = [
        (published.domain, term, reached.trouble)
        for published, term in tree.walk()
        if (reached := tree.reached.get((published.domain, term.column))) is not None and reached.trouble
    ]
    if not places:
        return []
    said = listed([placed(term, None if domain == subject.domain else domain) for domain, term, _ in places])
    return [
        subject.tell(
            "spf-term-unknown",
            UNKNOWN,
            f"{said} could not be looked up ({places[0][2]}): whoever has the same trouble puts the mail off "
            "(temperror).",
            column=places[0][1].column if places[0][0] == subject.domain else None,
            fix="Ask again later; if it stays so, the name servers of that domain are broken.",
            reference="2.6.6",
        )
    ]


def dead_terms(subject: Subject, tree: Tree) -> list[Finding]:
    """Terms of the record itself that lead to no address at all."""
    published = tree.of(tree.root)
    dead = [
        term
        for term in (published.terms if published else ())
        if term.name in ("a", "mx", "exists")
        and (reached := tree.reached.get((tree.root, term.column))) is not None
        and reached.void4
        and reached.void6
    ]
    if not dead:
        return []
    return [
        subject.tell(
            "spf-dead-term",
            WARNING,
            f"{listed([placed(term) for term in dead])} lead{'s' if len(dead) == 1 else ''} to no address: that lets "
            "nobody pass, and is one of the two empty answers (void lookups) that a record may cost.",
            column=dead[0].column,
            fix="Remove it, or publish the address that is meant.",
            reference="4.6.4",
        )
    ]
