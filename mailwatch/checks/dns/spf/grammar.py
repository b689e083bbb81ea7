"""The small grammar of SPF: macro-strings, domain-specs, prefixes (RFC 7208 sections 7.1 and 12).

Linear, never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EXPAND: Final = re.compile(r"%(?:\{([slodiphcrtv])([0-9]*)(r?)([.+,/_=-]*)\}|([%_-]))", re.IGNORECASE)
LITERAL: Final = re.compile(r"[\x21-\x24\x26-\x7e]+")
NAMED: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=")
"""How a modifier begins; all else is a mechanism."""
PREFIXES: Final = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
ONLY_EXP: Final = frozenset("crt")
"""Macro letters that stand in the text of an explanation only (section 7.2)."""
ALPHANUM: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """``%{ir.}``: ``keep`` parts from the right (0: all), ``reverse`` first, split at ``delimiters``.

    ``letter`` as written: a capital asks for URL escaping. For ``%%``, ``%_``, ``%-`` it is that character.
    """

    letter: str
    keep: int = 0
    reverse: bool = False
    delimiters: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is wrong at ``at``, an index into the text that was looked at."""

    at: int
    text: str


def pieces(text: str, *, in_explanation: bool = False) -> list[str | Macro] | Wrong:
    """The literals and macros of a macro-string. In an explanation a blank is a literal too, as in section 6.2."""
    found: list[str | Macro] = []
    at = 0
    while at < len(text):
        if in_explanation and text[at] == " ":
            found.append(" ")
            at += 1
            continue
        match = LITERAL.match(text, at)
        if match:
            found.append(match.group())
            at = match.end()
            continue
        match = EXPAND.match(text, at)
        if match is None:
            return Wrong(at=at, text=_no_macro(text, at))
        macro = _macro(match)
        if isinstance(macro, str):
            return Wrong(at=at, text=macro)
        if macro.letter.lower() in ONLY_EXP and not in_explanation:
            return Wrong(at=at, text=f"the macro %{{{macro.letter}}} is allowed in the text of an explanation only")
        found.append(macro)
        at = match.end()
    return found


def _macro(match: re.Match[str]) -> Macro | str:
    letter, digits, reverse, delimiters, escape = match.groups()
    if escape:
        return Macro(letter=escape)
    significant = digits.lstrip("0")
    if digits and not significant:
        return "a macro that keeps 0 parts keeps nothing: the number must be 1 or more"
    keep = int(significant[:4] or 0)  # no name has more labels than three digits hold
    return Macro(letter=letter, keep=keep, reverse=bool(reverse), delimiters=delimiters or ".")


def _no_macro(text: str, at: int) -> str:
    if text[at] != "%":
        return "a character that is not allowed here"
    if text[at + 1 : at + 2] == "{":
        return "a macro that is not known, or not closed"
    return "a % that begins no macro (a plain % is written %%)"


def macro_string(text: str) -> Wrong | None:
    """What is wrong with the value of a modifier that nobody knows: any macro is allowed in it."""
    found = pieces(text, in_explanation=True)
    return found if isinstance(found, Wrong) else None


def domain_spec(text: str) -> Wrong | None:
    """What is wrong with a domain-spec, or None."""
    if not text:
        return Wrong(at=0, text="a domain is missing")
    found = pieces(text)
    if isinstance(found, Wrong):
        return found
    last = found[-1]
    if isinstance(last, Macro):
        return None
    if "." not in last.removesuffix("."):
        return Wrong(at=len(text) - len(last), text="a domain has at least one dot in it")
    if not is_toplabel(last.removesuffix(".").rpartition(".")[2]):
        return Wrong(at=len(text) - len(last), text="this is no domain: its last label cannot be one")
    return None


def is_toplabel(label: str) -> bool:
    """Whether a name can end in this: letters, digits, dashes inside, and not digits alone."""
    if not label or not ALPHANUM.issuperset(label.replace("-", "")):
        return False
    return label[0] != "-" and label[-1] != "-" and not label.isdigit()


def prefix(digits: str, longest: int) -> int | None:
    """The length of a prefix, or None: a zero before it is not allowed, nor more than ``longest``."""
    if len(digits) > len(str(longest)) or not digits.isdigit() or (digits[0] == "0" and digits != "0"):
        return None
    return int(digits) if int(digits) <= longest else None
