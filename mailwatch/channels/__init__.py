"""Ways to tell people; each is a file here with a ``send``, and a line below.

``send(notification, channel, deadline)`` gives the other side's answer, or raises SendFailed: retrying, and telling it
elsewhere, is for the outbox alone. It runs in a child process (child.py) that is killed at its deadline, started by
deliver.py; a file is imported there and nowhere else, for some of them are heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.channels.answer import Receipt
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

    Send = Callable[[Notification, ChannelOptions, float], Receipt]

CHANNELS: Final = {
    "apprise": "mailwatch.channels.apprise",
    "smtp": "mailwatch.channels.smtp",
    "webhook": "mailwatch.channels.webhook",
    "alertmanager": "mailwatch.channels.alertmanager",
    "command": "mailwatch.channels.command",
    "file": "mailwatch.channels.file",
}
"""The file of each type of channel."""


def sender(kind: str) -> Send:
    """The ``send`` of a type of channel."""
    found: Send = import_module(CHANNELS[kind]).send
    return found
