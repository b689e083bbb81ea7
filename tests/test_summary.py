"""The exit code of an hourly run and its one line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from mailwatch.alert import Alert, Notice
from mailwatch.summary import Report

NOW = 1_795_590_000.0
WELL = Report(now=NOW, zone=UTC, since=NOW - 3600, first=False, lines=7)


def alert(
    rule: str = "relay_failing", cause: str = "relay-unreachable", severity: str = "page", muted: str | None = None
) -> Alert:
    return Alert(
        rule=rule,
        cause=cause,
        scope="relay",
        state="firing",
        severity=severity,
        episode=1,
        began_at=NOW - 600,
        decided_at=NOW,
        muted=muted,
    )


OVER = Notice(kind="resolved", reason="well-again", at=NOW, alert=replace(alert(), ended_at=NOW - 60))
BLIND = alert("own_health", "log-unreadable")
CASES: dict[str, tuple[Report, int, str]] = {
    "well": (WELL, 0, "OK: nothing is wrong since 06:00; 7 lines read"),
    "well at the first run": (replace(WELL, first=True, since=None, lines=0), 0,
        "OK: first run: it begins at the end of the log, what is written from now on is seen by the next one; 0 lines read"),
    "a page": (replace(WELL, firing=[alert()]), 2, "CRITICAL: all mail via the relay is failing: no connection; 7 lines read"),
    "a warning": (replace(WELL, firing=[alert(severity="warn")]), 1, "WARNING: all mail via the relay is failing: no connection; 7 lines read"),
    "for information": (replace(WELL, firing=[alert(severity="info")]), 0, "OK: all mail via the relay is failing: no connection; 7 lines read"),
    "a page that another one explains": (replace(WELL, firing=[alert(muted="inhibited")]), 0, "OK: nothing is wrong since 06:00; 7 lines read"),
    "a page that somebody silenced": (replace(WELL, firing=[alert(muted="silenced")]), 0, "OK: nothing is wrong since 06:00; 7 lines read"),
    "it came and went": (replace(WELL, notices=[OVER], new={OVER.episode_key}), 2,
        "CRITICAL: over: all mail via the relay is failing: no connection (06:50 to 06:59); 7 lines read"),
    "what was told before is over": (replace(WELL, notices=[OVER]), 0,
        "OK: over: all mail via the relay is failing: no connection (06:50 to 06:59); 7 lines read"),
    "the log cannot be seen": (replace(WELL, firing=[BLIND], unseen=["cannot read it"]), 3,
        "UNKNOWN: mailwatch cannot read the mail log; cannot read it; 7 lines read"),
    "the queue cannot be seen, and there is a warning": (replace(WELL, firing=[alert(severity="warn")], unseen=["no queue"]), 3,
        "UNKNOWN: all mail via the relay is failing: no connection; no queue; 7 lines read"),
    "the queue cannot be seen, and there is a page": (replace(WELL, firing=[alert()], unseen=["no queue"]), 2,
        "CRITICAL: all mail via the relay is failing: no connection; no queue; 7 lines read"),
    "a notification waits": (replace(WELL, waiting=1), 1, "WARNING: 1 notification not taken yet: mailwatch test-alert; 7 lines read"),
    "the textfile was not written": (replace(WELL, lines=1, complaints=["cannot\nwrite"]), 1, "WARNING: cannot write; 1 line read"),
    "many at once": (replace(WELL, firing=[alert()] * 7), 2,
        f"CRITICAL: {'all mail via the relay is failing: no connection; ' * 5}2 more; 7 lines read"),
}  # fmt: skip


@pytest.mark.parametrize(("report", "code", "line"), CASES.values(), ids=CASES)
def test_how_a_run_ends_and_what_it_says(report: Report, code: int, line: str) -> None:
    assert report.line() == line
    assert report.code == code


def test_only_what_is_no_news_is_not_said() -> None:
    assert [name for name, (report, _, _) in CASES.items() if not report.is_news] == [
        "well",
        "for information",
        "a page that another one explains",
        "a page that somebody silenced",
    ]
