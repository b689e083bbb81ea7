"""Which addresses others can reach, and the names they are asked for by."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from dns.name import from_text

from mailwatch.checks.dns.addresses import asking_for_ip, is_public, reverse, told
from mailwatch.checks.dns.facts import SendingAddress


@pytest.mark.parametrize(
    "address", ["192.0.2.25", "198.51.100.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2600::1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:192.0.2.1", "::ffff:10.0.0.1",
    ],
)  # fmt: skip
def test_an_address_of_a_private_network_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


def test_an_address_is_asked_for_backwards() -> None:
    assert reverse(ip_address("192.0.2.25")) == from_text("25.2.0.192.in-addr.arpa.")
    nibbles = ["1", *["0"] * 23, *"8bd01002"]
    assert reverse(ip_address("2001:db8::1")) == from_text(".".join(nibbles) + ".ip6.arpa.")


def test_a_guess_is_told_and_asked_for() -> None:
    known = SendingAddress(address=ip_address("192.0.2.25"), origin="--ip")
    guessed = SendingAddress(address=ip_address("192.0.2.25"), origin="the default route", guessed=True)
    assert told(known) == "192.0.2.25"
    assert told(guessed) == "192.0.2.25 (guessed from the default route)"
    assert asking_for_ip(known, "Do it.") == "Do it."
    assert (
        asking_for_ip(guessed, "Do it.")
        == "If mail leaves from another address, run this again with --ip ADDRESS. Do it."
    )
