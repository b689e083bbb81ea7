"""check_host tells what decided and every step to it, counts what it evaluates and no more, and fails as the RFC says."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.name
import pytest

from mailwatch.checks.dns.spf.evaluate import MOST_TERMS, check_host
from mailwatch.checks.dns.spf.verdict import MATCH, NO_MATCH, PERMERROR, Verdict, Visit
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dns.name import Name

    from mailwatch.question import Answer, Asks, Page

FOUR, SIX = "192.0.2.25", "2001:db8::25"
Zone = dict[tuple[str, str], list[str]]


def txt(text: str) -> list[str]:
    return [" ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))]


class Answering:
    """A name server, and what a domain's record answers there."""

    def __init__(self, zone: Zone, faults: Mapping[str, str] | None = None) -> None:
        self.zone, self.faults = zone, faults
        self.asked: list[tuple[str, str]] = []

    def says(
        self,
        address: str = FOUR,
        sender: str = "user@example.com",
        helo: str = "mail.example.com",
        domain: Name | str | None = None,
        *,
        ahead: bool = True,
    ) -> Verdict:
        async def ask(server: NameServer) -> Verdict:
            async with Resolver(servers=(server.address,), deadline=20) as resolver:
                asks: Asks = resolver if ahead else NothingAhead(resolver)
                return await check_host(asks, ip_address(address), domain, sender, helo, now=1.0)

        with NameServer(self.zone, faults=self.faults) as server:
            verdict = asyncio.run(ask(server))
        self.asked = [each for each in server.asked if each != (".", "SOA")]  # the resolver's own
        return verdict


