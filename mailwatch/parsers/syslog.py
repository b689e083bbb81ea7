"""The envelope of a log line: when, on which host, by which program; the rest is its message.

Reads the forms in which Postfix's lines reach a file: the traditional stamp without year or zone,
RFC 3339, RFC 5424, an RFC 3164 priority in front, and no stamp at all (a container's output).
Anchored at the left, one pass, never raises: a line in none of these forms has no envelope.

Known limit: a traditional stamp in the hour that autumn repeats is read as its first passage.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
DAY_SECONDS: Final = 86400.0
REMEMBERED: Final = 4096
LEAP: Final = 60
"""The number of a leap second, 23:59:60: the same instant as 00:00:00."""
MICROSECONDS: Final = 1_000_000

# Nov 22 06:13:04
TRADITIONAL: Final = re.compile(r"(([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9]{2}:[0-9]{2})):([0-9]{2}) ")
# 2026-11-22T06:22:33.637413+00:00   2026-11-22T06:22:33Z   2026-11-22T06:22:33+0100
RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
PRIORITY: Final = re.compile(r"<[0-9]{1,3}>")
# 1 2026-11-22T06:22:33.637413+00:00 vm postfix/smtp 30370 - -
RFC5424: Final = re.compile(
    r"1 (-|[0-9]{4}-[^ ]{1,40}) ([^ ]{1,255}) ([^ ]{1,48}) ([^ ]{1,128}) [^ ]{1,32} "
    r'(?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+)(?: |$)'
)
# mx postfix/submission/smtpd[2726
HOST_TAG_PID: Final = re.compile(r"([^ ]{1,255}) ([^ \[\]:]{1,128})\[([0-9]{1,10})")
# mx postfix/smtpd[2726]:     mx dovecot:     postfix/smtpd[2726]:
TAGGED: Final = re.compile(r"(?:([^ \[\]:]{1,255}) )?([^ \[\]:]{1,128})(?:\[([0-9]{1,10})\])?:(?: |$)")
REPEATED: Final = re.compile(r"message repeated ([0-9]{1,4}) times: \[ (.*)\]", re.DOTALL)
REPEATS: Final = 1000
"""So often a folded line is believed to have been said: a line of thirteen bytes must not become a million events."""


class Tag(NamedTuple):
    """Who wrote a line, as the envelope names it: ``postfix/smtpd`` with process ID 2726 on host ``mx``."""

    host: str | None
    name: str
    pid: int | None


def epoch(year: int, minute: tuple[int, int, int, int], zone: tzinfo | None) -> float | None:
    """Seconds since the epoch of (month, day, hour, minute), or None when that year has no such minute."""
    try:
        return datetime(year, *minute, tzinfo=zone).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def nearest_past(minute: tuple[int, int, int, int], reference: float, zone: tzinfo | None) -> float | None:
    """The latest such minute (month, day, hour, minute) that is not more than a day after ``reference`` (seconds).

    A day's grace, because the writer's clock may be ahead: without it a line stamped ``Jan  1 00:00:01``
    and read one second before midnight would be a year old. Nine years back reach the last 29 February.
    """
    latest = reference + DAY_SECONDS
    try:
        newest = datetime.fromtimestamp(latest, tz=UTC) + timedelta(days=1)
    except (ValueError, OverflowError, OSError):
        return None
    for year in range(newest.year, newest.year - 9, -1):
        at = epoch(year, minute, zone)
        if at is not None and at <= latest:
            return at
    return None


def rfc3339(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time, or None."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def unfold(message: str) -> tuple[str, int]:
    """The message and how often it was said: rsyslog's ``message repeated 3 times: [ … ]`` is three of them."""
    if not message.startswith("message repeated "):
        return message, 1
    folded = REPEATED.fullmatch(message)
    if folded is None or not 0 < int(folded[1]) <= REPEATS:
        return message, 1
    return folded[2], int(folded[1])


