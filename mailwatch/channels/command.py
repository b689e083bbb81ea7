"""Runs a command of yours with the notification's text on standard input; exit code 0 means that people have it.

Promises
    A list of words, no shell. The environment is PATH, HOME, LANG, TZ and ``MAILWATCH_*``: KEY, KIND, RULE, CAUSE,
    SCOPE, SEVERITY, HOST, SUBJECT, BEGAN_AT, ENDED_AT, AT, RUNBOOK. At the deadline, and when it has ended, all of its
    process group is killed; who puts itself into another session is not found. A command that cannot be run is a
    permanent failure; any other exit code, or a signal, may be tried again.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import fields
from typing import IO, TYPE_CHECKING, Final

from mailwatch.channels.answer import Receipt, SendFailed
from mailwatch.channels.connect import remaining
from mailwatch.notification import Notification

if TYPE_CHECKING:
    from mailwatch.options import ChannelOptions

KEPT: Final = ("HOME", "LANG", "LC_ALL", "PATH", "TZ", "USER", "CREDENTIALS_DIRECTORY")
TOLD: Final = tuple(each.name for each in fields(Notification) if each.name not in ("text", "html"))
HEARD: Final = 4096
FLUSH: Final = 0.5
MISUSE: Final = frozenset({126, 127})


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Run it. Raises SendFailed."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own words, no shell
            channel.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(notification),
            cwd="/",
        )
    except OSError as error:
        raise SendFailed(f"cannot run {channel.command[0]}: {error.strerror or error}", permanent=True) from error
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101 - for the type checker
    output: list[bytes] = []
    listener = threading.Thread(target=listen, args=(process.stdout, output), daemon=True)
    listener.start()
    # a command need not read it, and one that does not must not hold us up
    threading.Thread(target=feed, args=(process.stdin, notification.text), daemon=True).start()
    try:
        code = process.wait(remaining(deadline, "waiting for the command"))
    except subprocess.TimeoutExpired as error:
        # the group is ours, too: whoever started us kills it
        process.kill()
        raise SendFailed(f"{channel.command[0]} did not end in time, and was killed") from error
    listener.join(FLUSH)
    return judged(channel.command[0], code, said(b"".join(output)))


def judged(program: str, code: int, text: str) -> Receipt:
    """The receipt in an exit code. Raises SendFailed."""
    if code == 0:
        return Receipt(text or "exit code 0")
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    raise SendFailed(f"{program} {ended}" + (f": {text}" if text else ""), permanent=code in MISUSE)


def environment(notification: Notification) -> dict[str, str]:
    """What the command can know."""
    known = {name: os.environ[name] for name in KEPT if name in os.environ}
    for name in TOLD:
        value = getattr(notification, name)
        known[f"MAILWATCH_{name.upper()}"] = "" if value is None else str(value)
    return known


def feed(pipe: IO[bytes], text: str) -> None:
    """Write the text, as far as it is read."""
    with suppress(OSError, ValueError), pipe:
        pipe.write(text.encode("utf-8", "replace") + b"\n")


def listen(pipe: IO[bytes], into: list[bytes]) -> None:
    """Keep the beginning of what it says, and read the rest: a full pipe would stop it."""
    kept = 0
    with suppress(OSError, ValueError):
        while data := os.read(pipe.fileno(), HEARD):
            if kept < HEARD:
                into.append(data)
                kept += len(data)


def said(output: bytes) -> str:
    """The last line of it."""
    lines = [line for line in output[:HEARD].decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
