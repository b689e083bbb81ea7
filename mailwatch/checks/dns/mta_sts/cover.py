"""Whether a policy names the hosts that take the mail, and no others (RFC 8461 section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.mta_sts.policy import ENFORCE, Policy, matches
from mailwatch.checks.dns.names import shown, written
from mailwatch.checks.dns.txt import shortened
from mailwatch.finding import ERROR, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.name import Name

MOST: Final = 100
"""So many patterns are looked at."""
REFERENCE: Final = "RFC 8461 section 4.1"


def cover(policy: Policy, hosts: Sequence[Name], url: str, publish: str) -> list[Finding]:
    """A finding for hosts without a pattern, and one for patterns without a host; none where no host takes mail."""
    if not policy.patterns or not hosts:
        return []
    names = {written(host).removesuffix("."): host for host in hosts}
    left_out = [host for name, host in names.items() if not any(matches(each, name) for each in policy.patterns[:MOST])]
    idle = [each for each in policy.patterns[:MOST] if not any(matches(each, name) for name in names)]
    found = []
    if left_out:
        found.append(_left_out(policy, left_out, len(left_out) == len(names), url, publish))
    if idle:
        found.append(_idle(idle, url, publish))
    return found


def _left_out(policy: Policy, hosts: list[Name], all_of_them: bool, url: str, publish: str) -> Finding:  # noqa: FBT001 - a fact of the hosts
    named = ", ".join(map(shown, hosts))
    if policy.mode == ENFORCE:
        verdict = ERROR
        effect = "senders that keep to it refuse to deliver there" + (", so all their mail fails" * all_of_them)
    else:
        verdict = WARNING
        effect = "once the policy is enforced, senders will refuse to deliver there"
    lines = ", ".join(f'"mx: {written(host).removesuffix(".")}"' for host in hosts)
    return Finding(
        check="mta_sts",
        code="mta-sts-mx-not-covered",
        verdict=verdict,
        text=f"The MTA-STS policy does not name {named}, which the MX records do: {effect}.",
        where=url,
        fix=f"Add to the policy {lines}, or take the host out of the MX records; then give the record a new id.",
        publish=publish,
        reference=REFERENCE,
    )


def _idle(patterns: list[str], url: str, publish: str) -> Finding:
    named = shortened(", ".join(patterns))
    return Finding(
        check="mta_sts",
        code="mta-sts-unused-pattern",
        verdict=WARNING,
        text=f"The MTA-STS policy names {named}, and no MX record does: a host that is gone, or a slip of the pen."
        " Whoever gets that name may take the domain's mail.",
        where=url,
        fix="Take the line out of the policy, then publish the record with a new id.",
        publish=publish,
        reference=REFERENCE,
    )
