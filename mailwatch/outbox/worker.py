"""Tells one channel what is due for it, in a thread of its own: a channel that hangs holds up no other.

What cannot be marked as told (the disk is full) is told nevertheless, once by this process, and marked when it can be.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.channels.deliver import deliver
from mailwatch.database import StateError
from mailwatch.letters import topic
from mailwatch.notification import RESOLVED
from mailwatch.outbox import rows
from mailwatch.outbox.memory import Memory
from mailwatch.outbox.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mailwatch.channels.wire import Outcome
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions
    from mailwatch.outbox.rows import Taken

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
SHORTEST: Final = 0.05

log = logging.getLogger(__name__)


class Worker:
    """``others``: the channels after this one, which are told what this one does not take.

    ``hand_on`` wakes the channel that is to tell a notification; without one, it finds one that tells it from memory.
    """

    def __init__(
        self,
        folder: Path,
        channel: ChannelOptions,
        others: Sequence[str],
        hand_on: Callable[[Sequence[str], Notification | None], str | None],
    ) -> None:
        self._folder = folder
        self._channel = channel
        self._others = others
        self._hand_on = hand_on
        self._wake = threading.Condition()
        self._woken = self._stopping = False
        self.memory = Memory(channel.name)
        self._repeats: Repeats | None = None
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

    def anew(self) -> None:
        """The state was begun anew: what was told before is forgotten there, and nobody would say that it is over."""
        self._repeats = None if self._repeats is None else Repeats()

    def tell_from_memory(self, notification: Notification, now: float) -> bool:
        """Tell what no row remembers, at most once an hour for each key; whether it is to be told."""
        put = self.memory.put(notification, now)
        if put:
            self.wake()
        return put

    def _run(self) -> None:
        if self._channel.kind == "alertmanager":
            self._repeats = Repeats(rows.told_of(self._folder, self._channel.name))
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
        taken = self._from_memory() or self._from_rows()
        if taken is None:
            return self._repeat()
        if self._repeats is not None and taken.notification.kind == RESOLVED:
            self._repeats.note(taken.notification)
        outcome = deliver(self._channel, taken.notification)
        now = time.time()
        again_at = None if outcome.sent else self._again_at(taken, outcome, now)
        self._say(taken, outcome, given_up=again_at is None)
        if self._repeats is not None and outcome.sent:
            self._repeats.note(taken.notification)
        self._settle(taken, outcome, now, again_at)
        return True

    def _from_memory(self) -> Taken | None:
        now = time.time()
        told = self.memory.aside(now).told
        for taken in self.memory.due(now):
            # what was committed about the same thing comes before it
            if not rows.is_waiting(self._folder, self._channel.name, topic(taken.notification), told):
                return taken
        return None

    def _from_rows(self) -> Taken | None:
        folder, name, now = self._folder, self._channel.name, time.time()
        try:
            self._mark()
            return rows.take(folder, name, now, self._channel.timeout + LEASE)
        except StateError:
            # it cannot be leased: then nobody else has it, for we are the one who holds the lock of this state
            found = rows.waiting(folder, name, now, self.memory.aside(now))
            return None if found is None else self.memory.tries(found)

    def _mark(self) -> None:
        """Mark what was told while that could not be written. Raises StateError."""
        for key, outcome in self.memory.unmarked().items():
            with rows.writing(self._folder) as connection:
                rows.finish(connection, key, self._channel.name, rows.SENT, outcome.answer, time.time())
            self.memory.marked(key)

    def _settle(self, taken: Taken, outcome: Outcome, now: float, again_at: float | None) -> None:
        others = self._others if self._is_to_escalate(taken, outcome, again_at) else ()
        if taken.in_row:
            try:
                chosen = rows.settle(self._folder, taken, self._channel.name, outcome, (now, again_at), others)
            except StateError:
                pass
            else:
                self.memory.writable()
                self._say_who(chosen if chosen is None else self._hand_on((chosen,), None))
                return
        self.memory.settle(taken, outcome, now, again_at)
        if others:
            self._say_who(self._hand_on(others, taken.notification))

    def _say_who(self, chosen: str | None) -> None:
        if chosen is not None:
            log.warning("channel=%s does not take it: told by channel=%s", self._channel.name, chosen)

    def _is_to_escalate(self, taken: Taken, outcome: Outcome, again_at: float | None) -> bool:
        at_once = outcome.permanent and taken.tries == 0
        return not outcome.sent and (again_at is None or at_once or taken.tries + 1 == ESCALATE_AFTER)

    def _again_at(self, taken: Taken, outcome: Outcome, now: float) -> float | None:
        """When to try again (seconds); None to give up.

        A channel that says never is tried again, too, slowly: a secret that was away, a proxy's 404 while something
        is set up anew must not cost the one page of the night.
        """
        if now - taken.made_at >= GIVE_UP_AFTER:
            return None
        step = len(BACK_OFF) - 1 if outcome.permanent else min(taken.tries, len(BACK_OFF) - 1)
        wait = BACK_OFF[step] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        return now + max(wait, min(outcome.retry_after or 0.0, LONGEST_WAIT))

    def _say(self, taken: Taken, outcome: Outcome, *, given_up: bool) -> None:
        name, key = self._channel.name, taken.notification.key
        if outcome.sent:
            log.info("channel=%s took %s in %.1f s: %s", name, key, outcome.took, outcome.answer)
            return
        said = "gave up" if given_up else "did not take"
        log.error("channel=%s %s %s (try %d): %s", name, said, key, taken.tries + 1, outcome.answer)

    def _repeat(self) -> bool:
        """Tell one alert again that is still there; whether there was any."""
        repeats = self._repeats
        again = None if repeats is None else repeats.next(time.monotonic())
        if repeats is None or again is None:
            return False
        outcome = deliver(self._channel, replace(again, at=time.time()))
        if not outcome.sent:
            log.error("channel=%s did not take again %s: %s", self._channel.name, again.key, outcome.answer)
            repeats.missed()
        return True

    def _seconds_to_next(self) -> float:
        now = time.time()
        waits = [LOOK]
        times = (
            rows.next_due(self._folder, self._channel.name, now, self.memory.aside(now)), self.memory.next_at(now),
        )  # fmt: skip
        waits += [max(at - now, SHORTEST) for at in times if at is not None]
        again = None if self._repeats is None else self._repeats.seconds(time.monotonic())
        if again is not None:
            waits.append(max(again, SHORTEST))
        return min(waits)
