"""BIMI: whether the logo can be fetched. What is wrong with records is told by broken zones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.name
import pytest

from mailwatch.checks.dns.bimi import check
from mailwatch.checks.dns.facts import Facts
from mailwatch.question import Page
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.finding import Finding
    from mailwatch.question import Answer, Asks

LOGO = "https://logo.example.com/logo.svg"
ZONE = f"""
example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 1 1800 900 604800 300
_dmarc.example.com. 300 IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
default._bimi.example.com. 300 IN TXT "v=BIMI1; l={LOGO}; a=https://logo.example.com/mark.pem"
"""


@dataclass
class WithPage:
    """Asks a real resolver about names, and has one page of the Web itself."""

    asks: Asks
    answer: Page

    async def ask(self, name: Name, kind: str) -> Answer:
        return await self.asks.ask(name, kind)

    def soon(self, name: Name, kind: str) -> None:
        self.asks.soon(name, kind)

    def directly(self, address: str) -> Asks:
        return self.asks.directly(address)

    async def page(self, url: str) -> Page:
        assert url == LOGO
        return self.answer


def checked(page: Page, domain: str = "example.com") -> list[Finding]:
    facts = Facts(domain=dns.name.from_text(domain), now=0.0, nonce="mailwatch-nonce")
    with NameServer(ZONE) as server:

        async def run() -> list[Finding]:
            async with Resolver(servers=(server.address,), deadline=4.0) as asks:
                return await check(WithPage(asks, page), facts)

        return asyncio.run(run())


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Page(url=LOGO, status=200), "bimi-ok"),
        (Page(url=LOGO, status=404), "bimi-logo-unreachable"),
        (Page(url=LOGO, trouble="certificate has expired", untrusted=True), "bimi-logo-unreachable"),
        (Page(url=LOGO, trouble="no answer from here"), "bimi-ok"),
    ],
)
def test_a_logo_that_is_not_there_is_told_and_one_that_this_host_cannot_reach_is_not(page: Page, code: str) -> None:
    assert [each.code for each in checked(page)] == [code]


def test_a_subdomain_has_the_logo_of_its_organization() -> None:
    assert [each.code for each in checked(Page(url=LOGO, status=200), "news.example.com")] == ["bimi-ok"]
