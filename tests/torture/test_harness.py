"""The harness itself sees what it is for: a line lost or doubled, a counter that goes back; and its rotations do what they say."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from tests.parts.ports import eventually
from tests.torture.compression import READERS, compress
from tests.torture.ledger import Ledger, numbers_in
from tests.torture.outcome import differences
from tests.torture.page import PageCounter, Reading, Watch
from tests.torture.rotation import EXACT, KINDS, Ground
from tests.torture.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTEMPTS = PageCounter(attempts="attempts_total", gaps="gaps_total")


def reading(**statuses: int) -> Reading:
    return Reading(
        counters={("attempts_total", frozenset({("status", name)})): value for name, value in statuses.items()}
    )


def watched(readings: list[Reading], ledger: Ledger) -> Watch:
    """A watch that has seen all of these pages."""
    left = list(reversed(readings))
    watch = Watch(lambda: left.pop() if left else None, ATTEMPTS, ledger, lambda _: None)
    watch.start()
    eventually(lambda: not left, within=10, what="every page was looked at")
    watch.stop()
    watch.join(10)
    assert watch.failure is None
    return watch


def test_a_line_doubled_in_one_status_does_not_make_up_for_one_lost_in_another() -> None:
    lost, doubled, _ = differences(Counter(sent=10, bounced=5), Counter(sent=11, bounced=4), Counter(), Counter())
    assert (lost, doubled) == (1, 1)


def test_a_line_lost_later_does_not_make_up_for_one_doubled_before() -> None:
    ledger = Ledger()
    ledger.enter("sent")
    watch = watched([reading(sent=1), reading(sent=3)], ledger)
    _, doubled, _ = differences(Counter(sent=3), Counter(sent=3), watch.ahead, Counter())
    assert doubled == 2


def test_only_as_many_lines_of_a_status_may_be_lost_as_were_in_the_window() -> None:
    written, counted = Counter(sent=10, bounced=5), Counter(sent=7, bounced=4)
    assert differences(written, counted, Counter(), Counter(sent=2, deferred=9)) == (4, 0, 2)


def test_a_counter_that_goes_back_is_named() -> None:
    watch = watched([reading(sent=2, bounced=1), reading(sent=1, bounced=1), reading(sent=2)], Ledger())
    assert watch.went_back == ["attempts_total{'status': 'sent'} 2 -> 1"]


def lines_on_disk(folder: Path) -> Iterator[int]:
    """The number of every line, in the files that belong to the log."""
    for path in folder.rglob("mail.log*"):
        if path.is_file() and not path.is_symlink():
            yield from numbers_in(READERS.get(path.suffix, bytes)(path.read_bytes()))


def test_rotations_that_are_called_exact_neither_destroy_nor_repeat_a_line(tmp_path: Path) -> None:
    ledger = Ledger()
    log = tmp_path / "mail.log"
    writer = Writer(log, ledger, lines=6000, rate=5000, seed=1)
    writer.pace = 400
    ground = Ground(log=log, olddir=tmp_path / "old", writer=writer, ledger=ledger, random=Random(1))
    writer.start()
    for kind in EXACT:
        before = ledger.written
        eventually(lambda before=before: ledger.written > before and log.exists(), within=10, what="lines to rotate")  # type: ignore[misc]
        KINDS[kind](ground)
    writer.finish()
    writer.join(30)
    assert writer.failure is None
    assert sorted(lines_on_disk(tmp_path)) == list(range(6000))


def test_the_race_enters_every_line_that_it_destroys(tmp_path: Path) -> None:
    ledger = Ledger()
    log = tmp_path / "mail.log"
    writer = Writer(log, ledger, lines=1500, rate=5000, seed=2)
    ground = Ground(log=log, olddir=tmp_path / "old", writer=writer, ledger=ledger, random=Random(2))
    writer.finish()
    writer.start()
    eventually(lambda: ledger.written > 300, within=10, what="the writer has begun")
    KINDS["copytruncate-race"](ground)
    writer.join(30)
    assert ledger.window()
    assert set(range(1500)) - set(lines_on_disk(tmp_path)) <= ledger.window()


def test_an_archive_has_the_times_of_its_source_and_takes_its_place(tmp_path: Path) -> None:
    for suffix in READERS:
        for content in (b"", b"one line\n" * 5000):
            source = tmp_path / "mail.log.1"
            source.write_bytes(content)
            written_at = source.stat().st_mtime_ns
            archive = compress(source, suffix)
            assert READERS[suffix](archive.read_bytes()) == content
            assert archive.stat().st_mtime_ns == written_at
            assert not source.exists()
