"""Tells what SPF answers for this host: which addresses do not pass, for which identity, and by which term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.corrected import corrected, fresh, terms_for
from mailwatch.checks.dns.spf.judging import refused
from mailwatch.checks.dns.spf.subject import Subject, cut, listed
from mailwatch.checks.dns.spf.tree import read
from mailwatch.checks.dns.spf.verdict import FAIL, NEUTRAL, NONE, PERMERROR, SOFTFAIL, TEMPERROR
from mailwatch.finding import ERROR, UNKNOWN, WARNING
from mailwatch.question import UNKNOWN as UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dns.name import Name

    from mailwatch.checks.dns.spf.judging import Judged, Judgement
    from mailwatch.checks.dns.spf.verdict import Verdict
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

SAID: Final = {
    FAIL: (ERROR, "fails SPF", "receivers refuse it"),
    SOFTFAIL: (WARNING, "gets softfail from SPF", "receivers distrust it, and may put it into the junk folder"),
    NEUTRAL: (WARNING, "is neither let pass nor refused by SPF (neutral)", "receivers treat it like mail without SPF"),
    PERMERROR: (ERROR, "gets permerror from SPF", "receivers take the record for broken, and many refuse the mail"),
    TEMPERROR: (UNKNOWN, "gets temperror from SPF", "whoever has the same trouble puts the mail off"),
    NONE: (WARNING, "has no SPF record to be checked by (none)", "receivers have nothing to trust it by"),
}
SECTION: Final = {FAIL: "8.4", SOFTFAIL: "8.5", NEUTRAL: "8.2", PERMERROR: "8.7", TEMPERROR: "8.6", NONE: "8.1"}


def own_answers(subject: Subject, judged: Sequence[Judged], explained: Iterable[str]) -> list[Finding]:
    """The results for the domain itself; those that another finding explains are not told again."""
    known = set(explained)
    return [
        _told(subject, "spf-", group, "") for group in grouped(refused(judged)) if group[0].verdict.result not in known
    ]


async def other_answers(asks: Asks, judgement: Judgement) -> list[Finding]:
    """The results for another domain in MAIL FROM, and for the HELO name."""
    found: list[Finding] = []
    if judgement.mail_from is not None:
        subject = await _subject(asks, judgement.mail_from, judgement.elsewhere)
        identity = f" with {shown(judgement.mail_from)} in MAIL FROM"
        found += [_told(subject, "spf-mail-from-", group, identity) for group in grouped(refused(judgement.elsewhere))]
    if judgement.helo is None:
        return found
    if (await asks.ask(judgement.helo, "A")).outcome == UNANSWERED:
        return found  # its zone does not answer: that is told of the HELO name itself
    subject = await _subject(asks, judgement.helo, judgement.by_helo)
    identity = f" with {shown(judgement.helo)} as HELO name, as bounces are judged by,"
    bad = [each for each in refused(judgement.by_helo) if each.verdict.result not in (NONE, NEUTRAL)]
    return [*found, *(_told(subject, "spf-helo-", group, identity) for group in grouped(bad))]


async def _subject(asks: Asks, domain: Name, judged: Sequence[Judged]) -> Subject:
    published = await read(asks, domain)
    record = published.record
    terms = terms_for(each.sending.address for each in refused(judged))
    first = fresh(terms) if terms and not published.texts and published.answer.outcome != UNANSWERED else None
    return Subject(
        domain=domain,
        record=record.text if record else None,
        better=corrected(record, terms) if record else first,
    )


def grouped(judged: Iterable[Judged]) -> list[list[Judged]]:
    """Those with one result from one term together."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for each in judged:
        groups.setdefault((each.verdict.result, decided(each.verdict)), []).append(each)
    return list(groups.values())


def decided(verdict: Verdict) -> str:
    """By what: the term with its column, and its domain when it is not the one that was asked for; else why."""
    place = verdict.decided_by
    if place is None and verdict.result == NEUTRAL:
        return "no term of the record is about it"
    if place is None or verdict.result in (PERMERROR, TEMPERROR):
        return cut(verdict.why)
    term = f"`{cut(place.term.text)}` at column {place.term.column}"
    return f"{term} decides" if place.domain == verdict.trace.domain else f"{term} of {cut(place.domain)} decides"


def _told(subject: Subject, prefix: str, group: list[Judged], identity: str) -> Finding:
    verdict = group[0].verdict
    grade, said, result = SAID[verdict.result]
    guessed = [each.sending for each in group if each.sending.guessed]
    if guessed and grade == ERROR:
        grade = WARNING
    place = verdict.decided_by
    own = place is not None and place.domain == verdict.trace.domain
    addresses = listed([str(each.sending.address) for each in group])
    doubt = f" That address is guessed from {cut(guessed[0].origin)}." if guessed else ""
    parked = verdict.result == FAIL and place is not None and len(place.record.terms) == 1
    none = f" The record says that {shown(subject.domain)} sends no mail at all." if parked else ""
    ask = " Give the address that mail really leaves from by --ip." if guessed else ""
    return subject.tell(
        f"{prefix}{'unknown' if verdict.result == TEMPERROR else verdict.result}",
        grade,
        f"Mail from {addresses}{identity} {said}: {decided(verdict)}, and {result}.{none}{doubt}",
        column=place.term.column if own and place is not None else None,
        fix=f"{_fix(verdict.result, subject, group)}{ask}",
        reference=SECTION[verdict.result],
    )


def _fix(result: str, subject: Subject, group: list[Judged]) -> str:
    if result == TEMPERROR:
        return "Ask again later; if it stays so, name servers are broken."
    if result == PERMERROR:
        return "Correct the record."
    terms = terms_for(each.sending.address for each in group)
    if result == NONE:
        return f"Publish an SPF record at {shown(subject.domain)} with {listed(terms)}."
    return f"If this host may send for {shown(subject.domain)}, put {listed(terms)} before `all`."
