"""The record in force: what is wrong with it, and what its policy leaves open. Decides, asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.absent import NAME, zone_line
from mailwatch.checks.dns.dmarc.record import NONE, QUARANTINE, Record, lowered
from mailwatch.checks.dns.dmarc.suffix_list import is_public
from mailwatch.checks.dns.dmarc.walk import LABEL
from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.tag_list import tag_list
from mailwatch.checks.dns.txt import escaped
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.dmarc.record import Problem
    from mailwatch.checks.dns.dmarc.walk import Discovery, Step

BELOW: Final = ("sp", "np")


def findings(found: Discovery, step: Step, record: Record, policy: str | None) -> Iterator[Finding]:
    """All that is wrong with the record, or weak; ``policy`` is what it asks for this domain, before ``t=y``."""
    for problem in record.problems:
        yield _of_problem(step, record, problem)
    if record.wrong_policy:
        yield from _without_policy(step, record)
    else:
        yield from _weak(found, step, record, policy)
        yield from _below(found, step, record)
    if record.psd == "y" and not found.inherited and not is_public(step.domain):
        yield _public(step, record)
    if not record.rua:
        yield _silent(step, record)


@dataclass(frozen=True, slots=True)
class Published:
    """A record where it is; ``column`` is a place in it, 0 for the whole."""

    step: Step
    record: Record
    column: int = 0


def made(
    about: Published,
    code: str,
    verdict: str,
    text: str,
    *,
    fix: str,
    publish: str | None = None,
    reference: str = "RFC 9989 section 4.7",
) -> Finding:
    """A finding about the record; ``publish`` is the text that should stand there."""
    step = about.step
    return Finding(
        check=NAME,
        code=code,
        verdict=verdict,
        text=text,
        where=f"{LABEL}.{shown(step.domain)} TXT" + (f", column {about.column}" if about.column else ""),
        fix=fix,
        record=escaped(about.record.text.encode("latin-1")),
        publish=zone_line(step.domain, publish, step.answer.ttl) if publish else None,
        reference=reference,
        ttl=step.answer.ttl,
    )


def with_tag(record: Record, name: str, value: str | None) -> str | None:
    """The record put right, with this tag set (after the ones before it), or without it; None: it cannot be told."""
    if record.corrected is None:
        return None
    kept = [each for each in tag_list(record.corrected).tags if each.name != name]
    place = next((at for at, each in enumerate(tag_list(record.corrected).tags) if each.name == name), None)
    parts = [each.text for each in kept]
    if value is not None:
        place = (1 if name == "p" else len(parts)) if place is None else place
        parts.insert(place, f"{name}={value}")
    return "; ".join(parts)


def _of_problem(step: Step, record: Record, problem: Problem) -> Finding:
    return made(
        step, record, problem.code, problem.verdict, problem.text, fix=problem.fix, publish=record.corrected,
        reference=problem.reference, column=problem.column,
    )  # fmt: skip


def _without_policy(step: Step, record: Record) -> Iterator[Finding]:
    """``p`` is missing; of one that is wrong the grammar has told."""
    if "p" in record.present:
        return
    effect = (
        "receivers take p=none, and only report"
        if record.reports_somewhere
        else "receivers do nothing at all by it, for there is no address for reports either"
    )
    yield made(
        about, "dmarc-policy-missing", WARNING if record.reports_somewhere else ERROR,
        f"The DMARC record says no policy, there is no p=: {effect}.",
        fix="Say what is wanted, to begin with p=none.", publish=with_tag(record, "p", NONE),
        reference="RFC 9989 section 4.10.1",
    )  # fmt: skip


def _weak(found: Discovery, step: Step, record: Record, policy: str | None) -> Iterator[Finding]:
    if policy == NONE:
        tag = "p" if not found.inherited or record.values["p"] == NONE else next(
            each for each in BELOW if record.values.get(each) == NONE
        )  # fmt: skip
        yield made(
            about, "dmarc-policy-none", WARNING,
            f"DMARC only watches ({tag}=none): mail that others send in the name of {shown(found.walk.start)} is "
            "delivered as if it were yours.",
            fix=f"When the reports show that your own mail passes, ask for {tag}=quarantine, later for reject.",
            publish=with_tag(record, tag, QUARANTINE),
        )  # fmt: skip
    elif policy is not None and record.testing:
        yield made(
            about, "dmarc-testing", WARNING,
            f"DMARC is being tested (t=y): receivers that know RFC 9989 treat mail that fails by {lowered(policy)}, not by "
            f"{policy}; others by {policy}.",
            fix="When the reports show that your own mail passes, take t=y out.", publish=with_tag(record, "t", None),
        )  # fmt: skip


def _below(found: Discovery, step: Step, record: Record) -> Iterator[Finding]:
    """What holds for subdomains."""
    if found.inherited or record.values["p"] == NONE:
        return
    if found.organization is not None and found.organization != step.domain:
        ignored = [name for name in BELOW if name in record.values]
        if ignored:
            yield made(
                about, "dmarc-subdomain-policy-ignored", NOT_APPLICABLE,
                f"{' and '.join(f'{name}=' for name in ignored)} is read at {shown(found.organization)} only, to whom this "
                "domain belongs; harmless here.",
                fix="It may be taken out.",
            )  # fmt: skip
        return
    for exists, which, tag in ((True, "subdomains", "sp"), (False, "subdomains that do not exist", "np")):
        if record.policy(subdomain=True, exists=exists) == NONE:
            yield made(
                about, "dmarc-subdomains-open", WARNING,
                f"DMARC protects the domain itself, and {which} not ({tag}=none): whoever wants to send in your name takes "
                "one of them.",
                fix=f"Take {tag}= out, so that p= holds for them too; when the reports show that their mail passes.",
                publish=with_tag(record, tag, None),
            )  # fmt: skip
            return


def _public(step: Step, record: Record) -> Finding:
    return made(
        about, "dmarc-psd", WARNING,
        f"psd=y says that others register domains under {shown(step.domain)}: each of its subdomains is then a stranger to "
        "it, and mail is not aligned between them.",
        fix="Take psd=y out, unless this is a registry.", publish=with_tag(record, "psd", None),
    )  # fmt: skip


def _silent(step: Step, record: Record) -> Finding:
    return made(
        about, "dmarc-no-reports", WARNING,
        "The DMARC record has no address for reports (rua=): nobody tells you whether your own mail fails, nor who sends "
        "in your name.",
        fix="Give an address that a person or a program reads.",
        publish=with_tag(record, "rua", f"mailto:postmaster@{step.domain.to_text(omit_final_dot=True)}"),
        reference="RFC 9989 section 5.1.3",
    )  # fmt: skip


def ok(found: Discovery, step: Step, record: Record, policy: str) -> Finding:
    """All is well."""
    of = f", as {shown(step.domain)} says for its subdomains" if found.inherited else ""
    text = (
        f"DMARC asks receivers to {'refuse' if policy == 'reject' else 'put aside'} mail that fails (p={policy}){of}."
    )
    return made(step, record, "dmarc-ok", OK, text, fix="", reference="RFC 9989 section 4.7")
