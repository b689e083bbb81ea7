"""BIMI: a logo beside mail, where receivers show one. Optional, and without DMARC that refuses it is never shown.

The source is draft-brand-indicators-for-message-identification; there is no RFC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.record import NONE, lowered
from mailwatch.checks.dns.dmarc.walk import discover, soon
from mailwatch.checks.dns.names import below, shown
from mailwatch.checks.dns.tag_list import TagList, tag_list
from mailwatch.checks.dns.txt import MOST, escaped, octets, shortened
from mailwatch.checks.dns.wildcard import answered_by_wildcard
from mailwatch.finding import NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.walk import Discovery
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "bimi"
LABELS: Final = ("default", "_bimi")
VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*BIMI1[ \t]*(?:;|$)")
KNOWN: Final = ("v", "l", "a", "avp", "lps", "s")
DRAFT: Final = "draft-brand-indicators-for-message-identification"
FOUND: Final = 200
LONGEST_URL: Final = 2000


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What keeps the logo from being shown; one finding when nothing does, or when none is published."""
    soon(asks, facts.domain)
    own = below(facts.domain, *LABELS)
    if own is None:
        return [_none(facts.domain)]
    asks.soon(own, "TXT")
    found = await discover(asks, facts.domain)
    name, answer = own, await asks.ask(own, "TXT")
    if answer.outcome not in (ANSWER, NOBODY_KNOWS) and found.organization not in (None, facts.domain):
        above = below(found.organization or facts.domain, *LABELS)
        if above is not None:
            name, answer = above, await asks.ask(above, "TXT")
    if answer.outcome == NOBODY_KNOWS:
        return [_unknown(answer)]
    if answer.outcome != ANSWER or await answered_by_wildcard(asks, facts, name, "TXT"):
        return [_none(facts.domain)]
    return await _published(asks, found, answer)


async def _published(asks: Asks, found: Discovery, answer: Answer) -> list[Finding]:
    """There are texts at the name."""
    texts = [octets(each).decode("latin-1") for each in answer.records[:MOST]]
    records = [text for text in texts if VERSION.match(text)]
    if len(records) > 1:
        return [
            _made(
                answer,
                "bimi-several-records",
                WARNING,
                f"There are {len(records)} BIMI records, and receivers discard them all: no logo is shown.",
                fix="Take out all but one.",
            )
        ]
    if not records:
        near = next((text for text in texts if "bimi" in text.lower()), None)
        if near is None:
            return [_none(found.walk.start)]
        return [
            _made(
                answer,
                "bimi-near-miss",
                WARNING,
                f'"{_seen(near)}" is no BIMI record, for one begins with exactly '
                "v=BIMI1 and a semicolon: no logo is shown.",
                fix="Correct the beginning.",
            )
        ]
    tags = tag_list(records[0])
    logo, certificate = _value(tags, "l"), _value(tags, "a")
    if not logo and not certificate and tags.first("l") is not None:
        return [_made(answer, "bimi-declined", NOT_APPLICABLE, "The BIMI record says that no logo is wanted.", fix="")]
    told = [*_grammar(answer, tags), *_addresses(answer, logo, certificate), *_enforcement(answer, found)]
    if not any(each.code in ("bimi-logo-address", "bimi-no-logo") for each in told):
        told += await _fetched(asks, answer, logo)
    if any(each.verdict in (WARNING, UNKNOWN) for each in told):
        return told
    return [_made(answer, "bimi-ok", OK, f"A logo is published: {_seen(logo)}.", fix=""), *told]


def _value(tags: TagList, name: str) -> str:
    tag = tags.first(name)
    return "" if tag is None else tag.value


def _grammar(answer: Answer, tags: TagList) -> list[Finding]:
    wrong = [(each.column, f"{_seen(each.piece)}: {each.text}") for each in tags.flaws]
    wrong += [(each.column, f"{each.name}= stands twice") for each in tags.repeated()]
    wrong += [(each.column, f"there is no tag {_seen(each.name)}") for each in tags.tags if each.name not in KNOWN]
    return [
        _made(
            answer,
            "bimi-syntax",
            WARNING,
            f"The BIMI record is not well written: {text}.",
            fix="Correct the record.",
            column=column,
        )
        for column, text in sorted(wrong)
    ]


def _addresses(answer: Answer, logo: str, certificate: str) -> list[Finding]:
    """What is wrong with where the logo and its certificate are."""
    return [each for each in (_logo(answer, logo), _certificate(answer, certificate)) if each is not None]


