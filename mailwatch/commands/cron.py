"""``mailwatch cron``: everything new since the last time, once.

Promises
    It runs beside no agent and no other run: then it does nothing, says so, and ends with 3. Nothing is printed while
    all is well, so that cron(8) mails nothing; else one line. Exit code 0: well, 1: warning, 2: critical, 3: unknown,
    or kept from its work by a wrong configuration, another mailwatch, a bug.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mailwatch.causes import catalogue
from mailwatch.commands.claim import PRIVATE, holder_of, postfix_and_its_log, refuse_odd_names, unfit
from mailwatch.commands.failure import UNKNOWN, Failure
from mailwatch.commands.judging import judge_of, site_of
from mailwatch.commands.probing import probes_of
from mailwatch.commands.run import log_to_stderr
from mailwatch.config import ConfigError, load
from mailwatch.cron import Run, Setting, tell_deadman
from mailwatch.database import StateError, refuse_unusable
from mailwatch.discovery import facilities, open_log, syslog_names, wakeup_of
from mailwatch.parsers import PARSERS
from mailwatch.summary import WORDS
from mailwatch.tally import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.discovery import Log, Postfix
    from mailwatch.options import Options
    from mailwatch.probes import Probes
    from mailwatch.sources.batch import Source
    from mailwatch.summary import Report

DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EINVAL})
"""What a person has to mend; anything else may be the disk, and then people are told nevertheless."""

log = logging.getLogger("mailwatch")


def hold(folder: Path) -> tuple[int | None, str | None]:
    """The state folder, locked for this process, and why it cannot be written. Raises Failure."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        trouble = f"cannot make the state folder {folder}: {error.strerror}"
        if error.errno in DENIED:
            raise Failure(f"{trouble}. Run as a user who may, or set state_dir", UNKNOWN) from error
        return None, trouble
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        msg = f"another mailwatch{holder_of(folder)} is using {folder}: nothing done"
        raise Failure(msg, UNKNOWN) from error
    if os.statvfs(descriptor).f_flag & os.ST_RDONLY:
        return descriptor, f"cannot write the state folder {folder}: its file system is read-only"
    unusable = unfit(folder, descriptor)
    if unusable is not None:
        os.close(descriptor)
        raise Failure(unusable, UNKNOWN)
    return descriptor, None


def options_of(config: Path | None) -> Options:
    """The configuration. Raises Failure."""
    try:
        options = load(config)
        refuse_odd_names(options)
        refuse_unusable(options.state_dir)
    except (ConfigError, StateError, Failure) as error:
        raise Failure(str(error), UNKNOWN) from error
    return options


def setting_of(options: Options, postfix: Postfix | None, watched: Log, config: Path | None) -> Setting:
    """What the run works with on this machine."""
    judge, mistakes = judge_of(options, postfix, look_up=True)
    for mistake in mistakes:
        log.error("rules of causes are left out: %s", mistake)
    entries = catalogue()

    def open_source(positions: Mapping[str, str], at_end: bool) -> Source:  # noqa: FBT001 - the agent's contract
        return open_log(
            watched,
            positions=positions,
            start="end" if at_end else options.log.start,
            olddir=options.log.olddir,
            adopt=None if at_end else options.log.adopt_offset,
            facilities=facilities(postfix),
        )

    def probes(begun: float | None) -> Probes:
        return probes_of(options, judge, begun, at_once=True, config=config)

    return Setting(
        options=options,
        site=site_of(options, postfix, watched, entries),
        catalogue=entries,
        judge=judge,
        parser=PARSERS["postfix"](names=syslog_names(options, postfix), passed=PASSED),
        wakeup=wakeup_of(watched),
        open_source=open_source,
        probes=probes,
    )


def ran(options: Options, trouble: str | None, config: Path | None) -> Report:
    """Do the run. Raises Failure where there is no log to read."""
    try:
        postfix, watched = postfix_and_its_log(options, None)
    except Failure as failure:
        tell_deadman(options, "fail", failure.message)
        raise Failure(failure.message, UNKNOWN) from failure
    start = threading.Thread(target=tell_deadman, args=(options, "start", ""), daemon=True)
    start.start()
    report = Run(setting_of(options, postfix, watched, config), trouble).run()
    start.join(options.deadman.timeout)
    ours = [*report.unseen, *report.complaints]
    tell_deadman(options, "fail" if ours or report.waiting else "ok", report.line())
    return report


def as_object(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "verdict": ("ok", "warning", "error", "unknown")[report.code],
        "line": report.line(),
        "first_run": report.first,
        "since": report.since,
        "lines": report.lines,
        "firing": [
            {"rule": each.rule, "cause": each.cause, "scope": each.scope, "severity": each.severity,
             "began_at": each.began_at, "muted": each.muted}
            for each in report.firing
        ],
        "told": [each.key for each in report.notices],
        "unseen": list(report.unseen),
        "complaints": list(report.complaints),
        "waiting": report.waiting,
    }  # fmt: skip


def show(report: Report, *, as_json: bool, verbose: bool) -> None:
    """Print the line, where there is somebody to read it or something to read."""
    with suppress(OSError):
        if as_json:
            click.echo(json.dumps(as_object(report)))
        elif report.is_news or verbose or sys.stdout.isatty():
            click.echo(report.line())


@click.command(short_help="Everything new since the last time, once: for cron and timers.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, also when all is well.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is done, also when all is well.")
def cron(*, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Read what is new in the mail log, look at the queue and the host once, tell people of problems in one digest.

    Prints nothing while all is well. Exit code 0: well, 1: warning, 2: critical, 3: unknown, or nothing could be done.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it may be ended at any moment; click would make a warning of that
    os.umask(0o077)
    log_to_stderr("info" if verbose else "error")
    options = options_of(config)
    _descriptor, trouble = hold(options.state_dir)  # until the end of the process
    try:
        report = ran(options, trouble, config)
    except Failure:
        raise
    except Exception as error:
        log.exception("a bug in mailwatch")
        raise Failure(f"{WORDS[UNKNOWN]}: a bug in mailwatch: {type(error).__name__}", UNKNOWN) from error
    show(report, as_json=as_json, verbose=verbose)
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
    # threads that a dead disk or resolver holds are not waited for
    os._exit(report.code)
