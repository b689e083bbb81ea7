"""What can be configured, with its defaults: frozen values, made once at start and at SIGHUP.

The field's metadata is its documentation and its bounds; config.py reads a file by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mailwatch.options.about import LAST_PORT, Secret, about
from mailwatch.options.channels import CHANNEL_TYPES, ChannelOptions, DeadmanOptions
from mailwatch.options.dns import DnsOptions
from mailwatch.options.rules import (
    SEVERITIES,
    AlertsOptions,
    BouncedShare,
    ClientsRefused,
    DeferredShare,
    DnsChanged,
    LocalFault,
    LogSilent,
    NoDelivery,
    OldestTooOld,
    OwnHealth,
    PostfixDown,
    QueueGrowing,
    QueueStuck,
    RecipientsFailing,
    RelayFailing,
    RuleOptions,
    RulesOptions,
)

__all__ = [
    "CHANNEL_TYPES",
    "SEVERITIES",
    "Address",
    "AlertsOptions",
    "BouncedShare",
    "CausesOptions",
    "ChannelOptions",
    "ClientsRefused",
    "CronOptions",
    "DeadmanOptions",
    "DeferredShare",
    "DnsChanged",
    "DnsOptions",
    "LocalFault",
    "LogOptions",
    "LogSilent",
    "NoDelivery",
    "OldestTooOld",
    "Options",
    "OwnHealth",
    "PostfixDown",
    "PostfixOptions",
    "QueueGrowing",
    "QueueOptions",
    "QueueStuck",
    "RecipientsFailing",
    "RelayFailing",
    "RuleOptions",
    "RulesOptions",
    "Secret",
    "parse_address",
]

DEFAULT_CONFIG = Path("/etc/mailwatch/mailwatch.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Where Postfix logs to. The command line alone can say ``stdin`` for ``source``."""

    source: str = field(default="auto", metadata=about("how the log is read", choices=("auto", "file", "journal")))
    path: Path | None = field(default=None, metadata=about("the log file; found by itself where Postfix can be asked"))
    journal_dir: Path | None = field(
        default=None, metadata=about("another folder with journal files than this machine's own")
    )
    start: str = field(
        default="end", metadata=about("what to count at the very first start", choices=("end", "beginning"))
    )
    olddir: Path | None = field(default=None, metadata=about("where logrotate's olddir puts rotated files"))
    adopt_offset: Path | None = field(
        default=None, metadata=about("an offset file of pygtail or logtail to go on from at the very first start")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixOptions:
    """Which Postfix."""

    config_dir: Path | None = field(default=None, metadata=about("its config_directory; postconf's own by default"))
    syslog_names: tuple[str, ...] = field(
        default=(), metadata=about("values of syslog_name that do not begin with postfix")
    )
    relays: tuple[str, ...] = field(
        default=(), metadata=about("hosts that mail goes through besides relayhost, by name or address")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CausesOptions:
    """Why mail fails."""

    folder: Path | None = field(default=None, metadata=about("rules of your own, one TOML file a family"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """How the queue, Postfix and its disk are looked at."""

    interval: int = field(
        default=15, metadata=about("seconds between two samples of the queue; 0: look at nothing", bounds=(0, 3600))
    )
    time_box: int = field(default=30, metadata=about("seconds that a sample may take", bounds=(1, 300)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CronOptions:
    """The hourly run, ``mailwatch cron``."""

    interval: int = field(
        default=3600,
        metadata=about("seconds until the next run: a page does not wait for that", bounds=(60, 7 * 86400)),
    )
    patience: int = field(
        default=60, metadata=about("seconds that the end waits for channels that do not answer", bounds=(0, 3600))
    )
    textfile: Path | None = field(default=None, metadata=about("a file for node_exporter's textfile collector"))
    pushgateway: Secret | None = field(default=None, metadata=about("URL of a Pushgateway of Prometheus"))
    pushgateway_file: Path | None = field(default=None, metadata=about("a file that holds pushgateway"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that can be configured."""

    state_dir: Path = field(
        default=Path("/var/lib/mailwatch"), metadata=about("where mailwatch remembers what it has counted")
    )
    listen: str = field(default="127.0.0.1:10154", metadata=about("address and port of /metrics"))
    web_config_file: Path | None = field(
        default=None, metadata=about("a web configuration file as exporter-toolkit has it: TLS, passwords, headers")
    )
    log: LogOptions = field(default_factory=LogOptions)
    postfix: PostfixOptions = field(default_factory=PostfixOptions)
    causes: CausesOptions = field(default_factory=CausesOptions)
    dns: DnsOptions = field(default_factory=DnsOptions)
    queue: QueueOptions = field(default_factory=QueueOptions)
    cron: CronOptions = field(default_factory=CronOptions)
    channel: tuple[ChannelOptions, ...] = field(default=(), metadata=about("how people are told"))
    deadman: DeadmanOptions = field(default_factory=DeadmanOptions)
    alerts: AlertsOptions = field(default_factory=AlertsOptions)
    rules: RulesOptions = field(default_factory=RulesOptions)


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
