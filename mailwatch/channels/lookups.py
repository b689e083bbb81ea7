"""Looks up names: addresses of hosts, mail exchangers of domains; by a deadline for all of them together.

Promises
    No answer is no answer: a time-out, SERVFAIL and a refusal raise CannotTell, never taken for "there is none".
    /etc/hosts is read, as everything else on this machine does that connects by name.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

if TYPE_CHECKING:
    from collections.abc import Iterable

HOSTS: Final = Path("/etc/hosts")
LARGEST: Final = 1 << 20
PATIENCE: Final = 3.0


class CannotTell(Exception):  # noqa: N818 - its own state
    """There was no answer; the text says to what, and why."""


@dataclass(slots=True)
class Lookups:
    """Asks the resolvers of this machine, or the name server given. What was asked once is remembered."""

    deadline: float
    server: tuple[str, int] | None = None
    hosts: Path = HOSTS
    _known: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host; none when there is none. Raises CannotTell."""
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        local = self._from_file(host)
        return local or tuple(dict.fromkeys((*self._asked(host, "A"), *self._asked(host, "AAAA"))))

    def exchangers(self, domain: str) -> tuple[str, ...]:
        """The hosts that take mail for a domain: of its MX, or itself; none where it takes none. Raises CannotTell."""
        found = self._asked(domain, "MX")
        if found:
            return tuple(each for each in found if each)
        return (domain,) if self.addresses(domain) else ()

    def _from_file(self, host: str) -> tuple[str, ...]:
        try:
            with self.hosts.open("rb") as file:
                lines = file.read(LARGEST).decode("utf-8", "replace").splitlines()
        except OSError:
            return ()
        words = (line.partition("#")[0].lower().split() for line in lines)
        return tuple(each[0] for each in words if host.lower() in each[1:])

    def _asked(self, name: str, kind: str) -> tuple[str, ...]:
        key = (name.lower(), kind)
        if key not in self._known:
            self._known[key] = tuple(self._answers(name, kind))
        return self._known[key]

    def _answers(self, name: str, kind: str) -> Iterable[str]:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise CannotTell(f"no time was left to look up {name}")
        try:
            answer = self._resolver().resolve(
                # resolv.conf's search is for names without a dot, as everywhere else
                f"{name}." if "." in name else name,
                kind,
                lifetime=min(left, PATIENCE),
                search="." not in name,
                raise_on_no_answer=False,
            )
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.DNSException as error:
            raise CannotTell(f"no answer about {kind} of {name}: {why(error)}") from error
        if kind == "MX":
            ordered = sorted(answer, key=lambda each: each.preference)
            return [str(each.exchange).rstrip(".").lower() for each in ordered]
        return [str(each) for each in answer]

    def _resolver(self) -> dns.resolver.Resolver:
        if self.server is None:
            return dns.resolver.get_default_resolver()
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port = [self.server[0]], self.server[1]
        return made


def why(error: dns.exception.DNSException) -> str:
    """Why there was no answer."""
    if isinstance(error, dns.exception.Timeout):
        return "the resolver did not answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the resolver answered with a failure"
    return type(error).__name__
