"""Folding: attempts, recipients and messages are three things, and blocks do not matter."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.cause import Cause
from mailwatch.counters import COUNTERS
from mailwatch.delays import histogram, split
from mailwatch.event import Complaint, Delivery, Queued, Restriction, SaslFailed
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.tally import UNTOLD, Delta, Fate, fold, touched

if TYPE_CHECKING:
    from mailwatch.counters import Series
    from mailwatch.event import Event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
LOG = (Path(__file__).parent / "logs" / "expired.log").read_bytes().splitlines(keepends=True)
QUEUED = "qmgr[1]: {}: from=<a@b.example>, size=10, nrcpt=2 (queue active)"
REMOVED = "qmgr[1]: {}: removed"
DEFERRED = "smtp[2]: {}: to=<c@d.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"


def judge(event: Event) -> Cause | None:
    """Every failure is a full mailbox."""
    failed = isinstance(event, Delivery) and event.status != "sent"
    return Cause("mailbox-full", "recipient", "a rule") if failed else None


def folded(*messages: str, known: tuple[tuple[str, str], ...] = (), instance: str = "postfix") -> Delta:
    block = "".join(f"Nov 22 06:13:04 mx {instance}/{message}\n" for message in messages).encode()
    delta = Delta()
    fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, dict.fromkeys(known, UNTOLD), judge)
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
        ("delivery_failures", ("other", "mailbox-full", "recipient")): 1,
    }


def test_every_series_that_is_counted_is_one_that_is_shown() -> None:
    delta = Delta()
    for log in (Path(__file__).parent / "logs").glob("*.log"):
        fold(delta, PostfixParser(zone=UTC).parse(log.read_bytes(), NOW).events, {}, judge)
    for name, labels in delta.totals():
        assert labels in set(COUNTERS[name].every()), (name, labels)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(LOG)))
def test_where_a_block_ends_does_not_matter(cut: int) -> None:
    parser = PostfixParser(zone=UTC)
    whole, parts = Delta(), Delta()
    fold(whole, parser.parse(b"".join(LOG), NOW).events, {}, judge)
    for part in (LOG[:cut], LOG[cut:]):
        fold(parts, parser.parse(b"".join(part), NOW).events, {}, judge)
    assert (parts.totals(), parts.minutes, parts.opened, parts.closed) == (
        whole.totals(), whole.minutes, whole.opened, whole.closed,
    )  # fmt: skip


def test_only_messages_that_enter_leave_or_fail_need_to_be_known() -> None:
    events = PostfixParser(zone=UTC).parse(b"".join(LOG), NOW).events
    expected = {("postfix", event.queue_id) for event in events if isinstance(event, Queued | Delivery)}
    assert touched(events) == expected


SENT = "smtp[2]: {}: to=<c@d.example>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (x)"
BOUNCED = "smtp[2]: {}: to=<c@d.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (x)"
EXPIRED = "qmgr[1]: {}: from=<a@b.example>, status=expired, returned to sender"
DELETED = "postsuper[3]: {}: removed"
REQUEUED = "postsuper[3]: {}: requeued"


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ([SENT, SENT], "sent"),
        ([DEFERRED, QUEUED, DEFERRED, QUEUED, SENT], "sent"),
        ([SENT, BOUNCED], "bounced"),
        ([BOUNCED, SENT], "bounced"),
        ([DEFERRED, EXPIRED], "expired"),
        ([BOUNCED, EXPIRED], "expired"),
        ([EXPIRED, BOUNCED], "expired"),
    ],
)
@pytest.mark.parametrize("cut", range(5))
def test_a_message_ends_once_whatever_becomes_of_its_recipients(messages: list[str], end: str, cut: int) -> None:
    story = [each.format("ABCDEF") for each in (QUEUED, *messages, REMOVED)]
    assert ends(story, cut) == {("messages_finished", (end,)): 1}


@pytest.mark.parametrize(("last", "end"), [(DELETED, "deleted"), (REQUEUED, "requeued")])
@pytest.mark.parametrize("cut", range(3))
def test_an_administrator_ends_a_message_whatever_was_known_of_it(last: str, end: str, cut: int) -> None:
    story = [each.format("ABCDEF") for each in (QUEUED, BOUNCED, last)]
    assert ends(story, cut) == {("messages_finished", (end,)): 1}


def test_a_message_whose_beginning_was_not_seen_does_not_end_either() -> None:
    assert not ends([each.format("ABCDEF") for each in (BOUNCED, EXPIRED, REMOVED, DELETED)], 2)


def remembered(known: dict[tuple[str, str], Fate], delta: Delta) -> dict[tuple[str, str], Fate]:
    """What is open behind a delta, as the store keeps it."""
    kept = {key: end for key, end in known.items() if key not in delta.closed}
    return {**kept, **dict.fromkeys(delta.opened, UNTOLD), **delta.fates}


def ends(messages: list[str], cut: int) -> dict[Series, int]:
    known: dict[tuple[str, str], Fate] = {}
    total: Counter[Series] = Counter()
    for part in (messages[:cut], messages[cut:]):
        block = "".join(f"Nov 22 06:13:04 mx postfix/{message}\n" for message in part).encode()
        delta = Delta()
        fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, known, judge)
        known = remembered(known, delta)
        total += delta.totals()
    return {series: value for series, value in total.items() if series[0] == "messages_finished"}


KINDS = (QUEUED, REMOVED, DEFERRED, SENT, BOUNCED, EXPIRED, DELETED, REQUEUED)
stories = st.lists(
    st.builds(str.format, st.sampled_from(KINDS), st.sampled_from(("ABCDE1", "ABCDE2", "ABCDE3"))), max_size=25
)


@settings(max_examples=600, deadline=None)
@given(stories, st.lists(st.integers(0, 25), max_size=3), st.sampled_from(("postfix", "postfix-out")))
def test_queued_is_finished_and_open_at_every_moment_and_for_any_cut(
    story: list[str], cuts: list[int], instance: str
) -> None:
    whole = folded(*story, instance=instance)
    known: dict[tuple[str, str], Fate] = {}
    total: Counter[Series] = Counter()
    edges = [0, *sorted(min(cut, len(story)) for cut in cuts), len(story)]
    for begin, end in pairwise(edges):
        block = "".join(f"Nov 22 06:13:04 mx {instance}/{message}\n" for message in story[begin:end]).encode()
        delta = Delta()
        fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, known, judge)
        known = remembered(known, delta)
        total += delta.totals()
        finished = sum(value for (name, _), value in total.items() if name == "messages_finished")
        assert total["messages_queued", ()] == finished + len(known)
    assert total == whole.totals()
    assert known == remembered({}, whole)


def test_delays_are_observed_once_for_each_delivered_recipient() -> None:
    delta = folded(*[QUEUED.format("ABCDEF"), DEFERRED.format("ABCDEF")] * 3, SENT.format("ABCDEF"))
    assert delta.delays == {
        "before-queue-manager": {"0": 1}, "queue-manager": {"0": 1}, "connection-setup": {"0": 1},
        "transmission": {"1": 1}, "total": {"1": 1},
    }  # fmt: skip


@pytest.mark.parametrize("delays", ["1/2/3", "1/2/3/4/5", "", "a/b/c/d"])
def test_delays_that_are_none_are_left_out(delays: str) -> None:
    line = f"smtp[2]: ABCDEF: to=<c@d.example>, relay=none, delay=2, delays={delays}, dsn=2.0.0, status=sent (x)"
    delta = folded(line)
    assert set(delta.delays) == {"total"}
    assert histogram(delta.delays["total"]).microseconds == 2_000_000


def test_an_expired_message_has_the_cause_of_its_last_deferral() -> None:
    """Also when the deferral was told in an earlier delta, and other recipients bounced since."""
    story = [each.format("ABCDEF") for each in (QUEUED, DEFERRED, BOUNCED, EXPIRED, REMOVED)]
    for cut in range(len(story) + 1):
        known: dict[tuple[str, str], Fate] = {}
        total: Counter[Series] = Counter()
        for part in (story[:cut], story[cut:]):
            block = "".join(f"Nov 22 06:13:04 mx postfix/{message}\n" for message in part).encode()
            delta = Delta()
            fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, known, judge)
            known = remembered(known, delta)
            total += delta.totals()
        assert total["messages_expired_by_cause", ("mailbox-full", "recipient")] == 1
        assert total["delivery_failures", ("deferred", "mailbox-full", "recipient")] == 1
        assert total["delivery_failures", ("bounced", "mailbox-full", "recipient")] == 1


def test_a_message_that_expires_without_a_known_deferral_has_expired() -> None:
    delta = folded(EXPIRED.format("ABCDEF"))
    assert delta.totals()["messages_expired_by_cause", ("expired", "local")] == 1


REJECTED = "smtpd[4]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <c@d.example>: Relay access denied; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<app>"
WARNED = "smtpd[4]: warning: never heard of {} for <jane.doe@shop.example>"
NO_PASSWORD = "smtpd[4]: warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: authentication failure"


def why(event: Event) -> Cause | None:
    """What a judge may answer: causes for all that can have one."""
    causes = {Delivery: Cause("unknown", "recipient"), Restriction: Cause("client-refused", "client"),
              Complaint: Cause("unknown", "local"), SaslFailed: Cause("client-abuse", "client")}  # fmt: skip
    return causes.get(type(event))


def judged(*messages: str) -> Delta:
    block = "".join(f"Nov 22 06:13:04 mx postfix/{message}\n" for message in messages).encode()
    delta = Delta()
    fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, {}, why)
    return delta


def test_rejects_and_warnings_are_counted_by_cause_besides_their_kind() -> None:
    totals = judged(REJECTED, REJECTED, NO_PASSWORD, WARNED.format("x")).totals()
    assert totals == {
        ("log_events", ("rejected",)): 2,
        ("log_events", ("sasl-failed",)): 1,
        ("log_events", ("warning",)): 1,
        ("rejects", ("client-refused",)): 2,
        ("rejects", ("client-abuse",)): 1,
        ("complaints", ("warning", "unknown", "local")): 1,
    }


@pytest.mark.parametrize("program", ["sendmail", "postmap", "postalias", "postqueue", "postsuper", "postfix-script"])
def test_what_a_tool_complains_of_to_who_typed_it_is_no_complaint_of_postfix(program: str) -> None:
    totals = judged(f"{program}[4]: fatal: usage: {program} [options]").totals()
    assert totals == {("log_events", ("fatal",)): 1}


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("sendmail[4]: fatal: x(1): queue file write error: No space left on device", "disk-full"),
        ("postdrop[4]: warning: mail_queue_enter: create file maildrop/1.2: Permission denied", "permission"),
        ("smtpd[4]: fatal: usage: smtpd", "config-error"),
    ],
)
def test_what_a_tool_finds_wrong_with_the_host_counts(line: str, cause: str) -> None:
    delta = Delta()
    events = PostfixParser(zone=UTC).parse(f"Nov 22 06:13:04 mx postfix/{line}\n".encode(), NOW).events
    fold(delta, events, {}, lambda _: Cause(cause, "local"))
    level = "warning" if "warning" in line else "fatal"
    assert delta.totals()["complaints", (level, cause, "local")] == 1


def test_what_no_rule_knows_is_kept_by_its_shape_and_without_local_parts() -> None:
    delta = judged(*(WARNED.format(f"queue{number} at mx{number}.example") for number in range(5)), REJECTED)
    assert {key: sample[0] for key, sample in delta.unknown.items()} == {
        ("local", "never heard of # at # for #"): 5,
    }
    assert next(iter(delta.unknown.values())).text == "never heard of queue4 at mx4.example for <@shop.example>"


def test_a_flood_of_what_no_rule_knows_is_bounded() -> None:
    names = ["".join(map(chr, (97 + number // 26, 97 + number % 26))) for number in range(600)]
    delta = judged(*(WARNED.format(f"{name} " + "x" * 1000) for name in names))
    assert len(delta.unknown) == 64
    assert max(len(sample.text) for sample in delta.unknown.values()) == 300
    assert delta.totals()["complaints", ("warning", "unknown", "local")] == 600


def test_a_cause_that_cannot_be_of_a_delivery_is_counted_as_unknown() -> None:
    """An operator's rule may say so; the agent goes on."""
    delta = Delta()
    block = f"Nov 22 06:13:04 mx postfix/{DEFERRED.format('ABCDEF')}\n".encode()
    fold(delta, PostfixParser(zone=UTC).parse(block, NOW).events, {}, lambda _: Cause("client-abuse", "client"))
    assert delta.totals()["delivery_failures", ("deferred", "unknown", "local")] == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="0.1/", max_size=9) | st.just("0.1/0/1/2"), max_size=6))
def test_delays_are_split_as_they_are_one_by_one(delays: list[str]) -> None:
    fitting = [each.split("/") for each in delays if each.count("/") == 3]
    expected = [list(part) for part in zip(*fitting, strict=True)] or [[]] * 4
    found = [list(part) for part in split(delays)] or [[]] * 4
    # an empty part is no number, and counts nowhere
    assert [list(filter(None, part)) for part in found] == [list(filter(None, part)) for part in expected]
