"""Takes samples of one instance's queue: by postqueue's list, or by counting files where that is too long or fails.

Promises
    A sample takes its time box, once more for the files, and no longer. There is never more than one in this process.
    A queue that could not be read has no state, and a dead Postfix no empty one. A list that did not come to its end
    is a lower bound, and says so; where files can be counted, a list that was too long is not asked for again while
    there is still as much to list.
    postqueue writes to the mail log whatever it complains of. So it is not asked while Postfix is known to be down,
    and seldom while it fails: the log must not fill with our own questions, nor seem to live by them.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from mailwatch.queue_sample.directories import count
from mailwatch.queue_sample.listing import Listing
from mailwatch.queue_sample.postqueue import Ended, Verdict, find, stream, verdict, words_for
from mailwatch.sample import DIRECTORIES, POSTQUEUE, QueueSample, unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.sample import Instance

ONE_AT_A_TIME: Final = threading.Lock()
AGAIN: Final = (0.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds after which postqueue is asked again when it has failed so many times; the last one again and again."""


class Sampler:
    """Samples the queue of ``instance`` within ``box`` seconds. ``is_up`` tells whether its Postfix runs, if known."""

    def __init__(
        self,
        instance: Instance,
        judge: Callable[[str], str],
        *,
        box: float,
        is_up: Callable[[], bool | None] = lambda: None,
        stopped: Callable[[], bool] = lambda: False,
        program: str | None = None,
    ) -> None:
        self._instance = instance
        self._judge = judge
        self._box = box
        self._is_up = is_up
        self._stopped = stopped
        self._program = program
        self._too_long: int | None = None
        """So many messages were listed when the time was over; None: the last list came to its end."""
        self._failed: Verdict | None = None
        self._failures = 0
        self._ask_again_at = 0.0

    def sample(self) -> QueueSample:
        """What waits now."""
        if not ONE_AT_A_TIME.acquire(timeout=self._box):
            return unread(at=time.time(), instance=self._instance.name, trouble="another sample is still being taken")
        try:
            return self._without_asking() or self._listed()
        finally:
            ONE_AT_A_TIME.release()

    def _without_asking(self) -> QueueSample | None:
        """What can be had without postqueue, where it is not to be asked; None where it is."""
        if self._is_up() is False:
            self._failed, self._failures = None, 0
            return self._second_best(Verdict(listed=False, up=False, trouble="Postfix is down"))
        if self._failed is not None and time.monotonic() < self._ask_again_at:
            return self._second_best(self._failed)
        return self._counted_first()

    def _second_best(self, found: Verdict) -> QueueSample:
        """The sample by counting files, or none of any queue."""
        counted = self._counted(found)
        if counted is not None:
            return counted
        trouble = found.trouble or "the queue cannot be read"
        return unread(at=time.time(), instance=self._instance.name, trouble=trouble, up=found.up)

    def _note(self, found: Verdict, listing: Listing) -> None:
        """Remember whether postqueue failed."""
        if found.listed or listing.messages:
            self._failed, self._failures = None, 0
            return
        self._failed = found
        self._failures += 1
        self._ask_again_at = time.monotonic() + AGAIN[min(self._failures, len(AGAIN)) - 1]

    def _counted_first(self) -> QueueSample | None:
        """The files counted, while a list would be too long again; None where a list is to be asked for."""
        if self._too_long is None:
            return None
        # whether Postfix is up is not known by its files
        sample = self._counted(Verdict(listed=False, up=None, trouble=None))
        if sample is not None and sum(state.messages for state in sample.queues.values()) >= self._too_long:
            return sample
        self._too_long = None
        return None

    def _listed(self) -> QueueSample:
        """The sample by a list, or what can be had instead."""
        at, begun = time.time(), time.monotonic()
        listing = Listing(self._judge)
        found = self._asked(listing, begun + self._box)
        self._note(found, listing)
        complete = found.listed and not listing.unread
        trouble = found.trouble
        if found.listed and listing.unread:
            trouble = f"{listing.unread} lines of postqueue's list could not be read"
        if not complete and listing.messages and time.monotonic() - begun >= self._box:
            self._too_long = listing.messages
        if not complete:
            counted = self._counted(Verdict(listed=False, up=found.up, trouble=trouble))
            if counted is not None:
                return counted
        return QueueSample(
            at=at,
            instance=self._instance.name,
            queues=listing.states(complete=complete),
            complete=complete,
            how=POSTQUEUE,
            up=found.up,
            trouble=trouble,
            seconds=time.monotonic() - begun,
        )

    def _asked(self, listing: Listing, deadline: float) -> Verdict:
        program = self._program or find()
        if program is None:
            return Verdict(listed=False, up=None, trouble="postqueue is missing")
        words = words_for(program, self._instance.config_dir)
        ended: Ended = stream(words, deadline=deadline, take=listing.feed, stopped=self._stopped)
        listing.end()
        if ended.code is None and listing.messages and not self._stopped():
            ended = Ended(None, f"the list is too long: {listing.messages} messages in {self._box:.0f} s")
        return verdict(ended)

    def _counted(self, found: Verdict) -> QueueSample | None:
        """The sample by counting files; None where they may not be looked at, or not all in time."""
        at, begun = time.time(), time.monotonic()
        counted = count(self._instance.queue_directory, deadline=begun + self._box, stopped=self._stopped)
        if counted.trouble is not None:
            return None
        return QueueSample(
            at=at,
            instance=self._instance.name,
            queues=counted.queues,
            complete=True,
            how=DIRECTORIES,
            up=found.up,
            trouble=found.trouble,
            seconds=time.monotonic() - begun,
        )
