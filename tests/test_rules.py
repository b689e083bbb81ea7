"""Each rule at one instant: what it fires on, what holds it, what is unknown to it, and what it lets pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.advance import Terms, advance
from mailwatch.alert import Silence
from mailwatch.cause import CAUSES, SIDES
from mailwatch.firing import ANY, OWN_CAUSES
from mailwatch.inhibition import MUTED_BY, inhibited_by
from mailwatch.options import Options, RelayFailing, RulesOptions
from mailwatch.rules import RULES, firings
from mailwatch.sample import Probe, QueueSample, QueueState, unread
from mailwatch.streak import Streak
from mailwatch.view import History, Sums
from tests.parts.days import SITE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.alert import Alert, AlertKey
    from mailwatch.counters import Series

NOW = 1_000_000 * 60.0
MINUTE = 1_000_000 - 1
SENT: Series = ("delivery_attempts", ("smtp", "sent"))
DEFERRED: Series = ("delivery_attempts", ("smtp", "deferred"))
QUEUED: Series = ("messages_queued", ())


def refused(cause: str, scope: str = "relay", status: str = "deferred") -> Series:
    return "delivery_failures", (status, cause, scope)


def state(messages: int, age: float | None = None, at: float = NOW) -> QueueState:
    arrival = None if age is None else at - age
    return QueueState(
        messages=messages, recipients=messages, bytes=0, oldest_arrival=arrival, newest_arrival=arrival, by_cause={}
    )


def sample(at: float = NOW - 10, *, up: bool | None = True, complete: bool = True, **queues: QueueState) -> QueueSample:
    return QueueSample(
        at=at,
        instance="postfix",
        queues=queues or {"deferred": state(0)},
        complete=complete,
        how="postqueue",
        up=up,
        trouble=None,
    )


def probe(
    name: str, success: bool | None, trouble: str | None = None, *, at: float = NOW - 5, **values: float
) -> Probe:
    return Probe(name=name, at=at, success=success, trouble=trouble, values=values, instance="postfix")


UP = probe("postfix", True, up=1.0)
ROOM = probe("disk", True)


def history(
    minutes: dict[int, dict[Series, int]] | None = None,
    samples: tuple[QueueSample, ...] = (sample(),),
    probes: tuple[Probe, ...] = (UP,),
    **more: object,
) -> History:
    counted = {MINUTE - ago: Counter(bucket) for ago, bucket in (minutes or {}).items()}
    if probes and not any(each.name == "disk" for each in probes):
        probes = (*probes, ROOM)
    known = {"started_at": 0.0, "last_event_at": NOW - 1, **more}
    return History(sums=Sums(counted), samples=samples, probes=probes, **{"site": SITE, **known})  # type: ignore[arg-type]


def said(found: History, now: float = NOW) -> list[str]:
    return [f"{each.rule} {each.cause} {each.level} {each.severity}" for each in firings(found.at(now), RulesOptions())]


RELAY_DOWN = {("relay-unreachable", "relay"): Streak(3, NOW - 12, NOW - 1)}
DOWN = probe("postfix", False, "Postfix is down", up=0.0)
CASES: dict[str, tuple[History, list[str]]] = {
    "all is well": (history({0: {SENT: 10, QUEUED: 10}}), []),
    "nothing happens": (history(), []),
    "nothing has ever been seen": (
        history(samples=(), probes=(), last_event_at=None),
        ["queue_growing * unknown info", "oldest_too_old * unknown info", "queue_stuck * unknown info", "log_silent log-silent unknown info",
         "postfix_down * unknown info", "local_fault disk-full unknown info", "own_health postfix-unknown raise warn"]),
    "three failures in a row, in a minute that had deliveries before": (
        history({0: {SENT: 300, refused("relay-unreachable"): 3, DEFERRED: 3}}, streaks=RELAY_DOWN, streaks_at=NOW - 1),
        ["relay_failing relay-unreachable raise page"]),
    "two failures in a row may be chance": (
        history({0: {SENT: 300, refused("relay-unreachable"): 2, DEFERRED: 2}},
                streaks={("relay-unreachable", "relay"): Streak(2, NOW - 12, NOW - 1)}, streaks_at=NOW - 1), []),
    "two failures, ten minutes apart": (
        history({11: {refused("relay-unreachable"): 1}, 0: {refused("relay-unreachable"): 1}},
                streaks={("relay-unreachable", "relay"): Streak(2, NOW - 660, NOW - 1)}, streaks_at=NOW - 1),
        ["relay_failing relay-unreachable raise page"]),
    "between two retries nothing is attempted": (
        history({60: {refused("relay-auth-failed"): 9, DEFERRED: 9}}), ["relay_failing relay-auth-failed hold warn"]),
    "and then something was delivered": (history({60: {refused("relay-auth-failed"): 9}, 5: {SENT: 1}}), []),
    "what local(8) stores says nothing of the relay": (
        history({60: {refused("relay-denied"): 9}, 0: {("delivery_attempts", ("local", "sent")): 9}}),
        ["relay_failing relay-denied hold warn"]),
    "the relay knows no such recipients": (
        history({0: {SENT: 100, refused("user-unknown", status="bounced"): 9, ("delivery_attempts", ("smtp", "bounced")): 9}}), []),
    "a streak of long ago": (history(streaks={("relay-denied", "relay"): Streak(9, 0.0, NOW - 9999)}, streaks_at=NOW), []),
    "one dead domain": (
        history({minute: {SENT: 10, DEFERRED: 1, refused("remote-unreachable", "recipient"): 1} for minute in range(30)}), []),
    "a share of next to nothing": (history({0: {DEFERRED: 2, refused("blocklisted", "recipient"): 2}}), [
        "recipients_failing blocklisted hold page", "deferred_share mail-deferred hold warn"]),
    "greylisting everywhere": (
        history({minute: {DEFERRED: 9, SENT: 1, refused("greylisted", "recipient"): 9} for minute in range(30)}), []),
    "Postfix is down": (history(probes=(DOWN,)), ["postfix_down postfix-down raise page"]),
    "Postfix is down and hides its queue": (
        history(samples=(unread(at=NOW - 5, instance="postfix", trouble="mail system is down", up=False),), probes=()),
        ["queue_growing * unknown info", "oldest_too_old * unknown info", "queue_stuck * unknown info", "postfix_down postfix-down raise page",
         "local_fault disk-full unknown info"]),
    "a probe that knows is believed, not a sample that does not": (
        history(samples=(unread(at=NOW - 1, instance="postfix", trouble="not allowed"),), probes=(UP,)),
        ["queue_growing * unknown info", "oldest_too_old * unknown info"]),
    "Postfix was down, and is up": (history(samples=(sample(NOW - 60, up=False),), probes=(UP,)), [
        "queue_growing * unknown info", "oldest_too_old * unknown info"]),
    "the queue manager is stopped": (
        history(probes=(probe("postfix", False, "1 of Postfix's processes stopped", up=1.0, stopped=1.0),)),
        ["queue_stuck queue-stuck raise page"]),
    "incoming is not taken up": (history({5: {QUEUED: 9}}, samples=(sample(incoming=state(3, 60)),)), ["queue_stuck queue-stuck raise page"]),
    "incoming is full while other mail is taken up": (
        history({0: {QUEUED: 9, SENT: 9}}, samples=(sample(incoming=state(900, 60)),)), ["queue_stuck queue-stuck hold page"]),
    "pickup is dead": (history({0: {QUEUED: 9, SENT: 9}}, samples=(sample(maildrop=state(1, 200)),)), ["queue_stuck queue-stuck raise page"]),
    "the queue has doubled": (
        history({0: {SENT: 1}}, samples=(sample(NOW - 1800, deferred=state(400)), sample(deferred=state(900)))), ["queue_growing queue-growing raise warn"]),
    "the queue has doubled, and is small": (history({0: {SENT: 1}}, samples=(sample(NOW - 1800, deferred=state(40)), sample(deferred=state(90)))), []),
    "a sample that is cut short ends nothing": (
        history({0: {SENT: 1}}, samples=(sample(NOW - 1800, deferred=state(400)), sample(complete=False, deferred=state(100)))),
        ["queue_growing * unknown info", "oldest_too_old * unknown info", "queue_stuck * unknown info"]),
    "mail on hold waits for a person": (history(samples=(sample(hold=state(5, 1e6)),)), []),
    "mail waits for two days": (history(samples=(sample(deferred=state(1, 172_800)),)), ["oldest_too_old queue-old raise warn"]),
    "mail waits since half a day": (history(samples=(sample(deferred=state(1, 50_000)),)), ["oldest_too_old queue-old hold warn"]),
    "mail comes in and none leaves": (
        history({minute: {QUEUED: 1} for minute in range(10)}, samples=(sample(deferred=state(10, 600)),)), ["no_delivery no-delivery raise page"]),
    "mail waits, and none comes in": (history(samples=(sample(deferred=state(10, 600)),)), ["no_delivery no-delivery hold page"]),
    "the queue moves and the log does not": (
        history(probes=(UP, probe("log-moving", False, "the log does not move", silent=300.0))), ["log_silent log-silent raise warn"]),
    "mail waits for hours and no line is logged": (
        history(samples=(sample(deferred=state(2, 600)),), last_event_at=NOW - 9999), ["log_silent log-silent raise warn"]),
    "a quiet host": (history(last_event_at=NOW - 80_000), []),
    "the race of copytruncate": (history({0: {("log_gaps", ("copytruncate",)): 1}}), []),
    "lines are lost": (history({3: {("log_gaps", ("missing-file",)): 1}}), ["log_silent log-gap raise warn"]),
    "the disk is full": (history(probes=(UP, probe("disk", False, "0 inodes free"))), ["local_fault disk-full raise page"]),
    "Postfix says once that the disk is full": (history({0: {("complaints", ("disk-full", "local")): 1}}), ["local_fault disk-full raise page"]),
    "the disk was full a while ago and has room": (
        history({5: {("complaints", ("disk-full", "local")): 9}}, probes=(UP, probe("disk", True))), []),
    "the disk cannot be looked at": (
        history(probes=(UP, probe("disk", None, "hangs"))),
        ["local_fault disk-full hold page", "own_health probe-failing raise warn"]),
    "one process died": (history({0: {("complaints", ("daemon-crash", "local")): 1, SENT: 1}}), ["local_fault daemon-crash hold page"]),
    "processes die": (history({0: {("complaints", ("daemon-crash", "local")): 2}, 4: {("complaints", ("daemon-crash", "local")): 2}}),
                      ["local_fault daemon-crash raise page"]),
    "a label more does not matter": (history({0: {("complaints", ("fatal", "config-error", "local")): 2}}), ["local_fault config-error raise page"]),
    "warnings of the configuration page nobody": (
        history({minute: {("complaints", ("warning", "config-error", "local")): 1} for minute in range(0, 12, 4)}), ["local_fault config-error raise warn"]),
    "warnings, and a program that gives up by them": (
        history({3: {("complaints", ("warning", "config-error", "local")): 2}, 0: {("complaints", ("fatal", "config-error", "local")): 2}}),
        ["local_fault config-error raise page"]),
    "warnings, and one line that is worse": (
        history({0: {("complaints", ("warning", "config-error", "local")): 2, ("complaints", ("error", "config-error", "local")): 1}}),
        ["local_fault config-error raise warn"]),
    "mail fails by the configuration": (
        history({0: {("complaints", ("warning", "config-error", "local")): 2, ("delivery_failures", ("deferred", "config-error", "local")): 2}}),
        ["local_fault config-error raise page"]),
    "the configuration was wrong an hour ago, and nothing was taken up since": (
        history({60: {("complaints", ("fatal", "config-error", "local")): 2}}), ["local_fault config-error hold page"]),
    "strangers are refused": (history({0: {("complaints", ("client-refused", "client")): 99}}), []),
    "clients of ours are refused": (
        history({3: {("rejects", ("submission-refused",)): 30, ("rejects", ("client-refused",)): 99}}), ["clients_refused submission-refused raise page"]),
    "a client of ours is refused now and then": (history({3: {("rejects", ("submission-refused", "client")): 4}}), []),
    "the log cannot be read": (history(probes=(UP, probe("log", False, "permission denied"))), ["own_health log-unreadable raise page"]),
    "the state cannot be written": (history(probes=(UP, probe("state", False, "disk full"))), ["own_health state-unwritable raise page"]),
    "a notification waits for long": (history(outbox_oldest_at=NOW - 1000), ["own_health outbox-old raise warn"]),
    "nobody looks at the queue, for that was said": (
        history(samples=(), probes=(), site=replace(SITE, looked_at=False)),
        ["queue_growing * unknown info", "oldest_too_old * unknown info", "queue_stuck * unknown info", "postfix_down * unknown info"]),
    "of the time before its start it says nothing of itself": (history(probes=(UP, probe("log", False)), started_at=NOW + 60), ["own_health * unknown info"]),
}  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES)
def test_what_the_rules_say(found: History, expected: list[str]) -> None:
    assert said(found) == expected


def test_a_relay_that_dies_on_a_busy_host_is_told_within_seconds() -> None:
    """The minute that it dies in has deliveries in it, and the alert does not wait for its end."""
    died = NOW - 30
    told: list[float] = []
    alerts: Mapping[AlertKey, Alert] = {}
    for second in range(25):
        now = died + second
        failures = second * 5 + 1
        found = history(
            {0: {SENT: 150, refused("relay-unreachable"): failures, DEFERRED: failures}},
            streaks={("relay-unreachable", "relay"): Streak(failures, died, now)},
            streaks_at=now,
        )
        course = advance(alerts, [found.at(now)], Terms(options=Options(), page_from=0.0))
        alerts = course.alerts
        told += [notice.at - died for notice in course.notices]
    assert told == [10.0]


def test_a_silence_is_kept_and_ends() -> None:
    silence = Silence(NOW - 60, "new relay", "jane", rule="relay_failing")
    found = history({minute: {refused("relay-denied"): 5, DEFERRED: 5} for minute in range(10)})
    course = advance({}, found.views(NOW - 600, NOW), Terms(options=Options(), page_from=0.0, silences=[silence]))
    assert [(notice.reason, notice.at) for notice in course.notices] == [("no-longer-muted", NOW - 60)]


def test_a_rule_that_is_switched_off_says_nothing_and_a_severity_of_ones_own_wins() -> None:
    found = history(streaks=RELAY_DOWN, streaks_at=NOW - 1).at(NOW)
    assert [each.severity for each in firings(found, RulesOptions(relay_failing=RelayFailing(severity="warn")))] == [
        "warn"
    ]
    assert firings(found, RulesOptions(relay_failing=RelayFailing(enabled=False))) == []


def test_just_after_the_start_nothing_is_told_of_what_is_only_missing() -> None:
    found = history(samples=(sample(deferred=state(1, 172_800)),), started_at=NOW - 60)
    course = advance(
        {}, [found.at(NOW), found.at(NOW + 59), found.at(NOW + 60)], Terms(options=Options(), page_from=0.0)
    )
    assert [(notice.reason, notice.at) for notice in course.notices] == [("no-longer-muted", NOW + 60)]
    assert course.reasons["starting"] == 2


def test_an_hourly_run_tells_what_only_a_look_at_the_queue_shows_and_what_it_could_not_see_the_second_time() -> None:
    alerts: Mapping[AlertKey, Alert] = {}
    told = []
    blind = unread(at=NOW, instance="postfix", trouble="not allowed")
    for run in range(3):
        now = NOW + run * 3600.0
        seen = replace(blind, at=now) if run else sample(now, deferred=state(1, 172_800, now))
        found = history(samples=(seen,), probes=(), started_at=now - 1, last_event_at=now - 5)
        course = advance(
            alerts, found.views(now - 3600, now), Terms(options=Options(), page_from=now - 3600, ahead=3600.0)
        )
        alerts = course.alerts
        told.append([notice.alert.cause for notice in course.notices])
    assert told == [["queue-old"], [], ["postfix-unknown"]]


def test_a_full_disk_is_not_over_because_nobody_has_looked_since_the_start() -> None:
    full = probe("disk", False, "full", at=NOW - 3000)
    begun = advance({}, [history(probes=(UP, full)).at(NOW - 2000 + 10 * step) for step in range(3)], TERMS)
    assert [notice.kind for notice in begun.notices] == ["first"]
    unseen = history(probes=())
    again = advance(begun.alerts, [unseen.at(NOW + 10 * step) for step in range(60)], TERMS)
    assert [notice.kind for notice in again.notices if notice.alert.cause == "disk-full"] == []
    looks = (
        history(probes=(UP, probe("disk", True, at=at))).at(at + 1) for at in range(int(NOW) + 600, int(NOW) + 1200, 10)
    )
    over = advance(again.alerts, looks, TERMS)
    assert [notice.kind for notice in over.notices if notice.alert.cause == "disk-full"] == ["resolved"]


TERMS = Terms(options=Options(), page_from=0.0)


def test_no_two_reasons_mute_each_other_so_that_nothing_is_told() -> None:
    subjects = {(rule, cause) for rule, cause in MUTED_BY if cause} | {
        ("postfix_down", "postfix-down"),
        ("queue_stuck", "queue-stuck"),
    }
    subjects |= {(rule, cause) for muted in MUTED_BY.values() for rule, cause in muted if cause}
    subjects |= {("relay_failing", "relay-denied"), ("recipients_failing", "blocklisted"), ("no_delivery", "no-delivery"),
                 ("deferred_share", "mail-deferred"), ("log_silent", "log-silent"), ("local_fault", "lookup-failed")}  # fmt: skip
    for one in subjects:
        for other in subjects - {one}:
            there = inhibited_by(other[0], other[1], 2, {one: 2})
            back = inhibited_by(one[0], one[1], 2, {other: 2})
            assert there is None or back is None, f"{one} and {other} mute each other"


@pytest.mark.parametrize("waiting", ["queue_stuck", "queue_growing", "oldest_too_old", "no_delivery"])
def test_of_the_faults_of_this_host_only_those_that_keep_mail_waiting_mute_that_it_waits(waiting: str) -> None:
    local = {cause for cause, sides in CAUSES.items() if "local" in sides}
    muting = {cause for cause in local if inhibited_by(waiting, "x", 2, {("local_fault", cause): 2})}
    assert muting == {"disk-full", "permission", "transport-unavailable", "daemon-crash", "filter-failed"}


@pytest.mark.parametrize("reason", [("local_fault", "disk-full"), ("relay_failing", "relay-denied")])
@pytest.mark.parametrize(("values", "halted"), [({"stopped": 1.0}, True), ({}, True), (None, False)])
def test_a_queue_manager_that_is_stopped_or_missing_is_told_whatever_else_is_wrong(
    reason: tuple[str, str], values: dict[str, float] | None, halted: bool
) -> None:
    full = reason[0] == "local_fault"
    found = history(
        samples=(sample(incoming=state(3, 60)),),
        probes=(
            UP if values is None else probe("postfix", False, "see", up=1.0, **values),
            probe("disk", not full, "full" if full else None),
        ),
        streaks={} if full else {("relay-denied", "relay"): Streak(9, NOW - 60, NOW - 1)},
        streaks_at=NOW - 1,
    )
    course = advance(
        {}, [found.at(NOW), found.at(NOW + 40), found.at(NOW + 80)], Terms(options=Options(), page_from=0.0)
    )
    told = {notice.alert.rule for notice in course.notices}
    assert told == {reason[0], *(["queue_stuck"] if halted else [])}


def test_every_rule_that_mutes_or_is_muted_is_one() -> None:
    for (rule, cause), muted in MUTED_BY.items():
        for name, about in ((rule, cause), *muted):
            assert name in RULES
            assert about is None or about in (*CAUSES, *OWN_CAUSES)


counted = st.one_of(
    st.tuples(st.just("delivery_failures"), st.tuples(st.sampled_from(["deferred", "bounced"]), st.sampled_from(sorted(CAUSES)), st.sampled_from(SIDES))),
    st.tuples(st.just("complaints"), st.tuples(st.sampled_from(sorted(CAUSES)), st.sampled_from(SIDES))),
    st.sampled_from([SENT, DEFERRED, QUEUED, ("log_gaps", ("cut",))]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.integers(0, 90), st.dictionaries(counted, st.integers(1, 40), max_size=6), max_size=12),
    st.lists(
        st.tuples(
            st.floats(0, 4000),
            st.sampled_from([True, False, None]),
            st.booleans(),
            st.integers(0, 2000),
            st.floats(0, 1e6),
        ),
        max_size=5,
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["postfix", "disk", "log-moving", "log", "state", "x"]),
            st.sampled_from([True, False, None]),
        ),
        max_size=5,
    ),
)
def test_no_rule_raises_and_every_firing_is_about_something_that_has_a_name(
    minutes: dict[int, dict[Series, int]],
    samples: list[tuple[float, bool | None, bool, int, float]],
    probes: list[tuple[str, bool | None]],
) -> None:
    seen = [
        sample(NOW - ago, up=up, complete=complete, deferred=state(number, age))
        for ago, up, complete, number, age in samples
    ]
    found = history(minutes, tuple(sorted(seen, key=lambda each: each.at)), tuple(probe(*each) for each in probes))
    for each in firings(found.at(NOW), RulesOptions()):
        assert each.rule in RULES
        assert each.cause in (*CAUSES, *OWN_CAUSES, ANY)
        assert each.scope in (*SIDES, ANY)
        assert each.since <= NOW
        assert each.level == "unknown" or each.cause != ANY
