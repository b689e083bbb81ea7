"""A notification is bounded, and survives the way to a child whatever stands in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mailwatch.notification import LONGEST, Notification, reaches
from tests.parts.alarm import alarm

TEXTS = some.text(some.characters(codec=None), max_size=400)


def test_it_comes_back_as_it_went() -> None:
    assert Notification.from_json(alarm().as_json()) == alarm()


@given(subject=TEXTS, text=TEXTS, key=TEXTS)
def test_any_text_can_be_handed_over(subject: str, text: str, key: str) -> None:
    line = alarm(subject=subject, text=text, key=key).as_json()
    assert line.isascii()
    assert "\n" not in line
    back = Notification.from_json(line)
    assert back == back.bounded()
    assert back.subject.isprintable()
    back.text.encode()


def test_what_is_too_long_is_cut_and_says_so() -> None:
    back = Notification.from_json(alarm(text="x" * 100_000, subject="y" * 1000).as_json())
    assert len(back.text) == LONGEST["text"]
    assert back.text.endswith("x […]")
    assert len(back.subject) == LONGEST["subject"]


def test_a_subject_is_one_line() -> None:
    assert (
        Notification.from_json(alarm(subject="a\r\nBcc: x@example.com\x1b[2J").as_json()).subject
        == "a Bcc: x@example.com?[2J"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "third"}, "kind, severity"),
        ({"severity": "high"}, "kind, severity"),
        ({"at": "now"}, "at: expected a time"),
        ({"at": True}, "at: expected a time"),
        ({"began_at": None}, "began_at: expected a time"),
        ({"text": 1}, "text: expected text of 16384"),
        ({"text": "x" * 20_000}, "text: expected text of 16384"),
        ({"more": 1}, "other keys"),
    ],
)
def test_what_is_none_is_refused(change: dict[str, object], message: str) -> None:
    said = json.loads(alarm().as_json()) | change
    with pytest.raises(ValueError, match=message):
        Notification.from_json(json.dumps(said))


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "[" * 100_000, '"' + "x" * (1 << 20) + '"', '{"at": NaN}'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Notification.from_json(text)


@pytest.mark.parametrize(
    ("severity", "least", "expected"),
    [("page", "warn", True), ("warn", "page", False), ("security", "warn", True), ("warn", "security", True), ("info", "warn", False), ("info", "info", True)],
)  # fmt: skip
def test_security_ranks_with_warn(severity: str, least: str, expected: bool) -> None:
    assert reaches(severity, least) is expected
