"""Fires when too large a share of delivery attempts is bounced: a bad list of addresses, or a server that refuses us.

Unknown users count here too: a few are normal life, a quarter of all mail is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.rules.share import Share, judged

if TYPE_CHECKING:
    from mailwatch.firing import Firing
    from mailwatch.options import BouncedShare
    from mailwatch.view import View

NAME: Final = "bounced_share"
STATUSES: Final = ("bounced",)


def evaluate(view: View, options: BouncedShare, /) -> list[Firing]:
    """At most one firing, of all causes together, with the most frequent ones as evidence."""
    failures = view.failures(options.window_seconds, STATUSES)
    share = Share(failures, view.attempts(options.window_seconds).total())
    return judged(NAME, "mail-bounced", view, options, share)
