"""What strangers write is shown masked, on one line, bounded, and nothing in it can be clicked or calls anybody."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.masking import LONGEST, masked, quotable

MASKED = {
    "an address": ("jane.doe@example.com", "j…@example.com"),
    "one in angle brackets": ("<jane.doe@example.com>: no such user", "<j…@example.com>: no such user"),
    "a local part of one letter, whose length stays hidden": ("to j@example.com", "to j…@example.com"),
    "a quoted local part with a blank": ('rcpt "jane doe"@example.com refused', "rcpt j…@example.com refused"),
    "two addresses": ("from=<a.b@example.com> to=<c.d@example.org>", "from=<a…@example.com> to=<c…@example.org>"),
    "an address in an address": ("SRS0=x=y=example.org=jane@example.com", "S…@example.com"),
    "one that is escaped in a URL": ("see http://x.example/?to=jane%40example.com", "see http:…@example.com"),
    "one in quoted-printable": ("bounce+jane=40example.com", "b…@example.com"),
    "an international one": ("jürgen@example.com, 李@example.com", "j…@example.com, 李…@example.com"),
    "a tag": ("jane+news.2026@example.com", "j…@example.com"),
    "a user's name": ('550 5.1.1 unknown user: "jane.doe"', '550 5.1.1 unknown user: "j…"'),
    "a login": ("sasl_username=jane", "sasl_username=j…"),
    "no address": ("550 5.7.1 mailbox unavailable", "550 5.7.1 mailbox unavailable"),
    "an at alone": ("@ nothing @", "@ nothing @"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), MASKED.values(), ids=MASKED)
def test_it_masks(text: str, shown: str) -> None:
    assert masked(text) == shown


DEAD = {
    "a link": ("see https://evil.example/x?y=1", "see hxxps[:]//evil[.]example/x?y=1"),
    "a name that programs make a link of": ("login at evil.example.", "login at evil[.]example."),
    "www": ("www.evil.example/a", "www[.]evil[.]example/a"),
    "a link in Markdown": ("[free](http://evil.example)", "[free] (hxxp[:]//evil[.]example)"),
    "a mention of all": ("hello @everyone and <!channel>", "hello (at)everyone and ‹!channel›"),
    "a mention glued to a word": ("x@everyone", "x…(at)everyone"),
    "markup": ("<b>*now*</b> `rm -rf`", "‹b›now‹/b› 'rm -rf'"),
    "a script": ("javascript:alert(1)", "javascript[:]alert(1)"),
    "line breaks and bells": ("one\r\ntwo\x07\x1b[31m", "one two [31m"),
    "text that runs backwards": ("abc\u202egnp.exe", "abc gnp[.]exe"),
    "codes stay as they are": ("554 5.7.1 [192.0.2.7] refused", "554 5.7.1 [192.0.2.7] refused"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), DEAD.values(), ids=DEAD)
def test_it_disarms(text: str, shown: str) -> None:
    assert quotable(text) == shown


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab.@<>\"' =40%/:http[]()*\n\u202e", max_size=400))
def test_nothing_live_is_left_whatever_the_text(text: str) -> None:
    shown = quotable(text)
    assert len(shown) <= LONGEST
    assert "\n" not in shown
    assert "://" not in shown
    assert not re.search(r"[<>`]", shown)
    assert not re.search(r"[A-Za-z0-9]{2,}@", shown)
    assert not re.search(r"(?:^|[\s(\[])@", shown)


@pytest.mark.parametrize(
    "text", ["@" * 200_000, "a" * 200_000 + "@", '"@' * 100_000, "user=" * 40_000, "a." * 100_000, "x://" * 50_000]
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    quotable(text)
    assert time.process_time() - began < 0.5
