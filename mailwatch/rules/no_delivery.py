"""Fires when mail comes in and waits, and none is delivered, whatever the reason: the net under the other rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import HOLD, RAISE, Firing, unknown
from mailwatch.rules.waiting import is_readable, messages, oldest

if TYPE_CHECKING:
    from mailwatch.options import NoDelivery
    from mailwatch.view import View

NAME: Final = "no_delivery"
LONG: Final = 9000
"""Seconds: more than two of Postfix's longest back-offs."""


def evaluate(view: View, options: NoDelivery, /) -> list[Firing]:
    """At most one firing. The queue is asked where it is known; what was queued and not ended, where it is not."""
    attempts = view.attempts(options.window_seconds)
    if attempts["sent"]:
        return []
    samples = [sample for sample in view.instances() if is_readable(sample)]
    queued = view.count(options.window_seconds, "messages_queued")
    waiting = sum(messages(sample) for sample in samples) if samples else queued - attempts["bounced"]
    if waiting < options.min_messages:
        return [] if samples or not view.count(LONG, "messages_queued") else unknown(NAME, view.now)
    arrivals = [arrival for sample in samples if (arrival := oldest(sample)) is not None]
    return [
        Firing(
            rule=NAME,
            cause="no-delivery",
            scope="local",
            severity=options.severity or "page",
            # mail that waits alone may be that of a dead domain: only with mail that comes in it is a standstill
            level=RAISE if queued >= options.min_messages else HOLD,
            since=view.now,
            count=waiting,
            oldest=min(arrivals, default=None),
            evidence={"minutes": str(options.window_seconds // 60), "queued": str(queued)},
        )
    ]
