"""What came of a run: what was written against what was counted, status by status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``lost`` and ``doubled`` are sums over the statuses, so that one status cannot make up for another.

    ``window`` lines lay between a copy and its truncation; ``lost_in_window`` of the lost may be among them.
    ``doubled`` is the largest surplus at any time of the run, so that a later loss cannot make up for it.
    ``deaths`` are ends of the agent that nobody caused; ``went_back`` names the counters that did.
    """

    seed: int
    by_status: Mapping[str, tuple[int, int]]
    lost: int
    doubled: int
    window: int
    lost_in_window: int
    kills: int
    rotations: int
    crash_points: int
    full_disks: int
    answered_while_full: int
    deaths: int
    tracebacks: int
    went_back: tuple[str, ...]
    gaps: Mapping[str, int]

    @property
    def written(self) -> int:
        """How many lines there were."""
        return sum(written for written, _ in self.by_status.values())

    @property
    def exact(self) -> bool:
        """Whether every line was counted once, all the time, by an agent that never failed."""
        return (
            self.lost == self.lost_in_window
            and self.doubled == 0
            and not self.went_back
            and self.deaths == 0
            and self.answered_while_full == self.full_disks
        )

    def __str__(self) -> str:
        """One line."""
        statuses = ", ".join(f"{status} {counted}/{written}" for status, (written, counted) in self.by_status.items())
        extra = {
            "in the copytruncate window": self.window and f"{self.lost_in_window} of {self.window} lost",
            "crash points": self.crash_points,
            "full disks": self.full_disks and f"{self.full_disks} (answered in {self.answered_while_full})",
            "gaps": " ".join(f"{reason}={number}" for reason, number in self.gaps.items()),
            "ended by itself": self.deaths,
            "tracebacks": self.tracebacks,
            "went back": "; ".join(self.went_back),
        }
        told = "".join(f"; {name}: {value}" for name, value in extra.items() if value)
        return (
            f"seed {self.seed}: lost {self.lost}, doubled {self.doubled} of {self.written} ({statuses}), "
            f"kills {self.kills}, rotations {self.rotations}{told}"
        )


def differences(
    written: Counter[str], counted: Counter[str], ahead: Counter[str], window: Counter[str]
) -> tuple[int, int, int]:
    """How many lines were lost, how many doubled, and how many of the lost ones the window explains."""
    lost = written - counted
    doubled = ahead | (counted - written)
    return lost.total(), doubled.total(), (lost & window).total()
