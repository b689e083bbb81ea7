"""What is read when: the journal as a person meets it who runs ``mailwatch run`` or ``check-config``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.discovery import Log, LogNotFound, Postfix, choose_log, facilities
from mailwatch.options import LogOptions, Options
from mailwatch.sources.journal import JournalSource
from mailwatch.store import Store, known_journals
from mailwatch.tally import Delta
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.journal import Journald, append, entry, queued
from tests.parts.ports import eventually
from tests.parts.postfix import PrivatePostfix, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUED = "mailwatch_messages_queued_total"


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    made = Journald(tmp_path / "log").start()
    yield made
    made.stop()


def config(agent: RunningAgent, folder: Path, start: str = "end") -> str:
    return (
        f'state_dir = "{agent.state}"\nlisten = "127.0.0.1:{agent.port}"\n'
        f'[log]\nsource = "journal"\njournal_dir = "{folder}"\nstart = "{start}"\n'
    )


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    made = RunningAgent(tmp_path / "agent", tmp_path / "no-log")
    yield made
    made.kill()


def test_the_agent_counts_what_comes_after_its_start_and_says_what_it_reads(
    agent: RunningAgent, journald: Journald
) -> None:
    journald.send(queued(number) for number in range(5))
    journald.run("journalctl", "--sync")
    agent.start(config(agent, journald.folder))
    eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it is well")
    journald.send(queued(number) for number in range(5, 8))
    agent.wait_for(3, QUEUED)
    assert agent.value(QUEUED) == 3
    assert f"the systemd journal in {journald.folder}".encode() in agent.get("/")[2]
    assert f"log=the systemd journal in {journald.folder}" in agent.said
    assert agent.stop() == 0


def test_what_a_real_postfix_logs_to_the_journal_is_counted(agent: RunningAgent, journald: Journald) -> None:
    sink = Sink()
    sink.start()
    mail = PrivatePostfix(
        Path(tempfile.mkdtemp(prefix="postfix-")), sink.port, settings={"maillog_file": ""}, inside=journald.inside
    )
    try:
        mail.start()
        agent.start(config(agent, journald.folder))
        eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it is well")
        mail.send(50)
        agent.wait_for(50, "mailwatch_delivery_attempts_total", agent="smtp", status="sent")
        mail.wait_until_empty()
        agent.wait_for(50, "mailwatch_messages_removed_total")
        assert agent.value("mailwatch_delivery_attempts_total") == 50
        assert agent.value("mailwatch_log_unparsed_lines_total") == 0
        assert not mail.log.exists()
    finally:
        mail.stop()
        sink.stop()
        shutil.rmtree(mail.root)


def test_an_entry_is_counted_within_a_second(agent: RunningAgent, journald: Journald) -> None:
    agent.start(config(agent, journald.folder))
    eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it is well")
    delays = []
    for number in range(5):
        time.sleep(0.7)  # the journal rests
        begin = time.monotonic()
        journald.send([queued(number)])
        agent.wait_for(number + 1, QUEUED)
        delays.append(time.monotonic() - begin)
    assert sorted(delays)[2] < 1.0, delays


def test_a_damaged_state_begins_anew_at_the_end(agent: RunningAgent, journald: Journald) -> None:
    agent.start(config(agent, journald.folder, "beginning"))
    journald.send(queued(number) for number in range(5))
    agent.wait_for(5, QUEUED)
    agent.stop()
    journald.send(queued(number) for number in range(5, 9))
    journald.run("journalctl", "--sync")
    (agent.state / "state.db").write_bytes(b"no database" * 1000)
    agent.start(config(agent, journald.folder, "beginning"))
    eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it works")
    journald.send(queued(number) for number in range(9, 11))
    agent.wait_for(2, QUEUED)
    assert agent.value(QUEUED) == 2


def test_a_journal_that_may_not_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "journal" / "system.journal"
    append(file, [entry(0)])
    file.chmod(0o600)
    shutil.chown(file, "nobody")
    (tmp_path / "c.toml").write_text(
        f'state_dir = "{tmp_path / "state"}"\nlisten = "127.0.0.1:0"\n[log]\nsource = "journal"\njournal_dir = "{file.parent}"\n'
    )
    done = subprocess.run(
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-m", "mailwatch", "run", "--config",
         tmp_path / "c.toml"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert done.stderr == (
        f"mailwatch: cannot read the systemd journal in {file.parent}: Permission denied; "
        "add root to the group systemd-journal\n"
    )


def test_without_journalctl_it_says_so_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    append(folder / "system.journal", [entry(0)])
    (tmp_path / "c.toml").write_text(
        f'state_dir = "{tmp_path / "state"}"\nlisten = "127.0.0.1:0"\n[log]\nsource = "journal"\njournal_dir = "{folder}"\n'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /usr/bin/journalctl && exec "$0" "$@"',
         sys.executable, "-m", "mailwatch", "run", "--config", tmp_path / "c.toml"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert done.stderr == (
        f"mailwatch: cannot read the systemd journal in {folder}: journalctl is missing; install systemd, or set [log] path\n"
    )


def test_check_config_says_that_it_is_the_journal(tmp_path: Path) -> None:
    append(tmp_path / "journal" / "system.journal", [entry(0)])
    (tmp_path / "c.toml").write_text(f'[log]\nsource = "journal"\njournal_dir = "{tmp_path / "journal"}"\n')
    done = mailwatch("check-config", "--config", tmp_path / "c.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"log        the systemd journal in {tmp_path / 'journal'}" in done.stdout
    shutil.rmtree(tmp_path / "journal")
    done = mailwatch("check-config", "--config", tmp_path / "c.toml", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["log"] == f"the systemd journal in {tmp_path / 'journal'}"
    assert said["trouble"] == (
        f"cannot read the systemd journal in {tmp_path / 'journal'}: no journal files in {tmp_path / 'journal'}"
    )


def test_a_file_that_would_not_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[log]\nsource = "journal"\npath = "/var/log/mail.log"\n')
    done = mailwatch("check-config", "--config", tmp_path / "c.toml")
    assert done.returncode == 2
    assert done.stderr == (
        f'mailwatch: {tmp_path / "c.toml"}: log.path: not read while log.source is "journal": remove one of the two\n'
    )


def postfix(maillog: Path | None = None, facility: str = "mail") -> Postfix:
    return Postfix(
        maillog_file=maillog, queue_directory=None, relayhost="", fallback_relays=(), transport_maps="", domain="", hostname="", syslog_name="postfix",
        syslog_facility=facility,
    )  # fmt: skip


def options(folder: Path, source: str = "auto", path: Path | None = None) -> Options:
    return Options(log=LogOptions(source=source, path=path, journal_dir=folder))


def test_a_file_goes_before_the_journal_and_the_journal_is_found_where_there_is_none(tmp_path: Path) -> None:
    mail, folder = tmp_path / "mail.log", tmp_path / "journal"
    places = (mail,)
    with pytest.raises(LogNotFound) as told:
        choose_log(options(folder), None, places=places)
    assert f"there is no {mail}, and no journal in {folder}" in str(told.value)
    append(folder / "system.journal", [entry(0)])
    journal = Log(kind="journal", path=folder)
    assert choose_log(options(folder), None, places=places) == journal
    assert choose_log(options(folder), postfix(Path("/m")), places=places) == Log(kind="file", path=Path("/m"))
    assert choose_log(options(folder, path=Path("/p")), None, places=places) == Log(kind="file", path=Path("/p"))
    assert choose_log(options(folder, source="stdin"), None, places=places) == Log(kind="stdin")
    with pytest.raises(LogNotFound):
        choose_log(options(folder, source="file"), None, places=places)
    mail.touch()
    assert choose_log(options(folder), None, places=places) == Log(kind="file", path=mail)
    assert choose_log(options(folder, source="journal"), None, places=places) == journal


def test_what_was_read_before_is_read_on_though_the_other_has_the_same_lines(tmp_path: Path) -> None:
    mail, folder = tmp_path / "mail.log", tmp_path / "journal"
    append(folder / "system.journal", [entry(0)])
    assert choose_log(options(folder), None, places=(mail,), known={mail}) == Log(kind="file", path=mail)
    store = Store.open(tmp_path, 0.0)
    source = JournalSource(folder, positions={})
    store.commit(Delta(), source.read(1 << 18).positions, 0.0)
    source.close()
    store.close()
    mail.touch()
    known = known_journals(tmp_path)
    assert known == {folder}
    assert choose_log(options(folder), None, places=(mail,), known_journals=known) == Log(kind="journal", path=folder)


def test_postfix_may_write_with_another_facility() -> None:
    assert facilities(None) == {2}
    assert facilities(postfix()) == {2}
    assert facilities(postfix(facility="local3")) == {2, 19}
    assert facilities(postfix(facility="no such")) == {2}
