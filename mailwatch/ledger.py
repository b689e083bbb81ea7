"""Reads and writes what was decided, in the state database: alerts, the outbox, samples of the queue.

``write`` runs within the transaction that commits the log's position: a decision and what led to it are one commit.
What cannot be read back (another version wrote it) is left out, never guessed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from mailwatch.alert import Alert
from mailwatch.database import NAME, has_table, reading
from mailwatch.decisions import LOOKED_BACK, SAMPLES, Remembered
from mailwatch.domain import domain_in, numbers
from mailwatch.letters import Row, topic
from mailwatch.notification import RESOLVED
from mailwatch.outbox.rows import GIVEN_UP, SENT, count, finish
from mailwatch.ration import Ration
from mailwatch.sample import QueueSample, QueueState
from mailwatch.streak import Streak
from mailwatch.view import WATCHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mailwatch.decisions import Decided
    from mailwatch.domain import Domain
    from mailwatch.letters import Kept

MINUTE: Final = 60
DONE_KEPT: Final = 7 * 86400
"""Seconds for which notifications that are done with are kept."""
UNTIL: Final = "decided_until"
PENDING_AT_MOST: Final = 10_000
"""So many notifications wait at most; the oldest are given up, which is said and counted."""

log = logging.getLogger(__name__)


def read(connection: sqlite3.Connection, now: float) -> Remembered:
    """What was decided before ``now``, and what the rules look back on."""
    facts = dict(connection.execute("SELECT name, value FROM fact"))
    until = facts.get(UNTIL)
    since = min(now, until or now) - LOOKED_BACK
    minutes: dict[int, dict[tuple[str, tuple[str, ...]], int]] = {}
    for start, name, labels, value in connection.execute(
        "SELECT start, name, labels, value FROM bucket WHERE width = ? AND start >= ?", (MINUTE, int(since))
    ):
        if name in WATCHED:
            minutes.setdefault(start // MINUTE, {})[name, tuple(json.loads(labels))] = value
    return Remembered(
        alerts={alert.key: alert for alert in map(alert_in, contents(connection, "alert")) if alert is not None},
        minutes=minutes,
        samples=[sample for sample in map(sample_in, contents(connection, "queue_sample")) if sample is not None],
        streaks={
            (cause, scope): Streak(failures, first, last)
            for cause, scope, failures, first, last in connection.execute("SELECT * FROM streak")
        },
        examples={(cause, scope): text for cause, scope, text in connection.execute("SELECT * FROM example")},
        domains=read_domains(connection),
        until=until,
        last_event_at=facts.get("last_event_at"),
    )


def read_domains(connection: sqlite3.Connection) -> dict[str, Domain]:
    """What DNS says of the domains that are examined; nothing in a state that an earlier version wrote.

    One that cannot be brought to this version (a read-only disk) still says who was told.
    """
    if not has_table(connection, "domain"):
        return {}
    found = [domain_in(content) for content in contents(connection, "domain")]
    return {domain.name: domain for domain in found if domain is not None}


def known_domains(folder: Path) -> dict[str, Domain]:
    """The same of the state in a folder; none where it cannot be read. From any thread."""
    try:
        with reading(folder / NAME) as connection:
            return read_domains(connection)
    except (sqlite3.Error, OSError):
        return {}


def write_domains(connection: sqlite3.Connection, domains: Mapping[str, Domain] | None) -> None:
    """Write what is known of the domains, each where it has changed; forget all others."""
    if domains is None:
        return
    connection.execute(
        "DELETE FROM domain WHERE name NOT IN (SELECT value FROM json_each(?))", (json.dumps([*domains]),)
    )
    connection.executemany(
        "INSERT INTO domain VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET numbers = excluded.numbers, "
        "content = excluded.content WHERE content != excluded.content",
        [(name, json.dumps(numbers(each)), json.dumps(asdict(each))) for name, each in domains.items()],
    )


def contents(connection: sqlite3.Connection, table: str) -> Iterable[Any]:
    """The JSON of a table's rows, as far as it is some."""
    order = " ORDER BY at" if table == "queue_sample" else ""
    for (content,) in connection.execute(f"SELECT content FROM {table}{order}"):  # noqa: S608 - a name of our own
        with contextlib.suppress(ValueError):
            yield json.loads(content)


def alert_in(content: Any) -> Alert | None:
    """An alert as it was written; None for what is none."""
    known = {each.name for each in fields(Alert)}
    with contextlib.suppress(TypeError, AttributeError):
        return Alert(**{name: value for name, value in content.items() if name in known})
    return None


def sample_in(content: Any) -> QueueSample | None:
    """A sample as it was written; None for what is none."""
    with contextlib.suppress(TypeError, KeyError, AttributeError):
        queues = {name: QueueState(**state) for name, state in content["queues"].items()}
        return QueueSample(**{**content, "queues": queues})
    return None


