"""Folding: attempts, recipients and messages are three things, and blocks do not matter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.event import Queued
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.tally import COUNTERS, Delta, fold, queued_messages

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
LOG = (Path(__file__).parent / "logs" / "expired.log").read_bytes().splitlines(keepends=True)
QUEUED = "qmgr[1]: {}: from=<a@b.example>, size=10, nrcpt=2 (queue active)"
REMOVED = "qmgr[1]: {}: removed"
DEFERRED = "smtp[2]: {}: to=<c@d.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"


def folded(*messages: str, known: tuple[tuple[str, str], ...] = (), instance: str = "postfix") -> Delta:
    block = "".join(f"Nov 22 06:13:04 mx {instance}/{message}\n" for message in messages).encode()
    delta = Delta()
    fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, known)
    return delta


def test_a_message_deferred_three_times_is_three_attempts_and_one_message() -> None:
    delta = folded(*[QUEUED.format("ABCDEF"), DEFERRED.format("ABCDEF")] * 3)
    assert delta.totals()["delivery_attempts", ("smtp", "deferred")] == 3
    assert delta.totals()["messages_queued", ()] == 1
    assert list(delta.opened) == [("postfix", "ABCDEF")]


def test_a_message_open_already_is_not_new_when_it_is_tried_again() -> None:
    delta = folded(QUEUED.format("ABCDEF"), known=(("postfix", "ABCDEF"),))
    assert delta.totals()["messages_queued", ()] == 0
    assert not delta.opened


def test_a_queue_id_used_again_is_another_message() -> None:
    delta = folded(
        QUEUED.format("ABCDEF"), REMOVED.format("ABCDEF"), QUEUED.format("ABCDEF"), known=(("postfix", "ABCDEF"),)
    )
    assert delta.totals()["messages_queued", ()] == 1
    assert (list(delta.opened), delta.closed) == ([("postfix", "ABCDEF")], {("postfix", "ABCDEF")})


def test_two_instances_have_queue_ids_of_their_own() -> None:
    out = folded(QUEUED.format("ABCDEF"), known=(("postfix", "ABCDEF"),), instance="postfix-out")
    assert out.totals()["messages_queued", ()] == 1


def test_what_begins_and_ends_in_one_stretch_leaves_nothing_to_remember() -> None:
    delta = folded(QUEUED.format("ABCDEF"), REMOVED.format("ABCDEF"))
    assert not delta.opened
    assert not delta.closed


def test_an_unknown_agent_status_or_program_counts_as_other() -> None:
    delta = folded(
        "newagent[1]: ABCDEF: to=<a@b>, relay=none, delay=1, dsn=2.0.0, status=sent (x)",
        "smtp[1]: ABCDEF: to=<a@b>, relay=none, delay=1, dsn=2.0.0, status=zapped (x)",
        "newprogram[1]: hello",
    )
    assert delta.totals() == {
        ("other_events", ("other",)): 2,
        ("delivery_attempts", ("smtp", "other")): 1,
    }


def test_every_series_that_is_counted_is_one_that_is_shown() -> None:
    delta = Delta()
    for log in (Path(__file__).parent / "logs").glob("*.log"):
        fold(delta, PostfixParser(zone=UTC).parse(log.read_bytes(), NOW).events, ())
    for name, labels in delta.totals():
        assert labels in set(COUNTERS[name].every()), (name, labels)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(LOG)))
def test_where_a_block_ends_does_not_matter(cut: int) -> None:
    parser = PostfixParser(zone=UTC)
    whole, parts = Delta(), Delta()
    fold(whole, parser.parse(b"".join(LOG), NOW).events, ())
    for part in (LOG[:cut], LOG[cut:]):
        fold(parts, parser.parse(b"".join(part), NOW).events, ())
    assert (parts.totals(), parts.minutes, parts.opened, parts.closed) == (
        whole.totals(), whole.minutes, whole.opened, whole.closed,
    )  # fmt: skip


def test_only_messages_entering_the_queue_need_to_be_known() -> None:
    events = PostfixParser(zone=UTC).parse(b"".join(LOG), NOW).events
    assert queued_messages(events) == {("postfix", event.queue_id) for event in events if isinstance(event, Queued)}
