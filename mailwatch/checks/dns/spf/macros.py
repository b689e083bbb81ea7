"""Expands the macros of SPF (RFC 7208 section 7), and makes names of what comes out. Pure, never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import idna
from dns.exception import DNSException
from dns.name import Name

from mailwatch.checks.dns.spf.grammar import Macro, Wrong, pieces
from mailwatch.checks.dns.spf.record import visible

LONGEST_NAME: Final = 253
LONGEST_LABEL: Final = 63
LONGEST_SENDER: Final = 1000
"""Characters of an address that are looked at: twice what SMTP allows."""
LONGEST_EXPLANATION: Final = 2000
UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
UNKNOWN_NAME: Final = "unknown"
"""What ``%{p}`` and ``%{r}`` are when nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """MAIL FROM as SPF takes it: an empty one is postmaster at the HELO name (sections 2.4 and 4.3)."""

    local: str
    domain: str

    @property
    def text(self) -> str:
        """Both parts, as ``%{s}`` has them."""
        return f"{self.local}@{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What macros stand for. ``validated`` is ``%{p}``; ``now`` is in seconds."""

    address: IPv4Address | IPv6Address
    sender: Sender
    helo: str
    domain: str
    receiver: str = UNKNOWN_NAME
    now: float = 0.0
    validated: str = UNKNOWN_NAME


def sender_of(mail_from: str, helo: str) -> Sender:
    """The sender by MAIL FROM, without its angle brackets, else by HELO."""
    bare = mail_from[:LONGEST_SENDER].strip().removeprefix("<").removesuffix(">")
    local, at, domain = bare.rpartition("@")
    if not bare:
        domain = helo[:LONGEST_SENDER]
    return Sender(local=(local if at else "") or "postmaster", domain=in_ascii(domain))


def in_ascii(domain: str) -> str:
    """The domain with its international labels as DNS has them (RFC 8616 section 4), unless they cannot be."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain[:LONGEST_SENDER], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain


def name_of(text: str) -> Name | None:
    """The name that a text in the usual form is; None for what is none: an empty label, one of more than 63 bytes."""
    labels = [label.encode("utf-8", "replace") for label in text.removesuffix(".").split(".")]
    if not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        return None
    try:
        return Name((*labels, b""))
    except DNSException:
        return None


def text_of(name: Name) -> str:
    """The usual form of a name, without the last dot."""
    return b".".join(label for label in name.labels if label).decode("utf-8", "replace")


def letters(text: str, *, in_explanation: bool = False) -> frozenset[str]:
    """The macro letters in a text, in lower case."""
    found = pieces(text, in_explanation=in_explanation)
    return frozenset() if isinstance(found, Wrong) else _letters(found)


def _letters(found: list[str | Macro]) -> frozenset[str]:
    return frozenset(each.letter.lower() for each in found if isinstance(each, Macro))


def target(domain_spec: str | None, context: Context) -> str | None:
    """The domain that a term leads to, cut from the left to 253 characters (section 7.3).

    None when it has ``%{s}`` or ``%{l}`` in it, and the local part is not ASCII: no name can hold it (RFC 8616
    section 4), so that the term does not match.
    """
    if domain_spec is None:
        return context.domain
    found = pieces(domain_spec)
    if isinstance(found, Wrong):
        return None
    if not context.sender.local.isascii() and _letters(found) & {"s", "l"}:
        return None
    expanded = _expanded(found, context).removesuffix(".")
    while len(expanded) > LONGEST_NAME and "." in expanded:
        at = expanded.find(".", max(0, len(expanded) - LONGEST_NAME - 1))
        expanded = expanded[(at if at >= 0 else expanded.rfind(".")) + 1 :]
    return expanded


def explanation(text: bytes, context: Context) -> str:
    """What a domain says to whoever fails; "" when the text breaks the grammar or is not ASCII (section 6.2)."""
    if not text.isascii():
        return ""
    found = pieces(text.decode("ascii"), in_explanation=True)
    if isinstance(found, Wrong):
        return ""
    return visible(_expanded(found, context)[:LONGEST_EXPLANATION])


def _expanded(found: list[str | Macro], context: Context) -> str:
    known = {each: expand(each, context) for each in set(found) if isinstance(each, Macro)}
    return "".join(each if isinstance(each, str) else known[each] for each in found)


def expand(macro: Macro, context: Context) -> str:
    """What a macro stands for, transformed, and escaped for a URL where its letter is a capital (section 7.3)."""
    if macro.letter in ESCAPES:
        return ESCAPES[macro.letter]
    value = _value(macro.letter.lower(), context)
    if macro.keep or macro.reverse or macro.delimiters != ".":
        parts = re.split(f"[{re.escape(macro.delimiters)}]", value)
        if macro.reverse:
            parts.reverse()
        value = ".".join(parts[-macro.keep :])
    return _escaped(value) if macro.letter.isupper() else value


def _value(letter: str, context: Context) -> str:
    return {
        "s": context.sender.text,
        "l": context.sender.local,
        "o": context.sender.domain,
        "d": context.domain,
        "i": dotted(context.address),
        "p": context.validated,
        "v": "in-addr" if isinstance(context.address, IPv4Address) else "ip6",
        "h": context.helo[:LONGEST_SENDER],
        "c": str(context.address),
        "r": context.receiver,
        "t": str(int(context.now)),
    }[letter]


def dotted(address: IPv4Address | IPv6Address) -> str:
    """An address with dots alone: that of IPv6 in nibbles (section 7.3)."""
    return str(address) if isinstance(address, IPv4Address) else ".".join(address.packed.hex().upper())


def _escaped(value: str) -> str:
    return "".join(chr(each) if each in UNRESERVED else f"%{each:02X}" for each in value.encode("utf-8", "replace"))
