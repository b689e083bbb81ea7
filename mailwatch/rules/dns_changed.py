"""Fires when DNS says something worse of a domain than it did, and when it cannot be checked for long.

One alert for each check of a domain that became worse; one for a domain of which some check cannot be made, for they
all fail of one reason; one, told once, for what was there at the first look already: that is how it is, and no news,
but for an SPF record that does not permit this host: that is told as new. What a warning is about may be meant so: it
is told once, and the page shows it; what comes beside it is told once, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.domain import is_grave, rank
from mailwatch.finding import ERROR
from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.options.dns import CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailwatch.domain import CheckRecord, Domain
    from mailwatch.finding import Finding
    from mailwatch.options import DnsChanged
    from mailwatch.view import View

NAME: Final = "dns_changed"
WORSE, FOUND, UNCHECKED = "dns-worse", "dns-found", "dns-unknown"
NAMED: Final = 6
"""So many checks are named in a line."""


def evaluate(view: View, options: DnsChanged, /) -> list[Firing]:
    """A firing for each check that became worse, for what there is at the first look, for what cannot be checked."""
    found = [each for name in view.history.unlooked for each in _untold(name, view.now)]
    for name, domain in sorted(view.history.domains.items()):
        if domain.looked_at > view.now:  # nobody had looked by then, or not for the last time
            return unknown(NAME, view.now)
        for check, record in domain.checks.items():
            found += _worse(name, check, record, view.now, options)
        found += _found(domain, view.now, options)
        found += _unchecked(domain, view.now, options)
    return found


def _untold(domain: str, now: float) -> list[Firing]:
    """Of a domain at which nobody has looked: what was told of it is as it was."""
    scopes = [(FOUND, domain), (UNCHECKED, domain), *((WORSE, f"{domain}:{check}") for check in CHECKS)]
    return [firing for cause, scope in scopes for firing in unknown(NAME, now, cause, scope)]


def _worse(domain: str, check: str, record: CheckRecord, now: float, options: DnsChanged) -> list[Firing]:
    """Of a check that has been seen to be worse often enough; between, that it is not over."""
    if record.worse_since is None:
        return []
    if record.unknown_since is not None:
        return unknown(NAME, now, WORSE, f"{domain}:{check}")
    is_error = record.error_looks >= options.min_count
    fresh = [each for each in record.news if is_error or each.verdict != ERROR]
    is_error = is_error and any(each.verdict == ERROR for each in fresh)
    is_so = record.worse_looks >= options.min_count and bool(fresh)
    return [
        Firing(
            rule=NAME,
            cause=WORSE,
            scope=f"{domain}:{check}",
            severity=options.severity or ("page" if is_error else "warn"),
            level=RAISE if is_so else HOLD,
            since=min(record.worse_since, now),
            evidence=_evidence(domain, check, record, fresh) if is_so else {},
            once=not is_error,
            about=_codes(fresh),
        )
    ]


def _codes(findings: Iterable[Finding]) -> str:
    """What they are about, in words for machines."""
    return " ".join(dict.fromkeys(each.code.replace(" ", "-") for each in findings))


def _evidence(domain: str, check: str, record: CheckRecord, found: list[Finding]) -> dict[str, str]:
    """What changed, the worst of it, and what to do."""
    fresh, *others = found
    before = next((each for each in record.expected or () if not rank(each)), None) or next(
        iter(record.expected or ()), None
    )
    said = {
        "domain": domain,
        "check": check,
        "text": fresh.text,
        "also": " / ".join(each.text for each in others[:NAMED]),
        "where": fresh.where,
        "was": "" if before is None else before.record or before.text,
        "now": fresh.record or "",
        "next": fresh.fix,
        "publish": fresh.publish or "",
        "reference": fresh.reference,
        "face": "first-look" if is_grave(fresh) and not record.expected else "",
    }
    return {name: text for name, text in said.items() if text}


def _found(domain: Domain, now: float, options: DnsChanged) -> list[Firing]:
    """Of what was there at the first look: one line for the domain, as long as any of it is."""
    there = {
        check: [each for each in record.expected or () if rank(each)]
        for check, record in domain.checks.items()
        if record.expected_looks >= options.min_count
    }
    there = {check: each for check, each in there.items() if each}
    if not there:
        return []
    worst_first = sorted((each for found in there.values() for each in found), key=rank, reverse=True)
    return [
        Firing(
            rule=NAME,
            cause=FOUND,
            scope=domain.name,
            severity=options.severity or "warn",
            level=RAISE,
            since=now,
            count=len(worst_first),
            evidence={
                "domain": domain.name,
                "checks": _named([*there]),
                "trouble": worst_first[0].text,
                "next": worst_first[0].fix,
            },
            once=True,
            about=_codes(worst_first),
        )
    ]


def _unchecked(domain: Domain, now: float, options: DnsChanged) -> list[Firing]:
    """Of checks that have been unknown for long; when there is no report at all, of the domain."""
    since = {check: each.unknown_since for check, each in domain.checks.items() if each.unknown_since is not None}
    seen = min(domain.looked_at, now)  # from look to look: what a host sleeps through says nothing
    long = {check: at for check, at in since.items() if seen - at >= options.unknown_seconds}
    begun = [*long.values()]
    if domain.unknown_since is not None and seen - domain.unknown_since >= options.unknown_seconds:
        begun.append(domain.unknown_since)
    if not begun:
        return []
    trouble = domain.trouble or next((each.text for check in long for each in domain.checks[check].unseen), "")
    return [
        Firing(
            rule=NAME,
            cause=UNCHECKED,
            scope=domain.name,
            severity=options.severity or "warn",
            level=RAISE,
            since=min(begun),
            evidence={"domain": domain.name, "checks": _named([*long]), **({"trouble": trouble} if trouble else {})},
            once=True,
            about=" ".join(long),
        )
    ]


def _named(checks: list[str]) -> str:
    """The checks in a line."""
    more = len(checks) - NAMED
    return ", ".join(checks[:NAMED]) + (f" and {more} more" if more > 0 else "")
