"""Checks the other domains that mail is sent for, as seen in the log: whether their SPF knows this host.

Promises
    At most MOST domains are asked about, and at most TOLD findings told. The checked domain and what is below it is no
    other domain.

Known limit: the log has the envelope's sender, not the From that people see; mostly they are of one domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import name_of, shown
from mailwatch.checks.dns.spf.evaluate import check_host
from mailwatch.checks.dns.spf.judging import senders
from mailwatch.checks.dns.spf.verdict import FAIL, NEUTRAL, NONE, PASS, PERMERROR, SOFTFAIL, TEMPERROR
from mailwatch.finding import NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.checks.dns.spf.verdict import Verdict
    from mailwatch.question import Asks

NAME: Final = "senders"
MOST: Final = 20
TOLD: Final = 8
SAID: Final = {
    FAIL: "does not let it pass (fail), so receivers refuse the mail as forged",
    SOFTFAIL: "does not let it pass (softfail), so receivers distrust the mail",
    NEUTRAL: "says nothing of it (neutral), so receivers have nothing to trust the mail by",
    NONE: "is not there, so receivers have nothing to trust the mail by",
    PERMERROR: "is broken (permerror), so it lets nobody pass",
    TEMPERROR: "could not be looked up (temperror)",
}


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """A finding for each domain whose SPF does not let this host pass."""
    others = outside(facts)
    if not others:
        return [_nothing_to_do(facts)]
    if not senders(facts):
        return [
            _tell(
                "not-applicable",
                NOT_APPLICABLE,
                f"Mail of {len(others)} other domains was seen; whether their SPF lets it pass depends on the "
                "addresses it leaves from, which are not known here.",
            )
        ]
    for name in others[:MOST]:
        asks.soon(name, "TXT")
    found = [each for name in others[:MOST] if (each := await _judged(asks, facts, name)) is not None]
    if not found:
        listed = ", ".join(shown(each) for each in others[:MOST])
        return [_tell("ok", OK, f"SPF lets mail of the other domains in the log pass, too: {listed}.")]
    return found if len(found) <= TOLD else [*found[: TOLD - 1], _more(found[TOLD - 1 :])]


def outside(facts: Facts) -> list[Name]:
    """The domains of senders that are neither the checked one nor below it; what is no domain is left out."""
    names: dict[Name, None] = {}
    for each in facts.senders:
        try:
            name = name_of(each.text.rpartition("@")[2])
        except ValueError:
            continue
        if not name.is_subdomain(facts.domain):
            names.setdefault(name)
    return list(names)


def _nothing_to_do(facts: Facts) -> Finding:
    if not facts.senders:
        return _tell("not-applicable", NOT_APPLICABLE, "No senders were seen in the log: there is nothing to compare.")
    return _tell("ok", OK, f"No sender in the log is of another domain than {shown(facts.domain)}.")


async def _judged(asks: Asks, facts: Facts, name: Name) -> Finding | None:
    """The worst for one domain; None where all addresses pass."""
    helo = facts.helo.text if facts.helo else ""
    sender = f"postmaster@{name.to_text(omit_final_dot=True)}"
    verdicts = [
        (str(each.address), await check_host(asks, each.address, name, sender, helo, now=facts.now))
        for each in senders(facts)
    ]
    bad = [(address, verdict) for address, verdict in verdicts if verdict.result != PASS]
    certain = [each for each in bad if each[1].result != TEMPERROR]
    return _told(name, (certain or bad)) if bad else None


def _told(name: Name, bad: list[tuple[str, Verdict]]) -> Finding:
    result = bad[0][1].result
    addresses = " and ".join(address for address, verdict in bad if verdict.result == result)
    place = bad[0][1].decided_by
    where = f"{shown(name)} TXT"
    forged = "" if result == TEMPERROR else " Somebody here may use a foreign domain, or a forwarder keeps senders."
    return Finding(
        check=NAME,
        code="senders-unknown" if result == TEMPERROR else "senders-not-covered",
        verdict=UNKNOWN if result == TEMPERROR else WARNING,
        text=f"Mail of {shown(name)} leaves from {addresses}, and that domain's SPF record {SAID[result]}.{forged}",
        where=f"{where}, column {place.term.column}" if place and place.domain == bad[0][1].trace.domain else where,
        fix="Ask again later."
        if result == TEMPERROR
        else f"If that mail is meant to leave from here, have the owner of {shown(name)} put the address into its SPF "
        "record; else find out which program or user sends it.",
        record=place.record.text if place else None,
        reference="RFC 7208 section 2.4",
    )


def _more(found: list[Finding]) -> Finding:
    names = ", ".join(each.where.partition(" TXT")[0] for each in found)
    return _tell("not-covered", WARNING, f"The SPF of {len(found)} more domains does not let this host pass: {names}.")


def _tell(code: str, verdict: str, text: str) -> Finding:
    return Finding(check=NAME, code=f"{NAME}-{code}", verdict=verdict, text=text, reference="RFC 7208 section 2.4")
