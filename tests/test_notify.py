"""``notify`` and ``test-alert``: who took it, what was answered, and exit codes that a script can go by."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch.commands.notify import body_of
from tests.parts.agent import mailwatch
from tests.parts.ports import free_port
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from pathlib import Path


def configured(folder: Path, *urls: str, more: str = "") -> Path:
    config = folder / "c.toml"
    channels = [
        f'[[channel]]\nname = "hook{at}"\ntype = "webhook"\nurl = "{url}"\ntimeout = 30\n'
        for at, url in enumerate(urls)
    ]
    config.write_text("".join(channels) + more)
    return config


def dead() -> str:
    return f"http://127.0.0.1:{free_port()}/"


def notify(config: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailwatch", "notify", "--config", str(config), *words],
        input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def test_people_are_told_by_every_channel(tmp_path: Path) -> None:
    with WebServer() as one, WebServer(body=b"ok then") as two:
        done = notify(
            configured(tmp_path, one.url(), two.url()), "backup of mx1 failed", stdin="rsync: code 23\n<b>x</b>\n"
        )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "OK: 2 of 2 channels took it"
    assert lines[1].startswith("  hook0  webhook  sent ")
    assert lines[2].endswith(" s  HTTP 200 OK: ok then")
    said = json.loads(one.posted[0].body)
    assert said["subject"] == "backup of mx1 failed"
    assert said["text"] == "rsync: code 23\n<b>x</b>"
    assert "&lt;b&gt;x&lt;/b&gt;" in said["html"]
    assert (said["severity"], said["rule"], said["kind"]) == ("page", "notify", "first")


def test_the_same_subject_has_the_same_key(tmp_path: Path) -> None:
    with WebServer() as server:
        config = configured(tmp_path, server.url())
        for subject in ("a", "a", "b"):
            assert notify(config, subject).returncode == 0
    keys = [json.loads(each.body)["key"] for each in server.posted]
    assert keys[0] == keys[1] != keys[2]


def test_one_channel_that_has_it_is_enough_and_none_is_not(tmp_path: Path) -> None:
    with WebServer() as server:
        some = notify(configured(tmp_path, dead(), server.url()), "x")
        none = notify(configured(tmp_path, dead(), dead()), "x")
    assert (some.returncode, some.stdout.splitlines()[0]) == (0, "WARNING: 1 of 2 channels took it")
    assert (none.returncode, none.stdout.splitlines()[0]) == (2, "CRITICAL: none of 2 channels took it")
    assert "Connection refused" in none.stdout


def test_a_channel_may_be_named_whatever_its_severity(tmp_path: Path) -> None:
    with WebServer() as server:
        config = configured(tmp_path, server.url(), server.url())
        assert notify(config, "--channel", "hook1", "--severity", "info", "x").returncode == 0
        assert len(server.posted) == 1
        unheard = notify(config, "--severity", "info", "x")
        assert (unheard.returncode, len(server.posted)) == (2, 1)
        assert "no channel takes severity info" in unheard.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--channel", "hok0", "x"), "--channel: there is no channel 'hok0' (did you mean hook0?)"),
        (("--severity", "high", "x"), "'high' is not one of"),
        (("  \n",), "SUBJECT is empty: say what is wrong"),
        ((), "Missing argument 'SUBJECT'"),
    ],
)
def test_a_typo_is_no_alarm(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = notify(configured(tmp_path, dead()), *words)
    assert done.returncode == 3
    assert message in done.stderr


@pytest.mark.parametrize("command", [("notify", "x"), ("test-alert",)])
def test_without_a_channel_it_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").touch()
    done = mailwatch(*command, "--config", tmp_path / "c.toml")
    assert done.returncode == 3
    assert "there is no [[channel]] to tell people by. See README, Channels." in done.stderr
    assert mailwatch(*command, "--config", tmp_path / "none.toml").returncode == 3


def test_mistakes_elsewhere_keep_no_alarm_back(tmp_path: Path) -> None:
    with WebServer() as server:
        done = notify(
            configured(tmp_path, server.url(), more='[[channel]]\nname = "half"\n[log]\nstrat = "end"\n'), "unit failed"
        )
    assert done.returncode == 0
    assert len(server.posted) == 1
    assert "log.strat: unknown key (did you mean start?)" in done.stderr
    assert "channel[1].cannot tell what it is" in done.stderr


def test_a_pipe_that_nobody_closes_keeps_no_alarm_back() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"as far as it goes")
    begun = time.monotonic()
    assert body_of(reading, 100, seconds=0.3) == "as far as it goes"
    assert time.monotonic() - begun < 5
    os.close(writing)
    assert body_of(reading, 100) == ""
    os.close(reading)
    assert body_of(reading, 100) == ""


def test_a_body_is_bounded_and_a_terminal_is_not_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x" * 5000)
    assert len(body_of(reading, 100)) == 100
    ours, theirs = pty.openpty()
    assert body_of(theirs, 100) == ""
    for each in (reading, writing, ours, theirs):
        os.close(each)


def test_an_output_that_takes_nothing_keeps_no_alarm_back(tmp_path: Path) -> None:
    with WebServer() as server, open("/dev/full", "wb") as full:
        config = configured(tmp_path, server.url())
        done = subprocess.run(
            [sys.executable, "-m", "mailwatch", "notify", "--config", str(config), "x"],
            stdin=subprocess.DEVNULL, stdout=full, stderr=full, timeout=90, check=False,
        )  # fmt: skip
    assert len(server.posted) == 1
    assert done.returncode == 0


def test_an_output_that_is_closed_or_gone_keeps_no_alarm_back(tmp_path: Path) -> None:
    with WebServer() as server:
        config = configured(tmp_path, server.url())
        command = f"{sys.executable} -m mailwatch notify --config {config} x"
        for shell in (f"{command} <&- >&- 2>&-", f"set -o pipefail; {command} </dev/null | true"):
            done = subprocess.run(["bash", "-c", shell], timeout=90, check=False)
            assert done.returncode == 0
    assert len(server.posted) == 2


def test_test_alert_proves_each_channel(tmp_path: Path) -> None:
    with WebServer() as one, WebServer(status=500, body=b"no") as two:
        config = configured(tmp_path, one.url(), two.url())
        done = mailwatch("test-alert", "--config", config, timeout=90)
        assert done.returncode == 1
        assert done.stdout.splitlines()[0] == "WARNING: 1 of 2 channels took it"
        assert f"127.0.0.1:{two.port} refuses it: HTTP 500 Internal Server Error: no" in done.stdout
        only = mailwatch("test-alert", "--config", config, "--channel", "hook0", timeout=90)
        assert (only.returncode, only.stdout.splitlines()[0]) == (0, "OK: 1 of 1 channel took it")
        assert mailwatch("test-alert", "--config", config, "--channel", "hook1", timeout=90).returncode == 2
    said = json.loads(one.posted[0].body)
    assert said["kind"] == "test"
    assert said["subject"].endswith("test of mailwatch: this channel works")


def test_as_json_it_says_the_same(tmp_path: Path) -> None:
    with WebServer(status=503, headers={"Retry-After": "7"}) as server:
        done = mailwatch("test-alert", "--json", "--config", configured(tmp_path, server.url()), timeout=90)
    said = json.loads(done.stdout)
    assert (done.returncode, said["verdict"]) == (2, "error")
    (channel,) = said["channels"]
    assert 0 < channel.pop("seconds") < 60
    assert channel == {
        "name": "hook0", "type": "webhook", "sent": False, "permanent": False, "retry_after": 7.0,
        "answer": f"127.0.0.1:{server.port} refuses it: HTTP 503 Service Unavailable: thanks",
    }  # fmt: skip
