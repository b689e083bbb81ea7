"""``mailwatch cron`` as cron(8) runs it, and a log in which an hour has passed."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailwatch.ledger import UNTIL

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0
REFUSED = "host smtp.example.net[192.0.2.7] said: 535 5.7.8 Error: authentication failed"
UNREACHABLE = "connect to smtp.example.net[192.0.2.7]:587: Connection refused"
SENT = "250 2.0.0 Ok: queued as 4F0C6A"


def attempt(at: float, number: int, reply: str = SENT) -> str:
    """A line of the log: one delivery attempt through the relay, deferred unless the reply is a good one."""
    stamp = time.strftime("%b %e %H:%M:%S", time.localtime(at))
    sent = reply == SENT
    relay = "none" if reply == UNREACHABLE else "smtp.example.net[192.0.2.7]:587"
    return (
        f"{stamp} mx postfix/smtp[4711]: {number:011X}: to=<user@remote.example>, relay={relay}, delay=0.4, "
        f"delays=0.1/0/0.2/0.1, dsn={'2.0.0' if sent else '4.7.8' if reply == REFUSED else '4.4.1'}, "
        f"status={'sent' if sent else 'deferred'} ({reply})\n"
    )


@dataclass
class CronJob:
    """An hourly run on a log, with its state in ``folder``; ``extra`` are tables of its configuration."""

    folder: Path
    extra: str = ""
    cron: str = ""
    look: str = "[queue]\ninterval = 0\n"
    words: tuple[str, ...] = ()
    begun: float = field(default_factory=lambda: time.time() - HOUR)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self.write_config()

    @property
    def log(self) -> Path:
        return self.folder / "mail.log"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        return self.folder / "mailwatch.toml"

    @property
    def textfile(self) -> Path:
        return self.folder / "textfile" / "mailwatch.prom"

    def write_config(self) -> None:
        """Write the configuration."""
        self.textfile.parent.mkdir(exist_ok=True)
        self.config.write_text(
            f'state_dir = "{self.state}"\n[log]\npath = "{self.log}"\n{self.look}'
            f'[postfix]\nrelays = ["192.0.2.7", "smtp.example.net"]\n'
            f'[cron]\ntextfile = "{self.textfile}"\n{self.cron}\n{self.extra}\n'
        )

    def command(self, *words: str) -> list[str]:
        """What cron(8) starts."""
        return [*self.words, sys.executable, "-m", "mailwatch", "cron", "--config", str(self.config), *words]

    def run(self, *words: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout, check=False)

    def start(self) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def began(self) -> CronJob:
        """The very first run, made to be one of an hour ago."""
        done = self.run()
        assert done.returncode == 0, done
        self.put_back(self.begun)
        return self

    def put_back(self, at: float) -> None:
        """Have the last run been at another time."""
        with contextlib.closing(sqlite3.connect(self.state / "state.db")) as connection:
            connection.execute("UPDATE fact SET value = ? WHERE name = ?", (at, UNTIL))
            connection.commit()

    def hour(self, *faults: tuple[int, int, str]) -> None:
        """An hour of mail: a delivery a minute, but from one minute up to another with this reply."""
        with self.log.open("a") as file:
            for minute in range(60):
                reply = next((each for first, last, each in faults if first <= minute < last), SENT)
                for number in range(2):
                    file.write(attempt(self.begun + minute * 60 + number, 0x1000 + minute * 2 + number, reply))


def hook(port: int, severity: str = "warn") -> str:
    """A channel to a web server of ours."""
    return (
        f'[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/alarm"\n'
        f'min_severity = "{severity}"\n'
    )
