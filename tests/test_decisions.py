"""What is decided does not depend on when it was read, on commits that failed, nor on what the clock did."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.decisions import LOOKED_BACK, Decisions, Remembered
from mailwatch.options import Options, OwnHealth, RulesOptions
from mailwatch.sample import Probe
from mailwatch.streak import delivered, failed
from mailwatch.tally import Delta
from tests.parts.days import SITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.alert import Notice
    from mailwatch.decisions import Decided

BEGIN: Final = 1_795_590_000.0
"""The begin of a minute."""
OPTIONS: Final = replace(Options(), rules=replace(RulesOptions(), own_health=OwnHealth(enabled=False)))
"""Nobody looks at Postfix here, which would be told."""
CAUSE: Final = "relay-auth-failed"
Weather = Literal["quiet", "well", "failing", "worse"]
WEATHERS: Final[tuple[Weather, ...]] = ("quiet", "well", "failing", "worse")


def read(weather: Weather, at: float) -> Delta:
    """What was read of some seconds of log."""
    delta = Delta()
    if weather == "quiet":
        return delta
    delta.last_event_at = at
    if weather in ("well", "worse"):
        delta.count("delivery_attempts", at, ("smtp", "sent"), 5)
        delivered(delta.streaks, "smtp")
    if weather in ("failing", "worse"):
        delta.count("delivery_attempts", at, ("smtp", "deferred"), 4)
        delta.count("delivery_failures", at, ("deferred", CAUSE, "relay"), 4)
        for _ in range(4):
            failed(delta.streaks, CAUSE, "relay", at)
        delta.examples[CAUSE, "relay"] = f"535 said at {at}"
    return delta


def joined(deltas: Sequence[Delta]) -> Delta:
    """What is read at once instead."""
    whole = Delta()
    for each in deltas:
        for minute, counted in each.minutes.items():
            whole.minute(minute).update(counted)
            if any(name == "delivery_attempts" and labels[1] == "sent" for name, labels in counted):
                delivered(whole.streaks, "smtp")
        for (cause, scope), streak in each.streaks.items():
            for _ in range(streak.failures):
                failed(whole.streaks, cause, scope, streak.first_at)
        whole.examples.update(each.examples)
        whole.last_event_at = max(whole.last_event_at, each.last_event_at)
    return whole


def begun(**more: float | None) -> Decisions:
    return Decisions(SITE, OPTIONS, Remembered(until=BEGIN), BEGIN, **more)  # type: ignore[arg-type]


def notices(*decided: Decided | None) -> list[Notice]:
    return [notice for each in decided if each is not None for notice in each.notices]


def story(told: Sequence[Notice]) -> list[tuple[str, str]]:
    return [(each.kind, each.alert.cause) for each in told]


def known(decisions: Decisions) -> object:
    """What was counted, as far as it counts."""
    minutes = {minute: dict(counted) for minute, counted in decisions._sums.minutes.items() if counted}
    return minutes, decisions._streaks, decisions._last_event_at


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WEATHERS), st.integers(0, 3), st.integers(1, 200)), max_size=40))
def test_commits_that_fail_change_nothing(steps: list[tuple[Weather, int, int]]) -> None:
    sure, unsure = begun(), begun()
    told: list[list[Notice]] = [[], []]
    now = BEGIN
    for weather, failures, seconds in steps:
        now += seconds
        delta = read(weather, now)
        for _ in range(failures):
            told[1] += notices(unsure.decide(delta, now, caught_up=True))
            unsure.undo()
            unsure.undo()  # whoever else thinks of it
        for at, decisions in enumerate((sure, unsure)):
            told[at] += notices(decisions.decide(delta, now, caught_up=True))
            decisions.settled(now)
        assert known(sure) == known(unsure)
        assert {key: (each.state, each.episode, each.number) for key, each in sure.alerts.items()} == {
            key: (each.state, each.episode, each.number) for key, each in unsure.alerts.items()
        }
    assert [each.key for each in told[0]] == [each.key for each in told[1]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["well", "failing", "quiet"]), st.integers(20, 60)), max_size=6),
    st.sets(st.integers(0, 360)),
)
def test_a_night_in_one_go_or_in_any_pieces_is_told_as_it_would_have_been_live(
    hours: list[tuple[Weather, int]], cuts: set[int]
) -> None:
    # what lasts for a minute between deliveries is seen by failures in a row, and these are known for now alone
    weather = [each for each, length in hours for _ in range(length)]
    # whether one soon comes back, or an hour is over, must not hang on the minutes by which it is told later
    steady = replace(OPTIONS, alerts=replace(OPTIONS.alerts, flap_seconds=0, page_reminder_seconds=7 * 86400))
    live = Decisions(SITE, steady, Remembered(until=BEGIN), BEGIN)
    later = Decisions(SITE, steady, Remembered(until=BEGIN), BEGIN, page_from=0.0)
    deltas = [read(each, BEGIN + minute * 60 + 30) for minute, each in enumerate(weather)]
    live_told: list[Notice] = []
    for minute, delta in enumerate(deltas, start=1):
        live_told += notices(live.decide(delta, BEGIN + minute * 60, caught_up=True))
        live.settled(BEGIN + minute * 60)
    end = BEGIN + len(deltas) * 60
    later_told, waiting = [], []
    for minute, delta in enumerate(deltas):
        waiting.append(delta)
        if minute in cuts:
            later_told += notices(later.decide(joined(waiting), end, caught_up=False))
            later.settled(end)
            waiting = []
    later_told += notices(later.decide(joined(waiting), end, caught_up=True))
    assert story(later_told) == story(live_told)
    for one, other in zip(live_told, later_told, strict=True):
        assert abs(one.at - other.at) <= 180


def course(decisions: Decisions, *weather: Weather, begin: int = 0) -> list[Notice]:
    """What is told live, minute by minute."""
    told = []
    for minute, each in enumerate(weather, start=begin):
        told += notices(
            decisions.decide(read(each, BEGIN + minute * 60 + 30), BEGIN + minute * 60 + 60, caught_up=True)
        )
        decisions.settled(BEGIN + minute * 60 + 60)
    return told


def test_at_the_first_start_what_is_over_is_not_told_and_what_is_not_is() -> None:
    ends: list[tuple[Weather, list[tuple[str, str]]]] = [("well", []), ("failing", [("first", CAUSE)])]
    for last, expected in ends:
        first = Decisions(SITE, OPTIONS, Remembered(), BEGIN)
        weather: list[Weather] = [*["well"] * 5, *["failing"] * 30, *[last] * 30]  # type: ignore[list-item]
        deltas = [read(each, BEGIN - 3900 + minute * 60) for minute, each in enumerate(weather)]
        told = []
        for delta in deltas:
            told += notices(first.decide(delta, BEGIN, caught_up=False))
            first.settled(BEGIN)
        told += notices(first.decide(Delta(), BEGIN + 1, caught_up=True))
        assert story(told) == expected


def test_what_is_not_committed_presses_until_it_is() -> None:
    decisions = begun()
    first = decisions.decide(read("failing", BEGIN + 1), BEGIN + 11, caught_up=True)
    assert first is not None
    assert first.pressing
    assert story(first.notices) == [("first", CAUSE)]
    decisions.undo()
    for later in (11.5, 12, 40):
        again = decisions.decide(Delta(), BEGIN + later, caught_up=True)
        assert again is not None
        assert again.pressing
        assert not again.notices
        assert again.alerts == decisions.alerts
    decisions.settled(BEGIN + 40)
    assert decisions.decide(Delta(), BEGIN + 40.5, caught_up=True) is None


def test_while_the_log_is_not_read_what_it_told_is_not_over_and_nothing_new_is_missed() -> None:
    decisions = begun()
    assert story(course(decisions, "failing", "failing")) == [("first", CAUSE)]
    told = []
    for minute in range(3, 180):
        told += notices(decisions.decide(Delta(), BEGIN + minute * 60, caught_up=True, blind=True))
    assert [each.kind for each in told] == ["reminder"] * 2
    decisions.take([Probe(name="disk", at=BEGIN + 10800, success=False, trouble="no room")])
    told = []
    for second in range(10):
        told += notices(decisions.decide(Delta(), BEGIN + 10800 + second, caught_up=True, blind=True))
    assert story(told) == [("first", "disk-full")]
    assert ("resolved", CAUSE) in story(course(decisions, *["well"] * 15, begin=181))  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [-3600, -90_000, -1_700_000_000, 3600, 90_000])
def test_a_clock_that_is_set_stops_nothing(step: float) -> None:
    decisions = begun()
    now = BEGIN
    assert not notices(decisions.decide(read("well", now), now, caught_up=True))
    decisions.settled(now)
    decisions.decide(Delta(), now + 30, caught_up=True)
    told = []
    for second in range(0, 60, 2):
        told += notices(decisions.decide(read("failing", now + step + second), now + step + second, caught_up=True))
        decisions.settled(now + step + second)
    assert story(told) == [("first", CAUSE)]
    # and what nobody writes of is looked at, too
    decisions.take([Probe(name="disk", at=now + step + 70, success=False, trouble="no room")])
    told = [
        notice
        for second in range(70, 90)
        for notice in notices(decisions.decide(Delta(), now + step + second, caught_up=True))
    ]
    assert ("first", "disk-full") in story(told)


def test_half_a_century_without_a_line_is_no_work() -> None:
    decisions = Decisions(SITE, OPTIONS, Remembered(until=0.0), 0.0)
    minutes = sum(end - begin for begin, end in decisions._stretches(0.0, BEGIN)) / 60
    assert minutes <= 3 * LOOKED_BACK / 60
    begun_at = time.monotonic()
    assert not notices(decisions.decide(read("well", BEGIN), BEGIN + 1, caught_up=True))
    assert time.monotonic() - begun_at < 10


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=8), st.integers(0, 200), st.integers(1, 400))
def test_no_time_with_anything_in_it_is_left_out(hours: list[int], first: int, length: int) -> None:
    decisions = begun()
    for hour in hours:
        decisions._sums.add({hour * 60: {("delivery_attempts", ("smtp", "sent")): 1}})
    begin, end = first * 3600.0, (first + length) * 3600.0
    stretches = decisions._stretches(begin, end)
    assert stretches[0][0] == begin
    assert stretches[-1][1] == end
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(stretches))
    for hour in hours:
        for seen in range(hour * 3600, hour * 3600 + LOOKED_BACK, 600):
            if begin < hour * 3600 and begin <= seen <= end:
                assert any(one <= seen <= other for one, other in stretches)


def test_what_is_remembered_is_bounded() -> None:
    decisions = begun()
    for minute in range(3 * 24 * 60):
        now = BEGIN + minute * 60
        decisions.decide(read("well", now), now, caught_up=False)
        decisions.settled(now)
    assert len(decisions._sums.minutes) <= LOOKED_BACK / 60 + 62
    for second in range(5000):  # nothing can be committed
        decisions.take([Probe(name="x", at=BEGIN, success=None, trouble=str(second))])
    assert len(decisions._probes) == 1
