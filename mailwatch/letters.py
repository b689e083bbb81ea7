"""From notices to rows of the outbox: which channel is told what, and what is held back. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.letter import written
from mailwatch.notification import RESOLVED, reaches
from mailwatch.ration import Ration, admit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailwatch.alert import Notice
    from mailwatch.letter import Stationery
    from mailwatch.notification import Notification
    from mailwatch.options import Options

UNRATIONED: Final = frozenset({"alertmanager", "file"})
"""Types of channels that call nobody by themselves."""


class Row(NamedTuple):
    """A notification for a channel."""

    channel: str
    notification: Notification


class Kept(NamedTuple):
    """A notification that a channel told, or is to tell, from memory. ``ended_at``: when it was told, or given up."""

    channel: str
    notification: Notification
    made_at: float
    ended_at: float | None
    sent: bool


def addressed(
    notices: Sequence[Notice], paper: Stationery, options: Options, rations: Mapping[str, Ration]
) -> tuple[list[Row], dict[str, Ration]]:
    """The rows for the notices, and how much each channel has been told then."""
    return rows_of([written(notice, paper) for notice in notices], options, rations)


def rows_of(
    notifications: Iterable[Notification], options: Options, rations: Mapping[str, Ration]
) -> tuple[list[Row], dict[str, Ration]]:
    """A row for each channel that a notification reaches, by its severity and the channel's ration.

    Who was told of a page is told that it is over: how bad it was counts, not how bad that is.
    """
    after = dict(rations)
    rows: list[Row] = []
    for notification in notifications:
        for channel in options.channel:
            if not reaches(notification.severity, channel.min_severity):
                continue
            # who was told that it began is told that it is over
            if channel.kind in UNRATIONED or notification.kind == RESOLVED:
                rows.append(Row(channel.name, notification))
                continue
            before = after.get(channel.name, Ration())
            found = admit(before, notification.severity, notification.kind, notification.at, options.alerts)
            after[channel.name] = found.ration
            if found.admitted:
                rows.append(Row(channel.name, with_more(notification, found.more)))
    return rows, after


def with_more(notification: Notification, more: int) -> Notification:
    """The notification, with how many more there were that this channel was not told."""
    if not more:
        return notification
    said = f"and {more} more since the last one: see the metrics, or another channel"
    return replace(notification, text=f"{notification.text}\n{said}\n", html=f"{notification.html}<p>{said}</p>")


def topic(notification: Notification) -> str:
    """What a notification is about: of these the order is kept."""
    return f"{notification.rule}/{notification.cause}/{notification.scope}"
