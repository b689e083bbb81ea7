"""The envelope: when, where and by whom a line was written, in every form in which it reaches a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mailwatch.event import Other
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.parsers.syslog import nearest_past

REFERENCE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


def one(line: str, reference: datetime = REFERENCE, zone: object = UTC) -> Other:
    parsed = PostfixParser(zone=zone).parse(line.encode() + b"\n", reference.timestamp())  # type: ignore[arg-type]
    (event,) = parsed.events
    assert isinstance(event, Other)
    return event


@pytest.mark.parametrize(
    ("line", "when", "host", "program", "service", "pid"),
    [
        pytest.param("Nov 22 06:13:04 mx postfix/smtpd[2726]: x", at(2026, 11, 22, 6, 13, 4), "mx", "smtpd", None, 2726, id="traditional"),
        pytest.param("Nov  2 06:13:04 mx postfix/smtpd[1]: x", at(2026, 11, 2, 6, 13, 4), "mx", "smtpd", None, 1, id="a day of one digit"),
        pytest.param("2026-11-22T06:22:33.637413+00:00 vm postfix/master[30363]: x", at(2026, 11, 22, 6, 22, 33, 637413), "vm", "master", None, 30363, id="RFC 3339 with microseconds"),
        pytest.param("2026-11-22T07:22:33+01:00 vm postfix/master[3]: x", at(2026, 11, 22, 6, 22, 33), "vm", "master", None, 3, id="RFC 3339 with an offset"),
        pytest.param("2026-11-22T07:22:33+0100 vm postfix/master[3]: x", at(2026, 11, 22, 6, 22, 33), "vm", "master", None, 3, id="an offset without a colon"),
        pytest.param("2026-11-22T06:22:33Z vm postfix/master[3]: x", at(2026, 11, 22, 6, 22, 33), "vm", "master", None, 3, id="Z"),
        pytest.param("<22>1 2026-11-22T06:22:33.5+00:00 vm postfix/smtp 303 - - x", at(2026, 11, 22, 6, 22, 33, 500000), "vm", "smtp", None, 303, id="RFC 5424"),
        pytest.param('<22>1 2026-11-22T06:22:33Z vm postfix/smtp 303 - [a@1 b="c]\\"d"][e@2] x', at(2026, 11, 22, 6, 22, 33), "vm", "smtp", None, 303, id="RFC 5424 with structured data"),
        pytest.param("<22>1 - - postfix/smtp - - - x", REFERENCE.timestamp(), None, "smtp", None, None, id="RFC 5424 that knows little"),
        pytest.param("<22>1 2026-11-22T06:22:33Z vm postfix 303 - -  x", at(2026, 11, 22, 6, 22, 33), "vm", "", None, 303, id="RFC 5424 as rsyslog's template cuts the tag"),
        pytest.param("<22>Nov 22 06:13:04 mx postfix/smtpd[2726]: x", at(2026, 11, 22, 6, 13, 4), "mx", "smtpd", None, 2726, id="RFC 3164 with its priority"),
        pytest.param("postfix/smtpd[2726]: x", REFERENCE.timestamp(), None, "smtpd", None, 2726, id="no stamp"),
        pytest.param("Nov 22 06:13:04 mx postfix/submission/smtpd[7]: x", at(2026, 11, 22, 6, 13, 4), "mx", "smtpd", "submission", 7, id="a service"),
        pytest.param("Nov 22 06:13:04 mx postfix-mx/content-filter/smtp[7]: x", at(2026, 11, 22, 6, 13, 4), "mx", "smtp", "content-filter", 7, id="another instance"),
        pytest.param("Nov 22 06:13:04 mx postfix/postfix-script: x", at(2026, 11, 22, 6, 13, 4), "mx", "postfix-script", None, None, id="no process ID"),
        pytest.param("Jun 30 23:59:60 mx postfix/qmgr[7]: x", at(2026, 7, 1), "mx", "qmgr", None, 7, id="a leap second"),
    ],
)  # fmt: skip
def test_the_envelope_tells_when_where_and_by_whom(
    line: str, when: float, host: str | None, program: str, service: str | None, pid: int | None
) -> None:
    event = one(line)
    assert (event.at, event.text) == (when, "x")
    assert (event.origin.host, event.origin.program, event.origin.service, event.origin.pid) == (
        host,
        program,
        service,
        pid,
    )


@pytest.mark.parametrize(
    ("stamp", "reference", "year"),
    [
        pytest.param((11, 22, 6, 0), (2026, 11, 22, 12), 2026, id="this morning"),
        pytest.param((12, 31, 23, 59), (2027, 1, 1, 0), 2026, id="last night, read in the new year"),
        pytest.param((1, 1, 0, 0), (2026, 12, 31, 23), 2027, id="a clock ahead over New Year"),
        pytest.param((11, 23, 6, 0), (2026, 11, 22, 12), 2026, id="a clock hours ahead"),
        pytest.param((11, 24, 6, 0), (2026, 11, 22, 12), 2025, id="more than a day ahead is last year"),
        pytest.param((2, 29, 6, 0), (2026, 11, 22, 12), 2024, id="the last 29 February"),
        pytest.param((2, 29, 6, 0), (2104, 2, 28, 12), 2104, id="a 29 February tomorrow"),
        pytest.param((2, 29, 6, 0), (2103, 2, 28, 12), 2096, id="eight years back over 2100"),
    ],
)
def test_a_stamp_without_a_year_is_the_latest_such_time_not_a_day_ahead(
    stamp: tuple[int, int, int, int], reference: tuple[int, int, int, int], year: int
) -> None:
    found = nearest_past(stamp, at(*reference), UTC)
    assert found is not None
    assert datetime.fromtimestamp(found, UTC).year == year


def test_a_stamp_remembered_for_one_block_is_not_believed_in_the_next_year() -> None:
    parser = PostfixParser(zone=UTC)
    line = b"Nov 22 06:13:04 mx postfix/smtpd[2726]: x\n"
    years = [
        datetime.fromtimestamp(parser.parse(line, REFERENCE.replace(year=year).timestamp()).events[0].at, UTC).year
        for year in (2026, 2027)
    ]
    assert years == [2026, 2027]


@pytest.mark.parametrize(
    "line",
    ["Nov 22 06:13:04 mx postfix/smtpd[2726]: x", "2026-11-22T06:22:33.637413+00:00 mx postfix/smtpd[2726]: x"],
    ids=["traditional", "RFC 3339"],
)
def test_what_was_read_before_changes_nothing(line: str) -> None:
    """A parser that has read the line, and one that has not, read every part and every variation of it alike."""
    used = PostfixParser(zone=UTC)
    used.parse(line.encode() + b"\n", REFERENCE.timestamp())
    variations = [line[:length] for length in range(1, len(line) + 1)]
    variations += [line[:at] + other + line[at + 1 :] for at in range(len(line)) for other in "x9 .]:٣"]
    for each in variations:
        block = each.encode() + b"\n"
        used.parse(line.encode() + b"\n", REFERENCE.timestamp())
        assert used.parse(block, REFERENCE.timestamp()) == PostfixParser(zone=UTC).parse(
            block, REFERENCE.timestamp()
        ), each


def test_a_traditional_stamp_is_local_time_on_both_sides_of_the_clock_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    winter, summer = (one(f"{day} 06:00:00 mx postfix/smtpd[1]: x", zone=berlin).at for day in ("Jan 15", "Jul 15"))
    assert (winter, summer) == (at(2026, 1, 15, 5), at(2026, 7, 15, 4))
    fixed = timezone(timedelta(hours=-5))
    assert one("Nov 22 06:00:00 mx postfix/smtpd[1]: x", zone=fixed).at == at(2026, 11, 22, 11)


def test_a_folded_repeat_is_as_many_events_as_it_says() -> None:
    line = b"Nov 22 06:13:04 mx postfix/smtpd[1]: message repeated 3 times: [ something new [x]]\n"
    parsed = PostfixParser().parse(line, REFERENCE.timestamp())
    assert [event.text for event in parsed.events if isinstance(event, Other)] == ["something new [x]"] * 3
    assert parsed.lines == 1


@pytest.mark.parametrize("times", ["0", "1001", "100000", "99999999999999999999", "-1", "x"])
def test_a_repeat_of_an_unreasonable_number_is_one_line(times: str) -> None:
    line = f"Nov 22 06:13:04 mx postfix/smtpd[1]: message repeated {times} times: [ x]\n".encode()
    assert len(PostfixParser().parse(line, REFERENCE.timestamp()).events) == 1


@pytest.mark.parametrize(
    "line",
    [
        "Nov 22 06:20:30 master: Info: Dovecot v2.3.19.1 starting up",
        "Nov 22 06:20:31 mx dovecot: imap-login: Login: user=<bob>",
        "2026-11-22T06:22:31.819559+00:00 vm rsyslogd: [origin software=rsyslogd] start",
        "Nov 22 06:20:31 mx opendkim[12]: 3C8F4228CD3: to=<a@b.example>, relay=none, dsn=2.0.0, status=sent (250 Ok)",
        "Nov 22 06:20:31 mx notpostfix/smtp[12]: 3C8F4228CD3: to=<a@b.example>, relay=none, dsn=2.0.0, status=sent (x)",
        "Nov 22 06:20:31 mx kernel: postfix/smtp[12]: 3C8F4228CD3: to=<a@b.example>, dsn=2.0.0, status=sent (x)",
    ],
)
def test_another_programs_line_is_skipped_and_counted(line: str) -> None:
    parsed = PostfixParser().parse(line.encode() + b"\n", REFERENCE.timestamp())
    assert (list(parsed.events), parsed.lines, parsed.foreign, parsed.unparsed) == ([], 1, 1, 0)


@pytest.mark.parametrize(
    "line",
    ["\x01\x02", "garbage", "Nov 22 06:13", "Foo 22 06:13:04 mx postfix/smtpd[1]: x", "Feb 30 06:13:04 mx postfix/smtpd[1]: x",
     "2026-13-22T06:22:33Z vm postfix/smtpd[1]: x", "<22>9 x", "<9999>x", "Nov 22 25:13:04 mx postfix/smtpd[1]: x", "Nov 22 06:13:61 mx postfix/smtpd[1]: x"],
)  # fmt: skip
def test_a_line_without_an_envelope_is_counted_as_unparsed(line: str) -> None:
    parsed = PostfixParser().parse(line.encode() + b"\n", REFERENCE.timestamp())
    assert (list(parsed.events), parsed.lines, parsed.foreign, parsed.unparsed) == ([], 1, 0, 1)


def test_a_configured_syslog_name_is_postfix() -> None:
    line = b"Nov 22 06:13:04 mx relay-out/smtpd[1]: x\n"
    assert PostfixParser().parse(line, REFERENCE.timestamp()).foreign == 1
    (event,) = PostfixParser(names=["relay-out"]).parse(line, REFERENCE.timestamp()).events
    assert event.origin.instance == "relay-out"


def test_a_line_cut_off_by_a_power_failure_does_not_swallow_the_next_one() -> None:
    whole = b"Nov 22 06:13:04 mx postfix/qmgr[1]: ABCDEF: removed\n"
    parsed = PostfixParser().parse(
        b"Nov 22 06:13:04 mx postfix/smtp[1]: ABC" + b"\0" * 4000 + whole, REFERENCE.timestamp()
    )
    assert [type(event).__name__ for event in parsed.events] == ["Other", "Removed"]


def test_folded_lines_cannot_become_millions_of_events() -> None:
    line = b"Nov 22 06:13:04 mx postfix/x[1]: message repeated 9999 times: [ x]\n"
    assert len(PostfixParser().parse(line * 500, REFERENCE.timestamp()).events) == 500


def test_a_nul_inside_a_line_of_another_program_begins_no_line() -> None:
    forged = (
        b"postfix/smtp[5]: 3C8F4228CD3: to=<x@remote.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (no)"
    )
    parsed = PostfixParser().parse(b"Nov 22 06:13:04 mx app[1]: saw\0" + forged + b"\n", REFERENCE.timestamp())
    assert (parsed.lines, parsed.foreign, parsed.unparsed, parsed.events) == (2, 1, 1, [])


def test_a_hole_of_nul_bytes_in_front_of_a_line_does_not_hide_it() -> None:
    block = b"\0" * 500 + b"Nov 22 06:13:04 mx postfix/smtpd[1]: x\n\0\0\n\n"
    parsed = PostfixParser().parse(block, REFERENCE.timestamp())
    assert (len(parsed.events), parsed.lines) == (1, 1)
