"""The outbox on a real state, with real channels: what is told when, in which order, how often, and by whom instead."""

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailwatch import ledger
from mailwatch.channels.wire import Outcome
from mailwatch.database import NAME
from mailwatch.letters import Row
from mailwatch.options import ChannelOptions, Secret
from mailwatch.outbox import Outbox, rows, worker
from mailwatch.outbox.memory import Memory
from mailwatch.outbox.repeats import Repeats
from mailwatch.store import Store
from tests.parts.alarm import alarm
from tests.parts.alertmanager import Alertmanager
from tests.parts.certificates import Authority
from tests.parts.faulty import FaultyServer
from tests.parts.ports import eventually, free_port
from tests.parts.smtp_server import SmtpServer
from tests.parts.web_server import WebServer
from tests.torture.disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mailwatch.notification import Notification

TAKEN = Outcome(sent=True, answer="thanks")
NOT_TAKEN = Outcome(sent=False, answer="no")
REFUSED = Outcome(sent=False, answer="never", permanent=True)


def numbered(number: int, kind: str = "first", about: str = "relay", **more: Any) -> Notification:
    """A notification: those of one topic and number belong together."""
    key = f"relay-failing/{about}/relay/{number}/{kind}/1"
    return alarm(key=key, kind=kind, cause=about, at=time.time(), **more)


def web(url: str, name: str = "web", **more: Any) -> ChannelOptions:
    return ChannelOptions(name=name, type="webhook", url=Secret(url), **more)


def file(path: Path, name: str = "file", **more: Any) -> ChannelOptions:
    return ChannelOptions(name=name, type="file", path=path, **more)


def nobody(name: str = "nobody") -> ChannelOptions:
    """A channel that takes nothing for good."""
    return ChannelOptions(name=name, type="command", command=("/nonexistent/program",))


def refusing(name: str = "refusing", **more: Any) -> ChannelOptions:
    """A channel at which nobody listens."""
    return web(f"http://127.0.0.1:{free_port()}/", name, **more)


def commit(folder: Path, *told: Notification, to: tuple[str, ...] = ("web",), at: float | None = None) -> None:
    """Put notifications into the outbox, as the work loop does."""
    store = Store.open(folder, time.time())
    try:
        with store.transaction() as connection:
            made = time.time() if at is None else at
            ledger.add(connection, [Row(channel, each) for each in told for channel in to], made)
    finally:
        store.close()


