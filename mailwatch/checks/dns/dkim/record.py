"""The words for a DKIM key record that was read, and what is wrong with it. Columns count from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailwatch.checks.dns.dkim.key import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong at a place of the record. ``code`` and ``verdict`` are those of the finding made of it.

    ``instead``: what stands there when it is put right; empty when it is taken out, None when nobody can tell.
    """

    code: str
    verdict: str
    column: int
    piece: str
    text: str
    fix: str
    instead: str | None = None
    reference: str = "RFC 6376 section 3.6.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key record. ``kind`` is what ``k=`` says; ``key`` is None when there is none, or none that can be read.

    ``revoked``: ``p=`` is there, and empty. ``corrected`` is the whole text put right, None when nobody can tell how.
    """

    text: str
    kind: str
    key: Key | None
    revoked: bool
    problems: tuple[Problem, ...] = ()
    corrected: str | None = None
