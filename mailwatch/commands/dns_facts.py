"""What is known before a domain is checked: what was given by options, else what this host says of itself.

An option replaces what the host says, and so does [dns] for a domain that is named there; each fact keeps where it is
from. With ``--ip`` mail leaves directly from there, unless a relay is given, too.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.checks.dns.facts import Facts, Selector, SendingAddress, Stated
from mailwatch.checks.dns.names import below, name_of, written
from mailwatch.commands.failure import UNKNOWN, Failure
from mailwatch.commands.routes import hosts, maps
from mailwatch.discovery import PostconfFails, Postfix, answer, ask_postconf, postfix_program
from mailwatch.facts.senders import Seen, senders
from mailwatch.facts.sending import Sending, address_of, is_inside, sending
from mailwatch.facts.signing import is_near, selectors
from mailwatch.options import DnsOptions

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from pathlib import Path

    from dns.name import Name

    from mailwatch.options import Options
    from mailwatch.question import Asks

log = logging.getLogger(__name__)
LONGEST: Final = 320
"""Characters of an option: an address has no more (RFC 5321 section 4.5.3.1)."""
MOST: Final = 4
"""So many addresses of a name are taken for those that mail leaves from."""


class Given(NamedTuple):
    """What the options say."""

    ips: tuple[str, ...] = ()
    helo: str | None = None
    mail_from: str | None = None
    relay: str | None = None
    direct: bool = False
    selectors: tuple[str, ...] = ()


class Host(NamedTuple):
    """What this host says of itself."""

    own: Sending = Sending()
    relay: Stated | None = None
    seen: Seen = Seen()
    selectors: tuple[Selector, ...] = ()


class Known(NamedTuple):
    """The facts, and what they are from."""

    facts: Facts
    host: Host
    given: Given

    @property
    def hints(self) -> tuple[str, ...]:
        """What the person could say, and what it would tell."""
        return tuple(hints(self.facts, self.host, self.given))


def domain_of(text: str) -> Name:
    """The domain to check. Raises Failure that says what else this is."""
    try:
        return name_of(text)
    except ValueError as error:
        raise Failure(str(error), UNKNOWN) from error


def known(domain: Name, given: Given, options: Options, now: float, seconds: float = 10.0) -> Known:
    """All facts, within so many ``seconds``. Raises Failure where an option is wrong."""
    text = written(domain).rstrip(".")
    told = configured(domain, options)
    relay, mail_from = given_relay(given.relay), given_mail_from(given.mail_from)
    addresses = given_addresses(given.ips) or (() if relay else given_addresses(told.ip, "ip in [dns]"))
    helo = given_helo(given.helo) or given_helo(told.helo or None, "helo in [dns]")
    signed = given_selectors(domain, given.selectors) or given_selectors(domain, told.selectors, "selectors in [dns]")
    host = in_time(text, options, seconds)
    if relay is None and not addresses and not given.direct:
        relay = host.relay
    if relay is None and not addresses:
        addresses = host.own.addresses
    facts = Facts(
        domain=domain,
        now=now,
        nonce=f"mailwatch-{secrets.token_hex(6)}",
        addresses=addresses,
        helo=helo or host.own.helo,
        mail_from=mail_from or own_mail_from(text, host.own, host.seen),
        relay=relay,
        direct=relay is None and (given.direct or bool(given.ips or told.ip) or host.own.asked),
        senders=tuple(
            Stated(
                text=each.domain,
                origin=f"{each.messages} message{'' if each.messages == 1 else 's'} in {host.seen.origin}",
            )
            for each in host.seen.senders
        ),
        selectors=with_keys(signed, host.selectors) or host.selectors,
    )
    return Known(facts, host, given)


def configured(domain: Name, options: Options) -> DnsOptions:
    """What the configuration says of this host, where the domain is one that is examined again and again."""
    for each in options.dns.names:
        with suppress(ValueError):
            if name_of(each) == domain:
                return options.dns
    return DnsOptions()


def in_time(domain: str, options: Options, seconds: float) -> Host:
    """What this host says within so many seconds: what hangs is left behind, and holds nobody up."""
    found: list[Host] = []

    def look() -> None:
        try:
            found.append(host_of(domain, options))
        except Exception as error:  # foreign files and logs: without them the domain can still be checked
            log.exception("a bug in what is read of this host")
            found.append(Host(own=Sending(trouble=f"a bug in mailwatch hides what this host says ({error!r})")))

    asking = Thread(target=look, daemon=True)
    asking.start()
    asking.join(seconds)
    late = Host(own=Sending(trouble=f"Postfix and its log were not read within {seconds:g} s"))
    return found[0] if found else late


def host_of(domain: str, options: Options) -> Host:
    """What this host says; asked with patience."""
    postfix, own = asked(options)
    seen = senders(options, postfix)
    return Host(own, relay_of(domain, own, postfix, options), seen, tuple(selectors(domain)))


async def from_outside(asks: Asks, there: Known) -> Known:
    """The same with a guess from where mail is seen to come, where all addresses of this host are private.

    A server behind NAT has, if it is set up well, the outer address under the name that it says in HELO.
    """
    facts, own = there.facts, there.host.own
    if facts.addresses or facts.relay is not None or facts.helo is None or not own.hidden:
        return there
    try:
        name = name_of(facts.helo.text)
    except ValueError:
        return there
    kinds = [
        kind for kind, version in (("A", 4), ("AAAA", 6)) if version in {each.address.version for each in own.hidden}
    ]
    for kind in kinds:
        asks.soon(name, kind)
    records = [record for kind in kinds for record in (await asks.ask(name, kind)).records[:MOST]]
    found = [address for each in records if (address := address_of(str(getattr(each, "address", "")))) is not None]
    inner = ", ".join(str(each.address) for each in own.hidden)
    guessed = tuple(
        SendingAddress(address=each, origin=f"the name in HELO: {inner} here is private", guessed=True)
        for each in found
        if not is_inside(each)
    )
    return there._replace(facts=replace(facts, addresses=guessed))


def asked(options: Options) -> tuple[Postfix | None, Sending]:
    """What Postfix says."""
    own = sending(options.postfix.config_dir)
    try:
        return (ask_postconf(options.postfix.config_dir) if own.asked else None), own
    except PostconfFails as error:
        return None, Sending(trouble=str(error))


def relay_of(domain: str, own: Sending, postfix: Postfix | None, options: Options) -> Stated | None:
    """The relay for mail from a domain: that of its senders, else that of all mail."""
    by_sender = None if postfix is None else of_sender(domain, postfix.sender_relays, options.postfix.config_dir)
    found = by_sender or own.relay
    host = None if found is None else next(hosts((found.text,)), None)
    return None if found is None or host is None else Stated(text=host, origin=found.origin)


def of_sender(domain: str, setting: str, config_dir: Path | None) -> Stated | None:
    """What sender_dependent_relayhost_maps has for a domain (postconf(5)), in the first table that knows it."""
    program = postfix_program("postmap")
    if program is None:
        return None
    for each in maps(setting):
        try:
            said = answer([program, *(["-c", str(config_dir)] if config_dir else []), "-q", f"@{domain}", each])
        except PostconfFails:  # it does not know the domain, or cannot be asked by us
            continue
        if said.strip() and said.strip().upper() != "DUNNO":
            return Stated(text=said.strip(), origin="sender_dependent_relayhost_maps")
    return None


def own_mail_from(domain: str, own: Sending, seen: Seen) -> Stated:
    """The domain itself where mail from it was seen; else one below it that sends most, or that Postfix puts behind."""
    sent = [each for each in seen.senders if each.domain == domain]
    sent += [each for each in seen.senders if each.domain.endswith(f".{domain}")]
    if sent:
        return Stated(text=sent[0].domain, origin=seen.origin)
    if own.origin is not None and is_near(own.origin.text.lower(), domain) and len(own.origin.text) >= len(domain):
        return Stated(text=own.origin.text.lower(), origin=own.origin.origin)
    return Stated(text=domain, origin="the domain itself")


def hints(facts: Facts, host: Host, given: Given) -> list[str]:
    """What a person could say, and what it would tell."""
    own, found = host.own, list[str]()
    if not facts.addresses and facts.relay is None:
        options = "--ip with the address mail leaves from (or --relay HOST)"
        if own.hidden:
            inside = ", ".join(str(each.address) for each in own.hidden)
            found.append(
                f"This host's address {inside} is private: mail is seen from another one outside. Give {options}."
            )
        else:
            why = f", and {own.trouble}" if own.trouble else ""
            found.append(f"It is not known from where mail leaves{why}. Give {options}.")
    elif any(each.guessed for each in facts.addresses):
        found.append("The sending address is guessed. Give --ip with the address mail leaves from.")
    if facts.helo is None and facts.relay is None:
        found.append("The name in HELO is not known. Give --helo.")
    if not facts.selectors:
        found.append("No DKIM selector was found in the configuration of this host. Give --selector.")
    if own.asked and host.seen.trouble:
        found.append(f"Who sends from here is not known: {host.seen.trouble}.")
    if given.direct and given.relay:
        found.append("--relay wins over --direct.")
    return found


def given_addresses(texts: tuple[str, ...], origin: str = "--ip") -> tuple[SendingAddress, ...]:
    """The addresses of --ip. Raises Failure."""
    try:
        return tuple(SendingAddress(address=outer_address(each.strip()), origin=origin) for each in texts)
    except ValueError:
        wrong = next(each for each in texts if not is_address(each.strip()))
        raise Failure(
            f"{origin} {quoted(wrong)}: no IP address. Give one such as 192.0.2.25 or 2001:db8::25", UNKNOWN
        ) from None


def outer_address(text: str) -> IPv4Address | IPv6Address:
    """The address that a text is. ValueError where it is none, or has a zone, which nobody else knows."""
    if "%" in text:
        raise ValueError(text)
    return ip_address(text)


def is_address(text: str) -> bool:
    """Whether a text is an IP address that others can see."""
    try:
        outer_address(text)
    except ValueError:
        return False
    return True


def given_helo(text: str | None, origin: str = "--helo") -> Stated | None:
    """The name of --helo, which may be as wrong as servers' names are. Raises Failure where none can be said so."""
    if text is None:
        return None
    if not text or len(text) > LONGEST or any(each.isspace() or not each.isprintable() for each in text):
        raise Failure(f"{origin} {quoted(text)}: no name. Give what this host says in HELO, mail.example.com", UNKNOWN)
    return Stated(text=text, origin=origin)


