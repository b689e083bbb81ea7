"""Set-ups as they are met with: what is healthy is left alone, and what is advised is right for that set-up."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from dns.name import from_text

from mailwatch.checks.dns.generic import looks_generic
from tests.test_zones import HEALTHY, bad, changed, findings, owner

if TYPE_CHECKING:
    from mailwatch.finding import Finding

REVERSE = "25.2.0.192.in-addr.arpa."
V4 = {"ip": ["192.0.2.25"]}


def found(case: dict[str, Any], code: str) -> Finding:
    """The one finding with this code."""
    all_of_it = findings(case)
    (one,) = [each for each in all_of_it if each.code == code] or [pytest.fail("\n".join(map(str, all_of_it)))]
    return one


def codes(case: dict[str, Any]) -> set[str]:
    return {each.code for each in bad(findings(case))}


def after(case: dict[str, Any]) -> dict[str, Any]:
    """The case with everything published that was advised; SPF and DMARC have TXT records of their own there."""
    lines = [line for each in bad(findings(case)) for line in (each.publish or "").splitlines()]
    timed = {line.replace(" IN ", " 300 IN ", 1) if line.split()[1] == "IN" else line for line in lines}
    assert len({owner(line) for line in timed}) == len(timed), f"advice against advice: {timed}"
    zone = changed(changed(HEALTHY, case.get("remove", []), case.get("zone", "")).splitlines(), [], "\n".join(timed))
    return {**case, "remove": [], "zone": zone}


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ipv4:192.0.2.25 ip6:2001:db8::25 include:nothing.example -all",
        "v=spf1 ip4=192.0.2.25, include:nothing.example a:gone.example.com mx;  +all",
        "v=spf1 ip4:192.0.2.25; ip6:2001:db8::25; a:gone.example.com redirect:nothing.example",
        "v=spf1 v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 include:a..example.com ?all",
    ],
)
def test_what_is_to_be_published_has_nothing_wrong_with_it(record: str) -> None:
    case = {"zone": f'example.com. 300 IN TXT "{record}"'}
    assert codes(case)
    assert codes(after(case)) == set()


def test_dmarc_that_only_watches_and_has_no_reports_is_to_have_reports_first() -> None:
    case = {"zone": '_dmarc.example.com. 300 IN TXT "v=DMARC1; p=none"'}
    assert codes(case) == {"dmarc-policy-none", "dmarc-no-reports"}
    assert codes(after(case)) == {"dmarc-policy-none"}
    assert "reports first" in found(case, "dmarc-policy-none").fix


def test_a_flattened_record_is_not_to_be_replaced_by_one_that_is_as_long() -> None:
    networks = [f"ip4:203.0.113.{each * 4}/30" for each in range(40)]
    strings = " ".join(f'" {each}"' for each in [*networks, "ip4:192.0.2.25", "ip4:192.0.2.25", "ip6:2001:db8::25"])
    case = {"zone": f'example.com. 300 IN TXT "v=spf1" {strings} " -all"'}
    assert found(case, "spf-too-long").publish is None


def test_a_wildcard_of_spf_protects_names_that_send_nothing() -> None:
    assert codes({"zone": '*.example.com. 300 IN TXT "v=spf1 -all"'}) == set()


def test_a_server_of_a_hosting_provider_says_its_own_name() -> None:
    zone = f"""
    {REVERSE} 300 IN PTR host12.hoster.example.
    host12.hoster.example. 300 IN A 192.0.2.25
    """
    assert codes({"zone": zone, "facts": {**V4, "helo": "host12.hoster.example"}}) == set()


@pytest.mark.parametrize("name", ["static.mail.example.com.", "vps01.example.com.", "pool.out.example.com."])
def test_a_name_within_the_domain_is_no_line_of_a_provider(name: str) -> None:
    assert looks_generic(from_text(name), ip_address("192.0.2.25"))
    zone = f'{REVERSE} 300 IN PTR {name}\n{name} 300 IN A 192.0.2.25\n{name} 300 IN TXT "v=spf1 a -all"'
    assert codes({"zone": zone, "facts": {**V4, "helo": name.rstrip(".")}}) == set()


def test_a_name_within_the_domain_that_holds_the_address_is_one() -> None:
    zone = f"{REVERSE} 300 IN PTR ip-192-0-2-25.example.com.\nip-192-0-2-25.example.com. 300 IN A 192.0.2.25"
    assert codes({"zone": zone, "facts": {**V4, "helo": "ip-192-0-2-25.example.com"}}) == {"ptr-generic"}


def test_mail_hosts_with_ipv6_alone_are_out_of_reach_for_many() -> None:
    zone = "example.com. 300 IN MX 10 mail6.example.com.\nmail6.example.com. 300 IN AAAA 2001:db8::26"
    assert codes({"zone": zone}) == {"mx-ipv6-only"}
    assert codes({"zone": f"{zone}\nexample.com. 300 IN MX 20 mail.example.com."}) == set()


def test_the_name_of_another_host_in_helo_is_not_to_get_this_address() -> None:
    one = found({"facts": {"helo": "mx2.example.com"}}, "helo-elsewhere")
    assert one.publish is None
    assert "Say mail.example.com in HELO" in one.fix


def test_a_name_in_helo_that_is_nowhere_comes_with_the_one_that_is_right() -> None:
    assert "mail.example.com is the name" in found({"facts": {"helo": "gone.example.com"}}, "helo-unresolved").fix


def test_a_name_in_helo_without_its_ipv6_address_is_to_get_it() -> None:
    case = {"remove": ["mail.example.com. AAAA"]}
    assert found(case, "helo-elsewhere").publish == "mail.example.com. 3600 IN AAAA 2001:db8::25"


def test_a_domain_that_is_parked_says_so() -> None:
    zone = 'example.com. 300 IN TXT "v=spf1 -all"\nexample.com. 300 IN MX 0 .'
    assert "example.com sends no mail at all" in found({"zone": zone}, "spf-fail").text
    assert "no mail at all" not in found({"facts": {"ip": ["192.0.2.99"]}}, "spf-fail").text


def test_a_domain_that_is_not_there_is_not_to_get_an_spf_record() -> None:
    one = found({"facts": {"domain": "gone.example.com"}}, "spf-none")
    assert "not in the DNS" in one.text
    assert one.publish is None
    assert "Publish" not in one.fix


def test_a_guess_is_no_error() -> None:
    one = found({"remove": [f"{REVERSE} PTR"], "facts": {**V4, "guessed": True}}, "ptr-missing")
    assert one.verdict == "warning"


def test_a_smarthost_of_ones_own_that_the_record_leaves_out() -> None:
    case = {"zone": 'example.com. 300 IN TXT "v=spf1 ip4:192.0.2.99 -all"', "facts": {"relay": "mx2.example.com"}}
    one = found(case, "provider-relay-unknown")
    assert one.verdict == "unknown"
    assert "(192.0.2.26) is not let pass" in one.text


def test_nothing_is_to_be_published_beside_an_alias() -> None:
    zone = """
    alias.example.com. 300 IN CNAME host.vendor.example.
    host.vendor.example. 300 IN A 203.0.113.9
    host.vendor.example. 300 IN TXT "v=spf1 ip4:203.0.113.9 -all"
    """
    case = {"zone": zone, "facts": {"domain": "alias.example.com", "mail_from": "alias.example.com"}}
    for code in ("spf-fail", "mx-implicit"):
        one = found(case, code)
        assert one.publish is None
        assert (
            "alias.example.com is an alias (CNAME) of host.vendor.example: have whoever publishes that change it"
            in one.fix
        )


def test_a_key_behind_an_alias_is_to_be_changed_at_the_provider() -> None:
    zone = """
    s1._domainkey.example.com. 300 IN CNAME s1.vendor.example.
    s1.vendor.example. 300 IN TXT "v=DKIM1; t=y; p="
    """
    one = found({"zone": zone}, "dkim-testing")
    assert one.publish is None
    assert "s1.vendor.example" in one.fix


def test_beside_the_alias_of_a_wildcard_anything_can_be_published() -> None:
    case = {
        "zone": "*.example.com. 300 IN CNAME www.example.com.\nwww.example.com. 300 IN A 192.0.2.80",
        "remove": ["_dmarc.example.com. TXT"],
    }
    assert found(case, "dmarc-missing").publish is not None


def test_a_name_in_a_zone_of_others_is_not_to_get_this_address() -> None:
    zone = f"{REVERSE} 300 IN PTR host.vendor.example."
    assert found({"zone": zone}, "ptr-not-confirmed").publish == f"{REVERSE} 3600 IN PTR mail.example.com."


@pytest.mark.parametrize(("relay", "code"), [("192.0.2.25", "provider-ok"), ("10.0.0.5", "provider-relay-unknown")])
def test_a_smarthost_that_is_named_by_its_address(relay: str, code: str) -> None:
    assert found({"facts": {"relay": relay}}, code)


def test_a_record_that_names_nobody_refuses_every_relay() -> None:
    case: dict[str, Any] = {
        "zone": 'example.com. 300 IN TXT "v=spf1 -all"',
        "facts": {"relay": "smtp.relay.example"},
    }
    assert codes(case) == {"provider-nobody-passes"}
    case["facts"]["mail_from"] = "user@mail.example.com"
    assert "provider-relay-unknown" in codes(case)


def test_an_envelope_that_cannot_be_guessed_is_not_said_to_be_missing() -> None:
    one = found({"facts": {"relay": "smtp.sendgrid.net"}}, "provider-ok")
    assert "none is to be seen at the usual names" in one.text
