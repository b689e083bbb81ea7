"""Posts a notification as JSON to a URL of yours, signed where there is a secret.

The body is the notification, one JSON object, keys as in notification.py. ``Idempotency-Key`` is the same when it comes
again. With a secret ``X-Mailwatch-Signature`` is ``v1=`` and the hexadecimal HMAC-SHA256 of the time in
``X-Mailwatch-Timestamp``, a full stop, and the body: check both, and refuse old ones.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from mailwatch.channels.http import Way, post

if TYPE_CHECKING:
    from mailwatch.channels.answer import Receipt
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Post it. Raises SendFailed."""
    body = notification.as_json().encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": identity(notification)}
    if channel.secret is not None:
        stamp = str(int(time.time()))
        headers["X-Mailwatch-Timestamp"] = stamp
        headers["X-Mailwatch-Signature"] = f"v1={signature(channel.secret.reveal(), stamp, body)}"
    assert channel.url is not None  # noqa: S101 - kinds.py sees to it
    way = Way(address=channel.address, ca_file=channel.ca_file, deadline=deadline)
    return post(channel.url.reveal(), body, headers, way)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """The signature of a body at a time."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def identity(notification: Notification) -> str:
    """What stays the same when this very notification comes again, and differs for a reminder."""
    named = "\0".join((notification.key, notification.kind, repr(notification.at)))
    return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]
