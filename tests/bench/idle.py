"""What the agent costs while nothing happens, and how often it makes the disk wait while mail flows.

Idle: the log has fourteen rotated files beside it and nobody writes to it. CPU time of the process; bytes it
has caused to be written (/proc/PID/io; there should be none); fsync and fdatasync calls (strace); what a scrape
costs. Under load, 2 000 lines a second: CPU time, and syncs a second.

    python -m tests.bench.idle [--seconds 60]
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show
from tests.bench.process import Agent, Program
from tests.bench.sample import lines, write
from tests.bench.writer import Writer
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

IDLE_CPU: Final = 0.002
SYNCS_A_SECOND: Final = 5.0
ROTATED: Final = 14
DAY: Final = 86400
RATE: Final = 2000
LOADED_SECONDS: Final = 10.0
SETTLED_AFTER: Final = 3.0
TRACED_SECONDS: Final = 5.0
SCRAPES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What was measured while nobody wrote. ``cpu`` is a share of one core, ``scrape`` seconds of CPU."""

    cpu: float
    written: int
    syncs: int | None
    scrape: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured while somebody did."""

    cpu: float
    written_a_second: float
    syncs_a_second: float | None


def make_logs(folder: Path) -> Path:
    """A log, the one before, and thirteen archives, one a day."""
    log = folder / "mail.log"
    for age in range(1, ROTATED + 1):
        path = folder / (f"mail.log.{age}" if age == 1 else f"mail.log.{age}.gz")
        text = b"".join(lines(20_000, seed=age, until=time.time() - age * DAY))
        path.write_bytes(text if age == 1 else gzip.compress(text, 1))
        os.utime(path, (time.time() - age * DAY,) * 2)
    write(log, 20_000)
    return log


class Syncs:
    """Counts the fsync and fdatasync calls of a process with strace; none can be counted without it."""

    def __init__(self, folder: Path, pid: int) -> None:
        """Begin to count."""
        self._trace = folder / "syncs.trace"
        self._trace.touch()
        self._tracer: Program | None = None
        if shutil.which("strace"):
            words: list[str | Path] = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", self._trace, "-p", str(pid)]
            self._tracer = Program.start(words, folder / "strace.said")
            said = folder / "strace.said"
            eventually(lambda: b"attached" in said.read_bytes(), within=10, what="strace is attached")

    def end(self) -> int | None:
        """Stop; how many there were."""
        if self._tracer is None:
            return None
        self._tracer.end()
        return sum(b"sync(" in line for line in self._trace.read_bytes().splitlines())


def rest(program: Program, watching: Agent, folder: Path, seconds: float) -> Rest:
    """Let nobody write for so many seconds, and for a few more under strace; then scrape."""
    cpu, written = program.cpu(), program.written()
    time.sleep(seconds)
    cpu, written = program.cpu() - cpu, program.written() - written
    syncs = Syncs(folder, program.pid)
    time.sleep(TRACED_SECONDS)
    counted = syncs.end()
    scraped = program.cpu()
    for _ in range(SCRAPES):
        watching.page.read()
    return Rest(cpu=cpu / seconds, written=written, syncs=counted, scrape=(program.cpu() - scraped) / SCRAPES)


def load(program: Program, watching: Agent, folder: Path, seconds: float) -> Load:
    """Write ``RATE`` lines a second; once for the CPU, once under strace."""
    writer = Writer(watching.log, RATE)
    before = watching.lines()
    with writer.writing():
        time.sleep(1)
        cpu, written = program.cpu(), program.written()
        time.sleep(seconds)
        cpu, written = program.cpu() - cpu, program.written() - written
        syncs = Syncs(folder, program.pid)
        begin = time.monotonic()
        time.sleep(seconds)
        counted, traced = syncs.end(), time.monotonic() - begin
    watching.wait_until_read(before + writer.written, within=30)
    a_second = None if counted is None else counted / traced
    return Load(cpu=cpu / seconds, written_a_second=written / seconds, syncs_a_second=a_second)


def measure(seconds: float, loaded_seconds: float = LOADED_SECONDS) -> tuple[Rest, Load]:
    """Start the agent on a quiet log and measure; then write to the log."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    try:
        watching = Agent(folder=folder, log=make_logs(folder), begin_at="end")
        with watching.running() as program:
            time.sleep(SETTLED_AFTER)
            quiet = rest(program, watching, folder, seconds)
            return quiet, load(program, watching, folder, loaded_seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown(number: float | None, form: str) -> str:
    """A number, or that strace is needed for it."""
    return "strace is not installed" if number is None else form.format(number)


def figures(quiet: Rest, loaded: Load) -> Sequence[Figure]:
    """What is held against a bar, and what else is good to know."""
    syncs = loaded.syncs_a_second
    return [
        Figure(
            what=f"idle, {ROTATED} rotated files: CPU of one core",
            measured=f"{quiet.cpu:.3%}",
            bar=f"≤ {IDLE_CPU:.1%}",
            passed=quiet.cpu <= IDLE_CPU,
        ),
        Figure(what="idle: bytes written", measured=f"{quiet.written}", bar="0", passed=quiet.written == 0),
        Figure(
            what="idle: syncs",
            measured=shown(quiet.syncs, "{}"),
            bar="0",
            passed=None if quiet.syncs is None else quiet.syncs == 0,
        ),
        Figure(what="a scrape of /metrics: CPU", measured=f"{quiet.scrape * 1000:.1f} ms"),
        Figure(
            what=f"{RATE:,} lines a second: syncs a second",
            measured=shown(syncs, "{:.1f}"),
            bar=f"≤ {SYNCS_A_SECOND:.0f}",
            passed=None if syncs is None else syncs <= SYNCS_A_SECOND,
        ),
        Figure(what=f"{RATE:,} lines a second: CPU of one core", measured=f"{loaded.cpu:.1%}"),
        Figure(
            what=f"{RATE:,} lines a second: written to the disk",
            measured=f"{loaded.written_a_second / 1024:.0f} KiB/s",
        ),
    ]


def main() -> int:
    """Measure the agent on a quiet log, then under load."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    return show(figures(*measure(parser.parse_args().seconds)))


if __name__ == "__main__":
    sys.exit(main())
