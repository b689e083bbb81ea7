"""Fires when clients that this host should serve are refused for long: their mail is lost before it is in any queue.

Strangers refused at the door are normal life and do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.cause import CLIENT
from mailwatch.firing import HOLD, RAISE, Firing

if TYPE_CHECKING:
    from mailwatch.options import ClientsRefused
    from mailwatch.view import View

NAME: Final = "clients_refused"
CAUSE: Final = "submission-refused"


def evaluate(view: View, options: ClientsRefused, /) -> list[Firing]:
    """At most one firing."""
    refused = sum(number for (_, labels), number in view.counted(options.window_seconds).items() if CAUSE in labels)
    if refused < options.clear_count:
        return []
    return [
        Firing(
            rule=NAME,
            cause=CAUSE,
            scope=CLIENT,
            severity=options.severity or view.severity(CAUSE),
            level=RAISE if refused >= options.min_count else HOLD,
            since=view.now,
            count=refused,
        )
    ]
