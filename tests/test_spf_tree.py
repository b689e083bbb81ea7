"""What an SPF record leads to, costs, covers, and what should be published instead: truth from the zones, not the code."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.checks.dns.facts import Facts, SendingAddress
from mailwatch.checks.dns.provider.known import PROVIDERS, behind
from mailwatch.checks.dns.provider.provider import is_relay_of, matches, relay_host
from mailwatch.checks.dns.spf.corrected import corrected, fresh, merged
from mailwatch.checks.dns.spf.counts import MOST_LINES, Count, count, drawn, loops
from mailwatch.checks.dns.spf.coverage import coverage
from mailwatch.checks.dns.spf.judging import senders
from mailwatch.checks.dns.spf.networks import duplicates, shadowed
from mailwatch.checks.dns.spf.ranges import EVERYONE, NONE, Ranges
from mailwatch.checks.dns.spf.record import parse
from mailwatch.checks.dns.spf.subject import Subject, line, listed
from mailwatch.checks.dns.spf.targets import registrable
from mailwatch.checks.dns.spf.tree import MOST_DOMAINS, Tree, grow, named
from mailwatch.examination import examine
from mailwatch.finding import ERROR, Finding
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.test_zones import HEALTHY, ZONES, bad, changed, facts_of, findings

ROOT = dns.name.from_text("example.com")
SOA = "example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 1 1800 900 604800 300\n"


def grown(zone: str) -> Tree:
    """The tree of example.com in a zone."""

    async def run(port: int) -> Tree:
        async with Resolver(servers=(("127.0.0.1", port),), deadline=5.0) as asks:
            return await grow(asks, ROOT)

    with NameServer(SOA + zone) as server:
        return asyncio.run(run(server.address[1]))


def records(**texts: str) -> str:
    """SPF records: ``root`` of example.com, others of a name below it."""
    return "".join(
        f'{"" if name == "root" else f"{name}."}example.com. 300 IN TXT "v=spf1 {text}"\n'
        for name, text in texts.items()
    )


NETWORKS = st.builds(
    lambda address, prefix: ip_network((address, prefix), strict=False),
    st.integers(0, 255).map(lambda last: f"192.0.2.{last}"),
    st.integers(24, 32),
)
SETS = st.lists(NETWORKS, max_size=6)


def members(networks: list[Any]) -> set[str]:
    return {str(each) for network in networks for each in network}


def held(ranges: Ranges) -> set[str]:
    return {str(each) for each in ip_network("192.0.2.0/24") if each in ranges}


@given(SETS, SETS)
def test_sets_of_addresses_are_joined_cut_and_taken_away_like_sets(one: list[Any], other: list[Any]) -> None:
    left, right = Ranges.of(one), Ranges.of(other)
    assert held(left | right) == members(one) | members(other)
    assert held(left & right) == members(one) & members(other)
    assert held(left - right) == members(one) - members(other)
    assert bool(left - right) == bool(members(one) - members(other))
    assert left.share(4) == len(members(one)) / 2**32
    assert left.share(6) == 0


def test_ranges_of_both_families_never_mix() -> None:
    both = Ranges.of([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])
    assert ip_address("192.0.2.1") in both
    assert ip_address("2001:db8::1") in both
    assert ip_address("::c000:201") not in both
    assert (both - EVERYONE) == NONE
    assert (EVERYONE - both).share(6) == pytest.approx(1 - 2**-32)


@pytest.mark.parametrize(
    ("networks", "bits"),
    [
        ([], None),
        (["192.0.2.1/32"], 32),
        (["10.0.0.0/8"], 8),
        (["10.0.0.0/9", "10.128.0.0/10"], 8),
        (["0.0.0.0/1", "128.0.0.0/1"], 0),
    ],
)
def test_the_prefix_of_a_set_is_that_of_a_network_that_would_hold_it(networks: list[str], bits: int | None) -> None:
    assert Ranges.of(map(ip_network, networks)).bits(4) == bits


COVERED = [
    ("the networks it names", records(root="ip4:192.0.2.0/25 -all"), ["192.0.2.1"], ["192.0.2.128", "2001:db8::1"]),
    ("an exception is not covered", records(root="-ip4:192.0.2.7 ip4:192.0.2.0/24 -all"), ["192.0.2.6"], ["192.0.2.7"]),
    ("an exception after is none", records(root="ip4:192.0.2.0/24 -ip4:192.0.2.7 -all"), ["192.0.2.7"], []),
    ("softfail is no pass", records(root="~ip4:192.0.2.0/24 ?ip4:198.51.100.0/24 -all"), [], ["192.0.2.1", "198.51.100.1"]),
    ("nothing after all", records(root="-all ip4:192.0.2.0/24"), [], ["192.0.2.1"]),
    ("an include", records(root="include:a.example.com -all", a="ip4:192.0.2.1 ~all"), ["192.0.2.1"], ["192.0.2.2"]),
    ("an include with a minus", records(root="-include:a.example.com +all", a="ip4:192.0.2.1 -all"), ["192.0.2.2"], ["192.0.2.1"]),
    ("no qualifier of the inner record", records(root="include:a.example.com ~all", a="-ip4:192.0.2.1 +all"), ["192.0.2.2"], ["192.0.2.1"]),
    ("redirect", records(root="ip4:192.0.2.1 redirect=a.example.com", a="ip4:192.0.2.2 -all"), ["192.0.2.1", "192.0.2.2"], ["192.0.2.3"]),
    ("redirect beside all is not followed", records(root="redirect=a.example.com -all", a="+all"), [], ["192.0.2.1"]),
    ("the addresses of a", records(root="a:h.example.com/31 -all") + "h.example.com. 300 IN A 192.0.2.4\n", ["192.0.2.5"], ["192.0.2.6"]),
    ("the addresses of mx", records(root="mx//64 -all") + "example.com. 300 IN MX 1 h.example.com.\nh.example.com. 300 IN AAAA 2001:db8::1\n", ["2001:db8::ffff"], ["2001:db8:0:1::1"]),
    ("a broken include covers nobody", records(root="include:a.example.com -all", a="ip4:192.0.2.1 ip4:x -all"), [], ["192.0.2.1"]),
    ("a circle ends", records(root="include:a.example.com -all", a="ip4:192.0.2.1 include:a.example.com -all"), ["192.0.2.1"], ["192.0.2.2"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "inside", "outside"), [pytest.param(*case[1:], id=case[0]) for case in COVERED])
def test_the_addresses_that_pass_are_told(zone: str, inside: list[str], outside: list[str]) -> None:
    covered = coverage(grown(zone)).ranges
    assert [each for each in inside if ip_address(each) not in covered] == []
    assert [each for each in outside if ip_address(each) in covered] == []


def test_the_terms_that_make_the_coverage_are_told_largest_first() -> None:
    tree = grown(
        records(root="ip4:192.0.2.1 include:a.example.com -all", a="ip4:198.51.100.0/24 ip4:203.0.113.0/25 -all")
    )
    assert [part.term.text for part in coverage(tree).largest(4)] == [
        "ip4:198.51.100.0/24",
        "ip4:203.0.113.0/25",
        "ip4:192.0.2.1",
    ]
    assert coverage(tree).largest(6) == []


COUNTED = [
    ("addresses cost nothing", records(root="ip4:192.0.2.1 ip6:2001:db8::1 -all exp=e.example.com"), Count(0)),
    ("include counts, and what it has", records(root="include:a.example.com -all", a="ptr exists:%{i}.example.com -all"), Count(3)),
    ("twice is twice", records(root="include:a.example.com include:a.example.com. -all", a="ptr -all"), Count(4)),
    ("redirect counts", records(root="redirect=a.example.com", a="ptr -all"), Count(2)),
    ("redirect beside all does not", records(root="-all redirect=a.example.com", a="ptr -all"), Count(0)),
    ("nothing after all", records(root="-all ptr"), Count(0)),
    ("an empty answer for IPv6 alone", records(root="a:h.example.com -all") + "h.example.com. 300 IN A 192.0.2.4\n", Count(1, 0, 1)),
    ("empty answers of a name that is not there", records(root="a:h.example.com mx:g.example.com -all"), Count(2, 2, 2)),
    ("hosts of mx do not count", records(root="mx -all") + "example.com. 300 IN MX 1 a.example.com.\nexample.com. 300 IN MX 2 b.example.com.\n", Count(1)),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expected"), [pytest.param(*case[1:], id=case[0]) for case in COUNTED])
def test_lookups_are_counted_at_worst(zone: str, expected: Count) -> None:
    assert count(grown(zone)) == expected


def test_doubling_includes_are_counted_without_walking_them_all() -> None:
    """Forty levels of two includes each: 2**40 visits, if anybody made them."""
    zone = records(root="include:l0.example.com -all") + "".join(
        records(**{f"l{at}": f"include:l{at + 1}.example.com include:l{at + 1}.example.com. -all"}) for at in range(40)
    )
    tree = grown(zone)
    assert count(tree).lookups > 10
    assert len(drawn(tree)) == MOST_LINES + 1
    assert coverage(tree).ranges == NONE
    assert loops(tree) == []


def test_the_tree_is_drawn_with_what_each_branch_costs() -> None:
    zone = records(
        root="mx include:a.example.com include:gone.example.com -all",
        a="a:h.example.com include:a.example.com ip4:192.0.2.1 -all",
    )
    assert drawn(grown(zone + "example.com. 300 IN MX 1 h.example.com.\nh.example.com. 300 IN A 192.0.2.4\n")) == [
        "example.com: 5 lookups at worst, 10 are allowed; 1 void for IPv6 senders, 2 are allowed",
        "├─ mx  1 lookup",
        "├─ include:a.example.com  3 lookups, 1 of them void for IPv6 senders",
        "│  ├─ a:h.example.com  1 lookup, void for IPv6 senders",
        "│  └─ include:a.example.com  1 lookup  (a loop)",
        "└─ include:gone.example.com  1 lookup  (no single SPF record there: nxdomain)",
    ]


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("mx inlcude:a.example.com -all", "example.com: a record that is wrong, so that receivers look nothing up"),
        ("a:gone.example.com -all", "example.com: 1 lookup at worst, 10 are allowed; 1 void, 2 are allowed"),
        ("ip4:192.0.2.1 -all", "example.com: 0 lookups at worst, 10 are allowed"),
    ],
)
def test_the_tree_begins_with_what_the_whole_costs(root: str, said: str) -> None:
    assert drawn(grown(records(root=root)))[0] == said


def test_the_tree_of_nothing_says_so() -> None:
    assert drawn(grown("example.com. 300 IN A 192.0.2.1")) == ["example.com: no single SPF record"]


CORRECTED = [
    ("nothing is wrong", "v=spf1 ip4:192.0.2.1 -all", [], "v=spf1 ip4:192.0.2.1 -all"),
    ("an address comes before all", "v=spf1 mx -all", ["ip4:192.0.2.1"], "v=spf1 mx ip4:192.0.2.1 -all"),
    ("what is there is not added", "v=spf1 ip4:192.0.2.1 -all", ["ip4:192.0.2.1"], "v=spf1 ip4:192.0.2.1 -all"),
    ("before redirect", "v=spf1 redirect=a.example.com", ["ip4:192.0.2.1"], "v=spf1 ip4:192.0.2.1 redirect=a.example.com"),
    ("redirect beside all goes", "v=spf1 mx redirect=a.example.com -all", [], "v=spf1 mx -all"),
    ("exp stays at the end", "v=spf1 exp=e.example.com mx -all", [], "v=spf1 mx -all exp=e.example.com"),
    ("twice is once", "v=spf1 mx a mx -all", [], "v=spf1 mx a -all"),
    ("with another qualifier it never decides", "v=spf1 -mx mx ~all", [], "v=spf1 -mx ~all"),
    ("a private network goes", "v=spf1 ip4:10.0.0.0/8 mx -all", [], "v=spf1 mx -all"),
    ("bits go", "v=spf1 ?ip4:192.0.2.77/24 -all", [], "v=spf1 ?ip4:192.0.2.0/24 -all"),
    ("after all goes", "v=spf1 mx -all a", [], "v=spf1 mx -all"),
    ("nobody is told to let everybody in", "v=spf1 mx +all", [], "v=spf1 mx ~all"),
    ("an end where there is none", "v=spf1 mx", [], "v=spf1 mx ~all"),
    ("a mistake with one meaning", "v=spf1 ipv4:192.0.2.1 -all", [], "v=spf1 ip4:192.0.2.1 -all"),
    ("two mistakes", "v=spf1 ipv4:192.0.2.1 incldue:a.example.com -all", [], "v=spf1 ip4:192.0.2.1 include:a.example.com -all"),
    ("a modifier that was meant for a mechanism", "v=spf1 ip4=192.0.2.1 -all", [], "v=spf1 ip4:192.0.2.1 -all"),
    ("a mistake nobody can read", "v=spf1 ip4:192.0.2.0/99 -all", [], None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "add", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CORRECTED])
def test_the_record_to_publish(text: str, add: list[str], expected: str | None) -> None:
    assert corrected(parse(text), add) == expected


@given(st.lists(st.sampled_from(["mx", "-a", "ip4:192.0.2.0/24", "ip4:192.0.2.9", "ip4:192.0.2.9/33", "?all", "ptr", "redirect=a.example", "x", "ip4=1", "v=spf1", "include: b.example", "ip4:10.0.0.1"]), max_size=8))  # fmt: skip
def test_what_should_be_published_has_no_mistake_and_is_right_already(words: list[str]) -> None:
    made = corrected(parse(" ".join(["v=spf1", *words])))
    if made is None:
        return
    assert parse(made).problems == ()
    assert corrected(parse(made)) == made


def test_two_records_become_one_that_says_what_both_say() -> None:
    one, other = parse("v=spf1 include:a.example.com ~all"), parse("v=spf1 include:A.example.com. ip4:192.0.2.1 -all")
    assert merged([one, other]) == "v=spf1 include:a.example.com ip4:192.0.2.1 -all"
    assert merged([one, parse("v=spf1 ip4:192.0.2.0/99 -all")]) is None
    assert fresh(["ip4:192.0.2.1"]) == "v=spf1 ip4:192.0.2.1 ~all"


def test_a_long_record_is_published_in_strings_of_255_bytes() -> None:
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{last}" for last in range(100, 130)) + " -all"
    made = line(ROOT, text)
    rdata = dns.rdata.from_text("IN", "TXT", made.partition(" IN TXT ")[2])
    assert made.startswith("example.com. IN TXT ")
    assert b"".join(rdata.strings).decode() == text  # type: ignore[attr-defined]


def test_what_is_said_twice_and_what_lies_within_another_is_found_once() -> None:
    terms = parse("v=spf1 ip4:192.0.2.1 mx MX ip4:192.0.2.1/32 ip4:192.0.2.0/24 -ip4:192.0.2.64/26 -all").terms
    assert [(term.column, first.column) for term, first in duplicates(terms)] == [(25, 22), (28, 8)]
    assert [term.text for term, _ in shadowed(terms)] == ["ip4:192.0.2.1", "ip4:192.0.2.1/32", "-ip4:192.0.2.64/26"]


@pytest.mark.parametrize("text", ["", ".", "a..b", "x" * 64 + ".example", "%{i}.example", "a." * 130, "ü.example\x00"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert named(text) is None or text.startswith("ü")


@pytest.mark.parametrize(
    ("relay", "provider"),
    [
        ("[email-smtp.eu-west-1.amazonaws.com]:587", "Amazon SES"),
        ("SMTP.SendGrid.net:587", "SendGrid"),
        ("smtp.eu.mailgun.org", "Mailgun"),
        ("[smtp.postmarkapp.com]", "Postmark"),
        ("example-com.mail.protection.outlook.com", "Microsoft 365"),
        ("smtp-relay.gmail.com.", "Google Workspace"),
        ("smtp.zoho.com.au", "Zoho Mail"),
        ("smtp.ionos.de", "IONOS"),
        ("ex4.mail.ovh.net", "OVHcloud"),
        ("smtp-relay.sendinblue.com", "Brevo"),
        ("smtp.example.com", None),
        ("email-smtp.eu-west-1.amazonaws.com.example.com", None),
        ("", None),
    ],
)
def test_a_relay_is_known_by_its_name(relay: str, provider: str | None) -> None:
    found = [each.name for each in PROVIDERS if is_relay_of(relay_host(relay), each)]
    assert found == ([provider] if provider else [])


@pytest.mark.parametrize(
    ("relay", "include"),
    [
        ("smtp.zoho.com", "zohomail.com"),
        ("[smtppro.zoho.eu]:587", "zohomail.eu"),
        ("smtp.zoho.in", "zohomail.in"),
        ("smtp.zoho.com.au", "zoho.com.au"),
        ("smtp.ionos.de", "_spf-eu.ionos.com"),
        ("SMTP.ionos.com.", "_spf-us.ionos.com"),
        ("smtp.office365.com", "spf.protection.outlook.com"),
    ],
)
def test_the_relay_of_a_region_asks_for_the_include_of_that_region(relay: str, include: str) -> None:
    found = behind(relay)
    assert found is not None
    assert found.includes[0] == include
    assert behind("smtp.example.com") is None


@pytest.mark.parametrize(
    ("host", "pattern", "expected"),
    [
        ("a.b.example", "**.example", True),
        ("b.example", "**.example", True),
        ("example", "**.example", False),
        ("a.b.example", "*.example", False),
        ("pro1.mail.example", "pro*.mail.example", True),
        ("xpro1.mail.example", "pro*.mail.example", False),
    ],
)
def test_patterns_of_host_names(host: str, pattern: str, expected: bool) -> None:
    assert matches(host, pattern) is expected


def test_every_provider_is_told_apart_and_its_includes_are_names() -> None:
    assert len({each.name for each in PROVIDERS}) == len(PROVIDERS)
    for provider in PROVIDERS:
        assert all(named(each) for each in provider.includes)
        assert all(each == each.lower() for each in (*provider.relays, *provider.includes))


def test_things_are_listed_as_a_sentence_and_not_endlessly() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([str(number) for number in range(9)]) == "0, 1, 2, 3 and 5 more"
    assert Subject(domain=ROOT, record="v=spf1 -all", better="v=spf1 -ALL").tell("spf-x", ERROR, "x").publish is None


PUBLISHED = [
    pytest.param(case, id=case["says"])
    for case in tomllib.loads((ZONES / "spf.toml").read_text())["case"]
    if case["finds"] and "second" not in case
]


@pytest.mark.parametrize("case", PUBLISHED)
def test_what_should_be_published_ends_the_problem(case: dict[str, Any]) -> None:
    lines = {each.publish: each for each in bad(findings(case)) if each.publish and each.check == "spf"}
    if not lines:
        return
    assert len({text.partition(" ")[0] for text in lines}) == len(lines), "two lines for one name"
    zone = changed(changed(HEALTHY, case.get("remove", []), case.get("zone", "")).splitlines(), [], "\n".join(
        text.replace(" IN ", " 300 IN ", 1) for text in lines
    ))  # fmt: skip
    with NameServer(zone, faults=case.get("faults", {})) as server:
        after = asyncio.run(_spf(server.address[1], case.get("facts", {})))
    codes = {each.code for each in lines.values()} - {"spf-type-99-only"}
    assert not codes & {each.code for each in bad(after)}, after
    assert [each for each in bad(after) if each.verdict == ERROR] == []


async def _spf(port: int, facts: dict[str, Any]) -> list[Finding]:
    async with Resolver(servers=(("127.0.0.1", port),), deadline=6.0) as asks:
        return (await examine(asks, facts_of(facts), only={"spf"}))["spf"]


def publish(zone: str, facts: dict[str, Any] | None = None, *, only: str = "spf") -> list[Finding]:
    """What one check finds in the healthy zone with these lines."""
    with NameServer(changed(HEALTHY, [], zone)) as server:
        return asyncio.run(_only(server.address[1], facts_of(facts or {}), only))


async def _only(port: int, facts: Facts, only: str) -> list[Finding]:
    async with Resolver(servers=(("127.0.0.1", port),), deadline=6.0) as asks:
        return (await examine(asks, facts, only={only}))[only]


OURS = "ip4:192.0.2.25 ip6:2001:db8::25"
BETTER = [
    ("a redirect to nothing goes", records(root=f"{OURS} redirect=gone.example.com"), f"v=spf1 {OURS} ~all"),
    ("an include of nothing goes", records(root=f"include:gone.example.com {OURS} -all"), f"v=spf1 {OURS} -all"),
    ("a name without address goes", records(root=f"a:gone.example.com {OURS} -all"), f"v=spf1 {OURS} -all"),
    ("an include that lets everybody pass goes", records(root=f"{OURS} include:a.example.com -all", a="+all"), f"v=spf1 {OURS} -all"),
    ("a network of half the Internet goes", records(root=f"{OURS} ip4:0.0.0.0/1 -all"), f"v=spf1 {OURS} -all"),
    ("ptr goes, and our addresses come", records(root="ptr -all"), f"v=spf1 {OURS} -all"),
    ("ptr goes, and a network has them already", records(root="ptr ip4:192.0.2.0/24 ip6:2001:db8::/64 -all"), "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/64 -all"),
    ("who passed by +all is named", records(root="+all"), f"v=spf1 {OURS} ~all"),
    ("a term that cannot be asked now stays", records(root=f"include:%{{i}}.example.com {OURS} ?all"), f"v=spf1 include:%{{i}}.example.com {OURS} ~all"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expected"), [pytest.param(*case[1:], id=case[0]) for case in BETTER])
def test_what_harms_goes_and_this_host_stays(zone: str, expected: str) -> None:
    assert {each.publish for each in publish(zone)} == {f'example.com. IN TXT "{expected}"'}


def test_more_names_of_an_address_than_ptr_looks_at_are_told() -> None:
    names = "".join(f"25.2.0.192.in-addr.arpa. 300 IN PTR h{at}.example.com.\n" for at in range(11))
    found = publish(records(root="ptr ip4:192.0.2.25 ip6:2001:db8::25 -all") + names)
    assert [each.code for each in found] == ["spf-ptr", "spf-too-many-ptr"]


def test_a_guessed_address_is_never_an_error() -> None:
    zone = records(root="ip4:198.51.100.1 -all")
    assert [each.verdict for each in publish(zone)] == ["error"]
    (guessed,) = publish(zone, {"guessed": True})
    assert guessed.verdict == "warning"
    assert "guessed" in guessed.text
    assert "--ip" in guessed.fix


def test_behind_a_relay_only_an_address_given_for_it_is_the_sender() -> None:
    facts = facts_of({"relay": "smtp.relay.example", "ip": ["192.0.2.25"]})
    found_out = replace(facts, addresses=(SendingAddress(address=ip_address("192.0.2.25"), origin="an interface"),))
    assert [str(each.address) for each in senders(facts)] == ["192.0.2.25"]
    assert senders(found_out) == ()


def test_a_tree_without_end_is_left_at_some_point() -> None:
    zone = records(root=" ".join(f"include:i{at}.example.com" for at in range(10)) + " -all") + "".join(
        records(**{f"i{at}": f"include:i{2 * at + 10}.example.com include:i{2 * at + 11}.example.com -all"})
        for at in range(60)
    )
    assert len(grown(zone).published) == MOST_DOMAINS
    assert count(grown(zone)).lookups > 10


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("_spf.gone.example", "gone.example."),
        ("a.gone.co.zz", "gone.co.zz."),
        ("gone.example.com", None),
        ("a.b.nowhere", None),
    ],
)
def test_a_name_that_anybody_could_register_is_known_by_what_is_above_it(name: str, free: str | None) -> None:
    zone = "".join(
        f"{top} 300 IN SOA ns.{top} hostmaster.{top} 1 1800 900 604800 300\n" for top in ("example.", "co.zz.")
    )

    async def run(port: int) -> dns.name.Name | None:
        async with Resolver(servers=(("127.0.0.1", port),), deadline=5.0) as asks:
            return await registrable(asks, dns.name.from_text(name))

    with NameServer(changed(HEALTHY, [], zone)) as server:
        found = asyncio.run(run(server.address[1]))
    assert (found.to_text() if found else None) == free


def test_where_the_domain_itself_is_the_envelope_of_ses_its_include_is_right() -> None:
    zone = records(bounce="include:amazonses.com ~all")
    zone += "bounce.example.com. 300 IN MX 10 feedback-smtp.eu-west-1.amazonses.com.\n"
    zone += 'amazonses.com. 300 IN TXT "v=spf1 ip4:203.0.113.0/24 -all"\n'
    facts = {"relay": "email-smtp.eu-west-1.amazonaws.com", "domain": "bounce.example.com"}
    assert [each.code for each in publish(zone, facts, only="provider")] == ["provider-ok"]


def test_of_very_many_senders_twenty_are_asked_about() -> None:
    found = publish("", {"senders": [f"d{at}.example" for at in range(25)]}, only="senders")
    assert len(found) == 8
    assert "13 more domains" in found[-1].text


WORDS = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"v=spf1", b" ", b"include:", b"mx", b"a:h.example.com/0", b"ip4:0.0.0.0/0", b"redirect=example.com", b"%{i}", b"-all", b"exists:%%.", b"\xc3\xbc", b"ptr:"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(WORDS, max_size=12).map(lambda words: b" ".join([b"v=spf1", *words])[:250]), min_size=1, max_size=2
    )
)
def test_whatever_stands_in_a_record_every_check_ends_with_findings_in_plain_text(texts: list[bytes]) -> None:
    zone = "".join(
        'example.com. 300 IN TXT "' + "".join(f"\\{byte:03d}" for byte in text) + '"\n' for text in dict.fromkeys(texts)
    )
    for only in ("spf", "provider"):
        for each in publish(zone, only=only):
            assert not each.code.endswith("-not-checked"), each
            assert (each.text + each.fix + (each.record or "") + (each.publish or "")).isprintable(), each


def test_the_zones_of_this_file_are_there() -> None:
    assert len(PUBLISHED) > 40
    assert (Path(__file__).parent / "zones" / "provider.toml").exists()
