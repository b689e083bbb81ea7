"""Programs under measurement: started, asked over HTTP, ended by process ID, and what the kernel says they used."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENDS_WITHIN: Final = 20.0
ASKED_EVERY: Final = 0.5
"""Seconds between two looks at a page: what they cost is part of what is measured, so few, and as many for all."""


@dataclass(slots=True)
class Program:
    """A process of ours. ``end`` is the only way to get rid of it, and tells the CPU seconds it used."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, words: Sequence[str | Path], output: Path | None = None) -> Program:
        """Start it; what it says goes to ``output`` or nowhere."""
        with open(output or os.devnull, "wb") as said:
            kept = [str(word) for word in words]
            return cls(subprocess.Popen(kept, stdin=subprocess.DEVNULL, stdout=said, stderr=said))

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self.process.pid

    def cpu(self) -> float:
        """CPU seconds (user and system) it has used until now, without its children; to the microsecond."""
        # clock_getcpuclockid(3): the clock of another process is its ID turned inside out
        return time.clock_gettime((~self.pid << 3) | 2)

    def status(self, key: str) -> int:
        """A number from /proc/PID/status, such as ``VmRSS`` (KiB)."""
        return _number(f"/proc/{self.pid}/status", key)

    def written(self) -> int:
        """Bytes it has caused to be written to disks."""
        return _number(f"/proc/{self.pid}/io", "write_bytes")

    def run_out(self, *, within: float) -> float:
        """Wait until it ends by itself; the CPU seconds it used, its children's included."""
        ended = eventually(self._ended, within=within, what="the program ends")
        return 0.0 if ended is None else self._reap(ended)

    def end(self) -> float:
        """End it, with SIGKILL if it has to be; the CPU seconds it used, its children's included."""
        if self.process.returncode is not None:
            return 0.0
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + ENDS_WITHIN
        while (ended := self._ended()) is None:
            if time.monotonic() > deadline:
                self.process.kill()
            time.sleep(0.02)
        return self._reap(ended)

    def _ended(self) -> tuple[int, resource.struct_rusage] | None:
        """How it ended and what it used; None while it runs."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        return (status, usage) if pid else None

    def _reap(self, ended: tuple[int, resource.struct_rusage]) -> float:
        status, usage = ended
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime


def _number(path: str, key: str) -> int:
    with open(path, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{key}:"))


@dataclass(slots=True)
class Page:
    """A metrics page on a port of loopback, read over one connection."""

    port: int
    connection: http.client.HTTPConnection | None = None

    def read(self) -> str | None:
        """The page; None when nobody answers."""
        for _ in range(2):  # a connection that was idle for long has been closed by the server: then a second try
            kept = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                kept.request("GET", "/metrics")
                text = kept.getresponse().read().decode()
            except (OSError, http.client.HTTPException):
                kept.close()
                self.connection = None
            else:
                self.connection = kept
                return text
        return None

    def value(self, series: str) -> int:
        """The value of a series, by its name with its labels; -1 when nobody answers or it is not there."""
        found = re.search(rf"^{re.escape(series)} ([0-9.e+]+)$", self.read() or "", re.MULTILINE)
        return -1 if found is None else int(float(found[1]))

    def wait_for(self, series: str, number: int, *, within: float) -> None:
        """Return when the series has reached the number; it must not go beyond."""
        deadline = time.monotonic() + within
        while (now := self.value(series)) < number:
            if time.monotonic() > deadline:
                raise AssertionError(f"within {within} s: {series} reaches {number}; it is {now}")
            time.sleep(ASKED_EVERY)
        if now != number:
            raise AssertionError(f"{series} is {now}: that is {now - number} too many")


@dataclass(slots=True, kw_only=True)
class Agent:
    """The agent on a log, with a configuration and a state of its own in ``folder``."""

    folder: Path
    log: Path
    begin_at: str = "beginning"
    page: Page = field(default_factory=lambda: Page(free_port()))

    @contextlib.contextmanager
    def running(self) -> Iterator[Program]:
        """Run it; it serves its page when this returns."""
        program = Program.start([sys.executable, "-m", "mailwatch", "run", "--config", self._config()])
        try:
            eventually(self.page.read, within=30, what="the agent serves its page")
            yield program
        finally:
            program.end()

    def lines(self) -> int:
        """How many lines it has counted and committed."""
        return self.page.value("mailwatch_log_lines_total")

    def wait_until_read(self, number: int, *, within: float) -> None:
        """Return when it has counted exactly so many lines."""
        self.page.wait_for("mailwatch_log_lines_total", number, within=within)

    def _config(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "mailwatch.toml"
        config.write_text(
            f'state_dir = "{self.folder / "state"}"\nlisten = "127.0.0.1:{self.page.port}"\n\n'
            f'[log]\npath = "{self.log}"\nstart = "{self.begin_at}"\n'
            # that no Postfix runs beside a benchmark is news that would be written down
            "[rules.postfix_down]\nenabled = false\n"
        )
        return config
