"""What reading the journal takes: idle, beside others who write, under mail; how long an entry takes to be in /metrics.

A journald of its own is started for it (as root, in a mount namespace). CPU is that of the agent and its journalctl.

    python -m tests.bench.journal [--seconds 20]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show
from tests.parts.agent import RunningAgent
from tests.parts.journal import Journald, queued

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUEUED: Final = "mailwatch_messages_queued_total"
IDLE_BAR: Final = 0.2
LATENCY_BAR: Final = 0.2
SAMPLES: Final = 15
RATE: Final = 500
AT_ONCE: Final = 0.1


def used(agent: RunningAgent) -> float:
    """CPU seconds of the agent and of its children that have ended."""
    assert agent.process is not None
    words = Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / 100


def share(agent: RunningAgent, seconds: float, write: Callable[[], None]) -> float:
    """Percent of a core while something is written ten times a second."""
    begin, before = time.monotonic(), used(agent)
    while time.monotonic() - begin < seconds:
        write()
        time.sleep(AT_ONCE)
    return 100 * (used(agent) - before) / (time.monotonic() - begin)


def latencies(agent: RunningAgent, journald: Journald) -> list[float]:
    """Seconds from an entry to the page, on a journal that rests between."""
    found = []
    for number in range(SAMPLES):
        time.sleep(1.2)
        begin = time.monotonic()
        journald.send([queued(number)])
        agent.wait_for(number + 1, QUEUED)
        found.append(time.monotonic() - begin)
    return found


def measure(seconds: float) -> Sequence[Figure]:
    """All of it."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    journald = Journald(folder / "log").start()
    agent = RunningAgent(folder / "agent", folder)
    numbers = iter(range(SAMPLES, 1 << 30))
    try:
        agent.start(
            f'state_dir = "{agent.state}"\nlisten = "127.0.0.1:{agent.port}"\n'
            f'[log]\nsource = "journal"\njournal_dir = "{journald.folder}"\n'
        )
        time.sleep(2)
        seen = latencies(agent, journald)
        time.sleep(2)
        idle = share(agent, seconds, lambda: None)
        others = share(agent, seconds, lambda: journald.send(["others'"] * 10, identifier="nginx", facility=3))
        each = int(RATE * AT_ONCE)
        mail = share(agent, seconds, lambda: journald.send(queued(next(numbers)) for _ in range(each)))
    finally:
        if agent.process is not None:
            agent.kill()
        journald.stop()
        shutil.rmtree(folder, ignore_errors=True)
    latency, core = median(seen), "of a core"
    return [
        Figure(
            what="journal entry to /metrics, median (most)",
            measured=f"{latency:.2f} s ({max(seen):.2f})",
            bar=f"≤ {LATENCY_BAR} s",
            passed=latency <= LATENCY_BAR,
        ),
        Figure(what="journal at rest", measured=f"{idle:.2f} % {core}", bar=f"≤ {IDLE_BAR} %", passed=idle <= IDLE_BAR),
        Figure(what="journal to which others write 100 entries a second", measured=f"{others:.1f} % {core}"),
        Figure(what=f"{RATE} entries of mail a second", measured=f"{mail:.1f} % {core}"),
    ]


def main() -> int:
    """Measure what the journal takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.journal", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    return show(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    sys.exit(main())
