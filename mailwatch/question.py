"""The words of asking DNS: what an answer is, and whoever can be asked.

Four outcomes are kept apart: there are records; the name is not there; the name is, with nothing of this kind; nobody
could tell. The last one is never taken for one of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from dns.name import Name
    from dns.rdata import Rdata

ANSWER: Final = "answer"
NXDOMAIN: Final = "nxdomain"
NO_DATA: Final = "no-data"
UNKNOWN: Final = "unknown"
OUTCOMES: Final = (ANSWER, NXDOMAIN, NO_DATA, UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered about ``kind`` (``MX``, ``TXT`` ...) of ``name``.

    ``records`` are of that kind, found at ``canonical``, where ``aliases`` (CNAME, in order) lead. ``ttl`` is in
    seconds: for how long this may be remembered, None when nobody said. ``authentic``: the resolver has validated it;
    None when a resolver says so of nothing. ``signed``: signatures came with it, the first of which ends at
    ``signed_until`` (seconds), and began at ``signed_since``. ``bogus``: there is an answer, and its DNSSEC is wrong:
    the outcome is UNKNOWN then, and ``unbelieved`` are its records, to tell what is wrong with them.
    ``trouble`` says why nobody could tell, with the zone or server that does not answer.
    """

    name: Name
    kind: str
    outcome: str
    records: tuple[Rdata, ...] = ()
    canonical: Name | None = None
    aliases: tuple[Name, ...] = ()
    ttl: int | None = None
    authentic: bool | None = None
    signed: bool = False
    signed_until: float | None = None
    signed_since: float | None = None
    bogus: bool = False
    unbelieved: tuple[Rdata, ...] = ()
    server: str = ""
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a web server answered; ``status`` is None when there was no answer, and ``trouble`` says why."""

    url: str
    status: int | None = None
    content_type: str = ""
    body: bytes = b""
    trouble: str | None = None
    untrusted: bool = False
    """There is a server, and its certificate is not good for this name."""
    oversized: bool = False
    """There is a page, and it is too large to be taken."""


class Asks(Protocol):
    """Whoever can be asked. Nothing here raises; a question is asked once, however often it is put."""

    async def ask(self, name: Name, kind: str) -> Answer:
        """The answer, by the deadline of the whole run."""
        ...

    def soon(self, name: Name, kind: str) -> None:
        """Put a question whose answer will be wanted: it is under way while others are waited for."""
        ...

    def directly(self, address: str) -> Asks:
        """The same of one name server, by its address: what it knows itself, nothing it would have to ask for."""
        ...

    async def page(self, url: str) -> Page:
        """Get a page by HTTPS: no redirect is followed, no proxy used, the certificate is checked."""
        ...
