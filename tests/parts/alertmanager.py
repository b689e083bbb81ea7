"""A real Alertmanager."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@dataclass
class Alertmanager:
    """With its data in ``folder``; it notifies nobody."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Alertmanager:
        """Start it."""
        program = shutil.which("prometheus-alertmanager")
        assert program, "prometheus-alertmanager is missing: install Debian's prometheus-alertmanager"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yml").write_text(CONFIG)
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [program, f"--config.file={self.folder / 'config.yml'}", f"--storage.path={self.folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
                stdout=out, stderr=out,
            )  # fmt: skip
        eventually(self.is_ready, within=30, what="Alertmanager is ready")
        return self

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are not over."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            return list(json.load(answer))

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
