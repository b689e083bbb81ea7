"""What is known of a domain from looks at its DNS: what was found last, what is expected, what has become worse. Pure.

Promises
    What a look could not tell starts nothing, ends nothing, and takes back nothing that was counted.
    What became worse is remembered with what was there before, so that a person can be told what changed; also after
    a restart, for all of this is committed with what is decided on it.

A check is compared with what is expected of it: at the first look what it found then, later the best that it has
found since. Worse is a finding that is not expected, or was milder. Both take ``looks`` looks in a row to be believed.

Known limit: findings of one code count as one; a second address without PTR is no news where one was known.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from mailwatch.finding import ERROR, UNKNOWN, VERDICTS, WARNING, Finding, worst
from mailwatch.sample import Probe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

DNS: Final = "dns"
"""The name of the probe that looks at domains."""
RANK: Final = {WARNING: 1, ERROR: 2}
"""How bad a finding is; all others are no fault, or nobody knows."""
FINDINGS: Final = 4
"""So many findings of a check are remembered, the worst first."""
LONGEST: Final[dict[str, int]] = {"text": 300, "where": 100, "fix": 300, "record": 400, "publish": 400, "reference": 60}
GRAVE: Final = frozenset({("spf", "spf-fail"), ("spf", "spf-mail-from-fail")})
"""Check and code of what stops this host's mail: told as new also at the very first look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainLook(Probe):
    """One look at the domain ``instance``: what each check found. ``success`` is None, and nothing is found, when there
    is no report of it at all.
    """  # noqa: D205 - one sentence

    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    spf_lookups: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """What is known of one check of a domain.

    ``found`` is what it found when that was last known (``known_at``); ``unseen``, why it has been unknown since
    ``unknown_since``. ``expected`` is what that is compared with,
    seen at ``expected_looks`` looks; None before anything is known. It has been worse since ``worse_since``, at
    ``worse_looks`` looks; or better than before at ``well_looks`` looks, the last ones.
    """

    found: tuple[Finding, ...] = ()
    known_at: float | None = None
    unknown_since: float | None = None
    unseen: tuple[Finding, ...] = ()
    expected: tuple[Finding, ...] | None = None
    expected_looks: int = 0
    worse_since: float | None = None
    worse_looks: int = 0
    well_looks: int = 0

    @property
    def news(self) -> tuple[Finding, ...]:
        """What is worse than expected now."""
        return news(self.found, self.expected or ())

    def is_in_doubt(self, looks: int) -> bool:
        """Whether another look soon is worth it: something has changed, and was not seen often enough."""
        if self.expected_looks < looks and any(map(rank, self.expected or ())):
            return True
        return 0 < self.worse_looks < looks or self.well_looks > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What is known of a domain. ``unknown_since``: since then no look has given a report at all, for ``trouble``."""

    name: str
    looked_at: float
    unknown_since: float | None = None
    trouble: str | None = None
    checks: Mapping[str, CheckRecord] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Findings of the last report by verdict."""
    spf_lookups: int | None = None

    def is_in_doubt(self, looks: int) -> bool:
        """Whether another look soon is worth it."""
        return self.unknown_since is not None or any(each.is_in_doubt(looks) for each in self.checks.values())

    def without(self, checks: Collection[str]) -> Domain:
        """The same, with what is known of these checks alone."""
        return replace(self, checks={name: each for name, each in self.checks.items() if name in checks})


def rank(finding: Finding) -> int:
    """How bad it is: 0 for what is no fault."""
    return RANK.get(finding.verdict, 0)


