"""What is decided about an alert, and why: over any course of events, whatever the clock does."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.alert import (
    MUTES,
    REASONS,
    Alert,
    Decision,
    Notice,
    Silence,
    acknowledged,
    decide,
    silenced,
    undelivered,
)
from mailwatch.firing import Firing, Level
from mailwatch.options import AlertsOptions, Options
from mailwatch.ration import Ration, admit

OPTIONS = Options()
FOR, CLEAR = 900, 300


def firing(
    level: Level = "raise", severity: str = "warn", since: float = 0.0, count: int = 1, for_seconds: int | None = None
) -> Firing:
    return Firing(
        rule="deferred_share", cause="mail-deferred", scope="recipient", severity=severity, level=level, since=since,
        count=count, for_seconds=for_seconds,
    )  # fmt: skip


def through(steps: list[tuple[float, Firing | None]], muted: str | None = None) -> list[Decision]:
    decisions: list[Decision] = []
    alert: Alert | None = None
    for now, fires in steps:
        decisions.append(decide(alert, fires, now, OPTIONS, muted=muted))
        alert = decisions[-1].alert
    return decisions


def said(decisions: list[Decision]) -> list[str]:
    return [f"{each.kind or each.action}: {each.reason}" for each in decisions]


COURSES: dict[str, tuple[list[tuple[float, Firing | None]], list[str]]] = {
    "it is told when it has lasted, and to be over when that has lasted": (
        [(0, firing()), (899, firing()), (900, firing()), (960, firing()), (1000, None), (1299, None), (1300, None), (1301, None)],
        ["hold: not-long-enough", "hold: not-long-enough", "first: lasted", "hold: already-told", "hold: not-over-yet", "hold: not-over-yet",
         "resolved: well-again", "hold: over"]),
    "what did not last is not told": (
        [(0, firing()), (60, None), (120, firing(since=120)), (960, firing(since=120))],
        ["hold: not-long-enough", "forget: did-not-last", "hold: not-long-enough", "hold: not-long-enough"]),
    "what began before it was seen has lasted since then": ([(1000, firing(since=100))], ["first: lasted"]),
    "between the thresholds nothing starts and nothing ends": (
        [(0, firing("hold")), (1, firing()), (901, firing()), (1000, firing("hold")), (9000, firing("hold")), (9001, None), (9301, None)],
        ["hold: nothing", "hold: not-long-enough", "first: lasted", "hold: already-told", "hold: already-told", "hold: not-over-yet",
         "resolved: well-again"]),
    "below the threshold a pending one is given up": (
        [(0, firing()), (60, firing("hold")), (360, firing("hold"))],
        ["hold: not-long-enough", "hold: below-raise", "forget: did-not-last"]),
    "what cannot be told starts nothing and ends nothing": (
        [(0, firing("unknown")), (1, firing()), (901, firing("unknown")), (902, firing()), (2000, firing("unknown")), (9000, firing("unknown"))],
        ["hold: nothing", "hold: not-long-enough", "hold: cannot-tell", "first: lasted", "hold: already-told", "hold: already-told"]),
    "it is reminded of, and a page more often": (
        [(0, firing()), (900, firing()), (15299, firing()), (15300, firing()), (29700, firing())],
        ["hold: not-long-enough", "first: lasted", "hold: already-told", "reminder: reminder-due", "reminder: reminder-due"]),
    "a page is reminded of each hour": (
        [(0, firing(severity="page", for_seconds=0)), (3599, firing(severity="page")), (3600, firing(severity="page"))],
        ["first: lasted", "hold: already-told", "reminder: reminder-due"]),
    "it is told when it gets worse": (
        [(0, firing(for_seconds=0)), (60, firing(severity="page")), (120, firing()), (180, firing(severity="page"))],
        ["first: lasted", "reminder: worse", "hold: already-told", "hold: already-told"]),
    "a fault that comes and goes is over only when it stays away": (
        [(0, firing(for_seconds=0)), (60, None), (120, firing()), (180, None), (470, firing()), (480, None), (780, None)],
        ["first: lasted", "hold: not-over-yet", "hold: already-told", "hold: not-over-yet", "hold: already-told", "hold: not-over-yet",
         "resolved: well-again"]),
    "what comes back soon must stay away for twice as long": (
        [(0, firing(for_seconds=0)), (60, None), (360, None), (400, firing(for_seconds=0)), (500, None), (800, None), (1099, None), (1100, None)],
        ["first: lasted", "hold: not-over-yet", "resolved: well-again", "first: lasted", "hold: not-over-yet", "hold: not-over-yet",
         "hold: not-over-yet", "resolved: well-again"]),
    "it is forgotten in the end": (
        [(0, firing(for_seconds=0)), (60, None), (360, None), (3e6, None), (3.1e6, None), (3.2e6, None)],
        ["first: lasted", "hold: not-over-yet", "resolved: well-again", "hold: over", "forget: forgotten", "hold: nothing"]),
    "a blip does not make it forget how often it has come back": (
        [(0, firing(for_seconds=0)), (60, None), (360, None), (400, firing(since=400, for_seconds=60)), (410, None),
         (420, firing(since=420, for_seconds=0)), (500, None), (1099, None), (1100, None)],
        ["first: lasted", "hold: not-over-yet", "resolved: well-again", "hold: not-long-enough", "forget: did-not-last", "first: lasted",
         "hold: not-over-yet", "hold: not-over-yet", "resolved: well-again"]),
    "a clock that goes back makes it wait anew, and tells nothing twice": (
        [(5000, firing(since=5000)), (5900, firing()), (1000, firing()), (2000, None), (2300, None)],
        ["hold: not-long-enough", "first: lasted", "hold: already-told", "hold: not-over-yet", "resolved: well-again"]),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), COURSES.values(), ids=COURSES)
def test_the_course_of_an_alert(steps: list[tuple[float, Firing | None]], expected: list[str]) -> None:
    assert said(through(steps)) == expected


def test_its_end_tells_how_long_it_was() -> None:
    over = through([(1000, firing(since=100, count=7)), (1060, firing(count=3)), (1120, None), (1500, None)])[-1].alert
    assert over is not None
    assert (over.began_at, over.ended_at, over.count) == (100, 1120, 7)


@pytest.mark.parametrize("mute", MUTES)
def test_while_it_is_muted_nothing_is_told_and_then_it_is(mute: str) -> None:
    first = decide(None, firing(since=0), 1000, OPTIONS, muted=mute)
    assert (first.action, first.reason) == ("hold", mute)
    after = decide(first.alert, firing(), 1060, OPTIONS)
    assert (after.kind, after.reason) == ("first", "no-longer-muted")


@pytest.mark.parametrize(("mute", "kind", "reason"), [
    ("silenced", None, "never-told"), ("inhibited", None, "never-told"),
    ("old", "resolved", "over-before-told"), ("starting", "resolved", "over-before-told"),
])  # fmt: skip
def test_what_ends_before_it_was_told_informs_unless_it_was_muted_for_a_reason(
    mute: str, kind: str | None, reason: str
) -> None:
    decisions = through([(1000, firing(since=0)), (1060, None), (1360, None)], muted=mute)
    assert (decisions[-1].action, decisions[-1].kind, decisions[-1].reason) == ("resolve", kind, reason)
    assert decisions[-1].alert is not None
    if decisions[-1].kind is not None:
        notice = Notice(kind=decisions[-1].kind, reason=reason, alert=decisions[-1].alert, at=1360)
        assert notice.severity == "warn"


def test_what_was_told_is_told_to_be_over_even_while_it_is_muted() -> None:
    told = decide(None, firing(since=0), 1000, OPTIONS)
    over = decide(
        decide(told.alert, None, 1060, OPTIONS, muted="inhibited").alert, None, 1400, OPTIONS, muted="silenced"
    )
    assert (over.kind, over.reason) == ("resolved", "well-again")


def test_who_took_it_is_left_in_peace_until_it_gets_worse_or_is_over() -> None:
    told = decide(None, firing(since=0), 1000, OPTIONS).alert
    assert told is not None
    taken = acknowledged(told, "jane")
    quiet = decide(taken, firing(), 100_000, OPTIONS)
    assert (quiet.action, quiet.reason) == ("hold", "acknowledged")
    worse = decide(quiet.alert, firing(severity="page"), 100_060, OPTIONS)
    assert (worse.kind, worse.reason) == ("reminder", "worse")
    over = decide(decide(quiet.alert, None, 100_060, OPTIONS).alert, None, 100_400, OPTIONS)
    assert over.kind == "resolved"


def test_what_a_channel_gave_up_goes_to_the_next_one_once() -> None:
    told = decide(None, firing(since=0), 1000, OPTIONS).alert
    assert told is not None
    again = decide(undelivered(told), firing(), 1005, OPTIONS)
    assert (again.kind, again.reason, again.escalate) == ("reminder", "not-delivered", True)
    assert decide(again.alert, firing(), 1010, OPTIONS).action == "hold"


def test_an_hourly_run_does_not_keep_a_page_for_the_next_one() -> None:
    page, warn = firing(severity="page", since=990, for_seconds=60), firing(since=990)
    assert decide(None, page, 1000, OPTIONS).kind is None
    assert decide(None, page, 1000, OPTIONS, ahead=3600).kind == "first"
    assert decide(None, warn, 1000, OPTIONS, ahead=3600).kind is None
    told = decide(None, page, 1000, OPTIONS, ahead=3600).alert
    assert decide(told, None, 4600, OPTIONS, ahead=3600).kind == "resolved"


def test_a_silence_covers_what_it_names_until_it_ends() -> None:
    key = ("relay_failing", "relay-denied", "relay")
    all_of_it = Silence(100.0, "moving house", "jane")
    longer = Silence(200.0, "new relay", "joe", rule="relay_failing", cause="relay-denied")
    other = Silence(300.0, "x", "joe", rule="postfix_down")
    assert silenced(key, [all_of_it, longer, other], 50.0) is longer
    assert silenced(key, [all_of_it, longer, other], 200.0) is None


def test_an_alert_is_kept_as_json_and_comes_back() -> None:
    told = decide(None, firing(since=0), 1000, OPTIONS).alert
    assert told is not None
    assert Alert(**json.loads(json.dumps(asdict(told)))) == told


levels = st.sampled_from([None, "raise", "hold", "unknown"])
steps = st.lists(
    st.tuples(st.integers(-4000, 4000), levels, st.sampled_from(["warn", "page"]), st.sampled_from([None, None, *MUTES]),
              st.integers(0, 5000), st.sampled_from([None, 0, 600])),
    max_size=60,
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(steps, st.booleans())
def test_whatever_happens_every_begin_has_its_end_and_no_decision_is_lost(
    steps: list[tuple[int, Level | None, str, str | None, int, int | None]], back: bool
) -> None:
    now, alert, open_episode = 10_000.0, None, None
    keys: set[str] = set()
    for step, level, severity, muted, age, for_seconds in steps:
        now = max(0.0, now + (step if back else abs(step)))
        fires = None if level is None else firing(level, severity, now - age, for_seconds=for_seconds)
        decision = decide(alert, fires, now, OPTIONS, muted=muted)
        assert decision == decide(alert, fires, now, OPTIONS, muted=muted)
        assert decision.reason in REASONS
        assert decision.kind is None or muted is None or decision.kind == "resolved"
        if decision.kind is not None:
            assert decision.alert is not None
            notice = Notice(kind=decision.kind, reason=decision.reason, alert=decision.alert, at=now)
            assert notice.key not in keys
            keys.add(notice.key)
            if decision.kind == "first":
                assert open_episode is None
                open_episode = notice.episode_key
            elif decision.kind == "reminder":
                assert open_episode == notice.episode_key
            else:
                assert open_episode in (None, notice.episode_key)
                assert decision.reason == ("over-before-told" if open_episode is None else "well-again")
                open_episode = None
        # an alert that was told is never dropped without its end
        assert open_episode is None or (decision.alert is not None and decision.alert.state == "firing")
        alert = decision.alert
    if open_episode is not None:  # and its end comes, whatever was before
        for later in (1, 4000):
            decision = decide(alert, None, now + later, OPTIONS)
            alert = decision.alert
        assert decision.kind == "resolved"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 600), st.sampled_from([None, "raise", "hold"])), min_size=50, max_size=200))
def test_what_flaps_does_not_page_again_and_again(steps: list[tuple[int, Level | None]]) -> None:
    now, alert, firsts = 0.0, None, 0
    for step, level in steps:
        now += step
        decision = decide(alert, None if level is None else firing(level, "page", now, for_seconds=0), now, OPTIONS)
        firsts += decision.kind == "first"
        alert = decision.alert
    # 300, 600, 1200, 2400, then 3600 seconds it must stay away before it can be told anew
    assert firsts <= 5 + now / 3600


def test_a_channel_is_told_so_much_an_hour_and_then_how_many_more_there_were() -> None:
    options, ration, told = AlertsOptions(per_hour=2), Ration(), []
    for now in (0.0, 10.0, 20.0, 30.0, 3601.0, 3602.0):
        admission = admit(ration, "warn", "first", now, options)
        told.append((admission.admitted, admission.reason, admission.more))
        ration = admission.ration
    assert told == [(True, "within-limit", 0), (True, "within-limit", 0), (False, "over-limit", 0), (False, "over-limit", 0),
                    (True, "within-limit", 2), (False, "over-limit", 0)]  # fmt: skip
    assert admit(replace(ration, told_at=(3590.0, 3601.0)), "page", "reminder", 3603.0, options).admitted
    assert admit(Ration(told_at=(9000.0, 9001.0)), "warn", "first", 10.0, options).admitted


def test_the_first_page_of_an_alert_is_told_however_much_was_told_before() -> None:
    options, used_up = AlertsOptions(per_hour=2), Ration(told_at=(1.0, 2.0, 3.0, 4.0, 5.0), held_back=7)
    assert not admit(used_up, "page", "reminder", 6.0, options).admitted
    assert not admit(used_up, "warn", "first", 6.0, options).admitted
    admission = admit(used_up, "page", "first", 6.0, options)
    assert (admission.admitted, admission.more, admission.ration.told_at[-1]) == (True, 7, 6.0)
