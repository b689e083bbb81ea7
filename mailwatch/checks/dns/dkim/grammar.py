"""Reads a DKIM key record: all that is wrong with it at once, each at its column (RFC 6376 section 3.6.1).

Promises
    Never raises, whatever the text.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dkim.key import ED25519, RSA, Key, NoKey, published_key
from mailwatch.checks.dns.dkim.record import KeyRecord, Problem
from mailwatch.checks.dns.tag_list import Flaw, Tag, TagList, nearest, replaced, tag_list
from mailwatch.checks.dns.txt import escaped, shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN: Final = ("v", "k", "p", "t", "s", "h", "n", "g")
KINDS: Final = (RSA, ED25519)
FORBIDDEN, SHORT, LONG = 1024, 2048, 4096
"""Bits of RSA: less than the first is refused, less than the second weak, more than the third not everywhere known."""
ROUNDS: Final = 4
"""So often a record is put right: what stood wrong may have hidden something else."""
ESCAPED: Final = "\\;"
"""As a semicolon stands in some files of zones, and must not reach the record."""
BLANK: Final = re.compile(r"[ \t\r\n]+")
NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]|=(?!=?$)")


def is_key(text: str) -> bool:
    """Whether this was meant as a key record: it has ``p=``, or ``v=DKIM1``."""
    tags = tag_list(text)
    version = tags.first("v")
    return tags.first("p") is not None or (version is not None and version.value.upper().startswith("DKIM"))


def key_record(text: str) -> KeyRecord:
    """The record, read whole."""
    tags = tag_list(text.replace(ESCAPED, " ;"))  # columns stay
    kind, key, revoked = _kind_of(tags), _key_of(tags), _is_revoked(tags)
    problems = _all_problems(text)
    return KeyRecord(
        text=text,
        kind=kind,
        key=key if isinstance(key, Key) else None,
        revoked=revoked,
        problems=problems,
        corrected=_corrected(text, problems) if problems else None,
    )


def _kind_of(tags: TagList) -> str:
    tag = tags.first("k")
    return RSA if tag is None else tag.value.lower()


def _is_revoked(tags: TagList) -> bool:
    tag = tags.first("p")
    return tag is not None and not BLANK.sub("", tag.value)


def _key_of(tags: TagList) -> Key | Problem | None:
    """The key, or what is wrong with it; None when there is none, or none of a kind that is known."""
    tag, kind = tags.first("p"), _kind_of(tags)
    if tag is None or _is_revoked(tags) or kind not in KINDS:
        return None
    return _key(tag, kind)


def _all_problems(text: str) -> tuple[Problem, ...]:
    tags = tag_list(text.replace(ESCAPED, " ;"))
    found = [*_escaped(text), *_problems(tags)]
    tag, key = tags.first("p"), _key_of(tags)
    if isinstance(key, Problem):
        found.append(key)
    elif key is not None and tag is not None:
        found += _strength(tag, key)
    return tuple(sorted(found, key=lambda each: each.column))


def _corrected(text: str, problems: tuple[Problem, ...]) -> str | None:
    """The text put right until nothing is wrong with it; None when that cannot be told, or it cannot be typed."""
    for _ in range(ROUNDS):
        wrong = [each for each in problems if each.verdict != NOT_APPLICABLE]
        if not wrong:
            return text if text.isascii() and text.isprintable() else None
        if any(each.instead is None for each in wrong):
            return None
        text = replaced(text.replace(ESCAPED, " ;"), {(each.column, each.piece): each.instead or "" for each in wrong})
        if any(each.code == "dkim-version" for each in wrong) and not text.startswith("v="):
            text = f"v=DKIM1; {text}"
        problems = _all_problems(text)
    return None


def _escaped(text: str) -> Iterator[Problem]:
    at = text.find(ESCAPED)
    if at < 0:
        return
    yield Problem(
        code="dkim-backslash",
        verdict=ERROR,
        column=at + 1,
        piece="",
        text="a backslash stands before the semicolons, and receivers take the record for broken.",
        fix="Publish it without backslashes.",
        instead="",
        reference="RFC 6376 section 3.2",
    )


def _problems(tags: TagList) -> Iterator[Problem]:
    yield from (_flaw(each) for each in tags.flaws)
    yield from (_again(each) for each in tags.repeated())
    if tags.first("p") is None:
        yield Problem(
            code="dkim-no-key",
            verdict=ERROR,
            column=1,
            piece="",
            text="there is no p= in the record, and so no key: all signatures by it fail.",
            fix="Publish the key.",
        )
    again = set(tags.repeated())
    for place, tag in enumerate(tags.tags):
        if tag not in again:
            yield from _of_tag(tag, place, tags)


def _of_tag(tag: Tag, place: int, tags: TagList) -> Iterator[Problem]:
    if tag.name in BY_TAG:
        yield from BY_TAG[tag.name](tag)
    elif tag.name == "v" and (place or tag.value != "DKIM1"):
        yield _version(tag, place)
    elif tag.name not in KNOWN:
        yield _unknown(tag, tags)


def _flaw(flaw: Flaw) -> Problem:
    if flaw.piece == ";":
        return Problem(
            code="dkim-syntax",
            verdict=WARNING,
            column=flaw.column,
            piece="",
            text="there is nothing between two semicolons, and some receivers take the record for broken.",
            fix="Take one out.",
            instead="",
            reference="RFC 6376 section 3.2",
        )
    return Problem(
        code="dkim-syntax",
        verdict=ERROR,
        column=flaw.column,
        piece=flaw.piece,
        text=f"the record is not well written at {_seen(flaw.piece)}: {flaw.text}; receivers take it for broken.",
        fix="Correct the record.",
        reference="RFC 6376 section 3.2",
    )


def _again(tag: Tag) -> Problem:
    return Problem(
        code="dkim-syntax",
        verdict=ERROR,
        column=tag.column,
        piece=tag.text,
        text=f"{tag.name}= stands twice, and receivers take the whole record for broken.",
        fix="Take one out.",
        instead="",
        reference="RFC 6376 section 3.2",
    )


def _version(tag: Tag, place: int) -> Problem:
    why = "v= is not the first tag" if place else f"the version is {_seen(tag.value)}, and there is DKIM1 only"
    return Problem(
        code="dkim-version",
        verdict=ERROR,
        column=tag.column,
        piece=tag.text,
        text=f"{why}: receivers discard the record.",
        fix="Begin the record with v=DKIM1.",
        instead="" if place else "v=DKIM1",
    )


def _kind(tag: Tag) -> Iterator[Problem]:
    if tag.value.lower() in KINDS:
        return
    yield Problem(
        code="dkim-key-kind",
        verdict=ERROR,
        column=tag.value_column,
        piece=tag.value,
        text=f"the key is of the kind {_seen(tag.value) or 'nothing'} (k=), which receivers do not know: all "
        "signatures by it fail.",
        fix="Use a key of RSA with 2048 bits.",
        reference="RFC 6376 section 3.6.1",
    )


def _hashes(tag: Tag) -> Iterator[Problem]:
    hashes = [each.strip().lower() for each in tag.value.split(":")]
    if "sha256" in hashes:
        return
    yield Problem(
        code="dkim-hash",
        verdict=ERROR,
        column=tag.column,
        piece=tag.text,
        text=f"h={_seen(tag.value)} forbids SHA-256, and receivers take nothing else: all signatures by it fail.",
        fix="Take h= out.",
        instead="",
        reference="RFC 8301 section 3.1",
    )


def _services(tag: Tag) -> Iterator[Problem]:
    services = [each.strip().lower() for each in tag.value.split(":")]
    if "email" in services or "*" in services:
        return
    yield Problem(
        code="dkim-not-for-mail",
        verdict=ERROR,
        column=tag.column,
        piece=tag.text,
        text=f"s={_seen(tag.value)} says that the key is not for mail: all signatures by it fail.",
        fix="Take s= out.",
        instead="",
    )


def _flags(tag: Tag) -> Iterator[Problem]:
    flags = [each.strip().lower() for each in tag.value.split(":")]
    if "y" in flags:
        rest = ":".join(each for each in flags if each != "y")
        yield Problem(
            code="dkim-testing",
            verdict=WARNING,
            column=tag.column,
            piece=tag.text,
            text="t=y says that DKIM is only being tested: some receivers treat mail as if it were not signed.",
            fix="Take t=y out.",
            instead=f"t={rest}" if rest else "",
        )
    elif "s" in flags:
        yield Problem(
            code="dkim-strict",
            verdict=NOT_APPLICABLE,
            column=tag.column,
            piece=tag.text,
            text="t=s says that i= of a signature may not be a subdomain; right, unless you sign for subdomains.",
            fix="Take t=s out only if signatures have a subdomain in i=.",
        )


def _granularity(tag: Tag) -> Iterator[Problem]:
    harmless = tag.value == "*"
    yield Problem(
        code="dkim-granularity",
        verdict=NOT_APPLICABLE if harmless else WARNING,
        column=tag.column,
        piece=tag.text,
        text=f"g={_seen(tag.value)} is from before RFC 6376, which has taken it out"
        + ("; harmless." if harmless else "; to old receivers the key is for no other local part."),
        fix="Take it out.",
        instead="",
        reference="RFC 6376 appendix E",
    )


BY_TAG: Final = {"k": _kind, "h": _hashes, "s": _services, "t": _flags, "g": _granularity}
"""What may be wrong with the value of a tag."""


def _unknown(tag: Tag, tags: TagList) -> Problem:
    near = nearest(tag.name, [each for each in KNOWN if tags.first(each) is None])
    meant = f"; {near} is probably meant" if near else ""
    return Problem(
        code="dkim-unknown-tag",
        verdict=WARNING,
        column=tag.column,
        piece=tag.text,
        text=f"a key record has no tag {_seen(tag.name)}, so that receivers skip it{meant}.",
        fix=f"Write {near}= instead." if near else "Take it out.",
        instead=f"{near}={tag.value}" if near else "",
    )


def _key(tag: Tag, kind: str) -> Key | Problem:
    """The key of ``p=``, or what is wrong with it."""
    value = BLANK.sub("", tag.value)
    wrong = NOT_BASE64.search(value)
    if wrong is not None:
        return _unreadable(tag, f"has {_seen(wrong[0])} in it, which is not base64", _cleaned(value, kind))
    try:
        raw = b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return _unreadable(tag, "is not base64: a character is missing, or too many are there", None)
    found = published_key(raw, kind)
    if isinstance(found, Key):
        return found
    return _unreadable(tag, found.why, None if found.instead is None else b64encode(found.instead).decode())


def _cleaned(value: str, kind: str) -> str | None:
    """The key without what quotes, backslashes and line breaks have left in it; None when it is none even so."""
    value = re.sub(r"[^A-Za-z0-9+/]", "", value)
    try:
        raw = b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return None if isinstance(published_key(raw, kind), NoKey) else b64encode(raw).decode()


def _unreadable(tag: Tag, why: str, instead: str | None) -> Problem:
    return Problem(
        code="dkim-key-unreadable",
        verdict=ERROR,
        column=tag.value_column,
        piece=tag.value,
        text=f"the key (p=) {why}: all signatures by it fail.",
        fix="Publish the key as it was made, in strings of at most 255 characters of one record.",
        instead=instead,
    )


def _strength(tag: Tag, key: Key) -> Iterator[Problem]:
    if key.kind != RSA:
        return
    if key.bare:
        yield _about_length(
            tag, "dkim-key-bare", WARNING, "the key stands there without its frame (SubjectPublicKeyInfo), and many "
            "receivers cannot read it so.", "RFC 6376 section 3.6.1",
        )  # fmt: skip
    if key.bits < FORBIDDEN:
        yield _about_length(
            tag, "dkim-key-too-short", ERROR, f"the key has {key.bits} bits, and receivers refuse less than 1024: all "
            "signatures by it fail.", "RFC 8301 section 3.2",
        )  # fmt: skip
    elif key.bits < SHORT:
        yield _about_length(
            tag, "dkim-key-short", WARNING, f"the key has {key.bits} bits, where 2048 should be: whoever has the means "
            "of a state can sign as you.", "RFC 8301 section 3.2",
        )  # fmt: skip
    elif key.bits > LONG:
        yield _about_length(
            tag, "dkim-key-long", WARNING, f"the key has {key.bits} bits, and receivers need not take more than 4096.",
            "RFC 8301 section 3.2",
        )  # fmt: skip


def _about_length(tag: Tag, code: str, verdict: str, text: str, reference: str) -> Problem:
    return Problem(
        code=code,
        verdict=verdict,
        column=tag.value_column,
        piece=tag.value,
        text=text,
        fix="Make a key of RSA with 2048 bits, publish it by a new selector, then sign with it.",
        reference=reference,
    )


def _seen(text: str) -> str:
    return shortened(escaped(text.encode("latin-1", "replace")), 40)
