"""Reads the lines of ``postqueue -j`` as they come, and sums them up queue by queue.

Promises
    Memory does not grow with the text: a line of a message with many recipients is taken apart while it comes,
    and remembered of a message are eight bytes of its queue ID. A message that moves from queue to queue while
    the list is made counts once, where it was seen first. What is no line of postqueue is counted in ``unread``,
    never raised.

Bugs
    After half a million messages none is remembered any more: one that moves then counts twice.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mailwatch.sample import LISTED, QueueState

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST: Final = 1 << 16
"""Bytes of a line that are looked at as a whole; the recipients of a longer one are taken one by one."""
REMEMBERED: Final = 500_000
REASONS: Final = 4096
"""Reasons of which the cause is remembered: a dead relay says the same thing about every message."""
LONGEST_REASON: Final = 4096
LARGEST: Final = 1 << 62
# a quote in a name or an address has a backslash before it: so this stands nowhere but where the list begins
BEGIN: Final = b'"recipients": ['
# like {"address": "user@example.net", "delay_reason": "connect to mx.example.net[192.0.2.7]:25: Connection refused"}
RECIPIENT: Final = re.compile(rb'[, ]{0,2}(\{(?:[^{}"]|"[^"\\]*(?:\\.[^"\\]*)*")*\})')
END: Final = re.compile(rb"\]\}\r?\n")


class Tally:
    """What has been seen of one queue."""

    __slots__ = ("by_cause", "bytes", "messages", "newest", "oldest", "recipients")

    def __init__(self) -> None:
        self.messages = self.recipients = self.bytes = 0
        self.oldest: float | None = None
        self.newest: float | None = None
        self.by_cause: dict[str, int] = {}

    def add(self, size: int | None, arrival: int | None) -> None:
        """Count a message."""
        self.messages += 1
        self.bytes += size or 0
        if arrival is not None:
            self.oldest = arrival if self.oldest is None else min(self.oldest, arrival)
            self.newest = arrival if self.newest is None else max(self.newest, arrival)

    def state(self) -> QueueState:
        """What it comes to."""
        return QueueState(
            messages=self.messages,
            recipients=self.recipients,
            bytes=self.bytes,
            oldest_arrival=self.oldest,
            newest_arrival=self.newest,
            by_cause=dict(self.by_cause),
        )


class Listing:
    """Takes what postqueue prints, in pieces of any size. ``judge`` tells the cause of a reason."""

    def __init__(self, judge: Callable[[str], str]) -> None:
        self._judge = judge
        self._causes: dict[str, str] = {}
        self._queues = {name: Tally() for name in LISTED}
        self._seen: set[int] = set()
        self._rest = b""
        self._open: Tally | None = None
        self._long = self._lost = False
        self.messages = 0
        self.unread = 0
        """Lines that are not what postqueue prints, or were cut off."""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        rest, at = self._rest + data, 0
        while True:
            step = self._skip if self._lost else self._recipients if self._long else self._line
            begun, at = at, step(rest, at)
            if at == begun:
                break
        self._rest = rest[at:]

    def end(self) -> None:
        """There is no more: a line that has begun was cut off."""
        self.unread += bool(self._rest or self._long) and not self._lost
        self._rest = b""

    def states(self, *, complete: bool) -> dict[str, QueueState]:
        """Every queue; when the list is not complete, those of which anything was seen."""
        return {name: tally.state() for name, tally in self._queues.items() if complete or tally.messages}

    def _line(self, rest: bytes, at: int) -> int:
        """Take the line that begins there, as far as it has come; where the next thing begins."""
        end = rest.find(b"\n", at)
        if end >= 0 and end - at <= LONGEST:
            message = parsed(rest[at:end])
            recipients = None if message is None else message.get("recipients")
            if message is None or not isinstance(recipients, list):
                self.unread += 1
                return end + 1
            tally = self._begin(message)
            for each in recipients if tally is not None else ():
                self._count(tally, each)
            return end + 1
        if end < 0 and len(rest) - at <= LONGEST:
            return at
        begin = rest.find(BEGIN, at, at + LONGEST)
        message = None if begin < 0 else parsed(rest[at:begin] + BEGIN + b"]}")
        if message is None:
            return self._lose(at)
        self._long, self._open = True, self._begin(message)
        return begin + len(BEGIN)

    def _recipients(self, rest: bytes, at: int) -> int:
        """Take a recipient of a long line."""
        found = RECIPIENT.match(rest, at, at + LONGEST)
        if found is not None:
            self._count(self._open, parsed(found[1]))
            return found.end()
        ended = END.match(rest, at)
        if ended is not None:
            self._long = False
            return ended.end()
        return at if len(rest) - at <= LONGEST else self._lose(at)

    def _lose(self, at: int) -> int:
        """Give a line up that nobody can read: its rest is skipped."""
        self.unread += 1
        self._long, self._lost = False, True
        return at + 1

    def _skip(self, rest: bytes, at: int) -> int:
        end = rest.find(b"\n", at)
        self._lost = end < 0
        return len(rest) if end < 0 else end + 1

    def _begin(self, message: dict[str, Any]) -> Tally | None:
        """Count a message, unless it is known; where its recipients belong."""
        self.messages += 1
        name = message.get("queue_name")
        tally = self._queues.get(name) if isinstance(name, str) else None
        known = hash(message.get("queue_id")) if isinstance(message.get("queue_id"), str) else None
        if tally is None or known is None or known in self._seen:
            return None
        if len(self._seen) < REMEMBERED:
            self._seen.add(known)
        tally.add(number(message.get("message_size")), number(message.get("arrival_time")))
        return tally

    def _count(self, tally: Tally | None, recipient: Any) -> None:
        if tally is None:
            return
        tally.recipients += 1
        reason = recipient.get("delay_reason") if isinstance(recipient, dict) else None
        if isinstance(reason, str) and reason:
            cause = self._cause(reason[:LONGEST_REASON])
            tally.by_cause[cause] = tally.by_cause.get(cause, 0) + 1

    def _cause(self, reason: str) -> str:
        cause = self._causes.get(reason)
        if cause is None:
            if len(self._causes) >= REASONS:
                self._causes.clear()
            cause = self._causes[reason] = self._judge(reason)
        return cause


def parsed(text: bytes) -> dict[str, Any] | None:
    """The JSON object in a text; None when there is none."""
    try:
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def number(value: Any) -> int | None:
    """A number as Postfix has them; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST else None
