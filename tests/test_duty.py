"""What a tick decides is committed with what led to it, or told from memory; and a restart goes on from there."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch import ledger
from mailwatch.causes import catalogue
from mailwatch.database import NAME
from mailwatch.decisions import Decisions, Remembered
from mailwatch.duty import Duty
from mailwatch.heart import Heart
from mailwatch.letters import rows_of
from mailwatch.options import AlertsOptions, ChannelOptions, DeadmanOptions, Options, Secret
from mailwatch.outbox import Outbox, rows
from mailwatch.pulse import Pulse, Seen
from mailwatch.sample import Probe, QueueSample, unread
from mailwatch.store import Store
from mailwatch.tally import Delta
from mailwatch.watchdog import Watchdog
from tests.parts.alarm import alarm
from tests.parts.days import SITE
from tests.parts.ports import eventually
from tests.test_decisions import BEGIN, OPTIONS, WEATHERS, Weather, known, read

if TYPE_CHECKING:
    from pathlib import Path

    from mailwatch.alert import Notice
    from mailwatch.decisions import Decided

FULL: Final = "no room"
BLOCK: Final = re.compile(r"^\S+Z \S+ (first|reminder|resolved) (\S+) ", re.MULTILINE)


class Watched:
    """A duty with a file as its channel, and a state."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.file = folder / "told"
        self.found: list[QueueSample | Probe] = []
        channels = (ChannelOptions(name="file", type="file", path=self.file, min_severity="info"),)
        self.options = replace(Options(), channel=channels, **options)
        self.outbox = Outbox(folder, channels)
        self.pulse = Pulse()
        self.duty = Duty(self.options, catalogue(), self.outbox, self.take, Heart(Watchdog({}), DeadmanOptions()), SITE)
        self.store = Store.open(folder, time.time())
        self.duty.begin(self.store, time.time())

    def take(self) -> list[QueueSample | Probe]:
        found, self.found = self.found, []
        return found

    def full(self) -> None:
        """The disk of the queue is full, and has been for a while."""
        self.found.append(Probe(name="disk", at=time.time() - 60, success=False, trouble=FULL))

    def decide(self, delta: Delta | None = None, *, later: float = 0) -> Decided | None:
        return self.duty.decide(delta or Delta(), self.pulse, time.time() + later, caught_up=True)

    def commit(self, decided: Decided) -> None:
        now = time.time()
        self.store.commit(Delta(), {}, now, lambda connection: self.duty.write(connection, decided, now))
        self.duty.settled(now)

    def rows(self) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.folder / NAME)) as connection:
            return connection.execute("SELECT key, outcome FROM outbox ORDER BY id").fetchall()

    def told(self) -> list[str]:
        return [kind for kind, _ in BLOCK.findall(self.file.read_text())] if self.file.exists() else []


@pytest.fixture
def watched(tmp_path: Path) -> Any:
    made = Watched(tmp_path)
    yield made
    made.outbox.stop()
    made.store.close()


def test_what_a_probe_alone_has_raised_is_committed_after_a_commit_that_failed(watched: Watched) -> None:
    watched.full()
    decided = watched.decide()
    assert decided is not None
    assert decided.pressing
    watched.duty.take_back()  # the reserve was given up: it is tried again
    again = watched.decide()
    assert again is not None
    assert again.pressing
    watched.commit(again)
    [(key, outcome)] = watched.rows()
    assert "disk-full" in key
    assert outcome is None
    assert watched.decide() is None


def test_what_cannot_be_committed_is_told_from_memory_once_and_known_as_told_later(watched: Watched) -> None:
    watched.outbox.start()
    watched.full()
    watched.decide()
    watched.duty.failed(watched.pulse, time.time())
    eventually(lambda: watched.told() == ["first"], within=10, what="it is told without the state")
    for _ in range(3):
        watched.duty.failed(watched.pulse, time.time())
    eventually(lambda: all(each.sent for each in watched.outbox.kept()), within=10, what="it is known as told")
    decided = watched.decide()
    assert decided is not None
    assert decided.pressing
    watched.commit(decided)
    assert [outcome for _, outcome in watched.rows()] == ["sent"]
    assert watched.outbox.kept() == []
    assert watched.told() == ["first"]
    # and its row keeps a process that knows the alert from telling it anew
    other = Watched(watched.folder)
    other.full()
    assert [each.kind for each in (other.decide() or decided).notices] == []


def test_what_no_channel_took_from_memory_is_a_row_as_soon_as_that_can_be_written(watched: Watched) -> None:
    watched.full()
    watched.decide()
    watched.duty.failed(watched.pulse, time.time())  # and no channel runs
    decided = watched.decide()
    assert decided is not None
    watched.commit(decided)
    [(_, outcome)] = watched.rows()
    assert outcome is None
    watched.outbox.start()
    eventually(lambda: watched.told() == ["first"], within=10, what="it is told")


