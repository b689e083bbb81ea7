"""The lives of the agent: it is killed at random moments, or at a system call, and started again at once or later.

Most kills wait until the agent is up, for a process that is still importing has nothing to lose. Of these
some then wait for a rotation to begin, and some for lines to be written, which are about to be counted then.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from tests.parts.ports import answers
from tests.torture.victim import CrashPoint

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from random import Random

    from tests.torture.ledger import Ledger
    from tests.torture.victim import Victim

KILL, CRASH = "kill", "crash point"
EXPECTED: Final = {KILL: 1.2, CRASH: 2.0}
"""Seconds that a life with this end lasts, about, with the death after it."""
EARLY, AT_ROTATION, AT_WRITE = 0.15, 0.3, 0.35
"""The shares of the kills that come while it starts, in a rotation, and right after a write; the others come at any time."""
WAITS: Final = 1.0
UP_WITHIN: Final = 10.0
CRASHES_WITHIN: Final = 2.0


class Lives:
    """Goes through ``kills`` and ``crash_points`` ends in random order, and leaves the agent running."""

    def __init__(
        self,
        victim: Victim,
        port: int,
        random: Random,
        *,
        ends: tuple[int, int],
        rotation: threading.Event,
        ledger: Ledger,
        note: Callable[[str], None],
        check: Callable[[], None],
    ) -> None:
        self.kills = 0
        self.crash_points = 0
        self.deaths = 0
        self._victim = victim
        self._port = port
        self._random = random
        self._planned = [KILL] * ends[0] + [CRASH] * ends[1]
        self._rotation = rotation
        self._ledger = ledger
        self._note = note
        self._check = check
        random.shuffle(self._planned)

    @property
    def expected(self) -> float:
        """Seconds that all of them last, about."""
        return sum(EXPECTED[end] for end in self._planned)

    def run(self, pace: Callable[[float], None]) -> None:
        """Live every life. ``pace`` is told before each how many seconds are left, about."""
        begun, lived, left = time.monotonic(), 0.0, self.expected
        for number, end in enumerate(self._planned):
            slowness = (time.monotonic() - begun) / lived if number >= 5 else 1.0
            pace(left * slowness)
            if end == KILL:
                self._until_killed()
            else:
                self._until_crashed()
            lived += EXPECTED[end]
            left -= EXPECTED[end]
            time.sleep(self._random.choice((0.0, 0.0, self._random.uniform(0, 1.5))))
        self.revive()

    def revive(self) -> None:
        """Start the agent if it is not running; an end that nobody caused is counted."""
        ended = self._victim.ended()
        if ended is None:
            return
        self._note_death(ended)
        self._victim.start()

    def _note_death(self, ended: int) -> None:
        if ended != -signal.SIGKILL:
            self.deaths += 1
            self._note(f"the agent ended by itself: {ended}")

    def _kill(self) -> None:
        self._victim.kill()
        self.kills += 1
        self._note(f"kill {self.kills}")

    def _until_killed(self) -> None:
        while True:
            self._check()
            self.revive()
            self._live()
            if self._victim.ended() is None:
                self._kill()
                return

    def _live(self) -> None:
        """Let it live for a while."""
        drawn = self._random.random() - EARLY
        if drawn < 0:
            time.sleep(self._random.uniform(0, 0.6))
            return
        self._wait_until_up()
        if drawn < AT_ROTATION:
            self._rotation.clear()
            self._rotation.wait(WAITS)
            time.sleep(self._random.uniform(0, 0.3))
        elif drawn < AT_ROTATION + AT_WRITE:
            time.sleep(self._random.uniform(0, 0.5))
            self._wait_for_a_write()
            time.sleep(self._random.uniform(0, 0.08))
        else:
            time.sleep(self._random.uniform(0, 0.9))

    def _wait_for_a_write(self) -> None:
        before, end = self._ledger.written, time.monotonic() + WAITS
        while self._ledger.written == before and time.monotonic() < end:
            time.sleep(0.002)

    def _wait_until_up(self) -> None:
        end = time.monotonic() + UP_WITHIN
        while not answers(self._port) and self._victim.ended() is None and time.monotonic() < end:
            time.sleep(0.01)

    def _until_crashed(self) -> None:
        """Start it under strace until it dies of that; a call that it does not make in time is an ordinary kill."""
        if self._victim.ended() is None:
            self._kill()
        while True:
            self._check()
            crash_point = CrashPoint.drawn(self._random)
            self._victim.start(crash_point)
            ended = self._victim.wait(CRASHES_WITHIN)
            if ended is None:
                self._kill()
                continue
            self._victim.kill()
            self._note_death(ended)
            if ended == -signal.SIGKILL:
                self.crash_points += 1
                self._note(f"{CRASH} {self.crash_points}: {crash_point.call} {crash_point.when}")
                return
