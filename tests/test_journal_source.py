"""The journal source on files that systemd-journal-remote made: every entry once, and a gap exactly when some are gone."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mailwatch.sources import journal_files, journalctl
from mailwatch.sources.journal import JournalSource
from mailwatch.sources.journal_entry import SUPPRESSED
from mailwatch.sources.journal_files import header_of, machine_id
from tests.parts.journal import BOOTS, Journald, Reader, append, archive, entry, program, queued, write
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "journal")


def live(reader: Reader) -> Path:
    return reader.folder / "system.journal"


def rotate(reader: Reader, at: int) -> Path:
    """Archive the live file, and begin another that goes on with the numbers: journal-remote would begin with 1."""
    archived = archive(live(reader))
    with archived.open("rb") as opened:
        before = header_of(opened.fileno())
    assert before is not None
    write(live(reader), at, at + 1)
    renumber(live(reader), before.numbering, before.last + 1)
    return archived


def renumber(file: Path, numbering: str, first: int) -> None:
    """Make the one entry of a file the ``first`` of a numbering, in its header and in itself."""
    raw = bytearray(file.read_bytes())
    raw[72:88] = bytes.fromhex(numbering)
    raw[160:176] = first.to_bytes(8, "little") * 2
    array = int.from_bytes(raw[176:184], "little")
    at = int.from_bytes(raw[array + 24 : array + 32], "little")
    assert raw[at] == 3, "an entry object"
    raw[at + 16 : at + 24] = first.to_bytes(8, "little")
    file.write_bytes(raw)


def test_every_entry_comes_once_as_a_line(reader: Reader) -> None:
    write(live(reader), 0, 3)
    assert reader.read() == [
        f"2026-09-21T14:13:{20 + number}.000000+00:00 mx postfix/qmgr[77]: {queued(number)}" for number in range(3)
    ]
    assert reader.read() == []
    write(live(reader), 3, 5)
    reader.read()
    assert reader.numbers() == [0, 1, 2, 3, 4]
    assert (reader.gaps, reader.trouble) == ([], None)


def test_a_small_limit_and_a_crash_after_every_batch_give_the_same(reader: Reader) -> None:
    write(live(reader), 0, 3000)
    for _ in range(200):
        reader.read(limit=5000, batches=1)
        reader.crash()
    reader.read()
    assert sorted(reader.numbers()) == list(range(3000))


def test_from_the_end_what_is_there_is_history_and_what_comes_is_not(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "journal", start="end")
    write(live(reader), 0, 5)
    reader.read(batches=1)
    write(live(reader), 5, 7)
    reader.crash()
    reader.read()
    assert reader.numbers() == [5, 6]


def test_from_the_end_of_a_journal_without_files_everything_is_news(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "journal", start="end")
    reader.folder.mkdir()
    reader.read()
    write(live(reader), 0, 2)
    reader.read()
    assert reader.numbers() == [0, 1]


def test_from_the_end_of_a_journal_without_mail_the_first_mail_counts(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "journal", start="end")
    write(live(reader), 0, 2, facility="3")
    reader.read()
    write(live(reader), 2, 4)
    reader.read()
    assert reader.numbers() == [2, 3]


def test_two_boots_are_read_also_when_the_clock_went_back_between_them(reader: Reader) -> None:
    write(live(reader), 100, 103)
    reader.read()
    archive(live(reader))
    write(live(reader), 0, 3, boot=BOOTS[1])
    reader.read()
    assert reader.numbers() == [100, 101, 102, 0, 1, 2]
    assert reader.gaps == []


def test_the_rest_of_an_old_boot_is_not_lost(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.crash()
    write(live(reader), 3, 5)
    archive(live(reader))
    write(live(reader), 5, 7, boot=BOOTS[1])
    reader.read()
    assert reader.numbers() == list(range(7))


def test_only_the_mail_facility_and_the_configured_one_are_read(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "journal", facilities=(2, 19))
    for number, facility in enumerate(("2", "3", "19", "2")):
        write(live(reader), number, number + 1, facility=facility)
    append(live(reader), [entry(4, SYSLOG_FACILITY=None)])
    reader.read()
    assert reader.numbers() == [0, 2, 3]


def test_rotation_changes_nothing(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    for number in range(3, 6):
        rotate(reader, number)
        reader.read()
    assert reader.numbers() == list(range(6))
    reader.crash()
    assert reader.read() == []
    assert reader.gaps == []


def test_vacuuming_what_was_read_is_no_gap_though_mailwatch_was_down(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.crash()
    rotate(reader, 3).unlink()
    reader.read()
    assert reader.numbers() == [0, 1, 2, 3]
    assert reader.gaps == []


def test_vacuuming_what_was_not_read_is_a_gap_once(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.crash()
    write(live(reader), 3, 5)
    rotate(reader, 5).unlink()
    reader.read()
    assert reader.numbers() == [0, 1, 2, 5]
    assert reader.gaps == ["journal-vacuumed"]
    reader.crash()
    rotate(reader, 6)
    reader.read()
    assert (reader.numbers()[-1], reader.gaps) == (6, ["journal-vacuumed"])


def test_a_file_that_came_and_went_unseen_is_a_gap(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.crash()
    first, second = rotate(reader, 3), rotate(reader, 4)
    first.unlink()
    second.unlink()
    reader.read()
    assert reader.numbers() == [0, 1, 2, 4]
    assert reader.gaps == ["journal-vacuumed"]


def test_a_file_that_came_and_went_between_two_looks_is_a_gap(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    first, second = rotate(reader, 3), rotate(reader, 4)
    first.unlink()
    second.unlink()
    reader.read()
    reader.read()
    assert reader.numbers() == [0, 1, 2, 4]
    assert reader.gaps == ["journal-vacuumed"]


def test_a_file_vacuumed_before_it_was_read_is_a_gap_though_it_was_open(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    write(live(reader), 3, 5)
    rotate(reader, 5).unlink()
    reader.read()
    reader.read()
    assert reader.numbers() == [0, 1, 2, 5]
    assert reader.gaps == ["journal-vacuumed"]


def test_a_whole_journal_that_is_gone_is_a_gap_and_what_follows_counts(reader: Reader) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.crash()
    live(reader).unlink()
    write(live(reader), 3, 5)
    reader.read()
    assert reader.numbers() == [0, 1, 2, 3, 4]
    assert reader.gaps == ["journal-vacuumed"]


def test_a_file_that_is_put_back_or_copied_is_not_read_again(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 3)
    archived = archive(live(reader))
    write(live(reader), 3, 5)
    reader.read()
    shutil.copy2(archived, archived.with_name("backup.journal"))
    assert reader.read() == []
    archived.rename(tmp_path / "kept")
    archived.with_name("backup.journal").unlink()
    assert reader.read() == []
    (tmp_path / "kept").rename(archived)
    reader.crash()
    assert reader.read() == []
    assert reader.gaps == []


@pytest.mark.parametrize(
    "junk", [b"", b"LPKSHHRH", b"x" * 4096, b"LPKSHHRH" + b"\0" * 4096, "folder", "fifo"], ids=repr
)
def test_a_file_that_is_no_journal_is_in_nobodys_way(reader: Reader, junk: bytes | str) -> None:
    write(live(reader), 0, 2)
    odd = reader.folder / "odd.journal"
    if junk == "folder":
        odd.mkdir()
    elif junk == "fifo":
        os.mkfifo(odd)
    else:
        assert isinstance(junk, bytes)
        odd.write_bytes(junk)
    reader.read()
    assert reader.numbers() == [0, 1]


def test_random_damage_never_raises_and_never_counts_twice(reader: Reader) -> None:
    write(live(reader), 0, 50)
    whole = live(reader).read_bytes()
    drawn = random.Random(1)
    for _ in range(12):
        raw = bytearray(whole)
        used = whole.rstrip(b"\0")
        for _ in range(drawn.choice((1, 30, 3000))):
            raw[drawn.randrange(len(used))] = drawn.randrange(256)
        live(reader).write_bytes(raw)
        again = Reader(reader.folder)
        again.read()
        again.crash()
        numbers = [each for each in again.numbers() if 0 <= each < 50]
        assert len(numbers) <= 50 + 30


def test_hostile_entries_forge_nothing_through_the_real_journalctl(reader: Reader) -> None:
    forged = "\n2026-11-22T06:22:33+00:00 mx postfix/smtp[1]: forged"
    append(
        live(reader),
        [
            entry(0, MESSAGE=b"\0\xff\xfe binary" + forged.encode()),
            entry(1, MESSAGE=f"a{forged}\n\n__CURSOR=s=1;i=9\n", SYSLOG_IDENTIFIER="evil"),
            entry(2, SYSLOG_IDENTIFIER="postfix/smtp[1]: x"),
            entry(3, MESSAGE=None),
            entry(4, MESSAGE="x" * 100_000),
            entry(5, MESSAGE=b"\n" * 100_000),
            entry(6, SYSLOG_IDENTIFIER=None, SYSLOG_PID=None, _PID=None, _HOSTNAME=None),
            entry(7),
        ],
    )
    lines = reader.read()
    assert [line.partition("+00:00 ")[2][:40] for line in lines] == [
        "mx postfix/qmgr[77]: #000\ufffd\ufffd binary#01220",
        "mx evil[77]: a#0122026-11-22T06:22:33+00:00 mx postfix/smtp[1]: forged"[:40],
        f"mx postfix/smtp?1???x[77]: {queued(2)}"[:40],
        "mx postfix/qmgr[77]: ",
        f"localhost unknown: {queued(6)}"[:40],
        f"mx postfix/qmgr[77]: {queued(7)}"[:40],
    ]
    assert reader.overlong == 2


def test_what_journald_dropped_of_postfix_is_a_gap_and_nobody_can_pretend_it(reader: Reader) -> None:
    said: dict[str, Any] = {
        "MESSAGE_ID": SUPPRESSED.decode(),
        "SYSLOG_FACILITY": "3",
        "SYSLOG_IDENTIFIER": "systemd-journald",
    }
    append(
        live(reader),
        [
            entry(0),
            entry(1, **said, _TRANSPORT="driver", MESSAGE="Suppressed 12 messages from postfix@-.service"),
            entry(2, **said, _TRANSPORT="driver", MESSAGE="Suppressed 12 messages from nginx.service"),
            entry(3, **said, _TRANSPORT="journal", MESSAGE="Suppressed 12 messages from postfix@-.service"),
            entry(4),
        ],
    )  # fmt: skip
    reader.read()
    assert reader.numbers() == [0, 4]
    assert reader.gaps == ["journal-suppressed"]


def test_without_journalctl_it_says_so_and_goes_on_when_it_is_there(reader: Reader) -> None:
    write(live(reader), 0, 2)
    reader.program = "no-such-journalctl"
    reader.read()
    assert reader.trouble == "cannot run no-such-journalctl to read the journal: No such file or directory"
    reader.crash()
    reader.program = "journalctl"
    reader.read()
    assert [reader.numbers(), reader.trouble] == [[0, 1], None]


def test_a_journalctl_that_hangs_is_killed_and_told(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journalctl, "DEADLINE", 0.5)
    write(live(reader), 0, 2)
    reader.program = program(tmp_path, f'echo $$ > "{tmp_path / "pid"}"; exec sleep 1000')
    reader.read()
    said = f"{reader.program} cannot read the journal file {live(reader)}: journalctl gave no entry for 0 s, and did not end"
    assert reader.trouble == said
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}")


def test_a_journalctl_that_fails_is_told_in_its_own_words_and_tried_again(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 2)
    reader.program = program(tmp_path, "echo 'Failed to do\x1b[31m it' >&2; exit 1")
    reader.read()
    assert reader.trouble == (f"{reader.program} cannot read the journal file {live(reader)}: Failed to do?[31m it")
    program(tmp_path, 'exec journalctl "$@"')
    reader.read()
    assert [reader.numbers(), reader.trouble] == [[0, 1], None]


def test_a_journalctl_cut_off_in_an_entry_loses_nothing(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 20)
    reader.program = program(tmp_path, 'journalctl "$@" | head -c 1500; kill -9 $$')
    reader.read()
    assert 0 < len(reader.numbers()) < 20
    assert reader.trouble is not None
    program(tmp_path, 'exec journalctl "$@"')
    reader.read()
    assert reader.numbers() == list(range(20))


def test_files_that_may_not_be_read_are_trouble_and_what_to_do_is_said(reader: Reader) -> None:
    write(live(reader), 0, 2)
    live(reader).chmod(0)
    shutil.chown(live(reader), "nobody")
    code = (
        "import sys; from pathlib import Path; from mailwatch.sources.journal import JournalSource\n"
        "print(JournalSource(Path(sys.argv[1]), positions={}, start='end').read(1000).trouble)"
    )
    unprivileged = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-c", code]
    for path in (live(reader), reader.folder):
        done = subprocess.run([*unprivileged, reader.folder], capture_output=True, text=True, timeout=20, check=True)
        assert done.stdout == (
            f"cannot read the journal in {path}: Permission denied; "
            "add the user mailwatch runs as to the group systemd-journal\n"
        )
        shutil.chown(reader.folder, "nobody")
        reader.folder.chmod(0)
    reader.folder.chmod(stat.S_IRWXU)


def test_a_folder_that_is_not_there_is_trouble(reader: Reader) -> None:
    reader.read()
    assert reader.trouble == f"cannot read the journal: {reader.folder}: No such file or directory"


def test_a_journal_that_cannot_be_looked_at_for_a_while_is_trouble_and_no_gap(reader: Reader, tmp_path: Path) -> None:
    write(live(reader), 0, 3)
    reader.read()
    reader.folder.rename(tmp_path / "away")
    reader.read()
    assert reader.trouble == f"cannot read the journal: {reader.folder}: No such file or directory"
    reader.folder.mkdir()
    reader.read()
    assert reader.trouble == f"found no journal files in {reader.folder}: is journald running?"
    reader.folder.rmdir()
    (tmp_path / "away").rename(reader.folder)
    write(live(reader), 3, 5)
    reader.read()
    assert [reader.numbers(), reader.gaps, reader.trouble] == [[0, 1, 2, 3, 4], [], None]


def test_what_is_being_copied_to_the_disk_is_not_read_there_before_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("PERSISTENT", "VOLATILE"):
        monkeypatch.setattr(journal_files, place, tmp_path / place)
    memory, disk = (tmp_path / place / machine_id() / "system.journal" for place in ("VOLATILE", "PERSISTENT"))
    reader = Reader(tmp_path)
    reader.source = JournalSource(None, positions={}, start="beginning", clock=lambda: reader.now)
    write(memory, 0, 3)
    reader.read()
    write(memory, 3, 5)
    reader.read()
    write(memory, 5, 7)
    write(disk, 0, 7)
    assert reader.source.read(1 << 18).block == b"", "memory was looked at this moment: the disk waits, too"
    reader.read()
    memory.unlink()
    write(disk, 7, 9)
    reader.read()
    assert [reader.numbers(), reader.gaps] == [list(range(9)), []]


def test_an_idle_journal_starts_no_journalctl_and_writes_nothing(reader: Reader, tmp_path: Path) -> None:
    reader.program = program(tmp_path, f'echo >> "{tmp_path / "started"}"; exec journalctl "$@"')
    write(live(reader), 0, 2)
    write(live(reader), 2, 4, facility="3")
    reader.read()
    begun = (tmp_path / "started").read_text()
    for _ in range(20):
        assert reader.source is not None
        reader.now += 1
        batch = reader.source.read(1 << 18)
        assert (batch.is_empty(), batch.more) == (True, False)
    assert (tmp_path / "started").read_text() == begun


def test_random_orders_of_writing_rotating_vacuuming_and_crashing_count_each_entry_once(
    tmp_path: Path, long: bool
) -> None:
    for seed in range(30 if long else 4):
        drawn, reader, written = random.Random(seed), Reader(tmp_path / str(seed)), 1
        write(live(reader), 0, 1)
        reader.read()
        for _ in range(14):
            what = drawn.choice(("write", "write", "rotate", "read", "read", "crash", "vacuum"))
            if what == "write":
                number = drawn.randrange(1, 30)
                write(live(reader), written, written + number)
                written += number
            elif what == "rotate":
                rotate(reader, written)
                written += 1
            elif what == "read":
                reader.read(limit=drawn.choice((500, 5000, 1 << 18)), batches=drawn.choice((1, 3, 10_000)))
            elif what == "crash":
                reader.crash()
            else:
                reader.read()
                for file in reader.folder.glob("*@*"):
                    file.unlink()
        reader.read()
        reader.crash()
        assert sorted(reader.numbers()) == list(range(written)), seed
        assert reader.gaps == []


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


COPYING = """
import json, sys
from mailwatch.sources.journal import JournalSource
from pathlib import Path
committed = Path(sys.argv[1])
source = JournalSource(None, positions=json.loads(committed.read_text()) if committed.exists() else {}, start="beginning")
positions, lines, gaps = (json.loads(committed.read_text()) if committed.exists() else {}), [], []
while True:
    batch = source.read(1 << 18)
    positions.update(batch.positions)
    lines += batch.block.decode().splitlines()
    gaps += batch.gaps
    if not batch.more:
        break
