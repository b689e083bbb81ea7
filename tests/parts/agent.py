"""mailwatch itself as a process, the way a supervisor runs it."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    import signal
    import ssl
    from pathlib import Path

SAMPLE = re.compile(r"^(mailwatch_[a-z_]+)(?:\{([^}]*)\})? ([^ ]+)$", re.MULTILINE)
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
Sample = tuple[str, frozenset[tuple[str, str]]]


def mailwatch(*words: str | Path, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command of mailwatch to its end."""
    return subprocess.run(
        [sys.executable, "-m", "mailwatch", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def parsed(page: str) -> dict[Sample, float]:
    """The samples of a page, by name and labels."""
    return {(name, frozenset(LABEL.findall(labels))): float(value) for name, labels, value in SAMPLE.findall(page)}


@dataclass
class RunningAgent:
    """``mailwatch run`` on a log, with its state in ``folder``."""

    folder: Path
    log: Path
    extra: str = ""
    port: int = field(default_factory=free_port)
    start_at: str = "beginning"
    tls: ssl.SSLContext | None = None
    login: str = ""
    state_dir: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / "mailwatch.toml"

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.state_dir or self.folder / "state"

    @property
    def said(self) -> str:
        """What it logged."""
        return (self.folder / "stderr").read_text()

    def write_config(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # how this machine's own Postfix is matters to those tests only that say so
        own = "" if "[queue]" in self.extra else "[queue]\ninterval = 0\n"
        self.config.write_text(
            f'state_dir = "{self.state}"\nlisten = "127.0.0.1:{self.port}"\n{self.extra}\n{own}'
            f'[log]\npath = "{self.log}"\nstart = "{self.start_at}"\n'
        )

    def start(self, config: str | None = None) -> RunningAgent:
        """Start it, with another configuration if so, and wait until it serves its page."""
        self.write_config()
        if config is not None:
            self.config.write_text(config)
        with (self.folder / "stderr").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mailwatch", "run", "--config", str(self.config)],
                stderr=stderr,
                text=True,
                env={**os.environ, **self.environment},
            )
        eventually(self.page, within=20, what="the agent answers")
        return self

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a page."""
        if self.login:
            headers = {"Authorization": "Basic " + base64.b64encode(self.login.encode()).decode(), **headers}
        scheme = "http" if self.tls is None else "https"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5, context=self.tls) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def page(self) -> str:
        """/metrics as text; empty while nobody answers."""
        try:
            return self.get("/metrics")[2].decode()
        except OSError:
            return ""

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of this name that have these labels; None when there is none."""
        wanted = set(labels.items())
        found = [value for (known, having), value in parsed(self.page()).items() if known == name and wanted <= having]
        return sum(found) if found else None

    def wait_for(self, number: float, name: str, **labels: str) -> None:
        """Return when a metric has reached a value."""
        eventually(
            lambda: (self.value(name, **labels) or 0) >= number, within=30, what=f"{name}{labels} reaches {number}"
        )

    def wait_until_said(self, words: str) -> None:
        """Return when it has logged these words."""
        eventually(lambda: words in self.said, within=20, what=f"it says {words!r}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """Kill it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
