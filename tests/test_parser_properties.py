"""What holds for every input: nothing raises, no byte is double-dealt, and no text forges an event."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailwatch.event import STATUSES, Delivery, Other
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.parsers.postfix.delivery import PATTERN, START, fields_of
from mailwatch.tally import Delta, fold, touched

LOGS = sorted((Path(__file__).parent / "logs").glob("*.log*"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()


def content(log: Path) -> bytes:
    return gzip.decompress(log.read_bytes()) if log.suffix == ".gz" else log.read_bytes()


LINES = [line for log in LOGS if "perf" not in log.name for line in content(log).split(b"\n") if line]
line_like = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(LINES),
    st.builds(lambda line, at, junk: line[: at % (len(line) + 1)] + junk, st.sampled_from(LINES), st.integers(0, 500), st.binary(max_size=40)),
    st.builds(lambda line, at, bit: bytes(b ^ (1 << bit) if i == at % len(line) else b for i, b in enumerate(line)),
              st.sampled_from(LINES), st.integers(0, 500), st.integers(0, 7)),
)  # fmt: skip
address = st.text(alphabet='ab@.<>", =()\\:[]é', max_size=30)


@settings(max_examples=1500, deadline=None)
@given(st.binary(max_size=2000))
@example(b"Nov 22 06:13:04 mx postfix/smtp[" + b"9" * 5000 + b"]: x")
@example(b"0" * 6000 + b"-01-01T00:00:00Z mx postfix/smtp[1]: x")
def test_no_bytes_raise(block: bytes) -> None:
    parsed = PostfixParser().parse(block, NOW)
    assert parsed.foreign + parsed.unparsed <= parsed.lines


@settings(max_examples=1000, deadline=None)
@given(st.lists(line_like, max_size=8))
def test_no_mangled_line_raises_and_every_line_is_accounted_for(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"?") for line in lines]
    parsed = PostfixParser(zone=UTC).parse(b"".join(line + b"\n" for line in lines), NOW)
    # a hole ends a line, whatever it is in
    assert parsed.lines == sum(1 for line in lines for part in line.split(b"\0") if part)
    delta = Delta()
    fold(delta, parsed.events, {}, lambda _: None)
    totals = delta.totals()
    queued = sum(1 for event in parsed.events if type(event).__name__ == "Queued")
    delivered = sum(1 for event in parsed.events if isinstance(event, Delivery))
    assert sum(value for (name, _), value in totals.items() if name == "delivery_attempts") == delivered
    assert totals["messages_queued", ()] <= queued


@settings(max_examples=300, deadline=None)
@given(st.lists(line_like, min_size=1, max_size=12), st.data())
def test_any_split_into_blocks_gives_the_same_events(lines: list[bytes], data: st.DataObject) -> None:
    lines = [line.replace(b"\n", b"?") + b"\n" for line in lines]
    whole = PostfixParser(zone=UTC).parse(b"".join(lines), NOW)
    cut = data.draw(st.integers(0, len(lines)))
    parser = PostfixParser(zone=UTC)
    parts = [parser.parse(b"".join(part), NOW) for part in (lines[:cut], lines[cut:])]
    assert [event for part in parts for event in part.events] == list(whole.events)
    assert tuple(map(sum, zip(*[part[1:4] for part in parts], strict=True))) == whole[1:4]


@settings(max_examples=500, deadline=None)
@given(address, address, st.sampled_from(["sent", "bounced", "deferred"]), st.text(max_size=60))
def test_a_quoted_address_never_changes_the_status(local: str, original: str, status: str, text: str) -> None:
    quoted, other = (part.replace("\\", "\\\\").replace('"', '\\"') for part in (local, original))
    text = text.replace("\n", "?")
    message = (
        f'ABCDEF: to=<"{quoted}"@r.example>, orig_to=<"{other}"@x.example>, relay=none, delay=1, '
        f"delays=0/0/0/1, dsn=2.0.0, status={status} ({text})"
    )
    (event,) = PostfixParser().parse(f"postfix/smtp[1]: {message}\n".encode("utf-8", "replace"), NOW).events
    assert isinstance(event, Delivery)
    assert (event.recipient, event.status) == (f'"{quoted}"@r.example', status)


@settings(max_examples=500, deadline=None)
@given(line_like)
@example(b"]: 00AAA: to=<>, relay= , delay=., delays=., dsn=2.0.0, status=a ()")
def test_the_short_way_never_reads_what_the_long_way_reads_otherwise(line: bytes) -> None:
    message = line.decode("utf-8", "replace").partition("]: ")[2]
    short = re.fullmatch(PATTERN, message)
    if short is None:
        return
    started = START.match(message)
    assert started is not None
    fields = fields_of(message, started.end())
    assert fields is not None
    assert (fields["to"], fields.get("orig_to"), fields["delay"], fields["delays"], fields["dsn"], fields["status"]) == (
        short[2], short[3], short[5], short[6], short[8], short[9],
    )  # fmt: skip


@pytest.mark.parametrize("status", [word for word in STATUSES if word != "other"])
def test_no_status_cut_short_is_another_status(status: str) -> None:
    for length in range(1, len(status)):
        assert status[:length] not in STATUSES


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_every_line_of_a_real_log_is_an_event_or_another_programs(log: Path) -> None:
    block = content(log)
    parsed = PostfixParser(zone=UTC).parse(block, NOW)
    assert parsed.unparsed == 0
    assert parsed.lines == sum(1 for line in block.split(b"\n") if line)
    assert len(parsed.events) + parsed.foreign >= parsed.lines


def test_every_line_of_postfix_in_the_recorded_logs_is_read() -> None:
    """Of thousands of lines, by all the faults of a private Postfix, none is left to no grammar."""
    read, unread = 0, []
    for log in LOGS:
        events = PostfixParser(zone=UTC).parse(content(log), NOW).events
        read += len(events)
        unread += [event.text for event in events if isinstance(event, Other)]
    assert read > 600
    assert not unread


@pytest.mark.parametrize("log", [log for log in LOGS if "protocol23" not in log.name], ids=lambda log: log.name)
def test_every_delivery_line_of_a_real_log_is_a_delivery(log: Path) -> None:
    """``grep`` is the oracle where nobody meant to deceive it; in hostile.log the count is known from what was sent."""
    block = content(log)
    agents = (b"postfix/smtp[", b"postfix/error[", b"postfix/local[", b"postfix/retry[", b"postfix/discard[")
    expected = Counter(
        line.rpartition(b" status=")[2].split()[0].decode()
        for line in block.split(b"\n")
        if b" status=" in line and b": to=<" in line and any(agent in line for agent in agents)
    )
    if log.name == "hostile.log":
        expected = Counter(sent=2, bounced=2)
    found = Counter(
        event.status for event in PostfixParser(zone=UTC).parse(block, NOW).events if isinstance(event, Delivery)
    )
    assert found == expected


def test_three_templates_of_one_run_tell_the_same_story() -> None:
    stories = []
    for template in ("default", "traditional", "protocol23"):
        log = Path(__file__).parent / "logs" / f"rsyslog_{template}.log"
        events = PostfixParser(zone=UTC).parse(log.read_bytes(), NOW).events
        stories.append([(type(event).__name__, int(event.at), event.origin.pid, event[2:]) for event in events])
    assert stories[0] == stories[1]
    # the third names no program, so a line of postsuper's or smtpd's own is known by its shape alone
    assert [told[1:] for told in stories[0]] == [told[1:] for told in stories[2]]


def test_hostile_text_forges_nothing() -> None:
    events = PostfixParser(zone=UTC).parse((Path(__file__).parent / "logs" / "hostile.log").read_bytes(), NOW).events
    delta = Delta()
    fold(delta, events, {}, lambda _: None)
    totals = {
        series: value for series, value in delta.totals().items() if series[0] not in ("other_events", "log_events")
    }
    assert totals == {
        ("delivery_attempts", ("smtp", "sent")): 2,
        ("delivery_attempts", ("smtp", "bounced")): 2,
        ("messages_received", ("smtpd",)): 4,
        ("messages_queued", ()): 4,
        ("messages_removed", ()): 4,
        ("messages_finished", ("sent",)): 2,
        ("messages_finished", ("bounced",)): 2,
    }
    assert not delta.opened
    assert len(touched(events)) == 4
    assert not any(isinstance(event, Other) for event in events)
