"""Tortures the agent beside a real journald: killed while entries come, and files are rotated and vacuumed.

Promises
    Everything is drawn from the seed. Each entry opens a message of its own, so the state tells one by one afterwards
    which were counted: what is missing is lost, and lines counted beyond are doubled. Files are deleted only
    when the state says that they were read to their end; in an *episode of loss* the agent is dead, and files
    with entries that nobody has read are deleted: then exactly these may be missing, and one gap is counted.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from mailwatch.sources.journal_files import header_of
from mailwatch.sources.journal_rows import KEY
from tests.parts.journal import Journald, queued
from tests.parts.ports import answers, eventually, free_port
from tests.torture.victim import Victim

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EARLY, AT_ANY_TIME = 0.2, 0.5
"""The kills that come while it starts, and those at any time; the others come at a commit."""
UNCHANGED: Final = 6.0
"""So long nothing was counted any more though something is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOutcome:
    """What became of the entries."""

    written: int
    destroyed: int
    lost: int
    doubled: int
    gaps: dict[str, int]
    kills: int
    rotations: int
    deleted: int
    said: str


@dataclass(slots=True, kw_only=True)
class JournalTorture:
    """What to do, in ``folder``, to the agent that ``module`` is."""

    folder: Path
    module: str = "mailwatch"
    seed: int = 1
    entries: int = 3000
    kills: int = 8
    losses: int = 0
    rate: float = 600.0
    port: int = field(default_factory=free_port)

    def run(self) -> JournalOutcome:
        """Do it."""
        journald = Journald(self.folder / "log").start()
        run = _Run(self, journald)
        try:
            return run.run()
        finally:
            run.end()
            journald.stop()


