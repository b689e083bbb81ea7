"""Pings a dead-man's switch as healthchecks has it: somebody else who notices when we are silent.

``start``, ``ok`` and ``fail`` are the URL with /start, with nothing, and with /fail behind its path. What went wrong
goes along as the body. Any 2xx is taken for heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from mailwatch.channels.http import Way, post

if TYPE_CHECKING:
    from mailwatch.channels.answer import Receipt
    from mailwatch.options import ChannelOptions

PATHS: Final = {"start": "/start", "ok": "", "fail": "/fail"}
LONGEST: Final = 10_000


def ping(signal: str, text: str, channel: ChannelOptions, deadline: float) -> Receipt:
    """Ping. Raises SendFailed."""
    assert channel.url is not None  # noqa: S101 - who calls sees to it
    way = Way(address=channel.address, ca_file=channel.ca_file, deadline=deadline)
    body = text[:LONGEST].encode("utf-8", "replace")
    return post(pinged(channel.url.reveal(), signal), body, {"Content-Type": "text/plain; charset=utf-8"}, way)


def pinged(url: str, signal: str) -> str:
    """The URL of a signal."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + PATHS[signal], fragment=""))
