"""The words for what a check of a domain finds. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

OK: Final = "ok"
WARNING: Final = "warning"
ERROR: Final = "error"
UNKNOWN: Final = "unknown"
NOT_APPLICABLE: Final = "not-applicable"
VERDICTS: Final = (ERROR, WARNING, UNKNOWN, OK, NOT_APPLICABLE)
"""Worst first."""
EXIT: Final = {OK: 0, NOT_APPLICABLE: 0, WARNING: 1, ERROR: 2, UNKNOWN: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found.

    ``code`` names it for machines, once and for ever (``spf-too-many-lookups``); ``text`` says it to a person in one
    sentence. ``where`` is the name and the place in it (``example.com TXT, column 24``), ``record`` what is there now,
    ``publish`` what should be, as a line of a zone; ``fix`` is what to do, as a sentence. ``reference``: ``RFC 7208
    section 4.6.4``. ``ttl``: seconds until a change is seen everywhere.
    """

    check: str
    code: str
    verdict: str
    text: str
    where: str = ""
    fix: str = ""
    record: str | None = None
    publish: str | None = None
    reference: str = ""
    ttl: int | None = None


def worst(findings: Iterable[Finding]) -> str:
    """The verdict over all: the worst one; UNKNOWN when there is none at all, for then nothing was seen."""
    there = {each.verdict for each in findings}
    return next((each for each in VERDICTS if each in there), UNKNOWN)
