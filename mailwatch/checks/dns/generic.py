"""Tells the name that a provider gives to every line or machine from one that somebody chose for a mail server."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.addresses import Address

ALONE: Final = frozenset(
    {
        "adsl", "broadband", "dhcp", "dialin", "dialup", "dsl", "dyn", "dynamic", "dynip", "ftth", "pool", "ppp",
        "pppoe", "residential", "static", "unassigned", "vdsl", "xdsl",
    }
)  # fmt: skip
"""Words that say it, wherever they stand."""
WITH_NUMBERS: Final = frozenset(
    {"cable", "client", "clients", "cust", "customer", "customers", "host", "hsd", "ip", "user", "users", "vps"}
)
"""Words that say it where a number of two digits or more stands beside them."""
OWNED: Final = 2
"""The last labels are the domain, which may be called anything."""
PARTS: Final = re.compile(r"[a-z]+|[0-9]+")


def looks_generic(name: Name, address: Address, *, own: bool = False, said: bool = False) -> bool:
    """Whether the name holds the address, or words such as ``dynamic`` before its domain.

    ``own``: it lies within the domain that is checked, where no provider names lines; ``said``: this host says it in
    HELO, as a server of a hosting provider does that is called host12.
    """
    labels = [label.decode("ascii", "replace").lower() for label in name.labels if label]
    text = ".".join(labels)
    if _holds(text, address):
        return True
    if own:
        return False
    parts = PARTS.findall(".".join(labels[:-OWNED]))
    if ALONE & set(parts):
        return True
    words = WITH_NUMBERS - {"host"} if said else WITH_NUMBERS
    return bool(words & set(parts)) and any(part.isdigit() and len(part) > 1 for part in parts)


def _holds(text: str, address: Address) -> bool:
    """Whether the address stands in the text, as providers write it: forwards or backwards, with or without zeros."""
    if isinstance(address, IPv4Address):
        return _holds_octets(text, address)
    nibbles = address.exploded.replace(":", "")
    plain = re.sub(r"[^0-9a-f]", "", text)
    groups = [part.zfill(4) for part in re.findall(r"[0-9a-f]{1,4}", text) if part.isalnum()]
    written = [address.exploded.split(":"), [each.zfill(4) for each in str(address).split(":") if each]]
    return nibbles in plain or nibbles[::-1] in plain or any(_stands_in(each, groups) for each in written)


def _holds_octets(text: str, address: IPv4Address) -> bool:
    octets = str(address).split(".")
    numbers = [str(int(each)) for each in re.findall(r"[0-9]{1,10}", text)]
    orders = (octets, octets[::-1], octets[1:], octets[:0:-1], octets[2:] + octets[:2])
    if any(_stands_in(order, numbers) for order in orders):
        return True
    padded = "".join(each.zfill(3) for each in octets)
    return padded in text or address.packed.hex() in text


def _stands_in(wanted: list[str], there: list[str]) -> bool:
    """Whether what is wanted stands there in this order, without anything between."""
    return any(there[at : at + len(wanted)] == wanted for at in range(len(there) - len(wanted) + 1))
