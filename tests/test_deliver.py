"""A notification is back by its deadline whatever the other side does, holds up no other, and needs no disk."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels.deliver import deliver
from mailwatch.commands.telling import tell_all
from mailwatch.options import ChannelOptions, Secret
from tests.parts.alarm import alarm
from tests.parts.certificates import Authority
from tests.parts.faulty import FAULTS, FaultyServer
from tests.parts.ports import eventually
from tests.parts.web_server import WebServer
from tests.torture.disk import small_disk

if TYPE_CHECKING:
    from mailwatch.channels.wire import Outcome

SECONDS = 1.5
LIMIT = 3.5
"""The deadline, and what killing may take on a busy machine."""


def web(port: int, timeout: float = SECONDS) -> ChannelOptions:
    return ChannelOptions(name="hook", type="webhook", url=Secret(f"http://127.0.0.1:{port}/"), timeout=timeout)


def secure_web(port: int) -> ChannelOptions:
    return ChannelOptions(name="tls", type="webhook", url=Secret(f"https://127.0.0.1:{port}/"), timeout=SECONDS)


def mail(port: int) -> ChannelOptions:
    return ChannelOptions(
        name="mail", host="127.0.0.1", port=port, from_="a@example.com", to=("b@example.com",), timeout=SECONDS
    )


def secure_mail(port: int) -> ChannelOptions:
    return ChannelOptions(
        name="mails",
        host="127.0.0.1",
        port=port,
        tls="implicit",
        from_="a@example.com",
        to=("b@example.com",),
        timeout=SECONDS,
    )


def service(port: int) -> ChannelOptions:
    return ChannelOptions(name="service", url=Secret(f"json://127.0.0.1:{port}/"), timeout=SECONDS)


def mail_service(port: int) -> ChannelOptions:
    url = f"mailto://127.0.0.1:{port}/?from=a@example.com&to=b@example.com&smtp=127.0.0.1"
    return ChannelOptions(name="mailto", url=Secret(url), timeout=SECONDS)


def members(port: int) -> ChannelOptions:
    return ChannelOptions(name="am", urls=(Secret(f"http://127.0.0.1:{port}"),), timeout=SECONDS)


WAYS = (web, secure_web, mail, secure_mail, service, mail_service, members)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS, ids=lambda each: each.__name__)
def test_a_server_that_goes_wrong_is_bounded(way: type, fault: str) -> None:
    with FaultyServer(fault) as server:
        outcome: Outcome = deliver(way(server.port), alarm())
    assert not outcome.sent
    assert outcome.answer.isprintable()
    assert 0 < len(outcome.answer) <= 300
    assert outcome.took < LIMIT


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"]
)
@pytest.mark.parametrize("fault", ["silent", "dripping", "endless"])
def test_an_answer_that_only_begins_well_is_bounded(begin: bytes, fault: str) -> None:
    with FaultyServer(fault, begin) as server:
        outcome = deliver(web(server.port, timeout=3), alarm())
    assert outcome.took < LIMIT + 1.5
    # with a whole header it is taken, whatever becomes of the body
    assert outcome.sent == begin.endswith(b"\r\n\r\n")


def test_channels_that_go_wrong_delay_no_other() -> None:
    with ExitStack() as stack, WebServer() as well:
        faulty = [stack.enter_context(FaultyServer(fault)) for fault in FAULTS]
        channels = [way(server.port) for way in (web, mail, service) for server in faulty]
        # one after the other these alone would take 24 s
        channels += [web(faulty[0].port, timeout=3) for _ in range(8)]
        begun = time.monotonic()
        outcomes = tell_all([*channels, web(well.port, timeout=20)], alarm())
        took = time.monotonic() - begun
    assert outcomes[-1].sent
    assert not any(each.sent for each in outcomes[:-1])
    assert took < 15


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/started; sleep 1000"
    outcome = deliver(ChannelOptions(name="c", command=("/bin/sh", "-c", script)), alarm(), 4)
    assert outcome.answer == "/bin/sh did not end in time, and was killed"
    assert outcome.took < LIMIT + 2.5
    started = int((tmp_path / "started").read_text())
    eventually(lambda: not alive(started), within=5, what="what it started has ended")


def test_a_command_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/left; echo done"
    assert deliver(ChannelOptions(name="c", command=("/bin/sh", "-c", script)), alarm()).answer == "done"
    left = int((tmp_path / "left").read_text())
    eventually(lambda: not alive(left), within=5, what="what it left has ended")


def processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def alive(process: int) -> bool:
    """Whether it is there and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_no_child_is_left_over_and_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with FaultyServer("silent") as server:
        deliver(web(server.port, 1), alarm())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    children = [each for each in processes() if parent_of(each) == os.getpid()]
    assert not [each for each in children if b"channels.child" in command_line(each) or not alive(each)]


