"""A view sees what was counted up to its instant, and a window that moves along holds what one summed anew would."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.advance import Terms, advance
from mailwatch.options import Options
from mailwatch.sample import Probe, QueueSample, unread
from mailwatch.streak import Streak, Streaks, delivered, failed, joined
from mailwatch.view import History, Sums
from tests.parts.days import BEGIN, SITE, Day

if TYPE_CHECKING:
    from mailwatch.counters import Series

SENT: Series = ("delivery_attempts", ("smtp", "sent"))
REFUSED: Series = ("delivery_failures", ("deferred", "relay-denied", "relay"))
buckets = st.dictionaries(
    st.integers(0, 60), st.dictionaries(st.sampled_from([SENT, REFUSED]), st.integers(1, 9), min_size=1), max_size=20
)


def summed(minutes: dict[int, Counter[Series]], last: int, length: int) -> dict[Series, int]:
    total: Counter[Series] = Counter()
    for minute in range(last - length + 1, last + 1):
        total.update(minutes.get(minute, {}))
    return dict(total)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70), st.sampled_from([1, 2, 15, 60]), buckets), max_size=25))
def test_a_window_holds_what_one_summed_anew_would(steps: list[tuple[int, int, dict[int, dict[Series, int]]]]) -> None:
    sums = Sums()
    minutes: dict[int, Counter[Series]] = {}
    for last, length, added in steps:
        sums.add(added)
        for minute, counted in added.items():
            minutes.setdefault(minute, Counter()).update(counted)
        assert dict(sums.window(last, length)) == summed(minutes, last, length)


def test_a_view_sees_nothing_of_what_comes_after_it() -> None:
    samples: list[QueueSample] = [unread(at=at, instance="postfix", trouble="x") for at in (100.0, 200.0)]
    history = History(
        site=SITE,
        sums=Sums({0: {SENT: 1}, 1: {SENT: 10}, 2: {SENT: 100}}),
        started_at=0.0,
        samples=samples,
        probes=[Probe(name="disk", at=150.0, success=True, trouble=None)],
        streaks={("relay-denied", "relay"): Streak(3, 100.0, 130.0)},
        streaks_at=130.0,
    )
    early, late = history.at(120.0), history.at(180.0)
    assert (early.attempts(3600)["sent"], late.attempts(3600)["sent"]) == (11, 111)
    assert [sample.at for sample in early.samples(900)] == [100.0]
    assert (early.probes("disk"), len(late.probes("disk"))) == ([], 1)
    assert early.streak(("relay-denied", "relay")) is None
    assert late.streak(("relay-denied", "relay")) == Streak(3, 100.0, 130.0)


def test_views_stand_at_the_end_of_each_minute_and_at_the_last_instant() -> None:
    history = History(site=SITE, sums=Sums(), started_at=0.0)
    assert [view.now for view in history.views(59.0, 200.0)] == [60.0, 120.0, 180.0, 200.0]
    assert [view.now for view in history.views(60.0, 120.0)] == [120.0]
    assert [view.now for view in history.views(130.0, 140.0)] == [140.0]


def test_a_delivery_ends_the_streaks_of_its_own_side() -> None:
    streaks: Streaks = {}
    failed(streaks, "relay-denied", "relay", 10.0)
    failed(streaks, "relay-denied", "relay", 12.0)
    failed(streaks, "filter-failed", "local", 13.0)
    failed(streaks, "no such cause", "relay", 13.0)
    assert streaks == {
        ("relay-denied", "relay"): Streak(2, 10.0, 12.0),
        ("filter-failed", "local"): Streak(1, 13.0, 13.0),
    }
    delivered(streaks, "local")
    assert set(streaks) == {("relay-denied", "relay")}
    delivered(streaks, "smtp")
    assert streaks == {}


def test_streaks_of_two_stretches_are_one_unless_something_was_delivered_between() -> None:
    before: Streaks = {("relay-denied", "relay"): Streak(2, 10.0, 12.0)}
    since: Streaks = {("relay-denied", "relay"): Streak(1, 20.0, 20.0)}
    assert joined(before, since, cleared=set()) == {("relay-denied", "relay"): Streak(3, 10.0, 20.0)}
    assert joined(before, since, cleared={"relay", "recipient"}) == since
    assert joined(before, {}, cleared={"local"}) == before


def test_going_through_4096_minutes_of_a_busy_host_costs_less_than_reading_its_log_did() -> None:
    day = Day(3, 300.0)
    history = day.history()
    for minute in range(1440, 4096):
        history.sums.add({BEGIN // 60 + minute: day.minutes[BEGIN // 60 + minute % 1440]})
    began = time.process_time()
    course = advance({}, history.views(BEGIN, BEGIN + 4096 * 60.0), Terms(options=Options(), page_from=BEGIN))
    # some 20 million lines: 40 s of reading
    assert time.process_time() - began < 10
    assert course.alerts.keys() <= {("log_silent", "log-silent", "local"), ("own_health", "postfix-unknown", "local")}
