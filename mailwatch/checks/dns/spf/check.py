"""Checks SPF: what receivers make of this host's mail, what is wrong with the record, and what it leads to.

Promises
    What is wrong is told once, where it is: a permanent error that a finding explains is not told again as a result.
    What should be published lets this host pass, is right by the grammar, and keeps all terms that are of use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.provider.known import behind
from mailwatch.checks.dns.provider.provider import KEEPS
from mailwatch.checks.dns.spf.absent import beside, no_record, several
from mailwatch.checks.dns.spf.answers import decided, other_answers, own_answers
from mailwatch.checks.dns.spf.corrected import corrected, terms_for
from mailwatch.checks.dns.spf.counts import count
from mailwatch.checks.dns.spf.coverage import coverage
from mailwatch.checks.dns.spf.judging import identities, judge, senders
from mailwatch.checks.dns.spf.limits import too_many_ptr, too_much
from mailwatch.checks.dns.spf.lint import lint
from mailwatch.checks.dns.spf.subject import NAME, Subject, cut, listed
from mailwatch.checks.dns.spf.targets import wrong_targets
from mailwatch.checks.dns.spf.tree import MOST_TERMS, grow
from mailwatch.checks.dns.spf.unfit import unfit
from mailwatch.checks.dns.spf.verdict import MOST_LOOKUPS, PASS, PERMERROR, TEMPERROR
from mailwatch.finding import ERROR, OK, UNKNOWN
from mailwatch.question import UNKNOWN as UNANSWERED

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.checks.dns.spf.judging import Judgement
    from mailwatch.checks.dns.spf.term import Record
    from mailwatch.checks.dns.spf.tree import Tree
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

__all__ = ["NAME", "check"]
EXPLAINS: Final = {
    PERMERROR: (
        "spf-syntax",
        "spf-too-many-lookups",
        "spf-void-lookups",
        "spf-too-many-mx",
        "spf-loop",
        "spf-include-",
        "spf-redirect-",
    ),
    TEMPERROR: ("spf-include-unknown", "spf-redirect-unknown", "spf-term-unknown"),
}
"""What a result of the record may be from, by the beginning of the finding's code."""


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """All findings about SPF for the domain, the host's addresses, MAIL FROM and HELO."""
    asks.soon(facts.domain, "SPF")
    for name in identities(facts):
        asks.soon(name, "TXT")
    tree = await grow(asks, facts.domain, guessed=True)
    root = tree.of(tree.root)
    if root is None or root.answer.outcome == UNANSWERED:
        return [_unknown(facts, tree)]
    old_type = await asks.ask(facts.domain, "SPF")
    if root.record is None:
        add = [*_of_relay(facts), *terms_for(each.address for each in senders(facts))]
        return [several(root, add) if root.texts else no_record(root, old_type, add)]
    judgement = await judge(asks, facts)
    subject = Subject(
        domain=facts.domain,
        record=root.texts[0].decode("utf-8", "replace"),
        better=better(root.record, tree, judgement),
        ttl=root.answer.ttl,
    )
    families = {each.address.version for each in senders(facts)}
    found = [
        *lint(subject, root.record),
        *beside(subject, root, old_type),
        *await wrong_targets(asks, subject, tree),
        *too_much(subject, tree, families),
        *await too_many_ptr(asks, subject, tree, senders(facts)),
    ]
    found += _not_all(subject, tree)
    found += own_answers(subject, judgement.own, _explained(found))
    found += [*await other_answers(asks, judgement), *_addresses_unknown(subject, facts)]
    return found or [_ok(subject, facts, tree, judgement)]


def _not_all(subject: Subject, tree: Tree) -> list[Finding]:
    """Of a tree that was not looked at to its end nothing good can be said."""
    if not tree.is_cut or count(tree).lookups > MOST_LOOKUPS:
        return []
    return [
        subject.tell(
            "spf-too-large",
            UNKNOWN,
            f"The records that SPF of {shown(subject.domain)} leads to have more than {MOST_TERMS} terms: not all were "
            "looked at, and receivers may not do so either.",
            fix="Name networks instead of single addresses.",
            reference="4.6.4",
        )
    ]


def better(record: Record, tree: Tree, judgement: Judgement) -> str | None:
    """The record to publish: without what harms, and with what lets this host pass."""
    drop = unfit(tree, judgement)
    columns = {term.column for term in drop} | {each.column for each in record.terms if each.name == "all"}
    kept = coverage(tree, without=columns).ranges
    add = [
        each.sending.address
        for each in judgement.own
        if each.sending.address not in kept and (each.verdict.result != PASS or _passes_by(each.verdict.path, columns))
    ]
    return corrected(record, terms_for(add), [term.text for term in drop])


def _passes_by(path: object, columns: set[int]) -> bool:
    """Whether the first term of the path is one of these of the root's record."""
    places = path if isinstance(path, tuple) else ()
    return bool(places) and places[0].term.column in columns


def _of_relay(facts: Facts) -> list[str]:
    """The include of the provider that all mail goes through, where the domain's own record is asked about it."""
    provider = behind(facts.relay.text) if facts.relay else None
    return [f"include:{provider.includes[0]}"] if provider and provider.envelope == KEEPS else []


def _explained(found: list[Finding]) -> list[str]:
    """The results that need no finding of their own."""
    bad = [each.code for each in found if each.verdict in (ERROR, UNKNOWN)]
    return [result for result, codes in EXPLAINS.items() if any(code.startswith(codes) for code in bad)]


def _unknown(facts: Facts, tree: Tree) -> Finding:
    root = tree.of(tree.root)
    trouble = (root.answer.trouble if root else None) or "no answer"
    return Subject(domain=facts.domain).tell(
        "spf-unknown",
        UNKNOWN,
        f"Whether {shown(facts.domain)} has an SPF record could not be looked up: {trouble}.",
        fix="Ask again later; if it stays so, the name servers of the domain are broken, and mail is put off.",
        reference="4.4",
    )


def _addresses_unknown(subject: Subject, facts: Facts) -> list[Finding]:
    """Where it is not known from which address mail leaves, the record alone was checked."""
    if senders(facts) or facts.relay is not None:
        return []
    inner = [str(each.address) for each in facts.addresses]
    known = f" ({listed(inner)} is not an address of the Internet)" if inner else ""
    return [
        subject.tell(
            "spf-address-unknown",
            UNKNOWN,
            f"From which address mail leaves is not known{known}, so whether SPF lets it pass could not be checked; "
            "the record itself was.",
            fix="Give the address that receivers see by --ip.",
            reference="4.1",
        )
    ]


def _ok(subject: Subject, facts: Facts, tree: Tree, judgement: Judgement) -> Finding:
    cost = f"{count(tree).lookups} of {MOST_LOOKUPS} DNS lookups at worst"
    if judgement.own:
        passing = listed([f"{each.sending.address} ({decided(each.verdict)})" for each in judgement.own])
        return subject.tell("spf-ok", OK, f"SPF lets mail from {passing} pass; {cost}.", reference="8.3")
    relay = cut(facts.relay.text) if facts.relay else ""
    return subject.tell(
        "spf-ok",
        OK,
        f"The SPF record of {shown(facts.domain)} has nothing wrong with it; {cost}. All mail goes through {relay}: "
        "whether it lets that pass is said under provider.",
        reference="4.6",
    )
