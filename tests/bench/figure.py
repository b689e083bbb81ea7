"""What a benchmark found: a figure, the bar it is held against, and tables of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing; ``passed`` is None where there is no bar."""

    what: str
    measured: str
    bar: str = ""
    passed: bool | None = None

    def row(self) -> tuple[str, str, str, str]:
        """The cells of its line in a table."""
        return self.what, self.measured, self.bar, {None: "", True: "ok", False: "MISSED"}[self.passed]


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)


def show(figures: Sequence[Figure]) -> int:
    """Print the figures; the exit code: 1 when a bar was missed."""
    print(table([("what", "measured", "bar", ""), *(figure.row() for figure in figures)]))
    return int(any(figure.passed is False for figure in figures))
