"""What a check of a domain came to, and the one object that machines read."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from mailwatch.checks.dns.names import written
from mailwatch.checks.dns.spf.judging import senders
from mailwatch.finding import ERROR, NOT_APPLICABLE, UNKNOWN, VERDICTS, WARNING, Finding, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailwatch.checks.dns.facts import Facts, SendingAddress, Stated

NEED_DOING: Final = (ERROR, WARNING)
SEVERAL: Final = 4
ESCAPES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What SPF says of the first sending address: ``result`` in the words of RFC 7208 section 2.6."""

    result: str
    explanation: str = ""
    record: str | None = None
    lookups: int | None = None
    void_lookups: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found about a domain, by check, in the order of the registry; ``hints`` say what would tell more.

    ``tree`` are the lines of the SPF records that the domain's leads to, with what they cost.
    """

    facts: Facts
    findings: Mapping[str, Sequence[Finding]]
    spf: Evaluated | None = None
    tree: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The domain, without its last dot."""
        return written(self.facts.domain).removesuffix(".")

    @property
    def ip(self) -> str | None:
        """The address that ``spf`` is about: the first that receivers see; else the first that is known here."""
        addresses = senders(self.facts) or self.facts.addresses
        return str(addresses[0].address) if addresses else None

    @property
    def every(self) -> list[Finding]:
        """All findings; of one check the worst first."""
        return [each for found in self.findings.values() for each in sorted(found, key=_badness)]

    @property
    def verdict(self) -> str:
        """The worst of all."""
        return worst(self.every)

    @property
    def is_silent(self) -> bool:
        """Whether several checks were made, and nothing at all could be told: that is no trouble of the domain."""
        verdicts = [each.verdict for each in self.every if each.verdict != NOT_APPLICABLE]
        return len(verdicts) >= SEVERAL and set(verdicts) == {UNKNOWN}

    @property
    def first(self) -> Finding | None:
        """What to do first: the worst finding that a person can do something about."""
        bad = [each for each in self.every if each.verdict in (*NEED_DOING, UNKNOWN)]
        return min(bad, key=_badness, default=None)


def _badness(finding: Finding) -> int:
    return VERDICTS.index(finding.verdict)


def as_object(report: Report) -> dict[str, Any]:
    """The report for machines: what is absent is left out."""
    facts = report.facts
    return present(
        {
            "domain": report.domain,
            "ip": report.ip,
            "verdict": report.verdict,
            "spf": None if report.spf is None else present(asdict(report.spf)),
            "findings": [present(asdict(each)) for each in report.every],
            "facts": facts_of(facts),
            "hints": list(report.hints),
        }
    )


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that there are; 0 and false are values."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def facts_of(facts: Facts) -> dict[str, Any]:
    """The facts, each with where it is from."""
    return present(
        {
            "addresses": [_address(each) for each in facts.addresses],
            "helo": _stated(facts.helo),
            "mail_from": _stated(facts.mail_from),
            "relay": _stated(facts.relay),
            "direct": True if facts.direct else None,
            "senders": [{"domain": each.text, "origin": each.origin} for each in facts.senders],
            "selectors": [
                present(
                    {
                        "selector": each.selector,
                        "domain": each.domain,
                        "origin": each.origin,
                        "public_key": each.public_key and base64.b64encode(each.public_key).decode(),
                    }
                )
                for each in facts.selectors
            ],
        }
    )


def _address(address: SendingAddress) -> dict[str, Any]:
    found = {"address": str(address.address), "origin": address.origin}
    return {**found, "guessed": True} if address.guessed else found


def _stated(stated: Stated | None) -> dict[str, str] | None:
    return None if stated is None else {"text": stated.text, "origin": stated.origin}


def printable(text: str) -> str:
    """A text that cannot steer a terminal, turn its direction, or hide something: such characters are escaped."""
    return "".join(
        each if each.isprintable() else ESCAPES.get(each) or each.encode("unicode_escape", "replace").decode()
        for each in text
    )
