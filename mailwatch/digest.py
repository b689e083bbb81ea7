"""Several notices as one letter: what an hourly run tells, one paragraph a problem, not a message a line. Pure.

An outage that began and ended meanwhile is one line, from when to when. The worst comes first.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from mailwatch.alert import GRADES
from mailwatch.headline import headline
from mailwatch.letter import HOST, SUBJECT, Row, advice_on, clock, html, on_line, plain, rows_of, runbook, subject_of
from mailwatch.notification import RANKS, Notification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.alert import Notice
    from mailwatch.letter import Stationery

MOST: Final = 20
"""So many problems are told in full; of the others, that they are."""


def merged(notices: Sequence[Notice]) -> list[Notice]:
    """One notice an episode, the newest: with its begin and, where it is over, its end. The worst first."""
    newest: dict[str, Notice] = {}
    for notice in notices:
        before = newest.get(notice.episode_key)
        # who hears of it for the first time hears no reminder
        new = before is not None and before.kind == "first" and notice.kind == "reminder"
        newest[notice.episode_key] = replace(notice, kind="first") if new else notice
    return sorted(
        newest.values(),
        key=lambda each: (
            each.kind == "resolved",
            -GRADES.get(each.severity, 0),
            each.alert.began_at,
            each.alert.key,
        ),
    )


def digest(notices: Sequence[Notice], paper: Stationery) -> Notification | None:
    """All of it in one notification; None where there is nothing to tell, one that is alone as itself."""
    told = merged(notices)
    if not told:
        return None
    worst = told[0]
    subject = subject_of(worst, paper) if len(told) == 1 else _subject(told, paper)
    rows = (
        [row for notice in told[:MOST] for row in _paragraph(notice, paper)] if len(told) > 1 else rows_of(worst, paper)
    )
    if len(told) > MOST:
        rows.append(Row("and", f"{len(told) - MOST} more"))
    over = all(notice.kind == "resolved" for notice in told)
    return Notification(
        key=worst.key if len(told) == 1 else _key(told),
        kind="resolved" if over else worst.kind,
        rule=worst.alert.rule,
        cause=worst.alert.cause,
        scope=worst.alert.scope,
        # what is over may have been worse than what still is
        severity=max((notice.severity for notice in told), key=RANKS.__getitem__),
        host=paper.host,
        subject=subject,
        text=plain(subject, rows),
        html=html(subject, rows),
        began_at=min(notice.alert.began_at for notice in told),
        ended_at=max(notice.alert.ended_at or 0.0 for notice in told) if over else None,
        at=max(notice.at for notice in told),
        runbook=runbook(worst.alert, paper),
    )


def _key(told: Sequence[Notice]) -> str:
    """The same whenever the same is told, and of one length."""
    return f"digest/{sha256('+'.join(notice.key for notice in told).encode()).hexdigest()[:32]}"


def _subject(told: Sequence[Notice], paper: Stationery) -> str:
    """The worst one, and how many more."""
    worst = told[0]
    begin, end = f"[{on_line(paper.host, HOST)}] ", f" (and {len(told) - 1} more)"
    word = "over: " if worst.kind == "resolved" else ""
    said = word + headline(worst.alert.rule, worst.alert.cause, worst.alert.evidence)
    return f"{begin}{on_line(said, SUBJECT - len(begin) - len(end))}{end}"


def _paragraph(notice: Notice, paper: Stationery) -> list[Row]:
    alert = notice.alert
    said = headline(alert.rule, alert.cause, alert.evidence)
    begun = clock(alert.began_at, notice.at, paper.zone)
    if notice.kind == "resolved":
        return [Row(f"{begun} to {clock(alert.ended_at or notice.at, notice.at, paper.zone)}", f"over: {said}")]
    return [Row(f"since {begun}", f"{notice.severity}: {said}"), Row("do next", advice_on(alert, paper).fix)]
