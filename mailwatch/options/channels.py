"""How people are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - config.py asks for the type of each field
from typing import Final

from mailwatch.options.about import LAST_PORT, Secret, about

CHANNEL_TYPES: Final = ("apprise", "smtp", "webhook", "alertmanager", "command", "file")
LONGEST_WAIT: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """One way to tell people. Which keys a type needs and may have is said in channels/kinds.py."""

    name: str = field(default="", metadata=about("what it is called: in metrics, and by --channel"))
    type: str = field(default="", metadata=about("what it is; told by its keys where it can be", CHANNEL_TYPES))
    min_severity: str = field(
        default="warn", metadata=about("the least that is told here", ("info", "warn", "security", "page"))
    )
    timeout: float = field(default=10.0, metadata=about("seconds for one notification", bounds=(1, LONGEST_WAIT)))
    address: str = field(default="", metadata=about("IP address of the host, for when the resolver is the fault"))
    ca_file: Path | None = field(default=None, metadata=about("who signed the certificate; the system's by default"))
    url: Secret | None = field(default=None, metadata=about("apprise, webhook: where to"))
    url_file: Path | None = field(default=None, metadata=about("a file that holds url"))
    secret: Secret | None = field(default=None, metadata=about("webhook: the key of the signature"))
    secret_file: Path | None = field(default=None, metadata=about("a file that holds secret"))
    host: str = field(default="", metadata=about("smtp: a mail server that is not the watched one"))
    port: int | None = field(default=None, metadata=about("smtp: 587, 465 or 25 by default", bounds=(1, LAST_PORT)))
    tls: str = field(default="starttls", metadata=about("smtp: how it is encrypted", ("starttls", "implicit", "none")))
    user: str = field(default="", metadata=about("smtp: who logs in"))
    password: Secret | None = field(default=None, metadata=about("smtp: with which password"))
    password_file: Path | None = field(default=None, metadata=about("a file that holds password"))
    from_: str = field(default="", metadata=about("smtp: whose address it is from"))
    to: tuple[str, ...] = field(default=(), metadata=about("smtp: addresses it goes to"))
    urls: tuple[Secret, ...] = field(default=(), metadata=about("alertmanager: every member of the cluster"))
    command: tuple[str, ...] = field(default=(), metadata=about("command: a program and its arguments; no shell"))
    path: Path | None = field(default=None, metadata=about("file: what it is appended to"))

    @property
    def kind(self) -> str:
        """Its type: as it is said, or as its keys tell; empty where they do not."""
        if self.type:
            return self.type
        told = {
            "smtp": self.host,
            "alertmanager": self.urls,
            "command": self.command,
            "file": self.path,
            "webhook": self.secret or self.secret_file,
            "apprise": self.url or self.url_file,
        }
        return next((kind for kind, value in told.items() if value), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadmanOptions:
    """Who is pinged while all is well, and tells people when that stops."""

    url: Secret | None = field(default=None, metadata=about("what to ping; /start and /fail are put behind it"))
    url_file: Path | None = field(default=None, metadata=about("a file that holds url"))
    timeout: float = field(default=10.0, metadata=about("seconds for one ping", bounds=(1, LONGEST_WAIT)))
    address: str = field(default="", metadata=about("IP address of the host, for when the resolver is the fault"))
    ca_file: Path | None = field(default=None, metadata=about("who signed the certificate; the system's by default"))
