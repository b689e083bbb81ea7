"""Journals: files made by systemd-journal-remote from the export format, and a real journald in a mount namespace."""

from __future__ import annotations

import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mailwatch.sources.journal import JournalSource
from mailwatch.sources.journal_files import header_of, machine_id
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REMOTE = "/usr/lib/systemd/systemd-journal-remote"
JOURNALD = "/usr/lib/systemd/systemd-journald"
BOOTS = ("1" * 32, "2" * 32)
AT = 1_790_000_000_000_000
"""Microseconds: when the first entry was made."""
CONFIG = "[Journal]\nStorage={storage}\nAudit=no\nForwardToWall=no\nReadKMsg=no\nRateLimitBurst=0\n"
Fields = dict[str, str | bytes]


def entry(number: int, *, boot: str = BOOTS[0], at: int | None = None, **fields: str | bytes | None) -> bytes:
    """An entry in export format, as a delivery by Postfix unless fields say otherwise; None leaves a field out."""
    made: dict[str, str | bytes | None] = {
        "_BOOT_ID": boot,
        "_MACHINE_ID": "c" * 32,
        "_HOSTNAME": "mx",
        "_TRANSPORT": "syslog",
        "SYSLOG_FACILITY": "2",
        "SYSLOG_IDENTIFIER": "postfix/qmgr",
        "SYSLOG_PID": "77",
        "_PID": "78",
        "MESSAGE": queued(number),
        **fields,
    }
    at = AT + number * 1_000_000 if at is None else at
    head = f"__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={1_000_000 + number * 1000}\n".encode()
    return head + b"".join(written(name, value) for name, value in made.items() if value is not None) + b"\n"


def written(name: str, value: str | bytes) -> bytes:
    """A field in export format: as binary wherever it must be."""
    raw = value.encode() if isinstance(value, str) else value
    if all(byte >= 32 for byte in raw):
        return name.encode() + b"=" + raw + b"\n"
    return name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n"


def queue_id(number: int) -> str:
    """A queue ID for each number."""
    return f"{number + 0xA00000:X}"


def queued(number: int) -> str:
    """A line that opens a message of its own: what was counted can be told one by one afterwards."""
    return f"{queue_id(number)}: from=<a@b.example>, size=1, nrcpt=1 (queue active)"


