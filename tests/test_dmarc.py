"""DMARC of a domain, against a real name server: whether mail from here passes, and by whose rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import dns.name
import pytest

from mailwatch.checks.dns.dmarc.check import check
from mailwatch.checks.dns.dmarc.suffix_list import is_public, registered
from mailwatch.checks.dns.facts import Facts, Selector, Stated
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from mailwatch.finding import Finding

SOA = """
. 300 IN SOA a.root.example. hostmaster.example.com. 1 1800 900 604800 300
example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 1 1800 900 604800 300
example.com. 300 IN MX 10 mail.example.com.
mail.example.com. 300 IN A 192.0.2.25
"""
REPORTS = "rua=mailto:dmarc@example.com"
REJECT = f"v=DMARC1; p=reject; {REPORTS}"


def checked(
    zone: dict[str, str],
    domain: str = "example.com",
    mail_from: str | None = None,
    signing: tuple[str, ...] = (),
    **more: Any,
) -> list[Finding]:
    """What is found, of a zone of TXT records by their names."""
    facts = Facts(
        domain=dns.name.from_text(domain),
        now=0.0,
        nonce="mailwatch-nonce",
        mail_from=Stated(text=mail_from, origin="--mail-from") if mail_from is not None else None,
        selectors=tuple(Selector(selector="s1", domain=each, origin="--selector") for each in signing),
    )
    lines = "".join(f'{name}. 300 IN TXT "{text}"\n' for name, text in zone.items())
    with NameServer(SOA + lines, **more) as server:

        async def run() -> list[Finding]:
            async with Resolver(servers=(server.address,), deadline=4.0) as asks:
                return await check(asks, facts)

        return asyncio.run(run())


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.code, each.verdict) for each in found]


@pytest.mark.parametrize(
    ("tags", "mail_from", "signing", "expected"),
    [
        ("", "user@example.com", ("example.com",), [("dmarc-ok", "ok")]),
        ("", "user@bounce.example.com", ("mail.example.com",), [("dmarc-ok", "ok")]),
        ("", None, (), [("dmarc-ok", "ok")]),
        ("", "<>", (), [("dmarc-ok", "ok")]),
        ("; aspf=s", "user@bounce.example.com", ("example.com",), [("dmarc-spf-not-aligned", "warning")]),
        ("; adkim=s", "user@example.com", ("mail.example.com",), [("dmarc-dkim-not-aligned", "warning")]),
        ("", "user@relay.example", ("example.com",), [("dmarc-spf-not-aligned", "warning")]),
        ("", "user@relay.example", (), [("dmarc-spf-not-aligned", "warning")]),
        ("", "user@relay.example", ("relay.example",), [("dmarc-nothing-aligned", "error")]),
        ("", "user@relay.example", ("relay.example", "example.com"), [("dmarc-spf-not-aligned", "warning")]),
        ("; aspf=s; adkim=s", "user@mail.example.com", ("mail.example.com",), [("dmarc-nothing-aligned", "error")]),
    ],
)
def test_whether_mail_from_here_passes(
    tags: str, mail_from: str | None, signing: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    found = checked({"_dmarc.example.com": REJECT + tags}, mail_from=mail_from, signing=signing)
    assert codes(found) == expected


def test_nothing_aligned_is_no_error_while_dmarc_only_watches() -> None:
    zone = {"_dmarc.example.com": f"v=DMARC1; p=none; {REPORTS}"}
    found = checked(zone, mail_from="user@relay.example", signing=("relay.example",))
    assert codes(found) == [("dmarc-policy-none", "warning"), ("dmarc-nothing-aligned", "warning")]


def test_receivers_by_the_list_and_by_the_walk_that_see_two_organizations_are_told() -> None:
    zone = {"_dmarc.mail.example.com": "v=DMARC1; p=reject; rua=mailto:dmarc@mail.example.com"}
    (found,) = checked(zone, "mail.example.com", "user@example.com", ("mail.example.com",))
    assert (found.code, found.verdict) == ("dmarc-list-differs", "warning")
    assert "belongs to mail.example.com, " in found.text
    assert "to example.com:" in found.text


def test_a_difference_of_which_nothing_comes_is_no_fault() -> None:
    zone = {"_dmarc.mail.example.com": "v=DMARC1; p=reject; rua=mailto:dmarc@mail.example.com"}
    found = checked(zone, "mail.example.com", "user@mail.example.com", ("mail.example.com",))
    assert codes(found) == [("dmarc-ok", "ok"), ("dmarc-list-differs", "not-applicable")]


def test_a_policy_that_only_some_receivers_find_is_told() -> None:
    # psd=n below the registered domain: by the list, the record at example.com holds, and there is none
    zone = {"_dmarc.dept.example.com": "v=DMARC1; p=reject; psd=n; rua=mailto:dmarc@dept.example.com"}
    found = checked(zone, "mail.dept.example.com", "user@mail.dept.example.com", ("mail.dept.example.com",))
    assert codes(found) == [("dmarc-list-differs", "warning")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"v=DMARC1; p=reject; sp=quarantine; {REPORTS}", [("dmarc-ok", "ok")]),
        (f"v=DMARC1; p=reject; sp=none; {REPORTS}", [("dmarc-policy-none", "warning")]),
        (f"v=DMARC1; p=reject; np=none; {REPORTS}", [("dmarc-ok", "ok")]),
        (f"v=DMARC1; p=none; sp=reject; {REPORTS}", [("dmarc-ok", "ok")]),
    ],
)
def test_a_subdomain_has_the_policy_for_subdomains(text: str, expected: list[tuple[str, str]]) -> None:
    assert codes(checked({"_dmarc.example.com": text}, "mail.example.com")) == expected


def test_a_subdomain_that_does_not_exist_has_the_policy_for_those() -> None:
    zone = {"_dmarc.example.com": f"v=DMARC1; p=reject; np=none; {REPORTS}"}
    assert codes(checked(zone, "nothing.example.com")) == [("dmarc-policy-none", "warning")]


def test_a_subdomains_own_policy_for_subdomains_is_not_read() -> None:
    zone = {"_dmarc.example.com": REJECT, "_dmarc.mail.example.com": f"v=DMARC1; p=reject; sp=none; {REPORTS}"}
    found = checked(zone, "mail.example.com")
    assert codes(found) == [("dmarc-ok", "ok"), ("dmarc-subdomain-policy-ignored", "not-applicable")]


def test_a_record_that_a_wildcard_gives_is_told() -> None:
    assert codes(checked({"*.example.com": REJECT})) == [("dmarc-wildcard", "warning")]


def test_what_a_wildcard_says_of_other_things_is_no_near_miss() -> None:
    assert codes(checked({"*.example.com": "dmarc is not here"})) == [("dmarc-missing", "error")]


def test_what_is_not_known_of_alignment_is_unknown() -> None:
    faults = {"_dmarc.relay.example. TXT": "servfail"}
    found = checked({"_dmarc.example.com": REJECT}, mail_from="user@relay.example", faults=faults)
    assert codes(found) == [("dmarc-unknown", "unknown")]


def test_the_line_to_publish_instead_is_right_when_it_is_published() -> None:
    wrong = "v=DMARC1; p=rejekt; rau=mailto:dmarc@example.com; pct=10"
    found = checked({"_dmarc.example.com": wrong})
    (line,) = {each.publish for each in found if each.code == "dmarc-policy-invalid"}
    assert line == f'_dmarc.example.com. 300 IN TXT "{REJECT}"'
    assert codes(checked({"_dmarc.example.com": REJECT})) == [("dmarc-ok", "ok")]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("user.github.io", "user.github.io"),
        ("a.user.github.io", "user.github.io"),
        ("A.EXAMPLE.COM", "example.com"),
    ],
)
def test_the_organization_by_the_public_suffix_list(domain: str, expected: str) -> None:
    assert registered(dns.name.from_text(domain)) == dns.name.from_text(expected)


def test_a_public_suffix_is_told_from_a_domain() -> None:
    assert is_public(dns.name.from_text("co.uk"))
    assert not is_public(dns.name.from_text("example.co.uk"))
