"""mailwatch with one deliberate fault: positions and counts are two transactions. The torture must find it out.

A kill between the two loses what the second one would have counted. Started like mailwatch itself:
``python -m tests.torture.mutant run --config FILE``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mailwatch.commands import main
from mailwatch.store import Store
from mailwatch.tally import Delta

if TYPE_CHECKING:
    from collections.abc import Mapping

PAUSE: Final = 0.05
"""Seconds between the two: a busy disk takes as long."""

commit_at_once = Store.commit


def commit_in_two(
    store: Store, delta: Delta, positions: Mapping[str, str | None], now: float, also: object = None
) -> None:
    """Write the positions, and then what was counted up to them; what was decided on it is left out."""
    del also
    commit_at_once(store, Delta(), positions, now)
    time.sleep(PAUSE)
    commit_at_once(store, delta, {}, now)


if __name__ == "__main__":
    Store.commit = commit_in_two  # type: ignore[assignment, method-assign]
    main(prog_name="mailwatch")
