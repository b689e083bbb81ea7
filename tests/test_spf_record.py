"""An SPF record is read whole: every mistake at once, at its column, with what was meant; and nothing right is called wrong."""

from __future__ import annotations

from ipaddress import ip_network

import dns.name
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.spf.record import MOST, parse
from mailwatch.checks.dns.spf.selection import (
    BLANK_BEFORE,
    GLUED,
    NO_VERSION,
    OTHER_VERSION,
    QUOTED,
    SENDER_ID,
    is_spf,
    near_miss,
    select,
)
from mailwatch.question import ANSWER, Answer

RIGHT = """
v=spf1
V=SPF1 A MX -ALL
v=spf1 a mx a:example.com mx:example.com/24 a/24//64 a//64 mx/0//0 -all
v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip4:0.0.0.0/0 ip6:2001:db8::/32 ip6:::1 ip6:::ffff:192.0.2.1/128 ~all
v=spf1 include:_spf.example.com. exists:%{ir}.%{v}._spf.%{d2} ptr ptr:example.com ?all
v=spf1 exists:%{l1r-}.%{o}.%%x%_y%-.example.com a:%{h} redirect=%{d}
v=spf1 exp=explain._spf.%{d} redirect=_spf.example.com
v=spf1 a:foo:bar/baz.example.com a:xn--mller-kva.example a:example.1-1
v=spf1 moo.cow-far_out=man:dog/cat x=%{c}%{r}%{t} y= -all
v=spf1   a    -all   """.strip("\n").split("\n")  # fmt: skip

