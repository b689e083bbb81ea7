"""Runs postqueue(1), hands over what it prints as it comes, and tells what its end means.

Promises
    A fixed list of words, no shell. It is killed, with what it has started, at the deadline or when told to stop,
    whatever it is doing. What it says of Postfix is decided on its exit code *and* its words: 69 is said of a
    mail system that is down, and of one that we may not ask (measured with 3.7; later versions say 70 and 77 of
    some of those); and root gets 0 from a dead Postfix, for postqueue reads the queue by itself then.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM: Final = "postqueue"
PATIENCE: Final = 0.2
ENDS_WITHIN: Final = 2.0
CHUNK: Final = 1 << 16
SAID: Final = 1 << 16
LAST: Final = 1 << 12
"""So much of what it says is kept, of its beginning and of its end: the words that count may stand behind warnings."""
SHOWN: Final = 200
WARNED: Final = re.compile(r"^postqueue: warning: Mail system is down -- accessing queue directly", re.MULTILINE)
DOWN: Final = re.compile(r"^postqueue: fatal: Queue report unavailable - mail system is down", re.MULTILINE)
DENIED: Final = re.compile(r"^postqueue: fatal: Connect to the Postfix [a-z]+ service: Permission denied", re.MULTILINE)
NOT_ALLOWED: Final = re.compile(r"^postqueue: fatal: User .* is not allowed to view the mail queue", re.MULTILINE)
NOT_NAMED: Final = re.compile(r"^postqueue: (?:error|fatal): unauthorized configuration directory", re.MULTILINE)
WHAT_TO_DO: Final = (
    (DENIED, "make mailwatch's user a member of the group postdrop"),
    (NOT_ALLOWED, "add mailwatch's user to Postfix's authorized_mailq_users"),
    (NOT_NAMED, "name it in alternate_config_directories of the default instance"),
)


class Ended(NamedTuple):
    """How a run ended: its exit code (None: we killed it, or it could not be started), and what it said to people."""

    code: int | None
    said: str


class Verdict(NamedTuple):
    """Whether the whole list was printed, whether Postfix is up, and what was in the way."""

    listed: bool
    up: bool | None
    trouble: str | None


def verdict(ended: Ended) -> Verdict:
    """What the end of a run means."""
    if ended.code is None:
        return Verdict(listed=False, up=None, trouble=ended.said)
    if ended.code == 0:
        if WARNED.search(ended.said):
            return Verdict(listed=True, up=False, trouble="Postfix is down; postqueue read its queue as root")
        return Verdict(listed=True, up=True, trouble=None)
    if DOWN.search(ended.said):
        return Verdict(listed=False, up=False, trouble="Postfix is down, and only root can read its queue then")
    words = f"{PROGRAM} ended with {ended.code}: {last_line(ended.said)}"
    advice = next((do for pattern, do in WHAT_TO_DO if pattern.search(ended.said)), None)
    return Verdict(listed=False, up=None, trouble=words if advice is None else f"{words}; {advice}")


def last_line(said: str) -> str:
    """The last thing it said, in one line that cannot steer a terminal."""
    lines = said.strip().splitlines() or ["it does not say why"]
    last = lines[-1].removeprefix(f"{PROGRAM}: ")[:SHOWN]
    return "".join(each if each.isprintable() else "?" for each in last)


def find() -> str | None:
    """Where postqueue is; None where it is not."""
    return shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def stream(words: list[str], *, deadline: float, take: Callable[[bytes], None], stopped: Callable[[], bool]) -> Ended:
    """Run it until ``deadline`` (monotonic seconds) at most; ``take`` gets what it prints."""
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed words, no shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            process_group=0,
        )
    except OSError as error:
        return Ended(None, f"cannot run {words[0]}: {error.strerror or error}")
    begun = time.monotonic()
    said = bytearray()
    try:
        code = _listen(process, said, deadline, take, stopped)
    finally:
        _end(process)
    if code is None:
        why = "was stopped" if stopped() else f"had not ended after {time.monotonic() - begun:.0f} s"
        return Ended(None, f"{PROGRAM} {why}")
    return Ended(code, said.decode("utf-8", "replace"))


def _listen(
    process: subprocess.Popen[bytes],
    said: bytearray,
    deadline: float,
    take: Callable[[bytes], None],
    stopped: Callable[[], bool],
) -> int | None:
    """Hear it to its end; its exit code, or None at the deadline."""
    assert process.stdout is not None  # noqa: S101 - for the type checker
    assert process.stderr is not None  # noqa: S101 - for the type checker
    out, err = process.stdout.fileno(), process.stderr.fileno()
    poll = select.poll()
    open_ends = {out, err}
    for each in open_ends:
        poll.register(each, select.POLLIN)
    while time.monotonic() < deadline and not stopped():
        if not open_ends:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(PATIENCE)
            continue
        for descriptor, _ in poll.poll(PATIENCE * 1000):
            data = os.read(descriptor, CHUNK)
            if not data:
                poll.unregister(descriptor)
                open_ends.discard(descriptor)
            elif descriptor == out:
                take(data)
            else:
                said += data
                del said[SAID:-LAST]
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it behind: for root it has started a showq of its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    # killed in uninterruptible sleep it is left to be reaped when the next one starts
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN)


def words_for(program: str, config_dir: Path | None) -> list[str]:
    """How it is asked for the queue of an instance."""
    return [program, *([] if config_dir is None else ["-c", str(config_dir)]), "-j"]
