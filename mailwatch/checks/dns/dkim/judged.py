"""What is to be said of the key at one selector. Decides, asks nobody."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dkim.key import ED25519, ED25519_BYTES, Key, framed_key
from mailwatch.checks.dns.names import shown, written
from mailwatch.checks.dns.txt import escaped, quoted, shortened
from mailwatch.finding import ERROR, NOT_APPLICABLE, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.dkim.published import Published
    from mailwatch.checks.dns.dkim.record import KeyRecord, Problem

NAME: Final = "dkim"
TTL: Final = 3600
MOST: Final = 20
"""So many mistakes of a record are told."""
LONGEST: Final = 2048
"""So much of a record is shown: more than a key of 8192 bits takes."""
SIGNED: Final = "all signatures by it fail"
RECORD_SECTION: Final = "RFC 6376 section 3.6.2"


def judged(found: Published) -> list[Finding]:
    """All that is wrong at this selector. A guess is never an error: nobody said that mail is signed by it."""
    told = list(_all(found))
    if not found.guess:
        return told
    milder = []
    for each in told:
        if each.code in ("dkim-missing", "dkim-revoked", "dkim-cname-dangling"):
            continue
        milder.append(replace(each, verdict=WARNING) if each.verdict == ERROR else each)
    return milder


def finding(
    found: Published, code: str, verdict: str, text: str, *, fix: str, publish: str | None = None,
    reference: str = RECORD_SECTION,
) -> Finding:  # fmt: skip
    """A finding about the selector; ``publish`` is the text that should stand there."""
    ttl = found.answer.ttl
    lasting = ttl if ttl and found.answer.outcome == ANSWER else TTL
    texts = [*(each.text for each in found.keys), *found.strays]
    return Finding(
        check=NAME,
        code=code,
        verdict=verdict,
        text=text,
        where=f"{shown(found.name)} TXT",
        fix=fix,
        record=" | ".join(shortened(escaped(each.encode("latin-1")), LONGEST) for each in texts[:5]) or None,
        publish=f"{written(found.name)} {lasting} IN TXT {quoted(publish)}"
        if publish and len(publish) <= LONGEST
        else None,
        reference=reference,
        ttl=ttl,
    )


def _can_be_published(text: str) -> bool:
    return len(text) <= LONGEST and text.isascii() and text.isprintable()


def right_record(found: Published) -> str | None:
    """The record of the key that signs here; None when that key is not known."""
    der = found.selector.public_key
    key = framed_key(der) if der is not None else None
    if der is None or not isinstance(key, Key):
        return None
    bare = key.kind == ED25519
    material = der[-ED25519_BYTES:] if bare else der
    return f"v=DKIM1; k={key.kind}; p={b64encode(material).decode()}"


def _all(found: Published) -> Iterator[Finding]:
    who = f"mail is signed by the selector {_seen(found.selector.selector)} ({found.selector.origin})"
    if found.answer.outcome == NOBODY_KNOWS:
        yield finding(
            found, "dkim-unknown", UNKNOWN,
            f"Could not check the key of the selector {_seen(found.selector.selector)}: {found.answer.trouble}.",
            fix="Try again; if it stays so, ask whoever runs the name servers.",
        )  # fmt: skip
    elif found.answer.outcome in (NXDOMAIN, NO_DATA):
        yield _absent(found, who)
    elif found.wildcard:
        yield _wild(found, who)
    elif found.split is not None:
        yield finding(
            found, "dkim-split-records", ERROR,
            f"The key is cut into {len(found.keys) + len(found.strays)} records at {shown(found.name)}, and receivers "
            f"see one of them: {SIGNED}.",
            fix="Publish one record, of several strings.", publish=found.split, reference="RFC 6376 section 3.6.2.2",
        )  # fmt: skip
    elif len(found.keys) > 1:
        yield finding(
            found, "dkim-several-records", ERROR,
            f"There are {len(found.keys)} keys at {shown(found.name)}, and each receiver takes the one it likes: "
            "signatures fail by chance.",
            fix="Take out all but one; a second key has a selector of its own.", publish=right_record(found),
            reference="RFC 6376 section 3.6.2.2",
        )  # fmt: skip
    elif not found.keys:
        yield finding(
            found, "dkim-missing", ERROR,
            f"{_sentence(who)}, and what is at {shown(found.name)} is no key: {SIGNED}.",
            fix="Publish the key there.", publish=right_record(found),
        )  # fmt: skip
    else:
        yield from _record(found, found.keys[0])


def _absent(found: Published, who: str) -> Finding:
    aliases = found.answer.aliases
    if aliases:
        return finding(
            found, "dkim-cname-dangling", ERROR,
            f"{shown(found.name)} is an alias of {shown(found.answer.canonical or aliases[-1])}, where there is no "
            f"key: {SIGNED}.",
            fix="Finish the setting up at the provider, who publishes the key there; or take the alias out.",
        )  # fmt: skip
    if found.misplaced is not None:
        place, why = found.misplaced
        return finding(
            found,
            "dkim-misplaced",
            ERROR,
            f"The key of the selector {_seen(found.selector.selector)} stands at {shown(place)}, {why}: {SIGNED}.",
            fix=f"Publish it at {written(found.name)}",
            publish=right_record(found),
        )
    return finding(
        found, "dkim-missing", ERROR, f"{_sentence(who)}, and there is no key at {shown(found.name)}: {SIGNED}.",
        fix="Publish the key there.", publish=right_record(found),
    )  # fmt: skip


def _wild(found: Published, who: str) -> Finding:
    key = found.keys[0] if len(found.keys) == 1 else None
    if key is None or key.key is None:
        return finding(
            found, "dkim-missing", ERROR,
            f"{_sentence(who)}, and there is no key at {shown(found.name)}, only what a wildcard answers for any name: "
            f"{SIGNED}.",
            fix="Publish the key there.", publish=right_record(found),
        )  # fmt: skip
    return finding(
        found, "dkim-wildcard", WARNING,
        f"The key at {shown(found.name)} comes from a wildcard, which gives it for every selector.",
        fix="Publish it at the selector itself, and take the wildcard out.", publish=key.text,
        reference="RFC 4592 section 2.2.1",
    )  # fmt: skip


def _record(found: Published, record: KeyRecord) -> Iterator[Finding]:
    for problem in record.problems[:MOST]:
        yield _of_problem(found, record, problem)
    if record.revoked:
        yield finding(
            found, "dkim-revoked", ERROR,
            f"The key of the selector {_seen(found.selector.selector)} is revoked (p= is empty): {SIGNED}.",
            fix="Sign by another selector, or publish the key.", publish=right_record(found),
            reference="RFC 6376 section 3.6.1",
        )  # fmt: skip
    if record.key is None or found.selector.public_key is None:
        return
    own = framed_key(found.selector.public_key)
    if isinstance(own, Key) and (own.kind, own.material) != (record.key.kind, record.key.material):
        yield finding(
            found, "dkim-key-differs", ERROR,
            f"The key at {shown(found.name)} is not the one that signs here ({found.selector.origin}): {SIGNED}.",
            fix="Publish the key that signs, or sign with the key that is published.", publish=right_record(found),
        )  # fmt: skip


def _of_problem(found: Published, record: KeyRecord, problem: Problem) -> Finding:
    made = finding(
        found, problem.code, problem.verdict,
        f"Selector {_seen(found.selector.selector)}: {problem.text}",
        fix=problem.fix,
        publish=None if problem.verdict == NOT_APPLICABLE else record.corrected or right_record(found),
        reference=problem.reference,
    )  # fmt: skip
    return replace(made, where=f"{made.where}, column {problem.column}")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _seen(selector: str) -> str:
    return escaped(selector.encode("utf-8", "replace"))[:64]
