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
# the same cut behind its point, and the zone with the blank behind it
LOCAL_SECOND: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:)([0-5][0-9])\.")
ZONE: Final = re.compile(r"[+-][0-9]{2}:[0-9]{2} ")
MILLENNIUM: Final = 946_684_800
"""Seconds since the epoch of 2000-01-01T00:00:00Z."""
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


class Stamps(dict[str, float]):
    """Traditional stamps of 16 characters, the blank behind them included: seconds. KeyError: it is none.

    ``begin`` forgets them: a stamp without a year means another year in a year's time.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self._zone = zone
        self._reference = 0.0
        self._minutes: dict[str, float | None] = {}

    def begin(self, reference: float) -> None:
        """Begin a block that was not written after ``reference`` (seconds)."""
        self._reference = reference
        self._minutes.clear()
        self.clear()

    def __missing__(self, stamp: str) -> float:
        """Read a stamp that is new."""
        found = TRADITIONAL.fullmatch(stamp)
        if found is None:
            raise KeyError(stamp)
        minute, second = found[1], int(found[5])
        if minute not in self._minutes:
            self._minutes[minute] = self._begin_of(found)
        begin = self._minutes[minute]
        if begin is None or second > LEAP:
            raise KeyError(stamp)
        self[stamp] = begin + second
        return begin + second

    def _begin_of(self, found: re.Match[str]) -> float | None:
        """When the minute of a traditional stamp began; None when there is no such minute."""
        month = MONTHS.get(found[2])
        if month is None:
            return None
        return nearest_past((month, int(found[3]), int(found[4][:2]), int(found[4][3:])), self._reference, self._zone)


class LocalSeconds(dict[str, int]):
    """The first 20 characters of an RFC 3339 stamp with a fraction, ``2026-11-22T06:22:33.``: microseconds, local."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[str, int] = {}

    def __missing__(self, text: str) -> int:
        """Read a second that is new. Raises KeyError when it is none."""
        found = LOCAL_SECOND.fullmatch(text)
        if found is None:
            raise KeyError(text)
        minute = found[1]
        if minute not in self._minutes:
            begin = rfc3339(f"{minute}00Z")
            if begin is None:
                raise KeyError(text)
            for remembered in (self, self._minutes):
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
            self._minutes[minute] = int(begin) * MICROSECONDS
        self[text] = self._minutes[minute] + int(found[2]) * MICROSECONDS
        return self[text]


class Writers(dict[str, T]):
    """What stands between a stamp and ``]: ``, ``mx postfix/smtpd[2726``: what ``meaning`` says of it."""

    def __init__(self, meaning: Callable[[Tag], T]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, text: str) -> T:
        """Read a writer that is new. Raises KeyError when it is none."""
        found = HOST_TAG_PID.fullmatch(text)
        if found is None:
            raise KeyError(text)
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = self._meaning(Tag(found[1], found[2], int(found[3])))
        return self[text]


class ZonedWriters(dict[str, tuple[int, T]]):
    """A zone of six characters, a blank and a writer: the zone's offset in microseconds, and the writer."""

    def __init__(self, writers: Writers[T]) -> None:
        super().__init__()
        self._writers = writers

    def __missing__(self, text: str) -> tuple[int, T]:
        """Read what is new. Raises KeyError when it is none."""
        here = rfc3339(f"2000-01-01T00:00:00{text[:6]}") if ZONE.fullmatch(text[:7]) else None
        if here is None:
            raise KeyError(text)
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = (int(here) - MILLENNIUM) * MICROSECONDS, self._writers[text[7:]]
        return self[text]


class Envelope(Generic[T]):
    """Splits lines into time, writer and message; what the writer means is asked of ``meaning`` once per tag.

    ``zone`` is the zone of traditional stamps; None is this machine's own. Stamps and writers come again and again:
    they are remembered in dictionaries that a parser's inner loop may look into. Looking there is the same as
    ``open``, only faster, for lines of the two usual forms.
    """

    def __init__(self, meaning: Callable[[Tag], T], zone: tzinfo | None = None) -> None:
        self._meaning = meaning
        self._reference = 0.0
        self.stamps = Stamps(zone)
        self.local_seconds = LocalSeconds()
        self.writers = Writers(meaning)
        self.zoned_writers = ZonedWriters(self.writers)

    def begin(self, reference: float) -> None:
        """Begin a block that was not written after ``reference`` (seconds)."""
        self._reference = reference
        self.stamps.begin(reference)

    def open(self, line: str, *, stamped: bool = False) -> tuple[float, T, str] | None:
        """Time (seconds, UTC), writer and message of a line; None when it has no envelope that we know.

        ``stamped``: one without a stamp is none that we know.
        """
        first = line[:1]
        if first == "<":
            return self._prioritised(line)
        if "0" <= first <= "9":
            return self._rfc3339(line, 0)
        return self._traditional(line, 0, stamped=stamped)

    def _named(self, at: float, line: str, start: int) -> tuple[float, T, str] | None:
        """What stands behind the stamp. A line that was cut off right behind the process ID says nothing."""
        writer_text, _, message = line[start:].partition("]: ")
        try:
            return at, self.writers[writer_text], message
        except KeyError:
            pass
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
        return self._named(at, line, found.end() + 1)

    def _traditional(self, line: str, start: int, *, stamped: bool = False) -> tuple[float, T, str] | None:
        stamp = line[start : start + 16]
        if TRADITIONAL.fullmatch(stamp) is None:
            # a container's output: no stamp, so the time is that of reading
            return None if stamped else self._named(self._reference, line, start)
        try:
            at = self.stamps[stamp]
        except KeyError:  # the form of a stamp, and no such time
            return None
        return self._named(at, line, start + 16)

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
