"""What goes wrong around the journal: a journalctl that fails, and files that are damaged, copied, put back or too many."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch.sources import journal_files, journalctl
from mailwatch.sources.journal import JournalSource
from mailwatch.sources.journal_files import Header, header_of, machine_id
from tests.parts.journal import AT, Reader, append, archive, entry, program, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "journal")


def live(reader: Reader) -> Path:
    return reader.folder / "system.journal"


def overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)


@pytest.mark.parametrize(
    "failing",
    [
        "kill -9 $$",
        "exit 126",
        "exit 127",
        "echo 'Failed to open files: Protocol not supported' >&2; echo more >&2; exit 1",
    ],
    ids=["killed", "not to be run", "not found", "a format it does not know"],
)
def test_a_journalctl_that_cannot_have_read_the_file_costs_no_entry_however_often(
    reader: Reader, tmp_path: Path, failing: str
) -> None:
    write(live(reader), 0, 100)
    archive(live(reader))
    write(live(reader), 100, 102)
    reader.program = program(tmp_path, failing)
    for _ in range(20):
        reader.read()
    assert reader.trouble is not None
    program(tmp_path, 'exec journalctl "$@"')
    reader.read()
    assert sorted(reader.numbers()) == list(range(102))
    assert [reader.gaps, reader.trouble] == [[], None]


def test_a_journalctl_that_fails_once_in_an_archived_file_costs_no_entry(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 100)
    archive(live(reader))
    once = tmp_path / "once"
    reader.program = program(tmp_path, f'[ -e {once} ] || {{ touch {once}; exit 1; }}; exec journalctl "$@"')
    reader.read()
    assert reader.trouble is not None
    reader.read()
    assert reader.numbers() == list(range(100))
    assert [reader.gaps, reader.trouble] == [[], None]


def test_an_archived_file_that_is_damaged_is_a_gap_after_minutes_and_the_others_are_read(reader: Reader) -> None:
    write(live(reader), 0, 300)
    overwrite(archive(live(reader)), 88, b"\xff" * 8)  # a header of no size that a file can have
    write(live(reader), 300, 302)
    reader.read()
    assert reader.numbers() == [300, 301]
    assert reader.gaps == []
    assert reader.trouble is not None
    for _ in range(3):
        reader.read()
    assert reader.gaps == [], "it was tried for three minutes only"
    for _ in range(3):
        reader.read()
    assert [reader.gaps, reader.trouble] == [["journal-damaged"], None]
    reader.crash()
    assert reader.read() == []
    assert reader.gaps == ["journal-damaged"]


def test_getting_further_or_being_killed_between_failures_begins_their_count_anew(
    reader: Reader, tmp_path: Path
) -> None:
    write(live(reader), 0, 100)
    archive(live(reader))
    reader.program = program(tmp_path, "exit 1")
    for _ in range(5):
        reader.read()
    program(tmp_path, "kill -9 $$")
    reader.read()
    program(tmp_path, "exit 1")
    for _ in range(5):
        reader.read()
    program(tmp_path, 'journalctl "$@" | head -c 1500; exit 1')
    reader.read()
    program(tmp_path, "exit 1")
    for _ in range(4):
        reader.read()
    assert reader.gaps == []
    program(tmp_path, 'exec journalctl "$@"')
    reader.read()
    assert reader.numbers() == list(range(100))


def test_a_failure_after_which_everything_was_read_is_no_trouble_any_more(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 5)
    archive(live(reader))
    write(live(reader), 5, 7)
    once = tmp_path / "once"
    reader.program = program(tmp_path, f'journalctl "$@"; [ -e {once} ] || {{ touch {once}; exit 1; }}')
    for _ in range(3):
        reader.read()
    assert reader.numbers() == list(range(7))
    assert [reader.gaps, reader.trouble] == [[], None]


HOUR = 3600 * 1_000_000


@pytest.fixture
def memory_and_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    for place in ("VOLATILE", "PERSISTENT"):
        monkeypatch.setattr(journal_files, place, tmp_path / place)
    memory, disk = (tmp_path / place / machine_id() / "system.journal" for place in ("VOLATILE", "PERSISTENT"))
    return memory, disk


def read_own(reader: Reader) -> None:
    """Read the journal of this machine, beginning from what was committed."""
    reader.crash()
    reader.source = JournalSource(None, positions=reader.positions, start=reader.start, clock=lambda: reader.now)
    for _ in range(3):
        reader.read()


def test_what_is_copied_from_memory_to_disk_counts_once_though_the_clock_went_back_meanwhile(
    reader: Reader, memory_and_disk: tuple[Path, Path]
) -> None:
    memory, disk = memory_and_disk
    entries = [entry(number, at=AT + number * 1_000_000 + (0 if number else HOUR)) for number in range(6)]
    append(memory, entries[:4])
    read_own(reader)
    append(disk, entries)
    memory.unlink()
    read_own(reader)
    assert [reader.numbers(), reader.gaps] == [list(range(6)), []]


def test_what_was_on_the_disk_before_journald_went_back_to_memory_counts_whatever_the_clock_said(
    reader: Reader, memory_and_disk: tuple[Path, Path]
) -> None:
    memory, disk = memory_and_disk
    write(disk, 0, 3)
    read_own(reader)
    write(disk, 3, 6)
    append(memory, [entry(number, at=AT + number * 1_000_000 - HOUR) for number in range(6, 9)])
    read_own(reader)
    append(disk, [entry(number, at=AT + number * 1_000_000 - HOUR) for number in range(6, 11)])
    memory.unlink()
    read_own(reader)
    assert [sorted(reader.numbers()), reader.gaps] == [list(range(11)), []]


def test_history_in_memory_is_history_on_the_disk_too(reader: Reader, memory_and_disk: tuple[Path, Path]) -> None:
    memory, disk = memory_and_disk
    reader.start = "end"
    append(memory, [entry(0, SYSLOG_FACILITY="3"), *map(entry, range(1, 4))])
    read_own(reader)
    write(disk, 0, 6)
    memory.unlink()
    read_own(reader)
    assert [reader.numbers(), reader.gaps] == [[4, 5], []]


@pytest.mark.parametrize("name", ["backup.journal", "the-same.journal"])
@pytest.mark.parametrize("kept", [True, False], ids=["with its times", "with new times"])
def test_a_copy_of_the_live_file_beside_it_hides_nothing_and_counts_nothing(
    reader: Reader, name: str, kept: bool
) -> None:
    write(live(reader), 0, 3)
    reader.read()
    (shutil.copy2 if kept else shutil.copy)(live(reader), reader.folder / name)
    write(live(reader), 3, 6)
    reader.read()
    reader.crash()
    reader.read()
    write(live(reader), 6, 9)
    reader.read()
    write(live(reader), 9, 10)
    reader.read()
    assert reader.numbers() == list(range(10))
    (reader.folder / name).unlink()
    write(live(reader), 10, 12)
    reader.read()
    assert [reader.numbers(), reader.gaps, reader.trouble] == [list(range(12)), [], None]


def test_a_copy_is_read_on_where_the_live_file_itself_is_gone(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    write(live(reader), 3, 6)
    shutil.copy2(live(reader), reader.folder / "backup.journal")
    live(reader).unlink()
    for _ in range(3):
        reader.read()
    assert [reader.numbers(), reader.gaps] == [list(range(6)), []]


def header(file: Path) -> Header:
    with file.open("rb") as opened:
        found = header_of(opened.fileno())
    assert found is not None
    return found


def number(file: Path, numbering: str, first: int) -> None:
    """Say in the header of a file that its entries stand in this numbering, from this number on."""
    found = header(file)
    overwrite(file, 72, bytes.fromhex(numbering))
    overwrite(file, 160, b"".join(each.to_bytes(8, "little") for each in (first + found.last - found.first, first)))


def old_archives(folder: Path, *begins: int) -> list[Path]:
    """Archived files of a journal with a numbering of its own."""
    return [old_archive(folder / str(begin) / "system.journal", begin) for begin in begins]


def old_archive(file: Path, begin: int) -> Path:
    write(file, begin, begin + 5)
    return archive(file)


def test_old_archives_that_are_put_back_are_no_new_mail(reader: Reader, tmp_path: Path) -> None:
    reader.start = "end"
    write(live(reader), 1000, 1003)
    reader.read()
    for file in old_archives(tmp_path / "old", 0, 100):
        shutil.copy2(file, reader.folder)
    reader.read()
    reader.crash()
    same, other = old_archives(tmp_path / "older", 200, 300)
    number(other, header(same).numbering, 40)
    for file in (same, other):
        shutil.copy2(file, reader.folder)
        reader.read()
    for file in reader.folder.glob("*@*"):
        file.unlink()
        reader.read()
    write(live(reader), 1003, 1005)
    reader.read()
    assert [reader.numbers(), reader.gaps, reader.trouble] == [[1003, 1004], [], None]


def test_an_old_archive_of_the_journal_itself_is_no_new_mail(reader: Reader, tmp_path: Path) -> None:
    reader.start = "end"
    write(live(reader), 1000, 1001)
    (old,) = old_archives(tmp_path / "old", 0)
    number(live(reader), header(old).numbering, 900)
    reader.read()
    shutil.copy2(old, reader.folder)
    reader.read()
    assert [reader.numbers(), reader.gaps] == [[], []]


def test_an_archive_with_entries_since_the_start_is_news_whatever_its_numbering(reader: Reader, tmp_path: Path) -> None:
    reader.start = "end"
    write(live(reader), 0, 1)
    reader.read()
    later = tmp_path / "later" / "system.journal"
    append(later, [entry(each, at=int(time.time() + 60) * 1_000_000 + each) for each in range(5)])
    shutil.copy2(archive(later), reader.folder)
    reader.read()
    assert [reader.numbers(), reader.gaps] == [list(range(5)), []]


@pytest.mark.parametrize(
    "saying",
    [
        "exec yes",
        "exec yes ''",
        "while :; do echo no >&2; sleep 0.02; done",
        "while :; do printf x; sleep 0.02; done",
        "printf A=; exec tr '\\0' x < /dev/zero",
        "exec >&- 2>&-; exec sleep 1000",
    ],
    ids=["rubbish", "empty lines", "complaints", "a drip of bytes", "an endless field", "nothing, and no end"],
)
def test_a_journalctl_that_says_anything_but_entries_is_ended_all_the_same(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saying: str
) -> None:
    monkeypatch.setattr(journalctl, "DEADLINE", 0.5)
    write(live(reader), 0, 2)
    reader.program = program(tmp_path, saying)
    begun = time.monotonic()
    reader.read(batches=200)
    assert time.monotonic() - begun < 10
    assert reader.trouble is not None
    assert reader.trouble.endswith("journalctl gave no entry for 0 s, and did not end")


def users(reader: Reader) -> list[Path]:
    return [reader.folder / f"user-{1000 + each}.journal" for each in range(12)]


@pytest.fixture
def room_for_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_files, "HELD", 4)


@pytest.mark.usefixtures("room_for_four")
def test_with_more_files_than_are_held_open_history_is_history_and_news_are_news(reader: Reader) -> None:
    reader.start = "end"
    for each, file in enumerate(users(reader)):
        write(file, each, each + 1)
    reader.read()
    assert reader.numbers() == []
    for round_ in (100, 200):
        for each, file in enumerate(users(reader)):
            write(file, round_ + each, round_ + each + 1)
        for _ in range(4):
            reader.read()
        assert [sorted(reader.numbers())[-12:], reader.trouble] == [[round_ + each for each in range(12)], None]
    for file in users(reader):
        archive(file)
    for _ in range(4):
        reader.read()
    reader.crash()
    reader.read()
    assert [len(reader.numbers()), reader.gaps, reader.trouble] == [24, [], None]


@pytest.mark.usefixtures("room_for_four")
def test_from_the_beginning_more_files_than_are_held_open_are_read_one_after_the_other(reader: Reader) -> None:
    for each, file in enumerate(users(reader)):
        write(file, each, each + 1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(4):
        reader.read()
    assert [sorted(reader.numbers()), reader.gaps, reader.trouble] == [list(range(12)), [], None]
    assert len(os.listdir("/proc/self/fd")) <= before + 4


@pytest.mark.usefixtures("room_for_four")
def test_files_for_which_there_is_no_room_are_trouble(reader: Reader, tmp_path: Path) -> None:
    for each, file in enumerate(users(reader)):
        write(file, each, each + 1)
    reader.program = program(tmp_path, "exit 1")
    reader.read()
    reader.read()
    assert reader.trouble == "more than 4 journal files have unread entries: 8 more wait until those are read"
    program(tmp_path, 'exec journalctl "$@"')
    for _ in range(4):
        reader.read()
    assert [sorted(reader.numbers()), reader.trouble] == [list(range(12)), None]
