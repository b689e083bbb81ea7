"""What is decided while nothing can be committed: nothing ends unseen, and what is owed to the state is committed soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mailwatch import ledger
from mailwatch.decisions import Decisions, Remembered
from mailwatch.letters import Row
from mailwatch.options import ChannelOptions, Options
from mailwatch.outbox import Outbox
from mailwatch.sample import Probe
from mailwatch.store import Store
from mailwatch.tally import Delta
from mailwatch.view import Site
from tests.parts.alarm import alarm
from tests.parts.disk import small_disk
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_590_000.0
FULL = "the file system of /var/spool/postfix has 0.0 MiB free"


def disk(at: float, trouble: str | None) -> Probe:
    return Probe(name="disk", instance="postfix", at=at, success=trouble is None, trouble=trouble)


def told_of_a_full_disk() -> Decisions:
    """Decisions that told of it at NOW + 6, and could not commit that."""
    made = Decisions(Site(host="mx1", severities={"disk-full": "page"}), Options(), Remembered(until=NOW), NOW)
    kinds = []
    for at in (NOW, NOW + 6):
        made.take([disk(at, FULL)])
        decided = made.decide(Delta(), at, caught_up=True)
        kinds += [] if decided is None else [each.kind for each in decided.notices]
    assert kinds == ["first"]
    made.undo()
    return made


def test_nothing_ends_while_the_log_is_not_read() -> None:
    decisions = told_of_a_full_disk()
    decisions.take([disk(NOW + 7, None)])
    for at in (NOW + 7, NOW + 100, NOW + 1000):
        decided = decisions.decide(Delta(), at, caught_up=True, blind=True)
        assert decided is not None
        assert not decided.notices
    # well since the log is read again, for as long as it takes
    kinds = []
    for at in (NOW + 1010, NOW + 1200, NOW + 1320):
        decisions.take([disk(at, None)])
        decided = decisions.decide(Delta(), at, caught_up=True)
        kinds += [] if decided is None else [each.kind for each in decided.notices]
    assert kinds == ["resolved"]


def test_what_could_not_be_committed_is_committed_though_nothing_new_happens() -> None:
    decisions = told_of_a_full_disk()
    owed = decisions.decide(Delta(), NOW + 6.5, caught_up=True)
    assert owed is not None
    assert owed.pressing
    assert owed.alerts["local_fault", "disk-full", "local"].state == "firing"
    decisions.settled(NOW + 6.5)
    assert decisions.decide(Delta(), NOW + 6.9, caught_up=True) is None


def test_a_channel_that_fails_while_the_disk_is_full_is_not_tried_every_second(tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    tried.touch()
    words = ("/bin/sh", "-c", f"echo x >> {tried}; exit 1")
    with small_disk(tmp_path / "disk") as disk:
        now = time.time()
        store = Store.open(disk.folder, now)
        row = Row("command", alarm())
        store.commit(Delta(), {}, now, lambda connection: ledger.add(connection, [row], now))
        disk.fill()
        outbox = Outbox(disk.folder, [ChannelOptions(name="command", command=words)])
        outbox.start()
        try:
            eventually(lambda: tried.read_text() == "x\n", within=10, what="it is tried")
            began = time.monotonic()
            eventually(lambda: tried.read_text() == "x\nx\n", within=20, what="it is tried again")
            assert time.monotonic() - began > 3
        finally:
            outbox.stop()
            store.close()
