"""How a finding about the SPF record of one domain is told: its name, its place, what to publish instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown, written
from mailwatch.checks.dns.spf.record import visible
from mailwatch.checks.dns.txt import quoted
from mailwatch.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

    from mailwatch.checks.dns.spf.term import Term

NAME: Final = "spf"
LONGEST: Final = 90
"""Characters of a term that a sentence shows."""
LONGEST_RECORD: Final = 1500
NAMED: Final = 4
"""Terms that one sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The domain that is checked, the SPF record there (None: there is none), and the record it should have."""

    domain: Name
    record: str | None = None
    better: str | None = None
    ttl: int | None = None

    def tell(
        self, code: str, verdict: str, text: str, *, column: int | None = None, fix: str = "", reference: str = ""
    ) -> Finding:
        """A finding about this record, or about the place of it at ``column``."""
        place = f"{shown(self.domain)} TXT"
        return Finding(
            check=NAME,
            code=code,
            verdict=verdict,
            text=text,
            where=place if column is None else f"{place}, column {column}",
            fix=fix,
            record=None if self.record is None else visible(self.record[:LONGEST_RECORD]),
            publish=self._publish(),
            reference=f"RFC 7208 section {reference}" if reference else "",
            ttl=self.ttl,
        )

    def _publish(self) -> str | None:
        """The line to publish, if it says anything else."""
        if self.better is None or (self.record is not None and self.better.lower() == self.record.lower()):
            return None
        return line(self.domain, self.better)


def line(domain: Name, text: str) -> str:
    """A record as a line of a zone."""
    return f"{written(domain)} IN TXT {quoted(text)}"


def cut(text: str) -> str:
    """So much of a stranger's text as a sentence can bear."""
    text = visible(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def placed(term: Term, domain: Name | None = None) -> str:
    """A term with its column, and the domain whose record it stands in, if that is said."""
    return f"`{cut(term.text)}` at column {term.column}{f' of {shown(domain)}' if domain else ''}"


def listed(said: Sequence[str]) -> str:
    """Some things in one sentence: a, b and c."""
    if len(said) > NAMED:
        said = [*said[:NAMED], f"{len(said) - NAMED} more"]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