class _Run:
    """One run and what it is made of."""

    def __init__(self, options: JournalTorture, journald: Journald) -> None:
        self._options = options
        self._journald = journald
        self._random = Random(options.seed)
        self._state = options.folder / "state"
        self._state.mkdir()
        config = options.folder / "mailwatch.toml"
        config.write_text(
            f'state_dir = {json.dumps(str(self._state))}\nlisten = "127.0.0.1:{options.port}"\n\n'
            f'[log]\nsource = "journal"\njournal_dir = {json.dumps(str(journald.folder))}\nstart = "beginning"\n'
        )
        arguments = [sys.executable, "-m", options.module, "run", "--config", str(config), "--log-level", "warning"]
        self._victim = Victim(arguments, options.folder / "agent.txt")
        self._written = 0
        self._writing = threading.Lock()
        self._destroyed: set[int] = set()
        self._kills = self._rotations = self._deleted = 0

    def run(self) -> JournalOutcome:
        """Everything, from the first entry to the comparison."""
        self._victim.start()
        writer = threading.Thread(target=self._write)
        writer.start()
        while self._kills < self._options.kills or writer.is_alive():
            deeds = [self._rotate, self._rotate, self._vacuum, self._rest]
            self._random.choice([self._kill, *deeds] if self._kills < self._options.kills else deeds)()
        writer.join()
        for _ in range(self._options.losses):
            self._lose()
        self._settle()
        return self._outcome()

    def end(self) -> None:
        """End the agent."""
        self._victim.kill()

    # -- what happens -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        drawn = Random(f"writer {self._options.seed}")
        while self._written < self._options.entries or self._kills < self._options.kills:
            number = drawn.choice((1, 5, 20, 60, 150))
            self._send(number)
            time.sleep(number / self._options.rate)

    def _send(self, number: int) -> None:
        with self._writing:
            numbers = range(self._written, self._written + number)
            self._written += number
            # others write, too, and theirs are nobody's loss
            self._journald.send(["others'"], identifier="cron", facility=9)
            self._journald.send(map(queued, numbers))

    def _kill(self) -> None:
        drawn = self._random.random()
        if drawn > EARLY:
            eventually(lambda: answers(self._options.port), within=15, what="the agent answers")
        if drawn > AT_ANY_TIME:
            self._wait_for_a_commit()
            time.sleep(self._random.uniform(0, 0.04))
        else:
            time.sleep(self._random.uniform(0, 0.5))
        assert self._victim.ended() is None, "the agent ended by itself"
        self._victim.kill()
        self._kills += 1
        time.sleep(self._random.choice((0.0, 0.0, self._random.uniform(0, 0.8))))
        if self._random.random() < 0.5:
            self._rotate()
        self._victim.start()

    def _wait_for_a_commit(self) -> None:
        """Return when the agent writes to its state: that is what must not come apart."""
        log = self._state / "state.db-wal"
        before = written(log)
        eventually_at_once(lambda: written(log) != before, within=2.0)

    def _rotate(self) -> None:
        self._journald.rotate()
        self._rotations += 1

    def _rest(self) -> None:
        time.sleep(self._random.uniform(0, 0.4))

    def _vacuum(self) -> None:
        """Delete archived files that were read to their end, as far as the state remembers."""
        for file in self._journald.archived():
            if self._rows().get(file_id(file), {}).get("complete"):
                file.unlink()
                self._deleted += 1

    def _lose(self) -> None:
        """Let the agent die, and delete files with entries that nobody has read."""
        self._settle()
        self._victim.kill()
        before = self._written
        for _ in range(self._random.choice((1, 2))):
            self._send(self._random.randrange(1, 50))
            self._journald.run("journalctl", "--sync")
            self._rotate()
        destroyed = set(range(before, self._written))
        self._send(3)
        for file in self._journald.archived():
            file.unlink()
            self._deleted += 1
        self._destroyed |= destroyed
        self._victim.start()

    # -- what is known of it ----------------------------------------------------------------------------------

    def _asked(self, query: str) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"file:{self._state / 'state.db'}?mode=ro", uri=True)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.Error:
            return []  # it is not there yet, or was not closed well and waits for its writer

    def _rows(self) -> dict[str, dict[str, object]]:
        found = self._asked("SELECT key, value FROM position")
        return {key.removeprefix(KEY): json.loads(value) for key, value in found if key.startswith(KEY)}

    def _counted(self) -> set[int]:
        return {int(found[0], 16) - 0xA00000 for found in self._asked("SELECT queue_id FROM open_message")}

    def _value(self, name: str) -> dict[str, int]:
        found = self._asked("SELECT name, labels, value FROM counter")
        return {",".join(json.loads(labels)): value for known, labels, value in found if known == name}

    def _lines(self) -> int:
        return sum(self._value("log_lines").values()) - sum(self._value("log_foreign_lines").values())

    def _settle(self) -> None:
        """Wait until everything is counted, or nothing happens any more."""
        eventually(lambda: answers(self._options.port), within=15, what="the agent answers")
        expected = self._written - len(self._destroyed)
        last, since = -1, time.monotonic()
        while time.monotonic() - since < UNCHANGED:
            now = self._lines()
            if now >= expected:
                time.sleep(0.6)  # what would be counted twice comes now
                return
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.05)

    def _outcome(self) -> JournalOutcome:
        counted, lines = self._counted(), self._lines()
        return JournalOutcome(
            written=self._written,
            destroyed=len(self._destroyed),
            lost=len(set(range(self._written)) - counted - self._destroyed),
            doubled=lines - len(counted) + len(counted & self._destroyed),
            gaps=self._value("log_gaps"),
            kills=self._kills,
            rotations=self._rotations,
            deleted=self._deleted,
            said=(self._options.folder / "agent.txt").read_text(),
        )


def written(path: Path) -> int | None:
    """When a file was last written."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def eventually_at_once(ask: Callable[[], bool], *, within: float) -> None:
    """Return as soon as the answer is true, or after a time."""
    end = time.monotonic() + within
    while not ask() and time.monotonic() < end:
        time.sleep(0.001)


def file_id(path: Path) -> str:
    """The ID of a journal file."""
    with path.open("rb") as file:
        header = header_of(file.fileno())
    return "" if header is None else header.file
