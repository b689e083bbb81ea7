"""A real Prometheus that scrapes the agent."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: mailwatch
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
{extra}"""


@dataclass
class Prometheus:
    """Scrapes the agent on ``scraped`` once a second, with its data in ``folder``."""

    folder: Path
    scraped: int
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    extra: str = ""

    def start(self) -> None:
        """Start it."""
        program = shutil.which("prometheus")
        assert program, "prometheus is missing: install Debian's prometheus"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yml"
        config.write_text(CONFIG.format(port=self.scraped, extra=self.extra))
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [program, f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=out, stderr=out,
            )  # fmt: skip
        eventually(self.is_ready, within=30, what="Prometheus is ready")

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def query(self, expression: str) -> list[Any]:
        """What an expression gives now. An expression that is none fails the test."""
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{asked}", timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return list(said["data"]["result"])

    def value(self, expression: str) -> float | None:
        """The one number that an expression gives."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None
