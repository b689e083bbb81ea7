"""Rows of the outbox in the state database: taken under a lease, told, settled.

Promises
    A row is marked as sent after it was sent, never before. Who takes one has it for the time of the lease; when that
    process dies, the row is due again, so that a notification may come twice, with the same key, and is never lost.
    What is about the same thing is told in its order: that it is over never comes before that it began.

Each call has a connection of its own: the file may have been kept aside and made anew since the last one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.database import BUSY_MILLISECONDS, NAME, read_only, told_plainly
from mailwatch.letters import topic
from mailwatch.notification import Notification

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from mailwatch.channels.wire import Outcome

SENT, FAILED, GIVEN_UP = "sent", "failed", "given-up"
OUTCOMES: Final = (SENT, FAILED, GIVEN_UP)
"""What can become of an attempt to tell somebody; ``failed``: it is tried again."""
HEADS: Final = """
    FROM outbox AS mine
    WHERE channel = :channel AND due_at IS NOT NULL AND id NOT IN (SELECT value FROM json_each(:told)) AND NOT EXISTS (
        SELECT 1 FROM outbox AS older
        WHERE older.channel = mine.channel AND older.topic = mine.topic AND older.due_at IS NOT NULL
        AND older.id < mine.id AND older.id NOT IN (SELECT value FROM json_each(:told))
    )"""
"""Of each topic the first row that is not told yet; ``told``: those that are, though it could not be written."""
NEXT: Final = f"""
    SELECT id, content, tries, made_at {HEADS} AND due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)
    ORDER BY id LIMIT 1"""
NEXT_DUE: Final = f"SELECT min(max(due_at, coalesce(leased_until, 0))) {HEADS}"


class Taken(NamedTuple):
    """A notification that is to be told now; ``number`` is its row's, None for one that no row remembers."""

    number: int | None
    notification: Notification
    tries: int
    made_at: float


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[sqlite3.Connection]:
    """A transaction. Raises StateUnwritable, StateDamaged."""
    path = folder / NAME
    with told_plainly(path):
        # never made here: the work loop is the one to begin a state
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")


def take(folder: Path, channel: str, now: float, lease: float) -> Taken | None:
    """The next row for a channel, leased for so many seconds. Raises StateUnwritable, StateDamaged."""
    if waiting(folder, channel, now) is None:
        return None
    with writing(folder) as connection:
        found = readable(connection, channel, now)
        if found is not None:
            connection.execute(
                "UPDATE outbox SET leased_until = ?, tries = tries + 1 WHERE id = ?", (now + lease, found.number)
            )
    return found


def waiting(folder: Path, channel: str, now: float, told: Collection[int] = ()) -> Taken | None:
    """The next row for a channel, only looked at; None where there is none, or nothing can be read."""
    try:
        with contextlib.closing(read_only(folder / NAME)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
            return readable(connection, channel, now, told)
    except sqlite3.Error:
        return None


def readable(connection: sqlite3.Connection, channel: str, now: float, told: Collection[int] = ()) -> Taken | None:
    """The next row of a channel that is due. Raises ValueError for one that this version cannot read."""
    row = connection.execute(NEXT, {"channel": channel, "now": now, "told": json.dumps([*told])}).fetchone()
    if row is None:
        return None
    number, content, tries, made_at = row
    return Taken(number, Notification.from_json(content), tries, made_at)


def settle(folder: Path, number: int, channel: str, outcome: Outcome, now: float, again_at: float | None) -> None:
    """Remember what became of a row: told, due again at ``again_at``, or given up.

    Raises StateUnwritable, StateDamaged.
    """
    ended = outcome.sent or again_at is None
    became = SENT if outcome.sent else GIVEN_UP if ended else FAILED
    with writing(folder) as connection:
        changed = connection.execute(
            "UPDATE outbox SET due_at = ?, leased_until = NULL, ended_at = ?, outcome = ?, answer = ? "
            "WHERE id = ? AND due_at IS NOT NULL",
            (None if ended else again_at, now if ended else None, became, outcome.answer, number),
        ).rowcount
        if changed:
            connection.execute(
                "INSERT INTO counter VALUES ('notifications', ?, 1) ON CONFLICT DO UPDATE SET value = value + 1",
                (json.dumps([channel, became]),),
            )


def escalate(folder: Path, notification: Notification, others: Sequence[str], now: float) -> str | None:
    """Put a notification up for the first of these channels that was not told of it; which one that is."""
    with writing(folder) as connection:
        has = {name for (name,) in connection.execute("SELECT channel FROM outbox WHERE key = ?", (notification.key,))}
        chosen = next((each for each in others if each not in has), None)
        if chosen is not None:
            connection.execute(
                "INSERT INTO outbox (key, channel, topic, content, made_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
                (notification.key, chosen, topic(notification), notification.as_json(), now, now),
            )
    return chosen


def next_due(folder: Path, channel: str, told: Collection[int] = ()) -> float | None:
    """When the next row of a channel is due; None where nothing waits, or nothing can be read."""
    return _one(folder, NEXT_DUE, channel=channel, told=json.dumps([*told]))


def oldest(folder: Path) -> float | None:
    """Since when the oldest notification waits that is not told yet."""
    return _one(folder, "SELECT min(made_at) FROM outbox WHERE due_at IS NOT NULL")


def due(folder: Path, now: float) -> int:
    """How many notifications are due or under way: those that were not taken are tried again later."""
    found = _one(folder, "SELECT count(*) FROM outbox WHERE due_at <= :now OR leased_until > :now", now=now)
    return int(found or 0)


def pending(folder: Path) -> int | None:
    """How many notifications wait; None where that cannot be read."""
    found = _one(folder, "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL")
    return None if found is None else int(found)


def left(folder: Path, channels: Collection[str]) -> int:
    """How many notifications wait for these channels."""
    question = (
        "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL AND channel IN (SELECT value FROM json_each(:channels))"
    )
    return int(_one(folder, question, channels=json.dumps([*channels])) or 0)


def free(folder: Path) -> None:
    """End every lease: to be called by who holds the lock of this state, before anything is taken.

    Raises StateUnwritable, StateDamaged.
    """
    if _one(folder, "SELECT 1 FROM outbox WHERE leased_until IS NOT NULL LIMIT 1"):
        with writing(folder) as connection:
            connection.execute("UPDATE outbox SET leased_until = NULL")


def told_of(folder: Path, channel: str) -> list[Notification]:
    """What a channel was told of that is not over, as far as it is remembered: the last notification of each topic."""
    last: dict[str, Notification] = {}
    try:
        with contextlib.closing(read_only(folder / NAME)) as connection:
            for about, content in connection.execute(
                "SELECT topic, content FROM outbox WHERE channel = ? AND outcome = 'sent' ORDER BY id", (channel,)
            ):
                with contextlib.suppress(ValueError):
                    last[about] = Notification.from_json(content)
    except sqlite3.Error:
        return []
    return [each for each in last.values() if each.kind != "resolved"]


def _one(folder: Path, question: str, **values: str | float) -> float | None:
    try:
        with contextlib.closing(read_only(folder / NAME)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
            row = connection.execute(question, values).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None or row[0] is None else float(row[0])
