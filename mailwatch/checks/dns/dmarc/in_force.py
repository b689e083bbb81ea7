"""The record in force: what is wrong with it, and what its policy leaves open. Decides, asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.absent import NAME, zone_line
from mailwatch.checks.dns.dmarc.record import NONE, QUARANTINE, REJECT, Record, lowered
from mailwatch.checks.dns.dmarc.suffix_list import is_public
from mailwatch.checks.dns.dmarc.walk import LABEL, Discovery, Step
from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.tag_list import tag_list
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns.name import Name

    from mailwatch.checks.dns.dmarc.record import Problem

BELOW: Final = ("sp", "np")
MOST: Final = 20
"""So many mistakes of a record are told."""
LONGEST: Final = 2048
"""So much of a record is shown; a longer one is not put right, for nobody has written it."""
PATIENCE: Final = "When the reports show that your own mail passes"


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The record that holds for a domain, where it is (``step``), and its ``policy`` for that domain, before ``t=y``.

    ``policy`` is None when receivers do nothing by the record.
    """

    found: Discovery
    step: Step
    record: Record
    policy: str | None

    @property
    def start(self) -> Name:
        """The domain that is checked."""
        return self.found.walk.start

    @property
    def organization(self) -> Name | None:
        """To whom the domain belongs where the record is; None when nobody could tell."""
        return self.step.domain if self.found.inherited else self.found.organization


def made(
    about: InForce,
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
        where=f"{LABEL}.{shown(step.domain)} TXT",
        fix=fix,
        record=shortened(escaped(about.record.text.encode("latin-1")), LONGEST),
        publish=zone_line(step.domain, publish, step.answer.ttl) if publish and len(publish) <= LONGEST else None,
        reference=reference,
        ttl=step.answer.ttl,
    )


def at_column(finding: Finding, column: int) -> Finding:
    """The finding, with the place in the record."""
    return replace(finding, where=f"{finding.where}, column {column}")


def with_tag(record: Record, name: str, value: str | None) -> str | None:
    """The record put right, with this tag set, or taken out; None when the record cannot be put right."""
    if record.corrected is None:
        return None
    tags = tag_list(record.corrected).tags
    parts = [each.text for each in tags if each.name.lower() != name]
    if value is not None:
        last = 1 if name == "p" else len(parts)
        place = next((at for at, each in enumerate(tags) if each.name.lower() == name), last)
        parts.insert(place, f"{name}={value}")
    return "; ".join(parts)


def findings(about: InForce) -> Iterator[Finding]:
    """All that is wrong with the record, or weak."""
    record = about.record
    yield from (_of_problem(about, each) for each in record.problems[:MOST])
    # before what is to be done when the reports are there
    if not record.rua and not any("rua" in f"{each.piece} {each.instead}".lower() for each in record.problems):
        yield _silent(about)
    if record.wrong_policy:
        yield from _without_policy(about)
    else:
        yield from _weak(about)
        yield from _below(about)
    if record.psd == "y" and not about.found.inherited and not is_public(about.step.domain):
        yield _public(about)


def _of_problem(about: InForce, problem: Problem) -> Finding:
    found = made(
        about,
        problem.code,
        problem.verdict,
        problem.text,
        fix=problem.fix,
        publish=about.record.corrected,
        reference=problem.reference,
    )
    return at_column(found, problem.column)


def _without_policy(about: InForce) -> Iterator[Finding]:
    """``p`` is missing; of one that is wrong the grammar has told."""
    if "p" in about.record.present:
        return
    watched = about.record.reports_somewhere
    effect = (
        "take p=none, and only report" if watched else "do nothing by it, for there is no address for reports either"
    )
    yield made(
        about,
        "dmarc-policy-missing",
        WARNING if watched else ERROR,
        f"The DMARC record says no policy, there is no p=: receivers {effect}.",
        fix="Say what is wanted, to begin with p=none.",
        publish=with_tag(about.record, "p", NONE),
        reference="RFC 9989 section 4.10.1",
    )


def _weak(about: InForce) -> Iterator[Finding]:
    record, policy = about.record, about.policy
    if policy == NONE:
        tag = _tag_of_none(about)
        first = "" if record.rua else "Ask for reports first (rua=). "
        yield made(
            about,
            "dmarc-policy-none",
            WARNING,
            f"DMARC only watches ({tag}=none): mail that others send in the name of {shown(about.start)} is delivered "
            "as if it were yours.",
            fix=f"{first}{PATIENCE}, ask for {tag}=quarantine, later for reject.",
            publish=with_tag(record, tag, QUARANTINE) if record.rua else None,
        )
    elif policy is not None and record.testing:
        yield made(
            about,
            "dmarc-testing",
            WARNING,
            f"DMARC is being tested (t=y): receivers that know RFC 9989 take {lowered(policy)} for mail that fails, "
            f"others {policy}.",
            fix=f"{PATIENCE}, take t=y out.",
            publish=with_tag(record, "t", None),
        )


def _tag_of_none(about: InForce) -> str:
    """The tag by which the policy is none."""
    if not about.found.inherited:
        return "p"
    return next((each for each in ("np", "sp") if about.record.values.get(each) == NONE), "p")


def _below(about: InForce) -> Iterator[Finding]:
    """What holds for subdomains."""
    record = about.record
    if about.found.inherited or record.values["p"] == NONE:
        return
    if about.organization is not None and about.organization != about.step.domain:
        yield from _ignored(about, about.organization)
        return
    for exists, which, tag in ((True, "its subdomains", "sp"), (False, "subdomains that do not exist", "np")):
        if record.policy(subdomain=True, exists=exists) == NONE:
            yield made(
                about,
                "dmarc-subdomains-open",
                WARNING,
                f"DMARC protects {shown(about.start)} itself, and {which} not ({tag}=none): whoever wants to send in "
                "your name takes one of them.",
                fix=f"{PATIENCE}, take {tag}= out: p= holds for them then.",
                publish=with_tag(record, tag, None),
            )
            return


def _ignored(about: InForce, organization: Name) -> Iterator[Finding]:
    ignored = [f"{name}=" for name in BELOW if name in about.record.values]
    if ignored:
        yield made(
            about,
            "dmarc-subdomain-policy-ignored",
            NOT_APPLICABLE,
            f"{' and '.join(ignored)} is read at {shown(organization)} only, to whom this domain belongs; harmless.",
            fix="It may be taken out.",
        )


def _public(about: InForce) -> Finding:
    return made(
        about,
        "dmarc-psd",
        WARNING,
        f"psd=y says that others register domains under {shown(about.step.domain)}: each of its subdomains is a "
        "stranger to it then, and mail is not aligned between them.",
        fix="Take psd=y out, unless this is a registry.",
        publish=with_tag(about.record, "psd", None),
    )


def _silent(about: InForce) -> Finding:
    host = about.step.domain.to_text(omit_final_dot=True)
    return made(
        about,
        "dmarc-no-reports",
        WARNING,
        "The DMARC record has no address for reports (rua=): nobody tells you whether your own mail fails, nor who "
        "sends in your name.",
        fix="Give an address that a person or a program reads.",
        publish=with_tag(about.record, "rua", f"mailto:postmaster@{host}"),
        reference="RFC 9989 section 5.1.3",
    )


def ok(about: InForce) -> Finding:
    """All is well."""
    action = "refuse" if about.policy == REJECT else "put aside"
    of = f", as {shown(about.step.domain)} says for its subdomains" if about.found.inherited else ""
    text = f"DMARC asks receivers to {action} mail that fails ({about.policy}){of}."
    return made(about, "dmarc-ok", OK, text, fix="")
