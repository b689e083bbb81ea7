"""How much memory the agent takes, and whether that grows over ten million lines and 24 hours of stamps.

The lines are appended while the agent reads, never further ahead of it than a few hundred thousand, and the
log is rotated every million lines, so that no more than two generations lie on the disk. At the end every
line must have been counted, and none twice.

    python -m tests.bench.memory [--lines 10000000]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show
from tests.bench.process import Agent
from tests.bench.sample import chunks, lines
from tests.bench.writer import appending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.process import Program

MOST: Final = 60 * 1024
GROWTH: Final = 3 * 1024
"""Bars, in KiB."""
HOURS: Final = 24.0
CHUNK: Final = 20_000
AHEAD: Final = 300_000
PER_GENERATION: Final = 1_000_000
WITHIN: Final = 120.0
SAMPLES: Final = 100


@dataclass(slots=True)
class Feed:
    """Writes the lines, and rotates the log behind a reader that has read all of it but the newest generation."""

    agent: Agent
    number: int
    written: int = 0
    rotated_at: int = 0
    generations: int = 0

    def write(self) -> Iterator[int]:
        """Write chunk after chunk; how many lines that makes so far."""
        for chunk in chunks(lines(self.number, hours=HOURS), CHUNK):
            with appending(self.agent.log) as log:
                os.write(log, b"".join(chunk))
            self.written += len(chunk)
            self._stay_near()
            yield self.written
            if self.written - self.rotated_at >= PER_GENERATION:
                self._rotate()

    def _stay_near(self) -> None:
        deadline = time.monotonic() + WITHIN
        if self.written % (AHEAD // 3) >= CHUNK:
            return
        while self.agent.lines() < self.written - AHEAD:
            if time.monotonic() > deadline:
                raise AssertionError(f"the agent is {AHEAD} lines behind for {WITHIN} s")
            time.sleep(0.05)

    def _rotate(self) -> None:
        """Rename the log, over the generation before: all of that was read, for the reader is near enough."""
        self.agent.log.replace(self.agent.log.with_name("mail.log.1"))
        self.agent.log.touch()
        self.rotated_at = self.written
        self.generations += 1


@dataclass(slots=True)
class Memory:
    """Resident memory (KiB) at points of the way, as lines written and RSS; ``most`` is the kernel's own maximum."""

    points: list[tuple[int, int]] = field(default_factory=list)
    most: int = 0

    def look(self, program: Program, written: int) -> None:
        """Note what it is now."""
        self.points.append((written, program.status("VmRSS")))
        self.most = max(self.most, program.status("VmHWM"))

    def at(self, share: float) -> int:
        """The RSS after this share of the lines."""
        wanted = share * self.points[-1][0]
        return next(rss for written, rss in self.points if written >= wanted)


def measure(number: int) -> tuple[Memory, Feed]:
    """Feed so many lines through a running agent."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    try:
        watching = Agent(folder=folder, log=folder / "mail.log")
        watching.log.touch()
        memory, feed = Memory(), Feed(watching, number)
        with watching.running() as program:
            step = max(CHUNK, number // SAMPLES)
            for written in feed.write():
                if written // step > (written - CHUNK) // step or written == number:
                    memory.look(program, written)
            watching.wait_until_read(number, within=WITHIN)
            memory.look(program, number)
        return memory, feed
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def figures(memory: Memory, number: int) -> Sequence[Figure]:
    """What is held against a bar."""
    early, late = memory.at(0.1), memory.points[-1][1]
    return [
        Figure(
            what=f"memory of the agent over {number:,} lines, most",
            measured=f"{memory.most / 1024:.1f} MiB",
            bar=f"≤ {MOST // 1024} MiB",
            passed=memory.most <= MOST,
        ),
        Figure(
            what="its growth from 10 % of them to the end",
            measured=f"{(late - early) / 1024:+.1f} MiB ({early / 1024:.1f} to {late / 1024:.1f})",
            bar=f"≤ {GROWTH // 1024} MiB",
            passed=late - early <= GROWTH,
        ),
    ]


def main() -> int:
    """Measure the memory of the agent under load."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000)
    number = parser.parse_args().lines
    begin = time.monotonic()
    memory, feed = measure(number)
    seconds = time.monotonic() - begin
    print(f"{number:,} lines in {seconds:.0f} s, {feed.generations} rotations: each line counted once")
    print("RSS in MiB after each tenth: " + " ".join(f"{memory.at(tenth / 10) / 1024:.1f}" for tenth in range(1, 11)))
    return show(figures(memory, number))


if __name__ == "__main__":
    sys.exit(main())
