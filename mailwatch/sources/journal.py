"""Reads the systemd journal exactly once.

Promises
    Every entry of the mail facility is handed out once, together with the position to commit with it: over
    rotation, vacuuming, reboots, clocks that go back, journald's copying from memory to disk, restarts and
    kill -9. Entries that are gone unread are a gap. Nothing here blocks for longer than a tenth of a second.

How
    File by file, and not as the one stream that journalctl makes of them: journalctl puts files in order by boot and
    clock, and what comes to stand before the cursor is never shown. In a file every entry has a number;
    the number up to which each file was read is its row (journal_rows.py). The headers tell what is new
    (journal_files.py), and journalctl reads from there on (journalctl.py). A look reads up to the number
    that stood in the header when it began, memory after disk: so what journald copies meanwhile is known.

    The mail facility (and the one that Postfix's syslog_facility names), because journalctl cannot match identifiers
    by pattern, and reading all entries costs 5.6 us each against 0.6 for those skipped by a match; never the unit, for
    that of Postfix has many names. Whose line it is the parser tells by its identifier, as in a file.

How it fails
    Files that may not be read, a journalctl that is missing, hangs or fails: trouble, never silence. An
    archived file in which journalctl itself fails again and again for minutes, and gets no further, is a gap, and is
    left; not one at which journalctl was killed, could not be run or did not know the format.
    What journald dropped itself because Postfix wrote too fast is a gap, too, as soon as journald says so.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.sources.batch import Batch
from mailwatch.sources.journal_entry import is_suppression, line, place
from mailwatch.sources.journal_files import ONLINE, JournalFiles, is_deleted
from mailwatch.sources.journal_rows import Row, Rows, as_history, as_read, row_of
from mailwatch.sources.journalctl import PATIENCE, PROGRAM, Journalctl

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from mailwatch.sources.export import Entry
    from mailwatch.sources.journal_entry import Place
    from mailwatch.sources.journal_files import JournalFile

MAIL: Final = 2
"""The number of the mail facility (RFC 5424)."""
UNCONDITIONALLY: Final = 30.0
"""Seconds after which a file is read on though its header and times say that nothing was written."""
BETWEEN_LOOKS: Final = 0.2
"""Seconds between two looks at a file that is written to all the time: each costs a process."""
AFTER_NOTHING: Final = 1.0
"""Seconds for which a file is left alone whose news were none of Postfix's: others may write all the time."""
AFTER_FAILURE: Final = 5.0
HOPELESS: Final = 5
"""So many failures in a row at the same entry, and for so many seconds, before the rest of an archived file is left."""
HOPELESS_AFTER: Final = 300.0
ABANDONED: Final = 60.0
"""Seconds for which nobody must have written to a deleted file before it is let go of."""


class Stuck(NamedTuple):
    """Failures in a row that may be a file's own: at which number, how many, since when."""

    reached: int
    times: int
    since: float


class Look:
    """The reading of one file up to the number that its header had when this began."""

    def __init__(self, file: JournalFile, row: Row, run: Journalctl, copied: Collection[Row]) -> None:
        self.file = file
        self.run = run
        self.through = False
        self.found = False
        self.size = 0
        self._row = row
        self._copied = copied
        self._reached = row.read
        self._monotonic = 0
        self._lines: list[bytes] = []
        self._overlong = 0
        self._suppressed = 0

    def take(self, entries: Iterable[Entry]) -> None:
        """Make lines of entries, up to the last one of this look."""
        for entry in entries:
            at = place(entry)
            if at is None or at.numbering != self._row.numbering or at.number <= self._reached:
                continue
            if at.number > self.file.header.last:
                self.through = True  # written since: the next look reads it
                return
            self.found = True
            self._reached, self._monotonic = at.number, at.monotonic
            if not is_copy(at, self._copied):
                self._take(entry)

    def _take(self, entry: Entry) -> None:
        if is_suppression(entry):
            self._suppressed += 1
            return
        made = line(entry)
        if made is None:
            self._overlong += 1
            return
        self._lines.append(made)
        self.size += len(made)

    def row(self) -> Row:
        """How far the file is read now."""
        if self._reached > self._row.read:
            until = max(self._row.until, self._monotonic) if self._row.volatile else 0
            self._row = replace(self._row, read=self._reached, until=until)
        return self._row

    def taken(self) -> tuple[bytes, int, int]:
        """The lines, the overlong ones and the suppressions since this was last asked."""
        taken = b"".join(self._lines), self._overlong, self._suppressed
        self._lines, self.size, self._overlong, self._suppressed = [], 0, 0, 0
        return taken


def is_copy(at: Place, copied: Iterable[Row]) -> bool:
    """Whether an entry was read in memory before: journalctl --flush copies it to the disk, with a new number.

    By the boot's own clock alone, which never goes back, and which a copy keeps.
    """
    return any(row.boot == at.boot and row.since_monotonic <= at.monotonic <= row.until for row in copied)


