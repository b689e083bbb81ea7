"""The units: systemd takes them, hears that the agent is ready and alive, and what ends badly is told."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.agent import RunningAgent
from tests.parts.web_server import WebServer

UNITS = Path(__file__).parent.parent / "systemd"
PROGRAM = Path(sys.executable).with_name("mailwatch")
SERVICES = sorted(each.name for each in UNITS.glob("*.service"))


def test_systemd_takes_them(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/mailwatch", str(PROGRAM)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_they_are_sealed_off(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", UNITS / name],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_an_end_that_is_no_success_is_told_and_not_again_soon(tmp_path: Path, name: str) -> None:
    [line] = re.findall(r"(?m)^ExecStopPost=(.+)$", (UNITS / name).read_text())
    folder = f"/run/{name.removesuffix('.service')}"
    config = tmp_path / "mailwatch.toml"
    for written, meant in (
        ("/usr/local/bin/mailwatch notify", f"{PROGRAM} notify --config {config}"),
        (folder, str(tmp_path)),
        ("%H", "mx1"),
        ("$$", "$"),
    ):
        assert written in line
        line = line.replace(written, meant)

    def ends(result: str, code: str, status: str) -> None:
        told = {"SERVICE_RESULT": result, "EXIT_CODE": code, "EXIT_STATUS": status}
        done = subprocess.run(
            shlex.split(line), env=os.environ | told, capture_output=True, text=True, timeout=60, check=False
        )
        assert not done.stderr

    with WebServer() as web:
        config.write_text(f'[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "{web.url()}"\n')
        ends("success", "exited", "0")
        assert not web.posted
        web.status = 500
        ends("watchdog", "dumped", "ABRT")
        web.status = 200
        ends("watchdog", "dumped", "ABRT")
        assert b"on mx1 ended: watchdog, dumped ABRT" in web.posted[1].body
        ends("exit-code", "exited", "1")
        assert len(web.posted) == 2


def test_systemd_hears_that_the_agent_is_ready_and_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "notify")
    log = tmp_path / "mail.log"
    log.touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        agent = RunningAgent(tmp_path / "agent", log).start()
        try:
            heard = [systemd.recv(100) for _ in range(3)]
        finally:
            agent.stop()
        assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
