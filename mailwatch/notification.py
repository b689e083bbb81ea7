"""What a person is told: one notification, ready to hand to a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["first", "reminder", "resolved", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification. ``key`` is the same whenever the same decision is made again."""

    key: str
    kind: Kind
    rule: str
    cause: str
    scope: str
    severity: str
    host: str
    subject: str
    text: str
    html: str
    began_at: float
    ended_at: float | None
    at: float
    runbook: str
