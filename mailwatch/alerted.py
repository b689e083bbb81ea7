"""Names the numbers of alerts: which fire, what waits to be told, what became of what was told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from mailwatch.alert import FIRING
from mailwatch.counters import OUTCOMES
from mailwatch.notification import SEVERITIES
from mailwatch.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from mailwatch.alert import Alert
    from mailwatch.store import Snapshot

PREFIX: Final = "mailwatch_"
NOTIFICATIONS: Final = "notifications"


def firing(alerts: Iterable[Alert] | None) -> Iterator[Metric]:
    """How many alerts fire, by rule and severity; absent while nothing was decided yet."""
    family = GaugeMetricFamily(
        PREFIX + "alerts_firing", "Alerts that fire, whether anybody was told or not.", labels=["rule", "severity"]
    )
    if alerts is not None:
        found = Counter((alert.rule, alert.severity) for alert in alerts if alert.state == FIRING)
        for rule in RULES:
            for severity in SEVERITIES:
                family.add_metric([rule, severity], found[rule, severity])
    yield family


def outbox(snapshot: Snapshot, channels: Sequence[str]) -> Iterator[Metric]:
    """What waits, and what became of attempts to tell somebody, by channel."""
    yield GaugeMetricFamily(
        PREFIX + "outbox_pending", "Notifications that wait for a channel to take them.", value=snapshot.outbox_pending
    )
    oldest = GaugeMetricFamily(
        PREFIX + "outbox_oldest_timestamp_seconds", "Since when the oldest of them waits; absent when none does."
    )
    if snapshot.outbox_oldest_at is not None:
        oldest.add_metric([], snapshot.outbox_oldest_at)
    yield oldest
    told = CounterMetricFamily(
        PREFIX + NOTIFICATIONS,
        "Attempts to tell somebody, by channel and what became of them.",
        labels=["channel", "outcome"],
    )
    for channel in channels:
        for outcome in OUTCOMES:
            told.add_metric([channel, outcome], snapshot.counters.get((NOTIFICATIONS, (channel, outcome)), 0))
    yield told
