"""The words for a provider that relays mail: by which names it is known, and whose domain the envelope bears then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

KEEPS: Final = "keeps"
"""The envelope sender stays as it was given: the domain's own SPF record must include the provider."""
REPLACES: Final = "replaces"
"""The envelope sender becomes a domain of the provider, or a subdomain that was set up for it: SPF is asked there."""
SIGNS_AS_DOMAIN: Final = "domain"
"""The envelope sender becomes one of the domain that was set up with the provider, often a subdomain like mg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A subdomain for the envelope that a provider is given: how it is recognised, and what it needs.

    ``labels`` are its usual names. It has an ``mx`` or is a ``cname`` that ends so. ``include`` is what its own SPF
    record must have; "" where the CNAME brings the record with it.
    """

    labels: tuple[str, ...]
    mx: tuple[str, ...] = ()
    cname: tuple[str, ...] = ()
    include: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """``relays``: names of its hosts, ``*`` for one label or a part of it, ``**`` for one label or more.

    ``includes``: any of them in an SPF record authorises its hosts, the first is what it asks for. ``regions``: relays,
    as patterns, at which it asks for another one. ``envelope`` is one of KEEPS, REPLACES, SIGNS_AS_DOMAIN.
    ``asks_for_include``: its own instructions ask for the include though SPF is never asked there. ``selectors`` are
    the DKIM selectors that it gives by default; ``dkim`` says how keys get there.
    """

    name: str
    relays: tuple[str, ...]
    includes: tuple[str, ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    envelope: str = KEEPS
    asks_for_include: bool = False
    bounce: Bounce | None = None
    selectors: tuple[str, ...] = ()
    dkim: str = ""


def matches(host: str, pattern: str) -> bool:
    """Whether the host name, in lower case without its last dot, is one that the pattern means."""
    labels, wanted = host.split("."), pattern.split(".")
    if wanted[0] == "**":
        return len(labels) >= len(wanted) and _same(labels[-len(wanted) + 1 :], wanted[1:])
    return len(labels) == len(wanted) and _same(labels, wanted)


def _same(labels: list[str], wanted: list[str]) -> bool:
    return all(_label(label, pattern) for label, pattern in zip(labels, wanted, strict=True))


def _label(label: str, pattern: str) -> bool:
    """``*`` stands for anything at the end of a label."""
    return label.startswith(pattern[:-1]) if pattern.endswith("*") else label == pattern


def in_region(provider: Provider, host: str) -> Provider:
    """The provider as it is at this relay: the first of its includes is the one that is asked for there."""
    plain = host.lower().removesuffix(".")
    own = next((include for pattern, include in provider.regions if matches(plain, pattern)), None)
    if own is None:
        return provider
    return replace(provider, includes=(own, *(each for each in provider.includes if each != own)))


def is_relay_of(host: str, provider: Provider) -> bool:
    """Whether the provider relays at this host."""
    plain = host.lower().removesuffix(".")
    return any(matches(plain, pattern) for pattern in provider.relays)


def relay_host(text: str) -> str:
    """The host of a relay as Postfix writes it: ``[smtp.example.com]:587``."""
    host = text.strip().lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
