"""Postfix's grammar: what each line says, and what no text in it can make it say."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mailwatch.event import (
    Complaint,
    Connect,
    Deleted,
    Delivery,
    Expired,
    Held,
    Other,
    Queued,
    Received,
    Refusal,
    Relay,
    Removed,
    Requeued,
    Restriction,
)
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.parsers.postfix.delivery import DELIVERY, in_any_order
from mailwatch.record import name_of

if TYPE_CHECKING:
    from mailwatch.event import Event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
REST = "delay=1.2, delays=0.1/0.2/0.3/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F8B2C)"


def said(program: str, message: str) -> Event:
    line = f"Nov 22 06:13:04 mx postfix/{program}[2726]: {message}\n"
    (event,) = PostfixParser().parse(line.encode("utf-8", "surrogateescape"), NOW).events
    return event


def delivery(program: str, message: str) -> Delivery:
    event = said(program, message)
    assert isinstance(event, Delivery), event
    return event


def test_a_delivery_line_is_read_whole() -> None:
    event = delivery(
        "smtp",
        "3C8F4228CD3: to=<user@remote.example>, orig_to=<root>, relay=mx.remote.example[192.0.2.7]:25, conn_use=2, "
        + REST,
    )
    assert event[2:] == (
        "3C8F4228CD3", "user@remote.example", "root", "mx.remote.example[192.0.2.7]:25", "1.2", "0.1/0.2/0.3/0.6", None,
        "2.0.0", "sent", "250 2.0.0 Ok: queued as 9F8B2C",
    )  # fmt: skip
    assert event.relay == Relay("mx.remote.example", "192.0.2.7", 25)
    assert event.delay == 1.2
    assert event.delays == (0.1, 0.2, 0.3, 0.6)


@pytest.mark.parametrize(
    "program", ["smtp", "lmtp", "error", "retry", "local", "virtual", "pipe", "discard", "relay/smtp"]
)
def test_every_delivery_agent_is_heard(program: str) -> None:
    event = delivery(
        program, "3C8F4228CD3: to=<a@b.example>, relay=none, delay=9, delays=9/0/0/0, dsn=4.4.1, status=deferred (x)"
    )
    assert (event.origin.program, event.status, event.relay) == (program.rpartition("/")[2], "deferred", None)


@pytest.mark.parametrize(
    ("text", "relay"),
    [
        ("none", None),
        ("mx.example[192.0.2.7]:25", Relay("mx.example", "192.0.2.7", 25)),
        ("mx.example[192.0.2.7]", Relay("mx.example", "192.0.2.7", None)),
        ("mx.example[2001:db8::7]:25", Relay("mx.example", "2001:db8::7", 25)),
        ("mx.test.example[private/dovecot-lmtp]", Relay("mx.test.example", "private/dovecot-lmtp", None)),
        ("local", Relay("local")),
        ("virtual", Relay("virtual")),
    ],
)
def test_the_relay_is_taken_apart(text: str, relay: Relay | None) -> None:
    assert delivery("smtp", f"3C8F4228CD3: to=<a@b.example>, relay={text}, {REST}").relay == relay


@pytest.mark.parametrize(
    ("message", "status", "dsn", "text"),
    [
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=5, status=bounced (user unknown)", "bounced", None, "user unknown", id="before Postfix 2.3: no delays, no dsn"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=x[192.0.2.1]:25, delay=5, delays=1/1/1/2, tls=TLSv1.3, dsn=2.0.0, status=sent (ok)", "sent", "2.0.0", "ok", id="3.11: tls="),
        pytest.param("ABCDEF: to=<a@b.example>, status=deferred (a (b) c), d)", "deferred", None, "a (b) c), d", id="brackets in the text"),
        pytest.param("ABCDEF: to=<a@b.example>, dsn=5.0.0, delays=1/1/1/1, relay=none, delay=4, status=SOFTBOUNCE (no)", "softbounce", "5.0.0", "no", id="another order, soft_bounce"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=x, delays=1/2, dsn=9.9, new=<q>, status=sent (ok)", "sent", None, "ok", id="values that are none"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=5, status=deferred (cut at 2048 byt", "deferred", None, "cut at 2048 byt", id="a line cut short"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=5, status=sent", "sent", None, "", id="no text"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=5, delays=0/0/0/5, dsn=2.1.5, status=deliverable (ok)", "deliverable", "2.1.5", "ok", id="verify"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=5, status=zapped (ok)", "zapped", None, "ok", id="an unknown word is data"),
    ],
)  # fmt: skip
def test_old_new_and_reordered_delivery_lines(message: str, status: str, dsn: str | None, text: str) -> None:
    event = delivery("smtp", message)
    assert (event.status, event.dsn, event.text) == (status, dsn, text)


@pytest.mark.parametrize(
    ("message", "recipient", "status"),
    [
        pytest.param('ABCDEF: to=<"u, status=bounced (x"@remote.example>, relay=none, ' + REST, '"u, status=bounced (x"@remote.example', "sent", id="a status in a quoted local part"),
        pytest.param('ABCDEF: to=<"a> , relay=x, status=deferred (b\\" c"@r.example>, relay=none, ' + REST, '"a> , relay=x, status=deferred (b\\" c"@r.example', "sent", id="a quoted end of the address"),
        pytest.param("ABCDEF: to=<a@b.example>, relay=none, delay=1, dsn=5.0.0, status=bounced (x), status=sent (y)", "a@b.example", "bounced", id="a status in the reply"),
        pytest.param('ABCDEF: to=<a@b.example>, orig_to=<"x>, status=sent (y"@z>, relay=none, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (x)', "a@b.example", "bounced", id="a status in the original recipient"),
        pytest.param("ABCDEF: to=<a b@c.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (x)", "a b@c.example", "bounced", id="an unquoted blank, before Postfix 3.5"),
        pytest.param("ABCDEF: to=<\udcff\udcfe@b.example>, relay=none, " + REST, "\ufffd\ufffd@b.example", "sent", id="no UTF-8"),
        pytest.param("ABCDEF: to=<>, relay=none, " + REST, "", "sent", id="the null address"),
    ],
)  # fmt: skip
def test_an_address_or_a_reply_cannot_pretend_to_be_a_status(message: str, recipient: str, status: str) -> None:
    event = delivery("smtp", message)
    assert (event.recipient, event.status) == (recipient, status)


@pytest.mark.parametrize(
    ("program", "message", "kind"),
    [
        ("cleanup", "ABCDEF: message-id=<evil, status=sent (250)>", "message-id"),
        ("cleanup", "ABCDEF: reject: header To: x, to=<a@b.example>, status=sent (x) from local; from=<a@b.example>: no", "rejected"),
        ("smtpd", "ABCDEF: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=sent (from a stranger)", "other"),
        ("smtpd", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 <a@b>: no; to=<a@b>, status=sent (x)", "rejected"),
        ("smtp", "warning: ABCDEF: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=sent (x)", "warning"),
        ("smtp", "host mx[192.0.2.1] said: ABCDEF: to=<a@b.example>, status=sent (x)", "other"),
        ("smtp", "ABCDEF: host mx[192.0.2.1] refused to talk to me: 554 to=<a@b.example>, status=sent (x)", "rejected"),
        ("qmgr", "ABCDEF: from=<a>, size=1, nrcpt=1 (queue active), status=expired, returned to sender", "other"),
        ("smtpd", "disconnect from client=[1.2.3.4]: ABCDEF: client=x[192.0.2.1]", "other"),
    ],
)  # fmt: skip
def test_a_line_that_only_looks_like_a_delivery_is_what_it_is(program: str, message: str, kind: str) -> None:
    assert name_of(said(program, message)) == kind


def test_cleanup_bounces_what_it_cannot_rewrite() -> None:
    event = delivery(
        "cleanup", "ABCDEF: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=5.4.6, status=bounced (loop)"
    )
    assert (event.origin.program, event.status) == ("cleanup", "bounced")


@pytest.mark.parametrize(
    ("program", "message", "expected"),
    [
        ("qmgr", "4cZxY82PSMzN4k: from=<app@test.example>, size=2299, nrcpt=3 (queue active)", (Queued, "4cZxY82PSMzN4k", "app@test.example", 2299, 3)),
        ("qmgr", 'ABCDEF: from=<"a> to=<b@c>, status=sent (250 ok) x"@test.example>, size=376, nrcpt=1 (queue active)', (Queued, "ABCDEF", '"a> to=<b@c>, status=sent (250 ok) x"@test.example', 376, 1)),
        ("qmgr", "ABCDEF: from=<>, size=1, nrcpt=1 (queue active)", (Queued, "ABCDEF", "", 1, 1)),
        ("oqmgr", "ABCDEF: removed", (Removed, "ABCDEF")),
        ("qmgr", "ABCDEF: from=<a@b.example>, status=expired, returned to sender", (Expired, "ABCDEF", "a@b.example", False, None)),
        ("qmgr", "ABCDEF: from=<a@b.example>, status=force-expired, returned to sender", (Expired, "ABCDEF", "a@b.example", True, None)),
        ("smtpd", "ABCDEF: client=mx.example[192.0.2.1]", (Received, "ABCDEF", "mx.example", "192.0.2.1", None, None, None, None, None, None, None, None)),
        ("smtpd", "ABCDEF: client=unknown[2001:db8::1]:4711, sasl_method=PLAIN, sasl_username=app", (Received, "ABCDEF", "unknown", "2001:db8::1", 4711, "PLAIN", "app", None, None, None, None, None)),
        ("smtpd", "ABCDEF: client=mx[192.0.2.1], sasl_method=LOGIN, sasl_username=John Smith", (Received, "ABCDEF", "mx", "192.0.2.1", None, "LOGIN", "John Smith", None, None, None, None, None)),
        ("smtpd", "ABCDEF: client=mx[192.0.2.1], sasl_method=LOGIN, sasl_username=a, b, sasl_sender=c", (Received, "ABCDEF", "mx", "192.0.2.1", None, "LOGIN", "a, b", "c", None, None, None, None)),
        ("postsuper", "Deleted: 999999999999999 messages", (Other, "Deleted: 999999999999999 messages", None)),
        ("smtpd", "ABCDEF: client=localhost[127.0.0.1], orig_queue_id=FEDCBA, orig_client=mx[192.0.2.1]", (Received, "ABCDEF", "localhost", "127.0.0.1", None, None, None, None, "FEDCBA", "mx[192.0.2.1]", None, None)),
        ("pickup", "ABCDEF: uid=33 from=<www-data@test.example>", (Received, "ABCDEF", None, None, None, None, None, None, None, None, "www-data@test.example", 33)),
        ("postsuper", "ABCDEF: placed on hold", (Held, "ABCDEF", None)),
        ("postsuper", "Placed on hold: 1 message", (Held, None, 1)),
        ("postsuper", "ABCDEF: removed", (Deleted, "ABCDEF", None)),
        ("postsuper", "Deleted: 3 messages", (Deleted, None, 3)),
        ("postsuper", "Requeued: 3 messages", (Requeued, None, 3)),
        # in base 52 the seconds and microseconds may hold a z of their own
        ("qmgr", "4zbzYPzYhzz4Nx: removed", (Removed, "4zbzYPzYhzz4Nx")),
    ],
)  # fmt: skip
def test_what_became_of_a_message(program: str, message: str, expected: tuple[object, ...]) -> None:
    event = said(program, message)
    assert (type(event), *event[2:]) == expected


def test_a_line_whose_program_is_not_named_is_told_by_its_shape() -> None:
    head = "<22>1 2026-11-22T06:22:33Z vm postfix 30377 - -  "
    lines = {
        "ABCDEF: to=<a@b.example>, relay=none, " + REST: Delivery,
        "ABCDEF: from=<a@b.example>, size=1, nrcpt=1 (queue active)": Queued,
        "ABCDEF: removed": Removed,
        "ABCDEF: client=x[192.0.2.1]": Received,
        "ABCDEF: uid=0 from=<root>": Received,
        "connect from x[192.0.2.1]": Connect,
        "ABCDEF: host mx[192.0.2.1] said: 450 no (in reply to RCPT TO command)": Refusal,
        "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 no; from=<> to=<a@b.example> proto=SMTP helo=<x>": Restriction,
        "warning: dict_nis_init: NIS domain name not set": Complaint,
        "something new": Other,
    }
    block = "".join(f"{head}{line}\n" for line in lines).encode()
    assert [type(event) for event in PostfixParser().parse(block, NOW).events] == list(lines.values())


def test_the_short_way_and_the_long_way_read_a_delivery_alike() -> None:
    message = '3C8F4228CD3: to=<"a b"@c.example>, orig_to=<x>, relay=mx[192.0.2.7]:25, conn_use=2, ' + REST
    assert re.fullmatch(DELIVERY.pattern, message)
    event = said("smtp", message)
    assert in_any_order(event.at, event.origin, message) == event


def test_events_stand_in_the_order_of_their_lines() -> None:
    """They are read program by program: each must come back to its place, a line said three times thrice."""
    messages = [
        "smtpd[1]: connect from x[192.0.2.1]",
        "qmgr[2]: ABCDEF: removed",
        "smtp[3]: message repeated 3 times: [ ABCDEF: lost connection with x[192.0.2.1] while sending RCPT TO]",
        "smtpd[1]: disconnect from x[192.0.2.1]",
        "qmgr[2]: ABCDEE: removed",
        "newprogram[4]: hello",
    ]
    block = "".join(f"Nov 22 06:13:04 mx postfix/{message}\n" for message in messages).encode()
    expected = ["connect", "removed", *["lost-connection"] * 3, "disconnect", "removed", "other"]
    assert [name_of(event) for event in PostfixParser().parse(block, NOW).events] == expected


def test_kinds_that_nobody_asked_for_are_counted_and_not_made() -> None:
    parser = PostfixParser(passed=(Connect, Received))
    messages = [
        "smtpd[1]: connect from x[192.0.2.1]",
        "smtpd[1]: ABCDEF: client=x[192.0.2.1]",
        "qmgr[2]: ABCDEF: removed",
    ]
    parsed = parser.parse("".join(f"Nov 22 06:13:04 mx postfix/{each}\n" for each in messages).encode(), NOW)
    assert [type(event) for event in parsed.events] == [Removed]
    assert parsed.passed == {(Connect, "smtpd"): 1, (Received, "smtpd"): 1}
