"""The words for an SPF record that was read: its terms, and what is wrong with it. Columns count from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

QUALIFIERS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
MECHANISMS: Final = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
LOOKING_UP: Final = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
"""Terms that count against the limit of ten (RFC 7208 section 4.6.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A mechanism or a modifier as it stands in the record.

    ``name`` in lower case. ``qualifier`` is "" for a modifier. ``domain`` is the domain-spec with its macros, None
    when there is none. ``network`` is that of ip4 and ip6, ``host_bits`` whether bits are set beyond its prefix;
    ``prefix4`` and ``prefix6`` those of a and mx.
    """

    text: str
    column: int
    name: str
    qualifier: str = ""
    domain: str | None = None
    network: IPv4Network | IPv6Network | None = None
    host_bits: bool = False
    prefix4: int = 32
    prefix6: int = 128

    @property
    def is_modifier(self) -> bool:
        """Whether this is name=value."""
        return not self.qualifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A mistake of grammar: every one is a permerror, wherever it stands (RFC 7208 section 4.6)."""

    column: int
    token: str
    text: str
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record from ``v=spf1`` on. What has ``problems`` evaluates to permerror.

    ``doubts`` are right by the grammar, and surely not what was meant: ``ip4=192.0.2.1`` is a modifier that nobody
    knows, and is passed over in silence.
    """

    text: str
    terms: tuple[Term, ...]
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()
