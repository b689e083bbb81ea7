"""What each type of channel needs and may have; every mistake in one, in words. Pure, and names no secret."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from mailwatch.options import CHANNEL_TYPES, ChannelOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailwatch.options import DeadmanOptions, Secret

ANY: Final = frozenset({"name", "type", "min_severity", "timeout"})
NEEDS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "apprise": (("url", "url_file"),),
    "smtp": (("host",), ("from_",), ("to",)),
    "webhook": (("url", "url_file"),),
    "alertmanager": (("urls",),),
    "command": (("command",),),
    "file": (("path",),),
}
"""Of each of these one is needed."""
MAY_HAVE: Final[dict[str, tuple[str, ...]]] = {
    "apprise": (),
    "smtp": ("port", "tls", "user", "password", "password_file", "address", "ca_file"),
    "webhook": ("secret", "secret_file", "address", "ca_file"),
    "alertmanager": ("address", "ca_file"),
    "command": (),
    "file": (),
}
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
HOST: Final = re.compile(r"[A-Za-z0-9_:.-]{1,253}")
MAILBOX: Final = re.compile(r"[!#-'*+/-9=?A-Z^-~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
APPRISE_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,40}://[^\s]{1,4000}")


def mistakes(channels: Sequence[ChannelOptions], wrong: Sequence[bool]) -> Iterator[tuple[int, str]]:
    """What is wrong with each channel, by its number. Of what is ``wrong`` already only the name is looked at."""
    seen: dict[str, int] = {}
    for at, channel in enumerate(channels):
        if not wrong[at]:
            for text in of_one(channel):
                yield at, text
        if channel.name in seen:
            yield at, f"name: channel[{seen[channel.name]}] is called {channel.name!r}, too"
        elif channel.name:
            seen[channel.name] = at


def of_one(channel: ChannelOptions) -> Iterator[str]:
    """What is wrong with one."""
    if not NAME.fullmatch(channel.name):
        yield "name: expected 1 to 64 letters, digits, - _ or ." + (f", found {channel.name!r}" if channel.name else "")
    kind = channel.kind
    if kind not in CHANNEL_TYPES:
        yield (
            "cannot tell what it is: give url (apprise), host (smtp), urls (alertmanager), command, path (file), "
            'or type = "webhook" with url'
        )
        return
    yield from of_keys(channel, kind)
    yield from of_values(channel, kind)
    yield from of_address(channel.address)


def of_keys(channel: ChannelOptions, kind: str) -> Iterator[str]:
    """Keys that are missing, of another type, or there twice."""
    given = set(given_keys(channel))
    for choice in NEEDS[kind]:
        if not given & set(choice):
            yield f"{shown(choice[0])}: missing: {kind} needs {' or '.join(map(shown, choice))}"
    known = ANY.union(MAY_HAVE[kind], *NEEDS[kind])
    for key in given_keys(channel):
        if key not in known:
            yield f"{shown(key)}: not a key of {kind}: leave it out"
    for key in ("url", "secret", "password"):
        if {key, f"{key}_file"} <= given:
            yield f"{key}: there is {key}_file, too: leave one of them out"


def given_keys(channel: ChannelOptions) -> list[str]:
    """The keys that are not as they are by default."""
    return [each.name for each in fields(channel) if getattr(channel, each.name) != each.default]


def of_values(channel: ChannelOptions, kind: str) -> Iterator[str]:
    """Values that cannot be meant."""
    if kind == "apprise" and channel.url is not None and not APPRISE_URL.fullmatch(channel.url.reveal()):
        yield "url: expected a URL of apprise, as ntfys://ntfy.example/topic"
    if kind == "webhook" and channel.url is not None:
        yield from of_url("url", channel.url)
    if kind == "alertmanager":
        for at, each in enumerate(channel.urls):
            yield from of_url(f"urls[{at}]", each)
        if channel.address and len(channel.urls) > 1:
            yield "address: there are several urls: give the addresses in them, or leave it out"
    if kind == "command" and channel.command and not channel.command[0].startswith("/"):
        yield f"command: expected a path that begins with / first, found {channel.command[0]!r}"
    if kind == "command" and any("\0" in each for each in channel.command):
        yield "command: expected text without NUL"
    if kind == "smtp":
        yield from of_mail(channel)


def of_mail(channel: ChannelOptions) -> Iterator[str]:
    """Values of a mail server that cannot be meant."""
    if channel.host and not HOST.fullmatch(channel.host):
        yield f"host: expected a host's name or address, found {channel.host!r}"
    for key, mailbox in (("from", channel.from_), *((f"to[{at}]", each) for at, each in enumerate(channel.to))):
        if mailbox and not MAILBOX.fullmatch(mailbox):
            yield f"{key}: expected an address as ops@example.net, found {mailbox!r}"
    has_password = channel.password is not None or channel.password_file is not None
    if has_password != bool(channel.user):
        yield "user: missing, there is a password" if has_password else "password: missing, there is a user"
    if has_password and channel.tls == "none":
        yield 'tls: "none" would show the password to the network: use "starttls" or "implicit"'


def of_url(key: str, url: Secret) -> Iterator[str]:
    """What is wrong with a URL of HTTP."""
    trouble = url_trouble(url.reveal())
    if trouble:
        yield f"{key}: {trouble}"


def url_trouble(url: str) -> str | None:
    """Why this is no URL to post to, without showing it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "expected a URL, as https://hooks.example.net/mail"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "expected a URL that begins with https:// or http:// and a host"
    if not url.isascii() or not url.isprintable() or " " in url or not HOST.fullmatch(parts.hostname):
        return "expected a URL without blanks and of ASCII: write others as %XX"
    return None


def of_address(address: str) -> Iterator[str]:
    """What is wrong with a fixed address."""
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield f"address: expected an IP address, found {address!r}"


def of_deadman(deadman: DeadmanOptions) -> Iterator[str]:
    """What is wrong with the one that is pinged."""
    if deadman.url is not None and deadman.url_file is not None:
        yield "url: there is url_file, too: leave one of them out"
    elif deadman.url is not None:
        yield from of_url("url", deadman.url)
    elif deadman.url_file is None and (deadman.address or deadman.ca_file):
        yield "url: missing: give url or url_file"
    yield from of_address(deadman.address)


def shown(key: Any) -> str:
    """A key as it stands in the file: ``from`` is a word of Python."""
    return str(key).rstrip("_")
