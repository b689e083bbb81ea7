"""Which domains are examined in DNS, and how: those that this host sends mail for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from mailwatch.options.about import about

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS: Final = (
    "spf", "provider", "senders", "ptr", "helo", "dkim", "dmarc", "mx", "delegation", "blocklists", "mta_sts",
    "tls_rpt", "dane", "dnssec", "caa", "bimi",
)  # fmt: skip
"""Every check of a domain by name. Said here once more: the agent loads none of them, they run in a process apart."""
MOST_DOMAINS: Final = 20
MOST_WORDS: Final = 50
LONGEST_DOMAIN, LONGEST_LABEL = 253, 63
LABEL: Final = re.compile(r"[^\W_](?:[\w-]*[^\W_])?")
"""Letters of any script, digits, hyphens within; that underscores stand in no domain of mail is said by itself."""
SELECTOR: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsOptions:
    """What is examined in DNS, again and again."""

    domains: tuple[str, ...] = field(default=(), metadata=about("domains that this host sends mail for"))
    interval: int = field(default=3600, metadata=about("seconds between two looks at a domain", bounds=(10, 7 * 86400)))
    again: int = field(
        default=300, metadata=about("seconds until what has changed is looked at once more", bounds=(1, 86400))
    )
    deadline: int = field(default=20, metadata=about("seconds that a look may take", bounds=(2, 120)))
    resolver: str = field(default="", metadata=about("the name server that is asked; the system's by default"))
    only: tuple[str, ...] = field(default=(), metadata=about("the checks that are made; all by default"))
    skip: tuple[str, ...] = field(default=(), metadata=about("checks that are left out"))
    ip: tuple[str, ...] = field(
        default=(), metadata=about("addresses that mail leaves from; found by itself by default")
    )
    helo: str = field(default="", metadata=about("the name in HELO; Postfix's own by default"))
    selectors: tuple[str, ...] = field(default=(), metadata=about("DKIM selectors, instead of those that are found"))

    @property
    def names(self) -> tuple[str, ...]:
        """The domains as they are shown: in small letters, without the last dot."""
        return tuple(dict.fromkeys(shown(each) for each in self.domains))

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that are made."""
        only, skip = {plain(each) for each in self.only}, {plain(each) for each in self.skip}
        return tuple(each for each in CHECKS if each not in skip and (not only or each in only))


def plain(check: str) -> str:
    """The name of a check as it is here: people, and the command, write ``mta-sts`` as well."""
    return check.strip().lower().replace("-", "_")


def shown(domain: str) -> str:
    """A domain in small letters, without the last dot."""
    return domain.lower().removesuffix(".")


def wrong_domain(domain: str) -> str | None:
    """What is wrong with a text that should be a domain, and what to write instead; None when nothing is."""
    name = domain.removesuffix(".")
    if "@" in name:
        return f"expected a domain, found an address: {shortly(name.rpartition('@')[2])} alone"
    if "://" in name or "/" in name:
        return f"expected a domain such as example.com, found {shortly(domain)}"
    if name.startswith("*"):
        return f"expected one domain, found {shortly(domain)}: name each that mail is sent for"
    if not name or len(name) > LONGEST_DOMAIN:
        return f"expected a domain such as example.com, of at most {LONGEST_DOMAIN} characters, found {shortly(domain)}"
    labels = name.split(".")
    if len(labels) == 1 or all(label.isdigit() for label in labels):
        return f"expected a domain with a dot in it, such as example.com, found {shortly(domain)}"
    for label in labels:
        if not label:
            return f"expected a domain such as example.com, found {shortly(domain)}: two dots follow each other"
        if len(label) > LONGEST_LABEL or not LABEL.fullmatch(label):
            return f"expected a domain such as example.com, found {shortly(domain)}: {shortly(label)} is no part of one"
    return None


def shortly(text: str) -> str:
    """A text as it stands in a message."""
    return repr(text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL]}...")


def mistakes(options: DnsOptions) -> Iterator[str]:
    """What is wrong with the section as a whole."""
    seen: set[str] = set()
    for at, domain in enumerate(options.domains):
        wrong = wrong_domain(domain)
        if wrong is not None:
            yield f"domains[{at}]: {wrong}"
        elif shown(domain) in seen:
            yield f"domains[{at}]: {shortly(domain)} is there twice"
        seen.add(shown(domain))
    if len(options.domains) > MOST_DOMAINS:
        yield f"domains: expected at most {MOST_DOMAINS}, found {len(options.domains)}"
    yield from wrong_words(options)
    if {plain(each) for each in (*options.only, *options.skip)} <= set(CHECKS) and not options.checks:
        yield "skip: no check is left: leave domains out instead"


def wrong_words(options: DnsOptions) -> Iterator[str]:
    """What is wrong with what is handed to the command: none may be taken for an option."""
    for key in ("ip", "selectors"):
        for at, word in enumerate(getattr(options, key)):
            if not (is_address(word) if key == "ip" else is_selector(word)):
                wanted = "an address such as 192.0.2.25" if key == "ip" else "a selector"
                yield f"{key}[{at}]: expected {wanted}, found {shortly(word)}"
        if len(getattr(options, key)) > MOST_WORDS:
            yield f"{key}: expected at most {MOST_WORDS}, found {len(getattr(options, key))}"
    for key in ("resolver", "helo"):
        word = getattr(options, key)
        if word.startswith("-") or not word.isprintable() or " " in word:
            yield f"{key}: expected a name or an address, found {shortly(word)}"


def is_address(word: str) -> bool:
    """Whether this is an IP address."""
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def is_selector(word: str) -> bool:
    """Whether this may be a DKIM selector (RFC 6376 section 3.1): labels, with dots between."""
    labels = word.split(".")
    return word.isascii() and all(0 < len(each) <= LONGEST_LABEL and SELECTOR.fullmatch(each) for each in labels)
