"""What is counted: every counter with its labels and all the values they can have.

Labels come from closed sets, so every series is there, at zero, from the start, and no address, host or
queue ID can become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from mailwatch.cause import CAUSES, CLIENT, LOCAL, SIDES
from mailwatch.event import AGENTS, LEVELS, PROGRAMS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Labels = tuple[str, ...]
Series = tuple[str, Labels]
"""A counter's name and the values of its labels, in the order of its definition."""

RECEIVERS: Final = ("smtpd", "pickup", "qmqpd", "other")
ENDS: Final = ("sent", "bounced", "expired", "deleted", "requeued")
"""How a message ends: all recipients delivered; at least one bounced; given up; removed or requeued by hand."""
FAILURES: Final = ("deferred", "bounced", "softbounce", "undeliverable", "other")
"""How an attempt can fail."""
FAILING_SIDES: Final = ("relay", "recipient", "local")
REFUSING: Final = tuple(cause for cause, sides in CAUSES.items() if CLIENT in sides or LOCAL in sides)
EVENTS: Final = (
    "rejected", "action", "held", "released", "bounce-notice", "message-id", "connect", "disconnect", "lost-connection",
    "timeout", "protocol-error", "tls", "sasl-failed", "postscreen", "master", "statistics", *LEVELS,
)  # fmt: skip
"""Events without a counter of their own."""
OUTCOMES: Final = ("sent", "failed", "given-up")
"""What can become of an attempt to tell somebody; ``failed``: it is tried again."""
GAPS: Final = (
    "copytruncate", "missing-file", "archive-damaged", "cut", "rewritten", "state-damaged", "offset-unusable",
    "journal-vacuumed", "journal-damaged", "journal-suppressed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDefinition:
    """A counter, its labels with every value they can have, and what it counts.

    ``only`` says which combinations of values there can be, where these are not all.
    """

    name: str
    text: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    only: Callable[[Labels], bool] | None = None

    def every(self) -> Iterable[Labels]:
        """Every combination of label values: all of them are shown at zero from the start."""
        combined = product(*(values for _, values in self.labels))
        return combined if self.only is None else filter(self.only, combined)


def can_fail_so(labels: Labels) -> bool:
    """Whether a delivery can fail for this cause on this side: the last two labels."""
    cause, scope = labels[-2:]
    return scope in CAUSES[cause]


COUNTERS: Final[dict[str, CounterDefinition]] = {
    definition.name: definition
    for definition in (
        CounterDefinition(name="log_lines", text="Lines read from the log, of all programs."),
        CounterDefinition(name="log_foreign_lines", text="Lines of programs other than Postfix, skipped."),
        CounterDefinition(
            name="log_unparsed_lines", text="Lines without an envelope (time, program) that mailwatch knows."
        ),
        CounterDefinition(name="log_overlong_lines", text="Lines longer than 64 KiB, skipped."),
        CounterDefinition(
            name="log_gaps",
            text="Times lines were lost, or may have been: copytruncate is a possible gap, the others are seen.",
            labels=(("reason", GAPS),),
        ),
        CounterDefinition(
            name="log_events",
            text="Postfix lines by what they tell, of those without a counter of their own.",
            labels=(("event", EVENTS),),
        ),
        CounterDefinition(
            name="other_events",
            text="Postfix lines that no grammar reads, by program.",
            labels=(("program", PROGRAMS),),
        ),
        CounterDefinition(
            name="delivery_attempts",
            text="Delivery attempts, one per recipient and try.",
            labels=(("agent", AGENTS), ("status", STATUSES)),
        ),
        CounterDefinition(
            name="delivery_failures",
            text="Delivery attempts that failed, by why and on whose side.",
            labels=(("status", FAILURES), ("cause", tuple(CAUSES)), ("scope", FAILING_SIDES)),
            only=can_fail_so,
        ),
        CounterDefinition(
            name="rejects",
            text="Commands and log-ins of clients that were refused, by why.",
            labels=(("cause", REFUSING),),
        ),
        CounterDefinition(
            name="complaints",
            text="Warnings, errors, fatals and panics of Postfix's daemons, by why and on whose side.",
            labels=(("level", LEVELS), ("cause", tuple(CAUSES)), ("scope", SIDES)),
            only=can_fail_so,
        ),
        CounterDefinition(
            name="messages_expired_by_cause",
            text="Messages given up, by the cause of their last deferral.",
            labels=(("cause", tuple(CAUSES)), ("scope", FAILING_SIDES)),
            only=can_fail_so,
        ),
        CounterDefinition(
            name="messages_received",
            text="Messages that a client or a program on this host began to hand over, by the program that took them.",
            labels=(("program", RECEIVERS),),
        ),
        CounterDefinition(
            name="messages_queued", text="Messages that entered the queue; a retry does not count again."
        ),
        CounterDefinition(
            name="messages_finished",
            text="Messages that left the queue, by how: all recipients sent, at least one bounced, expired, "
            "deleted or requeued. Queued = finished + open.",
            labels=(("end", ENDS),),
        ),
        CounterDefinition(name="messages_removed", text="Messages the queue manager was done with."),
        CounterDefinition(name="messages_expired", text="Messages given up because their time in the queue was over."),
        CounterDefinition(name="messages_held", text="Messages an administrator put on hold."),
        CounterDefinition(name="messages_released", text="Messages an administrator released from hold."),
        CounterDefinition(name="messages_requeued", text="Messages an administrator had come in anew."),
        CounterDefinition(name="messages_deleted", text="Messages an administrator deleted from the queue."),
        CounterDefinition(
            name="open_messages_dropped", text="Open messages no longer remembered because there were too many."
        ),
    )
}
