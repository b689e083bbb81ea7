"""Checks of a domain that sends mail; each is a file here, or a folder, and a line below. Pure: who to ask is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns import caa, dane, tls_rpt
from mailwatch.checks.dns.dnssec import check as dnssec
from mailwatch.checks.dns.mta_sts import check as mta_sts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

    Check = Callable[[Asks, Facts], Awaitable[list[Finding]]]

DNS: Final[dict[str, Check]] = {
    "mta_sts": mta_sts.check,
    "tls_rpt": tls_rpt.check,
    "dane": dane.check,
    "dnssec": dnssec.check,
    "caa": caa.check,
}
"""Each check by its name, in the order in which a person reads what it found."""
