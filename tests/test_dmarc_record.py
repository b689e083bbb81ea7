"""What a DMARC record says, and where it is wrong (RFC 9989 sections 4.7 and 4.8)."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import dns.name
import pytest
from dns.rdataclass import IN
from dns.rdatatype import TXT as A_TEXT
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.dmarc import in_force
from mailwatch.checks.dns.dmarc.absent import meant, near_misses
from mailwatch.checks.dns.dmarc.grammar import is_record, record_of
from mailwatch.checks.dns.dmarc.report_address import report_addresses
from mailwatch.checks.dns.dmarc.walk import Discovery, Walk, step_of
from mailwatch.checks.dns.tag_list import replaced, tag_list
from mailwatch.question import ANSWER, Answer

if TYPE_CHECKING:
    from mailwatch.checks.dns.dmarc.record import Record

VISIBLE = set(string.printable) - set("\t\n\r\x0b\x0c")


def read(text: str) -> Record:
    record = record_of(text)
    assert record is not None
    return record


@pytest.mark.parametrize(
    "text",
    ["v=DMARC1", "v=DMARC1;", "v=DMARC1; p=none", "v = DMARC1 ;p=none", "V=DMARC1;p=none", "v=DMARC1\t;\tp=none"],
)
def test_a_record_begins_with_the_version(text: str) -> None:
    assert is_record(text)


@pytest.mark.parametrize(
    "text",
    ["", "v=dmarc1;", "v=DMARC1 p=none", "v=DMARC10; p=none", "p=none; v=DMARC1", " v=DMARC1;", "v=DMARC1,p=none"],
)
def test_anything_else_is_no_record(text: str) -> None:
    assert not is_record(text)
    assert record_of(text) is None


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("v=DMARC1; p=reject; rua=mailto:a@example.com", []),
        ("v=DMARC1; p=reject; rua=mailto:a@example.com;", []),
        ("v=DMARC1; p=rejekt", [(13, "dmarc-policy-invalid", "reject")]),
        ("v=DMARC1; p=", [(13, "dmarc-policy-invalid", None)]),
        ("v=DMARC1;  p =  Reject", []),
        ("v=DMARC1; p=none; sp=all", [(22, "dmarc-policy-invalid", None)]),
        ("v=DMARC1;; p=none", [(10, "dmarc-syntax", "")]),
        ("v=DMARC1; p=none; adkim=strict", [(25, "dmarc-syntax", None)]),
        ("v=DMARC1; p=none; hello", [(19, "dmarc-syntax", None)]),
        ("v=DMARC1; p=none; pct=20", [(19, "dmarc-removed-pct", "")]),
        ("v=DMARC1; p=none; pct=100; rf=afrf; ri=3600",
         [(19, "dmarc-removed-tag", ""), (28, "dmarc-removed-tag", ""), (37, "dmarc-removed-tag", "")]),
        ("v=DMARC1; p=reject rua=mailto:a@example.com", [(13, "dmarc-policy-invalid", "reject; rua=mailto:a@example.com")]),
        ("v=DMARC1; p=foo rua=mailto:a@example.com", [(13, "dmarc-policy-invalid", None)]),
        ("v=DMARC1; rua=mailto:a@example.com p=none", [(15, "dmarc-report-address", "mailto:a@example.com; p=none")]),
        ("v=DMARC1; P=none", [(11, "dmarc-syntax", "p=none")]),
        ("v=DMARC1; p=none; p=reject", [(19, "dmarc-syntax", "")]),
        ("v=DMARC1; p=none; v=DMARC1", [(19, "dmarc-syntax", "")]),
        ("v=DMARC1; p=none; sppp=none", [(19, "dmarc-unknown-tag", "sp=none")]),
        ("v=DMARC1; p=none; xyzzy=1", [(19, "dmarc-unknown-tag", "")]),
        ("v=DMARC1; p=none; fo=1", [(19, "dmarc-fo-ignored", "")]),
        ("v=DMARC1; p=none; fo=x; ruf=mailto:a@example.com", [(22, "dmarc-syntax", None)]),
        ("v=DMARC1; p=none; fo=1:d:s; ruf=mailto:a@example.com", []),
        ("v=DMARC1; p=none; rua=mailto:a@example.com,,mailto:b@example.com", [(44, "dmarc-report-address", None)]),
        ("v=DMARC1; p=none; rua=mailto:a@example.com, b@example.com", [(45, "dmarc-report-address", "mailto:b@example.com")]),
        ("v=DMARC1; p=none; rua=mailto:a@example.com!10m", [(23, "dmarc-removed-size", "mailto:a@example.com")]),
        ("v=DMARC1; p=none; rua=https://example.com/dmarc", [(23, "dmarc-report-address", None)]),
        ("v=DMARC1; p=none; rua=mailto:a", [(23, "dmarc-report-address", None)]),
        ("v=DMARC1; p=none; rua=mailto://a@example.com", [(23, "dmarc-report-address", "mailto:a@example.com")]),
    ],
)  # fmt: skip
def test_each_problem_has_its_column(text: str, places: list[tuple[int, str, str | None]]) -> None:
    assert [(each.column, each.code, each.instead) for each in read(text).problems] == places


def test_all_problems_of_a_record_are_told_at_once_and_put_right_together() -> None:
    record = read("v=DMARC1; p=rejekt;; pct=10; rau=mailto:a@example.com")
    assert [each.code for each in record.problems] == [
        "dmarc-policy-invalid", "dmarc-syntax", "dmarc-removed-pct", "dmarc-unknown-tag"
    ]  # fmt: skip
    assert record.corrected == "v=DMARC1; p=reject; rua=mailto:a@example.com"


@pytest.mark.parametrize(
    ("text", "own", "sub", "missing"),
    [
        ("v=DMARC1; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; p=reject; sp=none", "reject", "none", "none"),
        ("v=DMARC1; p=none; np=reject", "none", "none", "reject"),
        ("v=DMARC1; p=reject; sp=quarantine; np=none", "reject", "quarantine", "none"),
        # section 4.10.1: a wrong one takes all of them with it
        ("v=DMARC1; p=reject; sp=x", None, None, None),
        ("v=DMARC1; p=reject; sp=x; rua=mailto:a@example.com", "none", "none", "none"),
        ("v=DMARC1; p=reject; np=x; rua=nowhere", None, None, None),
        ("v=DMARC1; rua=mailto:a@example.com", "none", "none", "none"),
        ("v=DMARC1", None, None, None),
    ],
)
def test_the_policy_for_a_domain_a_subdomain_and_one_that_does_not_exist(
    text: str, own: str | None, sub: str | None, missing: str | None
) -> None:
    record = read(text)
    assert record.policy(subdomain=False) == own
    assert record.policy(subdomain=True) == sub
    assert record.policy(subdomain=True, exists=False) == missing


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("mailto:dmarc@example.com", "example.com"),
        ("MAILTO:dmarc@EXAMPLE.com", "example.com"),
        ("mailto:a+b@reports.example.com?subject=x", "reports.example.com"),
        ("mailto:a%40b@example.com", None),
        ("mailto:a%2cb@example.com", None),
        ("mailto:%61@example.com", "example.com"),
        ("mailto:a@localhost", None),
        ("mailto: a@example.com", None),
        ("a@example.com", None),
        ("", None),
    ],
)
def test_the_domain_of_an_address_for_reports(value: str, host: str | None) -> None:
    (address,) = report_addresses(value, 1)
    assert address.host == host
    assert (address.trouble is None) == (host is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=DMARC1 p=reject rua=mailto:a@example.com", "v=DMARC1; p=reject; rua=mailto:a@example.com"),
        ("v=DMARC1, p=reject, rua=mailto:a@example.com", "v=DMARC1; p=reject; rua=mailto:a@example.com"),
        (" v=DMARC1; p=none", "v=DMARC1; p=none"),
        ('"v=DMARC1; p=none"', "v=DMARC1; p=none"),
        ("v=DMARC1\\; p=none\\;", "v=DMARC1; p=none"),
        ("v=DMARC; p=none", "v=DMARC1; p=none"),
        ("dmarc1; p=none", "v=DMARC1; p=none"),
        ("v:DMARC1; p=none", "v=DMARC1; p=none"),
        ("\xef\xbb\xbfv=DMARC1; p=none", "v=DMARC1; p=none"),
        ("v=spf1 include:dmarc.example -all", None),
        ("", None),
    ],
)
def test_what_was_meant_by_a_text_that_is_no_record(text: str, expected: str | None) -> None:
    assert meant(text) == expected


def test_a_piece_is_replaced_where_it_stands_and_nowhere_else() -> None:
    assert replaced("a=1; b=1; c=1", {(8, "1"): "2", (11, "c=1"): ""}) == "a=1; b=2"


RAW = st.binary(max_size=100) | st.lists(
    st.sampled_from([b"v=DMARC1", b";", b" ", b"p=", b"reject", b"rua=", b"mailto:", b"a@b.example", b"!", b",", b"=",
                     b"\x00", b"\xff", b"psd=", b"y", b"t=y", b"sp", b"%", b"\\", b'"']),
    max_size=40,
).map(b"".join)  # fmt: skip


@given(RAW)
def test_no_bytes_raise_and_no_control_character_reaches_a_person(raw: bytes) -> None:
    domain = dns.name.from_text("example.com")
    records = tuple(TXT(IN, A_TEXT, [each[:255]]) for each in (raw, b"v=DMARC1;" + raw))
    step = step_of(domain, Answer(name=domain, kind="TXT", outcome=ANSWER, records=records))
    found = Discovery(walk=Walk(start=domain, steps=(step,)), organization=domain, step=step)
    told = near_misses(step)
    for record in step.records:
        policy = record.policy(subdomain=False)
        told += in_force.findings(in_force.InForce(found=found, step=step, record=record, policy=policy))
    for each in told:
        for text in (each.text, each.where, each.fix, each.record or "", each.publish or ""):
            assert set(text) <= VISIBLE


@given(st.text(max_size=300))
def test_columns_of_tags_are_where_they_stand(text: str) -> None:
    for tag in tag_list(text).tags:
        assert text[tag.column - 1 :].startswith(tag.text)
        assert text[tag.value_column - 1 :].startswith(tag.value)
    for flaw in tag_list(text).flaws:
        assert flaw.piece == ";" or text[flaw.column - 1 :].startswith(flaw.piece)


@given(RAW)
def test_a_record_put_right_has_nothing_wrong_left(raw: bytes) -> None:
    record = read("v=DMARC1; p=none; " + raw.decode("latin-1"))
    if record.corrected is not None:
        assert read(record.corrected).problems == ()
