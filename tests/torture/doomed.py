"""mailwatch that is killed at one step between a decision and its notification: the step is in ``DOOM``.

Nothing of it is in mailwatch itself. Started like that: ``DOOM=in-settle python -m tests.torture.doomed run --config FILE``.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from mailwatch import duty, ledger
from mailwatch.channels.deliver import deliver
from mailwatch.commands import main
from mailwatch.commands.run import Supervision
from mailwatch.outbox import Outbox, rows, worker
from mailwatch.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

COMMITS: Final = ("before-commit", "in-commit", "after-commit")
TELLS: Final = (
    "before-claim", "in-claim", "after-claim", "before-send", "after-send", "in-settle", "after-settle",
)  # fmt: skip
RELOADS: Final = ("before-reload", "before-stop", "after-stop", "before-start", "after-start")
"""Reached at SIGHUP; ``during-send`` is for the other side to kill at."""

decide, write, commit = duty.Duty.decide, ledger.write, Store.commit
take, settle, writing = rows.take, rows.settle, rows.writing
stop, start, change_over = Outbox.stop, Outbox.start, Supervision._change_over
under_way = {"claim": False, "settle": False, "alarm": False, "reload": False}


def reach(step: str) -> None:
    """Die here, if that is the doom."""
    if os.environ.get("DOOM") == step:
        os.kill(os.getpid(), signal.SIGKILL)


def decide_and_die(each: duty.Duty, *words: Any, **more: Any) -> Any:
    found = decide(each, *words, **more)
    if each._rows:
        reach("before-commit")
    return found


def write_and_die(connection: sqlite3.Connection, decided: Any, told: Any, *words: Any) -> None:
    write(connection, decided, told, *words)
    under_way["alarm"] = bool(told)
    if told:
        reach("in-commit")


def commit_and_die(*words: Any) -> None:
    commit(*words)
    if under_way["alarm"]:
        reach("after-commit")


def take_and_die(*words: Any) -> Any:
    reach("before-claim")
    found = take(*words)
    if found is not None:
        reach("after-claim")
    return found


@contextlib.contextmanager
def writing_and_die(folder: Path) -> Iterator[sqlite3.Connection]:
    with writing(folder) as connection:
        before = connection.total_changes
        yield connection
        # what is noted is a lease, or the end of one
        leased = connection.execute("SELECT count(*) FROM outbox WHERE leased_until IS NOT NULL").fetchone()[0]
        if connection.total_changes > before:
            reach("in-claim" if leased else "in-settle")


def settle_and_die(*words: Any) -> Any:
    found = settle(*words)
    reach("after-settle")
    return found


def deliver_and_die(*words: Any) -> Any:
    reach("before-send")
    outcome = deliver(*words)
    reach("after-send")
    return outcome


def change_over_and_die(each: Supervision) -> None:
    under_way["reload"] = True
    reach("before-reload")
    change_over(each)


def stop_and_die(each: Outbox) -> None:
    reach("before-stop")
    stop(each)
    reach("after-stop")


def start_and_die(each: Outbox) -> None:
    if under_way["reload"]:
        reach("before-start")
    start(each)
    if under_way["reload"]:
        reach("after-start")


if __name__ == "__main__":
    changes: dict[tuple[Any, str], Any] = {
        (duty.Duty, "decide"): decide_and_die,
        (ledger, "write"): write_and_die,
        (Store, "commit"): commit_and_die,
        (rows, "take"): take_and_die,
        (rows, "settle"): settle_and_die,
        (rows, "writing"): writing_and_die,
        (worker, "deliver"): deliver_and_die,
        (Outbox, "stop"): stop_and_die,
        (Outbox, "start"): start_and_die,
        (Supervision, "_change_over"): change_over_and_die,
    }
    for (place, name), changed in changes.items():
        setattr(place, name, changed)
    main(prog_name="mailwatch")
