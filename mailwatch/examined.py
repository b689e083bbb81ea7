"""Names the numbers of domains: what DNS said of them at the last look, as it is committed.

A gauge is absent while it is unknown. The labels are domains of the configuration and names of checks, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily

from mailwatch.finding import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from mailwatch.store import Snapshot

PREFIX: Final = "mailwatch_dns_"
OF_CHECKS: Final[dict[str, tuple[str, str]]] = {
    "status": (
        "check_status",
        "What a check of a domain found: 0 nothing wrong, 1 a warning, 2 an error; absent while it is unknown.",
    ),
    "known_at": ("check_last_success_timestamp_seconds", "When that was last known."),
}


def domains(snapshot: Snapshot) -> Iterator[Metric]:
    """Every gauge of the domains that are examined."""
    for key, (name, text) in OF_CHECKS.items():
        family = GaugeMetricFamily(PREFIX + name, text, labels=["domain", "check"])
        for domain, said in snapshot.domains.items():
            for check, value in said.get(key, {}).items():
                family.add_metric([domain, check], value)
        yield family
    found = GaugeMetricFamily(
        PREFIX + "check_findings",
        "What the last look at a domain found, by verdict.",
        labels=["domain", "verdict"],
    )
    lookups = GaugeMetricFamily(
        PREFIX + "spf_lookups",
        "Look-ups that a domain's SPF record took for this host; 10 are allowed.",
        labels=["domain"],
    )
    for domain, said in snapshot.domains.items():
        if "findings" in said:
            for verdict in VERDICTS:
                found.add_metric([domain, verdict], said["findings"].get(verdict, 0))
        if "spf_lookups" in said:
            lookups.add_metric([domain], said["spf_lookups"])
    yield found
    yield lookups
