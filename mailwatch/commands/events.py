"""``mailwatch events``: logs as JSON lines, one object for each line of Postfix, for whatever reads JSON."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.config import ConfigError, load
from mailwatch.discovery import (
    Log,
    LogNotFound,
    PostconfFails,
    Postfix,
    ask_postconf,
    choose_log,
    facilities,
    open_log,
    syslog_names,
    trouble_of,
    wakeup_of,
)
from mailwatch.parsers import PARSERS
from mailwatch.record import as_json
from mailwatch.sources.whole import BLOCK, STANDARD_INPUT, Unreadable, blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from mailwatch.options import Options
    from mailwatch.parsers.parsed import Parser

POLL: Final = 1.0
TROUBLE_AFTER: Final = 5.0
"""Seconds a followed log may be away."""
TROUBLED: Final = 1
"""Exit code when a file could not be read, or not to its end; all the others were."""


def show(parser: Parser, lines: bytes, written_at: float) -> None:
    """Print the events of a block, all at once."""
    events = parser.parse(lines, written_at).events
    if events:
        sys.stdout.write("\n".join(map(as_json, events)) + "\n")


def asked_postfix(options: Options, *, log_told: bool) -> Postfix | None:
    """What Postfix says of itself. Raises Failure where it does not answer, and it alone knows where it logs."""
    try:
        return ask_postconf(options.postfix.config_dir)
    except PostconfFails as error:
        if not log_told:
            raise Failure(f"{error}. Name the file to read") from error
        click.echo(f"mailwatch: {error}: reading on without the syslog_name that Postfix may have", err=True)
        return None


def own_log(options: Options, postfix: Postfix | None) -> Log:
    """The log of this host. Raises Failure."""
    try:
        log = choose_log(options, postfix)
    except LogNotFound as error:
        raise Failure(str(error)) from error
    trouble = trouble_of(log)
    if trouble is not None:
        raise Failure(f"cannot read {log}: {trouble.strerror or trouble}")
    return log


def written(log: Log, facilities: Collection[int], *, follow: bool) -> Iterator[tuple[bytes, float]]:
    """What is written to a log from now on, over rotations, until an interrupt; else what the journal holds."""
    source = open_log(log, start="end" if follow else "beginning", facilities=facilities)
    with closing(source), closing(wakeup_of(log)) as wakeup:
        well_at = time.monotonic()
        while True:
            batch = source.read(BLOCK)
            if batch.trouble is None:
                well_at = time.monotonic()
            elif not follow or time.monotonic() - well_at >= TROUBLE_AFTER:  # rotation takes a log away for a moment
                raise Failure(batch.trouble)
            if batch.block:
                yield batch.block, batch.written_at
            if not batch.more:
                if not follow:
                    return
                sys.stdout.flush()
                wakeup.wait(POLL)


def show_all(parser: Parser, names: Sequence[str]) -> bool:
    """Print the events of every file; whether all could be read. What is wrong with one stands on stderr."""
    well = True
    for name in names:
        try:
            for block in blocks(name):
                show(parser, block.lines, block.written_at)
                if block.overlong:
                    click.echo(f"mailwatch: {name}: {block.overlong} lines longer than 64 KiB left out", err=True)
                if name == STANDARD_INPUT:
                    sys.stdout.flush()
        except Unreadable as error:
            well = False
            click.echo(f"mailwatch: {error}", err=True)
    return well


@click.command(short_help="Logs as JSON lines, an object for each line of Postfix.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--follow", "-f", is_flag=True, help="Print what is written from now on, over rotations.")
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
def events(config: Path | None, follow: bool, files: tuple[str, ...]) -> None:  # noqa: FBT001 - click hands it over so
    """Print logs as JSON lines: an object for each line of Postfix, in order.

    Files may be plain, gz, xz, bz2 or zst; - is standard input; without any, it is this host's log. Lines of
    other programs are left out. Stamps without a year are those before the file was last changed.
    """
    try:
        options = load(config)
    except ConfigError as error:
        raise Failure(str(error), BAD_CONFIG) from error
    if follow and (len(files) > 1 or STANDARD_INPUT in files):
        raise click.UsageError("--follow goes with one file; what comes from a pipe is followed anyway: -")
    if sys.stdout is None or (STANDARD_INPUT in files and sys.stdin is None):
        raise Failure("standard input or output is closed: nothing can be read or written there")
    postfix = asked_postfix(options, log_told=bool(files) or options.log.path is not None)
    parser = PARSERS["postfix"](names=syslog_names(options, postfix))
    log = Log(kind="file", path=Path(files[0]).absolute()) if files else own_log(options, postfix)
    try:
        well = True
        if follow or log.kind == "journal":
            for lines, written_at in written(log, facilities(postfix), follow=follow):
                show(parser, lines, written_at)
        else:
            well = show_all(parser, files or (str(log),))
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has had enough, as head(1) does: nothing more can be told to it, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except KeyboardInterrupt:
        return
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Failure(f"cannot write the events: {error.strerror or error}") from error
    raise SystemExit(0 if well else TROUBLED)
