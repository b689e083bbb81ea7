"""What every source promises: what it hands out and the positions to commit with it belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A stretch of log. Whoever commits what the block says commits ``positions`` in the same transaction.

    ``block`` holds whole lines; ``written_at`` (seconds, UTC) is a time before which they were written;
    ``gaps`` are the reasons for which lines were lost, or may have been; ``overlong`` lines were skipped;
    ``more`` says that there is more to read at once; ``trouble`` why the source cannot be read, and what to do;
    ``ended`` that nothing will ever come again.
    """

    block: bytes = b""
    written_at: float = 0.0
    positions: Mapping[str, str | None] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    overlong: int = 0
    more: bool = False
    trouble: str | None = None
    ended: bool = False

    def is_empty(self) -> bool:
        """Say whether there is nothing to count and nothing to commit."""
        return not (self.block or self.positions or self.gaps or self.overlong)


class Source(Protocol):
    """Where lines come from."""

    def read(self, limit: int) -> Batch:
        """The next stretch, of about ``limit`` bytes at most. Never blocks, never raises for the state of a file."""
        ...

    def close(self) -> None:
        """Let go of files and processes."""
        ...