def write(
    connection: sqlite3.Connection, decided: Decided, rows: Sequence[Row], rations: Mapping[str, Ration], now: float
) -> None:
    """Write what was decided, and a row of the outbox for each channel that is to be told."""
    connection.executemany("DELETE FROM alert WHERE rule = ? AND cause = ? AND scope = ?", decided.gone)
    connection.executemany(
        "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?)",
        [(*key, json.dumps(asdict(alert))) for key, alert in decided.alerts.items()],
    )
    connection.execute("DELETE FROM streak")
    connection.executemany(
        "INSERT INTO streak VALUES (?, ?, ?, ?, ?)",
        [(*subject, *streak) for subject, streak in decided.streaks.items()],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO example VALUES (?, ?, ?)",
        [(*subject, text) for subject, text in decided.examples.items()],
    )
    write_samples(connection, decided.samples, now)
    write_domains(connection, decided.domains)
    if decided.until is not None:
        connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (UNTIL, decided.until))
    add(connection, rows, now)
    connection.executemany(
        "INSERT OR REPLACE INTO ration VALUES (?, ?)",
        [(channel, json.dumps(asdict(ration))) for channel, ration in rations.items()],
    )


def write_samples(connection: sqlite3.Connection, samples: Sequence[QueueSample], now: float) -> None:
    """Keep the samples that the rules may look back on."""
    if not samples:
        return
    connection.executemany(
        "INSERT OR REPLACE INTO queue_sample VALUES (?, ?, ?)",
        [(sample.instance, sample.at, json.dumps(asdict(sample))) for sample in samples],
    )
    connection.execute("DELETE FROM queue_sample WHERE at < ? OR at > ?", (now - LOOKED_BACK, now + LOOKED_BACK))
    connection.execute(
        "DELETE FROM queue_sample WHERE (instance, at) NOT IN "
        "(SELECT instance, at FROM queue_sample ORDER BY at DESC LIMIT ?)",
        (SAMPLES,),
    )


def add(connection: sqlite3.Connection, rows: Sequence[Row], now: float) -> None:
    """Put notifications into the outbox; one that is there already, by key and channel, is not put twice."""
    if not rows:
        return
    connection.executemany(
        "INSERT OR IGNORE INTO outbox (key, channel, topic, content, made_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (row.notification.key, row.channel, topic(row.notification), row.notification.as_json(), now, now)
            for row in rows
        ],
    )
    make_room(connection, now)


def add_ends(connection: sqlite3.Connection, rows: Sequence[Row], channels: Sequence[str], now: float) -> None:
    """Whoever of ``channels`` was told in place of another that something began is told that it is over, too."""
    for about in {row.notification.key: row.notification for row in rows if row.notification.kind == RESOLVED}.values():
        episode = about.key.rpartition("/resolved/")[0] + "/"
        told = connection.execute(
            "SELECT DISTINCT channel FROM outbox WHERE topic = ? AND key != ? AND substr(key, 1, ?) = ?",
            (topic(about), about.key, len(episode), episode),
        ).fetchall()
        add(connection, [Row(channel, about) for (channel,) in told if channel in channels], now)


def add_kept(connection: sqlite3.Connection, kept: Sequence[Kept]) -> None:
    """Put into the outbox what was told from memory, or is to be: before anything that comes after it."""
    for each in kept:
        outcome = None if each.ended_at is None else SENT if each.sent else GIVEN_UP
        about, due_at = each.notification, each.made_at if outcome is None else None
        added = connection.execute(
            "INSERT OR IGNORE INTO outbox (key, channel, topic, content, made_at, due_at, ended_at, outcome, answer) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'from memory')",
            (about.key, each.channel, topic(about), about.as_json(), each.made_at, due_at, each.ended_at, outcome),
        ).rowcount
        if outcome is not None and added:
            count(connection, each.channel, outcome)


def make_room(connection: sqlite3.Connection, now: float) -> None:
    """Forget what was done with long ago, but for the last of each topic; give up the oldest where too many wait."""
    connection.execute(
        "DELETE FROM outbox WHERE due_at IS NULL AND ended_at < ? "
        "AND id NOT IN (SELECT max(id) FROM outbox GROUP BY channel, topic)",
        (now - DONE_KEPT,),
    )
    (waiting,) = connection.execute("SELECT count(*) FROM outbox WHERE due_at IS NOT NULL").fetchone()
    if waiting <= PENDING_AT_MOST:
        return
    log.error("gave up %d notifications: more than %d were waiting", waiting - PENDING_AT_MOST, PENDING_AT_MOST)
    for key, channel in connection.execute(
        "SELECT key, channel FROM outbox WHERE due_at IS NOT NULL ORDER BY id LIMIT ?", (waiting - PENDING_AT_MOST,)
    ).fetchall():
        finish(connection, key, channel, GIVEN_UP, "too many were waiting", now)


def read_rations(connection: sqlite3.Connection) -> dict[str, Ration]:
    """How much each channel was told in the last hour."""
    found: dict[str, Ration] = {}
    for channel, content in connection.execute("SELECT channel, content FROM ration"):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = json.loads(content)
            found[channel] = Ration(told_at=tuple(map(float, said["told_at"])), held_back=int(said["held_back"]))
    return found
