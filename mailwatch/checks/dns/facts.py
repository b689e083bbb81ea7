"""What is known beforehand of the host that sends and the domain it sends for; each fact with where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from dns.name import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingAddress:
    """An address that mail leaves from. ``origin``: ``--ip``, ``smtp_bind_address``, ``this host's interface`` ...

    ``guessed``: behind NAT, or from a table of routes: a finding must say so, and ask for ``--ip``.
    """

    address: IPv4Address | IPv6Address
    origin: str
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A text that was found, or given, and where."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A DKIM selector in use. ``public_key``: DER (SubjectPublicKeyInfo) of the key that signs, if readable."""

    selector: str
    domain: str
    origin: str
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """``domain`` is checked, at ``now`` (seconds).

    ``relay`` is the host all mail goes through (no ``relay``, and ``direct``: it is delivered directly; neither: that
    is not known). ``senders`` are the domains of envelope senders seen in the log. ``nonce``: a label that nobody has
    published, to find wildcards by.
    """

    domain: Name
    now: float
    nonce: str
    addresses: tuple[SendingAddress, ...] = ()
    helo: Stated | None = None
    mail_from: Stated | None = None
    relay: Stated | None = None
    direct: bool = False
    senders: tuple[Stated, ...] = ()
    selectors: tuple[Selector, ...] = ()
    authoritative_port: int = 53
