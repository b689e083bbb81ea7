"""Tells one channel what is due for it, in a thread of its own: a channel that hangs holds up no other.

What cannot be marked as told (the disk is full) is told nevertheless, once by this process, and marked when it can be.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.channels.alertmanager import REPEAT
from mailwatch.channels.deliver import deliver
from mailwatch.database import StateError
from mailwatch.letters import topic
from mailwatch.notification import RESOLVED
from mailwatch.outbox import rows
from mailwatch.outbox.rows import Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mailwatch.channels.wire import Outcome
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

BACK_OFF: Final = (5.0, 15.0, 60.0, 300.0, 900.0)
"""Seconds until the next try, the last one again and again; a fifth more or less: hosts are not to come together."""
LONGEST_WAIT: Final = 3600.0
"""More is waited for no Retry-After."""
GIVE_UP_AFTER: Final = 86_400.0
ESCALATE_AFTER: Final = 3
"""Failed tries until the next channel is told as well."""
LEASE: Final = 30.0
"""Seconds beyond the channel's own timeout."""
LOOK: Final = 60.0
IN_MEMORY: Final = 256
HOUR: Final = 3600.0

log = logging.getLogger(__name__)


class Worker:
    """``others``: the channels after this one, which are told what this one does not take."""

    def __init__(
        self, folder: Path, channel: ChannelOptions, others: Sequence[str], hand_on: Callable[[str, Notification], None]
    ) -> None:
        self._folder = folder
        self._channel = channel
        self._others = others
        self._hand_on = hand_on
        self._wake = threading.Condition()
        self._woken = self._stopping = False
        self._memory: deque[tuple[float, Taken]] = deque(maxlen=IN_MEMORY)
        self._at: dict[str, float] = {}
        self._unmarked: dict[int, Outcome] = {}
        self._forgotten = 0
        self._posted: dict[str, Notification] = {}
        self._posted_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"channel-{channel.name}", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        if self._thread.is_alive():
            self._thread.join(max(seconds, 0))

    def wake(self) -> None:
        """There may be something due."""
        with self._wake:
            self._woken = True
            self._wake.notify()

    def tell_from_memory(self, notification: Notification, now: float) -> None:
        """Tell what no row remembers, at most once an hour for each key."""
        with self._wake:
            if now - self._at.get(notification.key, -HOUR) < HOUR:
                return
            if len(self._at) >= IN_MEMORY:
                self._at.clear()
            self._at[notification.key] = now
            self._memory.append((0.0, Taken(None, notification, 0, now)))
            self._woken = True
            self._wake.notify()

    def _run(self) -> None:
        if self._channel.kind == "alertmanager":
            self._posted = {topic(each): each for each in rows.told_of(self._folder, self._channel.name)}
        while not self._stopping:
            try:
                wait = 0.0 if self._tell_next() else self._seconds_to_next()
            except Exception:  # a bug in here must not silence a channel for good
                log.exception("channel=%s: a bug while telling it", self._channel.name)
                wait = LOOK
            with self._wake:
                if not self._woken and not self._stopping and wait > 0:
                    self._wake.wait(wait)
                self._woken = False

    def _tell_next(self) -> bool:
        """Tell what is due; whether there was anything."""
        self._repeat()
        taken = self._from_memory() or self._from_rows()
        if taken is None:
            return False
        outcome = deliver(self._channel, taken.notification)
        now = time.time()
        self._say(taken, outcome)
        if outcome.sent:
            self._note(taken.notification)
        again_at = None if outcome.sent else self._again_at(taken, outcome, now)
        if taken.number is None:
            self._settle_in_memory(taken, again_at)
        else:
            self._settle(taken, outcome, now, again_at)
        return True

    def _from_memory(self) -> Taken | None:
        with self._wake:
            for each in self._memory:
                if each[0] <= time.time():
                    self._memory.remove(each)
                    return each[1]
        return None

    def _from_rows(self) -> Taken | None:
        folder, name, now = self._folder, self._channel.name, time.time()
        try:
            self._mark()
            return rows.take(folder, name, now, self._channel.timeout + LEASE)
        except StateError:
            # it cannot be leased: then nobody else has it, for we are the one who holds the lock of this state
            return rows.waiting(folder, name, now, self._unmarked)

    def _mark(self) -> None:
        """Mark what was told while that could not be written. Raises StateError."""
        for number, outcome in list(self._unmarked.items()):
            rows.settle(self._folder, number, self._channel.name, outcome, time.time(), None)
            del self._unmarked[number]

    def _settle(self, taken: Taken, outcome: Outcome, now: float, again_at: float | None) -> None:
        assert taken.number is not None  # noqa: S101 - for the type checker
        try:
            rows.settle(self._folder, taken.number, self._channel.name, outcome, now, again_at)
            if self._is_to_escalate(taken, outcome, again_at):
                chosen = rows.escalate(self._folder, taken.notification, self._others, now)
                if chosen is not None:
                    log.warning("channel=%s does not take it: told by channel=%s", self._channel.name, chosen)
                    self._hand_on(chosen, taken.notification)
        except StateError:
            if outcome.sent:
                self._unmarked[taken.number] = outcome
                return
            # no row remembers that it failed, and it is due at once: not in a circle, for each try costs a process
            wait = BACK_OFF[min(self._forgotten, len(BACK_OFF) - 1)]
            self._forgotten += 1
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._woken, min(wait, LOOK))
        else:
            self._forgotten = 0

    def _settle_in_memory(self, taken: Taken, again_at: float | None) -> None:
        if again_at is not None:
            with self._wake:
                self._memory.append((again_at, taken._replace(tries=taken.tries + 1)))

    def _is_to_escalate(self, taken: Taken, outcome: Outcome, again_at: float | None) -> bool:
        return not outcome.sent and (again_at is None or taken.tries + 1 == ESCALATE_AFTER)

    def _again_at(self, taken: Taken, outcome: Outcome, now: float) -> float | None:
        """When to try again (seconds); None to give up."""
        if outcome.permanent or now - taken.made_at >= GIVE_UP_AFTER:
            return None
        wait = BACK_OFF[min(taken.tries, len(BACK_OFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        return now + max(wait, min(outcome.retry_after or 0.0, LONGEST_WAIT))

    def _say(self, taken: Taken, outcome: Outcome) -> None:
        name, key = self._channel.name, taken.notification.key
        if outcome.sent:
            log.info("channel=%s took %s in %.1f s: %s", name, key, outcome.took, outcome.answer)
        else:
            log.error("channel=%s did not take %s (try %d): %s", name, key, taken.tries + 1, outcome.answer)

    def _note(self, notification: Notification) -> None:
        """An Alertmanager forgets what it is not told again."""
        if self._channel.kind != "alertmanager":
            return
        if notification.kind == RESOLVED:
            self._posted.pop(topic(notification), None)
        else:
            self._posted[topic(notification)] = notification

    def _repeat(self) -> None:
        now = time.monotonic()
        if now - self._posted_at < REPEAT:
            return
        self._posted_at = now
        for notification in list(self._posted.values()):
            deliver(self._channel, replace(notification, at=time.time()))

    def _seconds_to_next(self) -> float:
        waits = [LOOK]
        due = rows.next_due(self._folder, self._channel.name, self._unmarked)
        if due is not None:
            waits.append(max(due - time.time(), 0.05))
        with self._wake:
            waits += [max(at - time.time(), 0.05) for at, _ in self._memory]
        if self._posted:
            waits.append(max(self._posted_at + REPEAT - time.monotonic(), 0.05))
        if self._unmarked:
            waits.append(1.0)
        return min(waits)
