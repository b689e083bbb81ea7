"""Notifies through any of the services that apprise knows, by its URL.

apprise takes a quarter of a second and 45 MiB to import: only here, in a process of its own. It raises nothing and
gives a falsy result; the reason is in what it logs as warning (in what it logs below that stands the message itself).
What one of several targets in a URL has got counts as sent, for the others it is in the answer.
Of services that know an alert again (``dedup``, ``alias``) the key is put into the URL where it has none.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import apprise

from mailwatch.channels.answer import Receipt, SendFailed
from mailwatch.notification import INFO, PAGE, RESOLVED

if TYPE_CHECKING:
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

KEYS: Final = {"pagerduty": "dedup", "opsgenie": "alias"}
"""Services that know an alert again, and how they call its key; they resolve by the type of the notification."""


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Notify. Raises SendFailed."""
    del deadline  # it has no bound that holds: the process is killed
    assert channel.url is not None  # noqa: S101 - kinds.py sees to it
    heard = Heard()
    logger = logging.getLogger("apprise")
    logger.addHandler(heard)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    # nothing on the disk, which may be full, and no plug-ins from folders
    asset = apprise.AppriseAsset(app_id="mailwatch", app_desc="mailwatch", storage_mode="memory", plugin_paths=[])
    service = apprise.Apprise(asset=asset)
    if not service.add(with_key(channel.url.reveal(), alert_key(notification))):
        raise SendFailed(f"apprise does not take the URL{heard.last()}", permanent=True)
    if "overflow=" not in channel.url.reveal():
        for each in service:
            # too long for a service would else mean not told at all
            each.overflow_mode = apprise.OverflowMode.TRUNCATE
    for each in service:
        vars(each)["mark_delivered"] = heard.took  # apprise calls it for each target that has got it
    sent = service.notify(
        title=notification.subject,
        body=notification.text or notification.subject,
        notify_type=notify_type(notification),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    if not sent:
        if heard.taken or (isinstance(sent, Iterable) and any(sent)):
            # told again, those who have got it would get it at each try
            return Receipt(f"{scheme(channel.url.reveal())}: taken by some, not by all{heard.last()}")
        raise SendFailed(f"{scheme(channel.url.reveal())}: not taken{heard.last()}")
    return Receipt(f"{scheme(channel.url.reveal())}: taken")


class Heard(logging.Handler):
    """Keeps what apprise warns of, and whether any of several targets has got it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.taken = False

    def took(self, _target: object, per_message: bool = False) -> None:  # noqa: FBT001, FBT002 - apprise's own
        """One target has got it; what goes ``per_message`` is an image, not the text."""
        self.taken = self.taken or not per_message

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(record.getMessage())

    def last(self) -> str:
        """The end of it, behind a colon."""
        return f": {self.lines[-1]}" if self.lines else ""


def notify_type(notification: Notification) -> apprise.NotifyType:
    """How bad it is, in apprise's words."""
    if notification.kind == RESOLVED:
        return apprise.NotifyType.SUCCESS
    if notification.severity == PAGE:
        return apprise.NotifyType.FAILURE
    return apprise.NotifyType.INFO if notification.severity == INFO else apprise.NotifyType.WARNING


def alert_key(notification: Notification) -> str:
    """What is the same from the first notice of an alert to its end."""
    named = (notification.rule, notification.cause, notification.scope, notification.host)
    return hashlib.sha256("\0".join(named).encode("utf-8", "replace")).hexdigest()[:32]


def with_key(url: str, key: str) -> str:
    """The URL with the key of the alert, where the service has one and it is not there yet."""
    name = KEYS.get(scheme(url))
    query = url.partition("?")[2]
    if name is None or f"{name}=" in query:
        return url
    action = "" if "action=" in query else "&action=map"
    return f"{url}{'&' if '?' in url else '?'}{name}={quote(key, safe='')}{action}"


def scheme(url: str) -> str:
    """The service."""
    return urlsplit(url).scheme
