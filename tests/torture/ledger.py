"""What was written: the status of every numbered line, and which lines a truncation may have destroyed."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBERED: Final = re.compile(rb"<seq([0-9]+)@torture\.example>")


def numbers_in(content: bytes) -> set[int]:
    """The sequence numbers of the lines that lie in some bytes of log."""
    return {int(found) for found in NUMBERED.findall(content)}


class Ledger:
    """Knows each line before it is on the disk, so that no reader can be ahead of it. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: list[str] = []
        self._totals: Counter[str] = Counter()
        self._window: set[int] = set()

    def enter(self, status: str) -> int:
        """Enter a line that is about to be written; its sequence number."""
        with self._lock:
            self._statuses.append(status)
            self._totals[status] += 1
            return len(self._statuses) - 1

    def destroyed(self, numbers: Iterable[int]) -> None:
        """Note lines that were in the log between a copy of it and its truncation: a reader may have missed them."""
        with self._lock:
            self._window.update(numbers)

    @property
    def written(self) -> int:
        """How many lines there are."""
        return len(self._statuses)

    def totals(self) -> Counter[str]:
        """How many lines of each status there are."""
        with self._lock:
            return Counter(self._totals)

    def window(self) -> set[int]:
        """The lines that no reader needs to have seen."""
        with self._lock:
            return set(self._window)

    def window_totals(self) -> Counter[str]:
        """How many of those there are of each status."""
        with self._lock:
            return Counter(self._statuses[number] for number in self._window)
