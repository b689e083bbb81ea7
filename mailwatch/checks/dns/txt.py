r"""Texts of TXT records: the strings of a record joined without blanks (RFC 7208 section 3.3), never a raw byte.

Promises
    ASCII that can be printed, whatever the bytes: others are shown as a zone shows them, ``\195``. Bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.rdata import Rdata

MOST: Final = 100
"""So many records of a name are read: a message over TCP holds more, and no domain needs them."""
LONGEST: Final = 16384
"""So many bytes of a record are read."""
SHOWN: Final = 200
FIRST, LAST = 0x20, 0x7E
STRING: Final = 255
"""Bytes in one string of a TXT record (RFC 1035 section 3.3)."""


def texts(records: Iterable[Rdata]) -> tuple[str, ...]:
    """The text of each TXT record, in the order of the answer."""
    return tuple(joined(record) for record, _ in zip(records, range(MOST), strict=False))


def joined(record: Rdata) -> str:
    """The text of one TXT record; what is not printable ASCII is escaped. Empty for a record of another kind."""
    return escaped(octets(record))


def octets(record: Rdata) -> bytes:
    """The bytes of one TXT record, as they are. Empty for a record of another kind."""
    strings: tuple[bytes, ...] = getattr(record, "strings", ())
    return b"".join(strings)[:LONGEST]


def escaped(raw: bytes) -> str:
    r"""Bytes as text, what is not printable ASCII as ``\DDD`` (RFC 1035 section 5.1)."""
    return "".join(chr(byte) if FIRST <= byte <= LAST else f"\\{byte:03d}" for byte in raw)


def shortened(text: str, longest: int = SHOWN) -> str:
    """So much of a text as a person wants to read in a sentence."""
    return text if len(text) <= longest else f"{text[: longest - 3].rstrip()}..."


def quoted(text: str) -> str:
    """A text of printable ASCII as it is published: quoted, in strings of at most 255 bytes."""
    parts = [text[begin : begin + STRING] for begin in range(0, len(text), STRING)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
