"""Reading a rotated log: whatever happens to the files, every whole line comes once."""

from __future__ import annotations

import errno
import gzip
import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.sources import lines
from mailwatch.sources.lines import LONGEST
from mailwatch.sources.rotation import Candidate, rotated_files
from tests.parts.log import COMPRESS, LIMIT, Log, compressed, replace, rotate

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path)
    made.path.touch()
    made.read()
    return made


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


def test_a_log_written_and_rotated_right_after_the_first_start_is_news(log: Log) -> None:
    """The kernel stamps files by a clock that lags some milliseconds behind."""
    log.crash()
    log.write(10)
    old = rotate(log)
    begun = old.stat().st_mtime - 1
    os.utime(old, (begun, begun))
    log.write(5)
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


class Chaos:
    """Random rotations, writes, crashes and readings, in an order that follows from a seed."""

    def __init__(self, log: Log, seed: int) -> None:
        self.log = log
        self.random = random.Random(seed)
        self.torn = b""
        self.date = 20_200_101

    def step(self) -> None:
        steps = (
            [self.write] * 6
            + [self.read] * 4
            + [self.crash, self.rename, self.dated, self.copy_and_truncate, self.tear, self.late]
        )
        self.random.choice(steps)()

    def write(self) -> None:
        self.mend()
        self.log.write(self.random.choice((1, 3, 20, 400)), pad=self.random.randrange(120))

    def tear(self) -> None:
        """Leave half a line behind, to be mended by the next write to this file."""
        self.mend()
        line = f"line {self.log.written} torn and mended\n".encode()
        cut = self.random.randrange(1, len(line))
        self.torn, self.file = line[cut:], os.open(self.log.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self.file, line[:cut])
        self.log.written += 1

    def mend(self) -> None:
        if self.torn:
            os.write(self.file, self.torn)
            os.close(self.file)
            self.torn = b""

    def read(self) -> None:
        self.log.read(LONGEST + 2, batches=self.random.choice((1, 2, 3, 1000)))

    def crash(self) -> None:
        self.log.crash()

    def shift(self) -> None:
        """What logrotate does first: mail.log.1 becomes mail.log.2, and so on."""
        for age in range(30, 0, -1):
            for ending in ("", *COMPRESS):
                old = self.log.path.with_name(f"mail.log.{age}{ending}")
                if old.exists():
                    old.rename(self.log.path.with_name(f"mail.log.{age + 1}{ending}"))
                    if self.random.random() < 0.2:
                        self.log.read(LONGEST + 2, batches=1)

    def rename(self) -> None:
        self.shift()
        old = rotate(self.log)
        if self.random.random() < 0.4:
            self.mend()
            self.log.write(2, to=old)
        if self.random.random() < 0.4:
            self.log.read(LONGEST + 2, batches=2)
        self.begin_anew(old)

    def dated(self) -> None:
        self.date += 1
        self.begin_anew(rotate(self.log, f"mail.log-{self.date}"))

    def begin_anew(self, old: Path) -> None:
        """Make the new file while the old one is still there, then compress the old one, or do not."""
        self.mend()
        self.log.path.touch()
        if self.random.random() < 0.5:
            ending = self.random.choice(list(COMPRESS))
            if self.random.random() < 0.3:
                whole = COMPRESS[ending](old.read_bytes())
                old.with_name(old.name + ending).write_bytes(whole[: self.random.randrange(len(whole))])
                self.read()
            compressed(old, ending)

    def copy_and_truncate(self) -> None:
        self.mend()
        self.shift()
        copy, content = self.log.path.with_name("mail.log.1"), self.log.path.read_bytes()
        if content and self.random.random() < 0.5:
            copy.write_bytes(content[: self.random.randrange(len(content))])
            self.read()
        copy.write_bytes(content)
        if self.random.random() < 0.5:
            self.read()
        os.truncate(self.log.path, 0)

    def late(self) -> None:
        """A writer that was not told yet goes on in the rotated file."""
        self.mend()
        old = self.log.path.with_name("mail.log.1")
        if old.exists() and old.stat().st_size:
            self.log.write(3, to=old)


@pytest.mark.parametrize("seed", range(120))
def test_no_order_of_rotations_writes_and_crashes_loses_or_doubles_a_line(tmp_path: Path, seed: int) -> None:
    chaos = Chaos(Log(tmp_path), seed)
    chaos.log.path.touch()
    chaos.log.read()
    for _ in range(60):
        chaos.step()
    chaos.mend()
    for _ in range(8):
        chaos.log.clock.now += 5
        chaos.log.read()
    chaos.log.once()
    assert set(chaos.log.gaps) <= {"copytruncate"}


