"""Tells people by every channel what is in the outbox; each channel has a thread of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mailwatch.outbox import rows
from mailwatch.outbox.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mailwatch.letters import Row
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

ENDS_WITHIN: Final = 2.0
"""Seconds that the end waits for notifications under way: what is not told by then is told by the next process."""


class Outbox:
    """The channels of a configuration, on the state in ``folder``."""

    def __init__(self, folder: Path, channels: Sequence[ChannelOptions]) -> None:
        self._folder = folder
        names = [channel.name for channel in channels]
        self._workers = {
            channel.name: Worker(folder, channel, [*names[at + 1 :], *names[:at]], self._hand_on)
            for at, channel in enumerate(channels)
        }

    def start(self) -> None:
        """Begin to tell; what an earlier process left is told, too."""
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
        """Something was committed that is to be told."""
        for worker in self._workers.values():
            worker.wake()

    def tell_from_memory(self, told: Sequence[Row], now: float) -> None:
        """Tell what cannot be committed, without the state, at most once an hour for each key and channel."""
        for row in told:
            self._workers[row.channel].tell_from_memory(row.notification, now)

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
        workers = self._workers.values()
        return (
            rows.left(self._folder, self._workers)
            + sum(each.unremembered for each in workers)
            - sum(each.unmarked for each in workers)
        )

    def _hand_on(self, channel: str, _notification: Notification) -> None:
        self._workers[channel].wake()
