"""DKIM of the domain: the keys of the selectors in use, or of the usual ones where nobody knows which are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dkim.judged import finding, judged
from mailwatch.checks.dns.dkim.key import ED25519
from mailwatch.checks.dns.dkim.published import MIDDLE, MOST, Published, published
from mailwatch.checks.dns.dkim.usual import USUAL
from mailwatch.checks.dns.facts import Selector
from mailwatch.checks.dns.names import shown
from mailwatch.finding import ERROR, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

NAME: Final = "dkim"
BAD: Final = (ERROR, WARNING, UNKNOWN)
SHOWN: Final = 5


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with the keys; one finding when nothing is. That no key is found by a guess is never an error."""
    if not facts.selectors:
        return await _guessed(asks, facts)
    found = await published(asks, facts, facts.selectors[:MOST])
    if not found:
        return [_no_name(facts)]
    told = [each for one in found for each in judged(one)]
    readable = [key for one in found for key in one.keys if key.key is not None]
    if readable and all(key.kind == ED25519 for key in readable):
        told.append(_ed25519_only(found[0]))
    return told if any(each.verdict in BAD for each in told) else [_ok(found), *told]


async def _guessed(asks: Asks, facts: Facts) -> list[Finding]:
    """By the usual selectors."""
    domain = facts.domain.to_text(omit_final_dot=True)
    guesses = [Selector(selector=each, domain=domain, origin="a guess") for each in USUAL]
    found = await published(asks, facts, guesses, guess=True)
    silent = [one for one in found if one.answer.outcome == NOBODY_KNOWS]
    keys = [one for one in found if not one.wildcard and any(key.key is not None or key.problems for key in one.keys)]
    if not keys:
        return [_not_known(facts, len(found), silent)]
    told = [each for one in keys[:MOST] for each in judged(one)]
    return told if any(each.verdict in BAD for each in told) else [_ok(keys, guess=True), *told]


def _not_known(facts: Facts, asked: int, silent: list[Published]) -> Finding:
    trouble = f"; {len(silent)} could not be asked for: {silent[0].answer.trouble}" if silent else ""
    return Finding(
        check=NAME,
        code="dkim-unknown" if silent else "dkim-selector-unknown",
        verdict=UNKNOWN,
        text=f"Could not check DKIM: nobody said by which selector mail is signed, and none of {asked} usual ones is "
        f"published for {shown(facts.domain)}, which proves nothing{trouble}.",
        where=f"*.{MIDDLE}.{shown(facts.domain)} TXT",
        fix="Give yours: --selector; it is s= in the DKIM-Signature of a mail that you have sent.",
        reference="RFC 6376 section 3.1",
    )


def _no_name(facts: Facts) -> Finding:
    given = facts.selectors[0]
    return Finding(
        check=NAME,
        code="dkim-selector-invalid",
        verdict=UNKNOWN,
        text=f"Could not check DKIM: there can be no name of the selector and domain that were given ({given.origin}).",
        fix="Give the selector that is s= in the DKIM-Signature of a mail that you have sent.",
        reference="RFC 6376 section 3.1",
    )


def _ed25519_only(one: Published) -> Finding:
    return finding(
        one, "dkim-ed25519-only", WARNING,
        "All keys that are known are of Ed25519, which many receivers cannot check: to them mail is not signed.",
        fix="Sign with a key of RSA as well, by a selector of its own.", reference="RFC 8463 section 6",
    )  # fmt: skip


def _ok(found: list[Published], *, guess: bool = False) -> Finding:
    several = [f"{one.selector.selector} ({key.key.kind}, {key.key.bits} bits)"
               for one in found for key in one.keys if key.key is not None]  # fmt: skip
    names = ", ".join(several[:SHOWN]) + (f" and {len(several) - SHOWN} more" if len(several) > SHOWN else "")
    text = f"The key is published: {names}." if len(several) == 1 else f"The keys are published: {names}."
    if guess:
        text += " Found by guessing: whether mail from here is signed by one of them is not known (--selector)."
    return finding(found[0], "dkim-ok", OK, text, fix="", reference="RFC 6376 section 3.6")
