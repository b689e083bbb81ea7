"""SPF answers what pyspf answers, except where the RFC is against pyspf: each difference has its reason, and they are few."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailwatch.checks.dns.spf.evaluate import check_host
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.parts.spf_oracle import CLIENTS, DEAD, KNOWN, NAMES, SUBJECT, THERE, ZONE, Disagreement, opinion, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.spf.verdict import Verdict

SENDER, HELO = f"user.name-of+tag@{SUBJECT}", "mx-1.example"
RECORDS = 2500

macros = st.builds(
    "%{{{}{}{}{}}}".format,
    st.sampled_from("slodiphvSLODIPHV"),
    st.sampled_from(["", "", "", "1", "2", "3", "20"]),
    st.sampled_from(["", "", "r"]),
    st.sampled_from(["", "", "", ".", "-", "+", "+-"]),
)
domains = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.builds("{}.list.example".format, macros),
    st.builds("{}.{}.list.example".format, macros, macros),
    macros,
    st.sampled_from(
        ["%{ir}.%{v}.list.example", "%{l}.list.example", "%{l1r.}.list.example", "%{lr-}.list.example", "%{d2}", "%{p}", "%{p2}",
         "x%%y%_z%-.example", "%{o}", "%{h}", "localhost", "example.123", "%{c}.example", "%{d0}.example", "%(d).example",
         "%{d", "%", "%{z}.example", "foo/bar.example", "foo:bar.example", "a.example,", "xn--nxasmq6b.xn--j6w193g"]
    ),
)  # fmt: skip
prefixes = st.sampled_from(
    ["", "", "", "/24", "/32", "/0", "//64", "/24//120", "//0", "/33", "//129", "/024", "/", "/24/64"]
)
qualifiers = st.sampled_from(["", "", "", "-", "~", "?", "+"])
networks = st.sampled_from(
    ["ip4:192.0.2.1", "ip4:192.0.2.0/24", "ip4:203.0.113.0/24", "ip4:192.0.2.77/25", "ip4:0.0.0.0/0", "ip6:2001:db8::/32",
     "ip6:2001:db8::1", "ip6:::1", "ip6:2001:db8::99/120", "ip6:::ffff:192.0.2.1", "IP4:198.51.100.7", "ip4:192.0.2.1/33",
     "ip4:192.0.2.01", "ip4:192.0.2", "ip4", "ip6", "ip4:", "ip6:192.0.2.1", "ip6:2001:db8::1/129", "ip4:192.0.2.1//32", "ip4:2001:db8::1"]
)  # fmt: skip
mechanisms = st.one_of(
    networks,
    networks,
    st.builds("{}{}".format, st.sampled_from(["a", "mx", "A", "Mx"]), prefixes),
    st.builds("{}:{}{}".format, st.sampled_from(["a", "mx", "a", "mx", "A"]), domains, prefixes),
    st.builds(
        "{}:{}".format, st.sampled_from(["include", "include", "include", "exists", "ptr", "Include", "PTR"]), domains
    ),
    st.sampled_from(
        ["ptr", "ptr", "include", "exists", "all", "ALL", "all:x.example", "ptr/24", "moo", "a:", "mx:", "include:"]
    ),
)
modifiers = st.one_of(
    st.builds("{}={}".format, st.sampled_from(["redirect", "redirect", "exp", "Redirect", "EXP"]), domains),
    st.sampled_from(
        ["foo=bar", "foo=%{d}", "x.y-z_1=a:b/c", "foo=", "foo=%", "1up=x", "=x", "redirect=", "exp=", "v=spf1"]
    ),
)
terms = st.one_of(
    *[st.builds("{}{}".format, qualifiers, mechanisms)] * 6,
    modifiers,
    st.sampled_from(["-all", "~all", "?all", "a\x01", "a\tmx", "a,"]),
)
sound = st.one_of(
    *[
        st.builds("{}{}".format, qualifiers, each)
        for each in (
            st.sampled_from(
                [
                    "a",
                    "mx",
                    "ptr",
                    "a/24",
                    "mx//64",
                    "ip4:203.0.113.0/24",
                    "ip6:2001:db8:1::/48",
                    "exists:%{ir}.%{v}.list.example",
                ]
            ),
            st.builds("{}:{}".format, st.sampled_from(["a", "mx", "include", "include"]), st.sampled_from(THERE)),
            st.builds("{}:{}".format, st.sampled_from(["a", "mx", "exists"]), st.sampled_from(THERE)),
            st.builds(
                "{}:{}".format, st.sampled_from(["a", "mx", "include", "exists", "include"]), st.sampled_from(NAMES)
            ),
            st.builds("{}:{}".format, st.sampled_from(["a", "exists"]), st.builds("{}.list.example".format, macros)),
        )
    ]
)
"""Terms without mistakes: most records must come as far as being evaluated."""
endings = st.sampled_from(
    ["", "-all", "~all", "?all", "redirect=pass.example", "redirect=soft.example", "redirect=two.example", "redirect=deep.example",
     "redirect=void1.example", "foo=%{d} foo=x -all", "exists:%{h-}.list.example ~all", "~exists -all", "a:%{d.example ~all",
     "exists:%{d0}.example -all", "a:x\x01.example ~all", "Redirect=pass.example", "include:subject.example", "mx:mxdead.example -all",
     f"{'a:out.example ' * 9}ip4:0.0.0.0/0 ip6:::/0 redirect=pass.example"]
)  # fmt: skip
records = st.one_of(
    *[st.builds(lambda body, end: " ".join(["v=spf1", *body, end]), st.lists(sound, max_size=5), endings)] * 4,
    st.lists(terms, max_size=8).map(lambda body: " ".join(["v=spf1", *body])),
)


@contextmanager
def served(text: str) -> Iterator[NameServer]:
    """The universe, with this record in it."""
    quoted = "".join(each if each not in '"\\' and each.isprintable() else f"\\{ord(each):03d}" for each in text)
    with NameServer({**ZONE, (SUBJECT, "TXT"): [f'"{quoted}"']}, failing=tuple(f"{name}." for name in DEAD)) as server:
        yield server


def ours(text: str, address: str) -> Verdict:
    async def ask(server: NameServer) -> Verdict:
        async with Resolver(servers=(server.address,), deadline=30) as asks:
            return await check_host(asks, ip_address(address), None, SENDER, HELO, now=1.0)

    with served(text) as server:
        return asyncio.run(ask(server))


def test_we_answer_as_pyspf_does_except_for_reasons_that_have_a_name() -> None:
    agreed: Counter[str] = Counter()
    differed: Counter[str] = Counter()

    @settings(
        max_examples=RECORDS, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(records.filter(lambda text: len(text) < 250), st.sampled_from(CLIENTS))
    def compare(text: str, address: str) -> None:
        verdict, theirs = ours(text, address), opinion(text, address, SENDER, HELO)
        if verdict.result == theirs.result:
            agreed[verdict.result] += 1
            return
        why = reason(Disagreement(text=text, address=address, ours=verdict, theirs=theirs))
        assert why is not None, f"{address} {text!r}: we say {verdict.result} ({verdict.why}), pyspf {theirs}"
        differed[why] += 1

    compare()
    assert agreed.total() + differed.total() >= 2000
    assert differed.total() < 0.3 * agreed.total(), differed
    assert set(differed) == set(KNOWN), "a reason that no record shows is no reason"
    assert min(agreed[each] for each in ("pass", "fail", "softfail", "neutral", "permerror", "temperror")) > 20, agreed
