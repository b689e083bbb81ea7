"""What takes the metrics of a run that has no page: a real node_exporter, a real Pushgateway."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.parts.agent import Sample, parsed
from tests.parts.ports import eventually, free_port

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


@dataclass
class Exporter:
    """A program of Prometheus's on a port of ours."""

    program: str
    words: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = shutil.which(self.program)
        assert program, f"{self.program} is missing: install Debian's {self.program}"
        self.process = subprocess.Popen(
            [program, *self.words, f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(self.page, within=30, what=f"{self.program} answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def page(self) -> str:
        """Its metrics; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def samples(self) -> dict[Sample, float]:
        """Those of ours."""
        return parsed(self.page())


def node_exporter(folder: Path) -> Exporter:
    """A node_exporter that reads textfiles in a folder, and nothing else."""
    return Exporter(
        "prometheus-node-exporter",
        (
            "--collector.disable-defaults",
            "--web.disable-exporter-metrics",
            "--collector.textfile",
            f"--collector.textfile.directory={folder}",
        ),
    )


def pushgateway() -> Exporter:
    """A Pushgateway that remembers nothing over its end."""
    return Exporter("prometheus-pushgateway", ("--persistence.file=",))
