"""Fires when a message has waited for too long. Mail on hold waits for a person and does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, oldest, told_whole

if TYPE_CHECKING:
    from mailwatch.options import OldestTooOld
    from mailwatch.view import View

NAME: Final = "oldest_too_old"


def evaluate(view: View, options: OldestTooOld, /) -> list[Firing]:
    """One firing over all instances."""
    newest = view.instances()
    readable = [sample for sample in newest if is_readable(sample)]
    arrivals = [arrival for sample in readable if (arrival := oldest(sample)) is not None]
    waiting = sum(messages(sample) for sample in readable)
    age = view.now - min(arrivals, default=view.now)
    if age < options.clear_age_seconds or waiting < options.min_messages:
        return [] if told_whole(newest) else unknown(NAME, view.now)
    arrival = min(arrivals)
    return [
        Firing(
            rule=NAME,
            cause="queue-old",
            scope="local",
            severity=options.severity or "warn",
            level=RAISE if age >= options.raise_seconds else HOLD,
            since=min(arrival + options.raise_seconds, view.now),
            count=waiting,
            oldest=arrival,
        )
    ]
