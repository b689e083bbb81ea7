"""The file the state lies in: opened, checked, migrated; told apart when it is damaged, newer, or not ours.

How it fails
    StateUnwritable   the disk is full, read-only or failing, or the database is locked: try again later
    StateDamaged      the file is no database any more
    StateNewer        a newer mailwatch wrote it: this one must not touch it
    StateNotOurs      another program's database lies at this path
"""

from __future__ import annotations

import calendar
import contextlib
import sqlite3
import time
from itertools import chain
from typing import TYPE_CHECKING, Final

from mailwatch.schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = "state.db"
BUSY_MILLISECONDS: Final = 2000
DAMAGED_KEPT: Final = 3
STAMP: Final = "%Y%m%dT%H%M%SZ"
CARRIED_FOR: Final = 86_400.0
"""Seconds after which nobody is told any more what a damaged state has."""
CARRIED_AT_MOST: Final = 10_000
SOUND_ROW: Final = (
    "typeof(made_at) = 'real' AND typeof(due_at) IN ('real', 'null') AND typeof(tries) = 'integer' "
    "AND typeof(leased_until) IN ('real', 'null') AND typeof(ended_at) IN ('real', 'null') ORDER BY id DESC"
)
CARRIED: Final = (
    (
        "outbox",
        "id, key, channel, topic, content, made_at, due_at, tries, leased_until, leased_by, ended_at, outcome, answer",
        SOUND_ROW,
    ),
    ("alert", "rule, cause, scope, content", "json_valid(content)"),
    ("ration", "channel, content", "json_valid(content)"),
)
"""What a new state takes from a damaged one: table, columns, and which rows are sound; the newest first."""
UNWRITABLE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
     sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL}
)  # fmt: skip
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StateError(Exception):
    """The state database cannot be used; the text says why, for people."""


class StateUnwritable(StateError):  # noqa: N818 - the words of this house: what the state is, not that it is an error
    """Nothing was written; the same may work later."""


class StateDamaged(StateError):  # noqa: N818
    """The file is not a sound database."""


class StateNewer(StateError):  # noqa: N818
    """The file was written by a newer mailwatch."""


class StateNotOurs(StateError):  # noqa: N818
    """The file is a database of another program."""


@contextlib.contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the ones this file promises; a bug in our own SQL stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in DAMAGED:
            msg = f"state database {path} is damaged ({error})"
            raise StateDamaged(msg) from error
        if code in UNWRITABLE:
            msg = f"cannot write the state database {path} ({error})"
            raise StateUnwritable(msg) from error
        raise


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(path: Path, now: float) -> sqlite3.Connection:
    """A connection to the sound, current database at ``path``, created or migrated where needed."""
    try:
        path.touch(mode=0o600)
    except OSError as error:
        msg = f"cannot write the state database {path} ({error.strerror or error})"
        raise StateUnwritable(msg) from error
    with told_plainly(path):
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
            refuse_foreign(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -4096")
            connection.execute("PRAGMA journal_size_limit = 4194304")
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                msg = f"state database {path} is damaged ({verdict})"
                raise StateDamaged(msg)
            migrate(connection, now if damaged_before(path) else None, lately_damaged(path, now))
        except BaseException:
            connection.close()
            raise
    return connection


def copied(path: Path, now: float) -> sqlite3.Connection:
    """A copy in memory of what can be read of the database at ``path``; where that is nothing, one that begins now.

    Raises StateNewer, StateNotOurs.
    """
    # on a disk that takes no index of the write-ahead log, what stands in the file itself is better than nothing
    for how in ("mode=ro", "mode=ro&immutable=1"):
        made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=64)
        try:
            with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as source:
                source.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
                source.backup(made)
            if made.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                refuse_foreign(path, made)
                migrate(made, begun_anew_at=None)
                return made
        except sqlite3.Error:
            pass
        except BaseException:
            made.close()
            raise
        made.close()
    made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=64)
    migrate(made, begun_anew_at=now)
    return made


