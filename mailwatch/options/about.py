"""What a field of the options is about, within which bounds; and texts that never print."""

from __future__ import annotations

from typing import Final

LAST_PORT: Final = 65535


def about(text: str, choices: tuple[str, ...] = (), bounds: tuple[float, float] | None = None) -> dict[str, object]:
    """The metadata of a field: its documentation, the values it may have."""
    return {"about": text, "choices": choices, "bounds": bounds}


class Secret:
    """A text that prints as ``***``, wherever it gets to; ``reveal`` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for who sends it, and nobody else."""
        return self._text

    def __str__(self) -> str:
        """Not the text."""
        return "***"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        """Whether the texts are the same."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """As the text's."""
        return hash(self._text)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        """Copied by a copy of the options, as any value is."""
        return Secret, (self._text,)
