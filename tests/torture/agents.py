"""The agents that can be tortured: how to start each, and how to ask it what it counted."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.torture.page import PageCounter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLDDIR: Final = "archive"
"""The folder beside the log that is configured as olddir where it exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """``arguments`` makes the command line from the log, the state folder and the port; ``counter`` reads the page.

    ``witness`` is the file in the state folder in which it remembers each line that it counted, if it does.
    """

    arguments: Callable[[Path, Path, int], list[str]]
    counter: PageCounter
    witness: str | None = None


def run_mailwatch(log: Path, state_dir: Path, port: int, *, module: str) -> list[str]:
    """The command line of the agent, or of a variety of it, with a configuration file of its own."""
    olddir = f"olddir = {json.dumps(OLDDIR)}\n" if (log.parent / OLDDIR).is_dir() else ""
    config = state_dir.with_name("mailwatch.toml")
    config.write_text(
        f'state_dir = {json.dumps(str(state_dir))}\nlisten = "127.0.0.1:{port}"\n\n'
        f'[log]\npath = {json.dumps(str(log))}\nstart = "beginning"\n{olddir}'
    )
    return [sys.executable, "-m", module, "run", "--config", str(config), "--log-level", "warning"]


def run_pygtail(log: Path, state_dir: Path, port: int) -> list[str]:
    """The command line of the baseline."""
    return [sys.executable, "-m", "tests.torture.baseline_pygtail", str(log), str(state_dir), str(port)]


MAILWATCH_PAGE: Final = PageCounter(attempts="mailwatch_delivery_attempts_total", gaps="mailwatch_log_gaps_total")

AGENTS: Final[dict[str, Agent]] = {
    "mailwatch": Agent(arguments=partial(run_mailwatch, module="mailwatch"), counter=MAILWATCH_PAGE),
    "mutant": Agent(arguments=partial(run_mailwatch, module="tests.torture.mutant"), counter=MAILWATCH_PAGE),
    "witness": Agent(
        arguments=partial(run_mailwatch, module="tests.torture.witness"), counter=MAILWATCH_PAGE, witness="state.db"
    ),
    "pygtail": Agent(
        arguments=run_pygtail,
        counter=PageCounter(attempts="baseline_delivery_attempts_total"),
        witness="totals.db",
    ),
}
