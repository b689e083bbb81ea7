"""Checks of a domain that sends mail; each is a file here, or a folder, and a line below. Pure: who to ask is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns import bimi, delegation, helo, mx, ptr, senders
from mailwatch.checks.dns.blocklists import check as blocklists
from mailwatch.checks.dns.dkim import check as dkim
from mailwatch.checks.dns.dmarc import check as dmarc
from mailwatch.checks.dns.provider import check as provider
from mailwatch.checks.dns.spf import check as spf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

    Check = Callable[[Asks, Facts], Awaitable[list[Finding]]]

DNS: Final[dict[str, Check]] = {
    delegation.NAME: delegation.check,
    mx.NAME: mx.check,
    ptr.NAME: ptr.check,
    helo.NAME: helo.check,
    spf.NAME: spf.check,
    provider.NAME: provider.check,
    senders.NAME: senders.check,
    dkim.NAME: dkim.check,
    dmarc.NAME: dmarc.check,
    bimi.NAME: bimi.check,
    blocklists.NAME: blocklists.check,
}
"""Each check by its name, in the order in which a person reads what it found."""
