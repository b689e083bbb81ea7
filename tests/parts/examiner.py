"""Looks at a domain, as they come from the process that examines it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailwatch.domain import DNS, DomainLook
from mailwatch.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence


def found(check: str, code: str, verdict: str, text: str, record: str | None = None) -> Finding:
    """A finding."""
    return Finding(
        check=check,
        code=code,
        verdict=verdict,
        text=text,
        record=record,
        fix="Leave one of them.",
        publish='example.com. IN TXT "v=spf1 mx -all"',
    )


def look(
    at: float, findings: Sequence[Finding] | None, domain: str = "example.com", spf_lookups: int | None = None
) -> DomainLook:
    """A look at a domain; without findings, one that gave no report."""
    if findings is None:
        return DomainLook(name=DNS, instance=domain, at=at, success=None, trouble="no report within 25 s")
    checks = dict.fromkeys(each.check for each in findings)
    return DomainLook(
        name=DNS,
        instance=domain,
        at=at,
        success=True,
        trouble=None,
        findings={check: tuple(each for each in findings if each.check == check) for check in checks},
        spf_lookups=spf_lookups,
    )
