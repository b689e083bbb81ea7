"""Reads systemd's journal export format: entries out of bytes, however the bytes are cut.

Promises
    Never raises, whatever the bytes; any split of the input gives the same entries. An entry counts only when
    the blank line behind it is there: what a journalctl that was killed left half is none. Only the fields
    asked for are kept, the first of each name (journalctl prints its own before those of the writer), and
    none longer than ``LONGEST``: memory is bounded, whatever an entry holds.

Format: https://systemd.io/JOURNAL_EXPORT_FORMATS/ - ``NAME=text`` lines, or ``NAME``, a newline, 64 bits of length
(little endian), that many bytes of any kind, and a newline; a blank line ends the entry.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.sources.lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LENGTH: Final = struct.Struct("<Q")
NONE: Final[frozenset[bytes]] = frozenset()


class Entry(NamedTuple):
    """The fields that were asked for; ``overlong`` names those that were longer than may be and are left out."""

    fields: Mapping[bytes, bytes]
    overlong: frozenset[bytes]


class ExportReader:
    """Turns bytes into entries; remembers the entry that is not whole yet."""

    def __init__(self, wanted: Collection[bytes]) -> None:
        self._wanted = frozenset(wanted)
        self._rest = b""
        self._fields: dict[bytes, bytes] = {}
        self._overlong: set[bytes] = set()
        self._empty = True
        self._to_skip = 0
        self._cutting = False

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that these bytes complete."""
        buffer = self._rest + data
        entries: list[Entry] = []
        at: int | None = 0
        end = 0
        while at is not None:
            end = at
            at = self._whole(buffer, at, entries) or self._step(buffer, at, entries)
        self._rest = buffer[end:]
        return entries

    def _whole(self, buffer: bytes, at: int, entries: list[Entry]) -> int | None:
        """Take an entry that is there as a whole and has text only, as almost all are: twice as fast as by steps."""
        if not self._empty or self._to_skip or self._cutting:
            return None
        end = buffer.find(b"\n\n", at)
        if not at < end <= at + LONGEST:
            return None
        fields: dict[bytes, bytes] = {}
        wanted = self._wanted
        for text in buffer[at:end].split(b"\n"):
            name, separator, value = text.partition(b"=")
            if not separator:
                return None
            if name in wanted and name not in fields:
                fields[name] = value
        entries.append(Entry(fields, NONE))
        return end + 2

    def _step(self, buffer: bytes, at: int, entries: list[Entry]) -> int | None:
        """Take one field, or the end of an entry; where to go on, or None when more bytes are needed."""
        if self._to_skip:
            skipped = min(self._to_skip, len(buffer) - at)
            self._to_skip -= skipped
            return at + skipped if skipped else None
        newline = buffer.find(b"\n", at)
        if self._cutting:
            return self._cut(buffer, at, newline)
        if newline < 0 or newline - at > LONGEST:
            return self._long_line(buffer, at, newline)
        if newline == at:
            self._finish(entries)
            return at + 1
        self._empty = False
        name, separator, value = buffer[at:newline].partition(b"=")
        if not separator:
            return self._binary(buffer, newline + 1, name)
        self._put(name, value)
        return newline + 1

    def _long_line(self, buffer: bytes, at: int, newline: int) -> int | None:
        """A line without an end yet, or one longer than may be: of that the name is kept."""
        if newline < 0 and len(buffer) - at <= LONGEST:
            return None
        self._empty = False
        self._note_overlong(buffer[at : at + LONGEST].partition(b"=")[0])
        self._cutting = True
        return at + LONGEST

    def _cut(self, buffer: bytes, at: int, newline: int) -> int | None:
        if newline >= 0:
            self._cutting = False
            return newline + 1
        return len(buffer) if len(buffer) > at else None

    def _binary(self, buffer: bytes, at: int, name: bytes) -> int | None:
        if len(buffer) - at < LENGTH.size:
            return None
        size: int = LENGTH.unpack_from(buffer, at)[0]
        begin = at + LENGTH.size
        if size > LONGEST:
            self._note_overlong(name)
            self._to_skip = size + 1
            return begin
        if len(buffer) - begin <= size:
            return None
        self._put(name, buffer[begin : begin + size])
        return begin + size + 1

    def _put(self, name: bytes, value: bytes) -> None:
        if name in self._wanted and name not in self._overlong:
            self._fields.setdefault(name, value)

    def _note_overlong(self, name: bytes) -> None:
        if name in self._wanted and name not in self._fields:
            self._overlong.add(name)

    def _finish(self, entries: list[Entry]) -> None:
        if not self._empty:
            entries.append(Entry(self._fields, frozenset(self._overlong)))
        self._fields, self._overlong, self._empty = {}, set(), True
