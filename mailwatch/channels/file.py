"""Appends a notification to a local file: one block, a line of what and then the text, indented; 0600.

Promises
    Appended (O_APPEND) and synced before it counts as there; one write, so that blocks of two writers do not mix. A
    symbolic link, a pipe or a device is refused: the file may lie where others can write. Nothing in it steers a
    terminal.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mailwatch.channels.answer import Receipt, SendFailed
from mailwatch.notification import one_line

if TYPE_CHECKING:
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Append it. Raises SendFailed."""
    del deadline  # a disk cannot be told to hurry: the process is killed
    assert channel.path is not None  # noqa: S101 - kinds.py sees to it
    content = block(notification).encode()
    try:
        descriptor = os.open(channel.path, FLAGS, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SendFailed(f"{channel.path} is not a regular file", permanent=True)
            written = os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SendFailed(f"cannot write {channel.path}: {error.strerror or error}") from error
    if written < len(content):
        raise SendFailed(f"cannot write all of it to {channel.path}: {written} of {len(content)} bytes")
    return Receipt(f"{written} bytes appended")


def block(notification: Notification) -> str:
    """What is appended."""
    at = datetime.fromtimestamp(notification.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = f"{at} {notification.severity} {notification.kind} {notification.key} {notification.subject}"
    lines = [one_line(head), *(f"    {one_line(line)}".rstrip() for line in notification.text.splitlines())]
    return "\n".join(lines) + "\n"
