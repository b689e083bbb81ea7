"""What it costs to ask the DNS: importing the resolver, and eighty questions in four round trips to a server 20 ms away.

The server is in this process, so its own work is in the figure; how long each answer takes beyond that is its delay.

    python -m tests.bench.resolver [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from statistics import median
from typing import Final

import dns.name

from mailwatch.question import ANSWER
from mailwatch.resolver import Resolver
from tests.bench.figure import Figure, show
from tests.parts.nameserver import NameServer

DELAY: Final = 0.02
WIDE, DEEP = 20, 4
ASK_BAR, IMPORT_BAR = 0.15, 0.1
ZONE: Final = "".join(
    f'n{wide}-{deep}.example.com. 300 IN TXT "v=spf1 include:n{wide}-{deep + 1}.example.com -all"\n'
    for wide in range(WIDE)
    for deep in range(DEEP)
)


async def asked(server: tuple[str, int]) -> float:
    """Seconds of all questions: each answer of a chain leads to the next question, and the chains run beside each other."""

    async def chain(wide: int) -> None:
        for deep in range(DEEP):
            answer = await asks.ask(dns.name.from_text(f"n{wide}-{deep}.example.com"), "TXT")
            assert answer.outcome == ANSWER, answer.trouble

    begun = time.perf_counter()
    async with Resolver([server], 10) as asks:
        await asyncio.gather(*map(chain, range(WIDE)))
    return time.perf_counter() - begun


def imported() -> float:
    """Seconds that a new Python takes to import the resolver, beyond its own start."""
    measured = "import time; t = time.perf_counter(); import mailwatch.resolver; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(rounds: int) -> list[Figure]:
    """Both figures."""
    with NameServer(ZONE, delay=DELAY) as server:
        asking = median(asyncio.run(asked(server.address)) for _ in range(rounds))
    importing = median(imported() for _ in range(rounds))
    return [
        Figure(
            what=f"{WIDE * DEEP} questions in {DEEP} round trips of {DELAY * 1e3:.0f} ms",
            measured=f"{asking * 1e3:.0f} ms",
            bar=f"≤ {ASK_BAR * 1e3:.0f} ms",
            passed=asking <= ASK_BAR,
        ),
        Figure(
            what="importing the resolver",
            measured=f"{importing * 1e3:.0f} ms",
            bar=f"≤ {IMPORT_BAR * 1e3:.0f} ms",
            passed=importing <= IMPORT_BAR,
        ),
    ]


def main() -> int:
    """What asking costs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.resolver", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    return show(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