committed.write_text(json.dumps(positions))
print(json.dumps([lines, gaps, batch.trouble]))
"""


def test_what_journald_copies_from_memory_to_disk_is_not_counted_again(tmp_path: Path) -> None:
    journald = Journald(tmp_path / "log", storage="auto").start(flushed=False)

    def read() -> list[str]:
        done = journald.run(sys.executable, "-c", COPYING, str(tmp_path / "committed"))
        lines, gaps, trouble = json.loads(done.stdout)
        assert (gaps, trouble) == ([], None)
        return [line.partition("]: ")[2] for line in lines]

    try:
        journald.send(queued(number) for number in range(5))
        got: list[str] = []
        eventually(lambda: len(got.__iadd__(read())) >= 5, within=10, what="they are read in memory")
        journald.send(queued(number) for number in range(5, 8))
        journald.run("journalctl", "--flush")
        assert list(journald.files.glob("*.journal"))
        journald.send(queued(number) for number in range(8, 10))
        eventually(lambda: len(got.__iadd__(read())) >= 10, within=10, what="they are read on the disk")
        got += read()
        assert got == [queued(number) for number in range(10)]
    finally:
        journald.stop()


def has_entries(file: Path) -> bool:
    with file.open("rb") as opened:
        header = header_of(opened.fileno())
    return header is not None and header.entries > 0


def test_a_journald_that_died_puts_its_file_aside_and_everything_is_read_once(tmp_path: Path) -> None:
    journald = Journald(tmp_path / "log").start()
    reader = Reader(journald.folder)
    try:
        for begin in (0, 4, 8):
            journald.send(queued(number) for number in range(begin, begin + 2))
            journald.run("journalctl", "--sync")
            reader.read()
            journald.send(queued(number) for number in range(begin + 2, begin + 4))
            # not synced: that would close the file well
            eventually(lambda end=begin + 4: journald.entries() == end, within=10, what="it wrote them")  # type: ignore[misc]
            assert journald.process is not None
            journald.process.kill()
            journald.process.wait()
            journald.start()
        eventually(lambda: len(list(journald.files.glob("*.journal~"))) == 3, within=10, what="it puts files aside")
        reader.crash()
        reader.read()
        assert sorted(reader.numbers()) == list(range(12))
        assert [reader.gaps, reader.trouble] == [[], None]
        # a live file without an entry does not say yet that it goes on where the one put aside ended
        eventually(lambda: has_entries(journald.files / "system.journal"), within=10, what="the live file has entries")
        for file in journald.files.glob("*.journal~"):
            file.unlink()
        reader.crash()
        assert [reader.read(), reader.gaps, reader.trouble] == [[], [], None]
    finally:
        journald.stop()
