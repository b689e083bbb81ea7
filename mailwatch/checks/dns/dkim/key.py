"""Public keys as DNS has them: how long they are, and whether they are any (RFC 5280, RFC 8017, RFC 8463).

Promises
    Never raises, whatever the bytes; reads each byte at most once; nothing is computed with the numbers in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RSA, ED25519 = "rsa", "ed25519"
SEQUENCE, INTEGER, BIT_STRING, OBJECT = 0x30, 0x02, 0x03, 0x06
OIDS: Final = {
    bytes.fromhex("2a864886f70d010101"): RSA,
    bytes.fromhex("2b6570"): ED25519,
    bytes.fromhex("2a8648ce3d0201"): "elliptic curve",
    bytes.fromhex("2a8648ce380401"): "dsa",
}
ED25519_BYTES: Final = 32
LONG_FORM: Final = 0x80
MOST_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key. ``bits`` long; two keys are the same when ``kind`` and ``material`` are.

    ``bare``: an RSA key without the frame (SubjectPublicKeyInfo) that says that it is one.
    """

    kind: str
    bits: int
    material: bytes
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKey:
    """Bytes that are no key; ``why`` as the rest of a sentence, ``instead`` what was meant, if that can be told."""

    why: str
    instead: bytes | None = None


def published_key(raw: bytes, kind: str) -> Key | NoKey:
    """The key in a record that says that it is of this kind (``k=``)."""
    if kind == ED25519 and len(raw) == ED25519_BYTES:
        return Key(kind=ED25519, bits=8 * ED25519_BYTES, material=raw)
    found = framed_key(raw)
    if isinstance(found, NoKey):
        return NoKey(why=f"has {len(raw)} bytes, and an Ed25519 key has 32") if kind == ED25519 else found
    if found.kind == ED25519 and kind == ED25519:
        return NoKey(why="has a frame around it, and an Ed25519 key stands there bare", instead=found.material)
    if found.kind != kind:
        return NoKey(why=f"is one of the kind {found.kind}, and the record says k={kind}")
    return found


def framed_key(der: bytes) -> Key | NoKey:
    """The key in a SubjectPublicKeyInfo, or in a bare RSAPublicKey, of DER."""
    outer = _element(der, 0, len(der))
    if outer is None or outer.kind != SEQUENCE:
        return NoKey(why="is not a key, whatever it is")
    if outer.end > len(der):
        return NoKey(why=f"is cut off: {len(der)} of {outer.end} bytes are there")
    first = _element(der, outer.begin, outer.end)
    if first is None:
        return NoKey(why="is empty")
    if first.kind == INTEGER:
        return _rsa(der, outer, bare=True)
    oid = _element(der, first.begin, first.end) if first.kind == SEQUENCE and first.end <= outer.end else None
    bits = _element(der, first.end, outer.end)
    if oid is None or oid.kind != OBJECT or oid.end > first.end or bits is None or bits.kind != BIT_STRING:
        return NoKey(why="is not a key, whatever it is")
    if bits.end > outer.end:
        return NoKey(why="is damaged: a length in it is wrong")
    return _inner(der, OIDS.get(der[oid.begin : oid.end], "unknown"), bits)


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of DER: what it is, and where its content is. ``end`` may lie behind the end of the data."""

    kind: int
    begin: int
    end: int


def _element(der: bytes, at: int, end: int) -> _Element | None:
    """The element that begins here; None when not even its length is there, or has no end."""
    if at + 2 > end or at + 2 > len(der):
        return None
    kind, length, begin = der[at], der[at + 1], at + 2
    if length & LONG_FORM:
        count = length & ~LONG_FORM
        if not 0 < count <= MOST_LENGTH_BYTES or begin + count > min(end, len(der)):
            return None
        length, begin = int.from_bytes(der[begin : begin + count], "big"), begin + count
    return _Element(kind, begin, begin + length)


def _inner(der: bytes, kind: str, bits: _Element) -> Key | NoKey:
    """The key within the bit string, whose first byte says how many bits at its end are unused."""
    begin = bits.begin + 1
    if begin >= bits.end or der[bits.begin]:
        return NoKey(why="is damaged: the key in it is empty")
    if kind == ED25519:
        material = der[begin : bits.end]
        if len(material) != ED25519_BYTES:
            return NoKey(why=f"has {len(material)} bytes, and an Ed25519 key has 32")
        return Key(kind=ED25519, bits=8 * ED25519_BYTES, material=material)
    if kind != RSA:
        return Key(kind=kind, bits=0, material=der[begin : bits.end])
    sequence = _element(der, begin, bits.end)
    if sequence is None or sequence.kind != SEQUENCE or sequence.end > bits.end:
        return NoKey(why="is damaged: what is in it is not an RSA key")
    return _rsa(der, sequence, bare=False)


def _rsa(der: bytes, sequence: _Element, *, bare: bool) -> Key | NoKey:
    """Modulus and exponent, of RSAPublicKey (RFC 8017 appendix A.1.1)."""
    modulus = _element(der, sequence.begin, sequence.end)
    exponent = _element(der, modulus.end, sequence.end) if modulus is not None and modulus.end <= sequence.end else None
    if modulus is None or exponent is None or (modulus.kind, exponent.kind) != (INTEGER, INTEGER):
        return NoKey(why="is damaged: what is in it is not an RSA key")
    if exponent.end > sequence.end:
        return NoKey(why="is damaged: a length in it is wrong")
    number = der[modulus.begin : modulus.end].lstrip(b"\0")
    power = der[exponent.begin : exponent.end].lstrip(b"\0")
    if not number or not power or not number[-1] & 1 or power == b"\x01":
        return NoKey(why="is damaged: no RSA key has such numbers")
    bits = 8 * (len(number) - 1) + number[0].bit_length()
    return Key(kind=RSA, bits=bits, material=len(number).to_bytes(4, "big") + number + power, bare=bare)
