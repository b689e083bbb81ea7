"""What postqueue prints is summed up whatever the pieces, and what it never prints does no harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.queue_sample.listing import LONGEST, Listing
from mailwatch.queue_sample.postqueue import Ended, verdict

ARRIVED = 1_795_628_138


def line(name: str, queue: str = "deferred", *recipients: dict[str, str], **more: Any) -> bytes:
    message = {
        "queue_name": queue,
        "queue_id": name,
        "arrival_time": ARRIVED,
        "message_size": 1000,
        "forced_expire": False,
        "sender": "app@test.example",
        **more,
        "recipients": list(recipients) or [{"address": "user@remote.example"}],
    }
    return json.dumps(message).encode() + b"\n"


def listing_of(text: bytes, size: int = 1 << 16) -> Listing:
    listing = Listing(lambda reason: reason.partition(":")[0])
    for at in range(0, len(text), size):
        listing.feed(text[at : at + size])
    listing.end()
    return listing


MANY = [{"address": f'"a\\{number}, ]}}"@remote.example', "delay_reason": "refused: {[\\"} for number in range(5000)]
TEXT = (
    line("A1")
    + line("A2", "hold", message_size=500, arrival_time=ARRIVED - 50)
    + line("A3", "deferred", *MANY, sender='x"recipients": [')
    + line(
        "A4", "deferred", {"address": "a@remote.example", "delay_reason": "timeout: of it"}, arrival_time=ARRIVED + 9
    )
    + line("A1", "active")
)


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 16, 1 << 20])
def test_the_sums_are_the_same_whatever_the_pieces(size: int) -> None:
    listing = listing_of(TEXT, size)
    assert len(TEXT) > 3 * LONGEST
    states = listing.states(complete=True)
    deferred, hold = states["deferred"], states["hold"]
    assert (deferred.messages, deferred.recipients, deferred.bytes) == (3, 5002, 3000)
    assert (deferred.oldest_arrival, deferred.newest_arrival) == (ARRIVED, ARRIVED + 9)
    assert deferred.by_cause == {"refused": 5000, "timeout": 1}
    assert (hold.messages, hold.recipients, hold.bytes, hold.oldest_arrival) == (1, 1, 500, ARRIVED - 50)
    # seen in deferred first: that it moved meanwhile makes it no second message
    assert (states["active"].messages, states["active"].oldest_arrival) == (0, None)
    assert listing.unread == 0


def test_a_list_that_was_not_heard_to_its_end_has_only_the_queues_that_were_seen() -> None:
    assert set(listing_of(TEXT).states(complete=False)) == {"deferred", "hold"}


def test_memory_does_not_grow_with_the_recipients_of_a_message() -> None:
    listing = Listing(str)
    listing.feed(TEXT.partition(b'"recipients": [')[0] + b'"recipients": [')
    for _ in range(200):
        listing.feed(b'{"address": "user@remote.example"}, ' * 1000)
        assert len(listing._rest) <= 2 * LONGEST


UNREADABLE = {
    "no JSON": b"postqueue: hello\n",
    "a list": b"[1, 2]\n",
    "no recipients": b'{"queue_name": "deferred", "queue_id": "A1"}\n',
    "nested deeper than anybody reads": b'{"recipients": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
    "a number of ten thousand digits": b'{"message_size": ' + b"9" * 10000 + b', "recipients": []}\n',
    "endless": b"x" * (5 * LONGEST) + b"\n",
    "a long line without recipients": b'{"queue_name": "' + b"x" * (5 * LONGEST) + b'"}\n',
    "a long line with an endless recipient": b'{"recipients": [{"address": "' + b"x" * (5 * LONGEST) + b'"}]}\n',
    "a long line that ends in rubbish": b'{"recipients": [' + b'{"address": "a"}, ' * 9000 + b"###" * LONGEST + b"\n",
}


@pytest.mark.parametrize("size", [100, 1 << 20])
@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_nobody_can_read_is_counted_and_the_next_one_read(text: bytes, size: int) -> None:
    listing = listing_of(text + line("A9", "hold"), size)
    assert listing.unread == 1
    assert listing.states(complete=True)["hold"].messages == 1


def test_a_line_that_was_cut_off_is_told() -> None:
    assert listing_of(line("A1") + line("A2")[:-20]).unread == 1
    assert listing_of(TEXT[: len(TEXT) // 2]).unread == 1


ODD = {
    "a queue nobody knows": line("A1", "flush"),
    "no queue ID": line("A1", queue_id=7),
    "a queue that is no text": line("A1", queue_name=["deferred"]),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_what_is_of_no_queue_counts_in_none(text: bytes) -> None:
    assert sum(state.messages for state in listing_of(text).states(complete=True).values()) == 0


def test_numbers_that_are_none_are_left_out() -> None:
    state = listing_of(line("A1", message_size=-5, arrival_time="now")).states(complete=True)["deferred"]
    assert (state.messages, state.bytes, state.oldest_arrival) == (1, 0, None)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_bytes_make_it_raise(text: bytes, size: int) -> None:
    listing_of(text, size)
    listing_of(b'{"recipients": [' + text, size)


# as Postfix 3.7 says them
DOWN_FOR_ROOT = (
    "postqueue: warning: Mail system is down -- accessing queue directly "
    "(Connect to the Postfix showq service: Connection refused)\n"
)
DOWN = (
    "postqueue: fatal: Queue report unavailable - mail system is down "
    "(Connect to the Postfix showq service: Connection refused)\n"
)
DENIED = "postqueue: fatal: Connect to the Postfix showq service: Permission denied\n"
NOT_ALLOWED = "postqueue: fatal: User nobody(65534) is not allowed to view the mail queue\n"
NOT_NAMED = (
    "postqueue: error: unauthorized configuration directory name: /srv/etc\n"
    'postqueue: fatal: specify "alternate_config_directories = /srv/etc" in /etc/postfix/main.cf\n'
)
WARNING = "postqueue: warning: /etc/postfix/main.cf, line 9: overriding earlier entry: relayhost=\n"
ENDS: dict[str, tuple[Ended, bool, bool | None, str | None]] = {
    "all is well": (Ended(0, ""), True, True, None),
    "a warning about the configuration": (Ended(0, WARNING), True, True, None),
    "down, as root": (Ended(0, WARNING + DOWN_FOR_ROOT), True, False, "Postfix is down"),
    "down, as another": (Ended(69, WARNING + DOWN), False, False, "Postfix is down"),
    "no permission is not down": (Ended(69, DENIED), False, None, "member of the group postdrop"),
    "no permission, as later versions say": (Ended(70, DENIED), False, None, "member of the group postdrop"),
    "not one who may ask": (Ended(69, NOT_ALLOWED), False, None, "authorized_mailq_users"),
    "an instance that nobody named": (Ended(69, NOT_NAMED), False, None, "alternate_config_directories"),
    "the words of down in a name": (Ended(69, "postqueue: fatal: open /mail system is down: x\n"), False, None, "ended with 69"),
    "killed": (Ended(None, "postqueue had not ended after 30 s"), False, None, "had not ended"),
    "dead by a signal": (Ended(-11, ""), False, None, "ended with -11: it does not say why"),
    "steering a terminal": (Ended(1, "postqueue: \x1b[2J\n"), False, None, "ended with 1: ?[2J"),
}  # fmt: skip


@pytest.mark.parametrize(("ended", "listed", "up", "trouble"), ENDS.values(), ids=ENDS)
def test_exit_code_and_words_together_tell(ended: Ended, listed: bool, up: bool | None, trouble: str | None) -> None:
    told = verdict(ended)
    assert (told.listed, told.up) == (listed, up)
    assert (told.trouble is None) == (trouble is None)
    assert trouble is None or trouble in str(told.trouble)
