"""Reads a DMARC record: all that is wrong with it at once, each at its column (RFC 9989 sections 4.7 and 4.8).

Promises
    Never raises, whatever the text. A text that is no DMARC record by its version is None: receivers discard it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dmarc.record import POLICIES, Problem, Record
from mailwatch.checks.dns.dmarc.report_address import ReportAddress, report_addresses
from mailwatch.checks.dns.tag_list import Flaw, Tag, TagList, nearest, replaced, tag_list
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
VALUES: Final = {
    "p": POLICIES,
    "sp": POLICIES,
    "np": POLICIES,
    "t": ("y", "n"),
    "psd": ("y", "n", "u"),
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
}
ROUNDS: Final = 4
"""So often a record is put right: what stood wrong may have hidden something else."""
FAILURES: Final = frozenset({"0", "1", "d", "s"})
REMOVED: Final = {"pct": "100", "rf": "afrf", "ri": "86400"}
"""Tags that RFC 9989 has removed (appendix C.5.2), with the value that was the default."""
ADDRESSES: Final = ("rua", "ruf")
KNOWN: Final = ("v", *VALUES, "fo", *ADDRESSES, *REMOVED)
UNPARTED: Final = re.compile(rf"[ \t]+(?=(?:{'|'.join(KNOWN[1:])})[ \t]*=)")
"""Between a value and the next tag where a semicolon should stand."""
LINE: Final = 512
"""So much of a value is looked at for that."""
POLICY_WORDS: Final = {
    "quarantaine": "quarantine", "quarentine": "quarantine", "monitor": "none", "rejected": "reject", "deny": "reject",
    "block": "reject", "off": "none", "no": "none", "yes": "reject",
}  # fmt: skip


def is_record(text: str) -> bool:
    """Whether receivers take this for a DMARC record: it begins with exactly ``v=DMARC1``."""
    return VERSION.match(text) is not None


def record_of(text: str) -> Record | None:
    """The record, read whole; None when receivers take it for no DMARC record."""
    if not is_record(text):
        return None
    tags = tag_list(text)
    values: dict[str, str] = {}
    for tag in tags.tags:
        name, value = tag.name.lower(), tag.value.lower()
        if name not in values and _is_valid(name, value):
            values[name] = value
    problems = _all_problems(tags)
    return Record(
        text=text,
        values=values,
        present=frozenset(tag.name.lower() for tag in tags.tags),
        rua=_addresses(tags, "rua"),
        ruf=_addresses(tags, "ruf"),
        problems=problems,
        corrected=_corrected(text, problems),
    )


def _all_problems(tags: TagList) -> tuple[Problem, ...]:
    found = [*_problems(tags)]
    for name in ADDRESSES:
        found += _address_problems(name, _addresses(tags, name))
    return tuple(sorted(found, key=lambda each: each.column))


def _corrected(text: str, problems: tuple[Problem, ...]) -> str | None:
    """The text put right until nothing is wrong with it; None when that cannot be told, or it cannot be typed."""
    for _ in range(ROUNDS):
        if not problems:
            return text if text.isascii() and text.isprintable() else None
        if any(each.instead is None for each in problems):
            return None
        text = replaced(text, {(each.column, each.piece): each.instead or "" for each in problems})
        problems = _all_problems(tag_list(text))
    return None


def _is_valid(name: str, value: str) -> bool:
    if name in VALUES:
        return value in VALUES[name]
    if name == "fo":
        return all(each.strip() in FAILURES for each in value.split(":"))
    return name in KNOWN


def _addresses(tags: TagList, name: str) -> tuple[ReportAddress, ...]:
    tag = next((each for each in tags.tags if each.name.lower() == name), None)
    return () if tag is None else report_addresses(tag.value, tag.value_column)


def _problems(tags: TagList) -> Iterator[Problem]:
    yield from (_flaw(each) for each in tags.flaws)
    again = set(tags.repeated())
    for tag in tags.tags[1:]:
        name = tag.name.lower()
        if tag in again or name == "v":
            yield _syntax(tag, f"{tag.name}= stands twice, and which one counts is up to each receiver", "")
        elif name not in KNOWN:
            yield _unknown(tag, tags)
        elif name in REMOVED:
            yield _removed(tag)
        elif not _is_valid(name, tag.value.lower()):
            yield _bad_value(tag)
        elif tag.name != name:
            yield _syntax(
                tag,
                f"the tag {tag.name} is in capitals, and not every receiver knows it so",
                name + tag.text[len(name) :],
            )
    yield from _without_ruf(tags)


def _without_ruf(tags: TagList) -> Iterator[Problem]:
    tag = tags.first("fo")
    if tag is None or tags.first("ruf") is not None or not _is_valid("fo", tag.value.lower()):
        return
    yield Problem(
        code="dmarc-fo-ignored",
        verdict=NOT_APPLICABLE,
        column=tag.column,
        piece=tag.text,
        text="fo= says when reports of single failures are wanted, and without ruf= nobody reads it; harmless.",
        fix="Take it out.",
        instead="",
    )


def _flaw(flaw: Flaw) -> Problem:
    piece, text, instead = flaw.piece, flaw.text, "" if flaw.piece == ";" else None
    if piece.lower().startswith("mailto:"):
        text = "a second address is parted from the first one by a comma, not by a semicolon"
    what = "" if flaw.piece == ";" else f" {_seen(piece)}:"
    return Problem(
        code="dmarc-syntax",
        verdict=WARNING,
        column=flaw.column,
        piece="" if flaw.piece == ";" else piece,
        text=f"The DMARC record is not well written:{what} {text}; receivers skip it, or the record.",
        fix="Correct the record.",
        instead=instead,
        reference="RFC 9989 section 4.8",
    )


def _syntax(tag: Tag, text: str, instead: str | None) -> Problem:
    return Problem(
        code="dmarc-syntax",
        verdict=WARNING,
        column=tag.column,
        piece=tag.text,
        text=f"The DMARC record is not well written: {text}.",
        fix="Correct the record.",
        instead=instead,
        reference="RFC 9989 section 4.8",
    )


def _unknown(tag: Tag, tags: TagList) -> Problem:
    near = nearest(tag.name, [each for each in KNOWN if tags.first(each) is None])
    meant = f"; {near} is probably meant" if near else ""
    return Problem(
        code="dmarc-unknown-tag",
        verdict=WARNING,
        column=tag.column,
        piece=tag.text,
        text=f"DMARC has no tag {_seen(tag.name)}, so that receivers skip it{meant}.",
        fix=f"Write {near}= instead." if near else "Take it out.",
        instead=f"{near}={tag.value}" if near else "",
    )


def _removed(tag: Tag) -> Problem:
    name = tag.name.lower()
    partly = name == "pct" and tag.value != REMOVED["pct"]
    effect = (
        "newer receivers apply the policy to all mail, older ones to that part of it"
        if partly
        else "it changes nothing any more"
    )
    return Problem(
        code="dmarc-removed-pct" if partly else "dmarc-removed-tag",
        verdict=WARNING if partly else NOT_APPLICABLE,
        column=tag.column,
        piece=tag.text,
        text=f"{_seen(tag.text)} was taken out of DMARC by RFC 9989: {effect}.",
        fix="Take it out; t=y asks for one level less while you test." if partly else "It may be taken out.",
        instead="",
        reference="RFC 9989 appendix C.5.2",
    )


def _bad_value(tag: Tag) -> Problem:
    name, value = tag.name.lower(), tag.value.lower()
    allowed = VALUES.get(name, ("0", "1", "d", "s", "d:s"))
    choices = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
    policy = name in ("p", "sp", "np")
    near = POLICY_WORDS.get(value) if policy else None
    if near is None:
        near = nearest(value, allowed)
    effect = "receivers take no policy from the record at all" if policy else "receivers take the default"
    shown = _seen(tag.value) or "nothing"
    parted = _parted(tag.value)
    if parted is not None and _is_valid(name, parted.partition(";")[0].lower()):
        near, shown = parted, f"{shown}, with a semicolon missing,"
    return Problem(
        code="dmarc-policy-invalid" if policy else "dmarc-syntax",
        verdict=ERROR if policy else WARNING,
        column=tag.value_column,
        piece=tag.value,
        text=f"{name}= is {shown} in the DMARC record, where {choices} may stand: {effect}.",
        fix=f"Write {name}={_seen(near)}." if near else f"Write {choices}.",
        instead=near,
        reference="RFC 9989 section 4.10.1" if policy else "RFC 9989 section 4.7",
    )


def _address_problems(name: str, addresses: tuple[ReportAddress, ...]) -> Iterator[Problem]:
    for each in addresses:
        if each.trouble is not None:
            yield _bad_address(name, each, each.trouble)
        elif each.size:
            yield Problem(
                code="dmarc-removed-size",
                verdict=NOT_APPLICABLE,
                column=each.column,
                piece=each.text,
                text=f"{name}= has a limit of size at {_seen(each.text)}, which RFC 9989 has taken out; harmless.",
                fix="It may be taken out.",
                instead=each.instead,
                reference="RFC 9989 appendix C.4",
            )


def _bad_address(name: str, address: ReportAddress, trouble: str) -> Problem:
    parted = _parted(address.text)
    lost = parted is not None and report_addresses(parted.partition(";")[0], 1)[0].trouble is None
    why = "a semicolon is missing" if lost else trouble
    return Problem(
        code="dmarc-report-address",
        verdict=WARNING,
        column=address.column,
        piece=address.text,
        text=f"{name}= has {_seen(address.text) or 'an empty place'}: {why}; no reports come there.",
        fix="Correct the address." if address.text else "Take the comma out.",
        instead=parted if lost else address.instead,
        reference="RFC 9989 section 4.6",
    )


def _parted(value: str) -> str | None:
    """The value with the semicolons that are missing before other tags; None when none are."""
    parted = UNPARTED.sub("; ", value[:LINE]) + value[LINE:]
    return None if parted == value else parted


def _seen(text: str) -> str:
    return shortened(escaped(text.encode("latin-1", "replace")), 80)
