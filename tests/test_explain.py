"""``mailwatch explain`` as a person in trouble uses it: a pasted line, a bare reply, a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.parts.agent import mailwatch

if TYPE_CHECKING:
    from pathlib import Path

WRONG_PASSWORD = (
    "Nov 22 06:13:04 mx postfix/smtp[2726]: 3C8F4228CD3: to=<user@remote.example>, relay=smtp.example[192.0.2.7]:587, "
    "delay=1, delays=0/0/1/0, dsn=4.7.8, status=deferred (SASL authentication failed; server smtp.example[192.0.2.7] "
    "said: 535 5.7.8 Error: authentication failed)"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "mailwatch.toml"
    made.write_text('[postfix]\nconfig_dir = "/nowhere"\nrelays = ["smtp.example"]\n')
    return made


def test_a_pasted_line_is_explained_answer_first(config: Path) -> None:
    done = mailwatch("explain", "--config", config, WRONG_PASSWORD)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("relay-auth-failed: ")
    assert [line.split()[0] for line in lines[1:] if line[2:3] != " "][:3] == ["where", "means", "do"]
    assert "535" in done.stdout or "authentication failed" in done.stdout
    assert all(len(line) <= 100 for line in lines)
    assert "\x1b" not in done.stdout


def test_for_machines_it_is_one_object(config: Path) -> None:
    done = mailwatch("explain", "--json", "--config", config, WRONG_PASSWORD)
    told = json.loads(done.stdout)
    assert set(told) == {"cause", "scope", "severity", "title", "fix", "evidence"}
    assert (told["cause"], told["scope"], told["severity"]) == ("relay-auth-failed", "relay", "page")
    assert told["evidence"]["host"] == "smtp.example"
    assert "authentication failed" in told["evidence"]["words"].lower()


@pytest.mark.parametrize(
    ("words", "cause", "scope"),
    [
        (["550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown"], "user-unknown", "recipient"),
        (["--side", "relay", "550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown"], "user-unknown", "relay"),
        (["--side", "local", "fatal: bad boolean configuration: smtpd_helo_required = maybe"], "config-error", "local"),
        (["connect to mx.example[192.0.2.9]:25: Connection timed out"], "remote-unreachable", "recipient"),
        (["452", "4.2.2", "Mailbox", "full"], "mailbox-full", "recipient"),
    ],
)  # fmt: skip
def test_a_bare_reply_is_explained_on_the_side_it_is_said_to_be(
    config: Path, words: list[str], cause: str, scope: str
) -> None:
    done = mailwatch("explain", "--json", "--config", config, *words)
    told = json.loads(done.stdout)
    assert (told["cause"], told["scope"], done.returncode) == (cause, scope, 0)


def test_what_comes_from_a_pipe_is_explained(config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mailwatch", "explain", "--json", "--config", config],
        input=f"\n{WRONG_PASSWORD}\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["cause"] == "relay-auth-failed"


def test_what_nothing_knows_is_unknown_and_not_guessed(config: Path) -> None:
    done = mailwatch("explain", "--config", config, "599 wibble \x1b[31m wobble")
    assert done.returncode == 3
    assert done.stdout.startswith("unknown: ")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "mailwatch: nothing to explain: give a line of the log or a reply, or pipe one in\n"),
        (["Nov 22 06:13:04 mx postfix/qmgr[1]: ABCDEF: removed"], "mailwatch: this line tells of no failure\n"),
    ],
)
def test_what_is_no_failure_is_said_so(config: Path, words: list[str], said: str) -> None:
    done = mailwatch("explain", "--config", config, *words)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", said)


def test_a_wrong_file_of_rules_is_told_and_the_others_hold(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "causes"
    folder.mkdir()
    (folder / "bad.toml").write_text('layer = "provider"\n[[rule]]\nid = "bad"\npattern = "(x"\ncause = "policy"\n')
    (folder / "good.toml").write_text(
        'layer = "provider"\n[[rule]]\nid = "good"\npattern = "wibble"\ncause = "policy"\n'
    )
    config.write_text(f'{config.read_text()}[causes]\nfolder = "{folder}"\n')
    done = mailwatch("explain", "--json", "--config", config, "599 wibble wobble")
    assert json.loads(done.stdout)["evidence"]["rule"] == "good"
    assert done.stderr.startswith(f"mailwatch: rules left out: {folder / 'bad.toml'}: rule bad: pattern: ")
    checked = mailwatch("check-config", "--config", config)
    assert checked.returncode == 2
    assert f"{folder / 'bad.toml'}: rule bad: pattern: " in checked.stderr


def test_what_is_known_of_a_relay_alone_is_hinted_at(config: Path) -> None:
    """A person in trouble pastes what the relay said on a machine that does not know it for one."""
    reply = "host smtp.other.example[192.0.2.8] said: 535 5.7.8 Error: authentication failed"
    done = mailwatch("explain", "--config", config, reply)
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1].startswith("  if that is your relay: relay-auth-failed; ")
    assert mailwatch("explain", "--config", config, "--side", "relay", reply).returncode == 0
