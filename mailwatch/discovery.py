"""Finds Postfix on this machine, asks postconf(1) where it logs, queues and relays to, and opens its log.

Never blocks longer than its deadline, never needs root. Where there is no Postfix the result says so, and where
it does not answer an exception does; what to do about that is for the caller to say.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mailwatch.sources import SOURCES
from mailwatch.sources.journal_files import folders, names
from mailwatch.sources.journalctl import journalctl
from mailwatch.sources.stdin import STANDARD_INPUT
from mailwatch.sources.wakeup import FoldersWakeup, StreamWakeup, Wakeup

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mailwatch.options import Options
    from mailwatch.sources.batch import Source

DEADLINE: Final = 10.0
ASKED: Final = (
    "maillog_file",
    "queue_directory",
    "relayhost",
    "smtp_fallback_relay",
    "sender_dependent_relayhost_maps",
    "transport_maps",
    "mynetworks",
    "mydomain",
    "myhostname",
    "syslog_name",
    "syslog_facility",
)
FACILITIES: Final = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
    "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21,
    "local6": 22, "local7": 23,
}  # fmt: skip
"""What syslog_facility may name (postconf(5)), with the numbers of RFC 5424."""
LOGS: Final = (
    Path("/var/log/mail.log"),
    Path("/var/log/maillog"),
    Path("/var/log/mail/mail.log"),
    Path("/var/log/syslog"),
    Path("/var/log/messages"),
)
"""Where syslog puts mail: Debian, Red Hat, openSUSE and Alpine; at last the files that get everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """What Postfix says of itself. ``domain`` is what its own addresses end in."""

    maillog_file: Path | None = None
    queue_directory: Path | None = None
    relayhost: str = ""
    fallback_relays: tuple[str, ...] = ()
    sender_relays: str = ""
    transport_maps: str = ""
    networks: tuple[str, ...] = ()
    domain: str = ""
    hostname: str = ""
    syslog_name: str = ""
    syslog_facility: str = "mail"


class PostconfFails(Exception):  # noqa: N818 - the words of this house
    """postconf(1) is there and does not answer, which may be so for a moment only; the text says how it failed."""


class LogNotFound(Exception):  # noqa: N818 - the words of this house
    """No log was found; the text says where it was looked for, and what to do."""


def postfix_program(name: str) -> str | None:
    """Where a command of Postfix lies; None where it is missing."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def ask_postconf(config_dir: Path | None) -> Postfix | None:
    """What postconf(1) says; None where it is missing. Raises PostconfFails."""
    program = postfix_program("postconf")
    if program is None:
        return None
    chosen = ["-c", str(config_dir)] if config_dir else []
    said = answer([program, *chosen, "-x", *ASKED])
    pairs = (line.partition("=") for line in said.splitlines())
    values = {name.strip(): value.strip() for name, _, value in pairs}
    maillog, queue = values.get("maillog_file", ""), values.get("queue_directory", "")
    return Postfix(
        # /dev/stdout is a container's: its lines go where the container's output goes
        maillog_file=Path(maillog) if maillog.startswith("/") and not maillog.startswith("/dev/") else None,
        queue_directory=Path(queue) if queue else None,
        relayhost=values.get("relayhost", ""),
        fallback_relays=tuple(values.get("smtp_fallback_relay", "").replace(",", " ").split()),
        sender_relays=values.get("sender_dependent_relayhost_maps", ""),
        transport_maps=values.get("transport_maps", ""),
        networks=tuple(values.get("mynetworks", "").replace(",", " ").split()),
        domain=values.get("mydomain", ""),
        hostname=values.get("myhostname", ""),
        syslog_name=values.get("syslog_name", ""),
        syslog_facility=values.get("syslog_facility", "mail"),
    )


def answer(words: list[str]) -> str:
    """What a program prints. Raises PostconfFails."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            words, capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PostconfFails(f"{words[0]} did not answer within {DEADLINE:.0f} s") from error
    except OSError as error:
        raise PostconfFails(f"cannot run {words[0]}: {error.strerror or error}") from error
    if done.returncode:
        complaints = done.stderr.decode("utf-8", "replace").splitlines() or ["it does not say why"]
        last = "".join(each if each.isprintable() else "?" for each in complaints[-1])
        raise PostconfFails(f"{words[0]} fails with exit code {done.returncode}: {last}")
    return done.stdout.decode("utf-8", "replace")


