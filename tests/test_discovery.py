"""Which log is read, and that a postconf that fails for a moment never changes it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from mailwatch import discovery
from mailwatch.discovery import Log, LogNotFound, PostconfFails, ask_postconf, choose_log, choose_without_postfix
from mailwatch.options import LogOptions, Options
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.journal import append, entry
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from pathlib import Path

SENT = (
    "Nov 25 06:13:04 mx relay-out/smtp[1]: ABCDEF: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, "
    "dsn=2.0.0, status=sent (ok)\n"
)
ATTEMPTS = "mailwatch_delivery_attempts_total"


def postconf(folder: Path, text: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    file = folder / "bin" / "postconf"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose Postfix logs to a file of its own, under a name of its own; with a journal beside it."""
    postconf(tmp_path, f'printf "maillog_file = {tmp_path}/postfix.log\\nsyslog_name = relay-out\\n"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    append(tmp_path / "journal" / "system.journal", [entry(0)])
    (tmp_path / "postfix.log").touch()
    return tmp_path


def options(folder: Path, source: str = "auto") -> Options:
    return Options(log=LogOptions(source=source, journal_dir=folder / "journal"))


@pytest.fixture
def agent(folder: Path) -> RunningAgent:
    return RunningAgent(folder / "agent", folder / "no-log")


def config(agent: RunningAgent, folder: Path, more: str = "") -> str:
    return (
        f'state_dir = "{agent.state}"\nlisten = "127.0.0.1:{agent.port}"\n'
        f'[log]\njournal_dir = "{folder / "journal"}"\n{more}'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo one >&2; echo 'fatal: no \x1b file' >&2; exit 1", "fails with exit code 1: fatal: no ? file"),
        ("exit 3", "fails with exit code 3: it does not say why"),
        ("exec sleep 100", "did not answer within 0 s"),
    ],
    ids=["it says why", "it does not", "it hangs"],
)
def test_a_postconf_that_fails_is_told_from_one_that_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setattr(discovery, "DEADLINE", 0.4)
    postconf(folder, text)
    with pytest.raises(PostconfFails) as told:
        ask_postconf(None)
    assert str(told.value) == f"{folder / 'bin' / 'postconf'} {said}"
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert ask_postconf(None) is None


def test_a_hang_up_while_postconf_fails_changes_nothing(agent: RunningAgent, folder: Path) -> None:
    log = folder / "postfix.log"
    agent.start(config(agent, folder))
    try:
        eventually(lambda: agent.get("/healthz")[0] == 200, within=10, what="it is well")
        postconf(folder, "exit 1")
        agent.signal(signal.SIGHUP)
        agent.wait_until_said("the configuration was read again")
        assert "fails with exit code 1: it does not say why: going on with what it said before" in agent.said
        eventually(lambda: agent.said.count(f"log={log} ") == 2, within=10, what="it watches the same log again")
        log.write_text(SENT * 3)
        agent.wait_for(3, ATTEMPTS)
        agent.config.write_text(config(agent, folder, f'[postfix]\nconfig_dir = "{folder}"\n'))
        agent.signal(signal.SIGHUP)
        agent.wait_until_said("the configuration stays as it was")
    finally:
        agent.stop()
    agent.start(config(agent, folder, '[postfix]\nsyslog_names = ["relay-out"]\n'))
    try:
        assert f"watching {log}, without the syslog_name that Postfix may have" in agent.said
        with log.open("a") as opened:
            opened.write(SENT)
        agent.wait_for(4, ATTEMPTS)
    finally:
        agent.stop()


def test_a_start_while_postconf_fails_and_nothing_is_known_may_be_tried_again(
    agent: RunningAgent, folder: Path
) -> None:
    postconf(folder, "exit 1")
    agent.folder.mkdir()
    agent.config.write_text(config(agent, folder))
    done = mailwatch("run", "--config", agent.config)
    assert done.returncode == 1
    said = f"{folder / 'bin' / 'postconf'} fails with exit code 1: it does not say why"
    assert done.stderr == (
        f"mailwatch: {said}. Without it nobody knows where Postfix logs: mend that, or set [log] path\n"
    )
    done = mailwatch("check-config", "--config", agent.config)
    assert done.returncode == 1
    assert f"WARNING: {said}\n" in done.stdout
    done = mailwatch("events", "--config", agent.config)
    assert (done.returncode, done.stderr) == (1, f"mailwatch: {said}. Name the file to read\n")
    (folder / "postfix.log").write_text(SENT.replace("relay-out", "postfix"))
    done = mailwatch("events", "--config", agent.config, folder / "postfix.log")
    assert done.returncode == 0
    assert '"queue_id":' in done.stdout


def test_without_an_answer_only_what_was_told_or_is_the_one_known_log_is_read(folder: Path) -> None:
    own, journal = folder / "postfix.log", Log(kind="journal", path=folder / "journal")
    assert choose_without_postfix(options(folder)) is None
    assert choose_without_postfix(options(folder), known={own}) == Log(kind="file", path=own)
    assert choose_without_postfix(options(folder), known_journals={folder / "journal"}) == journal
    assert choose_without_postfix(options(folder), known={own}, known_journals={folder / "journal"}) is None
    assert choose_without_postfix(options(folder), known={own, folder / "other"}) is None
    assert choose_without_postfix(options(folder, "file"), known_journals={folder / "journal"}) is None
    assert choose_without_postfix(options(folder, "journal")) == journal
    assert choose_without_postfix(options(folder, "stdin")) == Log(kind="stdin")


def test_a_known_journal_is_not_left_for_a_file_that_was_told_once(folder: Path) -> None:
    mail, known = folder / "mail.log", {folder / "journal"}
    mail.touch()
    journal = Log(kind="journal", path=folder / "journal")
    assert choose_log(options(folder), None, places=(mail,), known={folder / "x"}, known_journals=known) == journal
    assert choose_log(options(folder), None, places=(mail,), known={mail}, known_journals=known) == Log(
        kind="file", path=mail
    )


def test_a_known_file_goes_before_one_that_is_there(folder: Path) -> None:
    stale, known = folder / "mail.log", folder / "messages"
    stale.touch()
    places = (stale, known)
    assert choose_log(options(folder), None, places=places, known={known}) == Log(kind="file", path=known)


def test_a_journal_that_only_journalctl_could_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "journalctl", lambda: None)
    with pytest.raises(LogNotFound) as told:
        choose_log(options(folder), None, places=(folder / "none",))
    assert f"and the journal in {folder / 'journal'} cannot be read: journalctl is missing. " in str(told.value)
