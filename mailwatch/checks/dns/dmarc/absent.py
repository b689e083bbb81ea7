"""No record is in force: whether one was meant, and stands wrong or elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.grammar import is_record, record_of
from mailwatch.checks.dns.dmarc.walk import LABEL
from mailwatch.checks.dns.names import below, shown, written
from mailwatch.checks.dns.txt import MOST, escaped, octets, quoted, shortened
from mailwatch.finding import ERROR, WARNING, Finding
from mailwatch.question import ANSWER, UNKNOWN

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.dmarc.walk import Step, Walk
    from mailwatch.question import Asks

NAME: Final = "dmarc"
TTL: Final = 3600
AROUND: Final = " \t\r\n\"'\\\xa0\xef\xbb\xbf\xe2\x80\x9c\x9d"
"""What gets around a record by way of an editor or a web form: blanks, quotes, marks of UTF-8."""
BEGINNING: Final = 24
READ: Final = 2048
MOST_TOLD: Final = 5
ASSIGNMENT: Final = re.compile(r"[ ,]\s?(?=[a-z]{1,6}=)")


def zone_line(domain: Name, text: str, ttl: int | None = None) -> str:
    """The record as a line of a zone."""
    name = below(domain, LABEL)
    return "" if name is None else f"{written(name)} {ttl or TTL} IN TXT {quoted(text)}"


def meant(text: str) -> str | None:
    """The record that was probably meant by a text that receivers discard; None when it is about something else."""
    text = " ".join(text[:READ].strip(AROUND).split()).replace("\\;", ";").replace("\xa0", " ")
    at = text[:BEGINNING].lower().find("dmarc")
    if at < 0 or text[:at].lower().strip(AROUND + "v=:-_."):
        return None
    rest = text[at + len("dmarc") :].lstrip(" .").removeprefix("1").lstrip(AROUND + ";,.:")
    rest = rest.rstrip(AROUND + ";")
    if ";" not in rest:
        rest = ASSIGNMENT.sub("; ", rest)
    guess = f"v=DMARC1; {rest}" if rest else "v=DMARC1; p=none"
    guess = "".join(each for each in guess if each.isascii() and each.isprintable())
    record = record_of(guess)
    return guess if record is None or record.corrected is None else record.corrected


def near_misses(step: Step) -> list[Finding]:
    """A finding for each text at the right place that was meant as a record, and is none."""
    where = below(step.domain, LABEL)
    return [
        Finding(
            check=NAME,
            code="dmarc-near-miss",
            verdict=WARNING if step.records else ERROR,
            text=f"{_seen(stray)} is not a DMARC record, for one begins with exactly v=DMARC1 and a semicolon: "
            + ("receivers skip it." if step.records else "receivers act as if there were none."),
            where=f"{shown(where)} TXT, column 1" if where is not None else "",
            fix="Take it out." if step.records else "Publish it as below.",
            record=shortened(escaped(stray.encode("latin-1")), READ),
            publish=None if step.records else zone_line(step.domain, guess, step.answer.ttl),
            reference="RFC 9989 section 4.8",
            ttl=step.answer.ttl,
        )
        for stray in step.strays[:MOST_TOLD]
        if (guess := meant(stray)) is not None
    ]


async def misplaced(asks: Asks, domain: Name) -> list[Finding]:
    """A record that was published, and not where receivers look: at most one finding."""
    doubled = below(domain, LABEL, *(label for label in domain.labels if label))
    places = [(doubled, "because the name was completed once more: a final dot is missing in the zone"),
              (domain, "at the domain itself, where nobody looks for it"),
              (below(domain, "dmarc"), "without the underscore before dmarc")]  # fmt: skip
    there = [(place, why) for place, why in places if place is not None]
    for place, _ in there:
        asks.soon(place, "TXT")
    for place, why in there:
        answer = await asks.ask(place, "TXT")
        if answer.outcome in (ANSWER, UNKNOWN):
            for text in (octets(each).decode("latin-1") for each in answer.records[:MOST]):
                if is_record(text):
                    return [_misplaced(domain, place, why, text, answer.ttl)]
    return []


def _misplaced(domain: Name, place: Name, why: str, text: str, ttl: int | None) -> Finding:
    return Finding(
        check=NAME,
        code="dmarc-misplaced",
        verdict=ERROR,
        text=f"The DMARC record stands at {shown(place)}, {why}: to receivers there is none.",
        where=f"{shown(place)} TXT",
        fix="Publish it at the right name, and take it out there.",
        record=shortened(escaped(text.encode("latin-1")), READ),
        publish=zone_line(domain, "".join(each for each in text[:READ] if each.isascii() and each.isprintable())),
        reference="RFC 9989 section 4.5",
        ttl=ttl,
    )


def missing(way: Walk) -> Finding:
    """Nothing is there at all."""
    domain = way.start
    return Finding(
        check=NAME,
        code="dmarc-missing",
        verdict=ERROR,
        text=f"{shown(domain)} has no DMARC record, nor has a domain above it: anybody can send mail in its name, and "
        "large providers refuse bulk mail without one.",
        where=f"{LABEL}.{shown(domain)} TXT",
        fix="Publish one. Read the reports for some weeks, then change p=none to quarantine, and to reject.",
        publish=zone_line(domain, f"v=DMARC1; p=none; rua=mailto:postmaster@{written(domain).removesuffix('.')}"),
        reference="RFC 9989 section 5.1.4",
    )


def _seen(text: str) -> str:
    return f'"{shortened(escaped(text.encode("latin-1")), 80)}"'
