"""Tortures an agent: a numbered log is written, rotated and truncated, the agent killed and its disk filled meanwhile.

Promises
    Everything is drawn from the seed; what is rotated when goes by the lines written. A run ends by itself, and
    with it every process, thread and mount it began. What happened when is in ``journal.txt`` in its folder.
"""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from tests.parts.ports import free_port
from tests.torture.agents import OLDDIR
from tests.torture.disk import NotPossible, SmallDisk, small_disk
from tests.torture.ledger import Ledger
from tests.torture.lives import Lives
from tests.torture.outcome import Outcome, differences
from tests.torture.page import Reading, Watch
from tests.torture.rotation import EXACT, KINDS, Ground, leave_decoy
from tests.torture.schedule import Schedule, spread
from tests.torture.victim import Victim
from tests.torture.writer import Writer

if TYPE_CHECKING:
    import threading
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from tests.torture.agents import Agent

WARM_WITHIN: Final = 20.0
ANSWERS_WITHIN: Final = 10.0
UNCHANGED: Final = 15.0
"""So long nothing was counted any more though something is missing: longer than the agent waits between tries."""


class TimeIsUp(AssertionError):  # noqa: N818 - the words of this house
    """The run did not end within its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torture:
    """What to do to ``agent``, in ``folder``. ``rate`` is lines a second in a burst; ``settle`` how long the end must last."""

    agent: Agent
    folder: Path
    seed: int = 1
    lines: int = 4000
    rate: float = 2000.0
    kills: int = 0
    rotations: int = 0
    kinds: tuple[str, ...] = EXACT
    decoys: int = 0
    full_disks: int = 0
    crash_points: int = 0
    settle: float = 3.0

    @property
    def limit(self) -> float:
        """Seconds within which all is over."""
        lives = 5 * self.kills + 10 * self.crash_points
        return 90 + lives + 15 * self.full_disks + 3 * self.rotations + 3 * self.lines / self.rate

    def rotated(self) -> list[str]:
        """The kinds of rotation in their order: runs with following seeds take turns, so that together they do all."""
        first = self.seed * self.rotations
        kinds = [self.kinds[(first + number) % len(self.kinds)] for number in range(self.rotations)]
        Random(f"kinds {self.seed}").shuffle(kinds)
        return kinds

    def run(self) -> Outcome:
        """Do it. Raises NotPossible where this machine does not let us, TimeIsUp, and what went wrong in a thread."""
        if self.crash_points and shutil.which("strace") is None:
            raise NotPossible("crash points need strace: apt install strace")
        state = self.folder / "state"
        state.mkdir(parents=True)
        with small_disk(state) if self.full_disks else nullcontext() as disk:
            return _Run(self, state, disk).run()


class _Run:
    """One run and what it is made of."""

    def __init__(self, options: Torture, state: Path, disk: SmallDisk | None) -> None:
        self._options = options
        self._end = time.monotonic() + options.limit
        self._begun = time.monotonic()
        self._disk = disk
        self._journal: list[str] = []
        self._port = free_port()
        self._full = 0
        self._answered = 0
        log = options.folder / "log" / "mail.log"
        log.parent.mkdir()
        if any(kind.startswith("olddir") for kind in options.kinds):
            (log.parent / OLDDIR).mkdir()
        self._ledger = Ledger()
        self._writer = Writer(log, self._ledger, lines=options.lines, rate=options.rate, seed=options.seed)
        self._ground = Ground(
            log=log,
            olddir=log.parent / OLDDIR,
            writer=self._writer,
            ledger=self._ledger,
            random=Random(f"rotations {options.seed}"),
        )
        self._victim = Victim(options.agent.arguments(log, state, self._port), options.folder / "agent.txt")
        self._watch = Watch(self._ask, options.agent.counter, self._ledger, self._note)
        self._rotations, self._decoys, self._disks = self._schedules()
        self._threads = (self._writer, self._rotations, self._decoys, self._disks, self._watch)
        self._lives = Lives(
            self._victim,
            self._port,
            Random(f"lives {options.seed}"),
            ends=(options.kills, options.crash_points),
            rotation=self._rotations.begun,
            ledger=self._ledger,
            note=self._note,
            check=self._check,
        )

    def run(self) -> Outcome:
        """Everything, from the first line to the comparison."""
        with ExitStack() as stack:
            stack.callback(self._write_journal)
            stack.callback(self._victim.kill)
            stack.callback(self._stop)
            self._warm_up()
            for schedule in (self._rotations, self._decoys, self._disks):
                schedule.start()
            self._lives.run(self._pace)
            self._writer.finish()
            for thread in self._threads[:-1]:
                self._wait_for(thread)
            self._note("everything is written")
            return self._outcome(self._settled())

    # -- the parts --------------------------------------------------------------------------------------------

    def _schedules(self) -> tuple[Schedule, Schedule, Schedule]:
        options, random = self._options, Random(f"moments {self._options.seed}")
        decoys = replace(self._ground, random=Random(f"decoys {options.seed}"))
        disks = Random(f"disks {options.seed}")
        deeds: dict[str, list[Callable[[], None]]] = {
            "rotations": [partial(self._rotate, kind) for kind in options.rotated()],
            "decoys": [partial(leave_decoy, decoys)] * options.decoys,
            "disks": [partial(self._fill_disk, disks)] * options.full_disks,
        }
        rotations, copies, fills = (
            Schedule(name, self._ledger, spread(random, options.lines, acts)) for name, acts in deeds.items()
        )
        return rotations, copies, fills

    def _warm_up(self) -> None:
        """Begin when the agent has counted something: what was rotated before its very first start is history, not loss."""
        self._pace(self._lives.expected)
        self._writer.start()
        self._victim.start()
        end = time.monotonic() + WARM_WITHIN
        while not self._counted():
            self._check()
            if time.monotonic() > end:
                raise TimeIsUp(f"the agent counted nothing within {WARM_WITHIN} s of its first start")
            time.sleep(0.05)
        self._note("the agent counts")
        self._watch.start()

    def _rotate(self, kind: str) -> None:
        self._note(f"{kind} begins")
        KINDS[kind](self._ground)
        self._note(f"{kind} is done")

    def _fill_disk(self, random: Random) -> None:
        """Fill the disk for a while, and until the page was seen meanwhile."""
        assert self._disk is not None
        self._disk.fill(random.choice((0, 0, 1, 8)))
        since = time.monotonic()
        self._note("the disk is full")
        self._full += 1
        time.sleep(random.uniform(0.5, 2.5))
        while self._watch.answered_at < since and time.monotonic() < since + ANSWERS_WITHIN:
            time.sleep(0.05)
        self._answered += self._watch.answered_at >= since
        self._disk.free()
        self._note("the disk has room")

    def _pace(self, seconds: float) -> None:
        """Let the lines last as long as the lives."""
        left = max(1, self._options.lines - self._ledger.written)
        self._writer.pace = min(self._options.rate, left / max(1.1 * seconds, 0.1))

    # -- the end ----------------------------------------------------------------------------------------------

    def _settled(self) -> Reading:
        """What is counted when nothing is missing for ``settle`` seconds, or nothing changes any more."""
        window, written = self._ledger.window_totals(), self._ledger.totals()
        last, since = None, time.monotonic()
        while True:
            self._check()
            self._lives.revive()
            reading = self._ask()
            if reading != last:
                last, since = reading, time.monotonic()
            quiet = time.monotonic() - since
            if reading is not None:
                missing = written - self._options.agent.counter.statuses(reading) - window
                if quiet >= (UNCHANGED if missing else self._options.settle):
                    return reading
            time.sleep(0.2)

    def _outcome(self, reading: Reading) -> Outcome:
        counter, written = self._options.agent.counter, self._ledger.totals()
        counted, window = counter.statuses(reading), self._ledger.window_totals()
        lost, doubled, lost_in_window = differences(written, counted, self._watch.ahead, window)
        return Outcome(
            seed=self._options.seed,
            by_status={status: (written[status], counted[status]) for status in sorted({*written, *counted})},
            lost=lost,
            doubled=doubled,
            window=window.total(),
            lost_in_window=lost_in_window,
            kills=self._lives.kills,
            rotations=self._rotations.done,
            crash_points=self._lives.crash_points,
            full_disks=self._full,
            answered_while_full=self._answered,
            deaths=self._lives.deaths,
            tracebacks=(self._options.folder / "agent.txt").read_bytes().count(b"Traceback (most recent call last)"),
            went_back=tuple(self._watch.went_back),
            gaps=dict(counter.gaps_in(reading)),
        )

    # -- small things -----------------------------------------------------------------------------------------

    def _ask(self) -> Reading | None:
        return self._options.agent.counter(self._port)

    def _counted(self) -> Counter[str] | None:
        reading = self._ask()
        return None if reading is None else self._options.agent.counter.statuses(reading)

    def _check(self) -> None:
        """Raise what went wrong in a thread, or TimeIsUp."""
        for each in self._threads:
            if each.failure is not None:
                raise each.failure
        if time.monotonic() > self._end:
            raise TimeIsUp(f"the run did not end within {self._options.limit:.0f} s: see {self._options.folder}")

    def _wait_for(self, each: threading.Thread) -> None:
        while each.is_alive():
            self._check()
            each.join(0.1)
        self._check()

    def _stop(self) -> None:
        for each in self._threads:
            each.stop()
        for each in self._threads:
            if each.ident is not None:
                each.join(ANSWERS_WITHIN + 5)

    def _note(self, what: str) -> None:
        self._journal.append(f"{time.monotonic() - self._begun:8.3f} {self._ledger.written:6} {what}")

    def _write_journal(self) -> None:
        (self._options.folder / "journal.txt").write_text("".join(f"{line}\n" for line in self._journal))
