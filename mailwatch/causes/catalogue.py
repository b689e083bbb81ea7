"""What each cause means, how bad it is, and what to do next: the texts that people read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from typing import Final

from mailwatch.cause import CAUSES

SEVERITIES: Final = ("page", "warn", "info", "security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A cause as told to people. ``fix`` is the next step, with the command to run."""

    title: str
    severity: str
    meaning: str
    fix: str
    runbook: str


def read_catalogue(text: str) -> dict[str, Entry]:
    """The entries by cause, every cause among them. Raises ValueError."""
    content = tomllib.loads(text)
    names = [each.name for each in fields(Entry)]
    entries = {cause: Entry(**{name: str(content[cause][name]) for name in names}) for cause in CAUSES}
    wrong = [cause for cause, entry in entries.items() if entry.severity not in SEVERITIES]
    if wrong or set(content) - set(CAUSES):
        raise ValueError(f"catalogue: wrong severity of {wrong}, or no such cause: {set(content) - set(CAUSES)}")
    return entries
