"""What a rule says of one cause and scope: that it is so, that it is not yet over, or that it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["raise", "hold", "unknown"]
RAISE: Final = "raise"
"""At or above the threshold."""
HOLD: Final = "hold"
"""Between the two thresholds: starts nothing, ends nothing."""
UNKNOWN: Final = "unknown"
"""It cannot be told: starts nothing, ends nothing. With cause ``ANY``, of every alert of the rule."""
ANY: Final = "*"

OWN_CAUSES: Final = (
    "log-silent", "log-gap", "log-unreadable", "state-unwritable", "outbox-old", "probe-failing", "postfix-unknown",
    "mail-deferred", "mail-bounced", "queue-growing", "queue-old", "no-delivery", "dns-worse",
    "dns-found", "dns-unknown",
)  # fmt: skip
"""What alerts are about besides the causes of failed mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule's finding. ``evidence`` is for the text and is never part of what identifies an alert.

    ``for_seconds`` overrules the rule's own; ``since`` is when it began, as far as can be seen. ``once``: it is worth
    no reminder, unless it is ``about`` something (words, with blanks between) that nobody was told of.
    """

    rule: str
    cause: str
    scope: str
    severity: str
    level: Level
    since: float
    count: int | None = None
    oldest: float | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    for_seconds: int | None = None
    once: bool = False
    about: str = ""


def unknown(rule: str, at: float, cause: str = ANY, scope: str = ANY) -> list[Firing]:
    """Nothing can be told by this rule now, or nothing of one cause."""
    return [Firing(rule=rule, cause=cause, scope=scope, severity="info", level=UNKNOWN, since=at)]


def percent(part: int, whole: int) -> float:
    """A share of a hundred; of nothing, none."""
    return 100 * part / whole if whole else 0.0