class JournalSource:
    """The journal of this machine, or the one in ``directory``.

    ``start`` (``end`` or ``beginning``) decides about what is there at the very first start. ``positions`` are the
    committed ones; ``facilities`` the syslog facilities that Postfix writes with.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        positions: Mapping[str, str],
        start: str = "end",
        facilities: Collection[int] = (MAIL,),
        program: str = PROGRAM,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = "" if directory is None else str(directory)
        self._files = JournalFiles(directory)
        self._rows = Rows(self._log, positions, clock())
        self._start = start
        self._facilities = frozenset(facilities)
        self._program = program
        self._wall = wall
        self._clock = clock
        self._look: Look | None = None
        self._idle: dict[str, tuple[tuple[int, int, int], float]] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._stuck: dict[str, Stuck] = {}
        self._woken_at = clock()
        self._trouble: str | None = None

    def read(self, limit: int) -> Batch:
        """The next whole lines, about ``limit`` bytes of them; see ``Source``."""
        if self._look is None:
            found, there, any_named, trouble, waiting = self._files.look()
            if self._rows.begun and self._rows.missing(there):
                # it may just have been renamed, behind our back as we went through the folder
                found, there, any_named, trouble, waiting = self._files.look()
            if not self._rows.begun:
                return self._begin(trouble)
            # what could not be looked at may be there
            self._rows.note(found.values(), there, whole=trouble is None and any_named)
            self._forget(there)
            trouble = trouble or (None if any_named else self._files.folder_trouble() or self._files.none_found())
            rested = self._make_room(found.values()) if waiting else 0
            self._trouble = trouble or (self._crowd_trouble(found.values(), waiting) if waiting > rested else None)
            if not self._next(list(found.values())):
                return self._batch(more=rested > 0)
        return self._read_on(limit)

    def close(self) -> None:
        """Close every file and end journalctl."""
        self._leave()
        self._files.close()

    def _begin(self, trouble: str | None) -> Batch:
        """At the very first start: what is there already is history, in one transaction, or all of it is news."""
        rows: dict[str, Row] = {}
        try:
            for file in self._files.every():
                row = self._rows.rows.get(file.header.file) or row_of(file, self._log)
                if self._start == "end" and file.header.file not in self._rows.rows:
                    row = as_history(file, row)
                before = rows.get(row.file)
                rows[row.file] = row if before is None or row.reach > before.reach else before  # a copy may be older
        except OSError as error:
            trouble = trouble or f"cannot read the journal: {error.strerror or error}"
        trouble = trouble or (None if rows else self._files.folder_trouble())
        if trouble is not None:
            # what cannot be recorded as history would be read as news later: so this is tried again
            return Batch(trouble=trouble)
        for row in rows.values():
            self._rows.put(row)
        return self._batch(more=True, begun=self._rows.begin(self._wall()))

    def _make_room(self, found: Collection[JournalFile]) -> int:
        """Let files rest that have no news, so that others can be held open; how many."""
        now = self._clock()
        if now - self._woken_at >= UNCONDITIONALLY:
            self._woken_at = now
            self._files.wake()
        quiet = [each for each in found if not each.deleted and not each.is_final and self._is_quiet(each, now)]
        self._files.rest(quiet)
        return len(quiet)

    def _crowd_trouble(self, found: Collection[JournalFile], waiting: int) -> str | None:
        """What to say where files wait because all that are held open have news."""
        if any(self._rows.rows[each.header.file].reach >= each.header.last for each in found):
            return None
        return f"more than {len(found)} journal files have unread entries: {waiting} more wait until those are read"

    def _is_quiet(self, file: JournalFile, now: float) -> bool:
        row = self._rows.rows[file.header.file]
        return row.reach >= file.header.last and (row.read == file.header.last or not self._is_due(file, now))

    def _next(self, found: list[JournalFile]) -> bool:
        """Begin a look at the oldest file that has something new; whether there is one."""
        now = self._clock()
        # memory before disk, so that what was copied from there is known to be; the archived before the live one
        for file in sorted(found, key=lambda each: (not each.is_volatile, not each.is_final, each.header.first_at)):
            row = self._rows.rows[file.header.file]
            if file.deleted:
                self._give_up(file, row)
            elif row.read >= file.header.last and file.is_final:
                self._complete(file, row)
            elif row.read < file.header.last and self._is_due(file, now):
                return self._begin_look(file, row)
            elif file.is_volatile and row.reach < file.header.last:
                return False  # what is unread here may just be copied to the disk: it must not be read there first
        return False

    def _give_up(self, file: JournalFile, row: Row) -> None:
        """Let go of a deleted file, for journalctl reads none. What it still held is missed once it is gone."""
        if row.reach >= file.header.last:
            self._rows.put(replace(row, complete=True), pressing=False)
        if file.header.state == ONLINE and self._wall() - file.written / 1e9 < ABANDONED:
            self._trouble = f"journald writes to {file.path}, which was deleted: run journalctl --rotate"
        else:
            self._files.settle(file)

    def _is_due(self, file: JournalFile, now: float) -> bool:
        if now < self._not_before.get(file.header.file, now):
            return False
        fingerprint, looked_at = self._idle.get(file.header.file, (None, now))
        # what became final since has its last entry for certain
        return file.is_final or fingerprint != file.fingerprint or now - looked_at >= UNCONDITIONALLY

    def _begin_look(self, file: JournalFile, row: Row) -> bool:
        try:
            run = Journalctl(
                file.descriptor,
                numbering=row.numbering,
                first=row.read + 1,
                facilities=self._facilities,
                program=self._program,
            )
        except OSError as error:
            why = f"cannot run {self._program} to read the journal: {error.strerror or error}"
            self._fail(file, why)
            return False
        self._look = Look(file, row, run, () if file.is_volatile else self._rows.volatile())
        return True

    def _read_on(self, limit: int) -> Batch:
        """Read on in the file at hand, until there is enough, or nothing comes for a moment."""
        look = self._look
        assert look is not None  # noqa: S101 - for the type checker
        end = time.monotonic() + PATIENCE
        while look.size < limit and look.run.ended is None and not look.through:
            try:
                look.take(look.run.read())
            except (TimeoutError, OSError) as error:
                return self._failed(look, str(error))
            if time.monotonic() >= end:
                break
        if look.through or look.run.ended == 0:
            return self._done(look)
        if look.run.ended is not None:
            return self._failed(look, look.run.complaint())
        self._rows.put(look.row())
        return self._batch(look, more=True)

    def _done(self, look: Look) -> Batch:
        """The file was looked through as it was when this began."""
        file, now = look.file, self._clock()
        self._recover(file)
        if file.is_final:
            self._complete(file, look.row())
        else:
            # that only others wrote need not be known at once: it is not worth a write to the disk
            self._rows.put(as_read(file, look.row()), pressing=look.found)
            self._idle[file.header.file] = (file.fingerprint, now)
            self._not_before[file.header.file] = now + (BETWEEN_LOOKS if look.found else AFTER_NOTHING)
        self._leave()
        return self._batch(look, more=True)

    def _failed(self, look: Look, why: str) -> Batch:
        """Journalctl hung or failed: what it said before counts; an archived file that gives no more is left."""
        file = look.file
        self._leave()
        row = self._rows.put(look.row())
        if self._is_hopeless(look, row.read) and file.is_final and not is_deleted(file):
            self._rows.gaps.append("journal-damaged")
            self._complete(file, row)
        else:
            self._fail(file, f"{self._program} cannot read the journal file {file.path}: {why}")
        return self._batch(look, more=True)

    def _is_hopeless(self, look: Look, reached: int) -> bool:
        """Whether journalctl has failed often enough at one place of a file, and for long enough."""
        file, now = look.file.header.file, self._clock()
        if not look.run.blames_the_file():
            self._stuck.pop(file, None)
            return False
        before = self._stuck.get(file)
        if before is None or before.reached != reached:
            before = Stuck(reached, 0, now)
        self._stuck[file] = before._replace(times=before.times + 1)
        return before.times + 1 >= HOPELESS and now - before.since >= HOPELESS_AFTER

    def _fail(self, file: JournalFile, why: str) -> None:
        self._failures[file.header.file] = why
        self._not_before[file.header.file] = self._clock() + AFTER_FAILURE

    def _recover(self, file: JournalFile) -> None:
        """Forget what failed before: the file was read."""
        self._failures.pop(file.header.file, None)
        self._stuck.pop(file.header.file, None)

    def _complete(self, file: JournalFile, row: Row) -> None:
        """Remember a file as read to its end, and let go of it."""
        self._recover(file)
        self._rows.put(replace(as_read(file, row), complete=True))
        self._files.settle(file)

    def _forget(self, there: Collection[str]) -> None:
        """Forget what was found about files that are not there any more."""
        self._files.forget_settled(there)
        for notes in (self._idle, self._not_before, self._failures, self._stuck):
            for file in [each for each in notes if each not in there]:
                del notes[file]

    def _batch(self, look: Look | None = None, *, more: bool = False, begun: Mapping[str, str] | None = None) -> Batch:
        block, overlong, suppressed = b"", 0, 0
        if look is not None:
            block, overlong, suppressed = look.taken()
        return Batch(
            block=block,
            written_at=self._wall(),
            positions={**(begun or {}), **self._rows.take_changed(self._clock())},
            gaps=self._rows.take_gaps() + ("journal-suppressed",) * suppressed,
            overlong=overlong,
            more=more,
            trouble=self._trouble or next(iter(self._failures.values()), None),
        )

    def _leave(self) -> None:
        if self._look is not None:
            self._look.run.close()
            self._look = None