@pytest.mark.parametrize("crash", [False, True], ids=["running", "down"])
@pytest.mark.parametrize(
    "edit", ["cut", "line removed in place", "first line removed", "first line removed by an editor"]
)
def test_a_live_log_that_was_cut_or_edited_is_read_on(log: Log, edit: str, crash: bool) -> None:
    for _ in range(3):
        log.write(50)
        log.read()
    if crash:
        log.crash()
    lines = log.path.read_bytes().splitlines(keepends=True)
    if edit == "cut":
        os.truncate(log.path, sum(map(len, lines[:120])))
    elif edit == "line removed in place":
        log.path.write_bytes(b"".join(lines[:60] + lines[61:]))
    elif edit == "first line removed":
        log.path.write_bytes(b"".join(lines[1:]))
    else:
        log.path.with_name("sedX").write_bytes(b"".join(lines[1:]))
        log.path.with_name("sedX").rename(log.path)
    log.read()
    for _ in range(3):
        log.write(10)
        log.read()
        log.crash() if crash else None
    assert all(log.got[number] == 1 for number in range(150, 180)), "what was written since is read once"
    if edit != "cut":
        log.once()


def test_as_many_rotated_files_as_there_are_stay_known(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.sources.rows.REMEMBERED", 5)
    for age in range(20, 0, -1):
        log.write(3)
        log.read()
        rotate(log, f"mail.log.{age}")
    log.write(3)
    log.read()
    log.crash()
    log.read()
    log.exact()
    for age in range(20, 0, -1):
        log.path.with_name(f"mail.log.{age}").unlink()
    for _ in range(3):
        log.clock.now += 1000
        log.write(3)
        log.read()
    log.exact()
    assert len([key for key in log._committed if "generation" in key]) <= 6


def test_many_rotated_files_at_the_first_start_are_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.sources.rows.REMEMBERED", 5)
    log = Log(tmp_path)
    for age in range(20, 0, -1):
        log.write(3, to=tmp_path / f"mail.log.{age}")
    log.write(3)
    log.read()
    log.crash()
    log.write(2)
    log.read()
    assert sorted(log.got) == [63, 64]


class Trouble:
    """Lets the system refuse to open or read what has a name, for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.code = "", 0
        self._open = os.open
        monkeypatch.setattr(os, "open", self._opened)

    def _opened(self, path: str, *words: int, **more: int) -> int:
        if self.name and str(path).endswith(self.name):
            raise OSError(self.code, os.strerror(self.code), path)
        return self._open(path, *words, **more)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", ["mail.log.1", "mail.log.1.gz"])
def test_a_file_that_cannot_be_opened_for_a_while_is_told_and_read_later(
    log: Log, name: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(10)
    log.read()
    log.crash()
    log.write(10)
    old = rotate(log)
    compressed(old) if name.endswith("gz") else None
    log.write(5)
    trouble = Trouble(monkeypatch)
    trouble.name, trouble.code = name, code
    for _ in range(12):
        log.clock.now += 5
        log.read()
    assert log.trouble == f"cannot read {log.path.with_name(name)}: {os.strerror(code)}"
    assert "archive-damaged" not in log.gaps
    trouble.name = ""
    log.clock.now += 10
    log.read()
    log.once()
    assert log.trouble is None


def test_an_unreadable_live_log_at_the_first_start_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path)
    log.write(50)
    trouble = Trouble(monkeypatch)
    trouble.name, trouble.code = "mail.log", errno.EIO
    log.read()
    assert log.trouble == f"cannot read {log.path}: Input/output error"
    trouble.name = ""
    log.read()
    log.write(2)
    log.read()
    assert sorted(log.got) == [50, 51]


def test_a_file_that_is_never_told_does_not_hide_that_another_is_missing(log: Log) -> None:
    log.write(100)
    log.read()
    log.crash()
    log.write(50)
    log.path.with_name("mail.log.7.gz").write_bytes(gzip.compress(b"x" * 5000)[:20])
    replace(log)
    log.write(10)
    for _ in range(30):
        log.clock.now += 5
        log.read()
    assert "missing-file" in log.gaps


def test_a_folder_that_comes_back_late_is_read_on(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    log = Log(tmp_path, olddir=Path("old"))
    log.path.touch()
    log.read()
    log.write(10)
    log.read()
    log.crash()
    log.write(10)
    log.path.rename(old / "mail.log.1")
    old.rename(tmp_path / "away")
    log.write(5)
    for _ in range(5):
        log.clock.now += 5
        log.read()
    assert log.gaps == ["missing-file"]
    (tmp_path / "away").rename(old)
    log.read()
    log.once()


@pytest.mark.parametrize("ending", list(COMPRESS))
@pytest.mark.parametrize("number", [300, 5000])
def test_what_is_good_in_a_broken_archive_is_read(log: Log, ending: str, number: int) -> None:
    log.crash()
    log.write(number)
    content = log.path.read_bytes()
    replace(log)
    log.path.with_name(f"mail.log.1{ending}").write_bytes(COMPRESS[ending](content)[:-9])
    for _ in range(12):
        log.clock.now += 5
        log.read()
    assert log.gaps == ["archive-damaged"]
    # xz, bzip2 and zstd have blocks: what is left of the last one is lost to every program
    whole = number - 1 if ending == ".gz" else 0
    assert len(log.got) >= whole
    assert set(log.got.values()) <= {1}


def test_rubbish_behind_an_archive_loses_no_line(log: Log) -> None:
    log.crash()
    log.write(300)
    old = rotate(log)
    archive = compressed(old)
    archive.write_bytes(archive.read_bytes() + b"x")
    log.path.touch()
    for _ in range(12):
        log.clock.now += 5
        log.read()
    log.once()


def test_an_archive_under_another_name_by_now_is_not_taken_for_the_one_that_was_looked_at(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(10)
    log.read()
    log.crash()
    for age in (2, 1):
        log.write(10)
        compressed(rotate(log, f"mail.log.{age}"))
        log.path.touch()
    monkeypatch.setattr("mailwatch.sources.survey.rotated_files", shifting(log))
    log.read()
    monkeypatch.undo()
    log.read()
    log.once()


def shifting(log: Log) -> Callable[..., list[Candidate]]:
    """A look at the files after which each has another's name."""

    def look(*words: Path) -> list[Candidate]:
        found = list(rotated_files(*words))
        second, first, between = (log.path.with_name(f"mail.log.{name}") for name in ("2.gz", "1.gz", "between"))
        first.rename(between)
        second.rename(first)
        between.rename(second)
        return found

    return look


def test_the_same_log_by_another_path_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    log = Log(tmp_path / "log")
    log.path.touch()
    log.read()
    log.write(10)
    log.read()
    log.crash()
    log.write(10)
    (tmp_path / "alias").symlink_to(tmp_path / "log")
    log.path = tmp_path / "alias" / "mail.log"
    log.read()
    log.write(10)
    log.read()
    log.clock.now += 10
    log.read()
    log.exact()


def test_two_switches_of_a_symlink_in_one_folder_while_down_lose_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path)
    days = [tmp_path / f"mail.log-2026112{day}" for day in (1, 2, 3)]
    days[0].touch()
    log.path.symlink_to(days[0])
    log.read()
    log.write(20)
    log.read()
    log.crash()
    for day in days[1:]:
        log.write(10)
        day.touch()
        log.path.unlink()
        log.path.symlink_to(day)
    log.write(5)
    log.read()
    log.exact()


@pytest.mark.parametrize("read_before", [0, 40], ids=["a new generation", "a known one"])
def test_a_truncation_between_reading_and_looking_again_hands_out_nothing(
    log: Log, read_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(read_before)
    log.read()
    log.write(60)
    real = lines.stretch

    def truncates(*words: object) -> lines.Stretch:
        found = real(*words)  # type: ignore[arg-type]
        monkeypatch.undo()
        shutil.copy(log.path, log.path.with_name("mail.log.1"))
        os.truncate(log.path, 0)
        log.write(200)
        return found

    monkeypatch.setattr("mailwatch.sources.file.stretch", truncates)
    log.read()
    log.once()


def test_reading_leaves_no_file_open(log: Log) -> None:
    log.write(5000)
    log.read()
    log.crash()
    log.write(5000, pad=200)
    rotate(log)
    log.write(5)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        log.read(batches=2)
        log.crash()
    assert len(os.listdir("/proc/self/fd")) == before
