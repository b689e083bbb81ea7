"""Names of addresses, HELO, MX, blocklists and name servers, of zones on real name servers: what nobody could tell, and what is said."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.name
import pytest

from mailwatch.checks.dns import wildcard
from mailwatch.examination import examine
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, VERDICTS, WARNING, Finding
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.test_zones import HEALTHY, bad, changed, facts_of

CHECKS = ("ptr", "helo", "mx", "blocklists", "delegation")
REVERSE = "25.2.0.192.in-addr.arpa."
REVERSE6 = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
NOT_FOUND = "no such finding"


def found_by(check: str, case: dict[str, Any]) -> list[Finding]:
    """What one check finds; ``local`` is what the resolver of this host has instead of the domain's name servers."""
    zone = changed(HEALTHY, case.get("remove", []), case.get("zone", ""))
    local = changed(zone.splitlines(), [], case.get("local", ""))

    async def examined(port: int) -> list[Finding]:
        servers = (("127.0.0.3", port),)
        async with Resolver(servers=servers, deadline=case.get("deadline", 4.0), authoritative_port=port) as asks:
            return (await examine(asks, facts_of(case.get("facts", {})), only={check}))[check]

    with NameServer(zone, faults=case.get("authoritative_faults", {})) as first:
        port = first.address[1]
        with (
            NameServer(zone, host="127.0.0.2", port=port, faults=case.get("authoritative_faults", {})),
            NameServer(local, host="127.0.0.3", port=port, faults=case.get("faults", {})),
        ):
            return asyncio.run(examined(port))


def one(check: str, case: dict[str, Any], code: str) -> Finding:
    found = found_by(check, case)
    return next(
        (each for each in found if each.code == code), Finding(check=check, code=NOT_FOUND, verdict="", text=str(found))
    )


@pytest.mark.parametrize("fault", ["servfail", "refused", "bogus"])
@pytest.mark.parametrize(
    ("check", "question"),
    [
        ("ptr", f"{REVERSE} PTR"),
        ("ptr", f"{REVERSE6} PTR"),
        ("ptr", "mail.example.com. A"),
        ("ptr", "mail.example.com. AAAA"),
        ("helo", "mail.example.com. A"),
        ("helo", "mail.example.com. AAAA"),
        ("mx", "example.com. MX"),
        ("blocklists", "25.2.0.192.zen.spamhaus.org. A"),
        ("blocklists", "2.0.0.127.zen.spamhaus.org. A"),
        ("blocklists", "1.0.0.127.zen.spamhaus.org. A"),
        ("blocklists", "mailwatch-nonce.zen.spamhaus.org. A"),
        ("blocklists", "dbltest.com.dbl.spamhaus.org. A"),
        ("blocklists", "example.com.dbl.spamhaus.org. A"),
        ("delegation", "example.com. NS"),
        ("delegation", "example.com. SOA"),
        ("delegation", "example.com. MX"),
        ("delegation", "example.com. TXT"),
        ("delegation", "mailwatch-nonce.example.com. TXT"),
    ],
)
def test_a_question_without_an_answer_is_unknown(check: str, question: str, fault: str) -> None:
    found = bad(found_by(check, {"faults": {question: fault}}))
    assert [(each.code, each.verdict) for each in found] == [(f"{check}-unknown", UNKNOWN)], found
    assert "could not be" in found[0].text


@pytest.mark.parametrize("check", CHECKS)
def test_a_resolver_that_says_nothing_is_unknown(check: str) -> None:
    found = bad(found_by(check, {"faults": {"*": "silent"}, "deadline": 0.4}))
    assert found
    assert {each.verdict for each in found} == {UNKNOWN}


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_well_is_said_once(check: str) -> None:
    (found,) = found_by(check, {})
    assert (found.code, found.verdict) == (f"{check}-ok", OK)


@pytest.mark.parametrize("check", ["ptr", "helo"])
def test_behind_a_relay_the_names_of_this_host_do_not_matter(check: str) -> None:
    (found,) = found_by(check, {"facts": {"relay": "smtp.relay.example"}, "remove": [f"{REVERSE} PTR"]})
    assert (found.code, found.verdict) == (f"{check}-relay", NOT_APPLICABLE)
    assert "smtp.relay.example" in found.text


