"""Gets the policy of a domain as senders do, and says what keeps them from it (RFC 8461 section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.mta_sts.policy import Policy, read_policy
from mailwatch.checks.dns.names import below, shown, written
from mailwatch.checks.dns.versioned import plain
from mailwatch.finding import UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.question import Answer, Asks, Page

REFERENCE: Final = "RFC 8461 section 3.3"
OK, REDIRECTS, MISSING = 200, range(300, 400), (404, 410)
EFFECT: Final = "Senders cannot get the policy, and deliver as if there were none."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The policy at ``url``, or what keeps senders from it. Neither: nothing is there, and nothing was announced."""

    url: str
    policy: Policy | None = None
    findings: tuple[Finding, ...] = ()


def soon(asks: Asks, domain: Name) -> None:
    """Put the questions that a policy needs."""
    host = below(domain, "mta-sts")
    if host is not None:
        asks.soon(host, "A")
        asks.soon(host, "AAAA")


async def fetch(asks: Asks, domain: Name, *, announced: bool) -> Fetched:
    """The policy. Where no record tells of it (``announced``), only what is certainly one counts."""
    host = below(domain, "mta-sts")
    if host is None:
        return Fetched(url="")
    soon(asks, domain)
    url = f"https://{written(host).removesuffix('.')}/.well-known/mta-sts.txt"
    addresses = [await asks.ask(host, kind) for kind in ("A", "AAAA")]
    if all(each.outcome in (NXDOMAIN, NO_DATA) for each in addresses):
        return Fetched(url=url, findings=(_no_host(host, addresses[0]),) if announced else ())
    if not announced and not any(each.outcome == ANSWER for each in addresses):
        return Fetched(url=url)
    page = await asks.page(url)
    trouble = _trouble(page)
    if trouble is not None:
        return Fetched(url=url, findings=(trouble,))
    if not announced and not page.body.removeprefix(b"\xef\xbb\xbf").startswith(b"version:"):
        return Fetched(url=url)  # a page of some web server
    return Fetched(url=url, policy=read_policy(page.body), findings=tuple(_odd(page)))


def _no_host(host: Name, answer: Answer) -> Finding:
    return _finding(
        "no-host",
        f"{shown(host)}, where senders look for the MTA-STS policy, has no address. {EFFECT}",
        where=shown(host),
        fix="Publish an address (A, AAAA) of a web server for it that has the policy and a certificate for this name;"
        " or take the record out of _mta-sts.",
        ttl=answer.ttl,
    )


def _trouble(page: Page) -> Finding | None:
    """Why there is no policy on a page; None when there may be."""
    if page.untrusted:
        text = (
            f"The certificate at {page.url} is not good for that name: {plain(page.trouble or 'not trusted')}. {EFFECT}"
        )
        fix = "Get a certificate for that name from an authority that everybody trusts, and see that it is renewed."
        return _finding("certificate", text, where=page.url, fix=fix)
    if page.oversized:
        text = f"The page at {page.url} is too large for a policy: {plain(page.trouble or '')}. {EFFECT}"
        return _finding("too-large", text, where=page.url, fix="Serve the policy alone, which is a few lines.")
    if page.status is None:
        text = f"Could not check: no answer from {page.url}: {plain(page.trouble or 'no reason given')}."
        return Finding(check="mta_sts", code="mta-sts-unknown", verdict=UNKNOWN, text=text, where=page.url,
                       fix="See whether the web server answers, and whether this host may reach port 443 at all.",
                       reference=REFERENCE)  # fmt: skip
    if page.status in REDIRECTS:
        text = f"{page.url} redirects elsewhere (status {page.status}), and senders do not follow. {EFFECT}"
        return _finding("redirect", text, where=page.url, fix="Serve the policy at that address itself.")
    if page.status != OK:
        what = "There is no page" if page.status in MISSING else "The web server refuses"
        text = f"{what} at {page.url} (status {page.status}), where the MTA-STS policy should be. {EFFECT}"
        return _finding("no-policy", text, where=page.url, fix="Put the policy there, or take the record out.")
    return None


def _odd(page: Page) -> list[Finding]:
    kind = page.content_type.partition(";")[0].strip().lower()
    if kind == "text/plain":
        return []
    said = f'as "{plain(kind, 60)}"' if kind else "without a content type"
    text = f"The MTA-STS policy is served {said}, not as text/plain: senders may take it that there is none."
    fix = "Let the web server send Content-Type: text/plain for this file."
    return [_finding("content-type", text, where=page.url, fix=fix, reference="RFC 8461 section 3.2")]


def _finding(
    code: str, text: str, *, where: str, fix: str, ttl: int | None = None, reference: str = REFERENCE
) -> Finding:
    return Finding(check="mta_sts", code=f"mta-sts-{code}", verdict=WARNING, text=text, where=where, fix=fix, ttl=ttl,
                   reference=reference)  # fmt: skip
