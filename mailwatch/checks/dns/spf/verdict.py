"""The words for what SPF answers: the result, the term that decided, and how it came to that, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailwatch.checks.dns.spf.term import Record, Term

NONE: Final = "none"
NEUTRAL: Final = "neutral"
PASS: Final = "pass"  # noqa: S105  # no password
FAIL: Final = "fail"
SOFTFAIL: Final = "softfail"
TEMPERROR: Final = "temperror"
PERMERROR: Final = "permerror"
RESULTS: Final = (NONE, NEUTRAL, PASS, FAIL, SOFTFAIL, TEMPERROR, PERMERROR)
MATCH: Final = "match"
NO_MATCH: Final = "no match"
MOST_LOOKUPS: Final = 10
MOST_VOID_LOOKUPS: Final = 2
MOST_MX: Final = 10
MOST_PTR: Final = 10
"""The limits of RFC 7208 section 4.6.4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A term that was evaluated.

    ``outcome`` is MATCH, NO_MATCH, TEMPERROR or PERMERROR; ``why`` is a sentence about it. ``target`` is the name it
    led to, its macros expanded; ``seen`` what was looked at there: addresses, names of mail hosts. ``lookups`` and
    ``void_lookups`` are those so far, this term's and the whole tree's below it with them. ``into`` is the record that
    ``include`` and ``redirect`` lead to.
    """

    term: Term
    outcome: str
    why: str
    target: str = ""
    seen: tuple[str, ...] = ()
    lookups: int = 0
    void_lookups: int = 0
    into: Visit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The record of ``domain``, evaluated as far as it took. ``why`` says what its ``result`` is from, in a sentence.

    ``record`` is None where there is none, or more than one.
    """

    domain: str
    result: str
    why: str
    record: Record | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A term, with the record it stands in (``term.column`` counts there) and the domain of that record."""

    domain: str
    record: Record
    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of check_host (RFC 7208 section 4), with all that led to it in ``trace``.

    ``explanation`` is what the domain says to whoever fails (section 6.2), in printable ASCII, "" when it says nothing.
    """

    result: str
    why: str
    lookups: int
    void_lookups: int
    trace: Visit
    explanation: str = ""

    @property
    def path(self) -> tuple[Place, ...]:
        """From the domain's own record down to the term that all is from: through include and redirect.

        Where a term has ended it in an error, the path leads to that term; it is empty when no term did (``none``, a
        record with a mistake in it, neutral for want of a match).
        """
        return tuple(_path(self.trace))

    @property
    def decided_by(self) -> Place | None:
        """The term whose qualifier is the result, or that is the error: in the record that a redirect led to, too."""
        return next((place for place in self.path if place.term.name != "redirect"), None)


def _path(visit: Visit | None) -> list[Place]:
    places: list[Place] = []
    while visit is not None and visit.record is not None and visit.steps and visit.steps[-1].outcome != NO_MATCH:
        last = visit.steps[-1]
        places.append(Place(domain=visit.domain, record=visit.record, term=last.term))
        visit = last.into
    return places
