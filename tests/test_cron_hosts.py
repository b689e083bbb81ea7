"""The hourly run beside real parts: node_exporter, a Pushgateway, Postfix, disks that are full or read-only."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.ledger import UNTIL
from mailwatch.pushgateway import place
from mailwatch.reserve import BYTES
from mailwatch.store import read_snapshot
from tests.parts.agent import Sample, parsed
from tests.parts.cron import REFUSED, UNREACHABLE, CronJob, attempt, hook
from tests.parts.exporters import node_exporter, pushgateway
from tests.parts.journal import Journald, queued
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, Sink
from tests.parts.web_server import WebServer
from tests.torture.disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as made:
        yield made


def told(web: WebServer) -> list[dict[str, str]]:
    return [json.loads(each.body) for each in web.posted]


def alike(samples: dict[Sample, float]) -> dict[Sample, float]:
    """The samples with the bounds of buckets in one spelling: 60 is 60.0."""
    return {
        (name, frozenset((key, str(float(value)) if key == "le" else value) for key, value in labels)): number
        for (name, labels), number in samples.items()
    }


def test_node_exporter_shows_what_the_textfile_has(tmp_path: Path) -> None:
    job = CronJob(tmp_path).began()
    job.hour((5, 40, REFUSED))
    assert job.run().returncode == 2
    with node_exporter(job.textfile.parent) as exporter:
        assert alike(exporter.samples()) == alike(parsed(job.textfile.read_text()))
        page = exporter.page()
        assert "node_textfile_scrape_error 0" in page
        assert f'node_textfile_mtime_seconds{{file="{job.textfile}"}}' in page
        failures = (
            "mailwatch_delivery_failures_total",
            {"status": "deferred", "cause": "relay-auth-failed", "scope": "relay"},
        )
        assert exporter.samples()[failures[0], frozenset(failures[1].items())] == 70
        assert exporter.samples()["mailwatch_log_lines_total", frozenset()] == 120
    promtool = subprocess.run(
        ["promtool", "check", "metrics"], input=job.textfile.read_bytes(), capture_output=True, check=False
    )
    assert (promtool.returncode, promtool.stdout, promtool.stderr) == (0, b"", b"")


def test_a_pushgateway_has_the_last_run_and_nothing_of_the_one_before(tmp_path: Path) -> None:
    with pushgateway() as gateway:
        job = CronJob(tmp_path, cron=f'pushgateway = "{gateway.url}/metrics/job/mail/instance/mx1"').began()
        job.hour((5, 40, REFUSED))
        assert job.run().returncode == 2
        group = {("job", "mail"), ("instance", "mx1")}
        assert all(group <= labels for _, labels in gateway.samples())
        pushed = {(name, labels - group): value for (name, labels), value in gateway.samples().items()}
        assert alike(pushed) == alike(parsed(job.textfile.read_text()))
        newest = ("mailwatch_log_last_event_timestamp_seconds", frozenset[tuple[str, str]]())
        assert newest in pushed
        # a state that is begun anew has seen no event yet
        shutil.rmtree(job.state)
        assert job.run().returncode == 0
        assert (newest[0], frozenset(group)) not in gateway.samples()
        job.cron = f'pushgateway = "{gateway.url}"'
        job.write_config()
        job.run()
        assert {dict(labels)["job"] for _, labels in gateway.samples()} == {"mail", "mailwatch"}
    done = job.run()
    assert done.returncode == 1
    assert "the Pushgateway does not take the metrics: cannot connect to 127.0.0.1" in done.stdout


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://push.example:9091", "http://push.example:9091/metrics/job/mailwatch/instance/mx1.example"),
        ("https://u:p@push.example/sub/", "https://u:p@push.example/sub/metrics/job/mailwatch/instance/mx1.example"),
        ("http://push.example/metrics/job/mail", "http://push.example/metrics/job/mail"),
        ("http://push.example/metrics/job@base64/bWFpbA", "http://push.example/metrics/job@base64/bWFpbA"),
    ],
)
def test_a_host_has_a_place_of_its_own_at_a_pushgateway(url: str, expected: str) -> None:
    assert place(url, "mx1.example") == expected


def test_a_pushgateways_password_is_not_shown(tmp_path: Path) -> None:
    job = CronJob(tmp_path, cron=f'pushgateway = "http://ops:hunter22@127.0.0.1:{free_port()}"')
    done = job.run("--verbose", "--json")
    assert done.returncode == 1
    assert "the Pushgateway does not take the metrics" in done.stdout
    assert "hunter22" not in done.stdout + done.stderr


@pytest.fixture
def postfix() -> Iterator[PrivatePostfix]:
    made = PrivatePostfix(Path(tempfile.mkdtemp(prefix="postfix-")), free_port())
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.root)


def test_a_relay_that_dies_and_a_postfix_that_stops_are_told_and_told_to_be_over(
    tmp_path: Path, postfix: PrivatePostfix, web: WebServer
) -> None:
    job = CronJob(tmp_path, extra=hook(web.port), look="")
    text = job.config.read_text().replace(str(job.log), str(postfix.log))
    job.config.write_text(
        text.replace("[postfix]", f'[postfix]\nconfig_dir = "{postfix.etc}"').replace("192.0.2.7", "127.0.0.1")
    )
    assert job.run().returncode == 0

    def queued(page: str) -> float | None:
        labels = frozenset({("postfix_instance", "postfix"), ("queue", "deferred")})
        return parsed(page).get(("mailwatch_queue_messages", labels))

    postfix.send(4)
    eventually(
        lambda: postfix.log.read_text().count("status=deferred") >= 4, within=30, what="the relay does not answer"
    )
    done = job.run()
    assert done.returncode == 2, done
    assert done.stdout.startswith("CRITICAL: all mail via 127.0.0.1 is failing: no connection")
    assert [each["cause"] for each in told(web)] == ["relay-unreachable"]
    assert queued(job.textfile.read_text()) is not None

    sink = Sink(port=postfix.relay_port)
    sink.start()
    try:
        postfix.flush()
        postfix.wait_until_empty()
        eventually(lambda: postfix.log.read_text().count("status=sent") >= 4, within=30, what="it was logged")
    finally:
        sink.stop()
    postfix.stop()
    done = job.run()
    assert done.returncode == 2, done
    assert "Postfix is not running" in done.stdout
    assert told(web)[-1]["severity"] == "page"
    assert queued(job.textfile.read_text()) in (None, 0.0)
    assert 'mailwatch_postfix_up{postfix_instance="postfix"} 0.0' in job.textfile.read_text()
    postfix.start()
    done = job.run()
    assert "over: Postfix is not running" in done.stdout
    assert len({each.headers["Idempotency-Key"] for each in web.posted}) == len(web.posted)


def test_on_a_full_disk_the_reserve_is_given_up(tmp_path: Path, web: WebServer) -> None:
    with small_disk(tmp_path / "state") as disk:
        job = CronJob(tmp_path, extra=hook(web.port))
        (job.state / "reserve").write_bytes(b"\0" * BYTES)
        job.began()
        job.hour((30, 60, UNREACHABLE))
        disk.fill(left=0)
        assert job.run().returncode == 2
        assert not (job.state / "reserve").exists()
        assert [each["cause"] for each in told(web)] == ["relay-unreachable"]
        snapshot = read_snapshot(job.state)
        assert snapshot is not None
        assert snapshot.counters["log_lines", ()] == 120


def test_on_a_full_disk_it_reads_on_and_tells_from_memory(tmp_path: Path, web: WebServer) -> None:
    with small_disk(tmp_path / "state") as disk:
        job = CronJob(tmp_path, extra=hook(web.port)).began()
        job.hour((30, 60, UNREACHABLE))
        (job.state / "reserve").unlink(missing_ok=True)
        disk.fill(left=0)
        done = job.run()
        assert done.returncode == 2, done
        text = told(web)[0]["text"]
        assert len(web.posted) == 1
        assert "all mail via the relay is failing: no connection" in text
        assert "page: mailwatch cannot write its state" in text
        disk.free()
        assert job.run().returncode == 2
        snapshot = read_snapshot(job.state)
        assert snapshot is not None
        assert snapshot.counters["log_lines", ()] == 120


READ_ONLY = 'mount --make-rprivate / && mount --bind {0} {0} && mount -o remount,bind,ro {0} && exec "$@"'


def test_where_the_state_is_read_only_it_reads_on_and_tells_from_memory(tmp_path: Path, web: WebServer) -> None:
    job = CronJob(tmp_path, extra=hook(web.port)).began()
    job.hour((30, 60, UNREACHABLE))
    job.words = ("unshare", "--mount", "sh", "-c", READ_ONLY.format(job.state), "sh")
    done = job.run()
    assert done.returncode == 2, done
    [only] = told(web)
    assert "all mail via the relay is failing: no connection" in only["text"]
    assert f"cannot write the state folder {job.state}: its file system is read-only" in done.stdout
    assert 'mailwatch_probe_success{probe="state"} 0.0' in job.textfile.read_text()
    job.words = ()
    assert job.run().returncode == 2
    snapshot = read_snapshot(job.state)
    assert snapshot is not None
    assert snapshot.counters["log_lines", ()] == 120


def test_the_journal_is_read_on_from_run_to_run(tmp_path: Path) -> None:
    journald = Journald(tmp_path / "log").start()
    try:
        job = CronJob(tmp_path / "job")
        text = job.config.read_text()
        path = f'path = "{job.log}"'
        assert path in text
        job.config.write_text(text.replace(path, f'source = "journal"\njournal_dir = "{journald.folder}"'))
        journald.send(queued(number) for number in range(5))
        journald.run("journalctl", "--sync")
        assert "first run" in job.run().stdout
        for begin, end in ((5, 8), (8, 9)):
            journald.send(queued(number) for number in range(begin, end))
            journald.run("journalctl", "--sync")
            assert job.run().returncode == 0
            snapshot = read_snapshot(job.state)
            assert snapshot is not None
            assert snapshot.counters["messages_queued", ()] == end - 5
    finally:
        journald.stop()


WRITER = """\
import sys, time
lines = open(sys.argv[1]).read()
with open(sys.argv[2], "a") as log:
    while True:
        log.write(lines)
        log.flush()
        time.sleep(0.02)
"""


def test_on_a_log_that_grows_all_the_time_it_ends_and_decides_about_now(tmp_path: Path, web: WebServer) -> None:
    """What was looked at last is decided on, though there is always more to read."""
    job = CronJob(tmp_path, extra=hook(web.port)).began()
    some = tmp_path / "some"
    some.write_text("".join(attempt(time.time(), number) for number in range(1000)))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, some, job.log])
    try:
        done = job.run("--json", timeout=60)
    finally:
        writer.kill()
        writer.wait()
    said = json.loads(done.stdout)
    assert said["lines"] > 1000
    with contextlib.closing(sqlite3.connect(job.state / "state.db")) as connection:
        [(until,)] = connection.execute("SELECT value FROM fact WHERE name = ?", (UNTIL,))
    assert until > some.stat().st_mtime
