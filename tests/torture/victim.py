"""The agent as a process: started, killed without warning, and started again, any number of times."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

REPOSITORY: Final = Path(__file__).resolve().parents[2]
ENDS_WITHIN: Final = 10.0
CALLS: Final = {
    "pwrite64": (1, 40),
    "fdatasync": (1, 8),
    "fsync": (1, 2),
    "write": (1, 2),
    "openat": (300, 560),
    "unlink": (1, 2),
    "ftruncate": (1, 3),
}
"""The system calls at whose entry the agent is killed, and which of them: not those of its imports, nor later than a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """The ``when``-th entry into a system call, counted in each thread: there the process is killed by strace(1)."""

    call: str
    when: int

    @classmethod
    def drawn(cls, random: Random) -> CrashPoint:
        """Any of them."""
        call = random.choice(tuple(CALLS))
        return cls(call=call, when=random.randint(*CALLS[call]))

    def arguments(self) -> list[str]:
        """What to put in front of a command. The command stays our own child (-D), so that its end is known to us."""
        fault = f"inject={self.call}:signal=SIGKILL:when={self.when}"
        return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={self.call}", "-e", fault]


class Victim:
    """One agent at a time, in a process group of its own. Its output is appended to ``output``."""

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self._arguments = list(arguments)
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, crash_point: CrashPoint | None = None) -> None:
        """Start it, to be killed at a crash point."""
        before = [] if crash_point is None else crash_point.arguments()
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*before, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=REPOSITORY,
            )

    def ended(self) -> int | None:
        """How it ended, if it did."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait for it to end; how it did, or None."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> None:
        """End it and all its children with SIGKILL, at whatever it is doing."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(ENDS_WITHIN)
