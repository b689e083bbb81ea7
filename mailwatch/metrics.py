"""Names the numbers: what was committed becomes a Prometheus page.

Counters of mail come from committed state only: a value that was shown once never goes back, also when the
process is killed right after. Those of the page itself begin with the process. A gauge is absent while it is
unknown. Every series that can appear is there at zero from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder, generate_latest

from mailwatch import __version__
from mailwatch.alerted import firing, outbox
from mailwatch.counters import COUNTERS
from mailwatch.delays import BOUNDS, MICROSECONDS, STAGES
from mailwatch.examined import domains
from mailwatch.probed import families, sights
from mailwatch.store import SUM, Snapshot, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from mailwatch.alert import Alert
    from mailwatch.pulse import Pulse
    from mailwatch.refusals import Refusals
    from mailwatch.sample import Latest

PREFIX: Final = "mailwatch_"


def counters(snapshot: Snapshot) -> Iterator[Metric]:
    """Every counter with all its series."""
    for definition in COUNTERS.values():
        family = CounterMetricFamily(
            PREFIX + definition.name, definition.text, labels=[name for name, _ in definition.labels]
        )
        for labels in definition.every():
            family.add_metric(labels, snapshot.counters.get((definition.name, labels), 0))
        yield family


def delays(snapshot: Snapshot) -> Metric:
    """How long delivered mail took, by stage."""
    family = HistogramMetricFamily(
        PREFIX + "delivery_delay_seconds",
        "Seconds a delivered recipient's mail took, once per recipient, by stage.",
        labels=["stage"],
    )
    for stage in STAGES:
        reached = 0
        buckets = []
        for number, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            reached += snapshot.delays.get((stage, number), 0)
            buckets.append((bound, reached))
        family.add_metric([stage], buckets, snapshot.delays.get((stage, SUM), 0) / MICROSECONDS)
    return family


def gauges(snapshot: Snapshot | None, pulse: Pulse, latest: Iterable[Latest] = ()) -> Iterator[Metric]:
    """What is true now, as far as it is known."""
    if snapshot is not None:
        yield GaugeMetricFamily(
            PREFIX + "open_messages",
            "Messages seen to enter the queue and not seen to leave it.",
            value=snapshot.open_messages,
        )
    if snapshot is not None and snapshot.last_event_at is not None:
        yield GaugeMetricFamily(
            PREFIX + "log_last_event_timestamp_seconds",
            "Time of the newest Postfix line that was counted.",
            value=snapshot.last_event_at,
        )
    probe = GaugeMetricFamily(
        PREFIX + "probe_success", "Whether what mailwatch looks at could be seen at the last look.", labels=["probe"]
    )
    succeeded = GaugeMetricFamily(
        PREFIX + "probe_last_success_timestamp_seconds", "When it could last be seen.", labels=["probe"]
    )
    looks = [(name, seen.success, seen.succeeded_at) for name, seen in pulse.probes().items()]
    for name, success, at in (*looks, *((name, *sight) for name, sight in sights(latest).items())):
        if success is not None:
            probe.add_metric([name], success)
        if at is not None:
            succeeded.add_metric([name], at)
    yield probe
    yield succeeded
    build = GaugeMetricFamily(PREFIX + "build_info", "Version of mailwatch.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build


class Shown(Protocol):
    """What the page is about; each is asked at each scrape, for after a SIGHUP it is another."""

    @property
    def state_dir(self) -> Path:
        """Where the state lies."""

    @property
    def channels(self) -> Sequence[str]:
        """The channels of the configuration, by name."""

    @property
    def probed(self) -> Callable[[], Iterable[Latest]]:
        """What was looked at last."""

    @property
    def alerts(self) -> Callable[[], Iterable[Alert] | None]:
        """What is decided now; None before the first look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snap:
    """What a page is about that is made once."""

    state_dir: Path
    channels: Sequence[str]
    probed: Callable[[], Iterable[Latest]]
    alerts: Callable[[], Iterable[Alert] | None]


class StateCollector:
    """Reads the state at each scrape, beside the writer."""

    def __init__(self, shown: Shown, pulse: Pulse, refusals: Refusals | None) -> None:
        self._shown = shown
        self._pulse = pulse
        self._refusals = refusals

    def collect(self) -> Iterator[Metric]:
        """Every metric; without the counters while the state cannot be read."""
        snapshot = read_snapshot(self._shown.state_dir)
        if snapshot is not None:
            yield from counters(snapshot)
            yield delays(snapshot)
            yield from outbox(snapshot, self._shown.channels)
            yield from domains(snapshot)
        latest = list(self._shown.probed())
        yield from firing(self._shown.alerts())
        yield from gauges(snapshot, self._pulse, latest)
        yield from families(latest)
        if self._refusals is not None:
            yield from refused(self._refusals)


def refused(refusals: Refusals) -> Iterator[Metric]:
    """What the page itself counts; from the beginning of the process, unlike the counters of mail."""
    family = CounterMetricFamily(
        PREFIX + "web_refused", "Clients of this page that were refused or dropped.", labels=["reason"]
    )
    for reason, number in refusals.every().items():
        family.add_metric([reason], number)
    yield family


def registry(shown: Shown, pulse: Pulse, refusals: Refusals) -> CollectorRegistry:
    """What the page is made of: our own metrics, from the state folder as it is at each scrape, and the process's."""
    made = CollectorRegistry()
    made.register(StateCollector(shown, pulse, refusals))
    ProcessCollector(registry=made)
    return made


def page(shown: Shown, pulse: Pulse) -> bytes:
    """What an hourly run leaves behind, as text: it has no clients, and its process is over when this is read."""
    made = CollectorRegistry()
    made.register(StateCollector(shown, pulse, None))
    return generate_latest(made)


def encoding(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """How to write the page in the format asked for (OpenMetrics or text), and its content type."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        return choose_encoder("")
