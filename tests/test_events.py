"""``mailwatch events`` as its user meets it: files of every kind, pipes, broken input, a log that goes on."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backports import zstd

from mailwatch.parsers.postfix import PostfixParser
from mailwatch.record import record
from tests.parts.agent import mailwatch
from tests.parts.journal import append, entry, queue_id
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = (Path(__file__).parent / "logs" / "rcpt_5xx.log").read_bytes()
LINE = "2026-11-22T06:13:04.5+00:00 mx postfix/qmgr[1]: ABCDEF{}: removed\n"


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def expected(log: bytes, written_at: float) -> list[dict[str, Any]]:
    return [record(event) for event in PostfixParser().parse(log, written_at).events]


def piped(words: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mailwatch", "events", *words], input=given, capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, lzma.compress, bz2.compress, zstd.compress],
    ids=["plain", "gz", "xz", "bz2", "zst"],
)
@pytest.mark.parametrize("by_pipe", [False, True], ids=["file", "pipe"])
def test_every_line_is_an_object_in_order_however_the_log_is_kept(
    tmp_path: Path, compress: Callable[[bytes], bytes], *, by_pipe: bool
) -> None:
    log = tmp_path / "mail.log.old"  # what a file is, its bytes say, not its name
    log.write_bytes(compress(LOG))
    if by_pipe:
        done = piped(["-"], log.read_bytes())
        assert (done.returncode, done.stderr) == (0, b"")
        output = done.stdout.decode()
    else:
        ran = mailwatch("events", log)
        assert (ran.returncode, ran.stderr) == (0, "")
        output = ran.stdout
    assert told(output) == expected(LOG, log.stat().st_mtime)
    assert output.isascii()


def test_a_year_is_the_one_before_the_file_was_last_changed(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("Nov 22 06:13:04 mx postfix/qmgr[1]: ABCDEF: removed\n")
    os.utime(log, (1_700_000_000, 1_700_000_000))  # 14 November 2023
    assert told(mailwatch("events", log).stdout)[0]["at"].startswith("2022-11-2")


def test_a_line_without_its_end_is_a_line_and_one_too_long_is_told(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(
        LINE.format(1) + "x" * 300_000 + "\n" + LINE.format(2) + "y" * 70_000 + "\n" + LINE.format(3).rstrip()
    )
    done = mailwatch("events", log)
    assert [event["queue_id"] for event in told(done.stdout)] == ["ABCDEF1", "ABCDEF2", "ABCDEF3"]
    assert sum(int(line.split()[2]) for line in done.stderr.splitlines()) == 2
    assert all(line.startswith(f"mailwatch: {log}: ") for line in done.stderr.splitlines())


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    good, cut, folder = tmp_path / "good.log", tmp_path / "cut.gz", tmp_path / "folder"
    good.write_text(LINE.format(9))
    cut.write_bytes(gzip.compress("".join(map(LINE.format, range(5000))).encode())[:-30])
    folder.mkdir()
    os.mkfifo(tmp_path / "fifo")
    done = mailwatch("events", tmp_path / "nosuch", folder, tmp_path / "fifo", cut, good)
    assert done.returncode == 1
    events = told(done.stdout)
    assert events[-1]["queue_id"] == "ABCDEF9"
    assert len(events) > 3000  # all that is good in the archive
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["mailwatch"] * 4
    assert f"cannot read {tmp_path / 'nosuch'}: No such file or directory" in done.stderr
    assert f"cannot read {folder}: it is not a regular file; use - for what comes from a pipe" in done.stderr
    assert f"cannot read {cut}: " in done.stderr


def test_a_reader_that_has_had_enough_ends_it_quietly(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(map(LINE.format, range(100_000))))
    done = subprocess.run(
        f"{sys.executable} -m mailwatch events {log} | head -n 1",
        shell=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_no_bytes_of_a_log_reach_a_terminal_as_they_are() -> None:
    line = b"Nov 22 06:13:04 mx postfix/smtpd[1]: \x1b[2J\x9b31m \xff\xe2\x80\xae \x07 evil\n"
    done = piped(["-"], line)
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    (event,) = told(done.stdout.decode())
    assert event["event"] == "other"


@pytest.mark.parametrize("words", [("--follow", "a", "b"), ("--follow", "-")])
def test_follow_goes_with_one_file(words: tuple[str, ...]) -> None:
    done = mailwatch("events", *words)
    assert done.returncode == 3
    assert "--follow goes with one file" in done.stderr


def test_a_followed_log_goes_on_over_its_rotation(tmp_path: Path) -> None:
    log, output = tmp_path / "mail.log", tmp_path / "events"
    log.write_text(LINE.format(0))
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "mailwatch", "events", "-f", log], stdout=file)
    try:
        number = 0

        def hears() -> bool:
            """Write until something is heard: what was there before it began is not printed."""
            nonlocal number
            number += 1
            with log.open("a") as file:
                file.write(LINE.format(f"{number:04}"))
            return output.stat().st_size > 0

        eventually(hears, within=20, what="it follows")
        log.rename(tmp_path / "mail.log.1")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # without a log for a moment, as between two steps of a rotation
        log.write_text(LINE.format("9998") + LINE.format("9999"))
        eventually(lambda: b"ABCDEF9999" in output.read_bytes(), within=20, what="it follows the new file")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    heard = [event["queue_id"] for event in told(output.read_text())]
    assert heard == sorted(set(heard))
    assert heard[-2:] == ["ABCDEF9998", "ABCDEF9999"]
    assert "ABCDEF0" not in heard


def test_the_examples_of_all_recorded_logs_are_events_of_known_kinds() -> None:
    logs = sorted((Path(__file__).parent / "logs").glob("*.log"))
    done = mailwatch("events", *logs, timeout=60)
    assert done.returncode == 0
    assert {event["event"] for event in told(done.stdout)} >= {"delivery", "rejected", "fatal", "tls", "sasl-failed"}
    assert not [event for event in told(done.stdout) if event["event"] == "other"]


def test_where_the_log_is_the_journal_its_entries_are_events(tmp_path: Path) -> None:
    journal, config = tmp_path / "journal", tmp_path / "mailwatch.toml"
    journal.mkdir()
    append(journal / "system.journal", [entry(number) for number in range(1, 4)])
    config.write_text(f'[log]\nsource = "journal"\njournal_dir = "{journal}"\n')
    done = mailwatch("events", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["queue_id"] for event in told(done.stdout)] == [queue_id(number) for number in range(1, 4)]


def test_a_full_disk_behind_it_is_told_in_a_line(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(map(LINE.format, range(10_000))))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mailwatch", "events", log],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"mailwatch: cannot write the events: No space left on device\n")
