"""Tells people by every channel what is in the outbox; each channel has a thread of its own."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from mailwatch.database import StateError
from mailwatch.outbox import rows
from mailwatch.outbox.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from mailwatch.letters import Kept, Row
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions
    from mailwatch.outbox.memory import Memory

ENDS_WITHIN: Final = 2.0
"""Seconds that the end waits for notifications under way: what is not told by then is told by the next process."""

log = logging.getLogger(__name__)


class Outbox:
    """The channels of a configuration, on the state in ``folder``."""

    def __init__(self, folder: Path, channels: Sequence[ChannelOptions]) -> None:
        self._folder = folder
        self._names = names = [channel.name for channel in channels]
        self._adopted = not names
        self._workers = {
            channel.name: Worker(folder, channel, [*names[at + 1 :], *names[:at]], self._hand_on)
            for at, channel in enumerate(channels)
        }

    def go_on_from(self, before: Mapping[str, Memory], now: float) -> None:
        """Take over what the channels of an earlier configuration know and could not write down."""
        for name, memory in before.items():
            if name in self._workers:
                self._workers[name].memory = memory
        for each in [kept for name in before.keys() - self._workers.keys() for kept in before[name].kept()]:
            if each.ended_at is None and self._names:
                self._workers[self._names[0]].tell_from_memory(each.notification, now)

    def memories(self) -> dict[str, Memory]:
        """What each channel knows that no row remembers."""
        return {name: worker.memory for name, worker in self._workers.items()}

    def start(self) -> None:
        """Begin to tell; what an earlier process left is told, too."""
        self._adopt()
        for worker in self._workers.values():
            worker.start()

    def stop(self) -> None:
        """Begin nothing more, and wait a moment for what is under way."""
        end = time.monotonic() + ENDS_WITHIN
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join(end - time.monotonic())

    def wake(self) -> None:
        """Something was committed that is to be told, or the state can be read now."""
        self._adopt()
        for worker in self._workers.values():
            worker.wake()

    def anew(self) -> None:
        """The state was begun anew."""
        for worker in self._workers.values():
            worker.anew()

    def tell_from_memory(self, told: Sequence[Row], now: float) -> None:
        """Tell what cannot be committed, without the state, at most once an hour for each key and channel."""
        for row in told:
            self._workers[row.channel].tell_from_memory(row.notification, now)

    def kept(self) -> list[Kept]:
        """What is told from memory and was not committed yet, told already or not."""
        return [each for worker in self._workers.values() for each in worker.memory.kept()]

    def committed(self, kept: Collection[Kept]) -> None:
        """It is committed now."""
        for name, worker in self._workers.items():
            worker.memory.committed({each.notification.key: each.ended_at for each in kept if each.channel == name})

    def oldest(self) -> float | None:
        """Since when the oldest notification waits."""
        return rows.oldest(self._folder) if self._workers else None

    def drain(self, seconds: float) -> int:
        """Wait until nothing is due, so long at most; how many notifications wait then."""
        end = time.monotonic() + seconds
        while rows.due(self._folder, time.time()) and time.monotonic() < end:
            time.sleep(0.05)
        return rows.pending(self._folder) or 0

    def finish(self, seconds: float) -> int:
        """Wait until nothing waits any more, so long at most, over tries that fail; how many wait then."""
        end = time.monotonic() + seconds
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def _left(self) -> int:
        memories = [worker.memory for worker in self._workers.values()]
        alone = sum(each.ended_at is None for memory in memories for each in memory.kept())
        return rows.left(self._folder, self._workers) + alone - sum(len(memory.unmarked()) for memory in memories)

    def _adopt(self) -> None:
        """Once, as soon as that can be written: what waits for channels that are no more goes to others."""
        if self._adopted:
            return
        try:
            rows.adopt(self._folder, self._names, time.time())
        except StateError as error:
            log.debug("%s", error)
        else:
            self._adopted = True

    def _hand_on(self, channels: Sequence[str], notification: Notification | None) -> str | None:
        """Wake the channel, or have the first of them that has not got it tell a notification from memory."""
        if notification is None:
            self._workers[channels[0]].wake()
            return channels[0]
        for each in channels:
            # one that has told it from memory, or has it in a row, has got it
            if not rows.has(self._folder, each, notification.key) and self._workers[each].tell_from_memory(
                notification, time.time()
            ):
                return each
        return None
