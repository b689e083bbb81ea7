"""How a command fails: one line on stderr that says what, where and what to do; an exit code; no traceback."""

from __future__ import annotations

from typing import IO, Any, Final

import click

BAD_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: a supervisor need not try again before a person has changed something."""
CRITICAL: Final = 2
UNKNOWN: Final = 3


class Failure(click.ClickException):
    """Ends the command with a line for each mistake and an exit code."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click declares it for the class, and reads it here

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines."""
        for line in self.message.splitlines():
            # it may name what was typed, or what a file holds: nothing of that steers a terminal
            seen = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
            click.echo(f"mailwatch: {seen}", file=file, err=True)
