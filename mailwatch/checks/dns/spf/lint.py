"""All that is wrong with an SPF record as it stands, at once; nothing is asked for it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.meant import as_meant
from mailwatch.checks.dns.spf.networks import duplicates, shadowed, unrouted
from mailwatch.checks.dns.spf.subject import cut, listed, placed
from mailwatch.checks.dns.spf.tree import evaluated
from mailwatch.finding import ERROR, WARNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.checks.dns.spf.subject import Subject
    from mailwatch.checks.dns.spf.term import Record, Term
    from mailwatch.finding import Finding

LONG: Final = 450
TOO_LONG: Final = 512
"""Bytes (RFC 7208 section 3.4)."""


def lint(subject: Subject, record: Record) -> list[Finding]:
    """A finding for each thing that is wrong: mistakes of grammar one by one, others by their kind."""
    meant = as_meant(record)
    as_read = (_duplicate, _shadowed)  # beside a term that is only guessed they would be guesses themselves
    told = [rule(subject, record if rule in as_read else meant) for rule in RULES]
    found = [each for each in told if each is not None]
    return [*syntax(subject, record), *_doubts(subject, record), *found]


def syntax(subject: Subject, record: Record) -> list[Finding]:
    """Each mistake of grammar: one is enough, and receivers take the whole record for a permanent error."""
    found = []
    for problem in record.problems:
        meant = f" Did you mean `{cut(problem.instead)}`?" if problem.instead else ""
        token = f"`{cut(problem.token)}` " if problem.token else ""
        found.append(
            subject.tell(
                "spf-syntax",
                ERROR,
                f"{token}at column {problem.column}: {problem.text}; the whole SPF record counts as broken "
                "(permerror), so no mail passes by it.",
                column=problem.column,
                fix=f"Correct the term.{meant}",
                reference="4.6",
            )
        )
    return found


def _doubts(subject: Subject, record: Record) -> list[Finding]:
    """Terms that are right by the grammar, and surely not what was meant."""
    return [
        subject.tell(
            "spf-doubtful",
            WARNING,
            f"`{cut(doubt.token)}` at column {doubt.column}: {doubt.text}.",
            column=doubt.column,
            fix=f"Did you mean `{cut(doubt.instead)}`?" if doubt.instead else "Correct the term, or remove it.",
            reference="6" if "=" in doubt.token else "7.1",
        )
        for doubt in record.doubts
    ]


def _after_all(subject: Subject, record: Record) -> Finding | None:
    ends = [term for term in record.terms if term.name == "all"]
    late = [term for term in record.terms if ends and not term.is_modifier and term.column > ends[0].column]
    if not late:
        return None
    return subject.tell(
        "spf-after-all",
        WARNING,
        f"{listed([placed(each) for each in late])} stand{'s' if len(late) == 1 else ''} after `{ends[0].text}`, "
        "which decides for every address: what comes after it is never looked at.",
        column=late[0].column,
        fix="Put `all` last, or remove what stands after it.",
        reference="5.1",
    )


def _duplicate(subject: Subject, record: Record) -> Finding | None:
    twice = duplicates(evaluated(record))
    if not twice:
        return None
    return subject.tell(
        "spf-duplicate",
        WARNING,
        f"{listed([f'{placed(each)} says again what column {first.column} says' for each, first in twice])}: "
        "it decides nothing, and costs room and perhaps lookups.",
        column=twice[0][0].column,
        fix="Remove what stands there twice.",
        reference="4.6.2",
    )


def _shadowed(subject: Subject, record: Record) -> Finding | None:
    inner = shadowed(evaluated(record))
    if not inner:
        return None
    return subject.tell(
        "spf-shadowed",
        WARNING,
        f"{listed([f'{placed(each)} lies within {placed(other)}' for each, other in inner])}: it decides nothing.",
        column=inner[0][0].column,
        fix="Remove the smaller network, or the larger one if it is too large.",
        reference="5.6",
    )


def _redirect_beside_all(subject: Subject, record: Record) -> Finding | None:
    redirects = [term for term in record.terms if term.is_modifier and term.name == "redirect"]
    if not redirects or not any(term.name == "all" for term in record.terms):
        return None
    return subject.tell(
        "spf-redirect-beside-all",
        WARNING,
        f"{placed(redirects[0])} is never followed, because the record has an `all`.",
        column=redirects[0].column,
        fix="Remove one of them: `redirect` if the record is complete, `all` if the other record shall decide.",
        reference="6.1",
    )


def _end(subject: Subject, record: Record) -> Finding | None:
    """How the record ends for everybody it does not name."""
    terms = evaluated(record)
    last = terms[-1] if terms else None
    if last is not None and last.name == "all":
        return _neutral(subject, last) if last.qualifier == "?" else None
    # a term that cannot be read may be the end
    if (last is not None and last.name == "redirect") or record.problems:
        return None
    return subject.tell(
        "spf-no-all",
        WARNING,
        f"The SPF record of {shown(subject.domain)} does not end with `all`: it says nothing (neutral) of all "
        "servers that it does not name, so it does not hinder anybody who forges the domain.",
        fix="End it with `~all`, or with `-all` when every server that sends for the domain is named.",
        reference="4.7",
    )


def _neutral(subject: Subject, last: Term) -> Finding:
    return subject.tell(
        "spf-neutral-all",
        WARNING,
        f"{placed(last)} says nothing of the servers that the record does not name: it does not hinder anybody who "
        "forges the domain.",
        column=last.column,
        fix="End it with `~all`, or with `-all` when every server that sends for the domain is named.",
        reference="8.2",
    )


def _ptr(subject: Subject, record: Record) -> Finding | None:
    terms = [term for term in evaluated(record) if term.name == "ptr"]
    if not terms:
        return None
    return subject.tell(
        "spf-ptr",
        WARNING,
        f"{placed(terms[0])} is slow, often fails, and must not be published any more: some receivers ignore it.",
        column=terms[0].column,
        fix="Name the servers' addresses with `ip4` and `ip6` instead.",
        reference="5.5",
    )


def _private(subject: Subject, record: Record) -> Finding | None:
    terms = [term for term in record.terms if unrouted(term)]
    if not terms:
        return None
    return subject.tell(
        "spf-private-range",
        WARNING,
        f"{listed([placed(each) for each in terms])}: no mail comes from such addresses over the Internet, so that "
        "lets nobody pass.",
        column=terms[0].column,
        fix="Name the public address that mail leaves from.",
        reference="5.6",
    )


def _host_bits(subject: Subject, record: Record) -> Finding | None:
    terms = [term for term in record.terms if term.host_bits]
    if not terms:
        return None
    return subject.tell(
        "spf-host-bits",
        WARNING,
        f"{listed([f'{placed(each)} means all of {each.network}' for each in terms])}: perhaps one address was meant.",
        column=terms[0].column,
        fix="Write the network's first address, or the one address without a prefix.",
        reference="5.6",
    )


def _size(subject: Subject, record: Record) -> Finding | None:
    size = len(subject.record or record.text)
    if size <= LONG:
        return None
    over = TOO_LONG if size > TOO_LONG else LONG
    if subject.better is not None and len(subject.better) > over:
        subject = replace(subject, better=None)  # that would be too long as well
    return subject.tell(
        "spf-too-long" if size > TOO_LONG else "spf-long",
        WARNING,
        f"The SPF record is {size} bytes long, more than {over}: answers with it "
        f"{'do not' if size > TOO_LONG else 'may not'} fit into a small DNS packet, and receivers that cannot ask by "
        "TCP do not see it.",
        fix="Name networks instead of single addresses, or move a part into a record of its own and include that.",
        reference="3.4",
    )


RULES: Final[tuple[Callable[[Subject, Record], Finding | None], ...]] = (
    _after_all,
    _duplicate,
    _shadowed,
    _redirect_beside_all,
    _end,
    _ptr,
    _private,
    _host_bits,
    _size,
)
