"""Runs journalctl(1) on one open journal file, and reads what it prints without ever waiting for long.

Promises
    A fixed list of words, no shell; the file is handed over open, so a rename between our look and its start
    cannot put another file in its place. ``read`` waits ``PATIENCE`` at most. A journalctl that gives no whole
    entry in ``DEADLINE`` of reading, whatever else it says, is killed and reported; ``close`` leaves no process behind.

Why not --after-cursor: it silently skips an entry when the one at the cursor is gone or does not match. A
cursor of a numbering and a number (``s=...;i=...``) needs no entry there at all: it is the first from that number on.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Final

from mailwatch.sources.export import ExportReader
from mailwatch.sources.journal_entry import FIELDS, SUPPRESSED, WANTED

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailwatch.sources.export import Entry

PROGRAM: Final = "journalctl"
PATIENCE: Final = 0.1
DEADLINE: Final = 10.0
ENDS_WITHIN: Final = 2.0
CHUNK: Final = 1 << 16
SAID: Final = 500
NOT_RUN: Final = 126
"""The first exit code that does not come from journalctl: it could not be run, was not found, was killed."""
UNKNOWN_FORMAT: Final = b"Protocol not supported"
"""What it says of a file whose format it does not know: a newer journalctl reads it."""


def journalctl() -> str | None:
    """Where journalctl is; None where it is not."""
    return shutil.which(PROGRAM, path=search_path())


def search_path() -> str:
    """Where programs are looked for."""
    return f"{os.environ.get('PATH', '')}:/usr/bin:/bin"


class Journalctl:
    """One run: the entries of a file from a number on that have one of these facilities, or tell of suppression.

    Raises OSError where it cannot be started.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        numbering: str,
        first: int,
        facilities: Collection[int],
        program: str = PROGRAM,
    ) -> None:
        self._reader = ExportReader(WANTED)
        matches = [f"SYSLOG_FACILITY={each}" for each in sorted(facilities)]
        self._process = subprocess.Popen(  # noqa: S603 - fixed words and numbers, no shell
            [
                program, "--quiet", "--no-pager", "--file=/proc/self/fd/0", "--output=export",
                f"--output-fields={','.join(FIELDS)}", f"--cursor=s={numbering};i={first:x}",
                *matches, "+", f"MESSAGE_ID={SUPPRESSED.decode()}", "_TRANSPORT=driver",
            ],
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": search_path(), "LC_ALL": "C"},
            # Ctrl-C at a terminal is for the agent, which ends it itself
            process_group=0,
        )  # fmt: skip
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        assert self._process.stderr is not None  # noqa: S101 - for the type checker
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._open = {self._out, self._err}
        self._waited = 0.0
        self._said = b""
        self.ended: int | None = None

    def read(self) -> list[Entry]:
        """Entries, as far as they are there; after the last ``ended`` is the exit code. Raises TimeoutError."""
        begun = time.monotonic()
        if self._open:
            entries = self._heard()
        else:
            entries = []
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.ended = self._process.wait(PATIENCE)
        # not the time between two reads, in which nobody listened
        self._waited = 0.0 if entries else self._waited + time.monotonic() - begun
        if self.ended is None and self._waited >= DEADLINE:
            raise TimeoutError(f"{PROGRAM} gave no entry for {DEADLINE:.0f} s, and did not end")
        return entries

    def _heard(self) -> list[Entry]:
        """The entries that what it says now completes."""
        for descriptor, _ in self._poll.poll(PATIENCE * 1000):
            data = os.read(descriptor, CHUNK)
            if not data:
                self._poll.unregister(descriptor)
                self._open.discard(descriptor)
            elif descriptor == self._out:
                return self._reader.feed(data)
            else:
                self._said = (self._said + data)[-SAID:]
        return []

    def complaint(self) -> str:
        """The last thing it said to people, in one line."""
        lines = self._said.decode("utf-8", "replace").splitlines()
        last = lines[-1].strip() if lines else f"exit code {self.ended}"
        return "".join(each if each.isprintable() else "?" for each in last)

    def blames_the_file(self) -> bool:
        """Whether it ended with an error that may be the file's own; it is not when it was killed, or never ran."""
        return self.ended is not None and 0 < self.ended < NOT_RUN and UNKNOWN_FORMAT not in self._said

    def close(self) -> None:
        """End it, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        # killed in uninterruptible sleep it is left to be reaped when the next one starts
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDS_WITHIN)
