"""Rows of the outbox in the state database: taken under a lease, told, settled.

Promises
    A row is marked as sent after it was sent, never before. Who takes one has it for the time of the lease; the lease
    of a process that is gone counts for nothing, so that after a kill a notification may come twice, with the same
    key, and is neither lost nor late. What is about the same thing is told in its order: that it is over never comes
    before that it began. What a channel does not take is put up for the next one in the transaction that notes it.
    A reminder gives way to what waits behind it; that something began, or is over, is always told.

How it fails
    A row that this version cannot read is given up and said: it must not keep others waiting.

Each call has a connection of its own: the file may have been kept aside and made anew since the last one. A row is
known by its key and channel, never by its number, for in a state that was begun anew that is another's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.counters import OUTCOMES
from mailwatch.database import BUSY_MILLISECONDS, NAME, reading, told_plainly
from mailwatch.letters import topic
from mailwatch.notification import REMINDER, RESOLVED, Notification

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from mailwatch.channels.wire import Outcome

SENT, FAILED, GIVEN_UP = OUTCOMES
OWNER: Final = secrets.token_hex(8)
"""This process: only one at a time holds a state, so a lease of another one is that of the dead."""
LATEST: Final = 4400.0
"""Seconds: no row is due later than that (a Retry-After is an hour at most), but for a clock that went back."""
HEADS: Final = """
    FROM outbox AS mine
    WHERE channel = :channel AND due_at IS NOT NULL AND key NOT IN (SELECT value FROM json_each(:told)) AND NOT EXISTS (
        SELECT 1 FROM outbox AS older
        WHERE older.channel = mine.channel AND older.topic = mine.topic AND older.due_at IS NOT NULL
        AND older.id < mine.id AND older.key NOT IN (SELECT value FROM json_each(:told))
    ) AND key NOT IN (SELECT value FROM json_each(:held))"""
"""Of each topic the first row that is not told yet; ``told``, ``held``: see Aside."""
FOLLOWED: Final = "a newer one follows"
"""Why a reminder is not told."""
DUE_AT: Final = "CASE WHEN tries = 0 OR due_at > :now + :latest THEN 0 ELSE due_at END"
"""What was not tried yet is due, whatever the clock has done since it was made."""
LEASED_UNTIL: Final = "CASE WHEN leased_by IS :owner THEN coalesce(leased_until, 0) ELSE 0 END"
NEXT: Final = f"""
    SELECT key, content, tries, made_at {HEADS} AND {DUE_AT} <= :now AND {LEASED_UNTIL} <= :now ORDER BY id LIMIT 1"""
NEXT_DUE: Final = f"SELECT min(max({DUE_AT}, {LEASED_UNTIL})) {HEADS}"


class Taken(NamedTuple):
    """A notification that is to be told now, and how often that has failed. ``in_row``: a row remembers it."""

    notification: Notification
    tries: int
    made_at: float
    in_row: bool = True


class Aside(NamedTuple):
    """What this process knows of rows and could not write: keys of those told, and of those not due again yet."""

    told: Collection[str] = ()
    held: Collection[str] = ()


NOTHING: Final = Aside()
log = logging.getLogger(__name__)


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
    if not _is_there(folder, NEXT, **_values(channel, now, NOTHING)):
        return None
    with writing(folder) as connection:
        while (row := connection.execute(NEXT, _values(channel, now, NOTHING)).fetchone()) is not None:
            found = _worth_telling(connection, row, channel)
            if isinstance(found, Taken):
                connection.execute(
                    "UPDATE outbox SET leased_until = ?, leased_by = ? WHERE key = ? AND channel = ?",
                    (now + lease, OWNER, row[0], channel),
                )
                return found
            log.log(
                logging.INFO if found == FOLLOWED else logging.ERROR,
                "channel=%s: gave up %s: %s", channel, row[0], found,
            )  # fmt: skip
            finish(connection, row[0], channel, GIVEN_UP, found, now)
    return None


def waiting(folder: Path, channel: str, now: float, aside: Aside) -> Taken | None:
    """The next row for a channel, only looked at; None where there is none, or nothing can be read."""
    told = set(aside.told)
    try:
        with reading(folder / NAME) as connection:
            while True:
                row = connection.execute(NEXT, _values(channel, now, aside._replace(told=told))).fetchone()
                found = None if row is None else _worth_telling(connection, row, channel)
                if not isinstance(found, str):
                    return found
                told.add(row[0])
    except sqlite3.Error:
        return None


def settle(
    folder: Path, taken: Taken, channel: str, outcome: Outcome, times: tuple[float, float | None], others: Sequence[str]
) -> str | None:
    """Remember at ``times[0]`` what became of a row: told, due again at ``times[1]``, or given up where that is None.

    Where it was not told, it is put up for the first of ``others`` that has not got it; which one that is. Raises
    StateUnwritable, StateDamaged.
    """
    (now, again_at), key = times, taken.notification.key
    with writing(folder) as connection:
        if outcome.sent or again_at is None:
            finish(connection, key, channel, SENT if outcome.sent else GIVEN_UP, outcome.answer, now)
        else:
            connection.execute(
                "UPDATE outbox SET due_at = ?, tries = ?, leased_until = NULL, outcome = ?, answer = ? "
                "WHERE key = ? AND channel = ? AND due_at IS NOT NULL",
                (again_at, taken.tries + 1, FAILED, outcome.answer, key, channel),
            )
            count(connection, channel, FAILED)
        return None if outcome.sent else _put_up(connection, taken.notification, others, now)


def finish(connection: sqlite3.Connection, key: str, channel: str, outcome: str, answer: str, now: float) -> None:
    """Be done with a row, in a transaction."""
    changed = connection.execute(
        "UPDATE outbox SET due_at = NULL, leased_until = NULL, ended_at = ?, outcome = ?, answer = ? "
        "WHERE key = ? AND channel = ? AND due_at IS NOT NULL",
        (now, outcome, answer, key, channel),
    ).rowcount
    if changed:
        count(connection, channel, outcome)


def count(connection: sqlite3.Connection, channel: str, outcome: str, number: int = 1) -> None:
    """Count what became of notifications, in a transaction."""
    connection.execute(
        "INSERT INTO counter VALUES ('notifications', ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (json.dumps([channel, outcome]), number),
    )


def adopt(folder: Path, channels: Sequence[str], now: float) -> None:
    """Give what waits for channels that are no more to the first one that has not got it.

    Raises StateUnwritable, StateDamaged.
    """
    without = "FROM outbox WHERE due_at IS NOT NULL AND channel NOT IN (SELECT value FROM json_each(:channels))"
    if not _is_there(folder, f"SELECT 1 {without} LIMIT 1", channels=json.dumps(channels)):
        return
    with writing(folder) as connection:
        found = connection.execute(
            f"SELECT key, channel, content, 0, 0 {without} ORDER BY id", {"channels": json.dumps(channels)}
        )
        for key, channel, *row in found.fetchall():
            finish(connection, key, channel, GIVEN_UP, "there is no such channel any more", now)
            taken = _read((key, *row))
            if isinstance(taken, Taken):
                chosen = _put_up(connection, taken.notification, channels, now)
                log.warning("channel=%s is no more: %s is told by channel=%s", channel, key, chosen)


def has(folder: Path, channel: str, key: str) -> bool:
    """Whether a channel has, or had, a notification in a row."""
    return _is_there(folder, "SELECT 1 FROM outbox WHERE channel = :channel AND key = :key", channel=channel, key=key)


def is_waiting(folder: Path, channel: str, about: str, told: Collection[str]) -> bool:
    """Whether a row of a topic waits for a channel."""
    question = (
        "SELECT 1 FROM outbox WHERE channel = :channel AND topic = :topic AND due_at IS NOT NULL "
        "AND key NOT IN (SELECT value FROM json_each(:told))"
    )
    return _is_there(folder, question, channel=channel, topic=about, told=json.dumps([*told]))


def next_due(folder: Path, channel: str, now: float, aside: Aside) -> float | None:
    """When the next row of a channel is due; None where nothing waits, or nothing can be read."""
    return _one(folder, NEXT_DUE, **_values(channel, now, aside))


def oldest(folder: Path) -> float | None:
    """Since when the oldest notification waits that is not told yet."""
    return _one(folder, "SELECT min(made_at) FROM outbox WHERE due_at IS NOT NULL")


def due(folder: Path, now: float) -> int:
    """How many notifications are due or under way: those that were not taken are tried again later."""
    question = f"SELECT count(*) FROM outbox WHERE due_at IS NOT NULL AND ({DUE_AT} <= :now OR {LEASED_UNTIL} > :now)"  # noqa: S608 - words of our own
    return int(_one(folder, question, now=now, latest=LATEST, owner=OWNER) or 0)


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


def told_of(folder: Path, channel: str) -> list[Notification]:
    """What a channel is to know of that is not over, as far as it is remembered: the last of each topic."""
    try:
        with reading(folder / NAME) as connection:
            rows = connection.execute(
                "SELECT key, content, 0, 0 FROM outbox WHERE id IN "
                "(SELECT max(id) FROM outbox WHERE channel = ? GROUP BY topic) ORDER BY id",
                (channel,),
            ).fetchall()
    except sqlite3.Error:
        return []
    last = [each.notification for each in map(_read, rows) if isinstance(each, Taken)]
    return [each for each in last if each.kind != RESOLVED]


def _worth_telling(connection: sqlite3.Connection, row: tuple[str, str, int, float], channel: str) -> Taken | str:
    """What is in a row; or why it is not told: after an outage of its channel one reminder is as good as ten."""
    found = _read(row)
    if not isinstance(found, Taken) or found.notification.kind != REMINDER:
        return found
    newer = connection.execute(
        "SELECT 1 FROM outbox AS mine JOIN outbox AS newer ON newer.channel = mine.channel "
        "AND newer.topic = mine.topic AND newer.id > mine.id AND newer.due_at IS NOT NULL "
        "WHERE mine.key = ? AND mine.channel = ? LIMIT 1",
        (row[0], channel),
    ).fetchone()
    return found if newer is None else FOLLOWED


def _read(row: tuple[str, str, int, float]) -> Taken | str:
    """What is in a row of key, content, tries, time; or why that cannot be read."""
    try:
        return Taken(Notification.from_json(row[1]), row[2], row[3])
    except (ValueError, TypeError) as error:
        return f"this version of mailwatch cannot read it ({error})"


def _put_up(
    connection: sqlite3.Connection, notification: Notification, channels: Sequence[str], now: float
) -> str | None:
    """Put a notification up for the first of these channels that has not got it; which one that is."""
    having = {name for (name,) in connection.execute("SELECT channel FROM outbox WHERE key = ?", (notification.key,))}
    chosen = next((each for each in channels if each not in having), None)
    if chosen is not None:
        connection.execute(
            "INSERT INTO outbox (key, channel, topic, content, made_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
            (notification.key, chosen, topic(notification), notification.as_json(), now, now),
        )
    return chosen


def _values(channel: str, now: float, aside: Aside) -> dict[str, str | float]:
    told, held = json.dumps([*aside.told]), json.dumps([*aside.held])
    return {"channel": channel, "now": now, "latest": LATEST, "owner": OWNER, "told": told, "held": held}


def _is_there(folder: Path, question: str, **values: str | float) -> bool:
    try:
        with reading(folder / NAME) as connection:
            return connection.execute(question, values).fetchone() is not None
    except sqlite3.Error:
        return False


def _one(folder: Path, question: str, **values: str | float) -> float | None:
    try:
        with reading(folder / NAME) as connection:
            row = connection.execute(question, values).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None or row[0] is None else float(row[0])
