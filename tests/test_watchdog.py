"""systemd is told over a real socket, of both kinds, and a socket that is full or gone holds up nobody."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from mailwatch.watchdog import Watchdog

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("abstract", [False, True], ids=["a path", "an abstract name"])
def test_systemd_hears_that_we_are_ready_alive_and_ending(tmp_path: Path, abstract: bool) -> None:
    name = f"@mailwatch-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0", 1) if abstract else name)
        systemd.settimeout(10)
        watchdog = Watchdog({"NOTIFY_SOCKET": name})
        assert watchdog.ready()
        assert watchdog.alive()
        assert watchdog.status("reads\nthe log")
        assert watchdog.stopping()
        assert [systemd.recv(100) for _ in range(4)] == [
            b"READY=1",
            b"WATCHDOG=1",
            b"STATUS=reads the log",
            b"STOPPING=1",
        ]
        watchdog.close()


def test_a_socket_that_is_full_or_gone_holds_up_nobody(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    watchdog = Watchdog({"NOTIFY_SOCKET": name})
    assert not watchdog.alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        told = 0
        while watchdog.alive():
            told += 1
        assert told
        assert systemd.recv(100) == b"WATCHDOG=1"
        assert watchdog.alive()
    assert not watchdog.alive()
    watchdog.close()


@pytest.mark.parametrize("name", ["", "relative", "vsock:2:1"])
def test_without_a_socket_nothing_is_told(name: str) -> None:
    assert not Watchdog({"NOTIFY_SOCKET": name}).ready()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_how_often_is_half_of_what_systemd_waits(environment: dict[str, str], expected: float | None) -> None:
    assert Watchdog(environment).every == expected
