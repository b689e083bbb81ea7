"""``mailwatch run``: the agent."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mailwatch import __version__
from mailwatch.agent import Agent
from mailwatch.causes import catalogue
from mailwatch.commands.claim import Claim, claim, refuse_unusable_input
from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.commands.judging import judge_of, site_of
from mailwatch.commands.probing import probes_of
from mailwatch.commands.ties import warn_of_ties
from mailwatch.config import ConfigError, load
from mailwatch.discovery import facilities, open_log, syslog_names, wakeup_of
from mailwatch.duty import Duty
from mailwatch.heart import Heart
from mailwatch.options import Options, parse_address
from mailwatch.outbox import Outbox
from mailwatch.parsers import PARSERS
from mailwatch.pulse import Pulse
from mailwatch.refusals import Refusals
from mailwatch.tally import PASSED
from mailwatch.watchdog import Watchdog
from mailwatch.web.access import Access
from mailwatch.web.pages import Subject, application
from mailwatch.web.passwords import Checks, is_checking
from mailwatch.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.sources.batch import Source

log = logging.getLogger("mailwatch")

DESCRIPTORS: Final = 65536
STDIN: Final = Path("-")
LEVELS: Final = ("debug", "info", "warning", "error")


class Watch:
    """One life of the agent between two configurations: its files, opened and closed together."""

    def __init__(
        self, claimed: Claim, pulse: Pulse, watchdog: Watchdog, before: Watch | None, config: Path | None
    ) -> None:
        self._claimed = claimed
        self._wakeup = wakeup_of(claimed.log)
        judge, mistakes = judge_of(claimed.options, claimed.postfix, look_up=True)
        for mistake in mistakes:
            log.error("rules of causes are left out: %s", mistake)
        self.probes = probes_of(claimed.options, judge, config=config)
        self.outbox = Outbox(claimed.options.state_dir, claimed.options.channel)
        self._heart = Heart(watchdog, claimed.options.deadman)
        self.duty = self._on_duty()
        if before is not None:
            self._go_on_from(before)
        self._agent = Agent(
            state_dir=claimed.options.state_dir,
            open_source=self._open_source,
            parser=PARSERS["postfix"](names=syslog_names(claimed.options, claimed.postfix), passed=PASSED),
            judge=judge,
            pulse=pulse,
            wakeup=self._wakeup,
            duty=self.duty,
        )

    def _on_duty(self) -> Duty:
        entries = catalogue()
        site = site_of(self._claimed.options, self._claimed.postfix, self._claimed.log, entries)
        return Duty(self._claimed.options, entries, self.outbox, self.probes.taken, self._heart, site)

    def _go_on_from(self, before: Watch) -> None:
        """What could not be committed is in memory alone."""
        now, owed = time.time(), before.duty.owed()
        self.outbox.go_on_from(before.outbox.memories(), now)
        if owed is not None:
            self.duty.go_on_from(owed, now)

    def run(self) -> None:
        """Work until ``stop``."""
        self.probes.start()
        self.outbox.start()
        try:
            self._agent.run()
        finally:
            self.probes.stop()
            self.outbox.stop()
            self._wakeup.close()

    @property
    def ended(self) -> bool:
        """Whether there is nothing to watch any more, and all of it is committed."""
        return self._agent.ended

    def stop(self) -> None:
        """End ``run``. Safe in a signal handler."""
        self._agent.stop()

    def _open_source(self, positions: Mapping[str, str], at_end: bool) -> Source:  # noqa: FBT001 - the agent's contract
        claimed, wanted = self._claimed, self._claimed.options.log
        return open_log(
            claimed.log,
            positions=positions,
            start="end" if at_end else wanted.start,
            olddir=wanted.olddir,
            adopt=None if at_end else wanted.adopt_offset,
            facilities=facilities(claimed.postfix),
        )


class Supervision:
    """Answers signals: SIGTERM and SIGINT end the watch, SIGHUP begins another with the configuration as it is now.

    The page is served all the time: a scrape during a SIGHUP finds what was committed before.
    """

    def __init__(self, claimed: Claim, reload: Reload) -> None:
        self._claimed = claimed
        self._reload = reload
        self._pulse = Pulse()
        self._watchdog = Watchdog()
        self._refusals = Refusals()
        self._access = Access(claimed.web)
        self._subject = Subject(state_dir=claimed.options.state_dir, log=claimed.log)
        self._web = self._served()
        self._watch: Watch | None = None
        self._ending = False
        self._hung_up = False

    def run(self) -> None:
        """Watch until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        self._web.start()
        try:
            while not self._ending:
                if self._hung_up:
                    self._hung_up = False
                    self._change_over()
                self._watch = Watch(self._claimed, self._pulse, self._watchdog, self._watch, self._reload.config)
                self._subject.probed, self._subject.alerts = self._watch.probes.latest, self._watch.duty.alerts
                self._subject.channels = [channel.name for channel in self._claimed.options.channel]
                self._tell()
                if self._hung_up or self._ending:
                    self._watch.stop()  # the signal came before there was this watch to stop
                self._watch.run()
                if self._watch.ended:
                    break
        finally:
            self._watchdog.stopping()
            self._web.stop()
            self._claimed.release()
        log.info("ended, everything committed")

    def _tell(self) -> None:
        claimed = self._claimed
        log.info(
            "mailwatch %s watches log=%s state=%s metrics=%s://%s/metrics",
            __version__,
            claimed.log,
            claimed.options.state_dir,
            claimed.web.scheme,
            claimed.address,
        )
        warn_of_ties(claimed.options, claimed.postfix)
        exposed = claimed.exposed()
        if exposed is not None:
            log.warning("%s", exposed)

    def _served(self) -> WebServer:
        checks = Checks()
        made = application(self._subject, self._pulse, self._refusals, self._access, checks)
        return WebServer(made, self._claimed.listening.dup(), self._refusals, self._access, checks)

    def _interrupt(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._hung_up = True
        else:
            self._ending = True
        if self._watch is not None:
            self._watch.stop()

    def _change_over(self) -> None:
        """Take the configuration as it is now; keep the old one when that is wrong, or needs what is not to be had."""
        try:
            claimed = self._reload(self._claimed)
        except Failure as failure:
            for line in failure.message.splitlines():
                log.error("%s", line)
            log.error("the configuration stays as it was")
            return
        before, self._claimed = self._claimed, claimed
        self._subject.state_dir, self._subject.log = claimed.options.state_dir, claimed.log
        self._access.change(claimed.web)
        if claimed.address != before.address:
            self._web.stop()
            self._web = self._served()
            self._web.start()
        before.release()
        log.info("the configuration was read again")


class Reload:
    """Reads the configuration again, with what the command line said on top."""

    def __init__(self, config: Path | None, overrides: Overrides) -> None:
        self.config = config
        self._overrides = overrides

    def __call__(self, previous: Claim | None = None) -> Claim:
        """Claim what the configuration needs. Raises Failure."""
        try:
            options = self._overrides.applied(load(self.config))
        except ConfigError as error:
            raise Failure(str(error), BAD_CONFIG) from error
        return claim(options, previous)


class Overrides:
    """What the command line says; it wins over the file."""

    def __init__(
        self, *, log_path: Path | None, listen: str | None, state_dir: Path | None, web_config_file: Path | None
    ) -> None:
        self._log_path = log_path
        self._listen = listen
        self._state_dir = state_dir
        self._web_config_file = web_config_file

    def applied(self, options: Options) -> Options:
        """The options with the command line's on top."""
        if self._log_path is not None:
            source, path = ("stdin", None) if self._log_path == STDIN else ("file", self._log_path)
            options = replace(options, log=replace(options.log, source=source, path=path))
        if self._listen is not None:
            options = replace(options, listen=self._listen)
        if self._state_dir is not None:
            options = replace(options, state_dir=self._state_dir)
        if self._web_config_file is not None:
            options = replace(options, web_config_file=self._web_config_file)
        return options


def log_to_stderr(level: str) -> None:
    """Log to stderr; the time only for a person, the journal has its own."""
    stamp = "%(asctime)s " if sys.stderr.isatty() else ""
    logging.basicConfig(level=level.upper(), format=f"{stamp}%(levelname)s %(message)s", stream=sys.stderr, force=True)


def allow_many_files() -> None:
    """Take as many descriptors as we may: idle clients of the page must not use up those the log needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def not_empty(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse an empty path: it would mean the working directory."""
    if value is not None and not value.name:
        raise click.BadParameter(f"expected a path, found {str(value)!r}")
    return value


def address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an address that cannot be one."""
    if value is not None:
        try:
            parse_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


@click.command(short_help="Watch the mail log and serve /metrics.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option(
    "--log",
    "log_path",
    type=click.Path(path_type=Path, readable=False),
    callback=not_empty,
    help="The log to read; - for standard input.",
)
@click.option("--web.listen-address", "listen", callback=address, help="Address and port of /metrics.")
@click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path, readable=False),
    callback=not_empty,
    help="TLS and passwords, as exporter-toolkit has them.",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, readable=False),
    callback=not_empty,
    help="Where to remember what was counted.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
def run(
    *,
    config: Path | None,
    log_path: Path | None,
    listen: str | None,
    web_config_file: Path | None,
    state_dir: Path | None,
    log_level: str,
) -> None:
    """Watch the mail log and serve /metrics, until SIGTERM or the end of standard input.

    Finds Postfix, its log and its queue by itself. SIGHUP reads the configuration again.
    """
    if log_path == STDIN:
        refuse_unusable_input()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    os.umask(0o077)
    log_to_stderr(log_level)
    allow_many_files()
    absolute = log_path
    if log_path is not None and log_path != STDIN:
        absolute = Path(os.path.abspath(log_path))  # noqa: PTH100 - keeps a symlink's own name
    overrides = Overrides(
        log_path=absolute,
        listen=listen,
        state_dir=None if state_dir is None else state_dir.absolute(),
        web_config_file=None if web_config_file is None else web_config_file.absolute(),
    )
    reload = Reload(config, overrides)
    # blocks of events die by reference count; looking through them for cycles cost 7 % of catching up
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    Supervision(reload(), reload).run()
    if is_checking():
        # everything is committed; a daemon thread that comes back from bcrypt into a Python that ends would abort it
        logging.shutdown()
        os._exit(0)
