"""Who watches us hears from the work loop alone, while it works, also when the disk is full, and never holds it up."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch import heart
from mailwatch.heart import Heart
from mailwatch.options import DeadmanOptions, Secret
from mailwatch.pulse import Pulse, Seen
from mailwatch.watchdog import Watchdog
from tests.parts.faulty import FaultyServer
from tests.parts.ports import eventually, free_port
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from pathlib import Path

SILENT = Watchdog({})


def deadman(url: str, **more: float) -> DeadmanOptions:
    return DeadmanOptions(url=Secret(url), **more)  # type: ignore[arg-type]


def paths(server: WebServer) -> list[str]:
    return [each.path for each in list(server.posted)]


def beaten(beating: Heart, pulse: Pulse, server: WebServer, number: int) -> list[str]:
    """What has come when so many pings have, with a loop that beats."""

    def ask() -> bool:
        beating.beat(pulse)
        return len(server.posted) >= number

    eventually(ask, within=15, what="it is pinged")
    return paths(server)


def test_it_says_that_it_starts_is_well_and_is_not() -> None:
    pulse = Pulse()
    with WebServer() as server:
        beating = Heart(SILENT, deadman(server.url("/ping/abc")))
        assert beaten(beating, pulse, server, 2) == ["/ping/abc/start", "/ping/abc"]
        pulse.state = Seen(success=False, trouble="cannot write the state database")
        assert beaten(beating, pulse, server, 3)[2] == "/ping/abc/fail"
        assert b"cannot write the state database" in server.posted[2].body
        pulse.state = Seen(success=True, succeeded_at=1.0)
        assert beaten(beating, pulse, server, 4)[3] == "/ping/abc"


def test_it_is_pinged_again_and_again_but_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer() as server:
        beating = Heart(SILENT, deadman(server.url("/")))
        beaten(beating, Pulse(), server, 2)
        for _ in range(200):
            beating.beat(Pulse())
            time.sleep(0.005)
        assert len(server.posted) == 2
        monkeypatch.setattr(heart, "EVERY", 0.0)
        beaten(beating, Pulse(), server, 5)


def test_without_a_beat_there_is_none() -> None:
    with WebServer() as server:
        Heart(SILENT, deadman(server.url("/")))
        time.sleep(0.3)
        assert server.posted == []


@pytest.mark.parametrize("fault", ["silent", "dripping", "ending"])
def test_a_switch_that_hangs_holds_up_nothing(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    with FaultyServer(fault) as server:
        beating = Heart(SILENT, deadman(f"http://127.0.0.1:{server.port}/secret-token", timeout=1.0))
        begun = time.monotonic()
        for _ in range(1000):
            beating.beat(Pulse())
        assert time.monotonic() - begun < 1.0
        eventually(lambda: "cannot be pinged" in caplog.text, within=10, what="it is said")
        settled(beating)
    assert "secret-token" not in caplog.text


def settled(beating: Heart) -> None:
    if beating._pinging is not None:
        beating._pinging.join(10)


def test_that_it_cannot_be_pinged_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heart, "EVERY", 0.0)
    beating = Heart(SILENT, deadman(f"http://127.0.0.1:{free_port()}/"))
    for _ in range(5):
        beating.beat(Pulse())
        settled(beating)
    assert caplog.text.count("cannot be pinged") == 1


def test_systemd_hears_it_in_time_whatever_the_disk_does(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    pulse = Pulse(state=Seen(success=False, trouble="disk full"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        systemd.settimeout(10)
        watchdog = Watchdog({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": str(os.getpid())})
        beating = Heart(watchdog, DeadmanOptions())
        end = time.monotonic() + 1.0
        heard = [b""]
        while time.monotonic() < end:
            beating.beat(pulse)
            time.sleep(0.02)
        systemd.settimeout(0)
        while heard[-1] is not None:
            try:
                heard.append(systemd.recv(100))
            except BlockingIOError:
                break
        assert heard[1] == b"READY=1"
        assert 5 <= heard.count(b"WATCHDOG=1") <= 11
        watchdog.close()
