"""Whole days: ordinary traffic tells nobody anything, and each fault is told once, with its cause, and told to be over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailwatch.advance import Course, Terms, advance
from mailwatch.options import Options
from tests.parts.days import BEGIN, DAY, Day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailwatch.alert import Notice

END = BEGIN + DAY * 60.0


def course(day: Day, *, page_from: float = BEGIN) -> Course:
    return advance({}, day.history().views(BEGIN, END), Terms(options=Options(), page_from=page_from))


def story(notices: Iterable[Notice]) -> list[str]:
    return [
        f"{(each.at - BEGIN) / 60:.0f} {each.kind} {each.reason} {' '.join(each.alert.key)} {each.alert.severity}"
        for each in notices
    ]


def told(notices: Iterable[Notice]) -> list[tuple[str, str, str, str, str]]:
    return [(each.kind, each.alert.rule, each.alert.cause, each.alert.scope, each.alert.severity) for each in notices]


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
