"""Tells of a domain that has no SPF record, or more than one, or something that was meant to be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.checks.dns.spf.corrected import corrected, fresh, merged
from mailwatch.checks.dns.spf.record import parse
from mailwatch.checks.dns.spf.selection import (
    BLANK_BEFORE,
    GLUED,
    NO_VERSION,
    OTHER_VERSION,
    QUOTED,
    SENDER_ID,
    readable,
    select,
)
from mailwatch.checks.dns.spf.subject import Subject, cut
from mailwatch.finding import ERROR, WARNING
from mailwatch.question import NXDOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwatch.checks.dns.spf.selection import NearMiss
    from mailwatch.checks.dns.spf.tree import Published
    from mailwatch.finding import Finding
    from mailwatch.question import Answer

WHY: Final = {
    BLANK_BEFORE: "something stands before v=spf1, if only a blank",
    QUOTED: "quotation marks are a part of the text",
    GLUED: "v=spf1 is not followed by a blank",
    OTHER_VERSION: "it does not begin with exactly v=spf1",
    NO_VERSION: "the v= at its beginning is missing",
    SENDER_ID: "it is of Sender ID (spf2.0), which nobody reads any more",
}
NOBODY: Final = "receivers cannot tell its mail from forged mail, and the large ones refuse or junk it"


def no_record(root: Published, old_type: Answer, add: Sequence[str]) -> Finding:
    """Why there is none: something close to it, a record of the old type, or nothing. ``add``: what should pass."""
    domain, ttl = root.domain, root.answer.ttl
    near = next(iter(sorted(root.near, key=lambda each: each.why == SENDER_ID)), None)
    if near is not None:
        return _near(Subject(domain=domain, record=near.text, better=_meant(near, add), ttl=ttl), near, ERROR)
    old = of_old_type(old_type)
    if old:
        return Subject(domain=domain, better=corrected(parse(old[0]), add), ttl=ttl).tell(
            "spf-type-99-only",
            ERROR,
            f"The SPF record of {shown(domain)} is of the type SPF (99), which nobody reads any more: for receivers "
            "there is none.",
            fix="Publish it as a TXT record.",
            reference="3.1",
        )
    if root.answer.outcome == NXDOMAIN:
        return Subject(domain=domain, ttl=ttl).tell(
            "spf-none",
            ERROR,
            f"{shown(domain)} is not in the DNS, and so has no SPF record: receivers refuse mail from it.",
            fix="Look whether it is spelled so, and whether its registration has ended; or send for another domain.",
            reference="4.3",
        )
    return Subject(domain=domain, better=fresh(add) if add else None, ttl=ttl).tell(
        "spf-none",
        ERROR,
        f"{shown(domain)} has no SPF record: {NOBODY}.",
        fix="Publish a TXT record that names every server that sends for the domain; `~all` may become `-all` when "
        "none is missing.",
        reference="3",
    )


def several(root: Published, add: Sequence[str]) -> Finding:
    """More than one record is as bad as none."""
    records = [parse(each) for each in root.texts]
    return Subject(
        domain=root.domain,
        record=" | ".join(each.text for each in records),
        better=merged(records, add),
        ttl=root.answer.ttl,
    ).tell(
        "spf-two-records",
        ERROR,
        f"{shown(root.domain)} has {len(records)} SPF records, and only one is allowed: receivers answer permerror, so "
        "that no mail passes.",
        fix="Publish one record that has the terms of all, and remove the others.",
        reference="4.5",
    )


def beside(subject: Subject, root: Published, old_type: Answer) -> list[Finding]:
    """What else there is beside one good record."""
    found = [_near(subject, each, WARNING) for each in root.near if each.why != SENDER_ID]
    old = of_old_type(old_type)
    if old and not any(_plain(each) == _plain(text) for each in old for text in root.texts):
        found.append(
            subject.tell(
                "spf-type-99-differs",
                WARNING,
                f"{shown(root.domain)} has another SPF record of the old type SPF (99), which says something else: "
                f"`{cut(old[0].decode('utf-8', 'replace'))}`. Who still reads that type decides otherwise.",
                fix="Remove the record of the type SPF.",
                reference="3.1",
            )
        )
    return found


def of_old_type(answer: Answer) -> list[bytes]:
    """The SPF records of the type SPF (99)."""
    return list(select(readable(answer)).records)


def _plain(text: bytes) -> bytes:
    return b" ".join(text.lower().split())


def _meant(near: NearMiss, add: Sequence[str]) -> str | None:
    if near.instead is None:
        return fresh(add) if add else None
    return corrected(parse(near.instead), add)


def _near(subject: Subject, near: NearMiss, verdict: str) -> Finding:
    then = (
        "Remove it, or make it a part of the record that counts."
        if verdict == WARNING
        else "Begin the text with v=spf1 and a blank, and nothing before it."
    )
    return subject.tell(
        "spf-near-miss",
        verdict,
        f"`{cut(near.text)}` looks like an SPF record of {shown(subject.domain)}, and is none: {WHY[near.why]}, so "
        "receivers do not see it.",
        fix=then,
        reference="4.5",
    )
