"""Reading a rotated log: whatever happens to the files, every whole line comes once."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from mailwatch.sources.file import FileSource
from mailwatch.sources.lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1 << 18
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstd.compress,
}


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log with numbered lines, and a reader of it that remembers only what was committed."""

    def __init__(self, folder: Path, start: str = "end", olddir: Path | None = None, adopt: Path | None = None) -> None:
        self.path = folder / "mail.log"
        self.clock = Clock()
        self.written = 0
        self.got: Counter[int] = Counter()
        self.gaps: list[str] = []
        self.overlong = 0
        self.trouble: str | None = None
        self._committed: dict[str, str] = {}
        self._olddir = olddir
        self._adopt = adopt
        self._start = start
        self.source: FileSource | None = None

    def write(self, number: int = 1, to: Path | None = None, pad: int = 60) -> None:
        with (to or self.path).open("a") as file:
            for _ in range(number):
                file.write(f"line {self.written} {'.' * pad}\n")
                self.written += 1

    def read(self, limit: int = LIMIT, batches: int = 10_000) -> None:
        """Read and commit until nothing is left, or that many batches."""
        if self.source is None:
            self.source = FileSource(
                self.path,
                positions=self._committed,
                start=self._start,
                olddir=self._olddir,
                adopt=self._adopt,
                clock=self.clock,
            )
        for _ in range(batches):
            batch = self.source.read(limit)
            self.got.update(
                int(line.split()[1]) for line in batch.block.split(b"\n") if line.lstrip(b"\0").startswith(b"line ")
            )
            self.gaps += batch.gaps
            self.overlong += batch.overlong
            self.trouble = batch.trouble
            for key, value in batch.positions.items():
                if value is None:
                    del self._committed[key]
                else:
                    self._committed[key] = value
            if not batch.more:
                return

    def crash(self) -> None:
        """Forget everything that was not committed."""
        if self.source is not None:
            self.source.close()
        self.source = None

    def exact(self, gaps: tuple[str, ...] = (), missing: range = range(0)) -> None:
        self.once(missing)
        assert tuple(self.gaps) == gaps

    def once(self, missing: range = range(0)) -> None:
        expected = Counter({number: 1 for number in range(self.written) if number not in missing})
        assert self.got == expected, (self.got - expected, expected - self.got)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path)
    made.path.touch()
    made.read()
    return made


def rotate(log: Log, name: str = "mail.log.1") -> Path:
    return log.path.rename(log.path.with_name(name))


def replace(log: Log) -> None:
    """Delete the log and begin another, surely with another inode."""
    new = log.path.with_name("new")
    new.touch()
    new.rename(log.path)


def compressed(path: Path, ending: str = ".gz") -> Path:
    """Compress as logrotate does: beside it, with its time, then remove the source."""
    archive = path.with_name(path.name + ending)
    archive.write_bytes(COMPRESS[ending](path.read_bytes()))
    found = path.stat()
    os.utime(archive, ns=(found.st_atime_ns, found.st_mtime_ns))
    path.unlink()
    return archive


def test_lines_come_once_and_only_when_they_are_whole(log: Log) -> None:
    log.write(3)
    log.read()
    with log.path.open("a") as file:
        file.write("line 3 torn")
        file.flush()
        log.read()
        assert log.got[3] == 0
        file.write(" and mended\n")
    log.written = 4
    log.read()
    log.exact()


