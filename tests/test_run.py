"""``mailwatch run`` as a supervisor and a person meet it: signals, bad input, damaged state, a full disk."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.discovery import LogNotFound, find_log
from mailwatch.options import Options
from mailwatch.schema import MIGRATIONS
from mailwatch.sources.file import FileSource
from mailwatch.sources.journal_files import folders
from mailwatch.store import Store, known_logs
from mailwatch.tally import Delta
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT = "{} mx postfix/smtp[1]: ABCDEF: to=<{}@b.example>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)\n"
NUMBERS = itertools.count()
ATTEMPTS = "mailwatch_delivery_attempts_total"


def append(log: Path, number: int = 1) -> None:
    with log.open("a") as file:
        file.writelines(SENT.format(time.strftime("%b %e %H:%M:%S"), next(NUMBERS)) for _ in range(number))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    log = tmp_path / "mail.log"
    log.touch()
    made = RunningAgent(tmp_path / "agent", log).start()
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_sigterm_ends_it_within_two_seconds_with_everything_committed(agent: RunningAgent) -> None:
    append(agent.log, 30_000)
    agent.wait_for(1, ATTEMPTS)
    begin = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begin <= 2
    assert "ended, everything committed" in agent.said
    agent.start()
    agent.wait_for(30_000, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 30_000


def test_a_kill_at_any_time_counts_nothing_twice(agent: RunningAgent) -> None:
    for _ in range(5):
        append(agent.log, 2000)
        agent.wait_for(1, ATTEMPTS)
        agent.kill()
        agent.start()
    agent.wait_for(10_000, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 10_000


def test_sighup_takes_the_new_configuration(agent: RunningAgent) -> None:
    append(agent.log, 3)
    agent.wait_for(3, ATTEMPTS)
    other = agent.folder / "other.log"
    other.touch()
    agent.log, agent.start_at = other, "beginning"
    append(agent.log, 4)
    agent.write_config()
    agent.signal(signal.SIGHUP)
    agent.wait_until_said("the configuration was read again")
    agent.wait_for(7, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 7


def test_sighup_moves_to_another_port(agent: RunningAgent) -> None:
    before = agent.port
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        agent.port = trial.getsockname()[1]
    agent.write_config()
    agent.signal(signal.SIGHUP)
    eventually(agent.page, within=10, what="it answers on the new port")
    with socket.socket() as trial:
        assert trial.connect_ex(("127.0.0.1", before)) != 0


@pytest.mark.parametrize("mistake", ["listen = 1\n", "nonsense", 'listen = "192.0.2.1:1"\n'])
def test_sighup_keeps_the_old_configuration_when_the_new_is_wrong(agent: RunningAgent, mistake: str) -> None:
    agent.config.write_text(mistake)
    agent.signal(signal.SIGHUP)
    agent.wait_until_said("the configuration stays as it was")
    append(agent.log, 2)
    agent.wait_for(2, ATTEMPTS)


def test_no_scrape_is_refused_while_the_configuration_is_read_again(agent: RunningAgent) -> None:
    for _ in range(3):
        agent.signal(signal.SIGHUP)
        for _ in range(20):
            assert agent.get("/metrics")[0] == 200


def test_a_second_instance_says_who_is_there(agent: RunningAgent) -> None:
    assert agent.process is not None
    done = mailwatch("run", "--log", agent.log, "--state-dir", agent.state, "--web.listen-address", "127.0.0.1:0")
    assert done.returncode == 1
    assert done.stderr == (
        f"mailwatch: another mailwatch (process {agent.process.pid}) is using {agent.state}: "
        "stop it first, or set another state_dir\n"
    )


def test_a_port_in_use_is_said_in_one_line(agent: RunningAgent, tmp_path: Path) -> None:
    done = mailwatch(
        "run", "--log", agent.log, "--state-dir", tmp_path / "s", "--web.listen-address", f"127.0.0.1:{agent.port}"
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"mailwatch: cannot listen on 127.0.0.1:{agent.port}: the port is in use. "
        f"See by whom with ss -ltnp 'sport = :{agent.port}', or set listen\n"
    )


def test_an_address_of_another_host_is_said_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    done = mailwatch("run", "--log", log, "--state-dir", tmp_path / "s", "--web.listen-address", "192.0.2.1:10154")
    assert done.returncode == 1, "the address may come up later: a supervisor should try again"
    assert done.stderr == (
        "mailwatch: cannot listen on 192.0.2.1:10154: Cannot assign requested address. "
        "Set listen to an address of this host\n"
    )


def test_a_log_that_may_not_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch(mode=0o600)
    shutil.chown(log, "nobody")
    done = subprocess.run(
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-m", "mailwatch", "run", "--log", log,
         "--state-dir", tmp_path / "state", "--web.listen-address", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert done.stderr == (
        f"mailwatch: cannot read the log {log}: Permission denied; add root to the group that may read it: ls -l {log}\n"
    )


def test_a_state_folder_that_may_not_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    log.touch()
    state.mkdir()
    # read-only for us alone; what nobody can write to is told by the agent, not refused
    subprocess.run(["mount", "--bind", state, state], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", state], check=True)
    try:
        done = mailwatch("run", "--log", log, "--state-dir", state, "--web.listen-address", "127.0.0.1:0")
        inside = mailwatch("run", "--log", log, "--state-dir", state / "new", "--web.listen-address", "127.0.0.1:0")
    finally:
        subprocess.run(["umount", state], check=True)
    assert (done.returncode, inside.returncode) == (78, 1)
    assert (
        done.stderr
        == f"mailwatch: cannot write to the state folder {state} as root: chown it to root, or set state_dir\n"
    )
    assert inside.stderr == (
        f"mailwatch: cannot make the state folder {state / 'new'}: Read-only file system. "
        "Run as a user who may, or set state_dir\n"
    )


def test_a_folder_that_others_may_write_to_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    log.touch()
    state.mkdir()
    (state / "theirs").touch()
    state.chmod(0o1777)
    done = mailwatch("run", "--log", log, "--state-dir", state, "--web.listen-address", "127.0.0.1:0")
    assert done.returncode == 78
    assert done.stderr == (
        f"mailwatch: the state folder {state} can be written by others: set state_dir to another, or chmod 700 {state}\n"
    )
    assert (stat.S_IMODE(state.stat().st_mode), os.listdir(state)) == (0o1777, ["theirs"])


@pytest.mark.parametrize("option", ["--state-dir", "--log"])
def test_an_empty_path_is_not_the_working_directory(option: str) -> None:
    done = mailwatch("run", option, "")
    assert done.returncode == 3
    assert f"Invalid value for '{option}': expected a path, found '.'" in done.stderr


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
@pytest.mark.parametrize("command", ["run", "check-config"])
def test_a_log_that_is_no_file_is_said_and_never_waited_on(tmp_path: Path, kind: str, command: str) -> None:
    log, config = tmp_path / "mail.log", tmp_path / "c.toml"
    if kind == "fifo":
        os.mkfifo(log)
    elif kind == "folder":
        log.mkdir()
    else:
        log = Path("/dev/null")
    config.write_text(f'state_dir = "{tmp_path / "state"}"\nlisten = "127.0.0.1:0"\n[log]\npath = "{log}"\n')
    done = mailwatch(command, "--config", config, timeout=10)
    assert done.returncode == (78 if command == "run" else 1)
    assert "it is not a regular file" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_is_no_text_is_said_in_one_line(tmp_path: Path) -> None:
    log = os.fsencode(tmp_path) + b"/mail\xff.log"
    with open(log, "wb"):
        pass
    done = subprocess.run(
        [sys.executable, "-m", "mailwatch", "run", b"--log", log, "--state-dir", tmp_path / "state"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert done.stderr == f"mailwatch: the name {log!r} is not UTF-8: give the file another name\n"


def test_a_wrong_configuration_ends_with_78_and_a_line_for_each_mistake(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("stat_dir = '/x'\nlisten = 1\n")
    done = mailwatch("run", "--config", config)
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"mailwatch: {config}: stat_dir: unknown key (did you mean state_dir?). See README, Configuration.",
        f"mailwatch: {config}: listen: expected text, found a number 1",
    ]


def test_where_no_log_is_found_it_says_where_it_looked_and_what_to_do() -> None:
    with pytest.raises(LogNotFound) as told:
        find_log(Options(), None, (Path("/nowhere/mail.log"), Path("/nowhere/maillog")))
    assert str(told.value) == (
        "found no mail log: no Postfix here (postconf is missing), and there is no /nowhere/mail.log, "
        f"/nowhere/maillog, and no journal in {' or '.join(map(str, folders(None)))}. "
        "Say where it is with --log FILE or [log] path, or install rsyslog"
    )


def test_a_log_that_was_read_is_waited_for_rather_than_a_file_with_the_same_lines(tmp_path: Path) -> None:
    mail, everything = tmp_path / "mail.log", tmp_path / "syslog"
    everything.touch()
    places = (mail, everything)
    assert find_log(Options(), None, places) == everything
    assert find_log(Options(), None, places, known={mail}) == mail
    store = Store.open(tmp_path, 0.0)
    source = FileSource(mail, positions={})
    store.commit(Delta(), source.read(1 << 18).positions, 0.0)
    source.close()
    store.close()
    assert known_logs(tmp_path) == {mail}


def test_a_hang_up_while_it_starts_does_not_end_it(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    agent = RunningAgent(tmp_path / "agent", log)
    hanging_up, sent = threading.Event(), threading.Event()

    def hang_up() -> None:
        while not hanging_up.wait(0.001):
            if agent.process is not None and is_ignored(agent.process.pid, signal.SIGHUP):
                agent.process.send_signal(signal.SIGHUP)
                sent.set()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        agent.start()
    finally:
        hanging_up.set()
        thread.join()
        agent.stop()
    assert sent.is_set()


def is_ignored(process: int, number: signal.Signals) -> bool:
    """Whether a process ignores a signal now; before that it is still Python that starts."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    return bool(int(status.partition("SigIgn:")[2].split()[0], 16) & 1 << (number - 1))


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    agent = RunningAgent(tmp_path / "agent", tmp_path / "mail.log").start()
    try:
        agent.wait_until_said(f"ERROR cannot read {agent.log}: No such file or directory")
        assert agent.get("/healthz")[0] == 503
        assert agent.value("mailwatch_probe_success", probe="log") == 0
        append(agent.log, 2)
        agent.wait_for(2, ATTEMPTS)
        eventually(lambda: agent.get("/healthz")[0] == 200, within=5, what="it is well again")
        assert agent.value("mailwatch_probe_success", probe="log") == 1
    finally:
        agent.stop()