def test_behind_a_relay_domains_are_asked_about_still() -> None:
    zone = "25.2.0.192.zen.spamhaus.org. 300 IN A 127.0.0.2\nexample.com.dbl.spamhaus.org. 300 IN A 127.0.1.4"
    found = found_by("blocklists", {"zone": zone, "facts": {"relay": "smtp.relay.example", "ip": ["192.0.2.25"]}})
    assert {each.code for each in found} == {"blocklists-domain-listed", "blocklists-relay"}


@pytest.mark.parametrize(("check", "code"), [
    ("ptr", "ptr-no-address"), ("helo", "helo-no-address"), ("blocklists", "blocklists-no-address"),
])  # fmt: skip
def test_without_a_known_address_it_is_asked_for(check: str, code: str) -> None:
    found = one(check, {"facts": {"ip": []}}, code)
    assert found.verdict == UNKNOWN
    assert "--ip" in found.fix


def test_an_address_of_a_private_network_is_not_looked_up() -> None:
    found = one("ptr", {"facts": {"ip": ["192.168.1.5"], "guessed": True}}, "ptr-private-address")
    assert found.verdict == UNKNOWN
    assert "--ip" in found.fix


@pytest.mark.parametrize(("check", "case", "code"), [
    ("ptr", {"remove": [f"{REVERSE} PTR"]}, "ptr-missing"),
    ("helo", {"facts": {"helo": "mx2.example.com"}}, "helo-elsewhere"),
    ("blocklists", {"zone": "25.2.0.192.zen.spamhaus.org. 300 IN A 127.0.0.2"}, "blocklists-address-listed"),
])  # fmt: skip
def test_a_guessed_address_is_told_as_such(check: str, case: dict[str, Any], code: str) -> None:
    case["facts"] = {**case.get("facts", {}), "guessed": True}
    found = one(check, case, code)
    assert "(guessed from --ip)" in found.text
    assert "--ip ADDRESS" in found.fix


@pytest.mark.parametrize(
    ("check", "case", "code", "publish"),
    [
        ("ptr", {"remove": [f"{REVERSE} PTR"]}, "ptr-missing", f"{REVERSE} 3600 IN PTR mail.example.com."),
        ("ptr", {"zone": f"{REVERSE} 300 IN PTR new.example.com."}, "ptr-not-confirmed", "new.example.com. 3600 IN A 192.0.2.25"),
        ("helo", {"facts": {"helo": "new.example.com", "ip": ["192.0.2.25"]}}, "helo-unresolved", "new.example.com. 3600 IN A 192.0.2.25"),
        ("mx", {"remove": ["example.com. MX"]}, "mx-implicit", "example.com. 3600 IN MX 10 mail.example.com."),
    ],
)  # fmt: skip
def test_the_line_to_publish_is_given(check: str, case: dict[str, Any], code: str, publish: str) -> None:
    assert one(check, case, code).publish == publish


@pytest.mark.parametrize(
    ("zone", "code", "verdict"),
    [
        ("example.com. 300 IN MX 10 gone.example.com.", "mx-unresolved", ERROR),
        (
            "example.com. 300 IN MX 10 gone.example.com.\nexample.com. 300 IN MX 20 mail.example.com.",
            "mx-unresolved",
            WARNING,
        ),
        ("example.com. 300 IN MX 10 localhost.", "mx-local", ERROR),
        ("example.com. 300 IN MX 10 localhost.\nexample.com. 300 IN MX 20 mail.example.com.", "mx-local", WARNING),
        ("example.com. 300 IN MX 10 gone.example.com.\nexample.com. 300 IN MX 20 localhost.", "mx-unresolved", ERROR),
    ],
)
def test_mail_is_lost_only_where_no_server_is_left(zone: str, code: str, verdict: str) -> None:
    assert one("mx", {"zone": zone}, code).verdict == verdict


