"""Which TXT records are SPF records (RFC 7208 section 4.5), and which were surely meant to be. Pure, never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.spf.record import visible
from mailwatch.question import UNKNOWN

if TYPE_CHECKING:
    from mailwatch.question import Answer

BLANK_BEFORE: Final = "blank-before"
QUOTED: Final = "quoted"
GLUED: Final = "glued"
OTHER_VERSION: Final = "other-version"
NO_VERSION: Final = "no-version"
SENDER_ID: Final = "sender-id"
MISSES: Final = (BLANK_BEFORE, QUOTED, GLUED, OTHER_VERSION, NO_VERSION, SENDER_ID)
VERSION: Final = b"v=spf1"
LARGEST: Final = 8192
"""Bytes of an SPF record that is read: 450 is what they should have (RFC 7208 section 3.4)."""
MOST: Final = 1000
"""So many texts of a name are looked at."""
AROUND: Final = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\\"
INVISIBLE: Final = "\u00a0\u200b\u2060\ufeff\t\r\n\x00 "
SPF1: Final = re.compile(r"(?:v[ \t]*[=:][ \t]*)?spf[ -]?1(?!\.?[0-9])", re.IGNORECASE)
ANY_VERSION: Final = re.compile(r"v[ \t]*[=:][ \t]*spf([0-9.]{0,8})(?:/[a-z]{1,10})?", re.IGNORECASE)
PUBLIC: Final = re.compile(r"spf2\.0/[a-z,]{1,20}", re.IGNORECASE)
TERMS: Final = re.compile(r"(?:^| )(?:include:|ip4:|ip6:|redirect=|[~?+-]all(?: |\Z))", re.IGNORECASE)
"""What only stands in an SPF record: it tells ``spf1 -all`` from a sentence about spf1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A TXT record that is none of SPF, by so little that nobody can have meant it.

    ``why`` is one of MISSES. ``text`` is the record in printable ASCII; ``instead`` is what was meant, None when that
    cannot be told.
    """

    why: str
    text: str
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``records``: the SPF records, whole, as their bytes; exactly one is right. ``near`` are no SPF records."""

    records: tuple[bytes, ...]
    near: tuple[NearMiss, ...] = ()


def readable(answer: Answer) -> Answer:
    """The answer; one that nobody could give, where an SPF record in it is larger than any that is read."""
    size = max((len(each) for each in _texts(answer) if is_spf(each)), default=0)
    if size <= LARGEST:
        return answer
    trouble = f"the SPF record has {size} bytes, and no more than {LARGEST} are read"
    return replace(answer, outcome=UNKNOWN, records=(), trouble=trouble)


def select(answer: Answer) -> Selection:
    """The SPF records of an answer to a question for TXT; none when it is no answer."""
    texts = _texts(answer)
    near = [miss for each in texts if not is_spf(each) and (miss := near_miss(each)) is not None]
    return Selection(records=tuple(each for each in texts if is_spf(each)), near=tuple(near))


def _texts(answer: Answer) -> list[bytes]:
    return [b"".join(strings) for each in answer.records[:MOST] if (strings := getattr(each, "strings", None))]


def is_spf(text: bytes) -> bool:
    """Whether the version is exactly v=spf1, in letters of any case, and ends with a blank or the record."""
    return text[: len(VERSION)].lower() == VERSION and text[len(VERSION) : len(VERSION) + 1] in (b"", b" ")


def near_miss(text: bytes) -> NearMiss | None:
    """What is wrong with the beginning of a record that was meant for SPF; None for a record about something else."""
    said = text[:LARGEST].decode("utf-8", "replace")
    bare = said.strip(INVISIBLE)
    plain = bare.strip(AROUND).strip(INVISIBLE)
    shown = visible(said)
    if PUBLIC.match(plain):
        return NearMiss(why=SENDER_ID, text=shown)
    match = SPF1.match(plain)
    if match is None:
        other = ANY_VERSION.match(plain)
        return None if other is None else NearMiss(why=OTHER_VERSION, text=shown, instead=_from(plain[other.end() :]))
    rest = plain[match.end() :]
    instead = _from(rest)
    if not match.group().lower().startswith("v"):
        return NearMiss(why=NO_VERSION, text=shown, instead=instead) if TERMS.search(rest) else None
    return NearMiss(why=_why(said, bare, match.group(), rest), text=shown, instead=instead)


def _why(said: str, bare: str, version: str, rest: str) -> str:
    if version.lower() != "v=spf1":
        return OTHER_VERSION
    if rest and rest[0] != " ":
        return GLUED
    return QUOTED if bare[:1] in AROUND else BLANK_BEFORE if said != bare else GLUED


def _from(rest: str) -> str | None:
    """The record with its version put right, if it is plain text."""
    rest = rest.strip(AROUND).strip(INVISIBLE).lstrip(",;:.").strip(INVISIBLE)
    record = f"v=spf1 {rest}".rstrip()
    return record if record.isascii() and record.isprintable() else None
