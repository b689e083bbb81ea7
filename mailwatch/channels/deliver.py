"""Hands a notification to a channel in a process of its own, and is back by a deadline whatever that process does.

Promises
    Never raises, never waits longer than ``seconds`` (and a moment to kill). At the end the whole process group of the
    child is killed, also what it started. No file is written, no database is asked, and the child gets by without a
    writable disk. What it says is read up to a bound. Safe in several threads at once.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.channels.answer import line
from mailwatch.channels.secrets import masked
from mailwatch.channels.wire import Outcome, Request, outcome, packed
from mailwatch.options import ChannelOptions

if TYPE_CHECKING:
    from mailwatch.notification import Notification
    from mailwatch.options import DeadmanOptions

LARGEST: Final = 1 << 16
CHUNK: Final = 1 << 16
REAPED_WITHIN: Final = 2.0
KEPT_FROM_CHILDREN: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")
"""A child must not be able to say that we are well."""


def deliver(channel: ChannelOptions, notification: Notification, seconds: float | None = None) -> Outcome:
    """Tell a notification by a channel, within its timeout or so many seconds."""
    allowed = channel.timeout if seconds is None else seconds
    return told(Request(channel=channel, seconds=allowed, notification=notification))


def ping(deadman: DeadmanOptions, signal_name: str, seconds: float | None = None, text: str = "") -> Outcome:
    """Ping the dead-man's switch: ``start``, ``ok`` or ``fail``."""
    if deadman.url is None and deadman.url_file is None:
        return Outcome(sent=False, answer="there is nobody to ping: set url or url_file in [deadman]", permanent=True)
    channel = ChannelOptions(
        name="deadman",
        type="webhook",
        url=deadman.url,
        url_file=deadman.url_file,
        address=deadman.address,
        ca_file=deadman.ca_file,
    )
    allowed = deadman.timeout if seconds is None else seconds
    return told(Request(channel=channel, seconds=allowed, ping=signal_name, text=text))


def told(request: Request) -> Outcome:
    """What became of a request."""
    begun = time.monotonic()
    try:
        found = in_child(replace(request, deadline=begun + request.seconds))
    except Exception as error:  # noqa: BLE001 - no memory, no descriptors, no processes: all of it is an outcome
        said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        found = Outcome(sent=False, answer=f"cannot start a process for it: {said}")
    answer = line(masked(found.answer, request.channel))
    return found._replace(answer=answer, took=time.monotonic() - begun)


def in_child(request: Request) -> Outcome:
    """What the child says. Raises OSError where it cannot be started, ValueError for a notification that is none."""
    question = packed(request)
    environment = {name: value for name, value in os.environ.items() if name not in KEPT_FROM_CHILDREN}
    child = subprocess.Popen(
        # -P: the working directory is no place to import from; -B: nothing is written
        [sys.executable, "-P", "-B", "-m", "mailwatch.channels.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        said, complaint = exchange(child, question, request.deadline)
    finally:
        end(child)
    found = outcome(said)
    if found is not None:
        return found
    if time.monotonic() >= request.deadline:
        return Outcome(sent=False, answer=f"no answer within {request.seconds:g} s, and killed")
    last = complaint.decode("utf-8", "replace").splitlines()
    return Outcome(
        sent=False, answer=f"its process ended with {child.returncode}: {last[-1] if last else 'it does not say why'}"
    )


def exchange(child: subprocess.Popen[bytes], question: bytes, deadline: float) -> tuple[bytes, bytes]:
    """Ask, and hear what it says on both outputs until a whole line, its end, or the deadline."""
    assert child.stdin is not None  # noqa: S101 - for the type checker
    assert child.stdout is not None  # noqa: S101 - for the type checker
    assert child.stderr is not None  # noqa: S101 - for the type checker
    out, err = child.stdout.fileno(), child.stderr.fileno()
    heard = {out: b"", err: b""}
    with selectors.DefaultSelector() as selector:
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        for each in heard:
            selector.register(each, selectors.EVENT_READ)
        # its own pipe is open as long as anything of it lives; what it started has none of it
        pipes = set(heard)
        while pipes and b"\n" not in heard[out] and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is child.stdin:
                    question = asked(child, question, selector)
                    continue
                data = os.read(key.fd, CHUNK)
                heard[key.fd] = (heard[key.fd] + data)[-LARGEST:]
                if not data:
                    selector.unregister(key.fd)
                    pipes.discard(key.fd)
    return heard[out].partition(b"\n")[0], heard[err]


def asked(child: subprocess.Popen[bytes], question: bytes, selector: selectors.BaseSelector) -> bytes:
    """Write some of the question; what is left of it."""
    assert child.stdin is not None  # noqa: S101 - for the type checker
    try:
        question = question[os.write(child.stdin.fileno(), question) :]
    except BrokenPipeError:
        question = b""
    if not question:
        selector.unregister(child.stdin)
        child.stdin.close()
    return question


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill all of its session that is left. Before it is waited for: until then its number is nobody else's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    # in uninterruptible sleep it is left to be reaped when the next one starts
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(REAPED_WITHIN)
