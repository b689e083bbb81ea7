"""The names of the addresses that mail leaves from: there is one, it leads back, and it is not a provider's default.

Gmail and others refuse mail from an address without a PTR, or with one that does not lead back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dns.rdtypes.ANY.PTR import PTR

from mailwatch.checks.dns.addresses import (
    Address,
    asking_for_ip,
    is_public,
    kind_of,
    reason,
    records_of,
    reverse,
    told,
)
from mailwatch.checks.dns.generic import looks_generic
from mailwatch.checks.dns.names import shown, stated_name, written
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts, SendingAddress
    from mailwatch.question import Answer, Asks

NAME: Final = "ptr"
MOST: Final = 10
"""So many names of an address are followed."""
SECTION: Final = "RFC 1912 section 2.1"


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """The findings of all addresses, or that all is well with them."""
    if facts.relay is not None:
        return [
            _finding(
                "ptr-relay",
                NOT_APPLICABLE,
                f"All mail goes through {facts.relay.text}: receivers see its addresses, not those of this host.",
            )
        ]
    if not facts.addresses:
        return [
            _finding(
                "ptr-no-address",
                UNKNOWN,
                "It is not known from which address mail leaves, so that its name could not be checked.",
                fix="Run this again with --ip ADDRESS.",
            )
        ]
    await _soon(asks, [each.address for each in facts.addresses if is_public(each.address)])
    each = [await _of(asks, facts, sending) for sending in facts.addresses]
    found = [finding for findings, _ in each for finding in findings]
    if found:
        return found
    names = ", ".join(f"{told(sending)} is {name}" for sending, (_, name) in zip(facts.addresses, each, strict=True))
    return [_finding("ptr-ok", OK, f"Each sending address has one name that leads back to it: {names}.")]


async def _soon(asks: Asks, addresses: list[Address]) -> None:
    """All names, then the addresses of all of them: two waits, however many addresses there are."""
    for address in addresses:
        asks.soon(reverse(address), "PTR")
    for address in addresses:
        for name in _names(await asks.ask(reverse(address), "PTR")):
            asks.soon(name, kind_of(address))


def _names(answer: Answer) -> list[Name]:
    return sorted({record.target for record in answer.records[:MOST] if isinstance(record, PTR)})


async def _of(asks: Asks, facts: Facts, sending: SendingAddress) -> tuple[list[Finding], str]:
    """What is wrong with the name of one address, and the name if nothing is."""
    if not is_public(sending.address):
        return [_private(sending)], ""
    answer = await asks.ask(reverse(sending.address), "PTR")
    if answer.outcome == NOBODY_KNOWS:
        return [_unknown(sending, reason(answer))], ""
    names = _names(answer)
    if answer.outcome != ANSWER or not names:
        return [_missing(sending, facts, answer)], ""
    confirmed, trouble = await _leading_back(asks, sending.address, names)
    if not confirmed:
        bad = _unknown(sending, trouble) if trouble else _not_confirmed(sending, names, answer, facts)
        return [bad], ""
    found = [_several(sending, names, answer)] if len(names) > 1 else []
    generic = [name for name in confirmed if _is_generic(name, sending, facts)]
    if len(generic) == len(confirmed):
        found.append(_generic(sending, generic[0], facts, answer))
    return found, shown(confirmed[0])


def _is_generic(name: Name, sending: SendingAddress, facts: Facts) -> bool:
    own = name.is_subdomain(facts.domain)
    return looks_generic(name, sending.address, own=own, said=name == stated_name(facts.helo))


async def _leading_back(asks: Asks, address: Address, names: list[Name]) -> tuple[list[Name], str]:
    """The names that have this address, and why nobody could tell of another one."""
    confirmed, trouble = [], ""
    for name in names:
        answer = await asks.ask(name, kind_of(address))
        if address in records_of(answer):
            confirmed.append(name)
        elif answer.outcome == NOBODY_KNOWS:
            trouble = reason(answer)
    return confirmed, trouble


def _finding(code: str, verdict: str, text: str, fix: str = "") -> Finding:
    return Finding(check=NAME, code=code, verdict=verdict, text=text, fix=fix, reference=SECTION)


def _where(sending: SendingAddress) -> str:
    return f"{written(reverse(sending.address)).removesuffix('.')} PTR"


def _record(answer: Answer) -> str:
    """What is there now, as lines of a zone."""
    lines = [
        f"{written(answer.name)} IN PTR {written(record.target)}"
        for record in answer.records[:MOST]
        if isinstance(record, PTR)
    ]
    return "\n".join(lines)


def _line(sending: SendingAddress, name: Name | None) -> str | None:
    return None if name is None else f"{written(reverse(sending.address))} 3600 IN PTR {written(name)}"


def _private(sending: SendingAddress) -> Finding:
    return _finding(
        "ptr-private-address",
        UNKNOWN,
        f"{told(sending)} is an address of a private network: receivers see another one, which is not known here.",
        fix="Run this again with --ip ADDRESS, the address that your network has on the Internet.",
    )


def _unknown(sending: SendingAddress, trouble: str) -> Finding:
    return Finding(
        check=NAME,
        code="ptr-unknown",
        verdict=UNKNOWN,
        text=f"The name of {told(sending)} could not be checked: {trouble}.",
        where=_where(sending),
        fix="Run this again later; if it stays so, ask whoever runs those name servers.",
        reference=SECTION,
    )


def _grade(sending: SendingAddress) -> str:
    """Mail is refused; but who knows whether it leaves from an address that is guessed."""
    return WARNING if sending.guessed else ERROR


def _missing(sending: SendingAddress, facts: Facts, answer: Answer) -> Finding:
    return Finding(
        check=NAME,
        code="ptr-missing",
        verdict=_grade(sending),
        text=f"{told(sending)} has no name (PTR): Gmail and many others refuse mail from such an address.",
        where=_where(sending),
        fix=asking_for_ip(
            sending,
            "Have it set by whoever the address is from (in the console of the hosting provider, mostly as "
            "'reverse DNS'), to the name of this mail server.",
        ),
        publish=_line(sending, stated_name(facts.helo)),
        reference=SECTION,
        ttl=answer.ttl,
    )


def _not_confirmed(sending: SendingAddress, names: list[Name], answer: Answer, facts: Facts) -> Finding:
    listed = ", ".join(map(shown, names))
    own = [each for each in names if each.is_subdomain(facts.domain)]  # into another's zone nobody can put an address
    address = f"{written(own[0])} 3600 IN {kind_of(sending.address)} {sending.address}" if own else None
    return Finding(
        check=NAME,
        code="ptr-not-confirmed",
        verdict=_grade(sending),
        text=f"{told(sending)} is named {listed}, and no such name has this address: receivers that compare the two, "
        "such as Gmail, refuse the mail.",
        where=_where(sending),
        fix=asking_for_ip(sending, "Give that name this address, or have the PTR set to a name that has it."),
        record=_record(answer),
        publish=address or _line(sending, stated_name(facts.helo)),
        reference=SECTION,
        ttl=answer.ttl,
    )


def _several(sending: SendingAddress, names: list[Name], answer: Answer) -> Finding:
    return Finding(
        check=NAME,
        code="ptr-several",
        verdict=WARNING,
        text=f"{told(sending)} has {len(names)} names ({', '.join(map(shown, names))}): receivers look at any one of "
        "them, so that what they see changes from mail to mail.",
        where=_where(sending),
        fix=asking_for_ip(sending, "Leave one PTR, the name that this server says in HELO."),
        record=_record(answer),
        reference=SECTION,
        ttl=answer.ttl,
    )


def _generic(sending: SendingAddress, name: Name, facts: Facts, answer: Answer) -> Finding:
    return Finding(
        check=NAME,
        code="ptr-generic",
        verdict=WARNING,
        text=f"{told(sending)} is named {shown(name)}, as providers name lines of their customers: receivers take it "
        "for a home computer, and treat its mail as spam.",
        where=_where(sending),
        fix=asking_for_ip(sending, "Have the PTR set to the name of this mail server by whoever the address is from."),
        record=_record(answer),
        publish=_line(sending, stated_name(facts.helo)),
        reference=SECTION,
        ttl=answer.ttl,
    )
