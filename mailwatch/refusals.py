"""Why a client of the page was refused or dropped, and how often since this process began."""

from __future__ import annotations

from collections import Counter
from typing import Final

REASONS: Final[dict[str, str]] = {
    "connections": "it had waited longest when there were more connections than are kept open",
    "descriptors": "it had waited longest when the process was out of descriptors",
    "slow-request": "its request was not complete in time",
    "slow-reader": "it did not read its answer in time",
    "bad-request": "what it sent was not HTTP, or too long",
    "method": "it asked for something else than GET or HEAD",
    "body": "its request had a body",
    "tls": "there was no TLS with it, or not with the certificate it has",
    "auth": "it gave no password, or a wrong one",
    "auth-busy": "too many passwords of its network were waiting to be checked",
}


class Refusals:
    """Counts; written and read by the thread of the page alone."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        """One more client was refused or dropped; the reason is one of REASONS."""
        if reason not in REASONS:
            raise ValueError(f"not a reason: {reason!r}")
        self._counted[reason] += 1

    def every(self) -> dict[str, int]:
        """The count of every reason, at zero what has not happened."""
        return {reason: self._counted[reason] for reason in REASONS}
