"""What is known of a domain from looks at its DNS: what was found last, what is expected, what has become worse. Pure.

Promises
    What a look could not tell starts nothing, ends nothing, and takes back nothing that was counted.
    What became worse is remembered with what was there before, so that a person can be told what changed; also after
    a restart, for all of this is committed with what is decided on it.

A check is compared with what is expected of it: at the first look what it found then, later the best that it has
found since. Worse is a finding that is not expected, or was milder, or one more of its code than there were. That takes
``looks`` looks in a row to be believed, and so does that it is an error, and that it is over.

What is seen for the first time is how it is, also where it could not be seen before, and where another version of
mailwatch finds more in the same record.

Known limit: one finding that goes while another of its code comes is no news.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from mailwatch import __version__
from mailwatch.finding import ERROR, UNKNOWN, VERDICTS, WARNING, Finding, worst
from mailwatch.masking import shortened
from mailwatch.sample import Probe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

DNS: Final = "dns"
"""The name of the probe that looks at domains."""
RANK: Final = {WARNING: 1, ERROR: 2}
"""How bad a finding is; all others are no fault, or nobody knows."""
FINDINGS: Final = 32
"""So many findings of a check are remembered, the worst first, ..."""
IN_FULL: Final = 4
"""... and of so many also what is more than their names and texts."""
LONGEST: Final[dict[str, int]] = {"text": 300, "where": 100, "fix": 300, "record": 600, "reference": 60}
LONGEST_LINE: Final = 800
"""A line to publish that is longer is left out: of a part of it nobody has anything."""
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
    ``worse_looks`` looks, by an error at ``error_looks`` looks, beside what was unknown then (``beside``, their texts);
    or better than before at ``well_looks`` looks, the last ones. ``whole``: all of it has been seen at least once.
    """

    found: tuple[Finding, ...] = ()
    known_at: float | None = None
    unknown_since: float | None = None
    unseen: tuple[Finding, ...] = ()
    expected: tuple[Finding, ...] | None = None
    expected_looks: int = 0
    worse_since: float | None = None
    worse_looks: int = 0
    error_looks: int = 0
    beside: tuple[str, ...] = ()
    well_looks: int = 0
    whole: bool = True

    @property
    def news(self) -> tuple[Finding, ...]:
        """What is worse than expected now."""
        return news(self.found, self.expected or ())

    def is_in_doubt(self, looks: int) -> bool:
        """Whether another look soon is worth it: something has changed, and was not seen often enough."""
        if self.expected_looks < looks and any(map(rank, self.expected or ())):
            return True
        return 0 < self.worse_looks < looks or 0 < self.error_looks < looks or self.well_looks > 0


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
    version: str = __version__
    """Of mailwatch, at the last report."""

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
    """The findings that are not expected, or were milder, or fewer; the worst first."""
    known: dict[str, list[int]] = {}
    places = set()
    for each in sorted(expected, key=rank):
        known.setdefault(each.code, []).append(rank(each))
        places.add((each.code, each.where))
    # of one code those that were there before are the ones that are expected
    order = sorted(found, key=lambda each: (-rank(each), (each.code, each.where) not in places))
    fresh = []
    for each in order:
        before = known.get(each.code)
        if rank(each) > (before.pop() if before else 0):
            fresh.append(each)
    return tuple(fresh)


def folded(before: Domain | None, look: DomainLook, looks: int, version: str = __version__) -> Domain:
    """What is known after one more look, by this ``version`` of mailwatch. A check that a report lacks is unknown."""
    known = before or Domain(name=look.instance, looked_at=look.at, version=version)
    if look.success is None:
        unknown = {name: _unknown(each, look.at) for name, each in known.checks.items()}
        since = look.at if known.unknown_since is None else min(known.unknown_since, look.at)
        return replace(known, looked_at=look.at, unknown_since=since, trouble=look.trouble, checks=unknown)
    checks = {name: _unknown(each, look.at) for name, each in known.checks.items() if name not in look.findings}
    for name, found in look.findings.items():
        checks[name] = _checked(_known_to(known, name, found, version), found, look.at, looks)
    return Domain(
        name=known.name,
        looked_at=look.at,
        checks=checks,
        numbers=dict(Counter(each.verdict for found in look.findings.values() for each in found)),
        spf_lookups=look.spf_lookups,
        version=version,
    )


def _unknown(before: CheckRecord, at: float) -> CheckRecord:
    since = at if before.unknown_since is None else min(before.unknown_since, at)  # the clock may have gone back
    return replace(before, unknown_since=since)


def _known_to(domain: Domain, check: str, found: tuple[Finding, ...], version: str) -> CheckRecord:
    """What was known of a check. What another version finds more in the same record was there before."""
    known = domain.checks.get(check, CheckRecord())
    if domain.version == version or known.expected is None or known.worse_since is not None:
        return known
    codes = {each.code for each in known.expected}
    records = {each.record for each in known.found if each.record}
    cut = (_cut(each, in_full=True) for each in found)
    return _with(known, [each for each in cut if each.code not in codes and each.record in records])


