"""The DNS Tree Walk (RFC 9989 section 4.10): from a domain upward, to the record in force and to whom it belongs.

Promises
    At most eight questions for a name, however long it is. What nobody could tell is never taken for what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dns.name import Name

from mailwatch.checks.dns.dmarc.grammar import record_of
from mailwatch.checks.dns.names import below
from mailwatch.checks.dns.txt import MOST, octets
from mailwatch.question import ANSWER, NO_DATA, UNKNOWN, Answer

if TYPE_CHECKING:
    from mailwatch.checks.dns.dmarc.record import Record
    from mailwatch.question import Asks

LABEL: Final = "_dmarc"
LONG: Final = 8
"""A name of so many labels is cut down to one label less at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is published for one domain on the way: ``records``, and ``strays`` that receivers discard."""

    domain: Name
    answer: Answer
    records: tuple[Record, ...] = ()
    strays: tuple[str, ...] = ()

    @property
    def record(self) -> Record | None:
        """The record that counts: of several, none does."""
        return self.records[0] if len(self.records) == 1 else None

    @property
    def unknown(self) -> bool:
        """Whether nobody could tell what is published."""
        return self.answer.outcome == UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The way from ``start`` upward: it ends at a record that says ``psd=y`` or ``psd=n``, or below the root."""

    start: Name
    steps: tuple[Step, ...]

    @property
    def first(self) -> Step:
        """What is published for the domain itself."""
        return self.steps[0]

    def at(self, domain: Name | None) -> Step | None:
        """The step at this domain, if the way leads there."""
        return next((each for each in self.steps if each.domain == domain), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Whose record is in force for a domain. ``organization`` is None when nobody could tell it.

    ``step`` is where the record is, None when there is none. ``trouble`` is the answer for want of which the record
    is not known: then ``step`` says nothing.
    """

    walk: Walk
    organization: Name | None
    step: Step | None = None
    trouble: Answer | None = None

    @property
    def record(self) -> Record | None:
        """The record in force."""
        return None if self.step is None else self.step.record

    @property
    def inherited(self) -> bool:
        """Whether it is that of a domain above."""
        return self.step is not None and self.step.domain != self.walk.start


def targets(domain: Name) -> tuple[Name, ...]:
    """The domains of a whole walk, in order."""
    labels = [label for label in domain.labels if label]
    first = Name([*labels, b""])
    labels = labels[1:] if len(labels) < LONG else labels[-(LONG - 1) :]
    return (first, *(Name([*labels[begin:], b""]) for begin in range(len(labels))))


def soon(asks: Asks, domain: Name) -> None:
    """Put all questions of a walk: they are under way together."""
    for target in targets(domain):
        name = below(target, LABEL)
        if name is not None:
            asks.soon(name, "TXT")


async def walk(asks: Asks, domain: Name) -> Walk:
    """Walk from this domain upward."""
    soon(asks, domain)
    steps: list[Step] = []
    for target in targets(domain):
        name = below(target, LABEL)
        if name is None:  # no room for a label before it: nobody can publish anything there
            answer = Answer(name=target, kind="TXT", outcome=NO_DATA)
        else:
            answer = await asks.ask(name, "TXT")
        step = step_of(target, answer)
        steps.append(step)
        if step.record is not None and step.record.psd in ("y", "n"):
            break
    return Walk(start=domain, steps=tuple(steps))


def step_of(domain: Name, answer: Answer) -> Step:
    """What an answer holds: records, and what is none."""
    texts = [octets(each).decode("latin-1") for each in answer.records[:MOST]] if answer.outcome == ANSWER else []
    read = [(text, record_of(text)) for text in texts]
    return Step(
        domain=domain,
        answer=answer,
        records=tuple(record for _, record in read if record is not None),
        strays=tuple(text for text, record in read if record is None),
    )


def organizational_domain(way: Walk) -> Name | None:
    """To whom the domain belongs (section 4.10.2); None when nobody could tell."""
    highest: Name | None = None
    unknown = False
    for step in way.steps:
        unknown = unknown or step.unknown
        if step.record is None:
            continue
        highest = step.domain
        if step.record.psd == "n":
            break
        if step.record.psd == "y" and step is not way.first:
            highest = _one_below(way.start, step.domain)
            break
    if unknown:
        return None
    return way.start if highest is None else highest


def _one_below(start: Name, above: Name) -> Name:
    """The ancestor of ``start`` that is one label longer than ``above``."""
    return Name(start.labels[-(len(above.labels) + 1) :])


def discovered(way: Walk) -> Discovery:
    """The record in force (section 4.10.1): the domain's own, or its organization's, or its public suffix's."""
    organization = organizational_domain(way)
    if way.first.record is not None:
        return Discovery(walk=way, organization=organization, step=way.first)
    unknown = next((each.answer for each in way.steps if each.unknown), None)
    if unknown is not None:
        return Discovery(walk=way, organization=organization, trouble=unknown)
    step = way.at(organization)
    if step is None or step.record is None:
        step = next((each for each in way.steps if each.record is not None and each.record.psd == "y"), None)
    return Discovery(walk=way, organization=organization, step=step)


async def discover(asks: Asks, domain: Name) -> Discovery:
    """Walk, and tell whose record is in force."""
    return discovered(await walk(asks, domain))
