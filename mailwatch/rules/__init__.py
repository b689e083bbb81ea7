"""The alert rules, by the name they have in the configuration: one a file, pure, ``evaluate(view, options)``.

A rule says what is so at one instant of event time. Whether a person is told is decided elsewhere, with
what was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mailwatch.rules import (
    bounced_share,
    clients_refused,
    deferred_share,
    dns_changed,
    local_fault,
    log_silent,
    no_delivery,
    oldest_too_old,
    own_health,
    postfix_down,
    queue_growing,
    queue_stuck,
    recipients_failing,
    relay_failing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.firing import Firing
    from mailwatch.options import RulesOptions
    from mailwatch.view import View

RULES: Final[dict[str, Callable[[View, Any], list[Firing]]]] = {
    relay_failing.NAME: relay_failing.evaluate,
    recipients_failing.NAME: recipients_failing.evaluate,
    deferred_share.NAME: deferred_share.evaluate,
    bounced_share.NAME: bounced_share.evaluate,
    queue_growing.NAME: queue_growing.evaluate,
    oldest_too_old.NAME: oldest_too_old.evaluate,
    queue_stuck.NAME: queue_stuck.evaluate,
    no_delivery.NAME: no_delivery.evaluate,
    log_silent.NAME: log_silent.evaluate,
    postfix_down.NAME: postfix_down.evaluate,
    local_fault.NAME: local_fault.evaluate,
    clients_refused.NAME: clients_refused.evaluate,
    dns_changed.NAME: dns_changed.evaluate,
    own_health.NAME: own_health.evaluate,
}
ABSENCE: Final = frozenset({"queue_growing", "oldest_too_old", "no_delivery", "log_silent", "own_health"})
"""Rules that tell by what is missing: just after a start, that is not yet a fault."""

FROM_LOG: Final = frozenset(
    {"relay_failing", "recipients_failing", "deferred_share", "bounced_share", "no_delivery", "clients_refused"}
)
"""Rules that look at nothing but the log, or at what it does not say: they cannot tell while it is not read."""


def firings(view: View, options: RulesOptions) -> list[Firing]:
    """What all rules that are enabled say."""
    return [
        firing
        for name, evaluate in RULES.items()
        if getattr(options, name).enabled
        for firing in evaluate(view, getattr(options, name))
    ]