def _with(known: CheckRecord, more: Iterable[Finding]) -> CheckRecord:
    """The same, with more that is expected; but for what stops this host's mail."""
    faults = [each for each in more if rank(each) and not is_grave(each)]
    return replace(known, expected=bounded((*(known.expected or ()), *faults))) if faults else known


def is_grave(finding: Finding) -> bool:
    """Whether it stops this host's mail."""
    return (finding.check, finding.code) in GRAVE and finding.verdict == ERROR


def _checked(known: CheckRecord, found: tuple[Finding, ...], at: float, looks: int) -> CheckRecord:
    """What is known of a check after it was made once more."""
    unseen = bounded(each for each in found if each.verdict == UNKNOWN)
    hidden = tuple(sorted(f"{each.code} {each.text}" for each in unseen))
    is_beside = bool(hidden) and hidden == known.beside and known.worse_since is not None
    if worst(found) == UNKNOWN and not is_beside:
        beside = hidden if known.expected is None else known.beside
        return replace(_unknown(known, at), unseen=unseen[:1], beside=beside)
    seen = replace(known, found=bounded(found), known_at=at, unknown_since=None, unseen=())
    if known.expected is None:
        return _first(seen, at, hidden)
    if not known.whole and not hidden:
        seen = replace(seen if known.worse_since is not None else _with(seen, seen.news), whole=True)
    if fresh := seen.news:
        return _worse(seen, fresh, at, looks, hidden)
    if hidden and not is_beside:  # what is not seen may be there
        stands = known.worse_since is None and not news(seen.expected or (), seen.found)
        return replace(seen, expected_looks=min(known.expected_looks + 1, looks)) if stands else seen
    return _not_worse(seen, looks)


def _first(seen: CheckRecord, at: float, hidden: tuple[str, ...]) -> CheckRecord:
    """What is there at the first look is how it is, but for what stops this host's mail.

    What comes beside what was unknown before, and is so still, was not there then.
    """
    is_new = bool(hidden) and hidden == seen.beside
    if is_new or any(map(is_grave, seen.found)):
        return _worse(replace(seen, expected=(), whole=not hidden), seen.found, at, 1, hidden)
    return replace(seen, expected=seen.found, expected_looks=1, whole=not hidden)


def _worse(seen: CheckRecord, fresh: Iterable[Finding], at: float, looks: int, hidden: tuple[str, ...]) -> CheckRecord:
    """A look that found something worse than expected."""
    is_error = any(each.verdict == ERROR for each in fresh)
    return replace(
        seen,
        worse_since=at if seen.worse_since is None else seen.worse_since,
        worse_looks=min(seen.worse_looks + 1, looks),
        error_looks=min(seen.error_looks + 1, looks) if is_error else 0,
        beside=hidden,
        well_looks=0,
    )


def _not_worse(seen: CheckRecord, looks: int) -> CheckRecord:
    """A look that found nothing worse than expected: it may be over, or better than it was, or as it was."""
    is_better = seen.worse_looks >= looks or bool(news(seen.expected or (), seen.found))
    well = seen.well_looks + 1
    if is_better and well < looks:
        is_believed, is_error = seen.worse_looks >= looks, seen.error_looks >= looks
        return replace(
            seen,
            worse_looks=seen.worse_looks if is_believed else 0,
            error_looks=seen.error_looks if is_believed and is_error else 0,
            well_looks=well,
        )
    return replace(
        seen,
        expected=seen.found,
        expected_looks=looks if is_better else min(seen.expected_looks + 1, looks),
        worse_since=None,
        worse_looks=0,
        error_looks=0,
        beside=(),
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
    """A domain as it was written, by ``asdict``; None for what is none. What a later version added is left out."""
    with contextlib.suppress(TypeError, KeyError, AttributeError, ValueError):
        checks = {name: _record(each) for name, each in content["checks"].items()}
        made = Domain(**{"version": "", **_known_fields(Domain, content), "checks": checks})
        float(made.looked_at)
        return made
    return None


def _record(content: dict[str, Any]) -> CheckRecord:
    lists = {name: content[name] for name in ("found", "unseen", "expected")}
    read = {
        name: None if found is None else tuple(Finding(**_known_fields(Finding, each)) for each in found)
        for name, found in lists.items()
    }
    return CheckRecord(**{**_known_fields(CheckRecord, content), **read, "beside": tuple(content.get("beside", ()))})


def _known_fields(kind: type[Any], content: dict[str, Any]) -> dict[str, Any]:
    return {each.name: content[each.name] for each in fields(kind) if each.name in content}


def bounded(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst of the findings, in few words each."""
    order = sorted(found, key=lambda each: VERDICTS.index(each.verdict))
    return tuple(_cut(each, in_full=at < IN_FULL) for at, each in enumerate(order[:FINDINGS]))


def _cut(finding: Finding, *, in_full: bool) -> Finding:
    cut: dict[str, Any] = {
        name: None if (text := getattr(finding, name)) is None else shortened(text, most)
        for name, most in LONGEST.items()
    }
    line = finding.publish
    cut["publish"] = line if line is not None and len(line) <= LONGEST_LINE else None
    if not in_full:
        cut |= {"fix": "", "record": None, "publish": None, "reference": ""}
    return replace(finding, **cut)
