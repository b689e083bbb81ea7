"""Standard input: whole lines out of a pipe, kept until they are committed, and an end that ends the agent."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwatch.sources.lines import LONGEST
from mailwatch.sources.stdin import StdinSource, Stream
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SENT = "postfix/smtp[1]: ABCDEF: to=<{}@b.example>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)\n"
ATTEMPTS = "mailwatch_delivery_attempts_total"


class Pipe:
    """A pipe, read by a source that remembers only what was committed."""

    def __init__(self) -> None:
        read_end, self.end = os.pipe()
        self.stream = Stream(read_end)
        self.positions: dict[str, str] = {}
        self.source = StdinSource(self.stream, positions=self.positions)
        self.overlong = 0
        self.ended = False

    def write(self, data: bytes) -> None:
        os.write(self.end, data)

    def read(self, limit: int = 1 << 18, *, commit: bool = True) -> bytes:
        block = b""
        while True:
            batch = self.source.read(limit)
            block += batch.block
            self.overlong += batch.overlong
            self.ended = batch.ended
            if commit:
                self.positions.update({key: value for key, value in batch.positions.items() if value is not None})
            if not batch.more:
                return block

    def reopen(self) -> None:
        self.source.close()
        self.source = StdinSource(self.stream, positions=self.positions)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.stream.descriptor, made.end):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_a_line_counts_when_it_is_whole_and_reading_never_waits(pipe: Pipe) -> None:
    assert pipe.read() == b""
    pipe.write(b"one\ntw")
    assert pipe.read() == b"one\n"
    assert pipe.read() == b""
    pipe.write(b"o\n")
    assert pipe.read() == b"two\n"
    assert not pipe.ended


def test_the_last_line_counts_without_its_newline_and_then_it_has_ended(pipe: Pipe) -> None:
    pipe.write(b"one\ntwo")
    os.close(pipe.end)
    assert pipe.read() == b"one\ntwo\n"
    assert pipe.ended
    assert pipe.read() == b""
    assert pipe.ended


def test_an_overlong_line_is_skipped_counted_and_not_kept(pipe: Pipe) -> None:
    pipe.write(b"a\n")
    assert pipe.read() == b"a\n"
    for _ in range(40):
        pipe.write(b"x" * 5000)
        assert pipe.read() == b""
    assert len(pipe.stream.rest) <= LONGEST
    pipe.write(b"\nb\n")
    assert pipe.read() == b"b\n"
    assert pipe.overlong == 1


def test_a_small_limit_gives_the_same_lines(pipe: Pipe) -> None:
    pipe.write(b"".join(b"line %d\n" % number for number in range(500)))
    assert pipe.read(limit=7) == b"".join(b"line %d\n" % number for number in range(500))


@given(pieces=st.lists(st.binary(min_size=1, max_size=30), max_size=8), limit=st.integers(1, 40))
def test_however_it_is_written_and_read_the_lines_are_the_same(pieces: list[bytes], limit: int) -> None:
    pipe = Pipe()
    try:
        got = b""
        for piece in pieces:
            pipe.write(piece)
            got += pipe.read(limit)
        os.close(pipe.end)
        got += pipe.read(limit)
        whole = b"".join(pieces)
        assert got == whole + (b"" if whole.endswith(b"\n") or not whole else b"\n")
        assert pipe.ended
    finally:
        os.close(pipe.stream.descriptor)


def test_what_was_not_committed_comes_again_and_what_was_does_not(pipe: Pipe) -> None:
    pipe.write(b"one\n")
    assert pipe.read() == b"one\n"
    pipe.write(b"two\nthr")
    assert pipe.read(commit=False) == b"two\n"
    pipe.reopen()
    assert pipe.read(commit=False) == b"two\n"
    pipe.reopen()
    pipe.write(b"ee\n")
    assert pipe.read() == b"two\nthree\n"
    pipe.reopen()
    assert pipe.read() == b""


def test_positions_of_an_earlier_process_mean_nothing(pipe: Pipe) -> None:
    pipe.positions["stdin:read"] = '{"token": "1 1", "offset": 1000000}'
    pipe.reopen()
    pipe.write(b"one\n")
    assert pipe.read(commit=False) == b"one\n"
    pipe.reopen()
    assert pipe.read() == b"one\n"


def start(agent: RunningAgent, stdin: int) -> None:
    agent.write_config()
    agent.config.write_text(f'state_dir = "{agent.state}"\nlisten = "127.0.0.1:{agent.port}"\n')
    with (agent.folder / "stderr").open("a") as stderr:
        agent.process = subprocess.Popen(
            [sys.executable, "-m", "mailwatch", "run", "--config", str(agent.config), "--log", "-"],
            stdin=stdin, stderr=stderr, text=True,
        )  # fmt: skip
    eventually(agent.page, within=20, what="the agent answers")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    made = RunningAgent(tmp_path / "agent", tmp_path / "no-log")
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_the_agent_reads_a_pipe_and_ends_with_0_when_it_ends(agent: RunningAgent) -> None:
    read_end, end = os.pipe()
    start(agent, read_end)
    os.close(read_end)
    os.write(end, SENT.format(1).encode())
    agent.wait_for(1, ATTEMPTS)
    assert b"standard input" in agent.get("/")[2]
    assert agent.process is not None
    with open(f"/proc/{agent.process.pid}/stat") as found:
        before = sum(map(int, found.read().rpartition(")")[2].split()[11:13]))
    time.sleep(1)  # what it takes while nothing comes can only be seen over a time
    with open(f"/proc/{agent.process.pid}/stat") as found:
        assert sum(map(int, found.read().rpartition(")")[2].split()[11:13])) - before <= 20, "it waits without turning"
    os.write(end, "".join(SENT.format(number) for number in range(400)).encode() + SENT.format(1).encode()[:-1])
    os.close(end)
    assert agent.process.wait(10) == 0
    assert "ended, everything committed" in agent.said
    read_end, end = os.pipe()
    start(agent, read_end)
    os.close(read_end)
    assert agent.value(ATTEMPTS) == 402
    os.close(end)
    assert agent.process.wait(10) == 0


def test_a_hang_up_costs_no_line(agent: RunningAgent) -> None:
    read_end, end = os.pipe()
    start(agent, read_end)
    os.close(read_end)
    for number in range(4):
        line = SENT.format(number).encode()
        os.write(end, line + line[:50])
        agent.signal(signal.SIGHUP)
        eventually(lambda n=number: agent.said.count("was read again") > n, within=10, what="it hangs up")  # type: ignore[misc]
        os.write(end, line[50:])
    agent.wait_for(8, ATTEMPTS)
    assert agent.value(ATTEMPTS) == 8
    assert agent.stop() == 0
    os.close(end)


def test_a_full_disk_costs_no_line(agent: RunningAgent) -> None:
    agent.state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", agent.state], check=True)
    read_end, end = os.pipe()
    try:
        start(agent, read_end)
        os.close(read_end)
        os.write(end, SENT.format(1).encode())
        agent.wait_for(1, ATTEMPTS)
        with contextlib.suppress(OSError), open(agent.state / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 512)
        os.write(end, "".join(SENT.format(number) for number in range(400)).encode())
        agent.wait_until_said("ERROR cannot write the state database")
        os.write(end, SENT.format(2).encode())
        os.close(end)
        (agent.state / "filler").unlink()
        assert agent.process is not None
        assert agent.process.wait(20) == 0
        done = mailwatch("run", "--config", agent.config, "--log", "-", timeout=20)
        assert done.returncode == 0
        start(agent, subprocess.PIPE)
        assert agent.value(ATTEMPTS) == 402
        assert agent.process.stdin is not None
        agent.process.stdin.close()
        assert agent.process.wait(10) == 0
    finally:
        agent.kill()
        subprocess.run(["umount", "-l", agent.state], check=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [("<&-", "it is closed"), ("0> {}", "it is open for writing only")],
    ids=["closed", "for writing"],
)
def test_a_standard_input_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, given: str, said: str) -> None:
    given = given.format(tmp_path / "written")
    (tmp_path / "c.toml").write_text(f'state_dir = "{tmp_path / "state"}"\nlisten = "127.0.0.1:0"\n')
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m mailwatch run --config "$1" --log - {given}', sys.executable, tmp_path / "c.toml"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert done.stderr == (
        f"mailwatch: cannot read standard input: {said}; pipe the log to mailwatch, or set [log] path\n"
    )
    assert not (tmp_path / "state").exists()


def test_an_error_is_trouble_and_a_hang_up_the_end(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        def read(*_: object) -> bytes:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "read", read)

    pipe.write(b"one\ntw")
    assert pipe.read() == b"one\n"
    pipe.write(b"o\n")
    fail(errno.ENOMEM)
    batch = pipe.source.read(100)
    assert (batch.trouble, batch.ended, batch.more) == (
        "cannot read standard input: Cannot allocate memory",
        False,
        False,
    )
    monkeypatch.undo()
    assert pipe.read() == b"two\n"
    pipe.write(b"x")
    fail(errno.EIO)
    assert pipe.read() == b""
    assert pipe.ended


def test_an_overlong_line_that_comes_alone_is_a_line_of_the_log_too(agent: RunningAgent) -> None:
    read_end, end = os.pipe()
    start(agent, read_end)
    os.close(read_end)
    os.write(end, b"x" * 2 * LONGEST + b"\n")
    agent.wait_for(1, "mailwatch_log_overlong_lines_total")
    assert agent.value("mailwatch_log_lines_total") == 1
    os.write(end, SENT.format(1).encode())
    agent.wait_for(1, ATTEMPTS)
    assert agent.value("mailwatch_log_lines_total") == 2
    os.close(end)