def asked(folder: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    """What the state says, or is made to say."""
    with contextlib.closing(sqlite3.connect(folder / NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection.execute(question, values).fetchall()


def states(folder: Path, channel: str) -> list[str | None]:
    """What became of each row of a channel."""
    return [state for (state,) in asked(folder, "SELECT outcome FROM outbox WHERE channel = ? ORDER BY id", channel)]


def counted(folder: Path) -> dict[str, int]:
    """What became of all, as it is counted."""
    found = asked(folder, "SELECT labels, value FROM counter WHERE name = 'notifications'")
    return {" ".join(json.loads(labels)): value for labels, value in found}


def keys(server: WebServer) -> list[str]:
    return [json.loads(each.body)["key"] for each in list(server.posted)]


@contextlib.contextmanager
def telling(folder: Path, *channels: ChannelOptions) -> Iterator[Outbox]:
    outbox = Outbox(folder, channels)
    outbox.start()
    try:
        yield outbox
    finally:
        outbox.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    Store.open(made, time.time()).close()
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow on each other at once."""
    monkeypatch.setattr(worker, "BACK_OFF", (0.05,))


# -- taken, told, settled ----------------------------------------------------------------------------------------


def test_a_row_that_is_taken_is_nobody_elses_until_its_lease_is_over(folder: Path) -> None:
    commit(folder, numbered(1), numbered(2, about="other"))
    now = time.time()
    first = rows.take(folder, "web", now, 30)
    second = rows.take(folder, "web", now, 30)
    assert first is not None
    assert second is not None
    assert (first.notification, second.notification) == (numbered_like(first, 1), numbered_like(second, 2, "other"))
    assert rows.take(folder, "web", now, 30) is None
    assert rows.next_due(folder, "web", now, rows.NOTHING) == pytest.approx(now + 30)
    again = rows.take(folder, "web", now + 31, 30)
    assert again is not None
    assert again.notification.key == first.notification.key
    assert again.tries == 0


def numbered_like(taken: rows.Taken, number: int, about: str = "relay") -> Notification:
    return replace(numbered(number, about=about), at=taken.notification.at)


def test_the_lease_of_another_process_counts_for_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(folder, numbered(1))
    assert rows.take(folder, "web", time.time(), 3000) is not None
    monkeypatch.setattr(rows, "OWNER", "the next one")
    assert rows.take(folder, "web", time.time(), 30) is not None


def test_of_each_topic_the_order_is_kept_and_others_pass(folder: Path) -> None:
    commit(folder, numbered(1), numbered(1, "resolved"), numbered(2, about="other"))
    now = time.time()
    first = rows.take(folder, "web", now, 30)
    assert first is not None
    rows.settle(folder, first, "web", NOT_TAKEN, (now, now + 50), ())
    other = rows.take(folder, "web", now, 30)
    assert other is not None
    assert other.notification.cause == "other"
    rows.settle(folder, other, "web", TAKEN, (now, None), ())
    assert rows.take(folder, "web", now + 49, 30) is None
    for kind in ("first", "resolved"):
        taken = rows.take(folder, "web", now + 51, 30)
        assert taken is not None
        assert taken.notification.kind == kind
        rows.settle(folder, taken, "web", TAKEN, (now, None), ())
    assert states(folder, "web") == ["sent", "sent", "sent"]
    assert counted(folder) == {"web failed": 1, "web sent": 3}


def test_what_became_of_a_row_of_a_lost_state_says_nothing_about_the_new_one(folder: Path) -> None:
    commit(folder, numbered(1))
    taken = rows.take(folder, "web", time.time(), 30)
    assert taken is not None
    for each in folder.iterdir():
        each.unlink()
    commit(folder, numbered(2))
    rows.settle(folder, taken, "web", TAKEN, (time.time(), None), ())
    assert states(folder, "web") == [None]


def reminder(number: int, **more: Any) -> Notification:
    return replace(numbered(1, "reminder", **more), key=f"relay-failing/relay/relay/1/reminder/{number}")


def test_of_the_reminders_that_waited_for_a_channel_only_the_last_is_told(folder: Path) -> None:
    commit(folder, numbered(1), *map(reminder, range(2, 6)), numbered(2, about="other"))
    with WebServer() as server, telling(folder, web(server.url())):
        eventually(lambda: "sent" == states(folder, "web")[-2] == states(folder, "web")[-1], within=15, what="told")
        assert keys(server) == [numbered(1).key, reminder(5).key, numbered(2, about="other").key]
    assert states(folder, "web") == ["sent", "given-up", "given-up", "given-up", "sent", "sent"]
    answers = asked(folder, "SELECT DISTINCT answer FROM outbox WHERE outcome = 'given-up'")
    assert answers == [("a newer one follows",)]


def test_that_it_began_and_that_it_is_over_is_told_whatever_waits_behind(folder: Path) -> None:
    over = numbered(1, "resolved")
    commit(folder, numbered(1), reminder(2), over, numbered(2))
    now, told = time.time(), []
    while (taken := rows.take(folder, "web", now, 30)) is not None:
        told.append(taken.notification.key)
        rows.settle(folder, taken, "web", TAKEN, (now, None), ())
    assert told == [numbered(1).key, over.key, numbered(2).key]


def test_a_reminder_that_is_looked_at_only_gives_way_too(folder: Path) -> None:
    commit(folder, reminder(2), reminder(3))
    taken = rows.waiting(folder, "web", time.time(), rows.NOTHING)
    assert taken is not None
    assert taken.notification.key == reminder(3).key


@pytest.mark.parametrize("clock", [-7200, -90_000, 7200])
def test_a_clock_that_is_set_keeps_nothing_waiting(folder: Path, clock: float) -> None:
    commit(folder, numbered(1), at=time.time())
    now = time.time() + clock
    taken = rows.take(folder, "web", now, 30)
    assert taken is not None
    rows.settle(folder, taken, "web", NOT_TAKEN, (now, now + 18), ())
    assert rows.take(folder, "web", now + 19, 30) is not None


@pytest.mark.parametrize("content", ["{}", "not JSON", '{"key": 1}', "[[[[", "[]"])
def test_a_row_of_another_version_is_given_up_and_keeps_nobody_waiting(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    commit(folder, numbered(1), numbered(2))
    asked(folder, "UPDATE outbox SET content = ? WHERE id = 1", content)
    with WebServer() as server, telling(folder, web(server.url())):
        eventually(lambda: keys(server) == [numbered(2).key], within=10, what="the next one is told")
        eventually(lambda: states(folder, "web") == ["given-up", "sent"], within=10, what="it is noted")
    assert f"gave up {numbered(1).key}: this version of mailwatch cannot read it" in caplog.text
    assert counted(folder) == {"web given-up": 1, "web sent": 1}


# -- a channel that does not take it -------------------------------------------------------------------------------


def test_retry_after_is_waited_for(folder: Path) -> None:
    commit(folder, numbered(1))
    with WebServer(status=429, headers={"Retry-After": "300"}) as server, telling(folder, web(server.url())):
        begun = time.time()
        eventually(lambda: states(folder, "web") == ["failed"], within=10, what="it was refused")
        [(due, tries)] = asked(folder, "SELECT due_at, tries FROM outbox")
        assert begun + 300 <= due <= time.time() + 300
        assert tries == 1


def test_a_retry_after_that_is_too_long_is_an_hour(folder: Path) -> None:
    commit(folder, numbered(1))
    with WebServer(status=503, headers={"Retry-After": "80000"}) as server, telling(folder, web(server.url())):
        eventually(lambda: states(folder, "web") == ["failed"], within=10, what="it was refused")
        [(due,)] = asked(folder, "SELECT due_at FROM outbox")
        assert due <= time.time() + 3600


def test_tries_come_ever_later_and_not_in_step(folder: Path) -> None:
    commit(folder, *(numbered(number, about=str(number)) for number in range(12)))
    with telling(folder, refusing("web")):
        eventually(lambda: states(folder, "web") == ["failed"] * 12, within=20, what="all were tried")
    waits = [due - time.time() for (due,) in asked(folder, "SELECT due_at FROM outbox WHERE tries = 1")]
    assert all(-20 < wait <= 6 for wait in waits)
    asked(folder, "UPDATE outbox SET tries = 4, due_at = 1")
    begun = time.time()
    with telling(folder, refusing("web")):
        eventually(lambda: [*asked(folder, "SELECT min(tries) FROM outbox")] == [(5,)], within=20, what="tried again")
    waits = [due - begun for (due,) in asked(folder, "SELECT due_at FROM outbox")]
    assert all(720 <= wait <= 1080 + 20 for wait in waits)
    assert max(waits) - min(waits) > 30


def test_what_one_refuses_for_good_the_next_one_tells_at_once(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # by the order of the configuration, from there on and around, also one that wants worse than this
    commit(folder, numbered(1, severity="warn"), to=("nobody",))
    with WebServer() as server:
        channels = (file(tmp_path / "told"), nobody(), web(server.url(), min_severity="page"))
        with telling(folder, *channels):
            eventually(lambda: states(folder, "web") == ["sent"], within=10, what="the next one has it")
    assert states(folder, "nobody") == ["failed"]
    assert states(folder, "file") == []
    assert f"channel=nobody did not take {numbered(1).key}" in caplog.text
    assert "channel=nobody does not take it: told by channel=web" in caplog.text
    assert counted(folder) == {"nobody failed": 1, "web sent": 1}
    [(due,)] = asked(folder, "SELECT due_at FROM outbox WHERE channel = 'nobody'")
    assert due - time.time() > 600  # slowly


@pytest.mark.usefixtures("quick")
def test_who_says_never_is_asked_again(folder: Path) -> None:
    """A 404 while something is set up anew must not cost the one page of the night."""
    commit(folder, numbered(1), to=("web",))
    with WebServer(status=404) as server, telling(folder, web(server.url())):
        eventually(lambda: states(folder, "web") == ["failed"], within=10, what="it was refused")
        server.status = 200
        eventually(lambda: states(folder, "web") == ["sent"], within=20, what="it is told")


@pytest.mark.usefixtures("quick")
def test_after_three_tries_the_next_one_tells_it_too_and_the_tries_go_on(folder: Path) -> None:
    commit(folder, numbered(1), to=("refusing",))
    with WebServer() as server, telling(folder, web(server.url()), refusing()):
        eventually(lambda: keys(server), within=15, what="the next one has it")
        eventually(
            lambda: asked(folder, "SELECT tries FROM outbox WHERE channel = 'refusing'") >= [(5,)],
            within=15,
            what="tried on",
        )
        assert keys(server) == [numbered(1).key]


@pytest.mark.usefixtures("quick")
def test_where_nobody_takes_it_each_is_tried_and_it_stays(folder: Path) -> None:
    commit(folder, numbered(1), to=("one",))
    names = ("one", "two", "three")
    with telling(folder, *map(refusing, names)):
        eventually(
            lambda: [states(folder, each) for each in names] == [["failed"]] * 3, within=30, what="all were tried"
        )
        assert rows.pending(folder) == 3


def test_after_a_day_it_is_given_up(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    commit(folder, numbered(1), at=time.time() - 86_401)
    with telling(folder, refusing("web")):
        eventually(lambda: states(folder, "web") == ["given-up"], within=10, what="it is given up")
    assert f"channel=web gave up {numbered(1).key} (try 1)" in caplog.text
    assert rows.pending(folder) == 0


def test_what_waits_for_a_channel_that_is_no_more_is_told_by_another(folder: Path) -> None:
    commit(folder, numbered(1), to=("gone",))
    commit(folder, numbered(2), to=("gone", "web"))
    with WebServer() as server, telling(folder, web(server.url())):
        eventually(lambda: sorted(keys(server)) == [numbered(1).key, numbered(2).key], within=10, what="both are told")
        eventually(lambda: rows.oldest(folder) is None, within=10, what="nothing waits")
    assert states(folder, "gone") == ["given-up", "given-up"]


def test_who_was_told_in_place_of_another_that_it_began_is_told_that_it_is_over(folder: Path) -> None:
    commit(folder, numbered(1), to=("nobody",))
    commit(folder, numbered(2, about="other"), to=("idle",))
    commit(folder, numbered(0), to=("idle",))  # an episode before
    with WebServer() as server, telling(folder, nobody(), web(server.url()), refusing("idle")):
        eventually(lambda: states(folder, "web") == ["sent"], within=10, what="the next one has it")
        over = [Row("nobody", numbered(1, "resolved"))]
        store = Store.open(folder, time.time())
        with store.transaction() as connection:
            ledger.add(connection, over, time.time())
            ledger.add_ends(connection, over, ["nobody", "web", "idle"], time.time())
        store.close()
    found = asked(folder, "SELECT channel FROM outbox WHERE key = ? ORDER BY channel", numbered(1, "resolved").key)
    assert found == [("nobody",), ("web",)]


# -- the state cannot be written -----------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Path, Callable[[bool], None]]]:
    """A state on a disk of its own, and a way to fill and free it."""
    made = tmp_path / "small"
    with small_disk(made) as disk:
        Store.open(made, time.time()).close()
        yield made, lambda fill: disk.fill(0) if fill else disk.free()


def test_what_cannot_be_marked_is_told_once_and_marked_later(full: tuple[Path, Callable[[bool], None]]) -> None:
    folder, fill = full
    commit(folder, numbered(1), numbered(1, "resolved"))
    with WebServer() as server:
        server.before_answer = lambda: None if server.posted[1:] else fill(True)
        with telling(folder, web(server.url())) as outbox:
            eventually(lambda: len(server.posted) == 2, within=15, what="both are told on a full disk")
            for _ in range(3):
                outbox.wake()
                time.sleep(0.3)
            assert keys(server) == [numbered(1).key, numbered(1, "resolved").key]
            fill(False)
            eventually(lambda: states(folder, "web") == ["sent", "sent"], within=15, what="both are marked")
        assert len(server.posted) == 2
    assert counted(folder) == {"web sent": 2}


def test_what_fails_on_a_full_disk_is_tried_with_patience(full: tuple[Path, Callable[[bool], None]]) -> None:
    folder, fill = full
    commit(folder, numbered(1))
    with WebServer(status=500) as server:
        fill(True)
        with telling(folder, web(server.url())) as outbox:
            eventually(lambda: server.posted, within=15, what="it was tried")
            end = time.monotonic() + 3
            while time.monotonic() < end:
                outbox.wake()
                time.sleep(0.1)
            assert len(server.posted) == 1


def test_from_memory_it_is_told_once_in_its_order_and_by_another(folder: Path, tmp_path: Path) -> None:
    (folder / NAME).unlink()
    with WebServer() as server, telling(folder, nobody(), web(server.url()), file(tmp_path / "told")) as outbox:
        told = [numbered(1), numbered(1, "resolved"), numbered(2, about="other")]
        outbox.tell_from_memory([Row("nobody", each) for each in told], time.time())
        eventually(lambda: len(server.posted) == 3, within=15, what="the next one tells what this one refuses")
        outbox.tell_from_memory([Row("web", each) for each in told], time.time())
        outbox.stop()
        came = keys(server)
        assert sorted(came) == sorted(each.key for each in told)
        assert came.index(told[0].key) < came.index(told[1].key)
        assert not (tmp_path / "told").exists()


def test_what_is_over_does_not_overtake_in_memory_what_began(folder: Path) -> None:
    commit(folder, numbered(1))
    with WebServer(status=500) as server, telling(folder, web(server.url())) as outbox:
        eventually(lambda: states(folder, "web") == ["failed"], within=10, what="the first was tried")
        outbox.tell_from_memory([Row("web", numbered(1, "resolved"))], time.time())
        outbox.tell_from_memory([Row("web", numbered(3, about="other"))], time.time())
        eventually(lambda: len(server.posted) == 2, within=10, what="the other was tried")
        server.status = 200
        eventually(lambda: len(server.posted) >= 5, within=20, what="all are told")
        assert [each for each in keys(server) if "/relay/relay/" in each] == [
            numbered(1).key, numbered(1).key, numbered(1, "resolved").key,
        ]  # fmt: skip


def test_what_is_told_from_memory_while_it_is_committed_is_marked_after_that() -> None:
    memory = Memory("web")
    memory.put(numbered(1), 1.0)
    [taken] = memory.due(1.0)
    kept = memory.kept()  # what is written into rows: not told yet
    memory.settle(taken, TAKEN, 2.0, None)
    memory.committed({each.notification.key: each.ended_at for each in kept})
    assert memory.unmarked() == {numbered(1).key: TAKEN}
    assert memory.kept() == []


def test_memory_is_bounded_and_gives_up_the_oldest(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(folder, [refusing("web")])  # nobody takes anything from it
    outbox.tell_from_memory([Row("web", numbered(number)) for number in range(1000)], time.time())
    kept = outbox.kept()
    assert [each.notification.key for each in kept] == [numbered(number).key for number in range(1000 - 256, 1000)]
    assert caplog.text.count("too many are kept in memory") == 1000 - 256


def test_what_is_in_memory_is_committed_and_told_once(folder: Path) -> None:
    with WebServer() as server:
        outbox = Outbox(folder, [web(server.url()), refusing()])
        outbox.tell_from_memory([Row("web", numbered(1)), Row("refusing", numbered(1))], time.time())
        outbox.start()
        try:
            eventually(lambda: any(each.sent for each in outbox.kept()), within=10, what="it was told")
            kept = outbox.kept()
            store = Store.open(folder, time.time())
            with store.transaction() as connection:
                ledger.add_kept(connection, kept)
            store.close()
            outbox.committed(kept)
            outbox.wake()
            assert outbox.kept() == []
            assert states(folder, "web") == ["sent"]
            eventually(lambda: states(folder, "refusing") == ["failed"], within=15, what="its row is tried")
        finally:
            outbox.stop()
        assert len(server.posted) == 1
    assert rows.told_of(folder, "web")[0].key == numbered(1).key


# -- many, hanging, ending -------------------------------------------------------------------------------------------


def test_one_that_hangs_delays_no_other_and_the_end_is_bounded(folder: Path, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server"))
    with ExitStack() as stack:
        faulty = [stack.enter_context(FaultyServer(fault)) for fault in ("silent", "dripping", "endless", "rubbish")]
        broken = stack.enter_context(WebServer(context=context))  # its certificate is nobody's
        failing = stack.enter_context(WebServer(status=503))
        well = stack.enter_context(WebServer())
        mail = stack.enter_context(SmtpServer(context=context))
        bad = [web(f"http://127.0.0.1:{each.port}/", each.fault) for each in faulty]
        bad += [web(broken.url(), "tls"), web(failing.url(), "5xx"), refusing()]
        good = [
            web(well.url()),
            file(tmp_path / "told"),
            ChannelOptions(
                name="mail", host="127.0.0.1", port=mail.port, from_="a@example.com", to=("b@example.com",),
                ca_file=authority.ca,
            ),
        ]  # fmt: skip
        with telling(folder, *bad, *good) as outbox:
            commit(folder, numbered(0), to=tuple(each.name for each in (*bad, *good)))
            outbox.wake()
            eventually(
                lambda: well.posted and mail.taken and (tmp_path / "told").exists(), within=8, what="the others tell"
            )
            begun = time.monotonic()
            commit(folder, numbered(1, about="another"), to=("web", "mail", "file"))
            outbox.wake()
            eventually(lambda: len(well.posted) == 2 and len(mail.taken) == 2, within=8, what="they tell the next, too")
            # beside those that hang, as fast as a process is started
            assert time.monotonic() - begun < 1.0 + 3.0
            assert states(folder, "silent") == [None]
            begun = time.monotonic()
        assert time.monotonic() - begun < 2.0 + 1.0


def test_many_channels_with_a_long_outbox_are_idle_while_nothing_is_due(folder: Path) -> None:
    names = [f"channel{number}" for number in range(20)]
    later = time.time() + 3000
    made = [numbered(number, about=f"cause{number % 700}") for number in range(500)]
    commit(folder, *made, to=tuple(names))
    assert rows.pending(folder) == 10_000
    asked(folder, "UPDATE outbox SET tries = 2, due_at = ?", later)
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    with telling(folder, *map(refusing, names)) as outbox:
        assert time.monotonic() - begun < 5
        for _ in range(5):
            outbox.wake()
            time.sleep(0.4)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # each of the 20 looks six times at its 500 rows
    assert spent < 4
    assert after.ru_maxrss - before.ru_maxrss < 50_000
    assert states(folder, names[0]) == [None] * 500


def test_too_many_that_wait_are_given_up_from_the_oldest_on_and_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledger, "PENDING_AT_MOST", 5)
    commit(folder, *(numbered(number) for number in range(8)))
    assert states(folder, "web") == ["given-up"] * 3 + [None] * 5
    assert counted(folder) == {"web given-up": 3}
    assert "gave up 3 notifications: more than 5 were waiting" in caplog.text


def test_what_was_done_with_a_week_ago_goes_but_for_the_last_of_its_topic(folder: Path) -> None:
    commit(folder, numbered(1), numbered(1, "reminder"), numbered(2, about="other"))
    asked(folder, "UPDATE outbox SET due_at = NULL, outcome = 'sent', ended_at = ?", time.time() - 8 * 86400)
    commit(folder, numbered(3, about="new"))
    left = [key for (key,) in asked(folder, "SELECT key FROM outbox ORDER BY id")]
    assert left == [numbered(1, "reminder").key, numbered(2, about="other").key, numbered(3, about="new").key]


def test_a_thousand_threads_that_wake_it_do_not_tell_it_twice(folder: Path) -> None:
    with WebServer() as server, telling(folder, web(server.url())) as outbox:
        commit(folder, numbered(1))
        threads = [threading.Thread(target=outbox.wake) for _ in range(200)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        eventually(lambda: states(folder, "web") == ["sent"], within=10, what="it is told")
        assert len(server.posted) == 1


# -- Alertmanager ------------------------------------------------------------------------------------------------------


def members(manager: Alertmanager) -> ChannelOptions:
    return ChannelOptions(name="am", type="alertmanager", urls=(Secret(manager.url),))


def ends_at(manager: Alertmanager) -> dict[str, str]:
    """When each alert there ends, by its cause."""
    return {each["labels"]["cause"]: each["endsAt"] for each in manager.alerts()}


def test_an_alertmanager_is_told_again_and_after_a_restart_until_it_is_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwatch.outbox.repeats.REPEAT", 1.0)
    manager = Alertmanager(tmp_path / "am").start()
    try:
        commit(folder, numbered(1), numbered(2, about="other"), to=("am",))
        with telling(folder, members(manager)):
            eventually(lambda: len(ends_at(manager)) == 2, within=15, what="both are there")
            first = ends_at(manager)
            eventually(
                lambda: all(ends_at(manager)[each] > first[each] for each in first), within=15, what="told again"
            )
        last = ends_at(manager)
        with telling(folder, members(manager)) as outbox:  # another life
            eventually(lambda: all(ends_at(manager)[each] > last[each] for each in last), within=15, what="told again")
            commit(folder, numbered(1, "resolved", ended_at=time.time()), to=("am",))
            outbox.wake()
            eventually(lambda: list(ends_at(manager)) == ["other"], within=15, what="it is over")
            before = ends_at(manager)
            eventually(lambda: ends_at(manager)["other"] > before["other"], within=15, what="the other is told again")
            assert list(ends_at(manager)) == ["other"]
            outbox.anew()
        assert [each.cause for each in rows.told_of(folder, "am")] == ["other"]
    finally:
        manager.stop()


def test_a_round_ends_with_what_is_not_taken_and_what_is_over_is_in_none() -> None:
    now = time.monotonic()
    told_again = Repeats([numbered(number, about=str(number)) for number in range(3)])
    first = told_again.next(now)
    assert first is not None
    told_again.missed()
    assert told_again.next(now) is None
    assert 59 < (told_again.seconds(now) or 0) < 61
    told_again.note(numbered(1, "resolved", about="1"))
    told_again.note(numbered(1, "resolved", about="never heard of"))
    left = [told_again.next(now + 90) for _ in range(3)]
    assert [each and each.cause for each in left] == ["0", "2", None]
    for about in ("0", "2"):
        told_again.note(numbered(1, "resolved", about=about))
    assert told_again.seconds(now + 90) is None


def test_what_is_over_is_not_told_again_though_that_could_not_be_told(folder: Path, tmp_path: Path) -> None:
    commit(folder, numbered(1), numbered(2, about="other"), numbered(1, "resolved"), to=("am",))
    asked(folder, "UPDATE outbox SET due_at = NULL, outcome = CASE WHEN id = 3 THEN 'given-up' ELSE 'sent' END")
    assert [each.cause for each in rows.told_of(folder, "am")] == ["other"]
    assert tmp_path.exists()