def test_two_names_of_an_address_of_which_one_leads_back_are_no_error() -> None:
    zone = f"{REVERSE} 300 IN PTR mail.example.com.\n{REVERSE} 300 IN PTR gone.example.com."
    assert [each.code for each in bad(found_by("ptr", {"zone": zone}))] == ["ptr-several"]


def test_a_domain_that_is_not_there_is_told_once() -> None:
    case = {"facts": {"domain": "gone.example", "mail_from": "user@gone.example"}}
    assert [each.code for each in bad(found_by("delegation", case))] == ["delegation-no-domain"]
    assert bad(found_by("mx", case)) == []


def test_two_name_servers_at_one_address_are_told_as_one() -> None:
    found = one("delegation", {"zone": "ns2.example.com. 300 IN A 127.0.0.1"}, "delegation-one-server")
    assert found.text.startswith("The 2 name servers of example.com are one, at 127.0.0.1")
    assert found.record == "example.com. IN NS ns1.example.com.\nexample.com. IN NS ns2.example.com."


def test_a_domain_inside_a_zone_is_looked_for_in_it() -> None:
    (found,) = found_by("delegation", {"facts": {"domain": "mail.example.com"}})
    assert found.code == "delegation-ok"
    assert "example.com answer" in found.text


def test_the_zone_of_an_alias_is_not_that_of_its_target() -> None:
    zone = "alias.example.com. 300 IN CNAME example.com."
    found = found_by("delegation", {"zone": zone, "facts": {"domain": "alias.example.com"}})
    assert "name servers of example.com answer" in found[0].text


@pytest.mark.parametrize("local", ['example.com. 77 IN TXT "v=spf1 -all"', "example.com. 77 IN MX 10 old.example.com."])
def test_what_this_host_remembers_is_compared_with_what_the_servers_say(local: str) -> None:
    found = one("delegation", {"local": local}, "delegation-local-differs")
    assert found.verdict == WARNING
    assert found.ttl == 77
    assert local.split("IN ", 1)[1] in str(found.record)
    assert "for 77 seconds more" in found.text


def test_a_wildcard_of_txt_records_is_told() -> None:
    found = one("delegation", {"zone": '*.example.com. 300 IN TXT "v=DMARC1; p=none"'}, "delegation-wildcard-txt")
    assert found.verdict == WARNING
    assert found.record == '*.example.com. IN TXT "v=DMARC1; p=none"'


def test_name_servers_without_an_answer_leave_it_unknown() -> None:
    found = bad(found_by("delegation", {"authoritative_faults": {"*": "refused"}}))
    assert [each.code for each in found] == ["delegation-unknown"]
    assert "REFUSED" in found[0].text


def test_ipv6_of_name_servers_is_left_out_where_none_of_it_answers() -> None:
    zone = "ns1.example.com. 300 IN AAAA ::1\nns2.example.com. 300 IN AAAA ::1"
    assert bad(found_by("delegation", {"zone": zone})) == []


def test_a_lists_own_words_are_bounded_and_without_control_characters() -> None:
    words = '"\\027[31m' + "x" * 200 + '"'
    zone = f"25.2.0.192.all.s5h.net. 300 IN A 127.0.0.77\n25.2.0.192.all.s5h.net. 300 IN TXT {words}"
    found = one("blocklists", {"zone": zone}, "blocklists-address-listed")
    assert found.verdict == WARNING
    assert "\\027[31mxxx" in found.text
    assert found.text.isprintable()
    assert len(found.text) < 500


def test_all_lists_that_could_not_be_asked_are_one_finding() -> None:
    zones = ("zen.spamhaus.org", "bl.spamcop.net", "all.s5h.net")
    zone = "\n".join(f"2.0.0.127.{each}. 300 IN A 127.255.255.254" for each in zones)
    (found,) = bad(found_by("blocklists", {"zone": zone}))
    assert found.code == "blocklists-unknown"
    assert "Spamhaus ZEN, SpamCop, s5h (it refuses public resolvers" in found.text
    assert "unbound" in found.fix


def test_a_listing_is_told_beside_lists_that_could_not_be_asked() -> None:
    zone = "25.2.0.192.bl.spamcop.net. 300 IN A 127.0.0.2\n2.0.0.127.zen.spamhaus.org. 300 IN A 127.255.255.254"
    found = bad(found_by("blocklists", {"zone": zone}))
    assert {each.code: each.verdict for each in found} == {
        "blocklists-address-listed": ERROR,
        "blocklists-unknown": UNKNOWN,
    }


