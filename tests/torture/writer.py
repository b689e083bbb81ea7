"""Writes the numbered log, in bursts, as a syslog daemon does: one descriptor, opened anew only when told to.

Promises
    Each line is written once and whole into one file, though a write may be torn in two halves with a pause
    between them: a rename may fall into that pause, a truncation or a reopening may not, for such a line
    would be nobody's. The same seed writes the same lines; only their times differ.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from random import Random
from typing import TYPE_CHECKING, Final

from tests.torture.lines import STATUSES, delivery, noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.ledger import Ledger

TORN: Final = 0.15
"""The share of writes that come in two halves."""
RESERVED: Final = 0.03
"""The share of the lines that are written last, when told to: so that there is something to count at the end."""
LONGEST_REST: Final = 2.0


class Writer(threading.Thread):
    """Appends ``lines`` numbered lines to ``log``: ``rate`` a second within a burst, ``pace`` a second on the whole."""

    def __init__(self, log: Path, ledger: Ledger, *, lines: int, rate: float, seed: int) -> None:
        super().__init__(name="writer", daemon=True)
        self.failure: BaseException | None = None
        self.pace = rate
        self._log = log
        self._ledger = ledger
        self._lines = lines
        self._rate = rate
        self._random = Random(f"lines {seed}")
        self._rhythm = Random(f"rhythm {seed}")
        self._lock = threading.RLock()
        self._finishing = threading.Event()
        self._stopping = threading.Event()
        self._descriptor = -1

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is written meanwhile, and no line is half written."""
        with self._lock:
            yield

    def reopen(self) -> None:
        """Go on in the file that has the log's name now; make it where there is none."""
        with self._lock:
            opened = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._let_go()
            self._descriptor = opened

    def finish(self) -> None:
        """Write the rest at the full rate."""
        self._finishing.set()

    def stop(self) -> None:
        """Write no more."""
        self._stopping.set()
        self._finishing.set()

    def run(self) -> None:
        """Write everything."""
        try:
            self.reopen()
            while not self._stopping.is_set() and self._ledger.written < self._lines:
                room = self._room()
                if room <= 0:
                    self._finishing.wait(0.02)
                    continue
                self._burst(min(room, self._rhythm.randrange(5, 150)))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever looks at it
            self.failure = error
        finally:
            with self._lock:
                self._let_go()

    def _room(self) -> int:
        reserved = 0 if self._finishing.is_set() else max(1, int(self._lines * RESERVED))
        return self._lines - reserved - self._ledger.written

    def _burst(self, size: int) -> None:
        begun = time.monotonic()
        left = size
        while left > 0 and not self._stopping.is_set():
            number = min(left, self._rhythm.randrange(1, 40))
            self._write(b"".join(self._piece() for _ in range(number)))
            self._stopping.wait(number / self._rate)
            left -= number
        rest = min(begun + size / self.pace - time.monotonic(), LONGEST_REST)
        if rest > 0:
            self._finishing.wait(rest)

    def _piece(self) -> bytes:
        before = noise(self._random)
        status = self._random.choices(tuple(STATUSES), tuple(STATUSES.values()))[0]
        return before + delivery(self._random, self._ledger.enter(status), status)

    def _write(self, content: bytes) -> None:
        torn = self._rhythm.random() < TORN
        cut = self._rhythm.randrange(1, len(content)) if torn else len(content)
        pause = self._rhythm.uniform(0, 0.08)
        with self._lock:
            self._append(content[:cut])
            if torn:
                time.sleep(pause)
                self._append(content[cut:])

    def _append(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._descriptor, content) :]

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
