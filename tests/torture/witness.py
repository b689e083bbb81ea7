"""mailwatch that also remembers the sequence number of every line it counts, in the transaction that counts it.

For finding out which line was lost or doubled, and where it lay; totals alone cannot tell. Started like
mailwatch itself: ``python -m tests.torture.witness run --config FILE``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch import agent, store
from mailwatch.commands import main
from mailwatch.event import Delivery
from mailwatch.tally import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from mailwatch.event import Event
    from mailwatch.tally import Delta, Judge, Known

NUMBERED: Final = re.compile(r"seq([0-9]+)@torture\.example")

read_and_commit = agent.Agent._read_and_commit
write_positions = store.write_positions
seen: list[tuple[int]] = []


def fold_and_note(delta: Delta, events: Iterable[Event], known: Known, judge: Judge) -> None:
    """Fold, and note which lines these are."""
    told = list(events)
    addresses = (event.original_recipient for event in told if type(event) is Delivery)
    seen.extend((int(found[1]),) for found in map(NUMBERED.fullmatch, filter(None, addresses)) if found)
    fold(delta, told, known, judge)


def write_with_numbers(connection: sqlite3.Connection, positions: Mapping[str, str | None]) -> None:
    """Write positions and numbers."""
    connection.execute("CREATE TABLE IF NOT EXISTS witness (number INTEGER)")
    connection.executemany("INSERT INTO witness VALUES (?)", seen)
    write_positions(connection, positions)


def begin_with_none(each: agent.Agent, *words: object) -> bool:
    """Read and commit; what was noted for a commit that failed is forgotten."""
    seen.clear()
    return read_and_commit(each, *words)  # type: ignore[arg-type]


if __name__ == "__main__":
    agent.fold = fold_and_note  # type: ignore[attr-defined]
    store.write_positions = write_with_numbers
    agent.Agent._read_and_commit = begin_with_none  # type: ignore[assignment, method-assign]
    main(prog_name="mailwatch")
