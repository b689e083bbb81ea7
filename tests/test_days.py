"""Whole days: ordinary traffic tells nobody anything, and each fault is told once, with its cause, and told to be over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailwatch.advance import Course, Terms, advance
from mailwatch.causes import catalogue
from mailwatch.digest import digest
from mailwatch.letter import Stationery
from mailwatch.options import Options
from tests.parts.days import BEGIN, DAY, Day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mailwatch.alert import Alert, AlertKey, Notice

END = BEGIN + DAY * 60.0


def course(day: Day, *, page_from: float = BEGIN) -> Course:
    return advance({}, day.history().views(BEGIN, END), Terms(options=Options(), page_from=page_from))


def story(notices: Iterable[Notice]) -> list[str]:
    return [
        f"{(each.at - BEGIN) / 60:.0f} {each.kind} {each.reason} {' '.join(each.alert.key)} {each.severity}"
        for each in notices
    ]


def told(notices: Iterable[Notice]) -> list[tuple[str, str, str, str, str]]:
    return [(each.kind, each.alert.rule, each.alert.cause, each.alert.scope, each.severity) for each in notices]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("per_minute", [0.05, 1.0, 20.0, 300.0])
def test_a_day_of_ordinary_traffic_tells_nobody_anything(seed: int, per_minute: float) -> None:
    assert story(course(Day(seed, per_minute)).notices) == []


FAULTS: dict[str, tuple[Callable[[Day], object], tuple[str, str, str, str]]] = {
    "the relay cannot be reached": (
        lambda day: day.fails(600, 640, "relay-unreachable", "relay"), ("relay_failing", "relay-unreachable", "relay", "page")),
    "the relay refuses the password": (
        lambda day: day.fails(600, 640, "relay-auth-failed", "relay"), ("relay_failing", "relay-auth-failed", "relay", "page")),
    "TLS to the relay is broken": (
        lambda day: day.fails(600, 640, "tls-failed", "relay"), ("relay_failing", "tls-failed", "relay", "page")),
    "the relay refuses in words that nobody knows": (
        lambda day: day.fails(600, 660, "unknown", "relay"), ("relay_failing", "unknown", "relay", "page")),
    "one sender of several is not verified": (
        lambda day: day.fails(600, 680, "sender-unverified", "relay", share=0.6, status="bounced"),
        ("relay_failing", "sender-unverified", "relay", "warn")),
    "the address is on a blocklist": (
        lambda day: day.fails(600, 700, "blocklisted", "recipient", share=0.5, status="bounced"),
        ("recipients_failing", "blocklisted", "recipient", "warn")),
    "port 25 is shut": (
        lambda day: day.fails(600, 720, "remote-unreachable", "recipient"),
        ("recipients_failing", "remote-unreachable", "recipient", "page")),
    "a bad list of addresses is mailed to": (
        lambda day: day.fails(600, 720, "user-unknown", "recipient", share=0.5, status="bounced"),
        ("bounced_share", "mail-bounced", "recipient", "warn")),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_once_with_its_cause_and_told_to_be_over(
    fault: Callable[[Day], object], expected: tuple[str, str, str, str]
) -> None:
    day = Day(1)
    fault(day)
    notices = [each for each in course(day).notices if each.kind != "reminder"]
    assert told(notices) == [("first", *expected), ("resolved", *expected)], story(notices)


SAMPLED: dict[str, tuple[Callable[[Day], object], tuple[str, str, str, str]]] = {
    "Postfix is stopped": (lambda day: stopped(day, 600, 640), ("postfix_down", "postfix-down", "local", "page")),
    "the queue grows": (lambda day: day.growth.append((600, 660, 50)), ("queue_growing", "queue-growing", "local", "warn")),
    "the disk is full": (lambda day: disk_full(day, 600, 640), ("local_fault", "disk-full", "local", "page")),
    "the configuration is wrong": (
        lambda day: complains(day, 600, 640, "config-error"), ("local_fault", "config-error", "local", "page")),
    "lines of the log are lost": (lambda day: lost(day, 600), ("log_silent", "log-gap", "local", "warn")),
    "the content filter does not answer": (
        lambda day: day.fails(600, 640, "filter-failed", "local"), ("local_fault", "filter-failed", "local", "page")),
}  # fmt: skip


def stopped(day: Day, first: int, last: int) -> None:
    day.silent(first, last)
    day.down.append((first, last))


def complains(day: Day, first: int, last: int, cause: str) -> None:
    for minute in range(first, last):
        day.at(minute)["complaints", (cause, "local")] += 1


def disk_full(day: Day, first: int, last: int) -> None:
    """Mail is refused, deferred, daemons die, nothing is delivered: one reason, one alert."""
    day.silent(first, last)
    for minute in range(first, last):
        day.at(minute)["complaints", ("disk-full", "local")] += 3
        day.at(minute)["complaints", ("daemon-crash", "local")] += 2
        day.attempt(minute, "deferred", "disk-full", "local", agent="local")
    day.growth.append((first, last, 60))


def lost(day: Day, minute: int) -> None:
    day.at(minute)["log_gaps", ("missing-file",)] += 1
    day.at(minute)["log_gaps", ("copytruncate",)] += 1


@pytest.mark.parametrize(("fault", "expected"), SAMPLED.values(), ids=SAMPLED)
def test_a_fault_of_this_host_is_told_once_and_what_follows_from_it_is_not(
    fault: Callable[[Day], object], expected: tuple[str, str, str, str]
) -> None:
    day = Day(1)
    fault(day)
    notices = [each for each in course(day).notices if each.kind != "reminder"]
    assert told(notices) == [("first", *expected), ("resolved", *expected)], story(notices)


def test_the_end_of_an_outage_is_its_end_and_not_when_it_was_decided() -> None:
    day = Day(1)
    day.fails(600, 640, "relay-unreachable", "relay")
    first, resolved = (each for each in course(day).notices if each.kind != "reminder")
    assert first.alert.began_at == BEGIN + 600 * 60
    assert first.at <= BEGIN + 602 * 60
    assert resolved.alert.ended_at is not None
    assert BEGIN + 640 * 60 <= resolved.alert.ended_at <= BEGIN + 645 * 60


def test_a_run_each_hour_tells_what_one_run_through_the_day_does() -> None:
    """An outage from :05 to :40 stands in the :00 digest once, whole; nothing is told twice, or never."""
    day = Day(1)
    day.fails(605, 640, "relay-auth-failed", "relay")
    history = day.history()
    whole = story(course(day).notices)
    alerts: Mapping[AlertKey, Alert] = {}
    runs: list[list[Notice]] = []
    for hour in range(24):
        begin, end = BEGIN + hour * 3600.0, BEGIN + (hour + 1) * 3600.0
        found = advance(alerts, history.views(begin, end), Terms(options=Options(), page_from=begin))
        alerts = found.alerts
        runs.append(list(found.notices))
    assert [story(run) for run in runs if run] == [whole]
    letter = digest(runs[10], Stationery(host="mx1", catalogue=catalogue()))
    assert letter is not None
    assert letter.subject == "[mx1] over: all mail via smtp.example.net is failing: password refused (10:05 to 10:42)"


def test_what_is_found_late_informs_and_does_not_page() -> None:
    day = Day(1)
    day.fails(605, 640, "relay-auth-failed", "relay")
    day.fails(1400, 1440, "relay-denied", "relay")
    notices = course(day, page_from=BEGIN + 1430 * 60.0).notices
    assert told(notices) == [
        ("resolved", "relay_failing", "relay-auth-failed", "relay", "warn"),
        ("first", "relay_failing", "relay-denied", "relay", "page"),
    ]
    assert notices[1].alert.began_at == BEGIN + 1400 * 60


def test_the_same_day_gives_the_same_keys() -> None:
    def keys() -> list[str]:
        day = Day(5)
        day.fails(600, 900, "relay-denied", "relay")
        return [notice.key for notice in course(day).notices]

    assert keys() == keys()
    assert len(set(keys())) == len(keys()) >= 5
