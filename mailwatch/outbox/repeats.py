"""What an Alertmanager is told again and again: it forgets what it does not hear.

One a time, so that what is new never waits for a round of them; a round ends with the first that is not taken.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mailwatch.channels.alertmanager import REPEAT
from mailwatch.letters import topic
from mailwatch.notification import RESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailwatch.notification import Notification


class Repeats:
    """Used by one thread; the first round of what is known already begins at once. Times are monotonic."""

    def __init__(self, known: Iterable[Notification] = ()) -> None:
        self._known = {topic(each): each for each in known}
        self._left = [*self._known]
        self._again_at = time.monotonic() + REPEAT

    def note(self, notification: Notification) -> None:
        """It is told, or about to be: what is over is not told again, whether that could be told or not."""
        if notification.kind == RESOLVED:
            self._known.pop(topic(notification), None)
        else:
            self._known[topic(notification)] = notification

    def next(self, now: float) -> Notification | None:
        """The next one that is to be told again."""
        if now >= self._again_at:
            self._left, self._again_at = [*self._known], now + REPEAT
        while self._left:
            found = self._known.get(self._left.pop(0))
            if found is not None:
                return found
        return None

    def missed(self) -> None:
        """One was not taken: the others can wait for the next round."""
        self._left.clear()

    def seconds(self, now: float) -> float | None:
        """Until there is something to tell."""
        if not self._known:
            return None
        return 0.0 if self._left else max(self._again_at - now, 0.0)
