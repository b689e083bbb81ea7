"""What people read, word for word: golden files, written anew with --golden and read as text before they are committed."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.alert import Alert, Notice
from mailwatch.cause import CAUSES
from mailwatch.causes import catalogue
from mailwatch.commands import COMMANDS
from mailwatch.digest import digest
from mailwatch.firing import OWN_CAUSES
from mailwatch.headline import OWN, PHRASES, headline
from mailwatch.letter import OWN as OWN_ADVICE
from mailwatch.letter import Stationery, written

LETTERS = Path(__file__).parent / "letters"
BEGAN = 1_795_594_320.0  # 2026-11-25 09:12 in the zone of the letters
ZONE = timezone(timedelta(hours=1))
PAPER = Stationery(
    host="mx1",
    catalogue=catalogue(),
    zone=ZONE,
    runbook_url="https://wiki.example/mail",
    examples={
        (
            "relay-auth-failed",
            "relay",
        ): "host smtp.example.net[192.0.2.7] said: 535 5.7.8 Error: authentication failed for "
        "jane.doe@example.com, see http://help.example/login <script>alert(1)</script> @everyone",
        ("user-unknown", "recipient"): "550 5.1.1 <joe@example.org>: no such user",
        ("disk-full", "local"): "write queue file: No space left on device",
    },
)


def alert(rule: str, cause: str, scope: str = "local", severity: str = "page", **more: object) -> Alert:
    told = {"state": "firing", "episode": int(BEGAN), "began_at": BEGAN, "decided_at": BEGAN + 10, "number": 1, **more}
    return Alert(rule=rule, cause=cause, scope=scope, severity=severity, **told)  # type: ignore[arg-type]


RELAY = {"relay": "smtp.example.net"}
NOTICES = {
    "relay-first": Notice(kind="first", reason="lasted", at=BEGAN + 12,
        alert=alert("relay_failing", "relay-auth-failed", "relay", count=17, oldest=BEGAN - 30, evidence=RELAY)),
    "relay-reminder": Notice(kind="reminder", reason="reminder-due", at=BEGAN + 3612,
        alert=alert("relay_failing", "relay-auth-failed", "relay", count=940, evidence=RELAY, number=2)),
    "relay-resolved": Notice(kind="resolved", reason="well-again", at=BEGAN + 5000,
        alert=alert("relay_failing", "relay-auth-failed", "relay", count=940, evidence=RELAY, number=3, state="resolved", ended_at=BEGAN + 4700)),
    "relay-some": Notice(kind="first", reason="lasted", at=BEGAN + 900,
        alert=alert("relay_failing", "sender-unverified", "relay", "warn", count=60, evidence={**RELAY, "percent": "61"})),
    "relay-dead": Notice(kind="first", reason="lasted", at=BEGAN + 12,
        alert=alert("relay_failing", "relay-unreachable", "relay", count=4, evidence={**RELAY, "port": "587"})),
    "disk-read-only": Notice(kind="first", reason="lasted", at=BEGAN + 7,
        alert=alert("local_fault", "disk-full",
                    evidence={"trouble": "the file system of /var/spool/postfix is read-only", "face": "read-only"})),
    "queue-stopped": Notice(kind="first", reason="lasted", at=BEGAN + 10,
        alert=alert("queue_stuck", "queue-stuck",
                    evidence={"trouble": "1 of Postfix's processes stopped by a signal: qmgr[12706]; kill -CONT lets them go on", "face": "stopped"})),
    "bounced": Notice(kind="first", reason="lasted", at=BEGAN + 900,
        alert=alert("bounced_share", "mail-bounced", "recipient", "warn", count=120,
                    evidence={"percent": "38", "attempts": "316", "top_cause": "user-unknown", "top_scope": "recipient"})),
    "disk-full": Notice(kind="first", reason="lasted", at=BEGAN + 7,
        alert=alert("local_fault", "disk-full", evidence={"trouble": "/var/spool/postfix: 0 bytes free of 2 GiB"})),
    "postfix-down": Notice(kind="first", reason="lasted", at=BEGAN + 12,
        alert=alert("postfix_down", "postfix-down", evidence={"instances": "postfix"})),
    "queue-growing": Notice(kind="first", reason="lasted", at=BEGAN + 900,
        alert=alert("queue_growing", "queue-growing", severity="warn", count=4200, oldest=BEGAN - 7200,
                    evidence={"before": "800", "now": "4200", "minutes": "30"})),
    "long-ago": Notice(kind="resolved", reason="over-before-told", at=BEGAN + 200_000,
        alert=alert("no_delivery", "no-delivery", severity="info", count=31, state="resolved", ended_at=BEGAN + 2100)),
}  # fmt: skip


def agrees(name: str, text: str, golden: bool) -> None:
    path = LETTERS / name
    if golden:
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", NOTICES)
def test_a_letter_reads_as_it_is_kept(name: str, request: pytest.FixtureRequest) -> None:
    told = written(NOTICES[name], PAPER)
    golden = bool(request.config.getoption("--golden"))
    agrees(f"{name}.txt", told.text, golden)
    agrees(f"{name}.html", told.html, golden)
    assert told.text.startswith(f"{told.subject}\n")


def test_a_digest_reads_as_it_is_kept(request: pytest.FixtureRequest) -> None:
    told = digest([*NOTICES.values()], PAPER)
    assert told is not None
    golden = bool(request.config.getoption("--golden"))
    agrees("digest.txt", told.text, golden)
    agrees("digest.html", told.html, golden)


def test_the_subject_is_the_sentence_that_was_asked_for() -> None:
    assert written(NOTICES["relay-first"], PAPER).subject == (
        "[mx1] all mail via smtp.example.net is failing: password refused (since 09:12)"
    )


def test_the_begin_and_the_end_of_an_outage_are_one_line_of_a_digest() -> None:
    first, resolved, other = NOTICES["relay-first"], NOTICES["relay-resolved"], NOTICES["disk-full"]
    told = digest([first, other, resolved], PAPER)
    assert told is not None
    assert told.text.count("smtp.example.net") == 1
    assert told.subject == "[mx1] the queue's disk is full (and 1 more)"
    alone = digest([first, resolved], PAPER)
    assert alone is not None
    assert alone.subject == "[mx1] over: all mail via smtp.example.net is failing: password refused (09:12 to 10:30)"
    assert digest([], PAPER) is None


def test_a_reminder_beside_its_first_notice_is_no_reminder() -> None:
    told = digest([NOTICES["relay-first"], NOTICES["relay-reminder"]], PAPER)
    assert told is not None
    assert told.kind == "first"
    assert told.subject == "[mx1] all mail via smtp.example.net is failing: password refused (since 09:12)"
    alone = digest([NOTICES["relay-reminder"]], PAPER)
    assert alone is not None
    assert alone.kind == "reminder"


def test_a_digest_is_as_bad_as_the_worst_that_was_though_it_is_over() -> None:
    told = digest([NOTICES["queue-growing"], NOTICES["relay-resolved"]], PAPER)
    assert told is not None
    assert told.kind == "first"
    assert told.severity == "page"


def test_every_cause_has_a_phrase_and_every_own_one_a_sentence_and_an_advice() -> None:
    assert set(PHRASES) == set(CAUSES)
    own = set(OWN_CAUSES)
    assert set(OWN_ADVICE) == own
    assert own - {"mail-deferred", "mail-bounced", "queue-growing", "dns-worse", "dns-found", "dns-unknown"} == set(OWN)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} - {"align", "valign"}


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=400),
    st.text(max_size=300),
    st.text(max_size=100),
    st.floats(-1e12, 1e12),
    st.sampled_from(sorted(CAUSES)),
)
def test_whatever_strangers_say_the_subject_fits_and_the_letter_is_dead(
    reply: str, host: str, relay: str, began: float, cause: str
) -> None:
    paper = Stationery(host=host, catalogue=catalogue(), examples={(cause, "relay"): reply})
    told = alert(
        "relay_failing", cause, "relay", began_at=began, evidence={"relay": relay, "percent": "9", "trouble": reply}
    )
    notification = written(Notice(kind="reminder", reason="reminder-due", alert=told, at=BEGAN), paper)
    assert len(notification.subject) <= 140
    assert notification.subject.isascii()
    assert notification.subject.isprintable()
    assert len(notification.text) < 3000
    tags = Tags()
    tags.feed(notification.html)
    assert tags.seen == {"p", "strong", "table", "tr", "th", "td"}


@pytest.mark.parametrize("cause", [*CAUSES, *OWN_CAUSES])
def test_every_headline_leaves_room_for_host_and_time(cause: str) -> None:
    for rule in ("relay_failing", "recipients_failing", "local_fault", "own_health"):
        assert len(headline(rule, cause, {"relay": "smtp.provider.example.net", "percent": "61"})) <= 95


def test_the_next_steps_name_only_commands_that_there_are() -> None:
    for advice in OWN_ADVICE.values():
        assert set(re.findall(r"mailwatch ([a-z][a-z-]+)", advice.fix)) <= set(COMMANDS), advice.fix
