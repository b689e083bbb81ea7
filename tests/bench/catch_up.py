"""How many CPU seconds a log of a million lines costs: the agent, Debian's exporter, pflogsumm and grep, turn about.

All read the same file in the same run; user and system time of the process and of its children, from its
start to its end, so that the agent's start-up (what it costs on an empty log is shown) is part of its figure.
The exporter only follows a log from its end: it is started on an empty one, which is then rotated away and
the sample put in its place, as logrotate does; that is the cheapest way to have it read a whole file.

    python -m tests.bench.catch_up [--lines 1000000] [--rounds 3] [--precise]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show, table
from tests.bench.process import Agent, Page, Program
from tests.bench.sample import write
from tests.parts.ports import answers, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.sample import Sample

BAR: Final = 1 / 3
EXPORTER: Final = "prometheus-postfix-exporter"
AGENT: Final = "mailwatch"
EMPTY: Final = "mailwatch, empty log"
WITHIN: Final = 600.0

Costs = dict[str, list[float]]
"""CPU seconds of each round, by program."""


def agent(folder: Path, log: Path, lines: int) -> float:
    """CPU seconds of the agent that counts and commits every line of ``log``."""
    place = Path(tempfile.mkdtemp(dir=folder))
    os.link(log, place / "mail.log")
    watching = Agent(folder=place, log=place / "mail.log")
    with watching.running() as program:
        if lines:
            watching.wait_until_read(lines, within=WITHIN)
        else:
            time.sleep(1)
        return program.end()


def exporter(folder: Path, log: Path, removed: int) -> float:
    """CPU seconds of the exporter until it has seen the last line, which is a ``removed`` one."""
    place = Path(tempfile.mkdtemp(dir=folder))
    live, port = place / "mail.log", free_port()
    live.touch()
    program = Program.start(
        [EXPORTER, f"--postfix.logfile_path={live}", f"--web.listen-address=127.0.0.1:{port}",
         f"--postfix.showq_path={place / 'none'}"]
    )  # fmt: skip
    try:
        eventually(lambda: answers(port), within=30, what="the exporter listens")
        live.rename(place / "mail.log.1")
        os.link(log, live)
        Page(port).wait_for("postfix_qmgr_messages_removed_total", removed, within=WITHIN)
        return program.end()
    finally:
        program.end()


def once(folder: Path, *words: str | Path) -> float:
    """CPU seconds of a program that reads the log and ends."""
    # into a file: grep looks no further than the first match when its output is /dev/null
    program = Program.start(words, folder / "output")
    try:
        return program.run_out(within=WITHIN)
    finally:
        program.end()


def programs(folder: Path, log: Path, sample: Sample) -> dict[str, Callable[[], float]]:
    """What takes part: those that are installed."""
    empty = folder / "empty.log"
    empty.touch()
    every: dict[str, Callable[[], float]] = {
        AGENT: lambda: agent(folder, log, sample.lines),
        EXPORTER: lambda: exporter(folder, log, sample.removed),
        "pflogsumm": lambda: once(folder, "pflogsumm", log),
        "grep -c status=": lambda: once(folder, "grep", "-c", "status=", log),
        EMPTY: lambda: agent(folder, empty, 0),
    }
    return {name: run for name, run in every.items() if name in (AGENT, EMPTY) or shutil.which(name.split()[0])}


def compare(lines: int, rounds: int, *, precise: bool = False) -> Costs:
    """Let each read the same file in turn, ``rounds`` times."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    try:
        log = folder / "sample.log"
        taking_part = programs(folder, log, write(log, lines, precise=precise))
        agent(folder, folder / "empty.log", 0)  # the first start of all compiles
        costs: Costs = {name: [] for name in taking_part}
        for _ in range(rounds):
            for name, run in taking_part.items():
                costs[name].append(run())
        return costs
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ratios(costs: Mapping[str, Sequence[float]], one: str, other: str) -> list[float]:
    """How ``one`` compares to ``other`` in each round."""
    return [mine / theirs for mine, theirs in zip(costs[one], costs[other], strict=True)]


def rows(costs: Costs, lines: int) -> list[tuple[str, ...]]:
    """The table: medians, and how far the rounds are apart."""
    made: list[tuple[str, ...]] = [("program", "CPU s", "min-max", "µs a line", "of the exporter's")]
    for name, seconds in costs.items():
        ratio = f"{median(ratios(costs, name, EXPORTER)):.3f}" if EXPORTER in costs else "?"
        per_line = "" if name == EMPTY else f"{median(seconds) / lines * 1e6:.2f}"
        span = f"{min(seconds):.2f}-{max(seconds):.2f}"
        made.append((name, f"{median(seconds):.2f}", span, per_line, ratio))
    return made


def figures(costs: Costs, lines: int) -> list[Figure]:
    """What is held against a bar."""
    per_line = f"{median(costs[AGENT]) / lines * 1e6:.2f} µs CPU a line"
    if EXPORTER not in costs:
        return [Figure(what="catching up", measured=f"{per_line}; {EXPORTER} is not installed", bar="≤ 0.333 of its")]
    ratio = median(ratios(costs, AGENT, EXPORTER))
    return [
        Figure(
            what=f"catching up on {lines:,} lines, of the CPU of {EXPORTER}",
            measured=f"{ratio:.3f} ({per_line})",
            bar=f"≤ {BAR:.3f}",
            passed=ratio <= BAR,
        )
    ]


def main() -> int:
    """Compare the CPU seconds that a log costs each program."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catch_up", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precise", action="store_true", help="RFC 3339 stamps, rsyslog's own since Debian 12")
    chosen = parser.parse_args()
    costs = compare(chosen.lines, chosen.rounds, precise=chosen.precise)
    print(table(rows(costs, chosen.lines)) + "\n")
    return show(figures(costs, chosen.lines))


if __name__ == "__main__":
    sys.exit(main())
