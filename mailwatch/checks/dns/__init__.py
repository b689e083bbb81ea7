"""Checks of a domain that sends mail; each is a file here, or a folder, and a line below. Pure: who to ask is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns import helo, mx, ptr
from mailwatch.checks.dns.blocklists import check as blocklists

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

    Check = Callable[[Asks, Facts], Awaitable[list[Finding]]]

DNS: Final[dict[str, Check]] = {
    mx.NAME: mx.check,
    ptr.NAME: ptr.check,
    helo.NAME: helo.check,
    blocklists.NAME: blocklists.check,
}
"""Each check by its name, in the order in which a person reads what it found."""
