"""The state: all or nothing, also when the disk is full, the file is damaged, or it is not ours to write."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from mailwatch import store as store_module
from mailwatch.database import StateDamaged, StateNewer, StateNotOurs, StateUnwritable, keep_aside
from mailwatch.delays import BOUNDS
from mailwatch.event import Origin, Queued, Removed
from mailwatch.schema import APPLICATION_ID, MIGRATIONS
from mailwatch.store import SUM, Store, read_samples, read_snapshot
from mailwatch.tally import UNTOLD, Delta, Fate, Sample

if TYPE_CHECKING:
    from pathlib import Path

    from mailwatch.event import Event

NOW = 1_795_348_800.0
SENT = ("delivery_attempts", ("smtp", "sent"))


def counted(number: int, at: float = NOW) -> Delta:
    delta = Delta(last_event_at=at)
    delta.count(SENT[0], at, SENT[1], number)
    return delta


def queued(instance: str, queue_id: str, at: float = NOW) -> Queued:
    return Queued(at, Origin("mx", instance, None, "qmgr", 1), queue_id, "a@b.example", 1, 1)


def removals(*keys: tuple[str, str]) -> list[Event]:
    return [Removed(NOW, Origin("mx", instance, None, "qmgr", 1), queue_id) for instance, queue_id in keys]


def sent(folder: Path) -> int:
    snapshot = read_snapshot(folder)
    assert snapshot is not None
    return snapshot.counters.get(SENT, 0)


def test_counts_and_positions_are_there_after_opening_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    store.commit(counted(3), {"a": "1", "b": "2"}, NOW)
    store.commit(counted(4), {"a": None}, NOW)
    store.close()
    assert Store.open(tmp_path, NOW).positions() == {"b": "2"}
    assert sent(tmp_path) == 7


def test_what_was_not_committed_is_not_shown(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    store.commit(counted(1), {}, NOW)
    with pytest.raises(TypeError), store.transaction() as connection:
        connection.execute("UPDATE counter SET value = 99").fetchone()["nothing"]
    assert sent(tmp_path) == 1


def test_a_commit_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path, NOW)

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError

    monkeypatch.setattr(store_module, "write_positions", fails)
    with pytest.raises(sqlite3.OperationalError):
        store.commit(counted(5), {"a": "1"}, NOW)
    monkeypatch.undo()
    assert (store.positions(), sent(tmp_path)) == ({}, 0)
    store.commit(counted(5), {"a": "1"}, NOW)
    assert (store.positions(), sent(tmp_path)) == ({"a": "1"}, 5)


def test_minutes_are_kept_for_26_hours_and_hours_for_35_days(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    ages = {"now": 0, "a day": 86400, "27 hours": 27 * 3600, "34 days": 34 * 86400, "36 days": 36 * 86400}
    for age in ages.values():
        store.commit(counted(1, NOW - age), {}, NOW)
    with sqlite3.connect(tmp_path / "state.db") as reader:
        kept = {
            width: sorted(
                round((NOW - start) / 3600)
                for (start,) in reader.execute("SELECT start FROM bucket WHERE width = ?", [width])
            )
            for width in (60, 3600)
        }
    assert kept == {60: [0, 24], 3600: [0, 24, 27, 816]}
    assert sent(tmp_path) == 5
    store.commit(counted(1, NOW + 40 * 86400), {}, NOW + 40 * 86400)
    with sqlite3.connect(tmp_path / "state.db") as reader:
        assert reader.execute("SELECT count(*) FROM bucket").fetchone() == (2,)


def test_a_line_from_the_future_counts_as_now(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    store.commit(counted(1, NOW + 86400 * 365), {}, NOW)
    with sqlite3.connect(tmp_path / "state.db") as reader:
        assert {start for (start,) in reader.execute("SELECT start FROM bucket")} == {
            NOW // 60 * 60,
            NOW // 3600 * 3600,
        }
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.last_event_at == NOW


def test_open_messages_are_remembered_until_they_are_closed(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    keys = [("postfix", f"A{number:05}") for number in range(3)]
    store.commit(Delta(opened={key: queued(*key) for key in keys}, fates={keys[1]: Fate("bounced")}), {}, NOW)
    store.commit(
        Delta(closed={keys[0], ("postfix", "FFFFF")}, fates={keys[2]: Fate("expired", "mailbox-full", "recipient")}),
        {},
        NOW,
    )
    assert store.open_among(removals(*keys, ("postfix-out", "A00001"))) == {
        keys[1]: Fate("bounced"),
        keys[2]: Fate("expired", "mailbox-full", "recipient"),
    }
    store.close()
    assert Store.open(tmp_path, NOW)._open_messages == 2


@pytest.mark.parametrize("in_memory", [0, 3, 20_000])
def test_which_messages_are_open_is_known_with_and_without_memory(
    tmp_path: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "OPEN_IN_MEMORY", in_memory)
    monkeypatch.setattr(store_module, "OPEN_MESSAGES", 8)
    store = Store.open(tmp_path, NOW)
    keys = [("postfix", f"A{number:05}") for number in range(12)]
    for number, key in enumerate(keys):
        store.commit(Delta(opened={key: queued(*key, NOW + number)}), {}, NOW)
    store.commit(Delta(closed={keys[6]}, fates={keys[8]: Fate("bounced")}), {}, NOW)
    expected = {**dict.fromkeys((*keys[4:6], *keys[7:]), UNTOLD), keys[8]: Fate("bounced")}
    assert store.open_among(removals(*keys)) == expected
    store.close()
    assert Store.open(tmp_path, NOW).open_among(removals(*keys)) == expected


def test_too_many_open_messages_drop_the_oldest_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "OPEN_MESSAGES", 10)
    store = Store.open(tmp_path, NOW)
    for number in range(25):
        key = ("postfix", f"A{number:05}")
        store.commit(Delta(opened={key: queued(*key, NOW + number)}), {}, NOW)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert (snapshot.open_messages, snapshot.counters["open_messages_dropped", ()]) == (10, 15)
    known = store.open_among(removals(("postfix", "A00014"), ("postfix", "A00015")))
    assert "A00014" not in {queue_id for _, queue_id in known}
    assert "A00015" in {queue_id for _, queue_id in known}


@pytest.mark.parametrize("damage", ["garbage", "header", "page"])
def test_a_damaged_state_is_kept_aside_counted_and_begun_anew(tmp_path: Path, damage: str) -> None:
    store = Store.open(tmp_path, NOW)
    for number in range(200):
        store.commit(counted(1), {f"key {number}": "x" * 100}, NOW)
    store.close()
    path = tmp_path / "state.db"
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(b"this is no database" * 100)
    elif damage == "header":
        content[:16] = b"\0" * 16
    else:
        content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    again = Store.open(tmp_path, NOW)
    assert again.damaged is not None
    assert again.damaged.read_bytes() == bytes(content)
    assert (again.positions(), again.begins_at_end()) == ({}, True)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.counters == {("log_gaps", ("state-damaged",)): 1}


def waiting(folder: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "state.db")) as connection:
        return connection.execute("SELECT key, channel, due_at, outcome FROM outbox ORDER BY id").fetchall()


def damage_facts(folder: Path, number: int) -> None:
    """Put notifications, an alert and a ration into a state, and damage one page that is none of theirs."""
    store = Store.open(folder, NOW)
    with store.transaction() as connection:
        connection.executemany("INSERT INTO fact VALUES (?, 1.0)", [(f"fact {each}",) for each in range(400)])
        connection.executemany(
            "INSERT INTO outbox (key, channel, topic, content, made_at, due_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(f"k/{each}", "web", "k", "{}", NOW, None if each else NOW, "sent" if each else None)
             for each in range(number)],
        )  # fmt: skip
        connection.execute("INSERT INTO alert VALUES ('a', 'b', 'c', '{}')")
        connection.execute("INSERT INTO ration VALUES ('web', '{}')")
        connection.execute("INSERT INTO ration VALUES ('odd', '{')")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'fact'").fetchone()
    store.close()
    with (folder / "state.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def test_what_people_are_to_be_told_is_carried_over_from_a_damaged_state(tmp_path: Path) -> None:
    damage_facts(tmp_path, 3)
    again = Store.open(tmp_path, NOW + 1)
    assert again.damaged is not None
    assert waiting(tmp_path) == [("k/0", "web", NOW, None), ("k/1", "web", None, "sent"), ("k/2", "web", None, "sent")]
    with again.reading() as connection:
        assert connection.execute("SELECT * FROM alert").fetchall() == [("a", "b", "c", "{}")]
        assert connection.execute("SELECT * FROM ration").fetchall() == [("web", "{}")]
        assert connection.execute("SELECT width, name, labels, value FROM bucket ORDER BY width").fetchall() == [
            (width, "log_gaps", '["state-damaged"]', 1) for width in (60, 3600)
        ]


@pytest.mark.parametrize(("later", "carried"), [(3600, 3), (3 * 86_400, 0)])
def test_what_was_damaged_long_ago_is_told_to_nobody(tmp_path: Path, later: int, carried: int) -> None:
    damage_facts(tmp_path, 3)
    keep_aside(tmp_path / "state.db", NOW)
    Store.open(tmp_path, NOW + later).close()
    assert len(waiting(tmp_path)) == carried


def test_what_can_be_read_of_a_table_that_is_damaged_itself_is_carried_over(tmp_path: Path) -> None:
    damage_facts(tmp_path, 500)
    content = bytearray((tmp_path / "state.db").read_bytes())
    at = content.index(b"k/250web")
    content[at // 4096 * 4096 : (at // 4096 + 1) * 4096] = b"\xff" * 4096
    (tmp_path / "state.db").write_bytes(content)
    again = Store.open(tmp_path, NOW + 1)
    assert again.damaged is not None
    keys = [key for key, *_ in waiting(tmp_path)]
    assert 100 < len(keys) < 500
    assert keys[-1] == "k/499"


def test_only_a_few_damaged_states_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "state.db").write_bytes(b"no database" * 100)
        Store.open(tmp_path, NOW + number).close()
    assert len(list(tmp_path.glob("*.damaged-*Z"))) == 3


def test_a_state_damaged_while_it_is_used_is_told_apart_from_a_full_disk(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    store.commit(counted(1), {}, NOW)
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._connection.execute("PRAGMA cache_size = 0")
    size = (tmp_path / "state.db").stat().st_size
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    store._connection.execute("PRAGMA shrink_memory")
    with pytest.raises(StateDamaged, match="damaged"):
        store.commit(counted(1), {"a": "1"}, NOW)


def test_a_state_without_a_table_is_damaged(tmp_path: Path) -> None:
    Store.open(tmp_path, NOW).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("DROP TABLE open_message")
    assert Store.open(tmp_path, NOW).damaged is not None


def test_no_log_can_overflow_a_counter(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    for _ in range(3):
        store.commit(counted(10**30), {}, NOW)
    assert sent(tmp_path) == 3 * (1 << 40)


def test_a_newer_state_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path, NOW).close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateNewer, match=r"newer mailwatch \(schema 99, this one knows \d+\): install that version"):
        Store.open(tmp_path, NOW)
    assert not list(tmp_path.glob("*.damaged-*"))


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StateNotOurs, match="another program"):
        Store.open(tmp_path, NOW)
    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_locked_state_is_unwritable_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.database.BUSY_MILLISECONDS", 10)
    store = Store.open(tmp_path, NOW)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnwritable, match="locked"):
        store.commit(counted(1), {}, NOW)
    other.execute("ROLLBACK")
    other.close()
    store.commit(counted(1), {}, NOW)
    assert sent(tmp_path) == 1


def test_nobody_else_may_read_the_state(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    store.commit(counted(1), {}, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_state_that_is_not_there_is_unknown_not_zero(tmp_path: Path) -> None:
    assert read_snapshot(tmp_path) is None
    (tmp_path / "state.db").write_bytes(b"no database" * 100)
    assert read_snapshot(tmp_path) is None


def test_delays_add_up_over_commits(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    for texts in (Counter({"0.05": 2, "75": 1}), Counter({"0.2": 3, "nonsense": 9})):
        store.commit(Delta(delays={"total": texts}), {}, NOW)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.delays == {
        ("total", 0): 2, ("total", BOUNDS.index(0.5)): 3, ("total", BOUNDS.index(300.0)): 1, ("total", SUM): 75_700_000,
    }  # fmt: skip


def test_a_state_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO open_message VALUES ('postfix', 'ABCDEF', 'a@b.example', 1, 1, 1.0)")
        old.execute("INSERT INTO counter VALUES ('delivery_attempts', '[\"smtp\", \"sent\"]', 7)")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.commit()
    store = Store.open(tmp_path, NOW)
    assert store.open_among(removals(("postfix", "ABCDEF"))) == {("postfix", "ABCDEF"): UNTOLD}
    assert sent(tmp_path) == 7


def test_samples_of_the_unknown_are_kept_within_bounds(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    assert read_samples(tmp_path) == {}
    for number in range(150):
        store.commit(Delta(unknown={("relay", f"shape {number}"): Sample(1, NOW + number, f"text {number}")}), {}, NOW)
    store.commit(Delta(unknown={("relay", "shape 149"): Sample(2, NOW + 200, "again")}), {}, NOW)
    kept = read_samples(tmp_path)
    assert kept is not None
    assert len(kept) == 100
    assert next(iter(kept.items())) == (("relay", "shape 149"), Sample(3, NOW + 200, "again"))
    assert ("relay", "shape 49") not in kept
    assert read_samples(tmp_path / "nowhere") is None
