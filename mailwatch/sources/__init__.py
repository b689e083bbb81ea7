"""Sources of log lines, each read exactly once: a block of whole lines, and the position to commit with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.sources.file import FileSource
from mailwatch.sources.journal import JournalSource
from mailwatch.sources.stdin import StdinSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.sources.batch import Source

SOURCES: Final[dict[str, Callable[..., Source]]] = {
    "file": FileSource,
    "journal": JournalSource,
    "stdin": StdinSource,
}
