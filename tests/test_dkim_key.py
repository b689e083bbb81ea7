"""Public keys of DKIM, read by a reader of our own: keys as openssl makes them, and everything else."""

from __future__ import annotations

import subprocess
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.dkim.key import ED25519, RSA, Key, NoKey, framed_key, published_key


def openssl(*arguments: str, given_to_it: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=given_to_it, capture_output=True, check=True, timeout=60
    ).stdout


@cache
def private(*arguments: str) -> bytes:
    return openssl("genpkey", *arguments)


def rsa(bits: int) -> bytes:
    return private("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


def public(pem: bytes) -> bytes:
    return openssl("pkey", "-pubout", "-outform", "DER", given_to_it=pem)


@pytest.mark.parametrize("bits", [512, 1024, 1536, 2047, 2048, 4096])
def test_the_length_of_an_rsa_key_is_told_to_the_bit(bits: int) -> None:
    key = published_key(public(rsa(bits)), RSA)
    assert isinstance(key, Key)
    assert (key.kind, key.bits, key.bare) == (RSA, bits, False)


def test_a_bare_rsa_key_is_the_same_key_without_its_frame() -> None:
    bare = openssl("rsa", "-RSAPublicKey_out", "-outform", "DER", given_to_it=rsa(2048))
    key, framed = published_key(bare, RSA), published_key(public(rsa(2048)), RSA)
    assert isinstance(key, Key)
    assert isinstance(framed, Key)
    assert key.bare
    assert (key.kind, key.bits, key.material) == (framed.kind, framed.bits, framed.material)


def test_two_keys_are_told_apart() -> None:
    one, other = framed_key(public(rsa(1024))), framed_key(public(rsa(1536)))
    assert isinstance(one, Key)
    assert isinstance(other, Key)
    assert one.material != other.material


def test_an_ed25519_key_stands_bare_in_a_record_and_framed_in_a_file() -> None:
    der = public(private("-algorithm", "ed25519"))
    bare, framed = published_key(der[-32:], ED25519), framed_key(der)
    assert isinstance(bare, Key)
    assert isinstance(framed, Key)
    assert (
        (bare.kind, bare.bits, bare.material)
        == (ED25519, 256, der[-32:])
        == (framed.kind, framed.bits, framed.material)
    )


def test_an_ed25519_key_with_its_frame_is_told_what_should_stand_there() -> None:
    der = public(private("-algorithm", "ed25519"))
    found = published_key(der, ED25519)
    assert isinstance(found, NoKey)
    assert found.instead == der[-32:]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "elliptic curve"),
        (("-algorithm", "ed25519"), "ed25519"),
        (("-algorithm", "x25519"), "unknown"),
    ],
)
def test_a_key_of_another_kind_is_none_for_rsa(arguments: tuple[str, ...], kind: str) -> None:
    found = published_key(public(private(*arguments)), RSA)
    assert isinstance(found, NoKey)
    assert kind in found.why


def test_a_key_that_is_cut_off_anywhere_is_none() -> None:
    der = public(rsa(1024))
    for length in range(len(der)):
        assert isinstance(published_key(der[:length], RSA), NoKey), length
    found = published_key(der[:150], RSA)
    assert isinstance(found, NoKey)
    assert found.why == "is cut off: 150 of 162 bytes are there"


def test_a_private_key_is_no_public_one() -> None:
    der = openssl("pkey", "-outform", "DER", given_to_it=rsa(1024))
    found = framed_key(der)
    assert isinstance(found, NoKey) or found.bits < 512


@given(st.binary(max_size=400), st.sampled_from([RSA, ED25519, "dsa", ""]))
def test_no_bytes_raise(raw: bytes, kind: str) -> None:
    assert isinstance(published_key(raw, kind), Key | NoKey)
    assert isinstance(framed_key(raw), Key | NoKey)


@given(st.data())
def test_a_damaged_key_never_raises(data: st.DataObject) -> None:
    der = bytearray(public_once())
    for _ in range(data.draw(st.integers(1, 6))):
        der[data.draw(st.integers(0, 40))] = data.draw(st.integers(0, 255))
    assert isinstance(framed_key(bytes(der)), Key | NoKey)


@cache
def public_once() -> bytes:
    return public(rsa(1024))
