"""Fires when too large a share of delivery attempts is deferred, for reasons that do not go away by themselves.

Greylisting, full mailboxes and the like are normal life and are not counted as deferred: Postfix tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.cause import UNKNOWN
from mailwatch.rules.share import Share, judged

if TYPE_CHECKING:
    from mailwatch.firing import Firing
    from mailwatch.options import DeferredShare
    from mailwatch.view import View

NAME: Final = "deferred_share"
STATUSES: Final = ("deferred", "softbounce")


def evaluate(view: View, options: DeferredShare, /) -> list[Firing]:
    """At most one firing, of all causes together, with the most frequent ones as evidence."""
    failures = view.failures(options.window_seconds, STATUSES)
    for subject in [each for each in failures if view.severity(each[0]) == "info" and each[0] != UNKNOWN]:
        del failures[subject]
    share = Share(failures, view.attempts(options.window_seconds).total())
    return judged(NAME, "mail-deferred", view, options, share)
