"""One run of questions: they share when it ends, and how many may be under way; none of them outlives it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


@dataclass(slots=True)
class Run:
    """``deadline``: seconds from its beginning; ``patience``: seconds for each try."""

    deadline: float
    patience: float
    limit: asyncio.Semaphore
    ends: float = 0.0
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def begin(self) -> None:
        """From now on."""
        self.ends = asyncio.get_running_loop().time() + self.deadline

    def left(self) -> float:
        """Seconds until it ends."""
        return self.ends - asyncio.get_running_loop().time()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have this under way; it is ended with the run."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self) -> None:
        """End all that is under way, and wait for it to have ended."""
        self.ends = 0.0
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(self._tasks)
