"""What SPF answers for an address, a sender and a HELO name: check_host of RFC 7208, with every step told. Pure.

Promises
    Never raises, whatever the input and the zones are: what is no domain is ``none``. Lookups count as terms are
    evaluated; what was asked ahead changes no count. At most ten records are read besides the first, MOST_TERMS terms
    in all of them.

The record of a mistake is a permerror before any of its terms is evaluated (section 4.6); a name that nobody can make
(an empty label, one of more than 63 bytes) matches nothing, and is an error in ``include`` and ``redirect`` (4.8).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from dns.name import Name

from mailwatch.checks.dns.spf import ahead, mechanisms
from mailwatch.checks.dns.spf.macros import Context, explanation, in_ascii, letters, name_of, sender_of, target, text_of
from mailwatch.checks.dns.spf.mechanisms import Budget, Outcome
from mailwatch.checks.dns.spf.record import parse, visible
from mailwatch.checks.dns.spf.selection import readable, select
from mailwatch.checks.dns.spf.term import LOOKING_UP, QUALIFIERS, Term
from mailwatch.checks.dns.spf.verdict import (
    FAIL,
    MATCH,
    NEUTRAL,
    NO_MATCH,
    NONE,
    PASS,
    PERMERROR,
    TEMPERROR,
    Step,
    Verdict,
    Visit,
)
from mailwatch.question import UNKNOWN

if TYPE_CHECKING:
    from mailwatch.question import Asks

MOST_TERMS: Final = 5000
LONGEST: Final = 253


async def check_host(
    asks: Asks,
    address: IPv4Address | IPv6Address,
    domain: Name | str | None,
    sender: str,
    helo: str,
    *,
    receiver: str = "unknown",
    now: float = 0.0,
) -> Verdict:
    """The verdict on mail from ``address`` with MAIL FROM ``sender`` and the HELO name ``helo``.

    ``domain`` is whose record is asked; None: that of the sender, which is postmaster at the HELO name where MAIL FROM
    is empty (section 2.4). To judge the HELO name itself, give it as ``domain`` and postmaster at it as ``sender``.
    ``now`` is in seconds, for ``%{t}``.
    """
    by = sender_of(sender, helo)
    asked = by.domain if domain is None else text_of(domain) if isinstance(domain, Name) else in_ascii(domain)
    context = Context(
        address=plain(address), sender=by, helo=helo, domain=asked.removesuffix("."), receiver=receiver, now=now
    )
    evaluation = _Evaluation(asks=asks, context=context)
    wrong = _no_domain(context.domain)
    if wrong:
        visit = Visit(domain=visible(context.domain[:LONGEST]), result=NONE, why=wrong)
    else:
        visit = await evaluation.visit(context.domain)
    return Verdict(
        result=visit.result,
        why=visit.why,
        lookups=evaluation.budget.lookups,
        void_lookups=evaluation.budget.void_lookups,
        trace=visit,
        explanation=await evaluation.explained(visit),
    )


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address without a zone, and as IPv4 if it is that in IPv6's clothes (section 5)."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(address.packed)


def _no_domain(domain: str) -> str:
    """Why this is no domain that a record can stand at (section 4.3), or ""."""
    if not domain:
        return "there is no domain to ask"
    shown = visible(domain[:LONGEST])
    if domain[0] == "[":
        return f"{shown} is an address, no domain"
    if "." not in domain:
        return f"{shown} is no full name: it has no dot"
    return "" if name_of(domain) is not None else f"{shown} is no name that DNS can hold"


@dataclass(slots=True)
class _Evaluation:
    """One check_host, with all records that it visits."""

    asks: Asks
    context: Context
    budget: Budget = field(default_factory=Budget)
    terms: int = 0
    names: dict[str, str] = field(default_factory=dict)
    records: dict[str, Visit] = field(default_factory=dict)

    async def visit(self, domain: str) -> Visit:
        """Evaluate the record of a domain."""
        visit = await self._read(domain)
        if visit.record is None or visit.result:
            return visit
        ahead.soon(self.asks, visit.record, domain, self.context.address)
        steps: list[Step] = []
        for term in visit.record.terms:
            if term.is_modifier:
                continue
            step = await self._step(term, domain)
            steps.append(step)
            if step.outcome != NO_MATCH:
                result = QUALIFIERS[term.qualifier] if step.outcome == MATCH else step.outcome
                return replace(visit, result=result, why=_said(term, step), steps=tuple(steps))
        redirect = next((term for term in visit.record.terms if _is(term, "redirect")), None)
        if redirect is None:
            return replace(visit, result=NEUTRAL, why="no term matches: that is neutral", steps=tuple(steps))
        step = await self._step(redirect, domain)
        result = step.into.result if step.into is not None and step.outcome == MATCH else step.outcome
        why = step.into.why if step.into is not None and step.outcome == MATCH else _said(redirect, step)
        return replace(visit, result=result, why=why, steps=(*steps, step))

    async def _read(self, domain: str) -> Visit:
        """The record of a domain, with no result yet; or the result, where there is no record to evaluate."""
        key = domain.lower()
        if key not in self.records:
            self.records[key] = await self._asked(domain)
        return self.records[key]

    async def _asked(self, domain: str) -> Visit:
        name, shown = name_of(domain), visible(domain)
        if name is None:
            return Visit(domain=shown, result=NONE, why=f"{shown} is no name that DNS can hold")
        answer = readable(await self.asks.ask(name, "TXT"))
        if answer.outcome == UNKNOWN:
            trouble = f": {visible(answer.trouble)}" if answer.trouble else ""
            return Visit(domain=shown, result=TEMPERROR, why=f"nobody could tell the TXT records of {shown}{trouble}")
        found = select(answer).records
        if not found:
            return Visit(domain=shown, result=NONE, why=f"{shown} has no SPF record")
        if len(found) > 1:
            return Visit(domain=shown, result=PERMERROR, why=f"{shown} has {len(found)} SPF records: one is allowed")
        record = parse(found[0])
        if record.problems:
            first = record.problems[0]
            why = f"the record of {shown} has a mistake in column {first.column}: {first.text}"
            return Visit(domain=shown, result=PERMERROR, why=why, record=record)
        return Visit(domain=shown, result="", why="", record=record)

    async def _step(self, term: Term, domain: str) -> Step:
        self.terms += 1
        into, to, outcome = None, "", None
        if self.terms > MOST_TERMS:
            outcome = Outcome(outcome=PERMERROR, why=f"more than {MOST_TERMS} terms")
        elif term.name in LOOKING_UP:
            outcome = mechanisms.spend(self.budget)
        if outcome is None:
            goal = await self._target(term, domain)
            to = goal or ""
            if goal is None:
                failed = PERMERROR if term.is_modifier else NO_MATCH
                outcome = Outcome(outcome=failed, why="its macros stand for what no name can hold")
            elif term.name in ("include", "redirect"):
                outcome, into = await self._other(term, goal)
            else:
                outcome = await self._mechanism(term, goal)
        return Step(
            term=term,
            outcome=outcome.outcome,
            why=outcome.why,
            target=visible(to),
            seen=outcome.seen,
            lookups=self.budget.lookups,
            void_lookups=self.budget.void_lookups,
            into=into,
        )

    async def _target(self, term: Term, domain: str) -> str | None:
        return target(term.domain, await self._context(domain, letters(term.domain or "")))

    async def _context(self, domain: str, wanted: frozenset[str]) -> Context:
        """What macros stand for in the record of a domain; ``%{p}`` is asked for where it is wanted alone."""
        if "p" in wanted and domain not in self.names:
            self.names[domain] = await mechanisms.validated_name(self.asks, domain, self.context.address)
        return replace(self.context, domain=domain, validated=self.names.get(domain, "unknown"))

    async def _mechanism(self, term: Term, goal: str) -> Outcome:
        address = self.context.address
        if term.network is not None:
            return mechanisms.of_network(term, address)
        if term.name == "a":
            return await mechanisms.of_a(self.asks, self.budget, term, goal, address)
        if term.name == "mx":
            return await mechanisms.of_mx(self.asks, self.budget, term, goal, address)
        if term.name == "ptr":
            return await mechanisms.of_ptr(self.asks, self.budget, goal, address)
        if term.name == "exists":
            return await mechanisms.of_exists(self.asks, self.budget, goal)
        return Outcome(outcome=MATCH, why="all matches everything")

    async def _other(self, term: Term, goal: str) -> tuple[Outcome, Visit]:
        """What the record of another domain makes of include (section 5.2) or redirect (6.1)."""
        visit = await self.visit(goal)
        if visit.result in (TEMPERROR, PERMERROR):
            return Outcome(outcome=visit.result, why=visit.why), visit
        if visit.result == NONE:
            return Outcome(outcome=PERMERROR, why=f"{visit.why}: that is an error in {term.name}"), visit
        outcome = MATCH if visit.result == PASS or term.is_modifier else NO_MATCH
        return Outcome(outcome=outcome, why=f"{visit.domain} says {visit.result}: {visit.why}"), visit

    async def explained(self, visit: Visit) -> str:
        """What the domain says to whoever fails: that of the record that redirect led to (section 6.2)."""
        if visit.result != FAIL:
            return ""
        domain = self.context.domain
        while visit.steps and visit.steps[-1].into is not None and visit.steps[-1].term.is_modifier:
            domain, visit = visit.steps[-1].target, visit.steps[-1].into
        term = next((each for each in visit.record.terms if _is(each, "exp")), None) if visit.record else None
        goal = await self._target(term, domain) if term is not None else None
        name = name_of(goal) if goal else None
        if name is None:
            return ""
        answer = await self.asks.ask(name, "TXT")
        if len(answer.records) != 1 or answer.outcome == UNKNOWN:
            return ""
        text = b"".join(getattr(answer.records[0], "strings", ()))
        wanted = letters(text.decode("ascii", "replace"), in_explanation=True)
        return explanation(text, await self._context(domain, wanted))


def _is(term: Term, name: str) -> bool:
    return term.is_modifier and term.name == name


def _said(term: Term, step: Step) -> str:
    return f"{visible(term.text)}: {step.why}"