def news(found: Iterable[Finding], expected: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that are not expected, or were milder; the worst first."""
    known: dict[str, int] = {}
    for each in expected:
        known[each.code] = max(known.get(each.code, 0), rank(each))
    return tuple(sorted((each for each in found if rank(each) > known.get(each.code, 0)), key=rank, reverse=True))


def folded(before: Domain | None, look: DomainLook, looks: int) -> Domain:
    """What is known after one more look; one that is older than what is known changes nothing."""
    known = before or Domain(name=look.instance, looked_at=look.at)
    if look.success is None:
        unknown = {name: _unknown(each, look.at) for name, each in known.checks.items()}
        since = look.at if known.unknown_since is None else known.unknown_since
        return replace(known, looked_at=look.at, unknown_since=since, trouble=look.trouble, checks=unknown)
    return Domain(
        name=known.name,
        looked_at=look.at,
        checks={name: _checked(known.checks.get(name), found, look.at, looks) for name, found in look.findings.items()},
        numbers=dict(Counter(each.verdict for found in look.findings.values() for each in found)),
        spf_lookups=look.spf_lookups,
    )


def _unknown(before: CheckRecord, at: float) -> CheckRecord:
    return before if before.unknown_since is not None else replace(before, unknown_since=at)


def _checked(before: CheckRecord | None, found: tuple[Finding, ...], at: float, looks: int) -> CheckRecord:
    """What is known of a check after it was made once more."""
    known = before or CheckRecord()
    if worst(found) == UNKNOWN:
        return _unknown(replace(known, unseen=bounded(found)[:1]), at)
    seen = replace(known, found=bounded(found), known_at=at, unknown_since=None, unseen=())
    if known.expected is None:
        return _first(seen, at)
    if seen.news:
        since = at if known.worse_since is None else known.worse_since
        return replace(seen, worse_since=since, worse_looks=min(known.worse_looks + 1, looks), well_looks=0)
    if any(each.verdict == UNKNOWN for each in found):
        return seen  # what is not seen may be there
    return _not_worse(seen, looks)


def _first(seen: CheckRecord, at: float) -> CheckRecord:
    """What is there at the first look is how it is, but for what stops this host's mail."""
    if any((each.check, each.code) in GRAVE and each.verdict == ERROR for each in seen.found):
        return replace(seen, expected=(), worse_since=at, worse_looks=1)
    return replace(seen, expected=seen.found, expected_looks=1)


def _not_worse(seen: CheckRecord, looks: int) -> CheckRecord:
    """A look that found nothing worse than expected: it may be over, or better than it was, or as it was."""
    is_better = seen.worse_looks >= looks or bool(news(seen.expected or (), seen.found))
    well = seen.well_looks + 1
    if is_better and well < looks:
        return replace(seen, worse_looks=seen.worse_looks if seen.worse_looks >= looks else 0, well_looks=well)
    return replace(
        seen,
        expected=seen.found,
        expected_looks=looks if is_better else min(seen.expected_looks + 1, looks),
        worse_since=None,
        worse_looks=0,
        well_looks=0,
    )


def numbers(domain: Domain) -> dict[str, Any]:
    """What the page shows of a domain, without what is not known now."""
    known = {name: each for name, each in domain.checks.items() if each.known_at is not None}
    said: dict[str, Any] = {
        "status": {
            name: max(map(rank, each.found), default=0) for name, each in known.items() if each.unknown_since is None
        },
        "known_at": {name: each.known_at for name, each in known.items()},
    }
    if domain.unknown_since is None:
        said["findings"] = dict(domain.numbers)
        if domain.spf_lookups is not None:
            said["spf_lookups"] = domain.spf_lookups
    return said


def domain_in(content: Any) -> Domain | None:
    """A domain as it was written, by ``asdict``; None for what is none."""
    with contextlib.suppress(TypeError, KeyError, AttributeError, ValueError):
        return Domain(**{**content, "checks": {name: _record(each) for name, each in content["checks"].items()}})
    return None


def _record(content: dict[str, Any]) -> CheckRecord:
    lists = {name: content[name] for name in ("found", "unseen", "expected")}
    read = {name: None if found is None else tuple(Finding(**each) for each in found) for name, found in lists.items()}
    return CheckRecord(**{**content, **read})


def bounded(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst of the findings, in few words each."""
    order = sorted(found, key=lambda each: VERDICTS.index(each.verdict))
    return tuple(_cut(each) for each in order[:FINDINGS])


def _cut(finding: Finding) -> Finding:
    cut: dict[str, Any] = {
        name: None if (text := getattr(finding, name)) is None else text[:most] for name, most in LONGEST.items()
    }
    return replace(finding, **cut)
