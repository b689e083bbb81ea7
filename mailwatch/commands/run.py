"""``mailwatch run``: the agent."""

from __future__ import annotations

import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mailwatch import __version__
from mailwatch.agent import Agent
from mailwatch.commands.claim import Claim, claim
from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.config import ConfigError, load
from mailwatch.discovery import syslog_names
from mailwatch.options import Options, parse_address
from mailwatch.parsers import PARSERS
from mailwatch.pulse import Pulse
from mailwatch.sources import SOURCES
from mailwatch.sources.wakeup import Wakeup
from mailwatch.web import WebServer, application

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.sources.batch import Source

log = logging.getLogger("mailwatch")

LEVELS: Final = ("debug", "info", "warning", "error")


class Watch:
    """One life of the agent between two configurations: its threads and files, started and ended together."""

    def __init__(self, claimed: Claim) -> None:
        self._claimed = claimed
        self._wakeup = Wakeup(claimed.log)
        pulse = Pulse()
        options = claimed.options
        self._agent = Agent(
            state_dir=options.state_dir,
            open_source=self._open_source,
            parser=PARSERS["postfix"](names=syslog_names(options, claimed.postfix)),
            pulse=pulse,
            wakeup=self._wakeup,
        )
        self._web = WebServer(application(options.state_dir, pulse, str(claimed.log)), claimed.listening.dup())

    def run(self) -> None:
        """Serve and work until ``stop``."""
        self._web.start()
        try:
            self._agent.run()
        finally:
            self._web.stop()
            self._wakeup.close()

    def stop(self) -> None:
        """End ``run``. Safe in a signal handler."""
        self._agent.stop()

    def _open_source(self, positions: Mapping[str, str], at_end: bool) -> Source:  # noqa: FBT001 - the agent's contract
        wanted = self._claimed.options.log
        return SOURCES["file"](
            self._claimed.log,
            positions=positions,
            start="end" if at_end else wanted.start,
            olddir=wanted.olddir,
            adopt=None if at_end else wanted.adopt_offset,
        )


class Supervision:
    """Answers signals: SIGTERM and SIGINT end the watch, SIGHUP begins another with the configuration as it is now."""

    def __init__(self, claimed: Claim, reload: Reload) -> None:
        self._claimed = claimed
        self._reload = reload
        self._watch: Watch | None = None
        self._ending = False

    def run(self) -> None:
        """Watch until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        while not self._ending:
            self._watch = Watch(self._claimed)
            log.info(
                "mailwatch %s watches log=%s state=%s metrics=http://%s/metrics",
                __version__,
                self._claimed.log,
                self._claimed.options.state_dir,
                self._claimed.address,
            )
            if not self._ending:
                self._watch.run()
            if not self._ending:
                self._change_over()
        self._claimed.release()
        log.info("ended, everything committed")

    def _interrupt(self, number: int, _frame: object) -> None:
        self._ending = self._ending or number != signal.SIGHUP
        if self._watch is not None:
            self._watch.stop()

    def _change_over(self) -> None:
        """Take the configuration as it is now, or keep the old one when it is wrong or what it needs is not to be had.

        Meanwhile the socket listens on: a scrape waits a moment, it is not refused.
        """
        try:
            claimed = self._reload(self._claimed)
        except Failure as failure:
            for line in failure.message.splitlines():
                log.error("%s", line)
            log.error("the configuration stays as it was")
            return
        before, self._claimed = self._claimed, claimed
        before.release()
        log.info("the configuration was read again")


class Reload:
    """Reads the configuration again, with what the command line said on top."""

    def __init__(self, config: Path | None, overrides: Overrides) -> None:
        self._config = config
        self._overrides = overrides

    def __call__(self, previous: Claim | None = None) -> Claim:
        """Claim what the configuration needs. Raises Failure."""
        try:
            options = self._overrides.applied(load(self._config))
        except ConfigError as error:
            raise Failure(str(error), BAD_CONFIG) from error
        return claim(options, previous)


class Overrides:
    """What the command line says; it wins over the file."""

    def __init__(self, *, log_path: Path | None, listen: str | None, state_dir: Path | None) -> None:
        self._log_path = log_path
        self._listen = listen
        self._state_dir = state_dir

    def applied(self, options: Options) -> Options:
        """The options with the command line's on top."""
        if self._log_path is not None:
            options = replace(options, log=replace(options.log, path=self._log_path))
        if self._listen is not None:
            options = replace(options, listen=self._listen)
        if self._state_dir is not None:
            options = replace(options, state_dir=self._state_dir)
        return options


def log_to_stderr(level: str) -> None:
    """Log to stderr; the time only for a person, the journal has its own."""
    stamp = "%(asctime)s " if sys.stderr.isatty() else ""
    logging.basicConfig(level=level.upper(), format=f"{stamp}%(levelname)s %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an address that cannot be one."""
    if value is not None:
        try:
            parse_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--log", "log_path", type=click.Path(path_type=Path, readable=False), help="The log to read.")
@click.option("--web.listen-address", "listen", callback=address, help="Address and port of /metrics.")
@click.option(
    "--state-dir", type=click.Path(path_type=Path, readable=False), help="Where to remember what was counted."
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
def run(config: Path | None, log_path: Path | None, listen: str | None, state_dir: Path | None, log_level: str) -> None:
    """Watch the mail log and serve /metrics, until SIGTERM.

    Finds Postfix, its log and its queue by itself. SIGHUP reads the configuration again.
    """
    os.umask(0o077)
    log_to_stderr(log_level)
    absolute = None if log_path is None else Path(os.path.abspath(log_path))  # noqa: PTH100 - keeps a symlink's own name
    overrides = Overrides(
        log_path=absolute, listen=listen, state_dir=None if state_dir is None else state_dir.absolute()
    )
    reload = Reload(config, overrides)
    Supervision(reload(), reload).run()
