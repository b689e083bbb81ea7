"""The export format: whatever the bytes, however they are cut; what an entry says becomes one line and forges none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.parsers import PARSERS
from mailwatch.sources.export import Entry, ExportReader
from mailwatch.sources.journal_entry import WANTED, line, place
from mailwatch.sources.lines import LONGEST
from tests.parts.journal import entry, written

NAMES = st.sampled_from(sorted(each.decode() for each in WANTED))
VALUES = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"\n\n", b"A=b\n", b"\0" * 9, b"x" * 70_000, b"\nMESSAGE=no\n\n"])
)
ENTRIES = st.lists(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=5), max_size=4)


def entries_of(raw: bytes, cuts: list[int]) -> list[Entry]:
    reader, found, at = ExportReader(WANTED), [], 0
    for cut in [*sorted(each % (len(raw) + 1) for each in cuts), len(raw)]:
        found += reader.feed(raw[at:cut])
        at = cut
    return found


def exported(entries: list[list[tuple[str, bytes]]]) -> bytes:
    return b"".join(b"".join(written(*each) for each in fields) + b"\n" for fields in entries)


@given(raw=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_it_never_raises_and_any_cut_gives_the_same_entries(raw: bytes, cuts: list[int]) -> None:
    assert entries_of(raw, cuts) == entries_of(raw, [])


@settings(deadline=None)
@given(entries=ENTRIES, cuts=st.lists(st.integers(0, 300_000), max_size=8))
def test_what_was_exported_comes_back_wherever_it_is_cut(
    entries: list[list[tuple[str, bytes]]], cuts: list[int]
) -> None:
    found = entries_of(exported(entries), cuts)
    assert len(found) == len(entries)
    for each, fields in zip(found, entries, strict=True):
        first: dict[bytes, bytes] = {}
        for name, value in fields:
            first.setdefault(name.encode(), value)
        assert each.overlong == {
            name for name, value in first.items() if len(written(name.decode(), value)) - 1 > LONGEST
        }
        assert each.fields == {name: value for name, value in first.items() if name not in each.overlong}


@settings(deadline=None)
@given(entries=ENTRIES)
def test_a_half_entry_at_the_end_is_none(entries: list[list[tuple[str, bytes]]]) -> None:
    raw = exported(entries)
    assert len(entries_of(raw[:-1], [])) == max(0, len(entries) - 1)


def test_a_field_longer_than_memory_is_left_out_without_being_kept() -> None:
    reader = ExportReader(WANTED)
    reader.feed(b"MESSAGE\n" + (1 << 62).to_bytes(8, "little"))
    for _ in range(100):
        reader.feed(b"x" * 100_000)
    assert len(reader._rest) <= LONGEST
    reader = ExportReader(WANTED)
    reader.feed(b"MESSAGE=")
    for _ in range(100):
        reader.feed(b"x" * 100_000)
    assert len(reader._rest) <= LONGEST
    found = reader.feed(b"\n_HOSTNAME=mx\n\n")
    assert found == [Entry({b"_HOSTNAME": b"mx"}, frozenset({b"MESSAGE"}))]
    assert line(found[0]) is None


def lines_of(**fields: Any) -> list[bytes]:
    found = entries_of(b"__CURSOR=s=" + b"a" * 32 + b";i=7;b=x\n" + entry(1, **fields), [])
    return [made for made in (line(each) for each in found) if made is not None]


def test_an_entry_is_one_line_with_the_time_of_its_sending() -> None:
    made = lines_of(_SOURCE_REALTIME_TIMESTAMP="1790000000123456", MESSAGE="hello")
    assert made == [b"2026-09-21T14:13:20.123456+00:00 mx postfix/qmgr[77]: hello\n"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"MESSAGE": "a\nNov 22 06:13:04 mx postfix/smtp[1]: b"}, b"mx postfix/qmgr[77]: a#012Nov 22 06:13:04 mx postfix/smtp[1]: b"),
        ({"MESSAGE": b"\0\x1b[31m\x7f\xff\t"}, b"mx postfix/qmgr[77]: #000#033[31m#177\xff#011"),
        ({"SYSLOG_IDENTIFIER": "postfix/smtp[1]: x"}, b"mx postfix/smtp?1???x[77]: m"),
        ({"SYSLOG_IDENTIFIER": b"postfix/smtp\n2026"}, b"mx postfix/smtp?2026[77]: m"),
        ({"SYSLOG_IDENTIFIER": "postfix/smtp\u00e9"}, b"mx postfix/smtp??[77]: m"),
        ({"_HOSTNAME": "evil postfix/smtp[1]: x"}, b"evil?postfix/smtp?1???x postfix/qmgr[77]: m"),
        ({"SYSLOG_PID": "1]: x["}, b"mx postfix/qmgr[78]: m"),
        ({"SYSLOG_PID": "1]", "_PID": None}, b"mx postfix/qmgr: m"),
        ({"SYSLOG_IDENTIFIER": None}, b"mx unknown[77]: m"),
        ({"SYSLOG_IDENTIFIER": ""}, b"mx unknown[77]: m"),
        ({"_HOSTNAME": None}, b"localhost postfix/qmgr[77]: m"),
        ({"MESSAGE": None}, b"mx postfix/qmgr[77]: "),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)  # fmt: skip
def test_a_hostile_field_forges_nothing(fields: dict[str, str | bytes | None], expected: bytes) -> None:
    made = lines_of(**{"MESSAGE": "m", **fields})
    assert [each.partition(b" ")[2] for each in made] == [expected + b"\n"]


@given(
    message=st.binary(max_size=60),
    identifier=st.binary(max_size=30),
    host=st.binary(max_size=30),
    pid=st.binary(max_size=12),
)
def test_whatever_it_holds_an_entry_is_one_line_with_the_envelope_of_its_fields(
    message: bytes, identifier: bytes, host: bytes, pid: bytes
) -> None:
    made = lines_of(MESSAGE=message, SYSLOG_IDENTIFIER=identifier, _HOSTNAME=host, SYSLOG_PID=pid)
    assert len(made) == 1
    assert made[0].count(b"\n") == 1
    parsed = PARSERS["postfix"]().parse(made[0], 0.0)
    assert (parsed.lines, parsed.unparsed) == (1, 0)
    if not identifier.startswith(b"postfix"):
        assert (parsed.foreign, list(parsed.events)) == (1, [])


def test_a_line_too_long_is_none() -> None:
    assert lines_of(MESSAGE="x" * LONGEST) == []
    assert lines_of(MESSAGE=b"\0" * 30_000) == []
    assert len(lines_of(MESSAGE="x" * 60_000)) == 1


@pytest.mark.parametrize("cursor", [b"", b"s=1;i=1;", b"nonsense", b"s=" + b"g" * 32 + b";i=1;"])
def test_an_entry_that_does_not_say_where_it_stands_has_no_place(cursor: bytes) -> None:
    assert place(Entry({b"__CURSOR": cursor}, frozenset())) is None
