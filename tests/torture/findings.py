"""Says which lines were lost or doubled, and in which files they lie: what to look at first when a run was not exact."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.torture.compression import READERS
from tests.torture.ledger import numbers_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def spans(numbers: Iterable[int]) -> str:
    """The numbers in short: ``3-5, 9``."""
    found = sorted(numbers)
    if not found:
        return "none"
    breaks = [index for index, (one, other) in enumerate(pairwise(found), start=1) if other != one + 1]
    parts = [found[start:end] for start, end in pairwise([0, *breaks, len(found)])]
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def lie_in(folder: Path) -> Iterator[tuple[str, set[int]]]:
    """Each file of the log and the numbers in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            yield str(path.relative_to(folder)), numbers_in(READERS.get(path.suffix, bytes)(content))


def numbers_counted(database: Path) -> Counter[int]:
    """How often each number was counted, of an agent that remembers that."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return Counter(number for (number,) in connection.execute("SELECT number FROM witness"))


def findings(database: Path, logs: Path, lines: int) -> list[str]:
    """What the agent did not count once, of so many lines written, and where it lies among the logs."""
    counted = numbers_counted(database)
    wrong = {
        "lost": {number for number in range(lines) if not counted[number]},
        "doubled": {number for number, times in counted.items() if times > 1},
    }
    told = [f"{name} {len(numbers)} by number: {spans(numbers)}" for name, numbers in wrong.items()]
    for name, numbers in lie_in(logs):
        told += [f"  {fate} in {name}: {spans(lines & numbers)}" for fate, lines in wrong.items() if lines & numbers]
    return told