WRONG = [
    # record, then each mistake: column, token, a word of what is said, what was meant
    ("v=spf1 ipv4:192.0.2.1 -all", [(8, "ipv4:192.0.2.1", "no mechanism", "ip4:192.0.2.1")]),
    ("v=spf1 ipv6:2001:db8::1 -all", [(8, "ipv6:2001:db8::1", "no mechanism", "ip6:2001:db8::1")]),
    ("v=spf1 ip:192.0.2.1 ip:2001:db8::1", [(8, "ip:192.0.2.1", "no mechanism", "ip4:192.0.2.1"), (21, "ip:2001:db8::1", "no mechanism", "ip6:2001:db8::1")]),
    ("v=spf1 includes:example.com", [(8, "includes:example.com", "no mechanism", "include:example.com")]),
    ("v=spf1 a:192.0.2.1", [(10, "a:192.0.2.1", "no domain", "ip4:192.0.2.1")]),
    ("v=spf1 -mx:192.0.2.0/24", [(12, "-mx:192.0.2.0/24", "no domain", "-ip4:192.0.2.0/24")]),
    ("v=spf1 a -all.", [(10, "-all.", "does not belong", "-all")]),
    ("v=spf1 a -all;", [(10, "-all;", "does not belong", "-all")]),
    ("v=spf1 a ~al", [(10, "~al", "no mechanism", "~all")]),
    ("v=spf1 include -all", [(15, "include", "needs a domain", None)]),
    ("v=spf1 include: _spf.example.com -all", [(8, "include: _spf.example.com", "blank", "include:_spf.example.com")]),
    ("v=spf1 ip4 192.0.2.1 Include example.com -ip6 :2001:db8::1", [
        (8, "ip4 192.0.2.1", "blank", "ip4:192.0.2.1"),
        (22, "Include example.com", "blank", "Include:example.com"),
        (42, "-ip6 :2001:db8::1", "blank", "-ip6:2001:db8::1"),
    ]),
    ("v=spf1 include mx:example.com", [(15, "include", "needs a domain", None)]),
    ("v=spf1 mx.example.com include.example.com ip4.192.0.2.1", [
        (8, "mx.example.com", "needs its mechanism", "a:mx.example.com"),
        (23, "include.example.com", "no mechanism", "include:example.com"),
        (43, "ip4.192.0.2.1", "no mechanism", "ip4:192.0.2.1"),
    ]),
    ("v=spf1 mx all- al", [(11, "all-", "no mechanism", "-all"), (16, "al", "no mechanism", None)]),
    ("v=spf1 mx - all", [(11, "- all", "blank", "-all")]),
    ("v=spf1 mx \u2013all", [(11, "\\u2013all", "EN DASH", "-all")]),
    ("v=spf1 \u201cinclude:example.com\u201d", [(8, "\\u201cinclude:example.com\\u201d", "quotation mark", "include:example.com")]),
    ("v=spf1 mx\ta -all", [(10, "mx\\x09a", "looks like a blank", "mx a")]),
    ("v=spf1 mx\u00a0a -all", [(10, "mx\\xa0a", "looks like a blank", "mx a")]),
    ("v=spf1 ip4:10.0.0.0/33", [(20, "ip4:10.0.0.0/33", "/0 to /32", None)]),
    ("v=spf1 ip4:192.0.2.0/024", [(21, "ip4:192.0.2.0/024", "/0 to /32", None)]),
    ("v=spf1 ip4:0.0.0.0/00 a:example.com//064", [(19, "ip4:0.0.0.0/00", "/0 to /32", None), (36, "a:example.com//064", "//0 to //128", None)]),
    ("v=spf1 ip6:2001:db8::/129", [(22, "ip6:2001:db8::/129", "/0 to /128", None)]),
    ("v=spf1 a:example.com/33", [(21, "a:example.com/33", "/0 to /32", None)]),
    ("v=spf1 a:example.com/24/64", [(24, "a:example.com/24/64", "//0 to //128", "a:example.com/24//64")]),
    ("v=spf1 ip4:192.0.2.0/255.255.255.0", [(21, "ip4:192.0.2.0/255.255.255.0", "prefix", "ip4:192.0.2.0/24")]),
    ("v=spf1 ip4:192.0.2", [(12, "ip4:192.0.2", "no IPv4", "ip4:192.0.2.0/24")]),
    ("v=spf1 ip4:192.0.2.*", [(12, "ip4:192.0.2.*", "no IPv4", "ip4:192.0.2.0/24")]),
    ("v=spf1 ip4:192.0.2.4-192.0.2.7", [(12, "ip4:192.0.2.4-192.0.2.7", "no IPv4", "ip4:192.0.2.4/30")]),
    ("v=spf1 ip4:192.0.2.1:25", [(12, "ip4:192.0.2.1:25", "no IPv4", "ip4:192.0.2.1")]),
    ("v=spf1 ip4:192.000.002.001", [(12, "ip4:192.000.002.001", "no IPv4", "ip4:192.0.2.1")]),
    ("v=spf1 ip4:2001:db8::1 ip6:192.0.2.1", [(12, "ip4:2001:db8::1", "no IPv4", "ip6:2001:db8::1"), (28, "ip6:192.0.2.1", "no IPv6", "ip4:192.0.2.1")]),
    ("v=spf1 ip6:[2001:db8::1]/64", [(12, "ip6:[2001:db8::1]/64", "no IPv6", "ip6:2001:db8::1/64")]),
    ("v=spf1 ip6:fe80::1%eth0", [(12, "ip6:fe80::1%eth0", "no IPv6", None)]),
    ("v=spf1 ip4:mail.example.com", [(12, "ip4:mail.example.com", "no IPv4", "a:mail.example.com")]),
    ("v=spf1 192.0.2.1 mail.example.com _spf.example.com", [
        (8, "192.0.2.1", "needs its mechanism", "ip4:192.0.2.1"),
        (18, "mail.example.com", "needs its mechanism", "a:mail.example.com"),
        (35, "_spf.example.com", "needs its mechanism", "include:_spf.example.com"),
    ]),
    ("v=spf1 ip4:192.0.2.1ip4:192.0.2.2", [(12, "ip4:192.0.2.1ip4:192.0.2.2", "blank is missing", "ip4:192.0.2.1 ip4:192.0.2.2")]),
    ("v=spf1 include:example.com~all", [(16, "include:example.com~all", "blank is missing", "include:example.com ~all")]),
    ("v=spf1 a,mx,192.0.2.1 -all", [(8, "a,mx,192.0.2.1", "separated by blanks", "a mx ip4:192.0.2.1")]),
    ("v=spf1 --all", [(8, "--all", "one qualifier", "-all")]),
    ("v=spf1 -redirect=example.com", [(8, "-redirect=example.com", "no qualifier", "redirect=example.com")]),
    ("v=spf1 redirect:example.com", [(8, "redirect:example.com", "written redirect=", "redirect=example.com")]),
    ("v=spf1 redirect= exp=", [(17, "redirect=", "missing", None), (22, "exp=", "missing", None)]),
    ("v=spf1 redirect=a.example redirect=b.example exp=a.example exp=a.example", [(27, "redirect=b.example", "second time", None), (60, "exp=a.example", "second time", None)]),
    ("v=spf1 all:example.com -all/24", [(11, "all:example.com", "stands alone", None), (28, "-all/24", "stands alone", "-all")]),
    ("v=spf1 include:example.com/24", [(16, "include:example.com/24", "no domain", "include:example.com")]),
    ("v=spf1 include:https://example.com/", [(16, "include:https://example.com/", "no domain", "include:example.com")]),
    ("v=spf1 include:m\u00fcller.example", [(17, "include:m\\xfcller.example", "not allowed", "include:xn--mller-kva.example")]),
    ("v=spf1 a:localhost a:example.123 a:example.-com", [(10, "a:localhost", "dot", None), (22, "a:example.123", "last label", None), (36, "a:example.-com", "last label", None)]),
    ("v=spf1 exists:%{c}.example exists:%{d0}.example exists:%(d).example exists:%{q}.example exists:%", [
        (15, "exists:%{c}.example", "explanation only", None),
        (35, "exists:%{d0}.example", "1 or more", None),
        (56, "exists:%(d).example", "begins no macro", None),
        (76, "exists:%{q}.example", "not known", None),
        (96, "exists:%", "begins no macro", None),
    ]),
    ("v=spf1 foo=%abc -all", [(12, "foo=%abc", "begins no macro", None)]),
    ("v=spf1 moo =all 1up=x", [(8, "moo", "no mechanism", None), (12, "=all", "no mechanism", None), (17, "1up=x", "no mechanism", None)]),
    ("v=spf10 -all", [(1, "v=spf10", "must begin", "v=spf1")]),
    ("", [(1, "", "empty", "v=spf1")]),
]  # fmt: skip

