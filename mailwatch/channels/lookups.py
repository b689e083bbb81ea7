"""Looks up names: addresses of hosts, mail exchangers of domains; by a deadline for all of them together.

Promises
    No answer is no answer: a time-out, SERVFAIL and a refusal raise CannotTell, never taken for "there is none".
    /etc/hosts is read, as everything else on this machine does that connects by name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name
from dns.rdtypes.ANY.MX import MX

from mailwatch.question import ANSWER, UNKNOWN
from mailwatch.resolver import NO_REPLY, NoResolver, Resolver, of_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns.name import Name
    from dns.rdata import Rdata

    from mailwatch.question import Answer
    from mailwatch.resolver import Chosen

HOSTS: Final = Path("/etc/hosts")
LARGEST: Final = 1 << 20
PATIENCE: Final = 3.0
TRIES: Final = 3
SHORTEST: Final = 0.05
"""Nobody answers in less than so many seconds, to be relied on."""


class CannotTell(Exception):  # noqa: N818 - its own state
    """There was no answer; the text says to what, and why."""


@dataclass(slots=True)
class Lookups:
    """Asks the resolvers of this machine, or the name server given. What was asked once is remembered.

    Not for use within asyncio: each question runs a loop of its own.
    """

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
            self._known[key] = self._answers(name, kind)
        return self._known[key]

    def _answers(self, name: str, kind: str) -> tuple[str, ...]:
        left = min(self.deadline - time.monotonic(), PATIENCE)
        if left < SHORTEST:
            raise CannotTell(f"no time was left to look up {name}")
        try:
            chosen = of_system() if self.server is None else None
        except NoResolver as error:
            raise CannotTell(f"no answer about {kind} of {name}: {error}") from error
        answer = asyncio.run(self._answer(list(absolute(name, chosen)), kind, chosen, left))
        if answer is None:
            raise CannotTell(f"no answer about {kind} of {name}: not a name of the DNS")
        if answer.outcome == UNKNOWN:
            raise CannotTell(f"no answer about {kind} of {name}: {why(answer)}")
        return ordered(answer.records, kind)

    async def _answer(self, names: list[Name], kind: str, chosen: Chosen | None, left: float) -> Answer | None:
        """The first answer with records about one of these names, or the last one at all."""
        servers = chosen.servers if chosen is not None else [self.server] if self.server is not None else []
        answer = None
        async with Resolver(servers, left, patience=left / TRIES, dnssec=False) as asks:
            for name in names:
                answer = await asks.ask(name, kind)
                if answer.outcome in (ANSWER, UNKNOWN):
                    break
        return answer


def absolute(name: str, chosen: Chosen | None) -> Iterator[Name]:
    """The names to ask for. resolv.conf's search is for names without a dot, as everywhere else."""
    try:
        made = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_Practical)
        if chosen is not None and "." not in name:
            yield from (made.relativize(dns.name.root).concatenate(domain) for domain in chosen.search)
    except (dns.exception.DNSException, ValueError):  # whatever a person wrote
        return
    yield made


def ordered(records: tuple[Rdata, ...], kind: str) -> tuple[str, ...]:
    """The texts of records, exchangers by preference."""
    if kind == "MX":
        preferred = sorted((each for each in records if isinstance(each, MX)), key=lambda each: each.preference)
        return tuple(str(each.exchange).rstrip(".").lower() for each in preferred)
    return tuple(str(each) for each in records)


def why(answer: Answer) -> str:
    """Why there was no answer."""
    if NO_REPLY in (answer.trouble or ""):
        return "the resolver did not answer in time"
    return "the resolver answered with a failure"