class NothingAhead:
    """The same resolver, without what is asked before it is wanted."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    async def ask(self, name: Name, kind: str) -> Answer:
        return await self._asks.ask(name, kind)

    def soon(self, name: Name, kind: str) -> None:
        pass

    def directly(self, address: str) -> Asks:
        return self._asks.directly(address)

    async def page(self, url: str) -> Page:
        return await self._asks.page(url)


def says(
    record: str, more: Zone | None = None, faults: Mapping[str, str] | None = None, address: str = FOUR
) -> Verdict:
    return Answering({("example.com", "TXT"): txt(record), **(more or {})}, faults).says(address)


TREE: Zone = {
    ("example.com", "TXT"): txt("v=spf1 a:one.example include:in.example mx -all"),
    ("one.example", "A"): ["198.51.100.1", "198.51.100.2"],
    ("in.example", "TXT"): txt("v=spf1 ip4:203.0.113.0/24 redirect=on.example"),
    ("on.example", "TXT"): txt("v=spf1 ip4:192.0.2.0/28 include:deep.example ~all"),
    ("deep.example", "TXT"): txt("v=spf1 ip4:192.0.2.16/28 -all"),
}


def test_the_term_that_decides_is_told_with_its_record_and_the_way_down_to_the_last() -> None:
    verdict = Answering(TREE).says()
    assert verdict.result == "pass"
    assert verdict.decided_by is not None
    assert (verdict.decided_by.domain, verdict.decided_by.term.text, verdict.decided_by.term.column) == (
        "example.com",
        "include:in.example",
        22,
    )
    assert [(place.domain, place.term.text) for place in verdict.path] == [
        ("example.com", "include:in.example"),
        ("in.example", "redirect=on.example"),
        ("on.example", "include:deep.example"),
        ("deep.example", "ip4:192.0.2.16/28"),
    ]


def test_every_term_that_was_evaluated_is_a_step_with_what_it_saw_and_the_lookups_so_far() -> None:
    trace = Answering(TREE).says().trace
    first, second = trace.steps
    assert (first.term.text, first.outcome, first.target, first.seen, first.lookups) == (
        "a:one.example", NO_MATCH, "one.example", ("198.51.100.1", "198.51.100.2"), 1
    )  # fmt: skip
    assert (second.term.text, second.outcome, second.lookups) == ("include:in.example", MATCH, 4)
    assert second.into is not None
    assert second.into.domain == "in.example"
    assert [(step.term.text, step.lookups) for step in second.into.steps] == [
        ("ip4:203.0.113.0/24", 2),
        ("redirect=on.example", 4),
    ]
    assert "192.0.2.25 is in 192.0.2.16/28" in second.why


def test_a_redirect_decides_nothing_itself() -> None:
    zone: Zone = {
        ("example.com", "TXT"): txt("v=spf1 redirect=on.example"),
        ("on.example", "TXT"): txt("v=spf1 ip4:192.0.2.1 -all"),
    }
    verdict = Answering(zone).says()
    assert verdict.result == "fail"
    assert verdict.decided_by is not None
    assert (verdict.decided_by.domain, verdict.decided_by.term.text, verdict.decided_by.term.column) == (
        "on.example",
        "-all",
        22,
    )


def test_what_nothing_decides_is_neutral() -> None:
    verdict = says("v=spf1 ip4:192.0.2.1")
    assert (verdict.result, verdict.decided_by, verdict.path, verdict.lookups) == ("neutral", None, (), 0)


HOST: Zone = {("no.example", "A"): ["203.0.113.1"], ("no.example", "AAAA"): ["2001:db8:1::1"]}


def test_terms_after_the_one_that_matches_are_asked_ahead_perhaps_and_never_counted() -> None:
    answering = Answering({("example.com", "TXT"): txt(f"v=spf1 ip4:{FOUR} " + "a:void.example " * 12 + "-all")})
    verdict = answering.says()
    assert (verdict.result, verdict.lookups, verdict.void_lookups) == ("pass", 0, 0)
    assert answering.asked == [("example.com", "TXT")]


def test_what_will_be_asked_is_under_way_while_other_answers_are_waited_for() -> None:
    zone: Zone = {("example.com", "TXT"): txt("v=spf1 include:on1.example a:two.example mx:two.example ~all")}
    zone |= {(f"on{each}.example", "TXT"): txt(f"v=spf1 include:on{each + 1}.example ~all") for each in range(1, 5)}
    zone |= {("on5.example", "TXT"): txt("v=spf1 ~all")}
    answering = Answering(zone)
    assert answering.says().lookups == 7
    last = answering.asked.index(("on5.example", "TXT"))
    assert {("two.example", "A"), ("two.example", "MX")} <= set(answering.asked[:last])


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_what_is_asked_ahead_changes_nothing_of_the_verdict(address: str) -> None:
    zone: Zone = {
        **TREE,
        ("example.com", "TXT"): txt(
            "v=spf1 a:void.example a:one.example mx:void.example include:in.example exists:%{i}.void.example -all"
        ),
    }
    ahead, not_ahead = Answering(zone), Answering(zone)
    assert ahead.says(address) == not_ahead.says(address, ahead=False)
    assert sorted(set(not_ahead.asked) - set(ahead.asked)) == []


def test_ten_lookups_are_allowed_and_the_eleventh_is_an_error_where_it_stands() -> None:
    assert says("v=spf1 " + "a:no.example " * 10 + f"ip4:{FOUR}", HOST).result == "pass"
    verdict = says("v=spf1 " + "a:no.example " * 11 + f"ip4:{FOUR}", HOST)
    assert (verdict.result, verdict.lookups) == ("permerror", 11)
    assert verdict.decided_by is not None
    assert verdict.decided_by.term.column == 8 + 10 * len("a:no.example ")
    assert "lookup 11" in verdict.why


def test_a_redirect_counts_when_it_is_followed() -> None:
    more: Zone = {**HOST, ("on.example", "TXT"): txt("v=spf1 +all")}
    assert says("v=spf1 " + "a:no.example " * 9 + "redirect=on.example", more).result == "pass"
    assert says("v=spf1 " + "a:no.example " * 10 + "redirect=on.example", more).result == "permerror"
    assert says("v=spf1 " + "a:no.example " * 10 + f"ip4:{FOUR} redirect=on.example", more).result == "pass"


def test_two_void_lookups_are_allowed_and_the_third_is_an_error() -> None:
    assert says("v=spf1 a:void1.example exists:void2.example +all").void_lookups == 2
    assert says("v=spf1 a:void1.example exists:void2.example +all").result == "pass"
    verdict = says("v=spf1 a:void1.example exists:void2.example mx:void3.example +all")
    assert (verdict.result, verdict.void_lookups) == ("permerror", 3)
    assert "void lookup 3" in verdict.why


def test_an_address_of_ipv4_alone_is_void_for_a_client_of_ipv6() -> None:
    more: Zone = {("four.example", "A"): ["203.0.113.1"]}
    record = "v=spf1 a:four.example a:four.example a:four.example +all"
    assert says(record, more, address=FOUR).result == "pass"
    assert says(record, more, address=SIX).result == "permerror"


def test_addresses_of_mail_hosts_and_explanations_count_for_nothing() -> None:
    more: Zone = {("mx.example", "MX"): [f"{number} void{number}.example" for number in range(10)]}
    verdict = says("v=spf1 mx:mx.example -all exp=void.example", more)
    assert (verdict.result, verdict.lookups, verdict.void_lookups) == ("fail", 1, 0)


def test_ten_mail_hosts_are_allowed_and_eleven_are_an_error_though_the_first_would_match() -> None:
    hosts = {(f"h{number}.example", "A"): [f"192.0.2.{25 + number}"] for number in range(11)}
    mx = [f"{number} h{number}.example" for number in range(11)]
    assert says("v=spf1 mx:mx.example -all", {**hosts, ("mx.example", "MX"): mx[:10]}).result == "pass"
    assert says("v=spf1 mx:mx.example -all", {**hosts, ("mx.example", "MX"): mx}).result == "permerror"


def test_a_domain_that_says_it_takes_no_mail_has_no_mail_host_to_look_at() -> None:
    answering = Answering({("example.com", "TXT"): txt("v=spf1 mx ~all"), ("example.com", "MX"): ["0 ."]})
    verdict = answering.says()
    assert (verdict.result, verdict.void_lookups, verdict.trace.steps[0].seen) == ("softfail", 0, ())
    assert answering.asked == [("example.com", "TXT"), ("example.com", "MX")]


REVERSE = "25.2.0.192.in-addr.arpa"


def test_of_many_names_of_an_address_ten_are_looked_at() -> None:
    zone: Zone = {("example.com", "TXT"): txt("v=spf1 ptr -all")}
    names = [f"h{number:02}.example.com" for number in range(11)]
    zone |= {(REVERSE, "PTR"): [f"{name}." for name in names]}
    answering = Answering({**zone, (names[0], "A"): [FOUR]})
    assert answering.says().result == "pass"
    nobody = Answering(zone)
    assert nobody.says().result == "fail"
    assert len([name for name, kind in nobody.asked if kind == "A"]) == 10


def test_where_dns_fails_ptr_does_not_match_and_one_dead_name_does_not_hide_another() -> None:
    zone: Zone = {
        ("example.com", "TXT"): txt("v=spf1 ptr ~all"),
        (REVERSE, "PTR"): ["dead.example.com.", "mail.example.com."],
        ("mail.example.com", "A"): [FOUR],
    }
    assert Answering(zone, {"dead.example.com.": "servfail"}).says().result == "pass"
    verdict = Answering(zone, {f"{REVERSE}.": "servfail"}).says()
    assert (verdict.result, verdict.void_lookups) == ("softfail", 0)


def test_a_name_that_does_not_lead_back_is_no_match() -> None:
    zone: Zone = {
        ("example.com", "TXT"): txt("v=spf1 ptr ~all"),
        (REVERSE, "PTR"): ["mail.example.com.", "mail.notexample.com."],
        ("mail.example.com", "A"): ["203.0.113.9"],
        ("mail.notexample.com", "A"): [FOUR],
    }
    assert Answering(zone).says().result == "softfail"


@pytest.mark.parametrize(
    ("record", "faults", "result", "said"),
    [
        ("v=spf1 include:dead.example +all", {"dead.example.": "servfail"}, "temperror", "dead.example"),
        ("v=spf1 redirect=dead.example", {"dead.example.": "refused"}, "temperror", "dead.example"),
        ("v=spf1 a:dead.example +all", {"dead.example.": "servfail"}, "temperror", "nobody could tell the A of dead.example"),
        ("v=spf1 exists:dead.example +all", {"dead.example.": "servfail"}, "temperror", "dead.example"),
        ("v=spf1 +all", {"example.com.": "servfail"}, "temperror", "nobody could tell the TXT records of example.com"),
        ("v=spf1 include:void.example +all", {}, "permerror", "void.example has no SPF record: that is an error in include"),
        ("v=spf1 redirect=void.example", {}, "permerror", "void.example has no SPF record: that is an error in redirect"),
        ("v=spf1 include:a..example +all", {}, "permerror", "no name that DNS can hold"),
        ("v=spf1 include:example.com +all", {}, "permerror", "lookup 11"),
        ("v=spf1 redirect=example.com", {}, "permerror", "lookup 11"),
    ],
)  # fmt: skip
def test_it_fails_as_the_rfc_says_and_names_what_failed(
    record: str, faults: dict[str, str], result: str, said: str
) -> None:
    verdict = says(record, faults=faults)
    assert verdict.result == result
    assert said in verdict.why


def test_a_mistake_anywhere_is_an_error_before_anything_else_is_asked() -> None:
    answering = Answering({("example.com", "TXT"): txt(f"v=spf1 ip4:{FOUR} a:one.example ipv4:192.0.2.1")})
    verdict = answering.says()
    assert (verdict.result, verdict.lookups, verdict.trace.steps) == ("permerror", 0, ())
    assert "column 37" in verdict.why
    assert answering.asked == [("example.com", "TXT")]


@pytest.mark.parametrize(
    ("sender", "helo", "domain"),
    [
        ("", "", None),
        ("", "[192.0.2.5]", None),
        ("user@[192.0.2.5]", "mail.example.com", None),
        ("user@localhost", "mail.example.com", None),
        ("", "OEMCOMPUTER", None),
        ("user@a..example.com", "x", None),
        (f"user@{'x' * 64}.example.com", "x", None),
        (f"user@{'.'.join(['x' * 60] * 5)}", "x", None),
        ("user@", "mail.example.com", None),
        ("\x00\ud800@\x00", "\x00", None),
        ("user@example.com", "mail.example.com", ""),
        ("user@example.com", "mail.example.com", dns.name.root),
        ("user@example.com", "mail.example.com", "."),
    ],
)
def test_what_is_no_domain_has_no_verdict_and_nobody_is_asked(
    sender: str, helo: str, domain: Name | str | None
) -> None:
    answering = Answering({("example.com", "TXT"): txt("v=spf1 +all")})
    verdict = answering.says(sender=sender, helo=helo, domain=domain)
    assert (verdict.result, verdict.path, answering.asked) == ("none", (), [])
    assert verdict.why


def test_nothing_published_is_none_and_two_records_are_an_error() -> None:
    assert Answering({("www.example.com", "A"): [FOUR]}).says().result == "none"
    assert Answering({}).says().result == "none"
    assert Answering({("example.com", "TXT"): [*txt("v=spf1 a"), *txt("v=spf1 mx")]}).says().result == "permerror"


def test_the_helo_name_is_judged_as_a_domain_of_its_own() -> None:
    zone: Zone = {("mail.example.com", "TXT"): txt("v=spf1 a -all"), ("mail.example.com", "A"): [FOUR]}
    verdict = Answering(zone).says(sender="postmaster@mail.example.com", domain=dns.name.from_text("mail.example.com"))
    assert verdict.result == "pass"
    assert Answering(zone).says(sender="").result == "pass"


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4() -> None:
    assert (
        says("v=spf1 ip6:::ffff:0:0/96 ip4:192.0.2.0/24 -all", address=f"::ffff:{FOUR}").decided_by
        == says("v=spf1 ip6:::ffff:0:0/96 ip4:192.0.2.0/24 -all").decided_by
    )


def test_an_explanation_is_that_of_the_domain_that_fails_and_says_who_it_is_about() -> None:
    zone: Zone = {
        ("example.com", "TXT"): txt("v=spf1 include:in.example redirect=on.example exp=first.example"),
        ("in.example", "TXT"): txt("v=spf1 -all exp=first.example"),
        ("on.example", "TXT"): txt("v=spf1 -all exp=why.%{d}"),
        ("first.example", "TXT"): txt("not this"),
        ("why.on.example", "TXT"): txt("%{c} (%{p}) may not send for %{d} as %{s}"),
        (REVERSE, "PTR"): ["mail.on.example."],
        ("mail.on.example", "A"): [FOUR],
    }
    assert (
        Answering(zone).says().explanation
        == f"{FOUR} (mail.on.example) may not send for on.example as user@example.com"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.example.org.", "mail.example.com.", "example.com."], "example.com"),
        (["a.example.org.", "mail.example.com.", "other.example."], "mail.example.com"),
        (["a.example.org.", "other.example."], "a.example.org"),
        (["other.example."], "unknown"),
    ],
    ids=["the domain itself", "a name in it", "any that leads back", "none leads back"],
)
def test_the_name_of_an_address_is_the_nearest_that_leads_back(names: list[str], expected: str) -> None:
    zone: Zone = {
        ("example.com", "TXT"): txt("v=spf1 -all exp=why.example"),
        ("why.example", "TXT"): txt("%{p}"),
        (REVERSE, "PTR"): names,
    }
    zone |= {(name, "A"): [FOUR] for name in ("example.com", "mail.example.com", "a.example.org")}
    assert Answering(zone).says().explanation == expected


def test_a_hostile_tree_ends() -> None:
    many = "v=spf1 " + "ip4:9.9.9.9 " * 680
    zone: Zone = {(f"t{number}.example", "TXT"): txt(many) for number in range(8)}
    zone["example.com", "TXT"] = txt(
        "v=spf1 " + " ".join(f"include:t{number}.example" for number in range(8)) + " +all"
    )
    verdict = Answering(zone).says()
    assert verdict.result == PERMERROR
    assert steps(verdict.trace) <= MOST_TERMS + 20
    assert str(MOST_TERMS) in verdict.why


def steps(visit: Visit) -> int:
    return len(visit.steps) + sum(steps(step.into) for step in visit.steps if step.into is not None)
