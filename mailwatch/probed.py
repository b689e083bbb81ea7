"""Names the numbers of what was looked at: the queue, Postfix, its disk. A gauge is absent while it is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily

from mailwatch.cause import CAUSES
from mailwatch.sample import QUEUE, Probe, QueueSample, is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from mailwatch.sample import Latest, QueueState

PREFIX: Final = "mailwatch_"
OF_QUEUE: Final[dict[str, tuple[str, str]]] = {
    "messages": ("queue_messages", "Messages in a queue."),
    "recipients": ("queue_recipients", "Recipients that messages in a queue still have."),
    "bytes": ("queue_bytes", "Size of the messages in a queue."),
    "oldest_arrival": (
        "queue_oldest_message_timestamp_seconds",
        "When the oldest message in a queue arrived; absent when it is empty.",
    ),
}
OF_PROBES: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("postfix", "up"): ("postfix_up", "Whether Postfix runs."),
    ("postfix", "stopped"): ("postfix_stopped_processes", "Processes of Postfix that a signal has stopped."),
    ("postfix", "queue_manager"): ("postfix_queue_manager_up", "Whether Postfix has a queue manager."),
    ("disk", "bytes"): ("queue_filesystem_size_bytes", "Size of the queue's file system."),
    ("disk", "bytes_free"): ("queue_filesystem_avail_bytes", "Bytes free for Postfix on the queue's file system."),
    ("disk", "needed"): ("queue_filesystem_needed_bytes", "Free bytes below which smtpd takes no mail."),
    ("disk", "read_only"): ("queue_filesystem_readonly", "Whether the queue's file system is read-only."),
    ("disk", "inodes"): ("queue_filesystem_files", "Inodes of the queue's file system."),
    ("disk", "inodes_free"): ("queue_filesystem_files_free", "Inodes free for Postfix on the queue's file system."),
    ("log-moving", "silent"): (
        "log_silent_seconds",
        "Seconds from the newest line to the last thing that the queue is known to have done after it.",
    ),
}
INSTANCE: Final = "postfix_instance"


def families(latest: Iterable[Latest]) -> Iterator[Metric]:
    """Every gauge of samples and probes."""
    results = [each.result for each in latest]
    yield from queues([each for each in results if isinstance(each, QueueSample)])
    probes = [each for each in results if isinstance(each, Probe)]
    for (name, key), (metric, text) in OF_PROBES.items():
        family = GaugeMetricFamily(PREFIX + metric, text, labels=[INSTANCE])
        for probe in probes:
            if probe.name == name and key in probe.values:
                family.add_metric([probe.instance], probe.values[key])
        yield family


def queues(samples: list[QueueSample]) -> Iterator[Metric]:
    """What waits. A sample that is not complete is a lower bound, and no number here."""
    known = [sample for sample in samples if sample.complete]
    for key, (metric, text) in OF_QUEUE.items():
        family = GaugeMetricFamily(PREFIX + metric, text, labels=[INSTANCE, "queue"])
        for sample in known:
            for name, state in sample.queues.items():
                value = getattr(state, key)
                if value is not None:
                    family.add_metric([sample.instance, name], value)
        yield family
    delayed = GaugeMetricFamily(
        PREFIX + "queue_delayed_recipients",
        "Recipients that wait because delivery to them failed, by cause.",
        labels=[INSTANCE, "cause"],
    )
    for sample in known:
        # counting files tells no causes
        if any(state.recipients is None for state in sample.queues.values() if state.messages):
            continue
        for cause, number in by_cause(sample.queues).items():
            delayed.add_metric([sample.instance, cause], number)
    yield delayed
    taken = GaugeMetricFamily(
        PREFIX + "queue_sample_duration_seconds", "How long the last sample of the queue took.", labels=[INSTANCE]
    )
    for sample in known:
        taken.add_metric([sample.instance], sample.seconds)
    yield taken


def by_cause(states: Mapping[str, QueueState]) -> dict[str, int]:
    """Recipients that wait in any queue, of every cause."""
    found = dict.fromkeys(CAUSES, 0)
    for state in states.values():
        for cause, number in state.by_cause.items():
            if cause in found:
                found[cause] += number
    return found


class Sight(NamedTuple):
    """Whether something could be seen at the last look, and when last."""

    success: bool
    succeeded_at: float | None


def sights(latest: Iterable[Latest]) -> dict[str, Sight]:
    """Of each probe whether it could see what it looks at: at all instances, when there are several."""
    found: dict[str, Sight] = {}
    for result, known_at in latest:
        name = QUEUE if isinstance(result, QueueSample) else result.name
        before = found.get(name, Sight(success=True, succeeded_at=known_at))
        ends = (known_at, before.succeeded_at)
        at = None if None in ends else min(each for each in ends if each is not None)
        found[name] = Sight(success=before.success and is_known(result), succeeded_at=at)
    return found