def test_what_was_there_at_the_first_start_is_history(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(50)
    rotate(log)
    log.write(50)
    compressed(rotate(log, "mail.log.2"))
    log.write(50)
    log.read()
    assert not log.got
    log.crash()
    log.read()
    log.write(1)
    log.read()
    assert dict(log.got) == {150: 1}


def test_the_live_log_can_be_read_from_its_beginning(tmp_path: Path) -> None:
    log = Log(tmp_path, start="beginning")
    log.write(50, to=tmp_path / "mail.log.1")
    log.write(50)
    log.read()
    assert sorted(log.got) == list(range(50, 100))


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("unread", [0, 7, 400], ids=["all read", "a little unread", "much unread"])
@pytest.mark.parametrize(
    "name",
    [
        "mail.log.1",
        "mail.log-20261122",
        "mail.log-20261122-1795327024",
        "mail.log.20261122-061704",
        "mail-20261122.log",
    ],
)
def test_a_rename_loses_nothing(log: Log, name: str, unread: int, crash: bool) -> None:
    log.write(30)
    log.read()
    if crash:
        log.crash()
    log.write(unread)
    old = rotate(log, name)
    log.write(5, to=old)
    log.write(10)
    log.read()
    log.write(3, to=old)
    log.read()
    log.exact()


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("ending", list(COMPRESS))
def test_compression_loses_nothing(log: Log, ending: str, crash: bool) -> None:
    log.write(300)
    log.read()
    if crash:
        log.crash()
    log.write(500)
    compressed(rotate(log), ending)
    log.write(10)
    log.read()
    log.crash()
    log.read()
    log.once()
    # the inode of the deleted file may be used again for the new one: seen from after a crash, that is a truncation
    assert set(log.gaps) <= ({"copytruncate"} if crash else set())


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
def test_three_rotations_between_two_reads_lose_nothing(log: Log, crash: bool) -> None:
    log.write(30)
    log.read()
    if crash:
        log.crash()
    for age in (3, 2, 1):
        log.write(40)
        rotate(log, f"mail.log.{age}")
        if age == 3:
            compressed(log.path.with_name("mail.log.3"))
    log.write(10)
    log.read()
    log.exact()


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("grown", [0, 5, 400], ids=["empty", "shorter", "longer than before"])
def test_copy_and_truncate_loses_nothing_that_the_copy_holds(log: Log, grown: int, crash: bool) -> None:
    log.write(100)
    log.read()
    if crash:
        log.crash()
    log.write(50)
    shutil.copy(log.path, log.path.with_name("mail.log.1"))
    os.truncate(log.path, 0)
    log.write(grown)
    log.read()
    log.exact(gaps=("copytruncate",))


@pytest.mark.parametrize("size", [10, 500, 1023, 1024, 5000])
def test_a_copy_in_the_making_is_no_new_log(log: Log, size: int) -> None:
    log.write(100)
    copy = log.path.with_name("mail.log.1")
    content = log.path.read_bytes()
    copy.write_bytes(content[:size])
    log.read()
    copy.write_bytes(content)
    log.read()
    os.truncate(log.path, 0)
    log.read()
    log.exact(gaps=("copytruncate",))


def test_a_copy_in_the_making_at_the_first_start_is_history(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(100)
    copy = tmp_path / "mail.log.1"
    copy.write_bytes(log.path.read_bytes()[:3000])
    log.read()
    shutil.copy(log.path, copy)
    os.truncate(log.path, 0)
    log.read()
    assert not log.got


def test_lines_between_copy_and_truncation_are_a_possible_gap(log: Log) -> None:
    log.write(100)
    log.read()
    shutil.copy(log.path, log.path.with_name("mail.log.1"))
    log.write(10)
    os.truncate(log.path, 0)
    log.write(5)
    log.read()
    log.exact(gaps=("copytruncate",), missing=range(100, 110))


@pytest.mark.parametrize("name", ["mail.log.txt", "mail.log.save", "mail.log~", "mail.log.orig", "mail.log.1.bak", "mail.log.swp",
                                  "mail.log.old", "xmail.log.1", "mail.log.1.gz.tmp", "mail.log.", "mail.log-x", "mail.logs.1", "mail_log.1"])  # fmt: skip
def test_a_file_that_is_not_of_the_log_is_not_read(log: Log, name: str) -> None:
    log.write(20)
    log.read()
    log.path.with_name(name).write_text("line 999 a decoy\nline 998 a decoy\n")
    log.read()
    log.exact()


@pytest.mark.parametrize("name", ["mail.log.7", "mail.log-20200101", "mail.log.9.gz"])
def test_a_restored_backup_is_not_counted_again(log: Log, name: str) -> None:
    log.write(60)
    log.read()
    backup = log.path.read_bytes()
    rotate(log)
    log.write(10)
    log.read()
    restored = log.path.with_name(name)
    restored.write_bytes(gzip.compress(backup) if name.endswith(".gz") else backup)
    log.read()
    log.exact()


def test_an_unknown_file_older_than_the_first_start_is_history(log: Log) -> None:
    old = log.path.with_name("mail.log.5")
    old.write_text("line 999 from a time before\n")
    os.utime(old, (time.time() - 86400, time.time() - 86400))
    log.read()
    log.exact()


def test_a_file_deleted_while_it_was_read_is_read_to_its_end(log: Log) -> None:
    log.write(100)
    log.read()
    with log.path.open("a") as writer:
        log.path.unlink()
        writer.write(f"line {log.written} after the end\n")
        log.written += 1
    log.write(5)
    log.read()
    log.clock.now += 10
    log.read()
    log.exact()


def test_a_rotated_file_that_is_gone_is_a_gap(log: Log) -> None:
    log.write(100)
    log.read()
    log.crash()
    log.write(50)
    replace(log)
    log.write(10)
    log.read()
    log.clock.now += 10
    log.read()
    log.exact(gaps=("missing-file",), missing=range(100, 150))
    log.clock.now += 10
    log.read()
    assert log.gaps == ["missing-file"]


def test_an_inode_used_again_is_not_the_old_file(log: Log, tmp_path: Path) -> None:
    log.write(100)
    log.read()
    log.crash()
    inode = log.path.stat().st_ino
    content = log.path.read_bytes()
    log.path.unlink()
    (tmp_path / "mail.log.1").write_bytes(content)
    for _ in range(50):
        log.path.touch()
        if log.path.stat().st_ino == inode:
            break
        log.path.rename(tmp_path / f"other{_}")
    log.write(150)
    log.read()
    assert log.got == Counter(range(250))


def test_olddir_is_searched(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    log = Log(tmp_path, olddir=Path("old"))
    log.path.touch()
    log.read()
    log.write(10)
    log.read()
    log.crash()
    log.write(10)
    log.path.rename(tmp_path / "old" / "mail.log.1")
    log.write(10)
    log.read()
    log.exact()


def test_a_symlink_that_is_switched_is_a_rotation(tmp_path: Path) -> None:
    log = Log(tmp_path)
    first, second = tmp_path / "mail.log-20261121", tmp_path / "mail.log-20261122"
    first.touch()
    log.path.symlink_to(first)
    log.read()
    log.write(20)
    log.read()
    log.write(5)
    second.touch()
    log.path.unlink()
    log.path.symlink_to(second)
    log.write(20)
    log.write(3, to=first)
    log.read()
    log.exact()


@pytest.mark.parametrize("cut", [1, 90, 700, 4000])
def test_a_log_cut_by_a_power_failure_goes_on_behind_the_newest_mark(log: Log, cut: int) -> None:
    for _ in range(30):
        log.write(10)
        log.read()
    log.crash()
    os.truncate(log.path, log.path.stat().st_size - cut)
    with log.path.open("rb") as file:
        whole = file.read().rfind(b"\n") + 1
    os.truncate(log.path, whole)
    log.write(40)
    log.read()
    assert log.gaps == ["cut"]
    assert all(log.got[number] for number in range(log.written)), "lost"
    doubled = sum(log.got.values()) - log.written
    assert doubled <= 4 * (cut // 60 + 1) + 20, "the newest mark that fits is near the cut"


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
def test_an_editor_that_takes_lines_out_does_not_have_the_rest_read_again(log: Log, crash: bool) -> None:
    log.write(300)
    log.read()
    if crash:
        log.crash()
    lines = log.path.read_bytes().splitlines(keepends=True)
    edited = log.path.with_name("sedAbC123")
    edited.write_bytes(b"".join(line for number, line in enumerate(lines) if not 100 <= number < 150))
    edited.rename(log.path)
    log.write(20)
    log.read()
    log.exact()


def test_leading_nul_bytes_do_not_make_two_logs_alike(log: Log) -> None:
    """A writer that was not told of a truncation goes on at its old offset: the file begins with a hole."""
    for generation in range(3):
        with log.path.open("ab") as file:
            file.truncate(0)
            os.ftruncate(file.fileno(), 5000 + 100_000 * generation)
        log.write(30)
        log.read()
        log.crash()
        log.read()
        shutil.copy(log.path, log.path.with_name(f"mail.log.{3 - generation}"))
    assert log.got == Counter(range(90))


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT + 7])
def test_an_overlong_line_is_skipped_counted_and_hides_nothing(log: Log, length: int) -> None:
    log.write(2)
    with log.path.open("ab") as file:
        file.write(b"x" * length)
        file.flush()
        log.read()
        file.write(b"\n")
    log.write(2)
    log.read()
    log.exact()
    assert log.overlong == (length > LONGEST)


def test_a_hole_of_many_megabytes_is_passed_over(log: Log) -> None:
    log.write(2)
    log.read()
    with log.path.open("ab") as file:
        file.truncate(file.tell() + (1 << 25))
    log.write(2)
    log.read()
    log.exact()
    assert log.overlong == 0


def test_a_lone_carriage_return_ends_no_line(log: Log) -> None:
    with log.path.open("ab") as file:
        file.write(b"line 0 a\rline 77 b\x85line 78 c\x1cd\n")
    log.written = 1
    log.read()
    log.exact()


@pytest.mark.parametrize("ending", list(COMPRESS))
def test_an_archive_in_the_making_is_waited_for(log: Log, ending: str) -> None:
    log.write(5000, pad=200)
    content = log.path.read_bytes()
    log.read(batches=2)
    log.crash()
    rotate(log)
    archive = log.path.with_name(f"mail.log.1{ending}")
    whole = COMPRESS[ending](content)
    for part in (0, len(whole) // 3, len(whole) - 1):
        archive.write_bytes(whole[:part])
        log.read()
    log.path.touch()
    archive.write_bytes(whole)
    log.path.with_name("mail.log.1").unlink()
    for _ in range(4):
        log.clock.now += 10
        log.read()
    log.exact()


def test_an_archive_that_stays_broken_is_a_gap_once(log: Log) -> None:
    log.write(5000, pad=200)
    content = log.path.read_bytes()
    log.read(batches=2)
    log.crash()
    before = dict(log.got)
    replace(log)
    archive = log.path.with_name("mail.log.1.gz")
    archive.write_bytes(gzip.compress(content)[:-2000])
    for _ in range(12):
        log.clock.now += 5
        log.read()
    assert log.gaps == ["archive-damaged"]
    assert len(log.got) > len(before)
    assert set(log.got.values()) == {1}
    log.crash()
    log.clock.now += 60
    log.read()
    assert log.gaps == ["archive-damaged"]


def test_an_archive_of_nothing_but_rubbish_is_a_gap_once_also_after_a_restart(log: Log) -> None:
    log.path.with_name("mail.log.1.gz").write_bytes(b"rubbish" * 100)
    for _ in range(12):
        log.clock.now += 5
        log.read()
    log.crash()
    for _ in range(12):
        log.clock.now += 5
        log.read()
    assert log.gaps == ["archive-damaged"]


def test_an_idle_look_opens_nothing_and_commits_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in range(14, 0, -1):
        log.write(20)
        log.read()
        compressed(rotate(log, f"mail.log.{age}")) if age > 1 else rotate(log)
    log.write(5)
    log.read()
    log.clock.now += 3600
    log.read()
    log.read()
    before = dict(log._committed)
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda *words, **_: opened.append(words))
    log.read()
    monkeypatch.undo()
    assert {key: value for key, value in log._committed.items() if before.get(key) != value} == {}
    assert opened == []
    log.exact()


@pytest.mark.parametrize(
    "names", ["{inode}\n{offset}\n", "{inode}\n{offset}", "{inode} {offset}"], ids=["pygtail", "logtail", "one line"]
)
def test_an_offset_file_of_pygtail_or_logtail_is_adopted(tmp_path: Path, names: str) -> None:
    log = Log(tmp_path, adopt=tmp_path / "offset")
    log.write(30)
    inode, offset = log.path.stat().st_ino, log.path.stat().st_size
    log.write(10)
    rotate(log)
    log.write(10)
    (tmp_path / "offset").write_text(names.format(inode=inode, offset=offset))
    log.read()
    log.exact(missing=range(30))


@pytest.mark.parametrize("content", [None, "", "x\ny\n", "0\n0\n", "12345678\n10\n"])
def test_an_offset_file_that_fits_no_file_is_a_gap(tmp_path: Path, content: str | None) -> None:
    log = Log(tmp_path, adopt=tmp_path / "offset")
    log.write(30)
    if content is not None:
        (tmp_path / "offset").write_text(content)
    log.read()
    log.write(1)
    log.read()
    log.exact(gaps=("offset-unusable",), missing=range(30))


def test_a_missing_log_is_said_and_read_when_it_comes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.read()
    assert log.trouble == f"cannot read {log.path}: No such file or directory"
    log.write(5)
    log.read()
    assert log.trouble is None
    log.exact()


@pytest.mark.parametrize("limit", [LONGEST + 2, LIMIT])
def test_the_size_of_a_block_changes_nothing(tmp_path: Path, limit: int) -> None:
    log = Log(tmp_path, start="beginning")
    log.write(5000, pad=300)
    log.read(limit)
    log.exact()


def test_another_log_is_not_missed_when_the_path_changes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.path.touch()
    log.read()
    log.write(50)
    log.read()
    log.crash()
    (tmp_path / "other").mkdir()
    log.path = tmp_path / "other" / "mail.log"
    log.path.touch()
    log.read()
    log.write(5)
    log.read()
    log.clock.now += 10
    log.read()
    log.exact()
