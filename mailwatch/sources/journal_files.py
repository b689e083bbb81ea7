"""The journal's files: which there are, and what their headers say.

A header says which file it is (its ID stays over renaming), in which numbering its entries stand, and the
numbers of its first and last entry: so a look costs no journalctl while nothing was written. The fields
read here have stood at the same bytes since 2012 (https://systemd.io/JOURNAL_FILE_FORMAT).

Files that are not read to their end are kept open: so they are known again when rotation has renamed them, and
what their headers said last is known when they were deleted. journalctl reads no deleted file, open or not. Where
there are more than ``HELD``, those without news rest: they are closed until they change.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PERSISTENT: Final = Path("/var/log/journal")
VOLATILE: Final = Path("/run/log/journal")
MACHINE_ID: Final = Path("/etc/machine-id")
ENDINGS: Final = (".journal", ".journal~")
SIGNATURE: Final = b"LPKSHHRH"
HEADER: Final = struct.Struct("<8s4xIB7x16s16x16s16s64x7Q")
COMPACT: Final = 16
"""The flag of files whose entries are found by offsets of 32 bits (systemd 252 and later), else of 64."""
ENTRY: Final = struct.Struct("<B15xQ8xQ16s")
ENTRY_KIND: Final = 3
FIRST_OF_ARRAY: Final = 24
"""Bytes before the first offset in an array of entries: the object's head, and where the next array is."""
ONLINE, ARCHIVED = 1, 2
HELD: Final = 256
"""So many files are kept open; a machine that has more unread ones reads them one after the other."""


class Header(NamedTuple):
    """What a journal file says of itself. Times are in microseconds."""

    file: str
    boot: str
    numbering: str
    state: int
    entries: int
    last: int
    first: int
    first_at: int
    last_at: int
    last_monotonic: int
    array: int
    compact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFile:
    """A file as it was found: where, open as ``descriptor``; ``deleted`` when no name leads to it any more."""

    path: str
    descriptor: int
    header: Header
    written: int
    deleted: bool

    @property
    def is_volatile(self) -> bool:
        """Whether it lies in memory, from where journald copies it to the disk when it is told to."""
        return self.path.startswith(f"{VOLATILE}/")

    @property
    def is_final(self) -> bool:
        """Whether nothing is written to it any more: archived, or put aside as damaged."""
        return self.header.state == ARCHIVED or self.path.endswith("~")

    @property
    def fingerprint(self) -> tuple[int, int, int]:
        """What changes with every entry: journald truncates a file to its own size after writing, to wake readers."""
        return self.header.last, self.header.entries, self.written


def header_of(descriptor: int) -> Header | None:
    """The header of an open file; None for one that is no journal, or none yet. Raises OSError."""
    raw = os.pread(descriptor, HEADER.size, 0)
    if len(raw) < HEADER.size:
        return None
    signature, flags, state, file, boot, numbering, *numbers = HEADER.unpack(raw)
    if signature != SIGNATURE:
        return None
    entries, last, first, array, first_at, last_at, monotonic = numbers
    return Header(
        file.hex(), boot.hex(), numbering.hex(), state, entries, last, first, first_at, last_at, monotonic,
        array, bool(flags & COMPACT),
    )  # fmt: skip


def first_monotonic(descriptor: int, header: Header) -> int:
    """When the first entry was made, by the clock of its boot; 0, the boot itself, where that cannot be told.

    Read here, and not through journalctl: a file may have been deleted that is still to be told from its copy.
    """
    try:
        offset = os.pread(descriptor, 4 if header.compact else 8, header.array + FIRST_OF_ARRAY)
        raw = os.pread(descriptor, ENTRY.size, int.from_bytes(offset, "little"))
        kind, number, monotonic, boot = ENTRY.unpack(raw)
    except (OSError, OverflowError, struct.error):
        return 0
    is_first = (kind, number, boot.hex()) == (ENTRY_KIND, header.first, header.boot)
    return int(monotonic) if is_first else 0


def folders(directory: Path | None) -> list[Path]:
    """Where journal files may lie: in ``directory`` and its folders of machines, or in this machine's own."""
    if directory is None:
        return [place / machine_id() for place in (PERSISTENT, VOLATILE)]
    found = [directory]
    with suppress(OSError), os.scandir(directory) as entries:
        found += sorted(Path(entry.path) for entry in entries if is_machine(entry.name) and entry.is_dir())
    return found


