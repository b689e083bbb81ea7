"""Keys of a zone and what the parent says of them (RFC 4034 sections 2 and 5, appendix B)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from dns.rdtypes.dnskeybase import DNSKEYBase
from dns.rdtypes.dsbase import DSBase

from mailwatch.checks.dns.names import written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.name import Name
    from dns.rdata import Rdata

MOST: Final = 30
"""So many records are looked at."""
SHA1: Final = 1
SHA256: Final = 2
DIGESTS: Final = {SHA1: hashlib.sha1, SHA256: hashlib.sha256, 4: hashlib.sha384}
"""By the digest type of a DS record."""
SECURE_ENTRY: Final = 1
"""The flag of a key that a DS is made from (RFC 4034 section 2.1.1)."""
OLD: Final = {
    1: ("RSAMD5", "RFC 9904"),
    3: ("DSA", "RFC 9904"),
    5: ("RSASHA1", "RFC 9905 section 2"),
    6: ("DSA-NSEC3-SHA1", "RFC 9904"),
    7: ("RSASHA1-NSEC3-SHA1", "RFC 9905 section 2"),
    12: ("ECC-GOST", "RFC 9906 section 2"),
}
"""Algorithms that no zone is to be signed with any more, and where it says so."""


def signing_keys(records: Iterable[Rdata]) -> list[DNSKEYBase]:
    """The DNSKEY records among these."""
    return [each for each in records if isinstance(each, DNSKEYBase)][:MOST]


def delegations(records: Iterable[Rdata]) -> list[DSBase]:
    """The DS records among these."""
    return [each for each in records if isinstance(each, DSBase)][:MOST]


def fits(zone: Name, said: DSBase, key: DNSKEYBase) -> bool:
    """Whether the parent speaks of this key; also when it does so by a digest that is not known here."""
    if said.algorithm != key.algorithm or said.key_tag != key_tag(key):
        return False
    make = DIGESTS.get(said.digest_type)
    return make is None or make(_digested(zone, key)).digest() == said.digest


def ds_line(zone: Name, keys: Iterable[DNSKEYBase]) -> str | None:
    """The lines that the parent has to publish: SHA-256, of the keys that are meant for it."""
    entries = [each for each in keys if each.flags & SECURE_ENTRY]
    lines = [
        f"{written(zone)} 3600 IN DS {key_tag(key)} {int(key.algorithm)} {SHA256} "
        + hashlib.sha256(_digested(zone, key)).hexdigest().upper()
        for key in entries
    ]
    return "\n".join(lines) or None


def key_tag(key: DNSKEYBase) -> int:
    """The number by which a key is spoken of."""
    total = sum(byte if place % 2 else byte << 8 for place, byte in enumerate(_wire(key)))
    return (total + (total >> 16 & 0xFFFF)) & 0xFFFF


def _digested(zone: Name, key: DNSKEYBase) -> bytes:
    return bytes(zone.canonicalize().to_wire() or b"") + _wire(key)


def _wire(key: DNSKEYBase) -> bytes:
    return bytes(key.to_wire() or b"")