def find_log(
    options: Options, postfix: Postfix | None, places: tuple[Path, ...] = LOGS, known: Collection[Path] = ()
) -> Path:
    """The log file to read: the configured one, Postfix's own, or the first place that exists. Raises LogNotFound.

    A place that was read before is ``known``, and is waited for: while rotation has taken mail.log away, the
    same lines in a file that gets everything would be counted once more.
    """
    if options.log.path is not None:
        return options.log.path
    if postfix is not None and postfix.maillog_file is not None:
        return postfix.maillog_file
    for path in (*(each for each in places if each in known), *(each for each in places if each.exists())):
        return path
    searched = ", ".join(map(str, places))
    if options.log.source == "auto":
        journal = " or ".join(map(str, folders(options.log.journal_dir)))
        unread = journalctl() is None and has_journal(options.log.journal_dir)
        no_journal = f"the journal in {journal} cannot be read: journalctl is missing"
        searched += f", and {no_journal if unread else f'no journal in {journal}'}"
    said = "no Postfix here (postconf is missing)" if postfix is None else "Postfix's maillog_file is not set"
    msg = (
        f"found no mail log: {said}, and there is no {searched}. "
        "Say where it is with --log FILE or [log] path, or install rsyslog"
    )
    raise LogNotFound(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is read: a ``file`` at ``path``, the ``journal`` (in the folder ``path``, if any), or ``stdin``."""

    kind: str
    path: Path | None = None

    def __str__(self) -> str:
        """For people."""
        if self.kind == "stdin":
            return "standard input"
        if self.kind == "journal":
            return "the systemd journal" if self.path is None else f"the systemd journal in {self.path}"
        return str(self.path)


def choose_log(
    options: Options,
    postfix: Postfix | None,
    *,
    places: tuple[Path, ...] = LOGS,
    known: Collection[Path] = (),
    known_journals: Collection[Path | None] = (),
) -> Log:
    """What to read. Raises LogNotFound.

    A file goes before the journal, for syslog writes it where there is one. But what was read before is read
    on: were the same lines to appear in the other as well, they would be counted once more.
    """
    directory = options.log.journal_dir
    if options.log.source == "stdin":
        return Log(kind="stdin")
    if options.log.source == "journal":
        return Log(kind="journal", path=directory)
    told = options.log.path is not None or (postfix is not None and postfix.maillog_file is not None)
    # a file elsewhere that is known does not matter here: it may have been told once, with --log
    if options.log.source == "auto" and not told and not any(path in known for path in places):
        if directory in known_journals:
            return Log(kind="journal", path=directory)
        if not any(path.exists() for path in places) and journalctl() and has_journal(directory):
            return Log(kind="journal", path=directory)
    return Log(kind="file", path=find_log(options, postfix, places, known))


def choose_without_postfix(
    options: Options, *, known: Collection[Path] = (), known_journals: Collection[Path | None] = ()
) -> Log | None:
    """What to read while postconf fails: what the options tell, or the one log that was read before; else None.

    A guess could be another log than Postfix's own, and that would be read as soon as postconf answers again.
    """
    if options.log.source in ("stdin", "journal") or options.log.path is not None:
        return choose_log(options, None)
    read = [Log(kind="file", path=path) for path in known]
    if options.log.source == "auto" and options.log.journal_dir in known_journals:
        read.append(Log(kind="journal", path=options.log.journal_dir))
    return read[0] if len(read) == 1 else None


def has_journal(directory: Path | None) -> bool:
    """Whether there is a journal: a file of it, or a folder that may hold one and that we may not look into."""
    for folder in folders(directory):
        try:
            if names(folder):
                return True
        except OSError:
            return True
    return False


def trouble_of(log: Log) -> OSError | None:
    """Why a log cannot be read now."""
    if log.kind == "file" and log.path is not None:
        return log_trouble(log.path)
    if log.kind == "journal":
        return journal_trouble(log.path)
    return None


def journal_trouble(directory: Path | None) -> OSError | None:
    """Why the journal cannot be read now. One that is not there yet is waited for, as a file is."""
    if journalctl() is None:
        return OSError(errno.ENOEXEC, "journalctl is missing")
    there = False
    for folder in folders(directory):
        try:
            for path in names(folder):
                there = True
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
        except FileNotFoundError:
            there = True  # rotated away this moment
        except OSError as error:
            return error
    return None if there else FileNotFoundError(errno.ENOENT, f"no journal files in {folders(directory)[0]}")


def open_log(
    log: Log,
    *,
    start: str,
    facilities: Collection[int],
    positions: Mapping[str, str] | None = None,
    olddir: Path | None = None,
    adopt: Path | None = None,
) -> Source:
    """The source that reads a log, from ``positions`` on; at the very first start from its ``start``."""
    if log.kind == "stdin":
        return SOURCES["stdin"](positions=positions or {})
    if log.kind == "journal":
        return SOURCES["journal"](log.path, positions=positions or {}, start=start, facilities=facilities)
    return SOURCES["file"](log.path, positions=positions or {}, start=start, olddir=olddir, adopt=adopt)


def wakeup_of(log: Log) -> Wakeup:
    """What tells that there is something new to read."""
    if log.kind == "stdin":
        return StreamWakeup(STANDARD_INPUT.descriptor)
    if log.kind == "journal" or log.path is None:
        return FoldersWakeup(partial(folders, log.path))
    return Wakeup(log.path)


def facilities(postfix: Postfix | None) -> frozenset[int]:
    """The numbers of the syslog facilities that Postfix's lines may have."""
    named = "mail" if postfix is None else postfix.syslog_facility
    return frozenset({FACILITIES["mail"], FACILITIES.get(named, FACILITIES["mail"])})


def log_trouble(path: Path) -> OSError | None:
    """Why the log cannot be read now. Never blocks: a FIFO or a device is refused, not opened."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return OSError(errno.EINVAL, "it is not a regular file")
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        return error
    return None


def syslog_names(options: Options, postfix: Postfix | None) -> frozenset[str]:
    """The names under which Postfix's lines appear in the log."""
    own = {postfix.syslog_name.partition("/")[0]} if postfix is not None and postfix.syslog_name else set()
    return frozenset(options.postfix.syslog_names) | own
