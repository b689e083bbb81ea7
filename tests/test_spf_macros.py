"""Macros of SPF stand for what RFC 7208 section 7 says, and what comes of them is a name, cut and whole, or nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.spf.macros import Context, Sender, explanation, letters, name_of, sender_of, target

SENDER = Sender(local="strong-bad", domain="email.example.com")
FOUR = Context(
    address=ip_address("192.0.2.3"),
    sender=SENDER,
    helo="mx.example.org",
    domain="email.example.com",
    receiver="mail.example.net",
    now=1700000000.9,
    validated="mx.example.org",
)
SIX = Context(address=ip_address("2001:db8::cb01"), sender=SENDER, helo="mx.example.org", domain="email.example.com")

# the examples of section 7.4, in its order
EXAMPLES = """
%{s} strong-bad@email.example.com
%{o} email.example.com
%{d} email.example.com
%{d4} email.example.com
%{d3} email.example.com
%{d2} example.com
%{d1} com
%{dr} com.example.email
%{d2r} example.email
%{l} strong-bad
%{l-} strong.bad
%{lr} strong-bad
%{lr-} bad.strong
%{l1r-} strong
%{ir}.%{v}._spf.%{d2} 3.2.0.192.in-addr._spf.example.com
%{lr-}.lp._spf.%{d2} bad.strong.lp._spf.example.com
%{lr-}.lp.%{ir}.%{v}._spf.%{d2} bad.strong.lp.3.2.0.192.in-addr._spf.example.com
%{ir}.%{v}.%{l1r-}.lp._spf.%{d2} 3.2.0.192.in-addr.strong.lp._spf.example.com
%{d2}.trusted-domains.example.net example.com.trusted-domains.example.net""".strip().split("\n")
MORE = [
    ("%{h}.%{p}", "mx.example.org.mx.example.org"),
    ("%{I}", "192.0.2.3"),
    ("%{S}", "strong-bad%40email.example.com"),
    ("%{d99999999999999999999}", "email.example.com"),
    ("%{o2r.-}.x", "example.email.x"),
    ("a%%b%_c%-d.example.", "a%b c%20d.example"),
    ("%{D1R}", "email"),
]


@pytest.mark.parametrize(("text", "expected"), [*(tuple(each.split(" ")) for each in EXAMPLES), *MORE])
def test_a_macro_stands_for_what_the_rfc_says(text: str, expected: str) -> None:
    assert target(text, FOUR) == expected


def test_an_address_of_ipv6_is_told_in_nibbles_with_capitals() -> None:
    expected = "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"
    assert target("%{ir}.%{v}._spf.%{d2}", SIX) == expected


def test_an_explanation_knows_three_macros_more_and_keeps_its_blanks_and_dots() -> None:
    text = b"%{c} of %{L}@%{o} at %{t}, says %{r}."
    assert explanation(text, FOUR) == "192.0.2.3 of strong-bad@email.example.com at 1700000000, says mail.example.net."
    assert explanation(b"%{c}", SIX) == "2001:db8::cb01"


@pytest.mark.parametrize("text", [b"\xff", b"100%", b"%{x}", b"tab\there"])
def test_an_explanation_that_breaks_the_grammar_says_nothing(text: bytes) -> None:
    assert explanation(text, FOUR) == ""


def test_what_a_stranger_puts_into_an_explanation_is_bounded_and_printable() -> None:
    context = Context(
        address=FOUR.address, sender=sender_of("\x1b[31mevil\n@example.com", ""), helo="", domain="x.example"
    )
    assert explanation(b"%{l}", context) == "\\x1b[31mevil\\x0a"
    assert len(explanation(b"%{d}" * 9000, FOUR)) == 2000


@pytest.mark.parametrize(
    ("labels", "left"),
    [(["x" * 60] * 3, 3), (["x" * 63] * 4, 3), (["a", *["x" * 50] * 5], 4), (["a.b.c", *["x" * 61] * 4], 7)],
    ids=["fits", "255 characters", "two labels too many", "fits to the character: 253"],
)
def test_a_name_too_long_loses_labels_from_the_left(labels: list[str], left: int) -> None:
    whole = ".".join(labels).split(".")
    cut = target(
        ".".join(whole[:-1]) + "." + "%{l}",
        Context(address=FOUR.address, sender=Sender(local=whole[-1], domain="x"), helo="", domain="x"),
    )
    assert cut is not None
    assert cut.split(".") == whole[-left:]
    assert len(cut) <= 253


@pytest.mark.parametrize("text", ["", ".", "a..example", ".example", "x" * 64 + ".example", ".".join(["x" * 63] * 4)])
def test_what_dns_cannot_hold_is_no_name(text: str) -> None:
    assert name_of(text) is None


def test_a_local_part_that_is_not_ascii_makes_no_name() -> None:
    context = Context(
        address=FOUR.address, sender=sender_of("jos\u00e9@m\u00fcller.example", ""), helo="", domain="x.example"
    )
    assert target("%{l}.example", context) is None
    assert target("%{o}", context) == "xn--mller-kva.example"


@pytest.mark.parametrize(
    ("mail_from", "helo", "expected"),
    [
        ("user@example.com", "mail.example.org", ("user", "example.com")),
        ("<user@example.com>", "mail.example.org", ("user", "example.com")),
        ("", "mail.example.org", ("postmaster", "mail.example.org")),
        ("<>", "mail.example.org", ("postmaster", "mail.example.org")),
        ("@example.com", "mail.example.org", ("postmaster", "example.com")),
        ("example.com", "mail.example.org", ("postmaster", "example.com")),
        ('"a@b"@example.com', "mail.example.org", ('"a@b"', "example.com")),
    ],
)
def test_the_sender_is_postmaster_where_nobody_is_named(mail_from: str, helo: str, expected: tuple[str, str]) -> None:
    sender = sender_of(mail_from, helo)
    assert (sender.local, sender.domain) == expected


def test_letters_are_those_of_macros_alone() -> None:
    assert letters("p.%{d}.%%{p}.%{Ir}") == {"d", "%", "i"}


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_nothing_that_is_given_breaks_the_expansion(text: str, mail_from: str, helo: str) -> None:
    context = Context(address=FOUR.address, sender=sender_of(mail_from, helo), helo=helo, domain="example.com")
    expanded = target(f"%{{s}}.{text}.%{{h}}", context)
    assert expanded is None or len(expanded) <= 253 or "." not in expanded
    assert expanded is None or name_of(expanded) is None or len(expanded.encode("utf-8", "replace")) <= 254
