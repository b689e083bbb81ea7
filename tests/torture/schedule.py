"""Does things when so many lines were written: what happens when is then the seed's choice and not the machine's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from tests.torture.ledger import Ledger

BETWEEN: Final = 0.01

Act = tuple[int, "Callable[[], None]"]


def spread(random: Random, lines: int, deeds: Iterable[Callable[[], None]]) -> list[Act]:
    """Deeds, in their order, with the numbers of lines at which to do them: from 3 to 95 of a hundred."""
    planned = list(deeds)
    moments = sorted(int(lines * random.uniform(0.03, 0.95)) for _ in planned)
    return list(zip(moments, planned, strict=True))


class Schedule(threading.Thread):
    """Does one thing after the other; what is due while another is being done follows at once."""

    def __init__(self, name: str, ledger: Ledger, acts: list[Act]) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: BaseException | None = None
        self.done = 0
        self.begun = threading.Event()
        """Set whenever something begins; for whoever wants to be there."""
        self._ledger = ledger
        self._acts = acts
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def run(self) -> None:
        """Do everything."""
        try:
            for lines, act in self._acts:
                while self._ledger.written < lines and not self._stopping.wait(BETWEEN):
                    pass
                if self._stopping.is_set():
                    return
                self.begun.set()
                act()
                self.done += 1
        except BaseException as error:  # noqa: BLE001 - raised again by whoever looks at it
            self.failure = error
