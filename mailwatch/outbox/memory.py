"""What a channel's thread knows that the state does not: told from memory, or told and not to be written down yet.

Promises
    Bounded: of more than ``MOST`` notifications the oldest go, those that are told first. What is about the same thing
    keeps its order. A notification stays until it is committed, so that the first commit that works takes it along:
    what was not told is told by a row then, and what was is known to have been.

Used by the work loop and by the channel's thread, under a lock.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.letters import Kept, topic
from mailwatch.outbox.rows import LATEST, Aside, Taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.channels.wire import Outcome
    from mailwatch.notification import Notification

MOST: Final = 256
HOUR: Final = 3600.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Alone:
    """A notification that no row remembers. ``ended``: when it was told, or given up."""

    notification: Notification
    made_at: float
    again_at: float = 0.0
    tries: int = 0
    ended: float | None = None
    refused: bool = False
    """Whether the channel says never: what comes behind it need not wait."""
    told: Outcome | None = None


class Memory:
    """Of one channel."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._alone: dict[str, Alone] = {}
        self._told: dict[str, Outcome] = {}
        self._held: dict[str, tuple[float, int]] = {}

    def put(self, notification: Notification, now: float) -> bool:
        """Keep one to be told, at most once an hour for each key; whether it is to be told."""
        with self._lock:
            before = self._alone.get(notification.key)
            if before is not None and (before.ended is None or 0 <= now - before.made_at < HOUR):
                return False
            self._alone.pop(notification.key, None)
            if len(self._alone) >= MOST:
                done = next((key for key, each in self._alone.items() if each.ended is not None), None)
                if done is None:
                    done = next(iter(self._alone))
                    log.error("channel=%s: gave up %s: too many are kept in memory", self._channel, done)
                del self._alone[done]
            self._alone[notification.key] = Alone(notification, now)
            return True

    def due(self, now: float) -> list[Taken]:
        """What is to be told: of each topic the first, where that is due."""
        found: dict[str, Taken | None] = {}
        with self._lock:
            for each in self._alone.values():
                if each.ended is None and not (each.refused and now < each.again_at):
                    is_due = not now < each.again_at <= now + LATEST
                    taken = Taken(each.notification, each.tries, each.made_at, in_row=False) if is_due else None
                    found.setdefault(topic(each.notification), taken)
        return [each for each in found.values() if each is not None]

    def settle(self, taken: Taken, outcome: Outcome, now: float, again_at: float | None) -> None:
        """Remember what became of one, where no row can: it was told, is due again at ``again_at``, or given up."""
        key = taken.notification.key
        with self._lock:
            alone = self._alone.get(key)
            if alone is not None:
                alone.tries, alone.refused = taken.tries + 1, outcome.permanent
                alone.told = outcome if outcome.sent else None
                if outcome.sent or again_at is None:
                    alone.ended = now
                else:
                    alone.again_at = again_at
                return
            self._held.pop(key, None)
            if outcome.sent:
                self._told[key] = outcome
            elif again_at is not None:
                self._held[key] = again_at, taken.tries + 1

    def aside(self, now: float) -> Aside:
        """What is known of rows."""
        with self._lock:
            return Aside([*self._told], [key for key, (again_at, _) in self._held.items() if again_at > now])

    def tries(self, taken: Taken) -> Taken:
        """A row with the tries that could not be written."""
        with self._lock:
            held = self._held.get(taken.notification.key)
        return taken if held is None else taken._replace(tries=max(taken.tries, held[1]))

    def unmarked(self) -> dict[str, Outcome]:
        """What was told, by key, and is not marked so."""
        with self._lock:
            return dict(self._told)

    def marked(self, key: str) -> None:
        """It is."""
        with self._lock:
            self._told.pop(key, None)

    def writable(self) -> None:
        """Rows say again when they are due."""
        with self._lock:
            self._held.clear()

    def kept(self) -> list[Kept]:
        """What no row remembers, in its order."""
        with self._lock:
            return [
                Kept(self._channel, each.notification, each.made_at, each.ended, each.told is not None)
                for each in self._alone.values()
            ]

    def committed(self, ended: Mapping[str, float | None]) -> None:
        """Rows remember these keys now, and when each was done with; one that was told meanwhile is marked later."""
        with self._lock:
            for key, written in ended.items():
                alone = self._alone.pop(key, None)
                if alone is not None and alone.told is not None and written is None:
                    self._told[key] = alone.told

    def next_at(self, now: float) -> float | None:
        """When something of it is due, or to be marked (seconds)."""
        with self._lock:
            times = [each.again_at for each in self._alone.values() if each.ended is None]
            times += [again_at for again_at, _ in self._held.values()]
            if self._told:
                times.append(now + 1.0)
        return min(times, default=None)
