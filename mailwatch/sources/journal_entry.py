"""What a journal entry is to us: where it stands, and the line that the parser reads for it.

Promises
    One entry is one line: newlines and other control bytes become ``#012`` and the like, as rsyslog writes them.
    Nothing in a field can pretend to be another field: an identifier or host with a blank, a bracket or a
    colon in it loses those, and a process ID is a number or is left out. Pure.

The stamp is that of the sending (_SOURCE_REALTIME_TIMESTAMP, which the kernel sets and no writer can) where there
is one, for a journald that lags would move mail into other minutes; else that of the entry.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.sources.lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.sources.export import Entry

SUPPRESSED: Final = b"a596d6fe7bfa4994828e72309e95d61e"
"""MESSAGE_ID of what journald says when it has dropped messages of a service that wrote too many."""
FIELDS: Final = (
    "MESSAGE", "MESSAGE_ID", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "_HOSTNAME", "_PID",
    "_SOURCE_REALTIME_TIMESTAMP", "_TRANSPORT",
)  # fmt: skip
ALWAYS: Final = ("__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID")
"""Fields that journalctl prints, asked for or not."""
WANTED: Final = frozenset(name.encode() for name in (*FIELDS, *ALWAYS))

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS: Final = 1_000_000
LAST: Final = 253_402_300_799_999_999
"""Microseconds up to the end of the year 9999: later ones have no stamp."""
CURSOR: Final = re.compile(rb"s=([0-9a-f]{32});i=([0-9a-f]{1,16});")
DIGITS: Final = re.compile(rb"[0-9]{1,20}")
PID: Final = re.compile(rb"[0-9]{1,10}")
CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
NOT_IN_A_NAME: Final = re.compile(rb"[^!-~]|[\[\]:]")
LONGEST_NAME: Final = 128
SUPPRESSED_POSTFIX: Final = re.compile(rb"Suppressed [0-9]+ messages from (?:/[^ ]*/)?postfix[^/ ]*")


class Place(NamedTuple):
    """Where an entry stands: in which numbering (seqnum_id), its number there, its boot, and when by its clock."""

    numbering: str
    number: int
    boot: str
    monotonic: int


def place(entry: Entry) -> Place | None:
    """Where an entry stands; None for one that does not say."""
    fields = entry.fields
    found = CURSOR.match(fields.get(b"__CURSOR", b""))
    if found is None:
        return None
    return Place(
        numbering=found[1].decode(),
        number=int(found[2], 16),
        boot=fields.get(b"_BOOT_ID", b"").decode("ascii", "replace"),
        monotonic=number(fields.get(b"__MONOTONIC_TIMESTAMP")) or 0,
    )


def number(text: bytes | None) -> int | None:
    """A decimal number."""
    return int(text) if text is not None and DIGITS.fullmatch(text) else None


def is_suppression(entry: Entry) -> bool:
    """Whether journald itself says here that it has dropped messages of Postfix. A writer cannot claim a transport."""
    fields = entry.fields
    return (
        fields.get(b"MESSAGE_ID") == SUPPRESSED
        and fields.get(b"_TRANSPORT") == b"driver"
        and SUPPRESSED_POSTFIX.fullmatch(fields.get(b"MESSAGE", b"")) is not None
    )


def line(entry: Entry) -> bytes | None:
    """The entry as a line with its newline; None when it is longer than a line may be. One without text is one, too."""
    if entry.overlong:
        return None
    fields = entry.fields
    message = fields.get(b"MESSAGE", b"")
    if CONTROL.search(message):
        message = CONTROL.sub(escaped, message.rstrip(b"\n"))
    process = fields.get(b"SYSLOG_PID", b"")
    if not PID.fullmatch(process):
        process = fields.get(b"_PID", b"")
    tag = name(fields.get(b"SYSLOG_IDENTIFIER"), b"unknown")
    if PID.fullmatch(process):
        tag += b"[" + process + b"]"
    made = b" ".join((stamp(fields), name(fields.get(b"_HOSTNAME"), b"localhost"), tag + b":", message))
    return made + b"\n" if len(made) <= LONGEST else None


def stamp(fields: Mapping[bytes, bytes]) -> bytes:
    """When it was sent, in RFC 3339 with microseconds, in UTC."""
    sent = number(fields.get(b"_SOURCE_REALTIME_TIMESTAMP")) or number(fields.get(b"__REALTIME_TIMESTAMP")) or 0
    whole, part = divmod(min(sent, LAST), MICROSECONDS)
    return b"%s.%06d+00:00" % (second(whole), part)


@lru_cache(maxsize=1024)
def second(seconds: int) -> bytes:
    """A second of a stamp. They come again and again, as hosts and identifiers do."""
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}".encode()


def escaped(found: re.Match[bytes]) -> bytes:
    """A control byte as rsyslog writes it."""
    return b"#%03o" % found[0][0]


def name(text: bytes | None, absent: bytes) -> bytes:
    """An identifier or host without what would end it in a line."""
    return harmless(text[:LONGEST_NAME]) if text else absent


@lru_cache(maxsize=1024)
def harmless(text: bytes) -> bytes:
    """A text with a question mark for each byte that a name cannot have."""
    return NOT_IN_A_NAME.sub(b"?", text)
