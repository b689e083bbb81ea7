"""What was meant by a term that is wrong, as far as it can be told (did you mean). Pure, linear, never raises.

Whoever asks tries each proposal, and takes the first that is right by the grammar: none is given that is not.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from ipaddress import IPv4Address, ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING, Final

import idna

from mailwatch.checks.dns.spf.term import MECHANISMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.checks.dns.spf.term import Term

EXAMPLE: Final = {"ip4": "192.0.2.1", "ip6": "2001:db8::1"}
LONGEST: Final = 600
"""Characters of a word that is thought about."""
DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u00ad"
QUOTES: Final = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u00ab\u00bb"
NOTHING: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x00"
BLANKS: Final = "\t\r\n\x0b\x0c\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys(DASHES, "-"),
        **dict.fromkeys(QUOTES + NOTHING, ""),
        **dict.fromkeys(BLANKS, " "),
        "\uff1a": ":",
        "\uff1d": "=",
        "\uff0e": ".",
        "\u3002": ".",
        "\uff5e": "~",
        "\u223c": "~",
        "\u02dc": "~",
        "\\": "",
    }
)
EDGES: Final = ".,;:'\"()<>[]{}"
ALIASES: Final = {
    "ip": "ip4",
    "host": "a",
    "server": "a",
    "domain": "a",
    "aaaa": "a",
    "spf": "include",
    "explain": "exp",
}
PARTS: Final = re.compile(r"([+?~-]*)([A-Za-z0-9_?~-]*)([:=/.]*)(.*)\Z", re.DOTALL)
GLUED: Final = re.compile(
    r"(?<=[^:=+?~-])(?=[+?~-]?(?:include:|ip4:|ip6:|exists:|redirect=|exp=)|[+?~-]all\Z)", re.IGNORECASE
)
OCTETS: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(.{0,64})\Z")
RANGE: Final = re.compile(r"([0-9.]{7,15})-([0-9.]{7,15})\Z")
HOSTNAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){1,30}\.?\Z")
NEEDING: Final = ("include", "exists", "ip4", "ip6")
"""Mechanisms that are nothing without a value."""
IN_A_NAME: Final = re.compile(r"[A-Za-z0-9._-]*\Z")
MODIFIERS: Final = ("redirect", "exp")
NAMES: Final = (*MECHANISMS, *MODIFIERS)


def version(word: str, column: int) -> tuple[str, str | None]:
    """What is said of a record that does not begin with its version."""
    if word.lower() == "v=spf1":
        return f"the record begins in column {column}: blanks stand before v=spf1", "v=spf1"
    if not word:
        return "the record is empty: it begins with v=spf1", "v=spf1"
    return "the record must begin with v=spf1 and a blank", "v=spf1"


def character(each: str) -> str:
    """What is said of a character that no term can hold."""
    name = unicodedata.name(each, "")
    if each in DASHES:
        return f"this dash is not the - of the keyboard ({name})"
    if each in QUOTES:
        return f"this quotation mark does not belong into the record ({name})"
    if each == "\ufffd":
        return "bytes that are no text"
    if each in BLANKS or each in NOTHING:
        return f"a character that looks like a blank, or like nothing, and is not one (U+{ord(each):04X})"
    return f"a character that is not allowed in SPF (U+{ord(each):04X}{', ' if name else ''}{name})"


def torn(word: str, following: str, *, stands_alone: bool) -> str | None:
    """The one term that a blank has torn in two: ``include: example.com``, ``- all``, ``ip4 192.0.2.1``.

    ``stands_alone``: what follows is a term itself.
    """
    if not following or len(word) + len(following) > LONGEST:
        return None
    if word[-1] in ":=" or word in ("-", "~", "?", "+"):
        return word + following
    name = word.lstrip("+?~-").lower()
    if following[0] in ":=" and name in NAMES:
        return word + following
    return f"{word}:{following}" if name in NEEDING and not stands_alone else None


def proposals(word: str) -> Iterator[tuple[str, str]]:
    """What may have been meant, likeliest first, each with what is wrong then ("" to leave that as it was said)."""
    if len(word) > LONGEST:
        return
    plain = word.translate(PLAIN).strip()
    if plain != word:
        yield "", plain
    bare = plain.strip(EDGES)
    if bare != plain:
        yield f"{_edge(plain, bare)} does not belong here", bare
    for each in (_separated, _glued, _qualified, _bare_value, _by_name):
        yield from each(bare)


def _edge(plain: str, bare: str) -> str:
    at = plain.find(bare)
    return f"the {plain[:at] or plain[at + len(bare) :]}"


def _separated(word: str) -> Iterator[tuple[str, str]]:
    """Commas instead of blanks."""
    parts = [each for each in re.split(r"[,;|]", word) if each]
    if len(parts) > 1:
        kinds = [kind_of(each) for each in parts]
        yield (
            "terms are separated by blanks",
            " ".join(f"{kind}:{each}" if kind else each for kind, each in zip(kinds, parts, strict=True)),
        )


def _glued(word: str) -> Iterator[tuple[str, str]]:
    parts = [each for each in GLUED.split(word) if each]
    if len(parts) > 1:
        yield "a blank is missing between two terms", " ".join(parts)


def _qualified(word: str) -> Iterator[tuple[str, str]]:
    """Two qualifiers; one before a modifier."""
    rest = word.lstrip("+?~-")
    signs = word[: len(word) - len(rest)]
    if signs and rest.lower().startswith(("redirect=", "exp=")):
        yield "a modifier takes no qualifier", rest
    if len(signs) > 1:
        yield "one qualifier is enough", signs[0] + rest


def _bare_value(word: str) -> Iterator[tuple[str, str]]:
    """An address or a name with no mechanism before it."""
    rest = word.lstrip("+?~-")
    sign = word[: len(word) - len(rest)]
    kind = kind_of(rest)
    if kind:
        yield "an address needs its mechanism before it", f"{sign}{kind}:{rest}"
        return
    yield from (("", f"{sign}{each}") for each in _addresses(rest) if OCTETS.match(rest))
    if HOSTNAME.match(rest) and not rest.lower().startswith(tuple(f"{each}." for each in (*NEEDING, *MODIFIERS))):
        kind = "include" if rest.lower().startswith(("_", "spf")) else "a"
        yield "a name needs its mechanism before it", f"{sign}{kind}:{rest}"


def _by_name(word: str) -> Iterator[tuple[str, str]]:
    match = PARTS.match(word)
    if match is None:
        return
    signs, written, _, argument = match.groups()
    name = _meant(written.lower())
    if name is None:
        return
    sign = signs[:1]
    if name in MODIFIERS:
        yield f"{name} is written {name}=", f"{name}={_as_domain(argument)}"
    elif name == "all":
        sign = sign or (written[-1] if written[-1] in "-~?" else "")
        if sign:  # nobody is told to publish what lets everybody in
            yield "", f"{sign}all"
    else:
        for each in _arguments(name, argument):
            yield "", f"{sign}{each}"
        if argument == "":
            yield "", f"{sign}{name}"


def _meant(name: str) -> str | None:
    """The mechanism or modifier that was meant by this name."""
    if name in NAMES or name in ALIASES:
        return ALIASES.get(name, name)
    return next(iter(get_close_matches(name[:20], NAMES, 1, 0.65)), None)


def _arguments(name: str, argument: str) -> Iterator[str]:
    """Terms of a mechanism whose argument may belong to another."""
    if kind_of(argument):
        yield f"{kind_of(argument)}:{argument}"
    yield from _addresses(argument)
    if name in ("ip4", "ip6"):
        inner = argument.partition(":")
        if HOSTNAME.match(argument):
            yield f"a:{argument}"
        if inner[0].lower() in ("ip4", "ip6"):
            yield argument
        return
    if argument.partition(":")[0].lower() in ("ip4", "ip6"):
        yield argument
    yield f"{name}:{argument}"
    domain = _as_domain(argument)
    host, _, lengths = domain.partition("/")
    if name in ("a", "mx"):
        yield f"{name}:{host}/{lengths.replace('/', '//', 1)}"
    if name not in ("a", "mx") or not lengths:
        yield f"{name}:{host}"


def kind_of(text: str) -> str:
    """``ip4`` or ``ip6`` for an address or a network, "" for all else."""
    try:
        address = ip_address(text.partition("/")[0])
    except ValueError:
        return ""
    return "ip4" if isinstance(address, IPv4Address) else "ip6"


def _addresses(text: str) -> Iterator[str]:
    """Addresses in forms that SPF has not: masks, ranges, parts, ports, brackets, zeros in front."""
    text = text.lstrip("/").replace("[", "").replace("]", "")
    if kind_of(text):
        host, slash, rest = text.partition("/")
        yield f"{kind_of(text)}:{text}"
        if slash and not rest:
            yield f"{kind_of(text)}:{host}"
        yield from _masked(text)
    match = RANGE.match(text)
    if match is not None:
        yield from _ranged(match.group(1), match.group(2))
    match = OCTETS.match(text)
    if match is None:
        return
    first, second, third, fourth, rest = match.groups()
    octets = [str(int(each)) for each in (first, second, third, fourth) if each is not None]
    if fourth is None:
        yield f"ip4:{'.'.join(octets)}.0/24"
    elif rest[:1] == ":":
        yield f"ip4:{'.'.join(octets)}"
    elif rest == "" or rest[:1] == "/":
        yield f"ip4:{'.'.join(octets)}{rest}"


def _masked(text: str) -> Iterator[str]:
    """``192.0.2.0/255.255.255.0``."""
    if text.count(".") <= 3:  # noqa: PLR2004  # a mask has three dots more
        return
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return
    yield f"ip4:{network}"


def _ranged(first: str, last: str) -> Iterator[str]:
    try:
        networks = list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
    except ValueError:
        return
    yield " ".join(f"ip4:{each}".removesuffix("/32") for each in networks)


def _as_domain(text: str) -> str:
    """A domain without what a browser or a mail program puts around it; an international one as DNS has it."""
    domain = text.partition("://")[2] or text
    domain = domain.rpartition("@")[2].strip("/").strip(EDGES)
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain


def doubt(term: Term) -> tuple[str, str | None] | None:
    """What is right by the grammar and surely not meant, with what was meant."""
    if term.is_modifier and term.name not in MODIFIERS:
        return _doubtful_modifier(term)
    domain = term.domain or ""
    if "%" in domain or not domain:
        return None
    sign = "" if term.is_modifier or term.text[0] not in "+?~-" else term.text[0]
    sep = "=" if term.is_modifier else ":"
    inner = domain.partition(":")[0].lower()
    if inner in MECHANISMS:
        return f"{inner}: stands inside {term.name}{sep}", f"{sign}{domain}"
    if not IN_A_NAME.match(domain):
        plain = _as_domain(domain)
        meant = f"{sign}{term.name}{sep}{plain}" if HOSTNAME.match(plain) else None
        return "there is a character in this domain that no name of a host has", meant
    if domain[0] == "." or ".." in domain:
        return "there is an empty label in this domain: it is never found", None
    if max(map(len, domain.split("."))) > 63:  # noqa: PLR2004  # RFC 1035 section 2.3.4
        return "a label of this domain is longer than the 63 characters that DNS has: it is never found", None
    return None


def _doubtful_modifier(term: Term) -> tuple[str, str | None] | None:
    value = (term.domain or "").strip(EDGES)
    if term.name == "v":
        return "a second v= stands in the record: two records may have run together", None
    meant = term.name if term.name in MECHANISMS else _modifier_meant(term.name)
    if meant is None:
        return None
    said = f"{term.name}= is no term of SPF, and is passed over in silence"
    if meant == "all":
        return said, None
    if meant in MODIFIERS:
        return said, f"{meant}={value}"
    return said, f"{kind_of(value) or meant}:{value}"


def _modifier_meant(name: str) -> str | None:
    if name in ALIASES and name != "spf":
        return ALIASES[name]
    return next(iter(get_close_matches(name[:20], NAMES, 1, 0.75)), None)
