"""Killed at every step between a decision and its notification, the agent loses none, and repeats them by their key.

The agent is a process of its own, killed with SIGKILL at a step (tests/torture/doomed.py), at a system call (strace), by
the other side while it is told, and at any time; then started again. ``--long`` kills more than a hundred times.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.parts.outage import Outages, agent_with, table, told, web
from tests.parts.ports import eventually
from tests.parts.web_server import WebServer
from tests.torture.doomed import COMMITS, RELOADS, TELLS
from tests.torture.victim import REPOSITORY, CrashPoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.agent import RunningAgent

BLOCK = re.compile(r"^\S+Z page (first|resolved) (\S+) ", re.MULTILINE)
SYSTEM_CALLS = {"pwrite64": (1, 30), "fdatasync": (1, 9), "write": (1, 6), "openat": (330, 420), "vfork": (1, 2)}
DIES_WITHIN, COMES_WITHIN = 20.0, 30.0


@dataclass
class Life:
    """An agent with two channels, killed and started again while outages begin and end."""

    folder: Path
    server: WebServer
    agent: RunningAgent = field(init=False)
    outages: Outages = field(init=False)
    begun: int = 0
    ended: int = 0
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.file = self.folder / "told"
        self.agent = agent_with(
            self.folder, web(self.server.url()), table({"name": "file", "type": "file", "path": str(self.file)})
        )
        self.agent.write_config()
        self.outages = Outages(self.agent.log)

    def start(self, doom: str = "", before: tuple[str, ...] = ()) -> None:
        """Start the agent, to be killed at a step."""
        words = [sys.executable, "-m", "tests.torture.doomed", "run", "--config", str(self.agent.config)]
        with (self.folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                [*before, *words],
                stderr=stderr,
                cwd=REPOSITORY,
                env=os.environ | {"DOOM": doom},
                start_new_session=True,
            )

    def toggle(self) -> None:
        """An outage begins, or ends."""
        if self.begun == self.ended:
            self.begun += 1
            self.outages.begin()
        else:
            self.ended += 1
            self.outages.end()

    def channels(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Kind and key of all that came, by the webhook and in the file."""
        text = self.file.read_text() if self.file.exists() else ""
        return told(self.server), [(kind, key) for kind, key in BLOCK.findall(text)]

    def has_all(self) -> bool:
        """Whether all has come by both."""
        return all(len(set(came)) >= self.begun + self.ended for came in self.channels())

    def dies(self) -> None:
        """Return when it was killed."""
        assert self.process is not None
        try:
            assert self.process.wait(DIES_WITHIN) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            raise AssertionError(f"its doom did not come: {self.agent.said[-2000:]}") from None
        self.kills += 1

    def arrives(self) -> None:
        """Return when all has come."""
        eventually(self.has_all, within=COMES_WITHIN, what="all that was decided has come")

    def kill(self) -> None:
        """Kill it, and all that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def settle(self) -> None:
        """Have an agent without a doom do what is left."""
        if not self.alive():
            self.start()
        self.arrives()

    def check(self) -> None:
        """All came, in its order, repeated only by its key and at once; and every line was counted once."""
        self.settle()
        for came in self.channels():
            once = [each for each, _ in groupby(came)]
            assert [kind for kind, _ in once] == ["first", "resolved"] * self.ended + ["first"] * (
                self.begun - self.ended
            )
            assert len(set(once)) == len(once)
            for (_, first), (_, resolved) in zip(once[::2], once[1::2], strict=False):
                assert first.rpartition("/first/")[0] == resolved.rpartition("/resolved/")[0]
        for status, number in self.outages.written.items():
            self.agent.wait_for(number, "mailwatch_delivery_attempts_total", status=status)
            assert self.agent.value("mailwatch_delivery_attempts_total", status=status) == number
        assert "Traceback" not in self.agent.said


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with WebServer() as server:
        made = Life(tmp_path, server)
        try:
            yield made
        finally:
            made.kill()


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often each step is a doom, of a beginning and of an end."""
    return 6 if request.config.getoption("--long", default=False) else 1


def test_killed_at_each_step_it_loses_nothing(life: Life, rounds: int) -> None:
    for _ in range(rounds):
        for step in COMMITS * 2 + TELLS * 2:
            if life.begun + life.ended and (step in COMMITS or life.has_all()):
                life.settle()
                life.kill()
            life.start(step)
            if life.has_all():
                life.toggle()
            life.dies()
    life.check()
    assert life.kills == rounds * 2 * (len(COMMITS) + len(TELLS))


def test_killed_by_the_other_side_while_it_is_told_it_loses_nothing(life: Life, rounds: int) -> None:
    life.server.before_answer = life.kill
    for _ in range(rounds * 3):
        life.start()
        life.toggle()
        life.dies()
        life.server.before_answer = None
        life.settle()
        # nobody knows that it came, so it comes again
        eventually(lambda: len(told(life.server)) >= 2 * life.kills, within=COMES_WITHIN, what="it comes again")
        life.kill()
        life.server.before_answer = life.kill
    life.server.before_answer = None
    life.check()


def test_killed_while_its_configuration_is_read_again_it_loses_nothing(life: Life, rounds: int) -> None:
    for _ in range(rounds):
        for step in RELOADS:
            life.start(step)
            eventually(life.agent.page, within=20, what="the agent answers")
            life.toggle()
            assert life.process is not None
            life.process.send_signal(signal.SIGHUP)
            life.dies()
            life.settle()
            life.kill()
    life.check()


def test_killed_at_its_system_calls_and_at_any_time_it_loses_nothing(life: Life, rounds: int) -> None:
    random = Random(7)
    for number in range(rounds * 6):
        if life.has_all():
            life.toggle()
        if number % 2:
            call = random.choice(tuple(SYSTEM_CALLS))
            life.start(before=tuple(CrashPoint(call=call, when=random.randint(*SYSTEM_CALLS[call])).arguments()))
        else:
            life.start()
        end = time.monotonic() + (random.uniform(0.3, 0.9) if number % 2 == 0 else 3.0)
        while life.alive() and time.monotonic() < end:
            time.sleep(0.02)
        life.kill()
        life.kills += 1
    life.check()
