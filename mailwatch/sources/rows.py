"""The rows a log's generations are remembered in, what changed in them, and the gaps that were found.

Whatever is put here is handed out once with the next batch, and committed with what that batch says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.sources.generation import Generation

if TYPE_CHECKING:
    from collections.abc import Collection

REMEMBERED: Final = 1024
"""Generations that are remembered though no file holds them any more; a daily log's reach back almost three years."""


class Rows:
    """The generations by number, from those that were committed."""

    def __init__(self, log: str, generations: dict[int, Generation]) -> None:
        self.log = log
        self.generations = generations
        self._changed: set[int] = set()
        self._gaps: list[str] = []

    def put(self, generation: Generation) -> Generation:
        """Remember a row, as new or as it is now."""
        self.generations[generation.number] = generation
        self._changed.add(generation.number)
        return generation

    def new(self, identity: tuple[int, int], *, live: bool = False, size: int = 0) -> Generation:
        """A generation that was not there before, in the file with this identity; not remembered until it is put."""
        device, inode = identity
        number = max(self.generations, default=0) + 1
        return Generation(number=number, log=self.log, device=device, inode=inode, live=live, size=size)

    def of_this_log(self) -> list[Generation]:
        """Those found under the path that is read now; a state may know other logs from before."""
        return [each for each in self.generations.values() if each.log == self.log]

    def gap(self, reason: str) -> None:
        """Note that lines are lost, or may be."""
        self._gaps.append(reason)

    def forget_beyond(self, found: Collection[int | None]) -> None:
        """Forget the oldest of those that no file was found to hold, when there are too many; all others are needed."""
        excess = len(self.generations) - REMEMBERED
        if excess <= 0:
            return
        idle = [number for number, each in sorted(self.generations.items()) if number not in found and not each.live]
        for number in idle[:excess]:
            del self.generations[number]
            self._changed.add(number)

    def take_changed(self) -> set[int]:
        """The numbers of the rows that changed since they were last taken, those forgotten among them."""
        changed, self._changed = self._changed, set()
        return changed

    def take_gaps(self) -> tuple[str, ...]:
        """The gaps that were found since they were last taken."""
        gaps, self._gaps = tuple(self._gaps), []
        return gaps