def test_a_damaged_state_is_kept_aside_told_and_begun_anew_at_the_end(agent: RunningAgent) -> None:
    append(agent.log, 5)
    agent.wait_for(5, ATTEMPTS)
    agent.stop()
    append(agent.log, 5)
    (agent.state / "state.db").write_bytes(b"no database" * 1000)
    agent.start()
    agent.wait_until_said("ERROR the state was damaged: kept as")
    eventually(lambda: agent.get("/healthz")[0] == 200, within=5, what="it works")
    append(agent.log, 2)
    agent.wait_for(2, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 2
    assert agent.value("mailwatch_log_gaps_total", reason="state-damaged") == 1
    assert len(list(agent.state.glob("state.db.damaged-*Z"))) == 1


@pytest.mark.parametrize("damage", ["deleted", "an index without its entry"])
def test_a_state_lost_while_it_is_used_is_told_and_begun_anew_at_the_end(agent: RunningAgent, damage: str) -> None:
    queued = "Nov 22 06:13:04 mx postfix/qmgr[1]: ABCDEF: from=<a@b.example>, size=1, nrcpt=1 (queue active)\n"
    with agent.log.open("a") as file:
        file.write(queued)
    append(agent.log, 5)
    agent.wait_for(5, ATTEMPTS)
    if damage == "deleted":
        (agent.state / "state.db").unlink()
    else:
        agent.stop()
        with closing(sqlite3.connect(agent.state / "state.db")) as connection:
            connection.execute("PRAGMA writable_schema = 1")
            connection.execute("DELETE FROM sqlite_master WHERE type = 'index' AND name = 'open_message_first_seen'")
            connection.execute(
                "INSERT OR REPLACE INTO open_message VALUES ('postfix', 'BCDEFA', '', 1, 1, 1, 'sent', NULL, NULL)"
            )
            connection.commit()
            schema = "CREATE INDEX open_message_first_seen ON open_message (first_seen)"
            connection.execute(
                "INSERT INTO sqlite_master VALUES ('index', 'open_message_first_seen', 'open_message', 5, ?)", [schema]
            )
            connection.commit()
        agent.start()
        with agent.log.open("a") as file:
            file.write("Nov 22 06:13:05 mx postfix/qmgr[1]: BCDEFA: removed\n")
    eventually(
        lambda: "kept aside as" in agent.said or "was damaged: kept as" in agent.said, within=20, what="it is told"
    )
    eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it works")
    append(agent.log, 2)
    agent.wait_for(2, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 2
    assert agent.value("mailwatch_log_gaps_total", reason="state-damaged") == 1
    assert agent.said.count("\n") < 20


def test_a_state_of_a_newer_version_is_refused(agent: RunningAgent) -> None:
    agent.stop()
    with closing(sqlite3.connect(agent.state / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = mailwatch("run", "--config", agent.config)
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == (
        f"mailwatch: state database {agent.state / 'state.db'} was written by a newer mailwatch (schema 99, this one knows {len(MIGRATIONS)}): "
        "install that version again, or set another state_dir to begin anew"
    )


def test_a_full_disk_stops_nothing_and_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    agent = RunningAgent(tmp_path / "agent", log)
    agent.state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", agent.state], check=True)
    try:
        agent.start()
        append(log, 10)
        agent.wait_for(10, ATTEMPTS)
        fill(agent.state / "filler")
        append(log, 1000)
        agent.wait_until_said("ERROR cannot write the state database")
        assert agent.value(ATTEMPTS) == 10
        assert agent.value("mailwatch_probe_success", probe="state") == 0
        assert agent.get("/healthz")[0] == 503
        agent.kill()
        agent.start()
        (agent.state / "filler").unlink()
        agent.wait_for(1010, ATTEMPTS)
        assert agent.value(ATTEMPTS) == 1010
        eventually(lambda: agent.get("/healthz")[0] == 200, within=5, what="it is well again")
    finally:
        agent.stop()
        subprocess.run(["umount", "-l", agent.state], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(b"\0" * 512)
            except OSError:
                return


def test_check_config_says_what_was_found(tmp_path: Path) -> None:
    config, log = tmp_path / "c.toml", tmp_path / "mail.log"
    log.touch()
    config.write_text(f'[log]\npath = "{log}"\n')
    done = mailwatch("check-config", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: the configuration is right\n")
    assert f"log        {log}" in done.stdout
    log.unlink()
    assert mailwatch("check-config", "--config", config).returncode == 1
    config.write_text("listen = 1")
    wrong = mailwatch("check-config", "--config", config)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"mailwatch: {config}: listen: expected text, found a number 1\n"
    assert mailwatch("check-config", "--config", tmp_path / "none").returncode == 2


def test_a_typo_never_reads_as_critical() -> None:
    assert mailwatch("check-config", "--jsn").returncode == 3
    assert mailwatch("chek-config").returncode == 3
