"""How mail leaves this host: from which addresses, by which name, and through which relay.

Postfix is asked (postconf(1)): its settings, with those that master.cf(5) gives the service that default_transport
names. Where it names no address, the kernel says which one it would take; no packet is sent for that.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.checks.dns.facts import SendingAddress, Stated
from mailwatch.discovery import PostconfFails, answer, postfix_program, settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BINDS: Final = ("smtp_bind_address", "smtp_bind_address6")
OF_SERVICE: Final = (*BINDS, "smtp_helo_name")
ASKED: Final = (*OF_SERVICE, "inet_interfaces", "inet_protocols", "myorigin", "relayhost", "default_transport")
FAR: Final = ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses of nobody (RFC 5737, RFC 3849): the way to them is that to everybody."""
LONGEST: Final = 320
"""Characters of a setting that is a host; more is none."""
INSIDE: Final = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
         "0.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128", "::/128"),
    )
)  # fmt: skip
"""What no server outside ever sees mail come from (RFC 1918, RFC 6598, RFC 3927, RFC 4193 ...)."""

Address = IPv4Address | IPv6Address


class Sending(NamedTuple):
    """``hidden`` are addresses that are another one outside; ``trouble``: why Postfix could not be asked."""

    addresses: tuple[SendingAddress, ...] = ()
    hidden: tuple[SendingAddress, ...] = ()
    helo: Stated | None = None
    origin: Stated | None = None
    relay: Stated | None = None
    asked: bool = False
    trouble: str | None = None


def sending(config_dir: Path | None) -> Sending:
    """What Postfix at ``config_dir`` says, and the kernel."""
    try:
        values = settings(config_dir, ASKED)
        if values is None:
            return Sending(trouble="there is no Postfix here (postconf is missing)")
        values |= of_service(config_dir, values.get("default_transport", "").partition(":")[0] or "smtp")
    except PostconfFails as error:
        return Sending(trouble=str(error))
    found = list(bound(values)) or list(routed(values.get("inet_protocols", "all")))
    return Sending(
        addresses=tuple(each for each in found if not is_inside(each.address)),
        hidden=tuple(each for each in found if is_inside(each.address)),
        helo=stated(values, "smtp_helo_name"),
        origin=stated(values, "myorigin"),
        relay=relay_in(values),
        asked=True,
    )


def of_service(config_dir: Path | None, service: str) -> dict[str, str]:
    """What master.cf sets for a service with ``-o``. Raises PostconfFails."""
    program = postfix_program("postconf")
    if program is None or not service.replace("-", "").replace("_", "").isalnum():
        return {}
    chosen = ["-c", str(config_dir)] if config_dir else []
    said = answer([program, *chosen, "-Px", *(f"{service}/unix/{name}" for name in OF_SERVICE)])
    pairs = (line.partition("=") for line in said.splitlines())
    return {name.strip().rpartition("/")[2]: value.strip() for name, _, value in pairs}


def stated(values: Mapping[str, str], name: str) -> Stated | None:
    """A setting that is a name of a host."""
    text = values.get(name, "").rstrip(".")
    return Stated(text=text, origin=name) if 0 < len(text) <= LONGEST else None


def relay_in(values: Mapping[str, str]) -> Stated | None:
    """The next hop of all mail that no table sends elsewhere."""
    for name, next_hop in (
        ("relayhost", values.get("relayhost", "")),
        ("default_transport", values.get("default_transport", "").partition(":")[2]),
    ):
        if 0 < len(next_hop) <= LONGEST:
            return Stated(text=next_hop, origin=name)
    return None


def bound(values: Mapping[str, str]) -> Iterator[SendingAddress]:
    """The addresses that Postfix binds to; of inet_interfaces the one of its family (smtp(8), postconf(5))."""
    listening = [found for each in words(values.get("inet_interfaces", "")) if (found := address_of(each))]
    protocols = words(values.get("inet_protocols", "all"))
    for version, name in zip((4, 6), BINDS, strict=True):
        if not {"all", f"ipv{version}"} & set(protocols):
            continue
        address, origin = address_of(values.get(name, "")), name
        if address is None:
            own = [each for each in listening if each.version == version]
            # more than one: the kernel chooses; one on loopback is not bound to
            address, origin = (own[0], "inet_interfaces") if len(own) == 1 and not own[0].is_loopback else (None, "")
        if address is not None:
            yield SendingAddress(address=address, origin=origin)


def routed(protocols: str = "all") -> Iterator[SendingAddress]:
    """The addresses that the kernel would send from."""
    for (family, far), version in zip(FAR, (4, 6), strict=True):
        if not {"all", f"ipv{version}"} & set(words(protocols)):
            continue
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as there:
            there.connect((far, 25))
            address = address_of(str(there.getsockname()[0]))
            if address is not None:
                yield SendingAddress(address=address, origin="this host's routes", guessed=True)


def words(setting: str) -> list[str]:
    """The parts of a setting."""
    return setting.replace(",", " ").split()


def address_of(text: str) -> Address | None:
    """The address that a text is, with or without brackets; None where it is none."""
    try:
        return ip_address(text.strip().removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def is_inside(address: Address) -> bool:
    """Whether mail from this address is from another one outside."""
    return any(address in each for each in INSIDE if each.version == address.version)
