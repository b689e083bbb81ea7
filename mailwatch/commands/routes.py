"""Where this machine's mail goes through: what Postfix is told about relays, and the addresses these have.

Asked are relayhost, smtp_fallback_relay, sender_dependent_relayhost_maps and transport_maps (postconf(5)). What a table
holds is listed by postmap(1), which can list those that are files; of others (regexp, SQL, LDAP ...) it is not known
where they lead, and only a host that is named elsewhere counts as a relay. Everything here has a deadline.
"""

from __future__ import annotations

import re
import socket
import time
from threading import Thread
from typing import TYPE_CHECKING, Final

from mailwatch.cause import Relays
from mailwatch.discovery import PostconfFails, answer, postfix_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mailwatch.discovery import Postfix
    from mailwatch.options import Options

# [smtp.example.net]:587      smtp.example.net:submission      [2001:db8::7]
NEXT_HOP: Final = re.compile(r"(?:\[(?P<literal>[^\[\] ]{1,255})\]|(?P<name>[^:\[\] ]{1,255}))(?::[^:\[\] ]{1,40})?")
NOWHERE: Final = frozenset({"error", "retry", "discard", "local", "virtual"})
"""Transports whose next hop is no host (transport(5))."""
HOSTS: Final = 64
"""So many hosts are looked up at most."""
LOOKING_UP: Final = 2.0
"""Seconds for all addresses together: a relay is known by its name as well."""


def relays_of(options: Options, postfix: Postfix | None, *, look_up: bool) -> Relays:
    """The relays by name, and by address when these are to be looked up.

    With a relayhost, and transports that all name a host, all mail goes through one.
    """
    named = set(hosts(options.postfix.relays))
    if postfix is None:
        return Relays(frozenset(named | (addresses(named) if look_up else set())))
    named.update(hosts((postfix.relayhost, *postfix.fallback_relays)))
    senders, _ = listed(postfix.sender_relays, options.postfix.config_dir)
    named.update(hosts(senders))
    transports, known = listed(postfix.transport_maps, options.postfix.config_dir)
    direct = not known
    for each in transports:
        name, _, next_hop = each.partition(":")
        if name in NOWHERE:
            continue
        direct |= not next_hop
        named.update(hosts((next_hop,)))
    everything = bool(postfix.relayhost) and not direct
    return Relays(frozenset(named | (addresses(named) if look_up else set())), all_mail=everything)


def hosts(next_hops: Iterable[str]) -> Iterator[str]:
    """The hosts of next hops, in lower case; nothing of what is none, such as a socket."""
    for each in next_hops:
        found = NEXT_HOP.fullmatch(each.strip().lower())
        if found is not None and found["name"] not in ("unix", "inet"):
            yield (found["literal"] or found["name"]).removeprefix("ipv6:").rstrip(".")


def maps(setting: str) -> list[str]:
    """The tables of a setting: separated by commas or blanks, except within braces."""
    found, depth = [""], 0
    for each in setting:
        depth += (each == "{") - (each == "}")
        if depth == 0 and (each.isspace() or each == ","):
            found.append("")
        else:
            found[-1] += each
    return [each for each in found if each]


def listed(setting: str, config_dir: Path | None) -> tuple[list[str], bool]:
    """The values of a setting's tables, and whether these are all."""
    postmap = postfix_program("postmap")
    values: list[str] = []
    known = True
    for each in maps(setting):
        try:
            if postmap is None:
                raise PostconfFails("postmap is missing")
            said = answer([postmap, *(["-c", str(config_dir)] if config_dir else []), "-s", each])
        except PostconfFails:  # a table that cannot be listed, or not by us
            known = False
            continue
        values += [value.strip() for _, tab, value in (line.partition("\t") for line in said.splitlines()) if tab]
    return values, known


def addresses(names: Iterable[str]) -> set[str]:
    """The addresses of hosts, as far as they are told in time."""
    found: set[str] = set()
    threads = [Thread(target=_look_up, args=(name, found), daemon=True) for name in sorted(names)[:HOSTS]]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LOOKING_UP
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return set(found)


def _look_up(name: str, found: set[str]) -> None:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    found.update(str(address[0]) for *_, address in answers)
