"""Writes to a log as syslog does, at a given rate, while something is measured."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from tests.bench.sample import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY: Final = 0.01
FOREVER: Final = 1_000_000_000
"""More lines than anybody waits for."""


@dataclass(slots=True)
class Writer:
    """Appends lines to a log, ``rate`` a second, in a thread of its own. ``written`` says how many."""

    log: Path
    rate: float
    written: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write until the block is left."""
        thread = threading.Thread(target=self._write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(10)

    def _write(self) -> None:
        # as many hours as the lines take at this rate, from now on: their stamps are those of the moment
        seconds = FOREVER / self.rate
        source = lines(FOREVER, hours=seconds / 3600, until=time.time() + seconds)
        begin = time.monotonic()
        with appending(self.log) as descriptor:
            while not self._over.wait(EVERY):
                due = int((time.monotonic() - begin) * self.rate) - self.written
                if due > 0:
                    os.write(descriptor, b"".join(islice(source, due)))
                    self.written += due


@contextlib.contextmanager
def appending(log: Path) -> Iterator[int]:
    """A descriptor that appends to the log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
