"""What it costs to say why mail fails: of catching up, and of a text that wants it to be much.

Catching up is the agent's own loop in a process of its own, from its start to the last commit, with causes and
without, turn about. The hostile texts are 10 kB: noise, words of our rules, and every word that any rule looks for.

    python -m tests.bench.causes [--lines 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import random
import shutil
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from mailwatch.cause import RECIPIENT, Relays, blanked, unwrapped
from mailwatch.causes import Judge, own_rules
from tests.bench.figure import Figure, show
from tests.bench.sample import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.duty import Duty

SHARE_BAR: Final = 0.15
HOSTILE_BAR: Final = 0.001
HOSTILE: Final = 10_000
SEED: Final = 4242


def catch_up(log: Path, state: Path, *, with_causes: bool) -> float:
    """CPU seconds of this process, from its start until all of ``log`` is committed."""
    from mailwatch.agent import Agent  # noqa: PLC0415 - what it costs to import is part of the figure
    from mailwatch.discovery import Log, open_log, wakeup_of  # noqa: PLC0415
    from mailwatch.parsers import PARSERS  # noqa: PLC0415
    from mailwatch.pulse import Pulse  # noqa: PLC0415
    from mailwatch.tally import PASSED  # noqa: PLC0415

    watched = Log(kind="file", path=log)
    agent = Agent(
        state_dir=state,
        open_source=lambda positions, _: open_log(watched, positions=positions, start="beginning", facilities=()),
        parser=PARSERS["postfix"](passed=PASSED),
        judge=Judge(own_rules(), Relays()) if with_causes else lambda _: None,
        pulse=Pulse(),
        wakeup=wakeup_of(watched),
        duty=nobody_is_told(state),
    )
    while agent.tick():
        pass
    agent.close()
    return time.process_time()


def nobody_is_told(state: Path) -> Duty:
    """Rules are looked at, and there is nobody to tell."""
    from mailwatch.causes import catalogue  # noqa: PLC0415
    from mailwatch.duty import Duty  # noqa: PLC0415
    from mailwatch.heart import Heart  # noqa: PLC0415
    from mailwatch.options import DeadmanOptions, Options  # noqa: PLC0415
    from mailwatch.outbox import Outbox  # noqa: PLC0415
    from mailwatch.view import Site  # noqa: PLC0415
    from mailwatch.watchdog import Watchdog  # noqa: PLC0415

    entries = catalogue()
    site = Site(host="mx.example", severities={cause: entry.severity for cause, entry in entries.items()})
    return Duty(Options(), entries, Outbox(state, ()), list, Heart(Watchdog({}), DeadmanOptions()), site)


def in_a_process(log: Path, folder: Path, *, with_causes: bool) -> float:
    """``catch_up`` in a process of its own."""
    state = Path(tempfile.mkdtemp(dir=folder))
    state.chmod(0o700)
    words = [sys.executable, "-m", "tests.bench.causes", "--child", str(log), str(state)]
    done = subprocess.run([*words, "with" if with_causes else "without"], capture_output=True, text=True, check=True)
    return float(done.stdout)


def shares(lines: int, rounds: int) -> list[tuple[float, float]]:
    """CPU seconds with and without causes."""
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-bench-"))
    try:
        log = folder / "sample.log"
        write(log, lines, precise=False)
        return [
            (in_a_process(log, folder, with_causes=True), in_a_process(log, folder, with_causes=False))
            for _ in range(rounds)
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def hostile() -> Iterator[str]:
    """Texts that want to be slow, each another one."""
    chosen = random.Random(SEED)
    patterns = " ".join(pattern for rule in own_rules().rules for pattern in rule.patterns)
    literal = [word for word in "".join(each if each.isalnum() else " " for each in patterns).split() if len(word) > 2]
    for _ in range(20):
        yield "".join(chosen.choices(string.printable, k=HOSTILE))
        yield " ".join(chosen.choices(literal, k=HOSTILE))[:HOSTILE]
    yield " ".join(literal)[:HOSTILE]
    yield "a" * HOSTILE
    yield "@" * HOSTILE
    yield "550 5.1.1 " * (HOSTILE // 10)
    yield "host a[b] said: " * (HOSTILE // 16)


def slowest() -> tuple[float, float]:
    """CPU seconds of a hostile text: at most, and in the middle."""
    rules = own_rules()
    seconds = []
    for text in hostile():
        before = time.process_time()
        rules.tell(unwrapped(blanked(text)), RECIPIENT)
        seconds.append(time.process_time() - before)
    return max(seconds), median(seconds)


def measure(lines: int, rounds: int) -> list[Figure]:
    """Both figures."""
    found = shares(lines, rounds)
    share = median(more / less - 1 for more, less in found)
    worst, usual = slowest()
    return [
        Figure(
            what=f"causes in catching up on {lines:,} lines",
            measured=f"+{share:.1%} ({median(more - less for more, less in found):.2f} s CPU)",
            bar=f"≤ {SHARE_BAR:.0%}",
            passed=share <= SHARE_BAR,
        ),
        Figure(
            what="the cause of 10 kB of hostile text",
            measured=f"{usual * 1e3:.2f} ms, at most {worst * 1e3:.2f} ms",
            bar=f"≤ {HOSTILE_BAR * 1e3:.0f} ms",
            passed=usual <= HOSTILE_BAR,
        ),
    ]


def main() -> int:
    """What causes cost."""
    if sys.argv[1:2] == ["--child"]:
        log, state, how = sys.argv[2:]
        print(catch_up(Path(log), Path(state), with_causes=how == "with"))
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.bench.causes", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    return show(measure(chosen.lines, chosen.rounds))


if __name__ == "__main__":
    sys.exit(main())
