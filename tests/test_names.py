"""Names: what people type, what mail holds, what is shown."""

from __future__ import annotations

import pytest
from dns.name import Name, from_text
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.facts import Stated
from mailwatch.checks.dns.names import LONGEST_TEXT, below, is_local, name_of, parent, shown, stated_name, written

EXAMPLE = from_text("example.com.")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", "example.com."),
        (" Example.COM.\n", "example.com."),
        ("_dmarc.example.com", "_dmarc.example.com."),
        ("bücher.example", "xn--bcher-kva.example."),
        ("BÜCHER.example", "xn--bcher-kva.example."),
        ("faß.example", "xn--fa-hia.example."),  # IDNA 2003 would ask for fass.example
        ("\u4f8b\u3002example", "xn--fsq.example."),  # an ideographic full stop
        ("_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example."),
        ("xn--bcher-kva.example", "xn--bcher-kva.example."),
        ("a.b-c.1.example", "a.b-c.1.example."),
    ],
)
def test_a_domain_is_read(text: str, name: str) -> None:
    assert name_of(text) == from_text(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("user@example.com", "user@example.com: an e-mail address. Give a domain: meant example.com?"),
        ("<user@example.com>", "meant example.com?"),
        ("https://user:x@example.com:8443/a", "an address of the Web. Give a domain: meant example.com?"),
        ("example.com/mail", "meant example.com?"),
        ("example.com:25", "a colon, as before a port. Give a domain: meant example.com?"),
        ("[192.0.2.5]", "an address literal, not a domain"),
        ("[IPv6:2001:db8::1]", "an address literal, not a domain"),
        ("[foo]", "what stands in brackets is an address"),
        ("192.0.2.5", "an IP address, not a domain"),
        ("2001:db8::1", "an IP address, not a domain"),
        ("example..com", "nothing stands between two dots, after label 1"),
        (".example.com", "nothing stands before the first dot"),
        ("example.com..", "nothing stands between two dots, after label 2"),
        ("", "no domain. Give one"),
        (".", "no domain. Give one"),
        ("a" * 64 + ".example", "label 1 has 64 characters, 63 are allowed"),
        (".".join(["a" * 49] * 5) + ".exampl", "too long, a name has at most 253 characters"),
        ("ü" * 63 + ".example", "too long once encoded"),
        ("x" * (LONGEST_TEXT + 1), "too long"),
        ("my example.com", "a blank in column 3"),
        ("my\x1bexample.com", "my\\x1bexample.com: an invisible character in column 3"),
        ("my\u200bexample.com", "an invisible character in column 3"),
        ("my\u202eexample.com", "an invisible character in column 3"),
        ("localhost", "a single label"),
        ("*.example.com", "a wildcard. Give a domain itself: meant example.com?"),
        ("exam!ple.com", "'!' cannot stand in a domain"),
        ("-a.example", "label 1 begins or ends with a hyphen"),
        ("example.123", "the last label is a number"),
        ("\u2603.example", "not allowed in names of other scripts"),
    ],
)
def test_what_is_no_domain_is_told_with_what_was_meant(text: str, says: str) -> None:
    with pytest.raises(ValueError) as told:
        name_of(text)
    assert says in str(told.value)
    assert str(told.value).isprintable()


def test_a_name_of_253_characters_is_one() -> None:
    text = ".".join(["a" * 49] * 5) + ".exa"
    assert len(text) == 253
    assert len(name_of(text).to_wire() or b"") == 255


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (EXAMPLE, "example.com"),
        (from_text("Mail.Example.COM."), "mail.example.com"),
        (from_text("xn--bcher-kva.example."), "xn--bcher-kva.example (bücher.example)"),
        (from_text("xn--a.example."), "xn--a.example"),  # not well encoded
        (from_text("."), "."),
        (Name([b"a.b\x00\x1b\xff", b"example", b""]), "a\\.b\\000\\027\\255.example"),
        (Name([b"xn--\xff", b"xn--bcher-kva", b""]), "xn--\\255.xn--bcher-kva (xn--\\255.bücher)"),
    ],
)
def test_a_name_is_shown_without_a_control_character(name: Name, text: str) -> None:
    assert shown(name) == text


def test_a_name_in_a_zone_ends_with_a_dot() -> None:
    assert written(from_text("_DMARC.example.com.")) == "_dmarc.example.com."


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (("_dmarc",), "_dmarc.example.com."),
        (("s1.mail", "_domainkey"), "s1.mail._domainkey.example.com."),
        ((b"a.b",), "a\\.b.example.com."),
        (("bücher",), "xn--bcher-kva.example.com."),
    ],
)
def test_labels_are_put_before_a_name(labels: tuple[str | bytes, ...], name: str) -> None:
    assert below(EXAMPLE, *labels) == from_text(name)


@pytest.mark.parametrize("labels", [("",), ("a..b",), ("a" * 64,), (b"",), (b"x" * 64,), ("a" * 60,) * 4, ("\u2603",)])
def test_where_there_can_be_no_name_there_is_none(labels: tuple[str | bytes, ...]) -> None:
    assert below(EXAMPLE, *labels) is None


def test_the_parent_of_the_root_is_none() -> None:
    assert parent(EXAMPLE) == from_text("com.")
    assert parent(from_text(".")) is None


@pytest.mark.parametrize(("text", "name"), [
    ("user@example.com", "example.com."), ("mail.example.com", "mail.example.com."), ("a@b@example.com", "example.com."),
    ("", None), ("user@", None), ("user@[192.0.2.1]", None), ("user@localhost", None),
])  # fmt: skip
def test_the_domain_of_what_was_found_is_read_or_left(text: str, name: str | None) -> None:
    found = stated_name(Stated(text=text, origin="the log"))
    assert found == (None if name is None else from_text(name))
    assert stated_name(None) is None


@pytest.mark.parametrize(("name", "local"), [
    ("localhost.", True), ("mail.", True), ("mail.localdomain.", True), ("nas.home.arpa.", True), ("a.LOCAL.", True),
    ("example.com.", False), ("local.example.com.", False), ("home.example.", False),
])  # fmt: skip
def test_names_of_a_local_network_are_known(name: str, local: bool) -> None:
    assert is_local(from_text(name)) is local


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_a_sentence(text: str) -> None:
    name, told = None, ""
    try:
        name = name_of(text)
    except ValueError as error:
        told = str(error)
    assert told.isprintable()
    assert len(told) < 1000
    assert name is None or (shown(name).isprintable() and name_of(written(name)) == name)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.lists(st.text(max_size=80), max_size=3))
def test_labels_of_any_kind_never_raise(raw: list[bytes], texts: list[str]) -> None:
    name = below(EXAMPLE, *raw, *texts)
    assert name is None or shown(name).isprintable()