def parent_of(process: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return -1


def command_line(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def test_a_child_that_cannot_be_started_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    outcome = deliver(web(1), alarm())
    assert (outcome.sent, outcome.answer) == (False, "cannot start a process for it: No such file or directory")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert deliver(web(1), alarm()).answer == "its process ended with 1: it does not say why"


def test_a_notification_that_is_none_is_an_outcome() -> None:
    assert not deliver(web(1), alarm(at=float("nan"))).sent


def test_many_at_once_from_several_threads() -> None:
    with WebServer() as server:
        outcomes: list[Outcome] = []
        threads = [
            threading.Thread(target=lambda: outcomes.append(deliver(web(server.port, 30), alarm()))) for _ in range(8)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
    assert [each.sent for each in outcomes] == [True] * 8


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_wrong_certificate_is_told_at_once(tmp_path: Path, wrong: str) -> None:
    authority = Authority.make(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", san="DNS:other.example" if wrong == "name" else "IP:127.0.0.1"))
    with WebServer(context=context) as server:
        channel = ChannelOptions(
            name="tls", type="webhook", url=Secret(server.url()), ca_file=authority.ca if wrong == "name" else None
        )
        outcome = deliver(channel, alarm())
    assert "the certificate of 127.0.0.1 is not accepted" in outcome.answer
    assert not server.posted


def test_the_watching_program_imports_nothing_heavy() -> None:
    code = "import sys, mailwatch.channels.deliver as d; print(*sorted({'apprise','requests','smtplib','http.client','dns'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == ""


READ_ONLY = """\
set -eu
mount --make-rprivate /
for each in $(awk '$2 !~ "^/(proc|sys)(/|$)" {print $2}' /proc/self/mounts); do mount -o remount,bind,ro "$each"; done
if touch "$HOME/x" /tmp/x /dev/shm/x 2>/dev/null; then echo writable; exit 9; fi
exec "$@"
"""


def test_it_needs_no_disk_that_can_be_written(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    with WebServer() as server:
        config.write_text(
            f'[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "{server.url()}"\ntimeout = 30\n'
            f'[[channel]]\nname = "service"\nurl = "json://127.0.0.1:{server.port}/"\ntimeout = 30\n'
        )
        words = [sys.executable, "-m", "mailwatch", "notify", "--config", str(config), "disk full"]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *words],
            input="no space left", capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("OK: 2 of 2 channels took it")
    assert len(server.posted) == 2


def test_a_full_disk_is_told_by_the_channels_that_need_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, WebServer() as server:
        config = tmp_path / "disk" / "c.toml"
        config.write_text(
            f'[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "{server.url()}"\ntimeout = 30\n'
            f'[[channel]]\nname = "file"\npath = "{tmp_path}/disk/alerts"\n'
        )
        disk.fill(left=0)
        where = {name: str(tmp_path / "disk") for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        done = subprocess.run(
            [sys.executable, "-m", "mailwatch", "notify", "--config", str(config), "disk full"],
            cwd=tmp_path / "disk", env=os.environ | where, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=90, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert "WARNING: 1 of 2 channels took it" in done.stdout
    assert "No space left on device" in done.stdout
    assert len(server.posted) == 1


def test_a_child_ends_with_who_asked_it_and_all_that_it_started(tmp_path: Path) -> None:
    # what hangs must not be told after what a next process tells
    script = f"sleep 1000 & echo $! > {tmp_path}/started; sleep 1000"
    program = (
        "from mailwatch.channels.deliver import deliver; from mailwatch.options import ChannelOptions; "
        "from tests.parts.alarm import alarm; "
        f"deliver(ChannelOptions(name='c', command=('/bin/sh', '-c', {script!r})), alarm(), 60)"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[1])
    try:
        eventually(
            lambda: (tmp_path / "started").exists() and (tmp_path / "started").read_text(), within=20, what="it runs"
        )
        started = int((tmp_path / "started").read_text())
        assert alive(started)
    finally:
        asking.kill()
        asking.wait()
    eventually(lambda: not alive(started), within=5, what="what it started has ended")