def machine_id() -> str:
    """The ID of this machine; where it has none, a name that no folder has."""
    try:
        return MACHINE_ID.read_text(encoding="ascii").strip() or "none"
    except (OSError, UnicodeDecodeError):
        return "none"


def is_machine(name: str) -> bool:
    """Whether a folder has a machine's ID for a name."""
    return len(name) == 32 and not name.strip("0123456789abcdef")  # noqa: PLR2004 - an ID's length


def names(folder: Path) -> list[str]:
    """The journal files in a folder. Raises OSError, not for a folder that is not there."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.name.endswith(ENDINGS))
    except FileNotFoundError:
        return []


class Looked(NamedTuple):
    """What a look found: the files that may have news, and the IDs of all that there are, those held open included.

    ``any_named``: the folders hold a file. ``trouble``: why some could not be looked at. ``waiting``: how many may
    have news and could not be held open.
    """

    fresh: dict[str, JournalFile]
    there: set[str]
    any_named: bool
    trouble: str | None
    waiting: int


class JournalFiles:
    """The files in the folders of a journal, those that are held open among them."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._held: dict[str, JournalFile] = {}
        self._settled: dict[tuple[int, int, int, int], str] = {}
        self._resting: dict[tuple[int, int, int, int], str] = {}
        self._waiting: set[str] = set()

    def look(self) -> Looked:
        """Look at every file."""
        paths, trouble = self._paths()
        there: set[str] = set()
        self._waiting = set()
        for path in paths:
            try:
                file = self._identify(path)
            except FileNotFoundError:
                continue  # rotated or vacuumed this moment
            except OSError as error:
                trouble = trouble or unreadable(path, error)
                continue
            if file is not None:
                there.add(file)
        # disk before memory: what journald copies meanwhile is then read once, see journal.py
        held = sorted(self._held, key=lambda file: self._held[file].is_volatile)
        fresh = {file: found for file in held if (found := self._fresh(file)) is not None}
        return Looked(fresh, there | set(fresh), bool(there), trouble, len(self._waiting - set(fresh)))

    def every(self) -> Iterator[JournalFile]:
        """Every file, those that are not held as well: opened for this moment. Raises OSError."""
        yield from self._held.values()
        for path in self._paths()[0]:
            with suppress(FileNotFoundError):
                opened = open_journal(path) if stat.S_ISREG(os.stat(path).st_mode) else None  # noqa: PTH116 - as below
                if opened is not None:
                    try:
                        if opened.header.file not in self._held:
                            yield opened
                    finally:
                        os.close(opened.descriptor)

    def rest(self, files: Collection[JournalFile]) -> None:
        """Close files that have no news, to make room for others, until they change or ``wake``."""
        for file in files:
            self._let_go(file, self._resting)

    def wake(self) -> None:
        """Look again at every file that rests."""
        self._resting.clear()

    def folder_trouble(self) -> str | None:
        """Why no file can be found, where that is so; None where there are files, or a folder for them."""
        reasons = []
        for folder in folders(self._directory):
            try:
                os.listdir(folder)  # noqa: PTH208 - for its error alone
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror or error}")
            else:
                return None
        return f"cannot read the journal: {', '.join(reasons)}"

    def none_found(self) -> str:
        """What to say where there are folders and no files in them."""
        return f"found no journal files in {' or '.join(map(str, folders(self._directory)))}: is journald running?"

    def settle(self, file: JournalFile) -> None:
        """Let go of a file that was read to its end and is not written to any more."""
        self._let_go(file, self._settled)

    def _let_go(self, file: JournalFile, known_by: dict[tuple[int, int, int, int], str]) -> None:
        """Close a file that is known by its state from then on. What was written since the look changes its state."""
        held = self._held.pop(file.header.file, None)
        if held is not None:
            with suppress(OSError):
                found = os.fstat(held.descriptor)
                if found.st_mtime_ns == held.written:
                    known_by[state_of(found)] = file.header.file
                os.close(held.descriptor)

    def close(self) -> None:
        """Close every file."""
        for file in self._held.values():
            with suppress(OSError):
                os.close(file.descriptor)
        self._held.clear()

    def _paths(self) -> tuple[list[str], str | None]:
        paths: list[str] = []
        trouble: str | None = None
        for folder in folders(self._directory):
            try:
                paths += names(folder)
            except OSError as error:
                trouble = trouble or unreadable(str(folder), error)
        return paths, trouble

    def _identify(self, path: str) -> str | None:
        """The ID of the file at a path, held if it may have news. Raises OSError."""
        found = os.stat(path)  # noqa: PTH116 - one call a file a second
        state = state_of(found)
        known = self._settled.get(state) or self._resting.get(state)
        if known is not None:
            return known
        if not stat.S_ISREG(found.st_mode):
            return None
        for file, held in self._held.items():
            if held.path == path and same_file(held.descriptor, found):
                return file
        opened = open_journal(path)
        if opened is None:
            return None  # being made this moment
        file = opened.header.file
        if not self._hold(opened):
            os.close(opened.descriptor)
        return file

    def _hold(self, opened: JournalFile) -> bool:
        """Hold a file, or not: there may be no room, or it may be held already, as itself or as a copy."""
        file = opened.header.file
        held = self._held.get(file)
        if held is None:
            if len(self._held) >= HELD:
                self._waiting.add(file)
                return False
            self._held[file] = opened
            return True
        if same_file(held.descriptor, os.fstat(opened.descriptor)):
            if not leads_to(held.path, held.descriptor):
                self._held[file] = replace(held, path=opened.path)  # renamed
            return False
        # two files with one ID: one is a copy of the other as it was then, and only the other is written to
        now = self._fresh(file)
        if now is not None:
            if progress(opened) <= progress(now):
                return False
            os.close(now.descriptor)
        self._held[file] = opened
        return True

    def _fresh(self, file: str) -> JournalFile | None:
        """A held file as it is now."""
        held = self._held[file]
        try:
            status = os.fstat(held.descriptor)
            header = header_of(held.descriptor)
        except OSError:
            header = None
        if header is None:
            os.close(self._held.pop(file).descriptor)
            return None
        self._held[file] = replace(held, header=header, written=status.st_mtime_ns, deleted=status.st_nlink == 0)
        return self._held[file]

    def forget_settled(self, files: Collection[str]) -> None:
        """Forget settled files that are not there any more."""
        if len(self._settled) > 2 * len(files) + HELD:
            self._settled = {state: file for state, file in self._settled.items() if file in files}


