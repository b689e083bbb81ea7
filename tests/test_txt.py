"""Texts of TXT records."""

from __future__ import annotations

import pytest
from dns.rdata import from_text, from_wire

from mailwatch.checks.dns.txt import LONGEST, MOST, escaped, joined, octets, quoted, shortened, texts


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ('"v=spf1 " "-all"', "v=spf1 -all"),
        ('"v=spf1" "-all"', "v=spf1-all"),  # without a blank: RFC 7208 section 3.3
        ('""', ""),
        ('"gr\\195\\188n"', "gr\\195\\188n"),
        ('"a\\009b\\000\\127"', "a\\009b\\000\\127"),
        ('"say \\"yes\\""', 'say "yes"'),
    ],
)
def test_the_strings_of_a_record_are_one_text(zone: str, text: str) -> None:
    assert joined(from_text("IN", "TXT", zone)) == text


def test_a_record_of_another_kind_has_no_text() -> None:
    assert joined(from_text("IN", "A", "192.0.2.1")) == ""


def test_texts_keep_the_order_and_are_bounded() -> None:
    one, two = from_text("IN", "TXT", '"b"'), from_text("IN", "TXT", '"a"')
    assert texts([one, two]) == ("b", "a")
    assert len(texts([one] * (MOST + 5))) == MOST
    wire = (b"\xff" + b"x" * 255) * 200
    assert len(octets(from_wire("IN", "TXT", wire, 0, len(wire)))) == LONGEST


def test_every_byte_can_be_printed() -> None:
    text = escaped(bytes(range(256)))
    assert text.isascii()
    assert text.isprintable()


def test_a_long_text_is_cut_where_it_is_seen() -> None:
    assert shortened("x" * 300, 100) == "x" * 97 + "..."
    assert shortened("short") == "short"


@pytest.mark.parametrize("text", ["v=spf1 -all", "", 'a "b" \\ c', "k" * 600])
def test_what_is_quoted_is_read_back(text: str) -> None:
    assert octets(from_text("IN", "TXT", quoted(text))) == text.encode()
