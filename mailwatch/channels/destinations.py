"""Where a channel leads: the hosts it talks to, and the domains of the mailboxes it ends in. Pure.

Of apprise only those services are looked at that talk to a host of ours. In the URL of another one a token stands
in the host's place, and that must never be asked of a name server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from mailwatch.options import ChannelOptions

TO_A_HOST: Final = frozenset({
    "apprise", "apprises", "form", "forms", "gotify", "gotifys", "hassio", "hassios", "http", "https", "json", "jsons",
    "mailto", "mailtos", "matrix", "matrixs", "mmost", "mmosts", "mqtt", "mqtts", "ncloud", "nclouds", "ntfy", "ntfys",
    "rocket", "rockets", "rsyslog", "signal", "signals", "synology", "synologys", "xml", "xmls",
})  # fmt: skip
LOCAL_MAIL: Final = frozenset(
    {"mail", "mailx", "s-nail", "bsd-mailx", "heirloom-mailx", "mutt", "sendmail", "postdrop"}
)
HOST: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.){0,40}[a-z0-9-]{1,63}|[0-9a-f:.]{2,45}")


class Destinations(NamedTuple):
    """Hosts and domains, in lower case. ``local_mail``: the program that hands it to the mail of this machine."""

    hosts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    local_mail: str = ""


def destinations(channel: ChannelOptions) -> Destinations:
    """Where a channel leads, once its secrets are read."""
    if channel.kind == "smtp":
        return Destinations(named([channel.host]), domains_of(channel.to))
    if channel.kind == "command":
        program = channel.command[0].rpartition("/")[2]
        return Destinations(local_mail=program if program in LOCAL_MAIL else "")
    urls = [each.reveal() for each in (channel.url, *channel.urls) if each is not None]
    if channel.kind == "apprise":
        return of_apprise(urls[0]) if urls else Destinations()
    return Destinations(named([urlsplit(each).hostname or "" for each in urls]))


def of_apprise(url: str) -> Destinations:
    """Where a URL of apprise leads."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return Destinations()
    if parts.scheme not in TO_A_HOST:
        return Destinations()
    if not parts.scheme.startswith("mailto"):
        # ntfy://topic: without a dot it may be no host either
        return Destinations(named([host]) if host == "localhost" or "." in host or ":" in host else ())
    asked = parse_qs(parts.query)
    to = [each for text in asked.get("to", []) for each in re.split(r"[,\s]+", text)]
    to += [unquote(each) for each in parts.path.split("/") if "@" in unquote(each)]
    user = unquote(parts.username or "")
    return Destinations(named(asked.get("smtp", [host])), domains_of(to or [user if "@" in user else f"{user}@{host}"]))


def named(hosts: list[str]) -> tuple[str, ...]:
    """The hosts that are names or addresses."""
    lower = (each.lower().rstrip(".") for each in hosts)
    return tuple(dict.fromkeys(each for each in lower if HOST.fullmatch(each)))


def domains_of(mailboxes: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The domains of mailboxes."""
    return named([each.rpartition("@")[2].rstrip(">") for each in mailboxes])
