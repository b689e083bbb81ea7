"""Reads an MTA-STS policy, with every mistake in it (RFC 8461 section 3.2). Lines count from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.versioned import DIGITS, LETTERS, WSP, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

ENFORCE: Final = "enforce"
TESTING: Final = "testing"
NONE: Final = "none"
MODES: Final = (ENFORCE, TESTING, NONE)
KEYS: Final = ("version", "mode", "max_age", "mx")
LONGEST_AGE: Final = 31_557_600
"""Seconds: a year."""
AGE_DIGITS: Final = 10
LARGEST: Final = 65536
"""Bytes; senders may take no more (RFC 8461 section 3.3)."""
MARK: Final = b"\xef\xbb\xbf"
NAME: Final = LETTERS | DIGITS | frozenset("_-.")
LONGEST_LABEL, LONGEST_DOMAIN = 63, 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A mistake; ``line`` is 0 where something is missing."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What could be read; ``patterns`` in lower case. With ``slips``, senders may see no policy at all."""

    mode: str | None
    max_age: int | None
    patterns: tuple[str, ...]
    slips: tuple[Slip, ...]


def read_policy(body: bytes) -> Policy:
    """The policy of a page; never raises."""
    slips: list[Slip] = []
    if body.startswith(MARK):
        slips.append(Slip(line=1, text="the file begins with a byte order mark"))
    lines = body[:LARGEST].removeprefix(MARK).decode("latin-1").split("\n")
    first, mx = _pairs(lines, slips)
    slips += [Slip(line=0, text=f'there is no line "{key}:"') for key in KEYS[:3] if key not in first]
    mode = _mode(first.get("mode"), slips)
    if not mx and mode != NONE:
        slips.append(Slip(line=0, text='there is no line "mx:"'))
    _version(first.get("version"), slips)
    patterns = dict.fromkeys(value.lower() for line, value in mx if _is_pattern(line, value, slips))
    max_age = _age(first.get("max_age"), slips)
    return Policy(mode=mode, max_age=max_age, patterns=tuple(patterns), slips=tuple(sorted(slips, key=_by_line)))


def matches(pattern: str, host: str) -> bool:
    """Whether a host is one of a pattern; ``*.`` stands for one label (RFC 8461 section 4.1). Both in lower case."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def _by_line(slip: Slip) -> int:
    return slip.line


def _pairs(lines: Iterable[str], slips: list[Slip]) -> tuple[dict[str, tuple[int, str]], list[tuple[int, str]]]:
    """The first value of each key, and all of mx. What is given twice counts once: the first time."""
    first: dict[str, tuple[int, str]] = {}
    mx: list[tuple[int, str]] = []
    bare = [each.removesuffix("\r").rstrip(WSP) for each in lines]
    while bare and not bare[-1]:
        bare.pop()
    for number, text in enumerate(bare, 1):
        key, colon, value = text.partition(":")
        value = value.lstrip(WSP)
        if not text:
            slips.append(Slip(line=number, text="the line is empty"))
        elif not colon or not key or not set(key) <= NAME:
            slips.append(Slip(line=number, text=f'"{plain(text, 60)}" is not "key: value"'))
        elif key == "mx":
            mx.append((number, value))
        elif key in first:
            slips.append(Slip(line=number, text=f'"{plain(key, 40)}" is there twice: the first one counts'))
        else:
            _misspelt(number, key, slips)
            first[key] = number, value
    return first, mx


def _misspelt(line: int, key: str, slips: list[Slip]) -> None:
    meant = key.lower().replace("-", "_")
    if key not in KEYS and meant in (*KEYS, "maxage"):
        meant = "max_age" if meant == "maxage" else meant
        slips.append(Slip(line=line, text=f'"{plain(key, 40)}" is no key: it is "{meant}"'))


def _version(found: tuple[int, str] | None, slips: list[Slip]) -> None:
    if found is not None and found[1] != "STSv1":
        slips.append(Slip(line=found[0], text=f'the version is "{plain(found[1], 40)}", not "STSv1"'))


def _mode(found: tuple[int, str] | None, slips: list[Slip]) -> str | None:
    if found is None or found[1] in MODES:
        return found and found[1]
    slips.append(Slip(line=found[0], text=f'the mode is "{plain(found[1], 40)}", not enforce, testing or none'))
    return None


def _age(found: tuple[int, str] | None, slips: list[Slip]) -> int | None:
    if found is None:
        return None
    line, value = found
    if not value or not set(value) <= DIGITS or len(value) > AGE_DIGITS:
        slips.append(Slip(line=line, text=f'max_age is "{plain(value, 40)}", not a number of seconds'))
        return None
    if int(value) > LONGEST_AGE:
        slips.append(
            Slip(line=line, text=f"max_age is {value} seconds; more than {LONGEST_AGE}, a year, is not allowed")
        )
    return int(value)


def _is_pattern(line: int, value: str, slips: list[Slip]) -> bool:
    domain = value.removeprefix("*.")
    if len(domain) <= LONGEST_DOMAIN and all(map(_is_label, domain.split("."))):
        return True
    wrong = "ends in a dot" if domain.endswith(".") and domain.strip(".") else "is not a name of a host, nor *.name"
    slips.append(Slip(line=line, text=f'mx "{plain(value, 80)}" {wrong}'))
    return False


def _is_label(label: str) -> bool:
    allowed = LETTERS | DIGITS
    return (
        0 < len(label) <= LONGEST_LABEL
        and set(label) <= allowed | {"-"}
        and label[0] in allowed
        and label[-1] in allowed
    )
