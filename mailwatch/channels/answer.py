"""How a channel answers: the words of the other side, or why it has not got the notification.

A text here is one bounded line without control characters. Secrets are taken out of it by secrets.py, in one place.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mailwatch.notification import one_line, shortened

LONGEST: Final = 300
LONGEST_RETRY: Final = 86_400.0
# 120
SECONDS: Final = re.compile(r"[0-9]{1,9}")


class Receipt(NamedTuple):
    """The other side has it; ``answer`` is what it said."""

    answer: str


class SendFailed(Exception):  # noqa: N818 - what happened
    """The other side has not got it. ``permanent``: trying again as things are set up is of no use."""

    def __init__(self, text: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(line(text))
        self.permanent = permanent
        self.retry_after = retry_after


def line(text: str) -> str:
    """One bounded line."""
    return shortened(one_line(text[: LONGEST * 10]), LONGEST)


def retry_after(said: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3), a day at most; None where it is none."""
    if said is None:
        return None
    if SECONDS.fullmatch(said.strip()):
        return min(float(said), LONGEST_RETRY)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 20 ms, and seldom needed

    try:
        until = parsedate_to_datetime(said[:100]).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(until - now, 0.0), LONGEST_RETRY)