def open_journal(path: str) -> JournalFile | None:
    """The file at a path, opened; None for one that is no journal or has no entry. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    header = None
    try:
        header = header_of(descriptor)
        written = os.fstat(descriptor).st_mtime_ns
    finally:
        if header is None or not header.entries:
            os.close(descriptor)
    if header is None or not header.entries:
        return None
    return JournalFile(path=path, descriptor=descriptor, header=header, written=written, deleted=False)


def progress(file: JournalFile) -> tuple[int, bool, int]:
    """Which of two files with one ID is further on."""
    return file.header.last, not file.deleted, file.written


def unreadable(path: str, error: OSError) -> str:
    """Why a file or folder of the journal cannot be read, and what to do."""
    do = "; add the user mailwatch runs as to the group systemd-journal" if error.errno == errno.EACCES else ""
    return f"cannot read the journal in {path}: {error.strerror or error}{do}"


def state_of(found: os.stat_result) -> tuple[int, int, int, int]:
    """What a file that nobody writes to keeps."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_deleted(file: JournalFile) -> bool:
    """Whether no name leads to an open file any more, now."""
    try:
        return os.fstat(file.descriptor).st_nlink == 0
    except OSError:
        return True


def leads_to(path: str, descriptor: int) -> bool:
    """Whether a path is that of an open file."""
    try:
        return same_file(descriptor, os.stat(path))  # noqa: PTH116 - as above
    except OSError:
        return False


def same_file(descriptor: int, found: os.stat_result) -> bool:
    """Whether an open file is the one found."""
    try:
        held = os.fstat(descriptor)
    except OSError:
        return False
    return (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino)
