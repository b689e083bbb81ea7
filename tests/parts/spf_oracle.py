"""pyspf as an oracle: fed from the same zone as our name server, and the differences from it that are known, each with its reason."""

from __future__ import annotations

import re
import socket
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.checks.dns.spf.record import parse
from mailwatch.checks.dns.spf.verdict import PERMERROR, TEMPERROR, Step, Verdict, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an invalid escape in it, where it was not compiled yet
    import spf

SUBJECT: Final = "subject.example"
CLIENTS: Final = ("192.0.2.1", "192.0.2.99", "198.51.100.7", "2001:db8::1", "2001:db8::99")
"""With names that lead back; with none; with a dead reverse zone; IPv6 with names; IPv6 with none."""
ZONE: Final[dict[tuple[str, str], list[str]]] = {
    (SUBJECT, "A"): ["192.0.2.50"],
    (SUBJECT, "MX"): ["10 mx.example"],
    ("in.example", "A"): ["198.51.100.1", "192.0.2.1"],
    ("in.example", "AAAA"): ["2001:db8::1"],
    ("near.example", "A"): ["192.0.2.200"],
    ("near.example", "AAAA"): ["2001:db8::ffff"],
    ("out.example", "A"): ["203.0.113.1"],
    ("out.example", "AAAA"): ["2001:db8:ffff::1"],
    ("four.example", "A"): ["192.0.2.99"],
    ("nodata.example", "TXT"): ['"nothing"'],
    ("mx.example", "A"): ["192.0.2.99"],
    ("mx.example", "AAAA"): ["2001:db8::99"],
    ("mxin.example", "MX"): ["10 out.example", "20 in.example", "30 near.example"],
    ("mxvoid.example", "MX"): ["10 void1.example", "20 void2.example", "30 void3.example"],
    ("mxmany.example", "MX"): [f"{number} in.example" for number in range(11)],
    ("mxnull.example", "MX"): ["0 ."],
    ("mxdead.example", "MX"): ["10 in.example", "20 dead.example"],
    ("pass.example", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/64 -all"'],
    ("fail.example", "TXT"): ['"v=spf1 -all"'],
    ("soft.example", "TXT"): ['"v=spf1 a:out.example ~all"'],
    ("neutral.example", "TXT"): ['"v=spf1 a:out.example"'],
    ("wrong.example", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 moo -all"'],
    ("two.example", "TXT"): ['"v=spf1 -all"', '"v=spf1 +all"'],
    ("loop.example", "TXT"): ['"v=spf1 include:loop2.example ?all"'],
    ("loop2.example", "TXT"): ['"v=spf1 redirect=loop.example"'],
    ("deep.example", "TXT"): [
        '"v=spf1 a:out.example a:out.example include:soft.example ?a:out.example mx:mxin.example ~all"'
    ],
    ("on.example", "TXT"): ['"v=spf1 redirect=pass.example"'],
    ("macro.example", "TXT"): ['"v=spf1 exists:%{ir}.%{v}.list.example -all"'],
    ("1.2.0.192.in-addr.list.example", "A"): ["127.0.0.2"],
    ("mx.1.example.list.example", "A"): ["127.0.0.2"],
    ("name.user.list.example", "A"): ["127.0.0.2"],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["void1.example.", "host.subject.example.", "in.example."],
    ("host.subject.example", "A"): ["192.0.2.1"],
    ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["in.example."],
}
DEAD: Final = ("dead.example", "7.100.51.198.in-addr.arpa")
THERE: Final = ("in.example", "near.example", "out.example", "mxin.example", "mxnull.example", "pass.example", "fail.example",
         "soft.example", "neutral.example", "deep.example", "on.example", "macro.example", "in.Example.")  # fmt: skip
NAMES: Final = (
    *sorted({name for name, _ in ZONE if name.endswith(".example") and name.count(".") == 1}),
    "dead.example", "void1.example", "void2.example", "a..example", f"{'x' * 64}.example", "in.Example.",
)  # fmt: skip


class Opinion(NamedTuple):
    """What pyspf answers, and why it says so."""

    result: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    text: str
    address: str
    ours: Verdict
    theirs: Opinion

    @property
    def terms(self) -> list[Step]:
        """The terms that we evaluated, those of other records with them."""
        return list(_steps(self.ours.trace))

    @property
    def words(self) -> list[str]:
        return self.text.split(" ")[1:]


def _steps(visit: Visit) -> Iterator[Step]:
    for step in visit.steps:
        yield step
        if step.into is not None:
            yield from _steps(step.into)


def opinion(text: str, address: str, sender: str, helo: str) -> Opinion:
    zone = {**ZONE, (SUBJECT, "TXT"): [text]}

    def lookup(name: str, kind: str, *_: object) -> Iterator[tuple[tuple[str, str], object]]:
        if name.lower() in DEAD:
            raise spf.TempError("dead")
        for value in zone.get((name.lower(), kind), ()):
            yield (name, kind), _as_pyspf_has_it(kind, value)

    before, spf.DNSLookup = spf.DNSLookup, lookup
    try:
        result, _, why = spf.query(i=address, s=sender, h=helo, strict=True).check()
    except Exception as error:  # noqa: BLE001 - whatever pyspf trips over
        return Opinion("raised", f"{type(error).__name__}: {error}")
    finally:
        spf.DNSLookup = before
    return Opinion(result, why)


def _as_pyspf_has_it(kind: str, value: str) -> object:
    if kind == "TXT":
        return (value.strip('"').encode(),)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        preference, host = value.split()
        return int(preference), host.removesuffix(".")
    return value.removesuffix(".")


def _has_other_void(each: Disagreement) -> bool:
    """A name behind mx or ptr, or one asked for %{p}, that has no address of the client's kind."""
    behind = any("has no A" in seen for step in each.terms for seen in step.seen)
    return "Void lookup" in each.theirs.why and (behind or _asks_names(each))


def _asks_names(each: Disagreement) -> bool:
    return (
        "%{p" in each.text.lower() or any(step.term.name == "ptr" for step in each.terms) or "ptr" in each.text.lower()
    )


def _has_idle_redirect(each: Disagreement) -> bool:
    idle = "redirect=" in each.text.lower() and not any(step.term.name == "redirect" for step in each.ours.trace.steps)
    return "Too many DNS lookups" in each.theirs.why and idle


def _has_capital_modifier(each: Disagreement) -> bool:
    names = [word.partition("=")[0] for word in each.words]
    return any(name != name.lower() and name.lower() in ("redirect", "exp") for name in names)


def _repeats_a_modifier(each: Disagreement) -> bool:
    names = [term.name for term in parse(each.text).terms if term.is_modifier and term.name not in ("redirect", "exp")]
    return "MUST appear at most once" in each.theirs.why and len(names) != len(set(names))


def _includes_itself(each: Disagreement) -> bool:
    return "trivial recursion" in each.theirs.why and any(
        SUBJECT in word.lower() or "%{" in word for word in each.words
    )


def _all_problems_are_of(each: Disagreement, what: str) -> bool:
    problems = parse(each.text).problems
    return bool(problems) and all(what in problem.text for problem in problems)


def _has_loose_macro(each: Disagreement) -> bool:
    """A macro that is not closed, keeps 0 parts, or has other characters in it than the grammar has."""
    return each.ours.result == PERMERROR and _all_problems_are_of(each, "macro")


def _has_unseen_character(each: Disagreement) -> bool:
    return each.ours.result == PERMERROR and _all_problems_are_of(each, "character")


def _has_exists_with_qualifier_alone(each: Disagreement) -> bool:
    return any(word[:1] in "+-~?" and word[1:].lower() == "exists" for word in each.words)


def _ptr_fails(each: Disagreement) -> bool:
    return each.theirs.result == TEMPERROR and each.address == "198.51.100.7" and _asks_names(each)


def _later_mail_host_is_dead(each: Disagreement) -> bool:
    return each.theirs.result == TEMPERROR and any(
        step.term.name == "mx" and step.target == "mxdead.example" for step in each.terms
    )


def _splits_a_domain(each: Disagreement) -> bool:
    return (
        re.search(r"%\{[dohpiv][0-9]*r?[+,/_=-]+[.]?\}|%\{[dohpiv][0-9]*r?\.[+,/_=-]+\}", each.text, re.IGNORECASE)
        is not None
    )


KNOWN: Final[dict[str, tuple[str, Callable[[Disagreement], bool]]]] = {
    "it counts void lookups of names behind mx, ptr and %{p}": ("RFC 7208 section 4.6.4: terms", _has_other_void),
    "it counts a redirect that is not evaluated": ("RFC 7208 sections 4.6.4 and 6.1", _has_idle_redirect),
    "it takes REDIRECT= for a modifier that nobody knows": ("RFC 7208 section 4.6.1, RFC 5234 2.3", _has_capital_modifier),
    "it allows a modifier that nobody knows once only": ("RFC 7208 section 6", _repeats_a_modifier),
    "it refuses an include of the domain itself, also where it is not evaluated": ("RFC 7208 section 5.2", _includes_itself),
    "it passes over macros that break the grammar": ("RFC 7208 section 7.1", _has_loose_macro),
    "it passes over characters that break the grammar": ("RFC 7208 section 7.1: %x21-7E", _has_unseen_character),
    "it takes the domain itself for exists without one, after a qualifier": ("RFC 7208 section 5.7", _has_exists_with_qualifier_alone),
    "it makes a temperror of a PTR that fails": ("RFC 7208 section 5.5", _ptr_fails),
    "it asks for all mail hosts before it looks at one": ("RFC 7208 section 5.4", _later_mail_host_is_dead),
    "it joins the parts of a domain by what they were split at": ("RFC 7208 section 7.3", _splits_a_domain),
}  # fmt: skip
"""Where we differ, and are right by the section named; nothing else is accepted."""


def reason(each: Disagreement) -> str | None:
    return next((name for name, (_, holds) in KNOWN.items() if holds(each)), None)