def append(file: Path, entries: Iterable[bytes]) -> None:
    """Append entries to a journal file, or make one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [REMOTE, f"--output={file}", "-"], input=b"".join(entries), capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def write(file: Path, begin: int, end: int, boot: str = BOOTS[0], facility: str = "2") -> None:
    """Append entries with these numbers."""
    append(file, [entry(number, boot=boot, SYSLOG_FACILITY=facility) for number in range(begin, end)])


def program(folder: Path, text: str) -> str:
    """A journalctl that does what a shell script says."""
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def archive(file: Path) -> Path:
    """Mark a file as archived and rename it, as journald rotates."""
    with file.open("r+b") as opened:
        header = header_of(opened.fileno())
        assert header is not None
        opened.seek(16)
        opened.write(b"\x02")
    return file.rename(
        file.with_name(f"{file.stem}@{header.numbering}-{header.first:016x}-{header.first_at:016x}.journal")
    )


@dataclass
class Reader:
    """A JournalSource that remembers only what was committed."""

    folder: Path
    start: str = "beginning"
    facilities: tuple[int, ...] = (2,)
    program: str = "journalctl"
    positions: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    overlong: int = 0
    trouble: str | None = None
    now: float = 1000.0
    source: JournalSource | None = None

    def read(self, limit: int = 1 << 18, batches: int = 10_000) -> list[str]:
        """Read and commit until nothing is left, or that many batches; the lines that came."""
        if self.source is None:
            self.source = JournalSource(
                self.folder, positions=self.positions, start=self.start, facilities=self.facilities,
                program=self.program, clock=lambda: self.now,
            )  # fmt: skip
        self.now += 60  # whatever was put off is due
        before = len(self.lines)
        for _ in range(batches):
            batch = self.source.read(limit)
            assert not batch.block or batch.block.endswith(b"\n")
            self.lines += batch.block.decode("utf-8", "replace").split("\n")[:-1]
            self.gaps += batch.gaps
            self.overlong += batch.overlong
            self.trouble = batch.trouble
            self.commit(batch.positions)
            if not batch.more:
                break
        return self.lines[before:]

    def commit(self, positions: Mapping[str, str | None]) -> None:
        """Remember positions."""
        for key, value in positions.items():
            if value is None:
                del self.positions[key]
            else:
                self.positions[key] = value

    def crash(self) -> None:
        """Forget everything that was not committed."""
        if self.source is not None:
            self.source.close()
        self.source = None

    def numbers(self) -> list[int]:
        """The numbers of the entries that came, in order."""
        return [int(line.split()[3].rstrip(":"), 16) - 0xA00000 for line in self.lines if "queue active" in line]


class Journald:
    """A systemd-journald of its own, whose /var/log/journal is ``folder`` and whose /run nobody else sees."""

    def __init__(self, folder: Path, storage: str = "persistent") -> None:
        self.folder = folder
        self.files = folder / machine_id()
        self.files.mkdir(parents=True)
        self._config = folder.with_name(f"{folder.name}.conf")
        self._config.write_text(CONFIG.format(storage=storage))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, flushed: bool = True) -> Journald:
        """Start it, and wait until it takes messages; unless ``flushed`` it keeps them in memory until told."""
        script = (
            "set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal /run/log; "
            + ("touch /run/systemd/journal/flushed; " if flushed else "")
            # a /dev of its own, for the name through which programs log
            + "mkdir /run/dev; mount --rbind /dev /run/dev; mount -t tmpfs tmpfs /dev; for each in null zero random urandom; "
            "do touch /dev/$each; mount --bind /run/dev/$each /dev/$each; done; ln -s /run/systemd/journal/dev-log /dev/log; "
            + 'mount --bind "$1" /var/log/journal; '
            'mount --bind "$2" /etc/systemd/journald.conf; exec ' + JOURNALD
        )
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, "sh", self.folder, self._config], stderr=subprocess.DEVNULL
        )
        eventually(lambda: self._log().exists(), within=10, what="journald takes messages")
        return self

    def _root(self) -> Path:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root")

    def _log(self) -> Path:
        return self._root() / "run/systemd/journal/dev-log"

    def send(self, messages: Iterable[str], identifier: str = "postfix/qmgr", facility: int = 2) -> None:
        """Log messages as a program does through syslog(3)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self._log()))
            for message in messages:
                sender.send(f"<{facility * 8 + 6}>Nov 22 06:13:04 {identifier}[77]: {message}".encode())

    def archived(self) -> list[Path]:
        """The files that were rotated away."""
        return sorted(self.files.glob("*@*.journal"))

    def entries(self) -> int:
        """How many entries of the mail facility it has."""
        words = ["journalctl", f"--directory={self.folder}", "--output=cat", "--quiet", "SYSLOG_FACILITY=2"]
        return subprocess.run(words, capture_output=True, timeout=20, check=True).stdout.count(b"\n")

    def rotate(self) -> None:
        """Make it rotate, and wait until it has."""
        before = len(self.archived())
        self.signal(signal.SIGUSR2)
        eventually(lambda: len(self.archived()) > before, within=10, what="journald rotates")

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command where /run and /var/log/journal are those of this journald."""
        return subprocess.run([*self.inside, *words], capture_output=True, timeout=20, check=True)

    @property
    def inside(self) -> tuple[str, ...]:
        """What to put before a command to run it there."""
        assert self.process is not None
        return ("nsenter", f"--target={self.process.pid}", "--mount")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            finally:
                self.process.kill()
                self.process.wait()