def refuse_unusable(folder: Path) -> None:
    """Raise StateNewer or StateNotOurs where the state is not ours to write; any other trouble is for later."""
    path = folder / NAME
    with contextlib.suppress(sqlite3.Error), contextlib.closing(read_only(path)) as connection:
        refuse_foreign(path, connection)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is such a table: a state of an earlier version may have to be read as it is."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, also where nothing can be written any more. Raises sqlite3.Error.

    SQLite's index of the write-ahead log is a file; on a full or read-only disk it cannot be made when the last writer
    has gone. That one has left no such log then, and the file alone is all there is.
    """
    connection = read_only(path)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            with contextlib.suppress(FileNotFoundError):
                if path.with_name(f"{path.name}-wal").stat().st_size:
                    raise
            connection.close()
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
        yield connection
    finally:
        connection.close()


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Raise unless the database is empty or ours and of a version we know."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != APPLICATION_ID:
        msg = f"{path} is a database of another program: set another state_dir"
        raise StateNotOurs(msg)
    if version > len(MIGRATIONS):
        msg = (
            f"state database {path} was written by a newer mailwatch "
            f"(schema {version}, this one knows {len(MIGRATIONS)}): "
            "install that version again, or set another state_dir to begin anew"
        )
        raise StateNewer(msg)


def migrate(connection: sqlite3.Connection, begun_anew_at: float | None, aside: Path | None = None) -> None:
    """Bring the database to the newest version, all of it or nothing; ``aside``: the damaged one that went before."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in chain.from_iterable(MIGRATIONS[version:]):
        connection.execute(statement)
    if not version:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        if begun_anew_at is not None:
            # in the transaction that makes the file: a crash right after must not forget that there was a gap
            note_gap(connection, begun_anew_at)
            if aside is not None:
                carry_over(connection, aside)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def note_gap(connection: sqlite3.Connection, now: float) -> None:
    """Note that a damaged state went before: in the counter, and in the buckets that the rules look at."""
    connection.execute("INSERT INTO fact VALUES ('begun_anew_at', ?)", (now,))
    connection.execute("INSERT INTO counter VALUES ('log_gaps', '[\"state-damaged\"]', 1)")
    connection.executemany(
        "INSERT INTO bucket VALUES (?, ?, 'log_gaps', '[\"state-damaged\"]', 1)",
        [(width, int(now) // width * width) for width in (60, 3600)],
    )


def carry_over(connection: sqlite3.Connection, aside: Path) -> None:
    """Copy what can still be read of what people are to be told, and were, out of a damaged state."""
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(reading(aside))
        except sqlite3.Error:
            return
        for table, columns, sound in CARRIED:
            marks = ", ".join("?" * len(columns.split(",")))
            connection.executemany(
                f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - words of our own
                legible(source, f"SELECT {columns} FROM {table} WHERE {sound} LIMIT {CARRIED_AT_MOST}"),  # noqa: S608
            )


def legible(source: sqlite3.Connection, question: str) -> Iterator[tuple[object, ...]]:
    """The rows up to the first that cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from source.execute(question)


def damaged_before(path: Path) -> bool:
    """Whether a damaged database has been kept aside here."""
    return any(path.parent.glob(f"{path.name}.damaged-*"))


def lately_damaged(path: Path, now: float) -> Path | None:
    """The newest damaged database kept aside here; None where that is so old that nobody waits for what is in it."""
    newest = max(path.parent.glob(f"{path.name}.damaged-*Z"), default=None)
    if newest is None:
        return None
    try:
        kept_at = calendar.timegm(time.strptime(newest.name.rpartition("-")[2], STAMP))
    except ValueError:
        return None
    return newest if abs(now - kept_at) < CARRIED_FOR else None


def keep_aside(path: Path, now: float) -> Path:
    """Rename the database and what belongs to it, so that it can be looked at; only the newest few are kept."""
    stamp = time.strftime(STAMP, time.gmtime(now))
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    aside.touch(mode=0o600)  # where there was nothing left to rename it tells that something went before
    kept = sorted(path.parent.glob(f"{path.name}.damaged-*Z"))
    for old in kept[:-DAMAGED_KEPT]:
        for suffix in ("-wal", "-shm", ""):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return aside