def test_before_the_state_could_be_read_it_is_told_from_memory_too(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.duty = Duty(
        watched.options, catalogue(), watched.outbox, watched.take, Heart(Watchdog({}), DeadmanOptions()), SITE
    )
    watched.outbox.start()
    try:
        watched.full()
        watched.pulse.state = Seen(success=False, trouble="cannot write the state database")
        watched.duty.failed(watched.pulse, time.time())
        eventually(lambda: watched.told() == ["first"], within=10, what="it is told")
        watched.duty.begin(watched.store, time.time())
        decided = watched.decide()
        assert decided is not None
        watched.commit(decided)
        eventually(lambda: [outcome for _, outcome in watched.rows()] == ["sent"], within=10, what="it is marked")
        assert watched.told() == ["first"]
    finally:
        watched.outbox.stop()
        watched.store.close()


def test_beyond_its_ration_a_channel_is_told_how_many_more_there_were(tmp_path: Path) -> None:
    web = ChannelOptions(name="web", url=Secret("json://127.0.0.1/"))
    options = replace(Options(), channel=(web,), alerts=AlertsOptions(per_hour=2))
    flood = [alarm(key=f"a/b/c/{number}", severity="warn", at=BEGIN + number) for number in range(16)]
    told, rations = rows_of(flood, options, {})
    assert [row.notification.key for row in told] == ["a/b/c/0", "a/b/c/1"]
    page, rations = rows_of([alarm(key="page", severity="page", at=BEGIN + 20)], options, rations)
    assert "and 14 more since the last one" in page[0].notification.text
    told, rations = rows_of([replace(each, at=BEGIN + 21) for each in flood[:3]], options, rations)
    assert told == []
    # how many there were is remembered over a restart, also where nothing was told
    nothing = Decisions(SITE, OPTIONS, Remembered(), BEGIN).standing()
    store = Store.open(tmp_path, BEGIN)
    with store.transaction() as connection:
        ledger.write(connection, nothing, [], rations, BEGIN)
    with store.reading() as connection:
        rations = ledger.read_rations(connection)
    store.close()
    [row], rations = rows_of([alarm(key="later", severity="warn", at=BEGIN + 4000)], options, rations)
    assert "and 3 more since the last one" in row.notification.text
    [row], _ = rows_of([alarm(key="next", severity="warn", at=BEGIN + 4001)], options, rations)
    assert "more since" not in row.notification.text
    # that it is over is always told
    over = [alarm(key=f"over{number}", kind="resolved", severity="warn", at=BEGIN + 4002) for number in range(9)]
    assert len(rows_of(over, options, rations)[0]) == 9


def remembered(store: Store, now: float) -> Decisions:
    with store.reading() as connection:
        return Decisions(SITE, OPTIONS, ledger.read(connection, now), BEGIN)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WEATHERS), st.integers(1, 200), st.booleans()), max_size=25))
def test_a_restart_after_any_commit_goes_on_as_if_there_had_been_none(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Weather, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    store = Store.open(folder, BEGIN)
    without = Decisions(SITE, OPTIONS, Remembered(until=BEGIN), BEGIN)
    restarted = Decisions(SITE, OPTIONS, Remembered(until=BEGIN), BEGIN)
    now = BEGIN
    told: list[list[Notice]] = [[], []]
    for weather, seconds, restart in steps:
        now += seconds
        delta = read(weather, now)
        for at, decisions in enumerate((without, restarted)):
            decided = decisions.decide(delta, now, caught_up=True)
            if decided is None:
                continue
            told[at].extend(decided.notices)
            if at:

                def also(connection: sqlite3.Connection, decided: Decided = decided, now: float = now) -> None:
                    ledger.write(connection, decided, [], {}, now)

                store.commit(delta, {}, now, also)
            decisions.settled(now)
        if restart and restarted._until == now:
            restarted = remembered(store, now)
            for decisions in (without, restarted):
                decisions._looked_at = 0.0
        assert known(without) == known(restarted)
        assert without.alerts == restarted.alerts
    assert [each.key for each in told[0]] == [each.key for each in told[1]]
    store.close()


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "{}", "null", "nonsense", '{"rule": "a"}'])
def test_what_another_version_wrote_is_left_out(tmp_path: Path, content: str) -> None:
    store = Store.open(tmp_path, BEGIN)
    with store.transaction() as connection:
        connection.execute("INSERT INTO alert VALUES ('a', 'b', 'c', ?)", (content,))
        connection.execute("INSERT INTO queue_sample VALUES ('postfix', 1.0, ?)", (content,))
        connection.execute("INSERT INTO ration VALUES ('web', ?)", (content,))
    with store.reading() as connection:
        found = ledger.read(connection, BEGIN)
        assert ledger.read_rations(connection) == {}
    assert (dict(found.alerts), list(found.samples)) == ({}, [])
    store.close()


