"""Reads secrets from their files when they are needed, and takes them out of what is shown.

A file is read anew for each notification, in the child: a changed password needs no restart, and a file system that
hangs holds up nobody else. No answer that leaves a child holds a secret, or what may be one in a URL.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mailwatch.channels.answer import SendFailed
from mailwatch.channels.kinds import APPRISE_URL, url_trouble
from mailwatch.options import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mailwatch.options import ChannelOptions

LARGEST: Final = 1 << 16
SHORTEST: Final = 5
"""A part of a URL this short is no secret, and would be found in every sentence."""
PARTS: Final = re.compile(r"[/:@?&=#;,+\s]+")
HOST: Final = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{0,62}|[0-9.]{7,15}|localhost")


def resolved(channel: ChannelOptions) -> ChannelOptions:
    """The channel with the secrets from its files. Raises SendFailed."""
    for key in ("url", "secret", "password"):
        path: Path | None = getattr(channel, f"{key}_file")
        if path is not None:
            found: dict[str, Any] = {key: content(f"{key}_file", path), f"{key}_file": None}
            channel = replace(channel, **found)
    if channel.url is not None:
        url = channel.url.reveal()
        trouble = url_trouble(url) if channel.kind != "apprise" else None
        if channel.kind == "apprise" and not APPRISE_URL.fullmatch(url):
            trouble = "expected a URL of apprise, as ntfys://ntfy.example/topic"
        if trouble:
            raise SendFailed(f"url_file: {trouble}", permanent=True)
    return channel


def content(key: str, path: Path) -> Secret:
    """The one line in a file. Raises SendFailed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = os.read(descriptor, LARGEST + 1) if regular else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SendFailed(f"{key}: cannot read {path}: {error.strerror or error}", permanent=True) from error
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not regular or not text or len(data) > LARGEST or "\n" in text:
        raise SendFailed(f"{key}: expected one line of text in {path}", permanent=True)
    return Secret(text)


def masked(text: str, channel: ChannelOptions) -> str:
    """The text with ``***`` for everything secret in the channel."""
    for each in sorted(set(parts_of(channel)), key=len, reverse=True):
        text = text.replace(each, "***")
    return text


def parts_of(channel: ChannelOptions) -> Iterator[str]:
    """What is not to be shown: the secrets, and of URLs the login, and what is long enough to be a token."""
    for secret in (channel.secret, channel.password):
        if secret is not None and secret.reveal():
            yield secret.reveal()
    for url in (channel.url, *channel.urls):
        if url is not None:
            yield from parts_of_url(url.reveal())


def parts_of_url(url: str) -> Iterable[str]:
    """What is not to be shown of a URL."""
    yield url
    scheme, _, behind = url.partition("://")
    login, at, _ = behind.partition("/")[0].rpartition("@")
    if at:
        yield login
        yield from filter(None, (login.partition(":")[2], unquote(login.partition(":")[2])))
    if scheme in ("http", "https"):
        # a host without a dot is no token here
        behind = login + "/" + behind.partition("/")[2]
    for part in PARTS.split(behind):
        for each in (part, unquote(part)):
            if len(each) >= SHORTEST and not HOST.fullmatch(each) and not each.isdigit():
                yield each
