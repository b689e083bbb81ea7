"""Finds channels that share the fate of the mail they watch: when that is down, so are they.

A channel does whose host is this machine, or the relayhost or fallback relay of the watched Postfix, or whose
recipients' mail comes in here; by name, or by any address. What could not be looked up is told as unknown, never
taken for independent. Nothing is sent, and nobody is connected to.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.channels.answer import SendFailed
from mailwatch.channels.destinations import Destinations, destinations
from mailwatch.channels.lookups import CannotTell, Lookups
from mailwatch.channels.secrets import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailwatch.options import ChannelOptions

SHARED, LOST, UNKNOWN = "shared", "lost", "unknown"
# [smtp.example.net]:587      smtp.example.net:submission      [2001:db8::7]
RELAY: Final = re.compile(r"(?:\[(?P<literal>[^\]]+)\]|(?P<domain>[^:\[\]]+))(?::[^:\[\]]+)?")
ANY_PORT: Final = 9


class Tie(NamedTuple):
    """What ties a channel to the mail it watches; ``lost``: nothing arrives by it; ``unknown``: not to be told."""

    channel: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The mail that is watched: names of this machine, and relays as Postfix writes them."""

    names: frozenset[str] = frozenset()
    relays: tuple[str, ...] = ()


def watched(hostname: str, relays: Iterable[str]) -> Watched:
    """The mail of this machine, whose Postfix has this name."""
    own = {each.lower().rstrip(".") for each in (hostname, socket.gethostname(), "localhost") if each}
    return Watched(names=frozenset(own), relays=tuple(each for each in relays if each))


def ties(channels: Iterable[ChannelOptions], mail: Watched, lookups: Lookups) -> list[Tie]:
    """What ties the channels to the mail; each thing once."""
    found = []
    for channel in channels:
        try:
            whole = resolved(channel)
        except SendFailed as error:
            found.append(Tie(channel.name, UNKNOWN, f"cannot tell where it leads: {error}"))
            continue
        judge = _Judge(mail, lookups)
        found += [Tie(channel.name, *each) for each in dict.fromkeys(judge.told(destinations(whole), whole.address))]
    return found


class _Judge:
    """Compares where one channel leads with the mail that is watched."""

    def __init__(self, mail: Watched, lookups: Lookups) -> None:
        self._mail = mail
        self._lookups = lookups

    def told(self, leads: Destinations, fixed: str) -> Iterator[tuple[str, str]]:
        """Verdicts and their texts."""
        if leads.local_mail:
            yield SHARED, f"{leads.local_mail} hands it to the mail of this machine"
        for host in leads.hosts:
            yield from self._of_host(host, fixed, f"its host {host} is")
        for domain in leads.domains:
            try:
                exchangers = self._lookups.exchangers(domain)
            except CannotTell as error:
                yield UNKNOWN, f"cannot tell who takes mail for {domain}: {error}"
                continue
            if not exchangers and domain in self._mail.names:
                exchangers = (domain,)
            if not exchangers:
                yield LOST, f"nobody takes mail for {domain}: it has no MX and no address"
            for each in exchangers:
                yield from self._of_host(each, "", f"mail for {domain} goes to {each}, which is")

    def _of_host(self, host: str, fixed: str, about: str) -> Iterator[tuple[str, str]]:
        """What ties a host to the mail."""
        if host in self._mail.names:
            yield SHARED, f"{about} this machine"
            return
        try:
            addresses = (fixed,) if fixed else self._lookups.addresses(host)
            here = next((each for each in addresses if is_here(each)), None)
            if here is not None:
                yield SHARED, f"{about} this machine, {here}"
                return
            if not addresses and about.startswith("its host"):
                yield UNKNOWN, f"its host {host} has no address in the DNS or /etc/hosts"
            for relay in self._mail.relays:
                if self._is_relay(relay, host, addresses):
                    yield SHARED, f"{about} {relay}, which the watched mail goes through"
        except CannotTell as error:
            yield UNKNOWN, f"cannot tell whether {about} this machine or its relay: {error}"

    def _is_relay(self, relay: str, host: str, addresses: tuple[str, ...]) -> bool:
        """Whether a host is the relay, by name or by an address. Raises CannotTell."""
        found = RELAY.fullmatch(relay.strip().lower())
        if found is None:
            return False
        if found["literal"]:
            hosts: tuple[str, ...] = (found["literal"].removeprefix("ipv6:").rstrip("."),)
        else:
            # a name without brackets is a domain, whose MX are the relays
            hosts = (found["domain"].rstrip("."),)
            if host in hosts:
                return True
            hosts += self._lookups.exchangers(hosts[0])
        return host in hosts or any(same(addresses, self._lookups.addresses(each)) for each in hosts)


def same(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two hosts have an address in common."""
    return bool({plain(each) for each in some} & {plain(each) for each in others})


def plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """An address, however it is written."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return getattr(found, "ipv4_mapped", None) or found


def is_here(address: str) -> bool:
    """Whether an address is one of this machine: the kernel would talk to it from itself. Nothing is sent."""
    found = plain(address)
    if isinstance(found, str):
        return False
    if found.is_loopback or found.is_unspecified:
        return True
    try:
        with socket.socket(socket.AF_INET if found.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as trial:  # noqa: PLR2004
            trial.connect((str(found), ANY_PORT))
            return plain(trial.getsockname()[0]) == found
    except OSError:
        return False
