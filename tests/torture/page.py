"""Reads an agent's metrics page, and watches that no counter on it ever goes back."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.torture.ledger import Ledger

WITHIN: Final = 5.0
BETWEEN: Final = 0.15

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Every counter of a page, by name and labels. Empty where the page answered without counters."""

    counters: Mapping[tuple[str, Labels], float]

    def by(self, name: str, label: str) -> Counter[str]:
        """The samples of a counter, added up by one label; zeroes left out."""
        totals: Counter[str] = Counter()
        for (found, labels), value in self.counters.items():
            if found == name and value:
                totals[dict(labels)[label]] += int(value)
        return totals


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCounter:
    """Asks the agent at a port what it has counted. ``attempts`` and ``gaps`` are its names for the two."""

    attempts: str
    gaps: str = ""

    def __call__(self, port: int) -> Reading | None:
        """What the page says now; None when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WITHIN) as answer:
                text = answer.read().decode()
        except (OSError, http.client.HTTPException):  # it may be killed in the middle of its answer
            return None
        return Reading(
            counters={
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                # those of the process begin anew with it, as every library has them
                if family.type == "counter" and not family.name.startswith("process_")
                for sample in family.samples
            }
        )

    def statuses(self, reading: Reading) -> Counter[str]:
        """Delivery attempts by status."""
        return reading.by(self.attempts, "status")

    def gaps_in(self, reading: Reading) -> Counter[str]:
        """Gaps by reason."""
        return reading.by(self.gaps, "reason")


class Watch(threading.Thread):
    """Looks at the page all the time. ``went_back`` names each counter that did; ``ahead`` what was never written."""

    def __init__(
        self,
        ask: Callable[[], Reading | None],
        counter: PageCounter,
        ledger: Ledger,
        note: Callable[[str], None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self.went_back: list[str] = []
        self.ahead: Counter[str] = Counter()
        self.answered_at = 0.0
        self.failure: BaseException | None = None
        self._ask = ask
        self._counter = counter
        self._ledger = ledger
        self._note = note
        self._gaps: Counter[str] = Counter()
        self._highest: dict[tuple[str, Labels], float] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def run(self) -> None:
        """Look until told to stop."""
        try:
            while not self._stopping.wait(BETWEEN):
                asked_at = time.monotonic()
                reading = self._ask()
                if reading is not None:
                    self.answered_at = asked_at
                    self._compare(reading)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever looks at it
            self.failure = error

    def _compare(self, reading: Reading) -> None:
        for series, value in reading.counters.items():
            highest = self._highest.get(series, 0.0)
            if value < highest:
                self.went_back.append(f"{series[0]}{dict(series[1])} {highest:g} -> {value:g}")
            self._highest[series] = max(highest, value)
        surplus = self._counter.statuses(reading) - self._ledger.totals()
        self.ahead |= surplus
        gaps = self._counter.gaps_in(reading)
        if gaps - self._gaps:
            self._note(f"gaps {dict(gaps - self._gaps)}")
            self._gaps |= gaps
