"""What can be configured, with its defaults: frozen values, made once at start and at SIGHUP.

The field's metadata is its documentation and its bounds; config.py reads a file by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LAST_PORT = 65535
DEFAULT_CONFIG = Path("/etc/mailwatch/mailwatch.toml")


def _about(text: str, choices: tuple[str, ...] = (), bounds: tuple[float, float] | None = None) -> dict[str, object]:
    return {"about": text, "choices": choices, "bounds": bounds}


class Secret:
    """A text that prints as ``***``, wherever it gets to; ``reveal`` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for who sends it, and nobody else."""
        return self._text

    def __str__(self) -> str:
        """Not the text."""
        return "***"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        """Whether the texts are the same."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """As the text's."""
        return hash(self._text)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        """Copied by a copy of the options, as any value is."""
        return Secret, (self._text,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Where Postfix logs to. The command line alone can say ``stdin`` for ``source``."""

    source: str = field(default="auto", metadata=_about("how the log is read", choices=("auto", "file", "journal")))
    path: Path | None = field(default=None, metadata=_about("the log file; found by itself where Postfix can be asked"))
    journal_dir: Path | None = field(
        default=None, metadata=_about("another folder with journal files than this machine's own")
    )
    start: str = field(
        default="end", metadata=_about("what to count at the very first start", choices=("end", "beginning"))
    )
    olddir: Path | None = field(default=None, metadata=_about("where logrotate's olddir puts rotated files"))
    adopt_offset: Path | None = field(
        default=None, metadata=_about("an offset file of pygtail or logtail to go on from at the very first start")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixOptions:
    """Which Postfix."""

    config_dir: Path | None = field(default=None, metadata=_about("its config_directory; postconf's own by default"))
    syslog_names: tuple[str, ...] = field(
        default=(), metadata=_about("values of syslog_name that do not begin with postfix")
    )
    relays: tuple[str, ...] = field(
        default=(), metadata=_about("hosts that mail goes through besides relayhost, by name or address")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CausesOptions:
    """Why mail fails."""

    folder: Path | None = field(default=None, metadata=_about("rules of your own, one TOML file a family"))


CHANNEL_TYPES: Final = ("apprise", "smtp", "webhook", "alertmanager", "command", "file")
LONGEST_WAIT: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """One way to tell people. Which keys a type needs and may have is said in channels/kinds.py."""

    name: str = field(default="", metadata=_about("what it is called: in metrics, and by --channel"))
    type: str = field(default="", metadata=_about("what it is; told by its keys where it can be", CHANNEL_TYPES))
    min_severity: str = field(
        default="warn", metadata=_about("the least that is told here", ("info", "warn", "security", "page"))
    )
    timeout: float = field(default=10.0, metadata=_about("seconds for one notification", bounds=(1, LONGEST_WAIT)))
    address: str = field(default="", metadata=_about("IP address of the host, for when the resolver is the fault"))
    ca_file: Path | None = field(default=None, metadata=_about("who signed the certificate; the system's by default"))
    url: Secret | None = field(default=None, metadata=_about("apprise, webhook: where to"))
    url_file: Path | None = field(default=None, metadata=_about("a file that holds url"))
    secret: Secret | None = field(default=None, metadata=_about("webhook: the key of the signature"))
    secret_file: Path | None = field(default=None, metadata=_about("a file that holds secret"))
    host: str = field(default="", metadata=_about("smtp: a mail server that is not the watched one"))
    port: int | None = field(default=None, metadata=_about("smtp: 587, 465 or 25 by default", bounds=(1, LAST_PORT)))
    tls: str = field(default="starttls", metadata=_about("smtp: how it is encrypted", ("starttls", "implicit", "none")))
    user: str = field(default="", metadata=_about("smtp: who logs in"))
    password: Secret | None = field(default=None, metadata=_about("smtp: with which password"))
    password_file: Path | None = field(default=None, metadata=_about("a file that holds password"))
    from_: str = field(default="", metadata=_about("smtp: whose address it is from"))
    to: tuple[str, ...] = field(default=(), metadata=_about("smtp: addresses it goes to"))
    urls: tuple[Secret, ...] = field(default=(), metadata=_about("alertmanager: every member of the cluster"))
    command: tuple[str, ...] = field(default=(), metadata=_about("command: a program and its arguments; no shell"))
    path: Path | None = field(default=None, metadata=_about("file: what it is appended to"))

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

    url: Secret | None = field(default=None, metadata=_about("what to ping; /start and /fail are put behind it"))
    url_file: Path | None = field(default=None, metadata=_about("a file that holds url"))
    timeout: float = field(default=10.0, metadata=_about("seconds for one ping", bounds=(1, LONGEST_WAIT)))
    address: str = field(default="", metadata=_about("IP address of the host, for when the resolver is the fault"))
    ca_file: Path | None = field(default=None, metadata=_about("who signed the certificate; the system's by default"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that can be configured."""

    state_dir: Path = field(
        default=Path("/var/lib/mailwatch"), metadata=_about("where mailwatch remembers what it has counted")
    )
    listen: str = field(default="127.0.0.1:10154", metadata=_about("address and port of /metrics"))
    web_config_file: Path | None = field(
        default=None, metadata=_about("a web configuration file as exporter-toolkit has it: TLS, passwords, headers")
    )
    log: LogOptions = field(default_factory=LogOptions)
    postfix: PostfixOptions = field(default_factory=PostfixOptions)
    causes: CausesOptions = field(default_factory=CausesOptions)
    channel: tuple[ChannelOptions, ...] = field(default=(), metadata=_about("how people are told"))
    deadman: DeadmanOptions = field(default_factory=DeadmanOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An IP address or host name and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address in ``127.0.0.1:10154``, ``[::1]:10154`` or ``:10154`` (every interface). Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > LAST_PORT:
        msg = f"expected ADDRESS:PORT, found {text!r}"
        raise ValueError(msg)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        msg = f"expected [ADDRESS]:PORT around an IPv6 address, found {text!r}"
        raise ValueError(msg)
    return Address(host=host or "0.0.0.0", port=int(port))  # noqa: S104 - asked for by leaving the address out