class Envelope(Generic[T]):
    """Splits lines into time, writer and message; what the writer means is asked of ``meaning`` once per tag.

    ``zone`` is the zone of traditional stamps; None is this machine's own. What almost every line has in common
    with one before it is remembered in dictionaries that a parser's inner loop may look into: ``stamps`` (the
    16 characters of a traditional stamp: seconds), ``whole_seconds`` (an RFC 3339 stamp of 33 characters without
    its fraction: microseconds), ``writers`` (what stands between a stamp and ``]: ``). Looking there is the same as
    ``open``, only faster.
    """

    def __init__(self, meaning: Callable[[Tag], T], zone: tzinfo | None = None) -> None:
        self._meaning = meaning
        self._zone = zone
        self._reference = 0.0
        self._minutes: dict[str, float | None] = {}
        self.stamps: dict[str, float] = {}
        self.whole_seconds: dict[str, int] = {}
        self.writers: dict[str, T] = {}

    def begin(self, reference: float) -> None:
        """Begin a block. Remembered stamps go: a stamp without a year means another year in a year's time."""
        self._reference = reference
        self.stamps.clear()
        self._minutes.clear()

    def open(self, line: str, *, stamped: bool = False) -> tuple[float, T, str] | None:
        """Time (seconds, UTC), writer and message of a line; None when it has no envelope that we know.

        ``stamped``: one without a stamp is none that we know.
        """
        at = self.stamps.get(line[:16])
        if at is not None:
            return self._named(at, line, 16)
        first = line[:1]
        if first == "<":
            return self._prioritised(line)
        if "0" <= first <= "9":
            return self._rfc3339(line, 0)
        return self._traditional(line, 0, stamped=stamped)

    def _named(self, at: float, line: str, start: int) -> tuple[float, T, str] | None:
        """What stands behind the stamp. A line that was cut off right behind the process ID says nothing."""
        writer_text, _, message = line[start:].partition("]: ")
        writer = self.writers.get(writer_text)
        if writer is not None:
            return at, writer, message
        found = HOST_TAG_PID.fullmatch(writer_text)
        if found is not None:
            writer = self._meaning(Tag(found[1], found[2], int(found[3])))
            if len(self.writers) >= REMEMBERED:
                self.writers.clear()
            self.writers[writer_text] = writer
            return at, writer, message
        return self._without_pid_or_host(at, line, start)

    def _without_pid_or_host(self, at: float, line: str, start: int) -> tuple[float, T, str] | None:
        tagged = TAGGED.match(line, start)
        if tagged is None:
            return None
        pid = None if tagged[3] is None else int(tagged[3])
        return at, self._meaning(Tag(tagged[1], tagged[2], pid)), line[tagged.end() :]

    def _rfc3339(self, line: str, start: int) -> tuple[float, T, str] | None:
        found = RFC3339.match(line, start)
        at = None if found is None else rfc3339(found[0])
        if found is None or at is None or line[found.end() : found.end() + 1] != " ":
            return None
        if start == 0 and found.end() == 32 and line[19] == ".":
            if len(self.whole_seconds) >= REMEMBERED:
                self.whole_seconds.clear()
            self.whole_seconds[line[:20] + line[26:33]] = int(at // 1) * MICROSECONDS
        return self._named(at, line, found.end() + 1)

    def _traditional(self, line: str, start: int, *, stamped: bool = False) -> tuple[float, T, str] | None:
        found = TRADITIONAL.match(line, start)
        if found is None and stamped:
            return None
        if found is None:
            # a container's output: no stamp, so the time is that of reading
            return self._named(self._reference, line, start)
        minute, second = found[1], int(found[5])
        if minute not in self._minutes:
            self._minutes[minute] = self._begin_of(found)
        begin = self._minutes[minute]
        if begin is None or second > LEAP:
            return None
        at = begin + second
        if start == 0:
            self.stamps[line[:16]] = at
        return self._named(at, line, found.end())

    def _begin_of(self, found: re.Match[str]) -> float | None:
        """When the minute of a traditional stamp began; None when there is no such minute."""
        month = MONTHS.get(found[2])
        if month is None:
            return None
        return nearest_past((month, int(found[3]), int(found[4][:2]), int(found[4][3:])), self._reference, self._zone)

    def _prioritised(self, line: str) -> tuple[float, T, str] | None:
        found = PRIORITY.match(line)
        if found is None:
            return None
        start = found.end()
        modern = RFC5424.match(line, start)
        if modern is None:
            if "0" <= line[start : start + 1] <= "9":
                return self._rfc3339(line, start)
            return self._traditional(line, start)
        at = self._reference if modern[1] == "-" else rfc3339(modern[1])
        if at is None:
            return None
        host = None if modern[2] == "-" else modern[2]
        pid = int(modern[4]) if modern[4].isascii() and modern[4].isdigit() and len(modern[4]) <= 10 else None
        # rsyslog's own template leaves the blank that followed the tag in front of the message
        message = line[modern.end() :].removeprefix("\ufeff").removeprefix(" ")
        return at, self._meaning(Tag(host, modern[3], pid)), message