def given_mail_from(text: str | None) -> Stated | None:
    """The address or domain of --mail-from; empty for the null sender. Raises Failure."""
    if text is None:
        return None
    bare = text.strip().removeprefix("<").removesuffix(">")
    if bare:
        local, at, domain = bare.rpartition("@")
        if not domain:
            raise Failure(f"--mail-from {quoted(text)}: no domain stands behind the @. Give user@example.com", UNKNOWN)
        try:
            name = written(name_of(domain)).rstrip(".")
        except ValueError as error:
            raise Failure(f"--mail-from {error}", UNKNOWN) from error
        if len(bare) > LONGEST or not local.isprintable():
            raise Failure(f"--mail-from {quoted(text)}: no address. Give one, such as user@example.com", UNKNOWN)
        bare = f"{local}{at}{name}"
    return Stated(text=bare, origin="--mail-from")


def given_relay(text: str | None) -> Stated | None:
    """The host of --relay, with or without brackets and port. Raises Failure."""
    if text is None:
        return None
    host = next(hosts((text,)), None)
    if host is None or not host.isprintable():
        raise Failure(f"--relay {quoted(text)}: no host. Give one such as smtp.example.net", UNKNOWN)
    return Stated(text=host, origin="--relay")


def given_selectors(domain: Name, texts: tuple[str, ...], origin: str = "--selector") -> tuple[Selector, ...]:
    """The selectors of --selector. Raises Failure."""
    for each in texts:
        if not each.isascii() or not each.isprintable() or " " in each or below(domain, each, "_domainkey") is None:
            raise Failure(f"{origin} {quoted(each)}: no selector. Give what stands behind s= in signatures", UNKNOWN)
    text = written(domain).rstrip(".")
    return tuple(Selector(selector=each, domain=text, origin=origin) for each in texts)


def with_keys(given: tuple[Selector, ...], found: tuple[Selector, ...]) -> tuple[Selector, ...]:
    """The given selectors, each with the key that this host signs with, where it was found."""
    keys = {(each.selector.lower(), each.domain.lower()): each.public_key for each in found}
    return tuple(replace(each, public_key=keys.get((each.selector.lower(), each.domain.lower()))) for each in given)


def quoted(text: str, longest: int = 80) -> str:
    """What was typed, on one line and bounded."""
    seen = "".join(each if each.isprintable() else "?" for each in text[:longest]) or "''"
    return seen + ("..." if len(text) > longest else "")
