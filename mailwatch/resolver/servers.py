"""Whom to ask: the resolvers of this machine, or those a person names.

Promises
    Reads at most 64 KiB of resolv.conf. What cannot be understood is said to people, with what to write instead.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns.name import Name

    from mailwatch.resolver.transport import Server

RESOLV_CONF: Final = Path("/etc/resolv.conf")
LARGEST: Final = 1 << 16
PORT: Final = 53
HIGHEST_PORT: Final = 65535
MOST_SERVERS: Final = 3
MOST_DOMAINS: Final = 6
"""As many of each as the system's own resolver takes (resolv.conf(5))."""
AUTHORITATIVE: Final = "authoritative"


class NoResolver(Exception):  # noqa: N818 - its own state
    """There is nobody to ask; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """``servers`` to ask; ``authoritative``: only for who the servers of each zone are. ``search``: domains to try."""

    servers: tuple[Server, ...]
    authoritative: bool = False
    search: tuple[Name, ...] = ()


def of_system(file: Path = RESOLV_CONF) -> Chosen:
    """The resolvers of this machine. Raises NoResolver."""
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise NoResolver(
            f"cannot read {file}: {error.strerror or error}. Name a resolver: --resolver ADDRESS"
        ) from error
    servers: list[Server] = []
    search: list[str] = []
    for key, *values in _lines(text):
        if key == "nameserver" and values and is_address(values[0]):
            servers.append((values[0], PORT))
        if key in ("search", "domain"):
            search = values  # the last one counts
    if not servers:
        raise NoResolver(f"{file} names no resolver (a line 'nameserver ADDRESS'). Name one: --resolver ADDRESS")
    return Chosen(servers=tuple(servers[:MOST_SERVERS]), search=tuple(_names(search[:MOST_DOMAINS])))


def named(text: str, file: Path = RESOLV_CONF) -> Chosen:
    """Those of ``--resolver``: ADDRESS, ADDRESS:PORT, [IPv6]:PORT, or ``authoritative``. Raises NoResolver."""
    text = text.strip()
    if text.lower() == AUTHORITATIVE:
        found = of_system(file)
        return Chosen(servers=found.servers, authoritative=True)
    if is_address(text):
        return Chosen(servers=((text, PORT),))
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif text.startswith("[") and text.endswith("]"):
        host, colon, port = text[1:-1], ":", str(PORT)
    if not colon or not is_address(host):
        raise NoResolver(
            f"--resolver {text!r}: expected the address of a resolver, such as 192.0.2.53, 192.0.2.53:5353, "
            "[2001:db8::53]:5353, or the word authoritative"
        )
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT):
        raise NoResolver(f"--resolver {text!r}: expected a port from 1 to {HIGHEST_PORT}, found {port!r}")
    return Chosen(servers=((host, int(port)),))


def is_address(text: str) -> bool:
    """Whether this is an IP address, that of a link with its interface too."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith(("#", ";")):
            yield words


def _names(texts: list[str]) -> Iterator[Name]:
    for text in texts:
        try:
            yield dns.name.from_text(text)
        except (dns.exception.DNSException, ValueError):  # whoever wrote it gets no more from others
            continue
