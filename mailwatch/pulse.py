"""How the agent itself is: written by the work loop, read by the page. Each value is replaced whole, so no lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

FRESH: Final = 15.0
"""Seconds within which the work loop must have come round to be called alive; it does so once a second."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether something could be seen at the last look (None: not looked yet), when last, and why not."""

    success: bool | None = None
    succeeded_at: float | None = None
    trouble: str | None = None


@dataclass(slots=True)
class Pulse:
    """``ticked_at`` (monotonic seconds) is when the work loop last came round."""

    ticked_at: float | None = None
    log: Seen = field(default_factory=Seen)
    state: Seen = field(default_factory=Seen)

    def probes(self) -> dict[str, Seen]:
        """What is looked at: the log that is read, the state that is written."""
        return {"log": self.log, "state": self.state}

    def complaint(self, now: float) -> str | None:
        """Why the agent is not well (``now`` in monotonic seconds); None when it is."""
        if self.ticked_at is None:
            return "the work loop has not come round yet"
        if now - self.ticked_at > FRESH:
            return f"the work loop has not come round for {now - self.ticked_at:.0f} s"
        return next((seen.trouble for seen in self.probes().values() if seen.success is False), None)


def looked(before: Seen, trouble: str | None, now: float) -> Seen:
    """What is known after a look at ``now`` (seconds) that found this trouble or none."""
    if trouble is None:
        return Seen(success=True, succeeded_at=now)
    return Seen(success=False, succeeded_at=before.succeeded_at, trouble=trouble)
