"""What a channel is given: one notification, whole in itself, and bounded in every part.

Promises
    ``key`` is the same each time the same thing is told again, so that a repeat can be recognised: a channel makes
    its Message-ID, its header, its label of it. The subject is one line. ``as_json`` cuts what is too long and replaces
    what is no text, so it can always be handed over; ``from_json`` takes nothing that ``as_json`` would not have given.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

FIRST, REMINDER, RESOLVED, TEST = "first", "reminder", "resolved", "test"
KINDS: Final = (FIRST, REMINDER, RESOLVED, TEST)
PAGE, WARN, INFO, SECURITY = "page", "warn", "info", "security"
BY_HAND: Final = "notify"
"""The rule of what ``mailwatch notify`` tells: nobody will say that it is over."""
SEVERITIES: Final = (PAGE, WARN, INFO, SECURITY)
RANKS: Final = {INFO: 0, WARN: 1, SECURITY: 1, PAGE: 2}
"""How severities compare: ``security`` is as urgent as ``warn``, and told apart for people."""
LONGEST: Final = {
    "key": 200, "rule": 100, "cause": 100, "scope": 100, "host": 255, "subject": 300, "text": 16_384, "html": 65_536,
    "runbook": 1000,
}  # fmt: skip
"""So many characters of each are kept."""
LARGEST: Final = 1 << 20
CUT: Final = " […]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing to tell people. Times are in seconds since 1970; ``ended_at`` is None while it goes on."""

    key: str
    kind: str
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

    def bounded(self) -> Notification:
        """The same with every text cut to its length and no character that is none; the subject in one line."""
        cut: dict[str, Any] = {
            name: shortened(sound(getattr(self, name)), most) for name, most in LONGEST.items() if name != "subject"
        }
        return replace(self, subject=shortened(one_line(self.subject), LONGEST["subject"]), **cut)

    def as_json(self) -> str:
        """One line of ASCII. Raises ValueError for a time that is none."""
        return json.dumps(asdict(self.bounded()), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Notification:
        """The notification in a JSON text. Raises ValueError, with what is wrong."""
        if len(text) > LARGEST:
            raise ValueError("a notification of more than 1 MiB")
        try:
            said = json.loads(text)
        except RecursionError as error:
            raise ValueError("a notification that is nested too deep") from error
        return from_table(said)


def from_table(said: Any) -> Notification:
    """The notification in a table of its values. Raises ValueError, with what is wrong."""
    names = {each.name for each in fields(Notification)}
    if not isinstance(said, dict) or set(said) != names:
        raise ValueError("no notification: other keys than it has")
    for name, value in said.items():
        if name in ("began_at", "at", "ended_at"):
            if not is_time(value) and not (name == "ended_at" and value is None):
                raise ValueError(f"{name}: expected a time")
        elif not isinstance(value, str) or len(value) > LONGEST.get(name, LARGEST):
            raise ValueError(f"{name}: expected text of {LONGEST.get(name, LARGEST)} characters at most")
    if said["kind"] not in KINDS or said["severity"] not in SEVERITIES:
        raise ValueError("kind, severity: expected words that there are")
    return Notification(**said)


def is_time(value: Any) -> bool:
    """Whether a value can be a time."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def sound(text: str) -> str:
    """The text without what UTF-8 or a C string cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def one_line(text: str) -> str:
    """The text in one line that steers no terminal and breaks no header."""
    return "".join(each if each.isprintable() else "?" for each in " ".join(sound(text).split()))


def shortened(text: str, most: int) -> str:
    """The text, cut to so many characters."""
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def reaches(severity: str, least: str) -> bool:
    """Whether a notification of this severity goes to a channel that wants ``least`` or worse."""
    return RANKS[severity] >= RANKS[least]
