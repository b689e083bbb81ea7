"""Whose mail this host sends: the domains of envelope senders, in the newest part of its log."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.discovery import LogNotFound, choose_log, facilities, syslog_names
from mailwatch.event import Queued
from mailwatch.sources.journalctl import journalctl, search_path
from mailwatch.sources.whole import open_log

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailwatch.discovery import Log, Postfix
    from mailwatch.options import Options

NEWEST: Final = 4 << 20
"""Bytes of a log file, or of what journalctl prints, that are looked at."""
ENTRIES: Final = 20_000
DEADLINE: Final = 5.0
MOST: Final = 50
"""So many domains are told of, those that send most."""
LONGEST: Final = 255


class Sender(NamedTuple):
    """A domain that ``messages`` were from."""

    domain: str
    messages: int


class Seen(NamedTuple):
    """Who sends, most first; ``origin`` is the log, ``trouble`` why it could not be read."""

    senders: tuple[Sender, ...] = ()
    origin: str = ""
    trouble: str | None = None


def senders(options: Options, postfix: Postfix | None) -> Seen:
    """The domains of senders in the newest part of this host's log."""
    try:
        log = choose_log(options, postfix)
    except LogNotFound:
        return Seen(trouble="found no mail log here")
    try:
        text = newest_of(log, facilities(postfix))
    except (OSError, ValueError) as error:
        return Seen(trouble=f"cannot read {log}: {getattr(error, 'strerror', None) or error}")
    counted = count(text, syslog_names(options, postfix))
    return Seen(tuple(Sender(*each) for each in counted.most_common(MOST)), str(log))


def newest_of(log: Log, wanted: Collection[int]) -> bytes:
    """The end of a log, from the beginning of a line on. Raises OSError."""
    if log.kind == "journal":
        return newest_of_journal(log, wanted)
    with open_log(str(log)) as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - NEWEST, 0))
        text = file.read(NEWEST)
    return text if size <= NEWEST else text.partition(b"\n")[2]


def newest_of_journal(log: Log, wanted: Collection[int]) -> bytes:
    """The newest entries of the journal. Raises OSError."""
    program = journalctl()
    if program is None:
        raise FileNotFoundError(0, "journalctl is missing")
    chosen = [] if log.path is None else [f"--directory={log.path}"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and numbers, no shell
            [program, "--quiet", "--no-pager", f"--lines={ENTRIES}", "--output=short-iso", *chosen,
             *(f"SYSLOG_FACILITY={each}" for each in sorted(wanted))],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False,
            env={"PATH": search_path(), "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OSError(0, f"journalctl did not answer within {DEADLINE:.0f} s") from error
    if done.returncode:
        raise OSError(0, f"journalctl fails with exit code {done.returncode}")
    return done.stdout[-NEWEST:]


def count(text: bytes, names: Collection[str]) -> Counter[str]:
    """Messages by the domain of their sender; one that was tried again counts once, bounces have no sender."""
    from mailwatch.parsers import PARSERS  # noqa: PLC0415 - 15 ms of patterns, and often there is no log

    # nine lines of ten name no sender: they need not be parsed
    lines = b"".join(line for line in text.splitlines(keepends=True) if b" from=<" in line and b"nrcpt=" in line)
    events = PARSERS["postfix"](names=names).parse(lines, time.time()).events
    of = {each.queue_id: each.sender for each in events if isinstance(each, Queued)}
    domains = (sender.rpartition("@")[2].rstrip(".").lower() for sender in of.values() if "@" in sender)
    return Counter(each for each in domains if 0 < len(each) <= LONGEST)