def test_samples_are_kept_for_as_long_as_rules_look_back_and_not_more(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    samples = [unread(at=BEGIN + number, instance="postfix", trouble="x") for number in range(0, 20_000, 10)]
    with store.transaction() as connection:
        ledger.write_samples(connection, samples, BEGIN + 20_000)
    with store.reading() as connection:
        assert list(ledger.read(connection, BEGIN + 20_000).samples) == samples[-1024:]
    store.close()


def test_what_was_decided_outlives_a_state_that_is_begun_anew(watched: Watched) -> None:
    watched.outbox.start()
    watched.full()
    decided = watched.decide()
    assert decided is not None
    watched.commit(decided)
    eventually(lambda: watched.told() == ["first"], within=10, what="it is told")
    eventually(lambda: rows.pending(watched.folder) == 0, within=10, what="it is marked")
    watched.store.close()
    (watched.folder / NAME).write_bytes(b"no database" * 1000)
    watched.duty.anew(time.time())
    watched.store.set_aside(time.time())
    watched.store = Store.open(watched.folder, time.time())
    watched.duty.begin(watched.store, time.time())
    decided = watched.decide()
    assert decided is not None
    assert decided.pressing
    assert list(decided.notices) == []
    watched.commit(decided)
    with watched.store.reading() as connection:
        written = {alert.cause for alert in ledger.read(connection, time.time()).alerts.values()}
    assert {"disk-full", "log-gap"} <= written
    assert watched.told() == ["first"]


def test_a_state_that_was_damaged_before_the_start_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database" * 1000)
    watched = Watched(tmp_path)
    watched.decide()
    decided = watched.decide(later=150)
    watched.store.close()
    assert decided is not None
    assert [each.alert.cause for each in decided.notices] == ["log-gap"]


def another(watched: Watched) -> Watched:
    """A life after that of a duty, on a state that it cannot begin from."""
    other = copy(watched)
    other.outbox = Outbox(watched.folder, watched.options.channel)
    other.duty = Duty(other.options, catalogue(), other.outbox, other.take, Heart(Watchdog({}), DeadmanOptions()), SITE)
    return other


def test_who_was_told_is_not_told_again_by_a_start_that_cannot_write_the_state(tmp_path: Path) -> None:
    watched = Watched(tmp_path, state_dir=tmp_path)
    watched.full()
    decided = watched.decide()
    assert decided is not None
    watched.commit(decided)
    watched.store.close()
    before = watched.rows()
    other = another(watched)
    other.full()
    other.duty.failed(other.pulse, time.time())
    assert other.outbox.kept() == []
    assert [alert.cause for alert in other.duty.alerts() or [] if alert.state == "firing"] == ["disk-full"]
    assert other.rows() == before


@pytest.mark.parametrize("begun", [True, False])
def test_what_cannot_be_committed_is_handed_over_to_another_configuration(tmp_path: Path, *, begun: bool) -> None:
    watched = Watched(tmp_path, state_dir=tmp_path)
    if not begun:
        watched = another(watched)
    watched.full()
    watched.outbox.start()
    watched.duty.failed(watched.pulse, time.time())
    eventually(lambda: all(each.sent for each in watched.outbox.kept()), within=10, what="it is known as told")
    assert watched.told() == ["first"]
    watched.outbox.stop()
    owed, other = watched.duty.owed(), another(watched)
    assert owed is not None
    other.outbox.go_on_from(watched.outbox.memories(), time.time())
    other.duty.go_on_from(owed, time.time())
    other.full()
    other.duty.failed(other.pulse, time.time())
    assert [each.sent for each in other.outbox.kept()] == [True]
    other.duty.begin(other.store, time.time())
    decided = other.decide()
    assert decided is not None
    other.commit(decided)
    assert [outcome for _, outcome in other.rows()] == ["sent"]
    assert other.duty.owed() is None
    other.store.close()


def test_what_a_channel_that_is_no_more_kept_in_memory_is_told_by_the_first(watched: Watched, tmp_path: Path) -> None:
    watched.full()
    watched.duty.failed(watched.pulse, time.time())
    other = Outbox(watched.folder, [ChannelOptions(name="other", type="file", path=tmp_path / "other")])
    other.go_on_from(watched.outbox.memories(), time.time())
    assert [each.channel for each in other.kept()] == ["other"]
