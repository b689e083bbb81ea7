"""Checks MTA-STS: that the record and the policy are there, can be read, and cover every host that takes mail.

A sender that cannot read them delivers as if there were none; one that can, and enforces, delivers to no host that the
policy does not name (RFC 8461 section 5). Whether the id was changed with the policy cannot be known from outside.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.mta_sts.cover import cover
from mailwatch.checks.dns.mta_sts.fetch import Fetched, fetch, soon
from mailwatch.checks.dns.mta_sts.policy import ENFORCE, NONE, Policy
from mailwatch.checks.dns.names import below, shown, written
from mailwatch.checks.dns.receivers import receivers
from mailwatch.checks.dns.txt import quoted
from mailwatch.checks.dns.versioned import DIGITS, LETTERS, plain, raw, read, versioned
from mailwatch.finding import NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "mta_sts"
VERSION: Final = "v=STSv1"
RECORD: Final = "RFC 8461 section 3.1"
POLICY: Final = "RFC 8461 section 3.2"
LONGEST_ID: Final = 32
WEEK: Final = 604_800
"""Seconds. "Weeks or greater" is what the policy should be remembered for (RFC 8461 section 3.2)."""
MOST_SLIPS: Final = 10
IGNORED: Final = "Senders take it that there is no policy, and deliver without TLS to whoever answers."


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with MTA-STS of the domain."""
    name = below(facts.domain, "_mta-sts")
    if name is None:
        return [_found("absent", NOT_APPLICABLE, "The domain's name is too long for MTA-STS, which is optional.")]
    asks.soon(name, "TXT")
    asks.soon(facts.domain, "MX")
    soon(asks, facts.domain)
    answer = await asks.ask(name, "TXT")
    if answer.outcome == NOBODY_KNOWS:
        return [
            _unknown(f"Could not check: nobody could tell what is at {shown(name)}: {answer.trouble}.", shown(name))
        ]
    exact, near = versioned(raw(answer.records), VERSION)
    fetched = await fetch(asks, facts.domain, announced=bool(exact or near))
    if not exact and not near and fetched.policy is None:
        return [_absent(facts.domain)]
    found = [*_record(name, answer, exact, near, facts.now), *(fetched.findings if exact or near else ())]
    if fetched.policy is not None:
        found += _policy(fetched.policy, fetched.url)
        found += await _cover(asks, facts, fetched, renewed(name, facts.now))
    return found or [_ok(facts.domain, fetched)]


async def _cover(asks: Asks, facts: Facts, fetched: Fetched, publish: str) -> list[Finding]:
    takes = await receivers(asks, facts.domain)
    if takes.answer.outcome == NOBODY_KNOWS:
        text = f"Could not check whether the policy names every mail host: {takes.answer.trouble}."
        return [_unknown(text, f"{shown(facts.domain)} MX")]
    policy = fetched.policy
    return [] if policy is None or policy.mode == NONE else cover(policy, takes.hosts, fetched.url, publish)


def renewed(name: Name, now: float) -> str:
    """The record with a new id, as a line of a zone."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M%S")
    return f"{written(name)} 300 IN TXT {quoted(f'{VERSION}; id={stamp}')}"


def _record(name: Name, answer: Answer, exact: list[str], near: list[str], now: float) -> list[Finding]:
    """What is wrong with the record at ``name``."""
    where, publish = f"{shown(name)} TXT", renewed(name, now)

    def told(code: str, text: str, fix: str, record: str | None, place: str = where) -> Finding:
        return Finding(
            check=NAME, code=f"mta-sts-{code}", verdict=WARNING, text=text, where=place, fix=fix,
            record=record and plain(record), publish=publish, reference=RECORD, ttl=answer.ttl,
        )  # fmt: skip

    if len(exact) > 1:
        text = f"There are {len(exact)} MTA-STS records, where one is allowed. {IGNORED}"
        return [told("several-records", text, "Publish one record.", " | ".join(map(plain, exact)))]
    if not exact and near:
        text = f'The MTA-STS record does not begin with "{VERSION};" to the letter, and is dropped. {IGNORED}'
        return [told("malformed-record", text, "Publish it as shown.", near[0])]
    if not exact:
        text = f"There is a policy, but no record that tells of it. {IGNORED}"
        return [told("no-record", text, "Publish the record.", None)]
    return [
        told("malformed-record", f"{text}. {IGNORED}", "Publish it as shown.", exact[0], f"{where}, column {column}")
        for column, text in _mistakes(exact[0])
    ]


def _mistakes(text: str) -> list[tuple[int, str]]:
    """The column and the words of each mistake of a record."""
    fields, mistakes = read(text)
    found = [(each.column, f"The MTA-STS record cannot be read: {each.text}") for each in mistakes]
    ids = [each for each in fields if each.name == "id"]
    for each in ids[:1]:
        if not 0 < len(each.value) <= LONGEST_ID or not set(each.value) <= LETTERS | DIGITS:
            what = f'id is "{plain(each.value, 60)}", and may be 1 to {LONGEST_ID} letters and digits'
            found.append((each.at, f"The MTA-STS record cannot be read: {what}"))
    if not ids:
        found.append((len(text) + 1, "The MTA-STS record has no id, by which senders see that the policy is new"))
    found += [(each.column, "The MTA-STS record has more than one id") for each in ids[1:2]]
    return sorted(found)


def _policy(policy: Policy, url: str) -> list[Finding]:
    """What is wrong with the policy by itself."""
    found = [
        Finding(
            check=NAME,
            code="mta-sts-malformed-policy",
            verdict=WARNING,
            text=f"The MTA-STS policy is not well formed: {slip.text}. Senders may take it that there is none.",
            where=f"{url}, line {slip.line}" if slip.line else url,
            fix="Correct the file, then publish the record with a new id.",
            reference=POLICY,
        )
        for slip in policy.slips[:MOST_SLIPS]
    ]
    if policy.mode == ENFORCE and policy.max_age is not None and policy.max_age < WEEK:
        found.append(
            Finding(
                check=NAME,
                code="mta-sts-short-max-age",
                verdict=WARNING,
                text=f"Senders forget the MTA-STS policy after {policy.max_age} seconds: whoever can keep them from"
                " fetching it anew needs to do so for that long only, and then gets mail without TLS.",
                where=url,
                fix="Set max_age to some weeks, such as 2592000, then publish the record with a new id.",
                reference=POLICY,
            )
        )
    return found


def _ok(domain: Name, fetched: Fetched) -> Finding:
    policy = fetched.policy
    mode = policy.mode if policy is not None else None
    meaning = {
        ENFORCE: "senders deliver by TLS to the hosts it names, or not at all",
        NONE: "it withdraws an earlier one, and protects nothing",
    }.get(mode or "", "senders report what would fail, and deliver all the same: mail is not protected yet")
    return _found("ok", OK, f"{shown(domain)} has an MTA-STS policy of mode {mode}: {meaning}.")


def _absent(domain: Name) -> Finding:
    text = f"{shown(domain)} has no MTA-STS, which is optional: senders are not told that mail here is to come by TLS."
    return _found("absent", NOT_APPLICABLE, text)


def _unknown(text: str, where: str) -> Finding:
    return Finding(check=NAME, code="mta-sts-unknown", verdict=UNKNOWN, text=text, where=where, reference=RECORD)


def _found(code: str, verdict: str, text: str) -> Finding:
    return Finding(check=NAME, code=f"mta-sts-{code}", verdict=verdict, text=text, reference="RFC 8461")
