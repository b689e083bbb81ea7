"""Remembers, exactly once: a position in the log and everything counted up to it are one transaction.

Promises
    ``commit`` writes all it is given or nothing. When it returns, it is on the disk (WAL, synchronous=FULL);
    when it raises, nothing has advanced and the caller reads the same lines again. A process killed at
    any instant finds the state as the last commit left it.

How it fails
    With the errors of database.py: the state cannot be written, is damaged, newer, or not ours.

Known limit: buckets follow the clock of the log; what is stamped later than now counts as now.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mailwatch import database
from mailwatch.database import NAME, StateDamaged, connect, copied, identity, keep_aside, read_only, told_plainly
from mailwatch.delays import histogram
from mailwatch.tally import SENT, UNTOLD, Fate, Sample, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mailwatch.counters import Series
    from mailwatch.delays import Texts
    from mailwatch.event import Event
    from mailwatch.tally import Delta, Known, MessageKey, UnknownKey

STARTED: Final = "file:start:"
JOURNAL_STARTED: Final = "journal:start:"
"""The keys under which a source notes that it has begun to read a file, or the journal in a folder."""
MINUTE, HOUR = 60, 3600
KEPT: Final = {MINUTE: 26 * 3600, HOUR: 35 * 86400}
"""Seconds for which the buckets of each width are kept."""
OPEN_IN_MEMORY: Final = 20_000
"""Up to so many open messages are known without asking the database."""
OPEN_MESSAGES: Final = 100_000
"""So many open messages are remembered; the ones seen first are dropped beyond."""
UNKNOWN_SAMPLES: Final = 100
"""So many shapes of failures that no rule knows are kept; the ones not seen for longest go."""
SUM: Final = -1
"""The bucket in which a histogram's sum stands."""
AT_ONCE: Final = 1 << 40
"""No counter grows by more in one commit: what a log says is not to overflow what SQLite counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was committed, at one instant."""

    counters: Mapping[Series, int]
    delays: Mapping[tuple[str, int], int]
    open_messages: int
    last_event_at: float | None
    outbox_pending: int = 0
    outbox_oldest_at: float | None = None
    domains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Store:
    """The one writer of the state database; used by one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, damaged: Path | None) -> None:
        self.path = path
        self.damaged = damaged
        self._connection = connection
        self._pruned_at = 0.0
        self._file = identity(path)
        self._open_messages = open_messages(path, connection)
        self._open = few_open(connection)

    @classmethod
    def open(cls, folder: Path, now: float) -> Store:
        """Open or create the state in ``folder``; a damaged one is kept aside under a name with the time.

        ``damaged`` on the result tells where. Raises StateUnwritable, StateNewer, StateNotOurs.
        """
        path = folder / NAME
        try:
            return cls(path, connect(path, now), None)
        except StateDamaged:
            damaged = keep_aside(path, now)
            return cls(path, connect(path, now), damaged)

    @classmethod
    def in_memory(cls, folder: Path, now: float) -> Store:
        """A copy in memory of the state in ``folder``, for where that cannot be written: nothing of it stays."""
        path = folder / NAME
        return cls(path, copied(path, now), None)

    def set_aside(self, now: float) -> Path:
        """Close a state that turned out to be damaged in use, and keep it aside; the next ``open`` begins anew."""
        self.close()
        return keep_aside(self.path, now)

    def is_there(self) -> bool:
        """Whether the file that is written to still has its name: one that was deleted takes everything with it."""
        return identity(self.path) == self._file

    def close(self) -> None:
        """Close the database; what was committed stays."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is written together or not at all."""
        connection = self._connection
        with told_plainly(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after a full disk: a second ROLLBACK would hide that error
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def positions(self) -> dict[str, str]:
        """Where each source stands."""
        with told_plainly(self.path):
            return dict(self._connection.execute("SELECT key, value FROM position"))

    def begins_at_end(self) -> bool:
        """Whether a damaged state went before: what it had counted is unknown, so reading begins at the end."""
        with told_plainly(self.path):
            found = self._connection.execute("SELECT 1 FROM fact WHERE name = 'begun_anew_at'").fetchone()
        return found is not None

    def open_among(self, events: Iterable[Event]) -> Known:
        """The open messages, at least those that ``events`` are about, and what is known of each."""
        if self._open is not None:
            return self._open
        instances: dict[str, list[str]] = {}
        for instance, queue_id in touched(events):
            instances.setdefault(instance, []).append(queue_id)
        with told_plainly(self.path):
            return {
                (instance, queue_id): Fate(*fate)
                for instance, queue_ids in instances.items()
                for queue_id, *fate in self._connection.execute(
                    "SELECT queue_id, ends, cause, scope FROM open_message "
                    "WHERE instance = ? AND queue_id IN (SELECT value FROM json_each(?))",
                    (instance, json.dumps(queue_ids)),
                )
            }

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Everything inside reads what the last commit left. Raises StateUnwritable, StateDamaged."""
        with told_plainly(self.path):
            yield self._connection

    def commit(
        self,
        delta: Delta,
        positions: Mapping[str, str | None],
        now: float,
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Write what was counted together with the positions up to which it was; a position of None is forgotten.

        ``now`` (seconds) decides which buckets are still kept; ``also`` writes within the same transaction.
        Raises StateUnwritable, StateDamaged.
        """
        with self.transaction() as connection:
            changed = write_messages(connection, delta)
            dropped = drop_oldest(connection, self._open_messages + changed - OPEN_MESSAGES)
            totals = delta.totals()
            totals["open_messages_dropped", ()] += dropped
            write_counters(connection, totals)
            write_buckets(connection, delta, now)
            write_delays(connection, delta.delays)
            write_samples(connection, delta.unknown)
            write_positions(connection, positions)
            if delta.last_event_at:
                connection.execute(
                    "INSERT INTO fact VALUES ('last_event_at', ?) "
                    "ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
                    (min(delta.last_event_at, now),),
                )
            if also is not None:
                also(connection)
            pruned = now - self._pruned_at >= MINUTE
            if pruned:
                prune(connection, now)
        self._open_messages += changed - dropped
        self._know_open(delta, dropped=bool(dropped))
        if pruned:
            self._pruned_at = now

    def _know_open(self, delta: Delta, *, dropped: bool) -> None:
        """Keep in memory which messages are open, where they are few."""
        if self._open is None:
            return
        for key in delta.closed:
            self._open.pop(key, None)
        self._open.update(dict.fromkeys(delta.opened, UNTOLD))
        self._open.update(delta.fates)
        if dropped or len(self._open) > OPEN_IN_MEMORY:
            self._open = few_open(self._connection)


def open_messages(path: Path, connection: sqlite3.Connection) -> int:
    """How many messages are open. Raises StateDamaged where not even that can be told."""
    try:
        with told_plainly(path):
            return int(connection.execute("SELECT count(*) FROM open_message").fetchone()[0])
    except sqlite3.OperationalError as error:
        connection.close()
        msg = f"state database {path} is damaged ({error})"
        raise StateDamaged(msg) from error


def known_logs(folder: Path) -> set[Path]:
    """The log files that were read with this state; none where it cannot be told."""
    return {Path(each) for each in begun(folder, STARTED)}


def known_journals(folder: Path) -> set[Path | None]:
    """The journals that were read with this state, None for this machine's own; none where it cannot be told."""
    return {Path(each) if each else None for each in begun(folder, JOURNAL_STARTED)}


def begun(folder: Path, prefix: str) -> list[str]:
    """What was begun to be read, of one kind."""
    try:
        with contextlib.closing(read_only(folder / NAME)) as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM position WHERE key GLOB ?", [f"{prefix}*"])]
    except sqlite3.Error:
        return []
    return [key.removeprefix(prefix) for key in keys]


def few_open(connection: sqlite3.Connection) -> dict[MessageKey, Fate] | None:
    """The open messages where they are few; None where they are many, for memory is worth more than time."""
    found = connection.execute(
        "SELECT instance, queue_id, ends, cause, scope FROM open_message LIMIT ?", (OPEN_IN_MEMORY + 1,)
    )
    few = {(instance, queue_id): Fate(*fate) for instance, queue_id, *fate in found}
    return few if len(few) <= OPEN_IN_MEMORY else None


def write_counters(connection: sqlite3.Connection, totals: Mapping[Series, int]) -> None:
    """Add to the counters."""
    connection.executemany(
        "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        [(name, json.dumps(labels), min(value, AT_ONCE)) for (name, labels), value in totals.items() if value],
    )


def write_buckets(connection: sqlite3.Connection, delta: Delta, now: float) -> None:
    """Add to the buckets that are still kept."""
    rows: Counter[tuple[int, int, str, str]] = Counter()
    for minute, counted in delta.minutes.items():
        at = min(minute * MINUTE, int(now))
        for width, kept in KEPT.items():
            if at < now - kept:
                continue
            for (name, labels), value in counted.items():
                rows[width, at // width * width, name, json.dumps(labels)] += value
    connection.executemany(
        "INSERT INTO bucket VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        [(*row, min(value, AT_ONCE)) for row, value in rows.items() if value],
    )


def write_delays(connection: sqlite3.Connection, delays: Texts) -> None:
    """Add to the histograms."""
    rows = [
        (stage, bucket, value)
        for stage, made in ((stage, histogram(texts)) for stage, texts in delays.items())
        for bucket, value in ((SUM, made.microseconds), *enumerate(made.buckets))
        if value
    ]
    connection.executemany(
        "INSERT INTO delay VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        [(stage, bucket, min(value, AT_ONCE)) for stage, bucket, value in rows],
    )


def write_samples(connection: sqlite3.Connection, unknown: Mapping[UnknownKey, Sample]) -> None:
    """Keep samples of failures that no rule knows, within bounds."""
    if not unknown:
        return
    connection.executemany(
        "INSERT INTO unknown_sample VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "number = number + excluded.number, last_seen = excluded.last_seen, text = excluded.text",
        [(*key, min(sample.number, AT_ONCE), sample.at, sample.text) for key, sample in unknown.items()],
    )
    connection.execute(
        "DELETE FROM unknown_sample WHERE (scope, shape) NOT IN "
        "(SELECT scope, shape FROM unknown_sample ORDER BY last_seen DESC LIMIT ?)",
        (UNKNOWN_SAMPLES,),
    )


def write_messages(connection: sqlite3.Connection, delta: Delta) -> int:
    """Forget the messages that were closed, remember those that were opened; by how many there are more now."""
    closed = connection.executemany(
        "DELETE FROM open_message WHERE instance = ? AND queue_id = ?", delta.closed
    ).rowcount
    opened = connection.executemany(
        "INSERT OR REPLACE INTO open_message VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        [
            (*key, message.sender, message.size, message.nrcpt, message.at, SENT)
            for key, message in delta.opened.items()
        ],
    ).rowcount
    connection.executemany(
        "UPDATE open_message SET ends = ?, cause = ?, scope = ? WHERE instance = ? AND queue_id = ?",
        [(*fate, *key) for key, fate in delta.fates.items()],
    )
    return max(opened, 0) - max(closed, 0)


def drop_oldest(connection: sqlite3.Connection, excess: int) -> int:
    """Forget the messages seen first where there are too many; how many were dropped."""
    if excess <= 0:
        return 0
    return connection.execute(
        "DELETE FROM open_message WHERE (instance, queue_id) IN "
        "(SELECT instance, queue_id FROM open_message ORDER BY first_seen LIMIT ?)",
        (excess,),
    ).rowcount


def write_positions(connection: sqlite3.Connection, positions: Mapping[str, str | None]) -> None:
    """Remember where each source stands."""
    connection.executemany(
        "INSERT OR REPLACE INTO position VALUES (?, ?)", [row for row in positions.items() if row[1] is not None]
    )
    connection.executemany(
        "DELETE FROM position WHERE key = ?", [(key,) for key, value in positions.items() if value is None]
    )


def prune(connection: sqlite3.Connection, now: float) -> None:
    """Forget the buckets that are too old."""
    for width, kept in KEPT.items():
        connection.execute("DELETE FROM bucket WHERE width = ? AND start < ?", (width, int(now - kept)))


def read_samples(folder: Path) -> dict[UnknownKey, Sample] | None:
    """The failures that no rule knows, the most frequent first; None when the state cannot be read."""
    try:
        with contextlib.closing(read_only(folder / NAME)) as connection:
            return {
                (scope, shape): Sample(number, at, text)
                for scope, shape, number, at, text in connection.execute(
                    "SELECT scope, shape, number, last_seen, text FROM unknown_sample ORDER BY number DESC, shape"
                )
            }
    except sqlite3.Error:
        return None


def read_snapshot(folder: Path) -> Snapshot | None:
    """What is committed in ``folder``, read beside the writer; None when it cannot be read. From any thread."""
    path = folder / NAME
    if identity(path) is None:
        return None
    try:
        # a connection a time: the file may have been kept aside and made anew since the last one
        with contextlib.closing(read_only(path)) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            connection.execute("BEGIN")
            counters = {
                (name, tuple(json.loads(labels))): value
                for name, labels, value in connection.execute("SELECT name, labels, value FROM counter")
            }
            delays = {(stage, bound): number for stage, bound, number in connection.execute("SELECT * FROM delay")}
            known = database.has_table(connection, "domain")
            shown = connection.execute("SELECT name, numbers FROM domain") if known else ()
            domains = {name: json.loads(said) for name, said in shown}
            messages = connection.execute("SELECT count(*) FROM open_message").fetchone()[0]
            last = connection.execute("SELECT value FROM fact WHERE name = 'last_event_at'").fetchone()
            waiting = connection.execute(
                "SELECT count(*), min(made_at) FROM outbox WHERE due_at IS NOT NULL"
            ).fetchone()
    except sqlite3.Error:
        return None
    return Snapshot(
        counters=counters,
        delays=delays,
        open_messages=messages,
        last_event_at=None if last is None else last[0],
        outbox_pending=waiting[0],
        outbox_oldest_at=waiting[1],
        domains=domains,
    )
