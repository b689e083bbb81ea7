"""The commands a person types; each is a file here and a line below."""

from __future__ import annotations

from typing import Final

import click

from mailwatch import __version__
from mailwatch.commands.check_config import check_config
from mailwatch.commands.demo import demo
from mailwatch.commands.failure import UNKNOWN
from mailwatch.commands.run import run

# a typo must never read as CRITICAL (2, click's own) to a monitoring system
click.UsageError.exit_code = UNKNOWN

COMMANDS: Final[tuple[click.Command, ...]] = (run, check_config, demo)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Know that mail is failing on this host, why, and what to do.",
)
@click.version_option(__version__, prog_name="mailwatch")
def main() -> None:
    """Run a command."""


for _command in COMMANDS:
    main.add_command(_command)
