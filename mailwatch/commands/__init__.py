"""The commands a person types; each is a file here and a line below.

A command is imported when it is asked for: ``mailwatch events`` needs no web server, and the agent no demo.
"""

from __future__ import annotations

from importlib import import_module
from typing import IO, Any, Final

import click

from mailwatch import __version__
from mailwatch.commands.failure import UNKNOWN


def mistyped(error: click.UsageError, file: IO[Any] | None = None) -> None:
    """Tell of a mistyped command in one line, as of all other mistakes; click's own are three and a gap."""
    said = " ".join(error.format_message().split())
    said += "" if said.endswith((".", "?")) else "."
    command = error.ctx.command_path if error.ctx is not None else "mailwatch"
    click.echo(f"mailwatch: {said} See {command} --help", file=file, err=True)


# a typo must never read as CRITICAL (2, click's own) to a monitoring system
click.UsageError.exit_code = UNKNOWN
click.UsageError.show = mistyped  # type: ignore[method-assign, assignment]  # each command's mistakes, wherever click finds them

COMMANDS: Final = {
    "run": "mailwatch.commands.run",
    "cron": "mailwatch.commands.cron",
    "check-config": "mailwatch.commands.check_config",
    "notify": "mailwatch.commands.notify",
    "test-alert": "mailwatch.commands.test_alert",
    "explain": "mailwatch.commands.explain",
    "check-dns": "mailwatch.commands.check_dns",
    "events": "mailwatch.commands.events",
    "demo": "mailwatch.commands.demo",
}
"""Each command by its name, and the file it lies in; there it has its name, with _ for -."""


class Commands(click.Group):
    """The commands of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order in which they are told."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None when there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)  # noqa: S101 - a test names the line that is wrong
        return found


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Know that mail is failing on this host, why, and what to do.",
)
@click.version_option(__version__, prog_name="mailwatch")
def main() -> None:
    """Run a command."""
