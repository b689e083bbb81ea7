"""What is looked at on this host, and how often: the queue, Postfix, its disk, its log."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from mailwatch.checks.host import HOST, disk, log_moving, postfix_up
from mailwatch.probes.job import Job
from mailwatch.queue_sample import Sampler
from mailwatch.sample import QUEUE, Probe, QueueSample, unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailwatch.sample import Instance

OFTEN: Final = 2
"""Seconds between looks that cost next to nothing."""
DEADLINE: Final = 5.0
MARGIN: Final = 5.0
REST: Final = 3
"""After a sample nobody asks for one for so many times what it took: Postfix needs the disk more than we do."""


class QueueRound:
    """Samples the queues of all instances, one after another, and tells of each whether the log moved with it."""

    def __init__(self, samplers: Sequence[Sampler], newest_line: Callable[[], float | None]) -> None:
        self._samplers = samplers
        self._newest_line = newest_line
        self._rest_until = 0.0
        self._last: dict[str, QueueSample] = {}

    def look(self) -> Iterator[QueueSample | Probe]:
        """A sample of each, and the log beside it; nothing while we rest from the last ones."""
        begun = time.monotonic()
        if begun < self._rest_until:
            return
        for sampler in self._samplers:
            sample = sampler.sample()
            yield sample
            before = self._last.get(sample.instance)
            yield HOST[log_moving.NAME](before, sample, self._newest_line(), time.time())
            self._last[sample.instance] = sample
        ended = time.monotonic()
        self._rest_until = ended + REST * (ended - begun)


def host_jobs(
    instances: Sequence[Instance],
    *,
    interval: int,
    box: float,
    judge: Callable[[str], str],
    newest_line: Callable[[], float | None],
    stopped: Callable[[], bool],
) -> list[Job]:
    """Everything that is looked at for these instances; ``newest_line`` is when the log's newest line was written."""
    if not instances or not interval:
        return []
    names = [each.name for each in instances]
    samplers = [Sampler(each, judge, box=box, is_up=partial(is_up, each), stopped=stopped) for each in instances]
    no_logs, no_queues = no_probes(log_moving.NAME, names), no_samples(names)
    return [
        *(each_instance(name, instances) for name in (postfix_up.NAME, disk.NAME)),
        # a list, and the files where that fails
        Job(
            QUEUE,
            interval,
            len(names) * 2 * box + MARGIN,
            QueueRound(samplers, newest_line).look,
            lambda at, trouble: [*no_queues(at, trouble), *no_logs(at, trouble)],
        ),
    ]


def is_up(instance: Instance) -> bool | None:
    """Whether an instance runs; None where nobody can tell."""
    up = HOST[postfix_up.NAME](instance, time.time()).values.get("up")
    return None if up is None else bool(up)


def each_instance(name: str, instances: Sequence[Instance]) -> Job:
    """A check that is made for each instance."""

    def look() -> Iterator[Probe]:
        for each in instances:
            yield HOST[name](each, time.time())

    return Job(name, OFTEN, DEADLINE, look, no_probes(name, [each.name for each in instances]))


def no_probes(name: str, instances: Sequence[str]) -> Callable[[float, str], list[Probe]]:
    """The results of a check that gave none."""
    return lambda at, trouble: [
        Probe(name=name, instance=each, at=at, success=None, trouble=trouble) for each in instances
    ]


def no_samples(instances: Sequence[str]) -> Callable[[float, str], list[QueueSample]]:
    """The samples of queues that could not be read."""
    return lambda at, trouble: [unread(at=at, instance=each, trouble=trouble) for each in instances]
