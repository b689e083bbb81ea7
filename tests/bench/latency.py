"""How long after a line was written it is in /metrics: on an idle log, and while 500 other lines a second are written.

A delivery line of its own agent (lmtp, which the other lines never name) is appended every half to one and a
half seconds; the page is then asked every 10 ms until it shows it.

    python -m tests.bench.latency [--samples 40]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show
from tests.bench.process import Agent
from tests.bench.sample import SEED
from tests.bench.writer import Writer, appending

if TYPE_CHECKING:
    from collections.abc import Sequence

BAR: Final = 0.2
ASKED_EVERY: Final = 0.01
RATE: Final = 500
GIVEN_UP_AFTER: Final = 10.0
SERIES: Final = 'mailwatch_delivery_attempts_total{agent="lmtp",status="sent"}'


def delivery(number: int) -> bytes:
    """A delivery line as syslog writes it now."""
    stamp = time.strftime("%b %e %H:%M:%S")
    relay, delays = "mx.shop.example[private/lmtp]", "delay=0.1, delays=0.05/0.01/0.02/0.02"
    words = (
        f"{0xA0000 + number:X}0A1B: to=<user@local.example>, relay={relay}, {delays}, dsn=2.0.0, status=sent (250 Ok)"
    )
    return f"{stamp} mx postfix/lmtp[77]: {words}\n".encode()


def seen_after(watching: Agent, number: int) -> float:
    """Seconds from writing the line until the page shows it."""
    line = delivery(number)
    with appending(watching.log) as log:
        begin = time.monotonic()
        os.write(log, line)
    asked = begin
    while watching.page.value(SERIES) < number:
        if asked - begin > GIVEN_UP_AFTER:
            raise AssertionError(f"within {GIVEN_UP_AFTER} s the line is in /metrics")
        asked = max(asked + ASKED_EVERY, time.monotonic())
        time.sleep(max(0.0, asked - time.monotonic()))
    return time.monotonic() - begin


def measure(samples: int, rate: float) -> list[float]:
    """Latencies on a log to which ``rate`` other lines a second are written."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    random = Random(SEED)
    try:
        watching = Agent(folder=folder, log=folder / "mail.log")
        watching.log.touch()
        load = Writer(watching.log, rate).writing() if rate else contextlib.nullcontext()
        with watching.running(), load:
            latencies = []
            for number in range(1, samples + 1):
                time.sleep(0.5 + random.random())
                latencies.append(seen_after(watching, number))
        return latencies
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def figures(idle: Sequence[float], loaded: Sequence[float]) -> Sequence[Figure]:
    """What is held against a bar."""
    found = (("on an idle log", idle), (f"at {RATE} lines a second", loaded))
    return [
        Figure(
            what=f"line written to /metrics, {when}: median (p95, most)",
            measured=f"{median(seen):.3f} s ({quantiles(seen, n=20, method='inclusive')[-1]:.3f}, {max(seen):.3f})",
            bar=f"≤ {BAR} s",
            passed=median(seen) <= BAR,
        )
        for when, seen in found
    ]


def main() -> int:
    """Measure how long a line takes to be seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=main.__doc__)
    parser.add_argument("--samples", type=int, default=40)
    samples = parser.parse_args().samples
    return show(figures(measure(samples, 0), measure(samples, RATE)))


if __name__ == "__main__":
    sys.exit(main())