HOSTILE = r"\000\027[2J\255\.x"
LONG = ".".join(["a" * 60] * 3)


@pytest.mark.parametrize(
    ("check", "zone"),
    [
        ("ptr", f"{REVERSE} 300 IN PTR {HOSTILE}.example.com."),
        ("ptr", f"{REVERSE} 300 IN PTR ."),
        ("ptr", f"{REVERSE} 300 IN PTR {LONG}.example.com."),
        ("ptr", "\n".join(f"{REVERSE} 300 IN PTR host{number}.example.com." for number in range(200))),
        ("helo", f"mail.example.com. 300 IN CNAME {HOSTILE}.example.com.\n{HOSTILE}.example.com. 300 IN A 192.0.2.25"),
        ("mx", f"example.com. 300 IN MX 10 {HOSTILE}.example.com."),
        ("mx", "\n".join(f"example.com. 300 IN MX 10 host{number}.example.com." for number in range(200))),
        ("delegation", f"example.com. 300 IN NS {HOSTILE}.example.com.\nexample.com. 300 IN NS ns1.example.com."),
        ("delegation", f'example.com. 300 IN TXT "{HOSTILE}"'),
    ],
)  # fmt: skip
def test_hostile_records_are_told_and_break_nothing(check: str, zone: str) -> None:
    owners = {line.split()[0] for line in zone.splitlines()}
    remove = ["mail.example.com. *"] if "mail.example.com." in owners else []
    found = found_by(check, {"zone": zone, "remove": remove, "local": 'example.com. 300 IN TXT "\\027"'})
    for each in found:
        assert not each.code.endswith("-not-checked"), each
        assert each.verdict in VERDICTS
        for text in (
            each.text,
            each.where,
            each.fix,
            *(each.record or "").splitlines(),
            *(each.publish or "").splitlines(),
        ):
            assert text.isprintable(), repr(text)
        assert len(each.text) < 5000


@pytest.mark.parametrize(
    "helo",
    ["", ".", "a" * 5000, "\x00", "[", "[::", "exa mple", "ü.example", "\u2603.example", "a..b", "*.example.com"],
)
@pytest.mark.parametrize("check", ["helo", "ptr", "mx", "blocklists"])
def test_an_odd_helo_or_sender_breaks_nothing(check: str, helo: str) -> None:
    for each in found_by(check, {"facts": {"helo": helo or None, "mail_from": helo}}):
        assert not each.code.endswith("-not-checked"), each
        assert each.text.isprintable()


@pytest.mark.parametrize(
    ("zone", "faults", "expected"),
    [
        ('s1.x.example.com. 300 IN TXT "a"', {}, False),
        ('*.x.example.com. 300 IN TXT "a"', {}, True),
        ('s1.x.example.com. 300 IN TXT "b"\n*.x.example.com. 300 IN TXT "a"', {}, False),
        ('other.x.example.com. 300 IN TXT "a"', {}, False),
        ('s1.x.example.com. 300 IN TXT "a"', {"s1.x.example.com. TXT": "servfail"}, None),
        ('s1.x.example.com. 300 IN TXT "a"', {"mailwatch-nonce.x.example.com. TXT": "servfail"}, None),
        ('*.x.example.com. 300 IN CNAME alias.example.com.\nalias.example.com. 300 IN TXT "a"', {}, True),
    ],
)
def test_a_wildcard_is_told_from_what_was_published(zone: str, faults: dict[str, str], expected: bool | None) -> None:
    async def answered(port: int) -> bool | None:
        async with Resolver(servers=(("127.0.0.1", port),), deadline=4.0) as asks:
            name = dns.name.from_text("s1.x.example.com.")
            return await wildcard.answered_by_wildcard(asks, facts_of({}), name, "TXT")

    with NameServer(changed(HEALTHY, [], zone), faults=faults) as server:
        assert asyncio.run(answered(server.address[1])) is expected
