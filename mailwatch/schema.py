"""The shape of the state database, as numbered steps: each runs once, those that are missing in one transaction.

A step that has been released is never changed; what comes after it is another step.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x4D57_4348
"""Marks the file as mailwatch's (PRAGMA application_id), so that another program's database is never written to."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE position (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID",
        """CREATE TABLE counter (
            name TEXT NOT NULL, labels TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, labels)
        ) WITHOUT ROWID""",
        # width and start in seconds; 60 is kept for 26 hours, 3600 for 35 days
        """CREATE TABLE bucket (
            width INTEGER NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL,
            value INTEGER NOT NULL, PRIMARY KEY (width, start, name, labels)
        ) WITHOUT ROWID""",
        """CREATE TABLE open_message (
            instance TEXT NOT NULL, queue_id TEXT NOT NULL, sender TEXT NOT NULL, size INTEGER NOT NULL,
            recipients INTEGER NOT NULL, first_seen REAL NOT NULL, PRIMARY KEY (instance, queue_id)
        ) WITHOUT ROWID""",
        "CREATE INDEX open_message_first_seen ON open_message (first_seen)",
    ),
    (
        # how a message will end as far as is known: sent, bounced or expired
        "ALTER TABLE open_message ADD COLUMN ends TEXT NOT NULL DEFAULT 'sent'",
        # bucket: the number of the upper bound (delays.py); -1 is the sum, in microseconds
        """CREATE TABLE delay (
            stage TEXT NOT NULL, bucket INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (stage, bucket)
        ) WITHOUT ROWID""",
    ),
    (
        # why a message was deferred last, and on whose side
        "ALTER TABLE open_message ADD COLUMN cause TEXT",
        "ALTER TABLE open_message ADD COLUMN scope TEXT",
        # failures that no rule knows: texts of one shape are one row, without local parts of addresses
        """CREATE TABLE unknown_sample (
            scope TEXT NOT NULL, shape TEXT NOT NULL, number INTEGER NOT NULL, last_seen REAL NOT NULL,
            text TEXT NOT NULL, PRIMARY KEY (scope, shape)
        ) WITHOUT ROWID""",
    ),
    (
        # what was decided, by what it is about; content is JSON
        """CREATE TABLE alert (
            rule TEXT NOT NULL, cause TEXT NOT NULL, scope TEXT NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (rule, cause, scope)
        ) WITHOUT ROWID""",
        # a notification for a channel; due_at is None when it is done with, outcome is sent or given-up then
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, channel TEXT NOT NULL, topic TEXT NOT NULL,
            content TEXT NOT NULL, made_at REAL NOT NULL, due_at REAL, tries INTEGER NOT NULL DEFAULT 0,
            leased_until REAL, leased_by TEXT, ended_at REAL, outcome TEXT, answer TEXT, UNIQUE (key, channel)
        )""",
        # by topic: of each, the first is looked for
        "CREATE INDEX outbox_waiting ON outbox (channel, topic, id) WHERE due_at IS NOT NULL",
        """CREATE TABLE queue_sample (
            instance TEXT NOT NULL, at REAL NOT NULL, content TEXT NOT NULL, PRIMARY KEY (instance, at)
        ) WITHOUT ROWID""",
        """CREATE TABLE streak (
            cause TEXT NOT NULL, scope TEXT NOT NULL, failures INTEGER NOT NULL, first_at REAL NOT NULL,
            last_at REAL NOT NULL, PRIMARY KEY (cause, scope)
        ) WITHOUT ROWID""",
        """CREATE TABLE example (
            cause TEXT NOT NULL, scope TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (cause, scope)
        ) WITHOUT ROWID""",
        # how much each channel was told in the last hour; content is JSON
        "CREATE TABLE ration (channel TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # what DNS says of a domain; numbers is what the page shows of it, content is all of it, both JSON
        """CREATE TABLE domain (
            name TEXT PRIMARY KEY, numbers TEXT NOT NULL, content TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
)
