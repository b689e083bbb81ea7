"""A resolver that validates (unbound), on loopback, with zones of our own below a root of our own, signed by ldns.

Unbound reads signed zones from files and takes them as what name servers would say. It would not do so with a zone that
is not signed though its parent says so: zones without signatures are served by a name server of the tests. Nobody else
is asked.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

import dns.exception
import dns.message
import dns.query

from tests.parts.nameserver import NameServer
from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no
  ede: yes
  val-sig-skew-min: 0
  val-sig-skew-max: 0
  module-config: "{modules}"
  trust-anchor-file: "{anchor}"
remote-control:
  control-enable: no
"""
AUTH_ZONE = """\
auth-zone:
  name: "{name}"
  zonefile: "{file}"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
"""
STUB_ZONE = """\
stub-zone:
  name: "{name}"
  stub-addr: 127.0.0.1@{port}
"""
APEX = """\
{name} 300 IN SOA ns.example.net. hostmaster.example.net. 1 1800 900 604800 300
{name} 300 IN NS ns.example.net.
"""
RIGHT, WRONG, NONE = "right", "wrong", "none"


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A zone: lines of a master file, without SOA and NS.

    ``signed`` from ``since`` to ``until``, or not. ``ds``: what the parent publishes of its key.
    """

    lines: str = ""
    signed: bool = True
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=20))
    until: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=10))
    ds: str = RIGHT
    algorithm: str = "ECDSAP256SHA256"


@dataclass
class SignedZones:
    """Serves zones by name (``example.com.``). ``validates``: whether the resolver checks, and says so (AD)."""

    folder: Path
    zones: dict[str, Zone]
    validates: bool = True
    _parts: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        assert shutil.which("unbound"), "unbound is missing: install Debian's unbound"
        self.folder.mkdir(parents=True, exist_ok=True)
        root = "".join(self._delegation(name, zone) for name, zone in self.zones.items())
        anchor = self._key(".", "ECDSAP256SHA256")
        self._write(".", Zone(lines=root), anchor)
        port = free_port()
        modules = "validator iterator" if self.validates else "iterator"
        config = CONFIG.format(port=port, folder=self.folder, modules=modules, anchor=self.folder / f"{anchor}.ds")
        config += AUTH_ZONE.format(name=".", file=self._file("."))
        config += "".join(self._served(name, zone) for name, zone in self.zones.items())
        (self.folder / "unbound.conf").write_text(config)
        self._start()
        self.address = ("127.0.0.1", port)
        try:
            eventually(self._answers, within=30, what="unbound answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["unbound", "-d", "-c", self.folder / "unbound.conf"], stdout=log, stderr=log
            )
        self._parts.callback(ended, self.process)

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def _served(self, name: str, zone: Zone) -> str:
        """Who serves a zone, as unbound is told."""
        if zone.signed:
            return AUTH_ZONE.format(name=name, file=self._file(name))
        server = self._parts.enter_context(NameServer(APEX.format(name=name) + zone.lines))
        return STUB_ZONE.format(name=name, port=server.address[1])

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            dns.query.tcp(dns.message.make_query(".", "SOA"), *self.address[:1], port=self.address[1], timeout=1)
        except (OSError, dns.exception.DNSException, EOFError):
            return False
        return True

    def _delegation(self, name: str, zone: Zone) -> str:
        """Write a zone; what its parent says of it."""
        key = self._key(name, zone.algorithm) if zone.signed or zone.ds != NONE else None
        if zone.signed and key is not None:
            self._write(name, zone, key)
        if zone.ds == NONE or key is None:
            return f"{name} 300 IN NS ns.example.net.\n"
        ds = (self.folder / f"{key}.ds").read_text()
        if zone.ds == WRONG:
            ds = (self.folder / f"{self._key(name, zone.algorithm)}.ds").read_text()
        return f"{name} 300 IN NS ns.example.net.\n{ds}"

    def _key(self, name: str, algorithm: str) -> str:
        """A new key; the name of its files."""
        made = subprocess.run(["ldns-keygen", "-a", algorithm, "-b", "2048", "-k", name], cwd=self.folder, check=True,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        return made.stdout.strip()

    def _write(self, name: str, zone: Zone, key: str) -> None:
        plain = self.folder / f"{self._file(name).name}.plain"
        plain.write_text(APEX.format(name=name) + zone.lines)
        since, until = (f"{each:%Y%m%d%H%M%S}" for each in (zone.since, zone.until))
        subprocess.run(["ldns-signzone", "-i", since, "-e", until, "-o", name, "-f", self._file(name), plain, key],
                       cwd=self.folder, check=True, capture_output=True, timeout=60)  # fmt: skip

    def _file(self, name: str) -> Path:
        return self.folder / f"zone-{name.strip('.') or 'root'}"


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process, by its own will or without."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)
