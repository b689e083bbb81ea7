"""All benchmarks, each in a short form, and one table of what they found: ``python -m tests.bench``, four minutes."""

from __future__ import annotations

import os
import platform
import sys

from tests.bench import catch_up, check_dns, idle, journal, latency, memory
from tests.bench.figure import show

LINES, ROUNDS = 500_000, 3
FED = 2_000_000
SECONDS = 20.0
SAMPLES = 15


def main() -> int:
    """Run all; 1 when a bar was missed."""
    found = [*catch_up.figures(catch_up.compare(LINES, ROUNDS), LINES)]
    found += memory.figures(memory.measure(FED)[0], FED)
    found += idle.figures(*idle.measure(SECONDS, loaded_seconds=5.0))
    found += latency.figures(latency.measure(SAMPLES, 0), latency.measure(SAMPLES, latency.RATE))
    found += journal.measure(SECONDS / 2)
    found += check_dns.measure(ROUNDS)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n")
    return show(found)


if __name__ == "__main__":
    sys.exit(main())
