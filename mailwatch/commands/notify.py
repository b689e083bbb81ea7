"""``mailwatch notify``: tells people something, by channels that do not need the watched mail.

Promises
    The configuration is all it needs: no database, no Postfix, no disk that can be written, and of the configuration
    only a channel that is right. Every wait is bounded. It says which channel has it, and its exit code does, too.
"""

from __future__ import annotations

import hashlib
import html
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Final

import click

from mailwatch.commands.failure import CRITICAL
from mailwatch.commands.telling import channels_of, complain, show, show_json, tell_all
from mailwatch.notification import BY_HAND, FIRST, LONGEST, PAGE, SEVERITIES, Notification, one_line, reaches

PATIENCE: Final = 10.0
CHUNK: Final = 1 << 16


def body_of(descriptor: int, most: int, seconds: float = PATIENCE) -> str:
    """What is piped in, as far as it comes in time; nothing from a terminal, or where there is none."""
    try:
        if os.isatty(descriptor):
            return ""
        data = b""
        deadline = time.monotonic() + seconds
        while len(data) < most and (left := deadline - time.monotonic()) > 0:
            # a pipe that nobody closes must not keep the alarm back
            if not select.select([descriptor], [], [], left)[0]:
                break
            piece = os.read(descriptor, CHUNK)
            if not piece:
                break
            data += piece
    except (OSError, ValueError):
        return ""
    return data[:most].decode("utf-8", "replace").strip()


def made(subject: str, body: str, severity: str, host: str, now: float) -> Notification:
    """The notification; its key is the same for the same subject."""
    digest = hashlib.sha256(f"{host}\0{subject}".encode("utf-8", "replace")).hexdigest()[:16]
    return Notification(
        key=f"notify-{digest}",
        kind=FIRST,
        rule=BY_HAND,
        cause=digest,
        scope="local",
        severity=severity,
        host=host,
        subject=subject,
        text=body,
        html=f"<p><b>{html.escape(subject)}</b></p>" + (f"<pre>{html.escape(body)}</pre>" if body else ""),
        began_at=now,
        ended_at=None,
        at=now,
        runbook="",
    ).bounded()


@click.command(short_help="Tell people something; needs neither Postfix nor a disk.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--channel", "named", multiple=True, help="Only by this channel, whatever its min_severity.")
@click.option("--severity", type=click.Choice(SEVERITIES), default=PAGE, show_default=True)
@click.option("--json", "as_object", is_flag=True, help="One JSON object.")
@click.argument("subject")
def notify(config: Path | None, named: tuple[str, ...], severity: str, as_object: bool, subject: str) -> None:  # noqa: FBT001
    """Tell people SUBJECT, with the body from standard input, by all channels at once.

    Exit code 0 when at least one has it, 2 when none has, 3 when the configuration has no channel that is right.
    """
    channels = channels_of(config, named)
    if not named:
        channels = tuple(each for each in channels if reaches(severity, each.min_severity))
    if not channels:
        complain(f"no channel takes severity {severity}: choose another --severity, or name a --channel")
        raise SystemExit(CRITICAL)
    if not one_line(subject):
        raise click.UsageError("SUBJECT is empty: say what is wrong")
    body = body_of(sys.__stdin__.fileno(), LONGEST["text"]) if sys.__stdin__ is not None else ""
    outcomes = tell_all(channels, made(subject, body, severity, socket.gethostname(), time.time()))
    (show_json if as_object else show)(channels, outcomes)
    raise SystemExit(0 if any(each.sent for each in outcomes) else CRITICAL)
