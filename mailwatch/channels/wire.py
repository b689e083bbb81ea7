"""What goes to the child and comes back: JSON. Secrets are in it, so it goes through a pipe and is never shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mailwatch.notification import Notification, from_table
from mailwatch.options import ChannelOptions, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

PINGS: Final = ("start", "ok", "fail")
SECRETS: Final = frozenset({"url", "secret", "password", "urls"})


class Outcome(NamedTuple):
    """What became of a notification or a ping; ``answer`` is the other side's, or why it has not got it."""

    sent: bool
    answer: str
    permanent: bool = False
    retry_after: float | None = None
    took: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a child is to do: tell a notification, or ``ping``. ``deadline`` is on the clock all processes share."""

    channel: ChannelOptions
    seconds: float
    deadline: float = 0.0
    notification: Notification | None = None
    ping: str = ""
    text: str = ""


def packed(request: Request) -> bytes:
    """The request as JSON. Raises ValueError for a notification that is none."""
    channel = {
        each.name: plain(value)
        for each in fields(ChannelOptions)
        if (value := getattr(request.channel, each.name)) != each.default
    }
    told = {name: getattr(request, name) for name in ("seconds", "deadline", "ping", "text")} | {"channel": channel}
    if request.notification is not None:
        told["notification"] = json.loads(request.notification.as_json())
    return json.dumps(told).encode()


def unpacked(data: bytes) -> Request:
    """The request in JSON. Raises ValueError, KeyError, TypeError for what ``packed`` did not give."""
    told = json.loads(data)
    said = told.get("notification")
    return Request(
        channel=ChannelOptions(**{name: read(name, value) for name, value in told["channel"].items()}),
        seconds=told["seconds"],
        deadline=told["deadline"],
        notification=None if said is None else from_table(said),
        ping=told["ping"],
        text=told["text"],
    )


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def read(name: str, value: Any) -> Any:
    """The value of a channel's key."""
    if isinstance(value, list):
        return tuple(read(name, each) for each in value)
    if name in SECRETS:
        return Secret(value)
    return Path(value) if name.endswith("_file") or name == "path" else value


def outcome(line: bytes) -> Outcome | None:
    """The outcome in a child's line; None where it is none."""
    try:
        said: Mapping[str, Any] = json.loads(line)
        wait = said["retry_after"]
        return Outcome(
            sent=said["sent"] is True,
            answer=str(said["answer"]),
            permanent=said["permanent"] is True,
            retry_after=None if wait is None else float(wait),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
