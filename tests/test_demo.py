"""The demo: the real agent on the recorded log, seen as its user sees it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from importlib.resources import files

from mailwatch.parsers.postfix import PostfixParser
from mailwatch.tally import Delta, fold
from tests.parts.agent import mailwatch
from tests.parts.ports import free_port

RECORDING = files("mailwatch").joinpath("recordings", "relay-outage.log").read_bytes()


def test_it_shows_the_addresses_and_counts_what_the_recording_holds() -> None:
    delta = Delta()
    fold(delta, PostfixParser(zone=UTC).parse(RECORDING, datetime.now(UTC).timestamp()).events, {}, lambda _: None)
    totals = delta.totals()
    expected = {
        f"{labels[0]} {labels[1]}": value for (name, labels), value in totals.items() if name == "delivery_attempts"
    }
    port = free_port()
    # at this speed the recording is through in half a second, and is not begun again within two
    done = mailwatch("demo", "--speed", "100", "--seconds", "2", "--web.listen-address", f"127.0.0.1:{port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"open     http://127.0.0.1:{port}/" in done.stdout
    seen: dict[str, int] = {}
    for number, agent, status in re.findall(r"\+(\d+) ([a-z]+) ([a-z]+)", done.stdout):
        seen[f"{agent} {status}"] = seen.get(f"{agent} {status}", 0) + int(number)
    assert seen == expected
    assert seen["smtp deferred"] > 0, "the recording has a failure in it"


def test_ctrl_c_ends_it_and_leaves_nothing_behind() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mailwatch", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if "metrics" in line:
            url = line.split()[1]
            break
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (0, "")


def test_the_recording_names_no_real_host_or_person() -> None:
    text = RECORDING.decode()
    assert not re.search(r"/tmp|/home|/root|/work", text)
    hosts = set(re.findall(r"[a-z0-9.-]+\.[a-z]{2,}", text))
    assert all(host.endswith((".example", ".cf")) or "." not in host for host in hosts if not host[0].isdigit()), hosts
