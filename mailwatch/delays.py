"""How long delivered mail took, stage by stage: histograms of ``delay=`` and ``delays=``, once per delivered recipient.

A message that is deferred twenty times and then sent is one observation, not twenty-one (log_adhoc.c: the delay of
an attempt is counted from the arrival of the message).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailwatch.event import Delivery

STAGES: Final = ("before-queue-manager", "queue-manager", "connection-setup", "transmission", "total")
"""The four of ``delays=a/b/c/d`` and their sum, ``delay=`` (RELEASE_NOTES 2.3)."""
BOUNDS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Upper bounds of the buckets in seconds; one more bucket takes what is beyond."""
MICROSECONDS: Final = 1_000_000
LONGEST: Final = 10**9
"""Seconds: no delay is believed to be longer. What a log says is not to overflow a sum."""

Texts = dict[str, Counter[str]]
"""How often each stage took how long, in seconds as Postfix writes them."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations by bucket, and their sum in microseconds."""

    buckets: tuple[int, ...]
    microseconds: int


def observe(texts: Texts, delivered: Sequence[Delivery]) -> None:
    """Note what ``delay=`` and ``delays=`` of delivered recipients say."""
    # texts, not numbers: a few values come again and again, so counting them first costs a tenth
    for stage, seconds in zip(STAGES, split([each.delays_text for each in delivered]), strict=False):
        texts.setdefault(stage, Counter()).update(seconds)
    texts.setdefault(STAGES[-1], Counter()).update([each.delay_text for each in delivered])


def split(delays: Sequence[str]) -> Iterable[Sequence[str]]:
    """The four parts of each ``delays=a/b/c/d``, part by part; what has not four is left out."""
    # all at once: it takes half of the time of one by one
    parts, times, width = "//".join(delays).split("/"), len(delays), len(STAGES)
    empty = times - 1
    if len(parts) == width * times - 1 and parts.count("") == empty == parts[width - 1 :: width].count(""):
        return [parts[number::width] for number in range(width - 1)]
    apart = [each.split("/") for each in delays]
    return zip(*[each for each in apart if len(each) == width - 1], strict=True)


def histogram(texts: Counter[str]) -> Histogram:
    """What was noted, as a histogram; what is no number is left out."""
    buckets = [0] * (len(BOUNDS) + 1)
    microseconds = 0
    for text, times in texts.items():
        try:
            seconds = min(float(text), LONGEST)
        except ValueError:
            continue
        buckets[bisect_left(BOUNDS, seconds)] += times
        microseconds += round(seconds * MICROSECONDS) * times
    return Histogram(tuple(buckets), microseconds)