DOUBTFUL = [
    ("v=spf1 ip4=192.0.2.1 -all", 8, "passed over", "ip4:192.0.2.1"),
    ("v=spf1 include=example.com", 8, "passed over", "include:example.com"),
    ("v=spf1 redirct=example.com", 8, "passed over", "redirect=example.com"),
    ("v=spf1 a v=spf1 mx -all", 10, "run together", None),
    ("v=spf1 include:a:mail.example.com", 8, "stands inside", "a:mail.example.com"),
    ("v=spf1 ~include:postmaster@example.com", 8, "no name of a host", "~include:example.com"),
    ("v=spf1 a:https://mail.example.com", 8, "no name of a host", "a:mail.example.com"),
    ("v=spf1 a:mail..example.com", 8, "empty label", None),
    (f"v=spf1 a:{'x' * 64}.example.com", 8, "longer than the 63", None),
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_record_has_no_problem_and_each_word_of_it_is_a_term(text: str) -> None:
    record = parse(text)
    assert record.problems == ()
    assert [term.text for term in record.terms] == text.split()[1:]
    assert [text[term.column - 1 :].startswith(term.text) for term in record.terms] == [True] * len(record.terms)


@pytest.mark.parametrize(
    ("text", "expected"), WRONG, ids=[text.encode("ascii", "backslashreplace").decode() for text, _ in WRONG]
)
def test_every_mistake_is_told_at_its_column_with_what_was_meant(
    text: str, expected: list[tuple[int, str, str, str | None]]
) -> None:
    found = parse(text).problems
    assert [(each.column, each.token, each.instead) for each in found] == [
        (at, token, instead) for at, token, _, instead in expected
    ]
    assert all(said in each.text for each, (_, _, said, _) in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(("text", "column", "said", "instead"), DOUBTFUL, ids=[text[:40] for text, *_ in DOUBTFUL])
def test_what_is_right_by_the_grammar_and_not_meant_is_a_doubt_and_no_problem(
    text: str, column: int, said: str, instead: str | None
) -> None:
    record = parse(text)
    assert record.problems == ()
    assert [(each.column, each.instead) for each in record.doubts] == [(column, instead)]
    assert said in record.doubts[0].text


def test_what_could_be_read_is_given_whatever_else_is_wrong() -> None:
    record = parse("v=spf1 moo ip4:192.0.2.9/24 ~a:mail.example.com/28//64 ip4:x -ALL Redirect=%{d}.example")
    assert [term.text for term in record.terms] == [
        "ip4:192.0.2.9/24",
        "~a:mail.example.com/28//64",
        "-ALL",
        "Redirect=%{d}.example",
    ]
    network, host, end, redirect = record.terms
    assert (network.network, network.host_bits, network.qualifier) == (ip_network("192.0.2.0/24"), True, "+")
    assert (host.name, host.domain, host.prefix4, host.prefix6, host.qualifier) == (
        "a",
        "mail.example.com",
        28,
        64,
        "~",
    )
    assert (end.name, end.qualifier, end.domain) == ("all", "-", None)
    assert (redirect.name, redirect.is_modifier, redirect.domain) == ("redirect", True, "%{d}.example")


def test_bytes_that_are_no_text_are_a_mistake_and_never_reach_what_is_said() -> None:
    record = parse(b"v=spf1 a:\xff\x1b[31m.example.com -all")
    assert [each.column for each in record.problems] == [10]
    assert record.text.isascii()
    assert record.text.isprintable()
    assert record.text[9:15] == "\\ufffd"


def test_a_record_of_mistakes_alone_tells_so_many_and_no_more() -> None:
    assert len(parse("v=spf1 " + "x " * 5000).problems) == MOST


WORDS = st.sampled_from(
    ["a", "mx", "ip4:", "ip6:", "192.0.2.1", "::1", "/", "//", "24", " ", "%{", "%", "d}", "-", "~", "all", "include:", "=", "redirect=",
     "exp=", ".", "x.example", ",", "\x00", "\u2013", "\u00e9", "\ud800", "@", "\\", "[", "255.255.255.0", ":", "\u00b2", "v=spf1", '"', "0"]
)  # fmt: skip


@given(st.one_of(st.lists(WORDS, max_size=14).map("".join), st.text(max_size=60)))
def test_no_text_breaks_the_reading_and_every_proposal_is_right(text: str) -> None:
    record = parse(f"v=spf1 {text}")
    assert record.text.isascii()
    for each in (*record.problems, *record.doubts):
        assert each.text.isascii()
        assert each.token.isascii()
        assert each.token.isprintable()
        assert each.instead is None or parse(f"v=spf1 {each.instead}").problems == ()


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    assert parse(data).text.isascii()
    assert near_miss(data) is None or not is_spf(data) or data[:1] in b"vV"


NEAR = [
    (b" v=spf1 a -all", BLANK_BEFORE, "v=spf1 a -all"),
    (b"\xef\xbb\xbfv=spf1 -all", BLANK_BEFORE, "v=spf1 -all"),
    (b'"v=spf1 a -all"', QUOTED, "v=spf1 a -all"),
    (b"\xe2\x80\x9cv=spf1 -all\xe2\x80\x9d", QUOTED, "v=spf1 -all"),
    (b"v=spf1include:example.com -all", GLUED, "v=spf1 include:example.com -all"),
    (b"v=spf1-all", GLUED, "v=spf1 -all"),
    (b"v=spf1;a", GLUED, "v=spf1 a"),
    (b"v=spf1\t-all", GLUED, "v=spf1 -all"),
    (b"spf1 include:example.com -all", NO_VERSION, "v=spf1 include:example.com -all"),
    (b"v=spf10 a", OTHER_VERSION, "v=spf1 a"),
    (b"v=spf2 -all", OTHER_VERSION, "v=spf1 -all"),
    (b"v= spf1 -all", OTHER_VERSION, "v=spf1 -all"),
    (b"v:spf1 -all", OTHER_VERSION, "v=spf1 -all"),
    (b"spf2.0/pra -all", SENDER_ID, None),
]


@pytest.mark.parametrize(("data", "why", "instead"), NEAR, ids=[repr(data) for data, *_ in NEAR])
def test_a_near_miss_is_no_record_and_says_what_was_meant(data: bytes, why: str, instead: str | None) -> None:
    miss = near_miss(data)
    assert not is_spf(data)
    assert miss is not None
    assert (miss.why, miss.instead) == (why, instead)


@pytest.mark.parametrize("data", [b"", b"google-site-verification=x", b"spf1 is what we use", b"v=DMARC1; p=none"])
def test_a_record_about_something_else_is_no_near_miss(data: bytes) -> None:
    assert near_miss(data) is None


def test_of_many_records_those_are_selected_that_begin_with_the_version_and_a_blank() -> None:
    texts = ['"v=spf1" " a -all"', '"V=sPf1"', '"v=spf1" "mx"', '"v=DMARC1; p=none"', '" v=spf1 -all"']
    found = select(
        Answer(
            name=dns.name.from_text("example.com"),
            kind="TXT",
            outcome=ANSWER,
            records=tuple(dns.rdata.from_text("IN", "TXT", text) for text in texts),
        )
    )
    assert found.records == (b"v=spf1 a -all", b"V=sPf1")
    assert [miss.why for miss in found.near] == [GLUED, BLANK_BEFORE]
