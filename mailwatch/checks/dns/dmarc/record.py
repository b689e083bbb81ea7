"""The words for a DMARC record that was read: what it asks for, and what is wrong with it. Columns count from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.checks.dns.dmarc.report_address import ReportAddress

NONE, QUARANTINE, REJECT = "none", "quarantine", "reject"
POLICIES: Final = (NONE, QUARANTINE, REJECT)
"""Mildest first."""
RELAXED, STRICT = "r", "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong at a place of the record. ``code`` and ``verdict`` are those of the finding made of it.

    ``instead``: what stands there when it is put right; empty when it is taken out, None when nobody can tell.
    """

    code: str
    verdict: str
    column: int
    piece: str
    text: str
    fix: str
    instead: str | None = None
    reference: str = "RFC 9989 section 4.7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record from ``v=DMARC1`` on. ``values`` has the valid values of known tags, in lower case, by name.

    ``present`` are the names of all tags, valid or not. ``corrected`` is the whole text put right, None when nobody
    can tell how.
    """

    text: str
    values: Mapping[str, str]
    present: frozenset[str]
    rua: tuple[ReportAddress, ...] = ()
    ruf: tuple[ReportAddress, ...] = ()
    problems: tuple[Problem, ...] = ()
    corrected: str | None = None

    @property
    def psd(self) -> str:
        """``y``, ``n`` or ``u``."""
        return self.values.get("psd", "u")

    @property
    def testing(self) -> bool:
        """Whether receivers are asked for one level less than the policy says."""
        return self.values.get("t") == "y"

    @property
    def reports_somewhere(self) -> bool:
        """Whether there is an address for aggregate reports that can be used."""
        return any(each.trouble is None for each in self.rua)

    @property
    def wrong_policy(self) -> bool:
        """Whether ``p`` is missing or wrong, or ``sp`` or ``np`` is wrong: then no policy of it counts."""
        return "p" not in self.values or any(name in self.present and name not in self.values for name in ("sp", "np"))

    def policy(self, *, subdomain: bool, exists: bool = True) -> str | None:
        """What is asked for mail that fails (RFC 9989 section 4.10.1); None: there is no DMARC for it at all.

        ``subdomain``: of the domain where the record is, at a name that ``exists``, or does not. Before ``t=y``.
        """
        if self.wrong_policy:
            return NONE if self.reports_somewhere else None
        own = self.values["p"]
        if not subdomain:
            return own
        below = self.values.get("sp", own)
        return below if exists else self.values.get("np", below)


def lowered(policy: str) -> str:
    """One level less: what receivers do with ``t=y``."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]
