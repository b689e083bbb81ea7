"""The hourly run: one digest of the hour, nothing twice and nothing lost, a textfile that is whole, an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch.store import read_snapshot
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.cron import REFUSED, UNREACHABLE, CronJob, attempt, hook
from tests.parts.ports import eventually
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as made:
        yield made


def clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def told(web: WebServer) -> list[dict[str, str]]:
    return [json.loads(each.body) for each in web.posted]


def test_an_outage_from_05_to_40_is_in_the_digest_of_00_once_with_its_times(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port, "page")).began()
    job.hour((5, 40, REFUSED))
    done = job.run()
    [only] = told(web)
    begin = clock(job.begun + 5 * 60)
    assert only["kind"] == "resolved"
    assert only["severity"] == "page"
    assert f"over: all mail via the relay is failing: password refused ({begin} to " in only["subject"]
    ends = {clock(job.begun + minute * 60) for minute in (40, 41, 42)}
    assert any(only["subject"].endswith(f" to {end})") for end in ends), only["subject"]
    assert done.returncode == 2
    assert done.stdout.startswith("CRITICAL: over: all mail via the relay is failing: password refused")
    assert done.stdout.count("\n") == 1
    assert not done.stderr

    again = job.run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(web.posted) == 1


def test_what_is_over_and_what_still_fails_stand_in_one_digest(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port)).began()
    job.hour((5, 20, REFUSED), (50, 60, UNREACHABLE))
    done = job.run()
    [only] = told(web)
    assert "page: all mail via the relay is failing: no connection" in only["text"]
    assert "over: all mail via the relay is failing: password refused" in only["text"]
    assert only["kind"] == "first"
    assert done.returncode == 2
    assert job.run().returncode == 2  # it still fails
    assert len(web.posted) == 1  # and that was told


def test_the_end_of_what_was_told_before_is_told_and_is_no_fault_any_more(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port, "page")).began()
    with job.log.open("a") as file:
        file.write("".join(attempt(job.begun + minute * 60, minute, UNREACHABLE) for minute in range(40, 56)))
    assert job.run().returncode == 2
    with job.log.open("a") as file:
        file.write(attempt(time.time(), 0x9999))
    done = job.run()
    assert done.returncode == 0, done
    assert done.stdout.startswith("OK: over: all mail via the relay is failing: no connection (")
    assert [each["kind"] for each in told(web)] == ["first", "resolved"]


def test_the_very_first_run_begins_at_the_end_of_the_log_and_says_so(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port))
    job.hour((5, 40, REFUSED))
    done = job.run()
    assert done.returncode == 0
    assert "first run: it begins at the end of the log" in done.stdout
    assert job.run().stdout == ""
    assert job.run("--verbose").stdout.startswith("OK: nothing is wrong since ")
    assert not web.posted


def test_days_without_a_run_are_told_as_they_were(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port), begun=time.time() - 3 * 86400).began()
    job.hour((5, 40, REFUSED))
    with job.log.open("a") as file:
        file.write("".join(attempt(job.begun + minute * 60, 0x7000 + minute) for minute in range(60, 3 * 1440)))
    done = job.run()
    assert done.returncode == 2
    assert [each["kind"] for each in told(web)] == ["resolved"]
    snapshot = read_snapshot(job.state)
    assert snapshot is not None
    assert snapshot.counters["log_lines", ()] == job.log.read_bytes().count(b"\n")


def test_beside_an_agent_it_does_nothing_and_says_so(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port)).began()
    job.textfile.unlink()
    agent = RunningAgent(tmp_path / "agent", job.log, extra="")
    agent.write_config()
    text = agent.config.read_text().replace(str(agent.state), str(job.state))
    agent.start(config=text)
    try:
        job.hour((5, 40, REFUSED))
        done = job.run()
        assert agent.process is not None
        assert done.returncode == 3
        assert done.stderr == (
            f"mailwatch: another mailwatch (process {agent.process.pid}) is using {job.state}: nothing done\n"
        )
        assert not done.stdout
        assert not job.textfile.exists()
        assert not web.posted
        agent.wait_for(120, "mailwatch_log_lines_total")
    finally:
        agent.stop()


def test_runs_that_overlap_do_nothing_twice(tmp_path: Path) -> None:
    with WebServer(release=threading.Event()) as web:
        assert web.release is not None
        job = CronJob(tmp_path, extra=hook(web.port)).began()
        job.hour((5, 40, REFUSED))
        first = job.start()
        try:
            eventually(lambda: web.posted, within=30, what="the first run tells it")
            second = job.run()
            assert second.returncode == 3
            assert second.stderr.endswith(f" is using {job.state}: nothing done\n")
            web.release.set()
            assert first.wait(60) == 2
        finally:
            web.release.set()
            first.kill()
            first.communicate()
        assert job.run().returncode == 0
        assert len(web.posted) == 1


def test_a_run_that_was_killed_while_it_told_is_told_once_more_with_the_same_key(tmp_path: Path) -> None:
    with WebServer(release=threading.Event()) as web:
        assert web.release is not None
        job = CronJob(tmp_path, extra=hook(web.port)).began()
        job.hour((5, 40, REFUSED))
        first = job.start()
        try:
            eventually(lambda: web.posted, within=30, what="the first run tells it")
        finally:
            first.kill()
            first.communicate()
            web.release.set()
        assert job.run().returncode in (0, 2)
        assert len(web.posted) == 2
        assert len({each.headers["Idempotency-Key"] for each in web.posted}) == 1
        assert job.run().returncode == 0
        assert len(web.posted) == 2


def test_killed_at_any_point_nothing_is_lost_and_a_repeat_has_the_same_key(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = random.Random(5)
    longest = 1.0
    repeats = 0
    for number in range(100 if request.config.getoption("--long") else 5):
        with WebServer() as web:
            job = CronJob(tmp_path / str(number), extra=hook(web.port)).began()
            whole = set(names(job.textfile.read_text()))
            job.hour((5, 40, REFUSED))
            begun = time.monotonic()
            process = job.start()
            try:
                process.wait(seed.uniform(0.1, longest))
                longest = max(0.3, time.monotonic() - begun)
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            assert set(names(job.textfile.read_text())) >= whole
            assert job.run().returncode in (0, 2)
            keys = [each.headers["Idempotency-Key"] for each in web.posted]
            assert 1 <= len(keys) <= 2, keys
            assert len(set(keys)) == 1
            repeats += len(keys) == 2
            snapshot = read_snapshot(job.state)
            assert snapshot is not None
            assert snapshot.counters["log_lines", ()] == 120
            assert job.run().returncode == 0
            assert len(web.posted) == len(keys)
    print(f"told twice: {repeats}")


@pytest.mark.parametrize(("call", "step"), [("fdatasync", 2), ("rename", 1), ("pwrite64", 50)])
def test_killed_at_these_system_calls_nothing_is_lost(
    tmp_path: Path, request: pytest.FixtureRequest, call: str, step: int
) -> None:
    """A commit ends with an fdatasync and is made of pwrite64; a rename puts the textfile in its place."""
    killed = 0
    for number in range(1, 400, max(1, step // 10) if request.config.getoption("--long") else step):
        with WebServer() as web:
            job = CronJob(tmp_path / str(number), extra=hook(web.port)).began()
            page = job.textfile.read_text()
            job.hour((5, 40, REFUSED))
            strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}")
            job.words = (*strace, "-e", f"inject={call}:signal=KILL:when={number}")
            process = job.start()
            try:
                process.wait(60)
            finally:
                process.kill()
                process.communicate()
            at_once = [each.headers["Idempotency-Key"] for each in web.posted]
            if process.returncode in (0, 2):
                break
            killed += 1
            assert set(names(job.textfile.read_text())) >= set(names(page))
            job.words = ()
            assert job.run().returncode in (0, 2)
            keys = [each.headers["Idempotency-Key"] for each in web.posted]
            assert len(at_once) <= 1
            assert 1 <= len(keys) <= 2, keys
            assert len(set(keys)) == 1
            snapshot = read_snapshot(job.state)
            assert snapshot is not None
            assert snapshot.counters["log_lines", ()] == 120
            assert job.run().returncode == 0
            assert len(web.posted) == len(keys)
    print(f"{call}: killed {killed} times")
    assert killed >= (1 if call == "rename" else 2)


def names(page: str) -> list[str]:
    """The names of a page that is whole: its lines end, and it ends with what is told last."""
    assert page.endswith("\n")
    return [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")]


def test_who_reads_the_textfile_meanwhile_sees_a_whole_one(tmp_path: Path) -> None:
    job = CronJob(tmp_path).began()
    assert stat.S_IMODE(job.textfile.stat().st_mode) == 0o644
    whole = job.textfile.stat().st_size
    seen = set()
    for _ in range(4):
        process = job.start()
        try:
            while process.poll() is None:
                found = job.textfile.read_text()
                assert len(found) > whole * 0.9
                names(found)
                seen.add(job.textfile.stat().st_ino)
        finally:
            process.kill()
            process.communicate()
    assert len(seen) >= 2
    assert os.listdir(job.textfile.parent) == [job.textfile.name]


def test_what_a_killed_run_left_beside_the_textfile_is_cleared_away(tmp_path: Path) -> None:
    job = CronJob(tmp_path)
    old, new = (job.textfile.parent / f".mailwatch.prom.{name}.tmp" for name in ("old", "new"))
    for each in (old, new):
        each.write_text("half")
    os.utime(old, (0, 0))
    job.run()
    assert not old.exists()
    assert new.exists()


def test_a_state_that_was_damaged_is_unknown(tmp_path: Path) -> None:
    job = CronJob(tmp_path).began()
    job.hour((5, 40, REFUSED))
    (job.state / "state.db").write_bytes(b"no database" * 1000)
    done = job.run()
    assert done.returncode == 3
    # what was read before is not known any more: that is a gap in the log as well
    assert done.stdout.startswith("UNKNOWN: lines of the mail log are missing; the state was damaged: kept as ")
    assert job.run().returncode == 1


def test_a_textfile_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    job = CronJob(tmp_path).began()
    job.textfile.unlink()
    job.textfile.parent.rmdir()
    done = job.run()
    assert done.returncode == 1
    assert done.stdout.startswith(f"WARNING: cannot write {job.textfile}: No such file or directory")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cron = 1", "cron: expected a table, found a number 1"),
        ("[cron]\ninterval = 5", "cron.interval: expected 60 to 604800, found 5"),
        ('[cron]\ntextfile = "/x/mailwatch.txt"', "cron.textfile: expected a name that ends with .prom, found 'mailwatch.txt': others are not read"),
        ('[cron]\npushgateway = "push.example.net:9091"', "cron.pushgateway: expected a URL that begins with https:// or http:// and a host"),
        ('[cron]\npushgateway = "http://x.example"\npushgateway_file = "/x"', "cron.pushgateway: there is pushgateway_file, too: leave one of them out"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_ends_with_3_and_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "mailwatch.toml"
    config.write_text(text)
    done = mailwatch("cron", "--config", config)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"mailwatch: {config}: {said}\n")


def test_a_log_that_cannot_be_read_is_told_and_is_unknown(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port)).began()
    job.log.unlink()
    job.log.mkdir()
    done = job.run()
    assert done.returncode == 3
    assert done.stdout.startswith("UNKNOWN: ")
    assert "cannot read" in done.stdout
    [only] = told(web)
    assert only["cause"] == "log-unreadable"


def test_while_the_log_cannot_be_read_nothing_is_told_to_be_over(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port, "page")).began()
    with job.log.open("a") as file:
        file.write("".join(attempt(job.begun + minute * 60, minute, UNREACHABLE) for minute in range(40, 56)))
    assert job.run().returncode == 2
    # as if the run had been long ago: Postfix would have tried again by now
    moved(job, -4 * 3600)
    job.log.unlink()
    job.log.mkdir()
    assert job.run().returncode == 2
    assert "resolved" not in [each["kind"] for each in told(web)]


def moved(job: CronJob, seconds: int) -> None:
    """Have all that the state knows be from another time."""
    with contextlib.closing(sqlite3.connect(job.state / "state.db")) as connection:
        connection.execute("UPDATE fact SET value = value + ?", (seconds,))
        connection.execute("UPDATE streak SET first_at = first_at + ?, last_at = last_at + ?", (seconds, seconds))
        connection.execute("UPDATE bucket SET start = start + ?", (seconds,))
        connection.commit()


def test_a_channel_that_does_not_take_it_is_tried_until_the_time_is_over_and_by_the_next_run(
    tmp_path: Path, web: WebServer
) -> None:
    web.status = 503
    job = CronJob(tmp_path, extra=hook(web.port), cron="patience = 2").began()
    job.hour((5, 40, REFUSED))
    done = job.run()
    assert done.returncode == 2
    assert "1 notification not taken yet: mailwatch test-alert" in done.stdout
    web.status = 200
    job.cron = "patience = 60"
    job.write_config()
    assert job.run().returncode == 0
    assert len({each.headers["Idempotency-Key"] for each in web.posted}) == 1


def test_the_dead_mans_switch_is_pinged_around_each_run(tmp_path: Path, web: WebServer) -> None:
    deadman = f'[deadman]\nurl = "http://127.0.0.1:{web.port}/ping/1234"\n'
    job = CronJob(tmp_path, extra=deadman).began()
    assert [each.path for each in web.posted] == ["/ping/1234/start", "/ping/1234"]
    job.log.unlink()
    job.log.mkdir()
    job.run()
    assert [each.path for each in web.posted[2:]] == ["/ping/1234/start", "/ping/1234/fail"]


def test_as_json_it_is_one_object(tmp_path: Path) -> None:
    job = CronJob(tmp_path).began()
    job.hour((50, 60, UNREACHABLE))
    done = job.run("--json")
    said = json.loads(done.stdout)
    assert said["verdict"] == "error"
    assert [(each["rule"], each["cause"]) for each in said["firing"]] == [("relay_failing", "relay-unreachable")]
    assert said["lines"] == 120
    assert said["first_run"] is False


def test_an_interrupt_is_no_warning(tmp_path: Path) -> None:
    with WebServer(release=threading.Event()) as web:
        assert web.release is not None
        job = CronJob(tmp_path, extra=hook(web.port)).began()
        job.hour((5, 40, REFUSED))
        process = job.start()
        try:
            eventually(lambda: web.posted, within=30, what="it tells")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == -signal.SIGINT
        finally:
            web.release.set()
            process.kill()
            process.communicate()
