"""The agent beside a real Postfix: what is silent in the log is on its page."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts.agent import RunningAgent, parsed
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def postfix() -> Iterator[PrivatePostfix]:
    made = PrivatePostfix(
        Path(tempfile.mkdtemp(prefix="postfix-")),
        free_port(),
        settings={"queue_run_delay": "1000s", "minimal_backoff_time": "1000s", "maximal_backoff_time": "1000s"},
    )
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.root)


def test_what_no_line_says_is_on_the_page(tmp_path: Path, postfix: PrivatePostfix) -> None:
    postfix.send(3)
    extra = f'[queue]\ninterval = 1\n[postfix]\nconfig_dir = "{postfix.etc}"\nrelays = ["127.0.0.1"]'
    agent = RunningAgent(tmp_path, postfix.log, extra=extra).start()

    def comes(number: float | None, name: str, **labels: str) -> None:
        eventually(
            lambda: agent.value(f"mailwatch_{name}", postfix_instance="postfix", **labels) == number,
            within=30,
            what=f"{name}{labels} is {number}",
        )

    try:
        comes(3, "queue_messages", queue="deferred")
        comes(3, "queue_recipients", queue="deferred")
        comes(0, "queue_messages", queue="incoming")
        comes(3, "queue_delayed_recipients", cause="relay-unreachable")
        comes(None, "queue_oldest_message_timestamp_seconds", queue="incoming")
        comes(1, "postfix_up")
        comes(1, "postfix_queue_manager_up")
        comes(1.5 * 10240000, "queue_filesystem_needed_bytes")
        comes(0, "log_silent_seconds")
        for probe in ("queue", "postfix", "disk", "log-moving"):
            assert agent.value("mailwatch_probe_success", probe=probe) == 1

        master = (postfix.root / "spool/pid/master.pid").read_text().strip()
        [manager] = run("pgrep", "-P", master, "-x", "qmgr").split()
        os.kill(int(manager), signal.SIGSTOP)
        postfix.send(2)
        comes(1, "postfix_stopped_processes")
        comes(2, "queue_messages", queue="incoming")
        os.kill(int(manager), signal.SIGCONT)
        comes(0, "postfix_stopped_processes")
        comes(5, "queue_messages", queue="deferred")

        postfix.stop()
        comes(0, "postfix_up")
        comes(None, "postfix_queue_manager_up")
        agent.wait_until_said("Postfix is down")
        # we are root, and can count the files
        comes(5, "queue_messages", queue="deferred")
        comes(None, "queue_recipients", queue="deferred")
        # postqueue would complain in the log, and the log must not seem to live by our own questions
        before = postfix.log.read_bytes()
        looked_at = agent.value("mailwatch_probe_last_success_timestamp_seconds", probe="queue") or 0
        agent.wait_for(looked_at + 2, "mailwatch_probe_last_success_timestamp_seconds", probe="queue")
        assert postfix.log.read_bytes() == before

        agent.config.write_text(agent.config.read_text().replace("interval = 1", "interval = 0"))
        agent.signal(signal.SIGHUP)
        agent.wait_until_said("the configuration was read again")
        eventually(lambda: not of_postfix(agent), within=20, what="what is not looked at has no numbers")
        assert agent.stop() == 0
    finally:
        agent.kill()


def of_postfix(agent: RunningAgent) -> list[str]:
    """The metrics of an instance of Postfix."""
    return [name for name, labels in parsed(agent.page()) if "postfix_instance" in dict(labels)]