def _logo(answer: Answer, logo: str) -> Finding | None:
    if _is_https(logo, (".svg", ".svgz")):
        return None
    if not logo:
        text, fix = "The BIMI record has no address of a logo (l=): none is shown.", "Give one: l=https://.../logo.svg."
        return _made(answer, "bimi-no-logo", WARNING, text, fix=fix)
    text = f"The logo is at {_seen(logo)}, and receivers take an SVG file by https only: none is shown."
    return _made(answer, "bimi-logo-address", WARNING, text, fix="Give an address as https://.../logo.svg.")


def _certificate(answer: Answer, certificate: str) -> Finding | None:
    if _is_https(certificate, (".pem",)):
        return None
    if not certificate:
        text = "The logo has no certificate (a=), which is optional; Gmail and Apple show none without."
        fix = "Get a certificate for the mark, if they are to show it."
        return _made(answer, "bimi-no-certificate", NOT_APPLICABLE, text, fix=fix)
    text = f"The certificate is at {_seen(certificate)}, and receivers take a PEM file by https only."
    return _made(answer, "bimi-certificate-address", WARNING, text, fix="Give an address as https://.../mark.pem.")


def _is_https(url: str, endings: tuple[str, ...]) -> bool:
    path = url[:LONGEST_URL].partition("?")[0].partition("#")[0].lower()
    host, _, rest = path.removeprefix("https://").partition("/")
    return path.startswith("https://") and "." in host and bool(rest) and path.endswith(endings) and url.isascii()


def _enforcement(answer: Answer, found: Discovery) -> list[Finding]:
    """DMARC has to be in force: of the domain, of its organization, and of its subdomains."""
    if found.trouble is not None:
        return [_unknown(found.trouble)]
    why = _not_enforced(found)
    if why is None:
        return []
    return [
        _made(
            answer,
            "bimi-not-enforced",
            WARNING,
            f"The logo is not shown, because {why}: receivers show one "
            "only where DMARC has other mail refused or put aside.",
            fix="Bring DMARC to p=quarantine or p=reject, for subdomains too.",
        )
    ]


def _not_enforced(found: Discovery) -> str | None:
    record = found.record
    if record is None:
        return "there is no DMARC record"
    policy = record.policy(subdomain=found.inherited)
    below_it = record.policy(subdomain=True)
    if policy in (None, NONE):
        return "DMARC only watches (p=none)"
    if record.testing and policy is not None and lowered(policy) == NONE:
        return "DMARC is being tested (t=y)"
    if below_it == NONE:
        return "DMARC leaves subdomains open (sp=none)"
    above = found.walk.at(found.organization)
    if above is not None and above.record is not None and above.record.policy(subdomain=False) in (None, NONE):
        return f"DMARC of {shown(above.domain)} only watches (p=none)"
    return None


async def _fetched(asks: Asks, answer: Answer, logo: str) -> list[Finding]:
    """Whether the logo is there. That this host cannot reach a web server says nothing about others."""
    page = await asks.page(logo[:LONGEST_URL])
    if page.untrusted:
        why = "its server has no good certificate"
    elif page.status is None or page.status == FOUND:
        return []
    else:
        why = f"its server says {page.status}"
    return [
        _made(
            answer,
            "bimi-logo-unreachable",
            WARNING,
            f"The logo at {_seen(logo)} cannot be fetched, {why}: none is shown.",
            fix="Put the file there.",
        )
    ]


def _none(domain: Name) -> Finding:
    name = below(domain, *LABELS)
    return Finding(
        check=NAME,
        code="bimi-none",
        verdict=NOT_APPLICABLE,
        text="No logo is published to be shown beside mail (BIMI), which is optional.",
        where="" if name is None else f"{shown(name)} TXT",
        reference=DRAFT,
    )


def _unknown(answer: Answer) -> Finding:
    return Finding(
        check=NAME,
        code="bimi-unknown",
        verdict=UNKNOWN,
        text=f"Could not check BIMI ({answer.trouble}).",
        where=f"{shown(answer.name)} {answer.kind}",
        fix="Try again; if it stays so, ask whoever runs the name servers.",
        reference=DRAFT,
    )


def _made(answer: Answer, code: str, verdict: str, text: str, *, fix: str, column: int = 0) -> Finding:
    texts = [shortened(escaped(octets(each)), LONGEST_URL) for each in answer.records[:5]]
    return Finding(
        check=NAME,
        code=code,
        verdict=verdict,
        text=text,
        where=f"{shown(answer.name)} TXT" + (f", column {column}" if column else ""),
        fix=fix,
        record=" | ".join(texts),
        reference=DRAFT,
        ttl=answer.ttl,
    )


def _seen(text: str) -> str:
    return shortened(escaped(text.encode("latin-1", "replace")), 80)
