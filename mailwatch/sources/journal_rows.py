"""What is remembered of each journal file, and how it is told that entries are gone unread.

A file's entries are numbered, and the next file of the same numbering goes on where it ended. So a file that is
gone has taken something with it exactly when the next one begins behind what was read; without a next one
when it was not read to its end, as far as that can be known.

Known limit: journald takes the numbers of all its files from one counter. On a host where users have journals of
their own, entries of theirs between two files look like missing ones, once the file before is gone and was
not seen to end: then a gap is counted though none may have been.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from mailwatch.sources.journal_files import first_monotonic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mailwatch.sources.journal_files import JournalFile

KEY: Final = "journal:file:"
START: Final = "journal:start:"
MICROSECONDS: Final = 1_000_000
REMEMBERED: Final = 512
"""Files that are remembered though they are gone: one that is put back is not read again."""
UNWRITTEN: Final = 3600.0
"""Seconds for which it may stay unwritten that nothing new was found: an idle host's disk is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How far a file was read: ``read`` is the number up to which nothing is asked for again.

    ``looked`` is the last number at the last whole look. The entry with it may have been in the making then, so it
    is asked for again. ``complete``: read to its end, and nothing is written to it any more. ``log`` names the journal
    it belongs to. ``detached``: when it was found, the one before it had no name any more. ``restored``: it is older
    than the start, and was put back since. The others are for what journald copies from memory to disk, see
    ``is_copy`` in journal.py.
    """

    file: str
    log: str
    numbering: str
    first: int
    read: int = 0
    looked: int = 0
    complete: bool = False
    gone: bool = False
    detached: bool = False
    restored: bool = False
    volatile: bool = False
    boot: str = ""
    since_monotonic: int = 0
    until: int = 0

    @property
    def reach(self) -> int:
        """The number behind which something new begins."""
        return max(self.read, self.looked)

    def to_json(self) -> str:
        """As it is committed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Row:
        """As it was committed; what a newer version knows besides is left out."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})


class Rows:
    """The rows by file ID, what changed in them, and the gaps found."""

    def __init__(self, log: str, positions: Mapping[str, str], now: float) -> None:
        self._log = log
        read = [Row.from_json(value) for key, value in positions.items() if key.startswith(KEY)]
        self.rows = {row.file: row for row in read}
        self._begun_at: float | None = json.loads(positions.get(START + log, "{}")).get("at")
        self._changed: set[str] = set()
        self._pressing = False
        self._taken_at = now
        self.gaps: list[str] = []

    @property
    def begun(self) -> bool:
        """Whether the first start is over: what comes is news from then on."""
        return self._begun_at is not None

    def begin(self, at: float) -> dict[str, str]:
        """Remember when the first start was; the position to commit."""
        self._begun_at = at
        return {START + self._log: json.dumps({"at": at})}

    def put(self, row: Row, *, pressing: bool = True) -> Row:
        """Remember a row; what is not pressing is written with the next that is, or after an hour."""
        if self.rows.get(row.file) != row:
            self.rows[row.file] = row
            self._changed.add(row.file)
            self._pressing = self._pressing or pressing
        return row

    def take_changed(self, now: float) -> dict[str, str | None]:
        """The positions to commit."""
        if not self._pressing and now - self._taken_at < UNWRITTEN:
            return {}
        changed, self._changed, self._pressing = self._changed, set(), False
        self._taken_at = now
        rows = {file: self.rows.get(file) for file in changed}
        return {f"{KEY}{file}": None if row is None else row.to_json() for file, row in rows.items()}

    def take_gaps(self) -> tuple[str, ...]:
        """The gaps found since they were last taken."""
        gaps, self.gaps = tuple(self.gaps), []
        return gaps

    def note(self, found: Collection[JournalFile], there: Collection[str], *, whole: bool = True) -> None:
        """Remember files that are new; where all of them could be seen, see which are gone and what went with them."""
        named = set(there) - {file.header.file for file in found if file.deleted}
        lost = [self._meet(file, named) for file in sorted(found, key=lambda each: each.header.first)]
        boots = {file.header.boot for file in found if not file.is_volatile}
        for row in self.missing(there) if whole else []:
            lost.append(self._took_something(row, boots))
            self.put(replace(row, gone=True))
        if any(lost):
            self.gaps.append("journal-vacuumed")
        self._forget()

    def missing(self, there: Collection[str]) -> list[Row]:
        """The rows whose files are not there any more, for the first time."""
        return [row for row in self.rows.values() if row.log == self._log and not row.gone and row.file not in there]

    def _meet(self, file: JournalFile, named: Collection[str]) -> bool:
        """Remember a file that is new; whether something before it is gone that was never seen."""
        known = self.rows.get(file.header.file)
        if known is not None:
            self.put(replace(known, gone=False, log=self._log))
            return False
        row = row_of(file, self._log)
        if self._is_restored(file):
            self.put(replace(as_history(file, row), restored=True))
            return False
        earlier = [each for each in self.rows.values() if each.numbering == row.numbering and each.first < row.first]
        before = max(earlier, key=lambda each: each.first, default=None)
        # vacuuming takes the oldest first: while the one before has its name, there was none between them
        detached = before is not None and before.file not in named
        self.put(replace(row, detached=detached))
        return before is not None and before.gone and before.complete and row.first > before.reach + 1

    def _is_restored(self, file: JournalFile) -> bool:
        """Whether a file that is new here is older than the start, and than all that was there then."""
        header = file.header
        if not file.is_final or file.is_volatile or header.last_at >= (self._begun_at or 0.0) * MICROSECONDS:
            return False
        known = (row for row in self.rows.values() if row.numbering == header.numbering and not row.restored)
        return all(header.last < row.first for row in known)

    def _took_something(self, row: Row, boots: Collection[str]) -> bool:
        """Whether a file that is gone held what was not read, or others unread are gone with it."""
        if row.volatile and row.boot in boots:
            return False  # journald has copied it to the disk, and there it is read
        chain = [each for each in self.rows.values() if each.numbering == row.numbering and each.first > row.first]
        following = min(chain, key=lambda each: each.first, default=None)
        if following is None:
            return not row.complete
        return following.first > row.reach + 1 and (following.detached or not row.complete)

    def volatile(self) -> tuple[Row, ...]:
        """The rows of files in memory, from where journald may have copied entries to the disk."""
        return tuple(row for row in self.rows.values() if row.volatile and row.until)

    def _forget(self) -> None:
        gone = [file for file, row in self.rows.items() if row.gone]
        for file in gone[: max(0, len(gone) - REMEMBERED)]:
            del self.rows[file]
            self._changed.add(file)


def row_of(file: JournalFile, log: str) -> Row:
    """A file of which nothing was read."""
    header = file.header
    return Row(
        file=header.file,
        log=log,
        numbering=header.numbering,
        first=header.first,
        volatile=file.is_volatile,
        boot=header.boot if file.is_volatile else "",
        since_monotonic=first_monotonic(file.descriptor, header) if file.is_volatile else 0,
    )


def as_read(file: JournalFile, row: Row) -> Row:
    """A row whose file was looked through as its header was, whatever it says now."""
    header = file.header
    # the last entry's number stands in the header before the entry can be found: it is asked for once more
    read = header.last if file.is_final else header.last - 1
    return replace(
        row, read=max(row.read, read), looked=max(row.looked, header.last), complete=row.complete or file.is_final
    )


def as_history(file: JournalFile, row: Row) -> Row:
    """A row whose file is not to be read as far as it goes now, the entry in the making included."""
    until = file.header.last_monotonic if file.is_volatile else 0
    return replace(as_read(file, row), read=file.header.last, until=until)
