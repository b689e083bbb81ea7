"""Names that a provider gives to every line, and names that somebody chose."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from dns.name import Name, from_text
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.checks.dns.generic import looks_generic

V4, V6 = "192.0.2.25", "2001:db8::a5:25"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("192-0-2-25.provider.example.", V4),
        ("25.2.0.192.provider.example.", V4),
        ("ip192.0.2.25.provider.example.", V4),
        ("host-192000002025.provider.example.", V4),
        ("c0000219.provider.example.", V4),  # in hexadecimal
        ("25-2-0-192-pool.provider.example.", V4),
        ("ec2-192-0-2-25.compute.provider.example.", V4),
        ("p5.dynamic.provider.example.", V4),
        ("static.7.clients.provider.example.", V4),
        ("dsl-line.provider.example.", V4),
        ("customer-4711.provider.example.", V4),
        ("vps81234.provider.example.", V4),
        ("2001-db8-0-0-0-0-a5-25.provider.example.", V6),
        ("2001-db8--a5-25.provider.example.", V6),
        ("20010db8000000000000000000a50025.provider.example.", V6),
        ("5.2.0.0.5.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.provider.example.", V6),
    ],
)
def test_a_name_of_a_line_is_seen(name: str, address: str) -> None:
    assert looks_generic(from_text(name), ip_address(address))


@pytest.mark.parametrize(
    "name",
    [
        "mail.example.com.", "mx25.example.com.", "smtp-2.example.com.", "out1.mta.example.com.", "relay-192.example.com.",
        "mail.dynamic.example.", "static.example.", "hosting.mail.example.com.", "poolside.example.com.",
        "statics.mail.example.com.", "host.example.com.", "ip.example.com.", "vps1.example.com.", "a.example.",
    ],
)  # fmt: skip
def test_a_name_that_somebody_chose_is_left_alone(name: str) -> None:
    assert not looks_generic(from_text(name), ip_address(V4))
    assert not looks_generic(from_text(name), ip_address(V6))


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.ip_addresses())
def test_a_name_of_any_bytes_is_told(labels: list[bytes], address: str) -> None:
    assert looks_generic(Name([*labels, b""]), ip_address(address)) in (True, False)
