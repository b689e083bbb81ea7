"""Fires when Postfix complains of this host, or mail fails on it, by cause: a full disk, wrong configuration ...

A probe named ``disk`` that says no tells of a full disk before the first line does. It is over when nothing more is
said while mail is taken up again; silence alone ends it only after ``LONG``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.cause import CAUSES, LOCAL
from mailwatch.firing import HOLD, RAISE, Firing, unknown

if TYPE_CHECKING:
    from mailwatch.counters import Series
    from mailwatch.options import LocalFault
    from mailwatch.sample import Probe
    from mailwatch.view import View

NAME: Final = "local_fault"
LONG: Final = 9000
DISK_FULL: Final = "disk-full"
DISK: Final = "disk"
"""The name of the probe that looks at the disk of the queue."""
FRESH: Final = 300
"""Seconds for which a look at the disk says how it is now."""


class Patience(NamedTuple):
    """How many lines it takes, and how long it must last."""

    lines: int
    seconds: int


AT_ONCE: Final = 1
SLOW: Final[dict[str, Patience]] = {
    # these come up now and then by themselves, or for one message, one recipient alone
    "daemon-crash": Patience(3, 60),
    "lookup-failed": Patience(3, 60),
    "milter-failed": Patience(3, 60),
    "filter-failed": Patience(3, 60),
    "mail-loop": Patience(10, 60),
    "local-delivery": Patience(5, 900),
    "dns-failed": Patience(10, 900),
    "tls-failed": Patience(10, 900),
}
WARNED_OF: Final = frozenset({"config-error"})
"""Postfix warns of these and works on (a stale map, a name listed twice): a page takes a program that gives up."""
ELSEWHERE: Final = frozenset({"postfix-down", "queue-stuck", "expired"})
"""Told by rules of their own, or by the cause behind them."""


def evaluate(view: View, options: LocalFault, /) -> list[Firing]:
    """A firing for each cause on this host that is not over."""
    recent, long = _said(view, options.window_seconds), _said(view, LONG)
    causes = {cause for cause in long if LOCAL in CAUSES.get(cause, ()) and cause not in ELSEWHERE}
    if any(probe.success is not True for probe in view.probes(DISK)):
        causes.add(DISK_FULL)
    found = []
    for cause in sorted(causes):
        if view.severity(cause) == "info":
            continue
        firing = _judged(view, options, cause, recent.get(cause, 0))
        found += [] if firing is None else [firing]
    if all(each.cause != DISK_FULL for each in found) and _is_unseen(view, said=DISK_FULL in long):
        found += unknown(NAME, view.now, DISK_FULL, LOCAL)
    return found


def _is_unseen(view: View, *, said: bool) -> bool:
    """Whether nobody has looked at the disk yet since the start, or had while this was not read: that ends nothing.

    A look that came a moment after this view is one: only the last is known. What the log said it may take back.
    """
    if not view.history.site.looked_at or view.probes(DISK):
        return False
    if view.running_for() < 0:
        return not said
    return all(probe.name != DISK for probe in view.history.probes)


def _said(view: View, seconds: int) -> dict[str, int]:
    """How often each cause on this host was met: in complaints, and in attempts that failed by it."""
    said = view.complaints(seconds)
    said.update(view.failures(seconds))
    found: dict[str, int] = {}
    for (cause, scope), number in said.items():
        if scope == LOCAL:
            found[cause] = found.get(cause, 0) + number
    return found


def _judged(view: View, options: LocalFault, cause: str, said: int) -> Firing | None:
    least, wait = _patience(cause, options)
    disks = view.probes(DISK) if cause == DISK_FULL else []
    full = [probe for probe in disks if probe.success is False]
    if full:
        # the line and the look confirm each other
        since = min(full[0].at, _began(view, cause, options.window_seconds)) if said else full[0].at
        return _firing(view, options, cause, (said, since, RAISE, wait), full[0])
    if (
        disks
        and all(probe.success and view.now - probe.at < FRESH for probe in disks)
        and not _said(view, 60).get(cause)
    ):
        return None
    if said >= least:
        return _firing(view, options, cause, (said, _began(view, cause, options.window_seconds), RAISE, wait))
    if said or any(probe.success is None for probe in disks) or not _taken_up(view, cause):
        return _firing(view, options, cause, (said, view.now, HOLD, wait))
    return None


def _patience(cause: str, options: LocalFault) -> Patience:
    if cause == DISK_FULL:
        return Patience(AT_ONCE, options.for_seconds)
    slow = SLOW.get(cause, Patience(options.min_count, options.for_seconds))
    return Patience(max(slow.lines, options.min_count), max(slow.seconds, options.for_seconds))


def _is(series: Series, cause: str) -> bool:
    return series[0] in ("complaints", "delivery_failures") and series[1][-2:] == (cause, LOCAL)


def _is_well(series: Series) -> bool:
    return series[0] == "messages_queued" or (series[0] == "delivery_attempts" and series[1][1] == "sent")


def _began(view: View, cause: str, seconds: int) -> float:
    """The begin of the oldest minute of the window in which it was said; of the minute that goes on, now.

    That one may have gone on for long, well, before it was said.
    """
    streak = view.streak((cause, LOCAL))
    began = streak.first_at if streak is not None else view.now
    for minute in range(view.minute, view.minute - seconds // 60, -1):
        if any(_is(series, cause) for series in view.history.sums.of(minute)):
            began = min(began, float(minute * 60) if view.now >= (minute + 1) * 60 else view.now)
    return began


def _taken_up(view: View, cause: str) -> bool:
    """Whether the newest minute that tells anything tells of mail that is taken up or delivered."""
    for minute in range(view.minute, view.minute - LONG // 60, -1):
        counted = view.history.sums.of(minute)
        if any(_is(series, cause) for series in counted):
            return False
        if any(_is_well(series) for series in counted):
            return True
    return False


def _face(full: Probe) -> str:
    """Of what there is none: people free bytes and inodes in different ways, and a read-only disk in none of them."""
    values = full.values
    if values.get("read_only"):
        return "read-only"
    return "bytes" if values.get("bytes_free", 0.0) <= values.get("needed", 0.0) else "inodes"


def _severity(view: View, options: LocalFault, cause: str, level: str) -> str:
    usual = view.severity(cause)
    if cause not in WARNED_OF or usual != "page":
        return usual
    counted = view.counted(options.window_seconds if level == RAISE else LONG)
    grave = sum(number for series, number in counted.items() if _is(series, cause) and series[1][0] != "warning")
    return usual if grave >= _patience(cause, options).lines else "warn"


def _firing(
    view: View, options: LocalFault, cause: str, judged: tuple[int, float, str, int], full: Probe | None = None
) -> Firing:
    said, since, level, wait = judged
    return Firing(
        rule=NAME,
        cause=cause,
        scope=LOCAL,
        severity=options.severity or _severity(view, options, cause, level),
        level=RAISE if level == RAISE else HOLD,
        since=min(since, view.now),
        count=said or None,
        evidence={} if full is None else {"trouble": full.trouble or "", "face": _face(full)},
        for_seconds=wait,
    )
