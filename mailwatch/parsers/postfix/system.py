"""The mail system as such: it starts and stops, warns, gives up, counts (master(8), postfix(1), msg(3), anvil(8))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import Complaint, Event, Lifecycle, Statistics
from mailwatch.parsers.postfix.terms import QUEUE_ID, Shape

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values

ACTIONS: Final = {
    "daemon started": "started",
    "reload": "reloaded",
    "terminating on signal": "terminated",
    "the Postfix mail system is running": "running",
    "table": "restarting",
}


def complaint(at: float, origin: Origin, values: Values) -> Event:
    """``warning: 3C8F4228CD3: queue file size limit exceeded``, ``fatal: bad boolean configuration: …``."""
    level, queue_id, text = values
    return Complaint(at, origin, level, queue_id, text)


def lifecycle(at: float, origin: Origin, values: Values) -> Event:
    """``daemon started -- version 3.7.11, configuration /etc/postfix``, ``refreshing the Postfix mail system``."""
    text, word, version = values
    return Lifecycle(at, origin, ACTIONS.get(word, word), version or None, text)


def statistics(at: float, origin: Origin, values: Values) -> Event:
    """``statistics: max connection rate 1/60s for (smtp:192.0.2.7) at Nov 22 06:13:04``."""
    return Statistics(at, origin, values[0])


COMPLAINT: Final = Shape(Complaint, rf"(warning|error|fatal|panic): (?:({QUEUE_ID}): )?(.*)", complaint)
STATISTICS: Final = (
    Shape(Statistics, "statistics: (.*)", statistics),
    Shape(
        Statistics,
        "(cache .{1,300} (?:full|partial) cleanup: retained=[0-9]{1,15} dropped=[0-9]{1,15} entries)",
        statistics,
    ),
)
TABLE_CHANGED: Final = Shape(Lifecycle, "((table) .{1,300} has changed -- restarting)()", lifecycle)
LIFECYCLE: Final = (
    Shape(Lifecycle, "((daemon started|reload) -- version ([^ ,]{1,40}), .*)", lifecycle),
    Shape(Lifecycle, "((terminating on signal) [0-9]{1,3}())", lifecycle),
    Shape(Lifecycle, "((starting|stopping|refreshing|aborting) the Postfix mail system())", lifecycle),
    Shape(Lifecycle, "((waiting) for the Postfix mail system to terminate())", lifecycle),
    Shape(Lifecycle, "((the Postfix mail system is running): PID: [0-9]{1,10}())", lifecycle),
)
