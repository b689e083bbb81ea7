"""When which domain is examined: every ``interval`` seconds, and once more soon after something has changed.

Promises
    One at a time, so that memory and the resolver are one process's. What is known from the state is gone on from: a
    restart is no reason to look. Those not looked at for longest come first, and a round is bounded: one that does not
    get to all of them goes on where it ended.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from mailwatch.domain import DNS, folded
from mailwatch.probes.examiner import MARGIN, examined, unseen
from mailwatch.probes.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailwatch.domain import Domain, DomainLook
    from mailwatch.options.dns import DnsOptions

OFTEN: Final = 15
"""Seconds between looks at what is due, which cost nothing."""
ROUND: Final = 120.0
"""Seconds after which a round begins no other domain."""
EARLY: Final = 0.1
"""A run that comes each hour comes a little early or late: what is due within so much of the interval is due."""


class DomainRounds:
    """Looks at the domains that are due. ``remembered`` gives what a state has of them; it is asked once.

    ``at_once``: nobody will look soon, so what has changed is looked at once more in this round.
    """

    def __init__(
        self,
        options: DnsOptions,
        looks: int,
        remembered: Callable[[], Mapping[str, Domain]],
        *,
        stopped: Callable[[], bool],
        at_once: bool = False,
        examine: Callable[[str, DnsOptions], DomainLook] = examined,
    ) -> None:
        self._options = options
        self._looks = looks
        self._remembered = remembered
        self._stopped = stopped
        self._at_once = at_once
        self._examine = examine
        self._known: dict[str, Domain] | None = None

    def look(self) -> Iterator[DomainLook]:
        """A look at each domain that is due."""
        end = time.monotonic() + ROUND
        known = self._begun()
        for name in sorted(self._options.names, key=lambda each: known[each].looked_at if each in known else 0.0):
            if not self.is_due(name, time.time()):
                continue
            for _ in range(self._looks if self._at_once else 1):
                if self._stopped() or time.monotonic() >= end:
                    return
                look = self._examine(name, self._options)
                known[name] = folded(known.get(name), look, self._looks)
                yield look
                if not known[name].is_in_doubt(self._looks) or look.success is None:
                    break

    def is_due(self, name: str, now: float) -> bool:
        """Whether a domain is to be looked at; a clock that went back is no reason to wait."""
        domain = self._begun().get(name)
        if domain is None or domain.looked_at > now:
            return True
        wait = float(self._options.interval)
        if domain.is_in_doubt(self._looks):
            wait = min(wait, self._options.again)
        return now - domain.looked_at >= wait * (1 - EARLY if self._at_once else 1)

    def _begun(self) -> dict[str, Domain]:
        if self._known is None:
            known = self._remembered()
            # of what is left out by now nothing is in doubt
            self._known = {
                name: each.without(self._options.checks) for name, each in known.items() if name in self._options.names
            }
        return self._known


def domain_jobs(
    options: DnsOptions,
    looks: int,
    remembered: Callable[[], Mapping[str, Domain]],
    *,
    stopped: Callable[[], bool],
    at_once: bool = False,
    examine: Callable[[str, DnsOptions], DomainLook] = examined,
) -> list[Job]:
    """What is looked at in DNS; nothing where no domain is named."""
    if not options.names:
        return []
    rounds = DomainRounds(options, looks, remembered, stopped=stopped, at_once=at_once, examine=examine)
    often = min(OFTEN, options.interval, options.again)
    return [Job(DNS, often, ROUND + options.deadline + 3 * MARGIN, rounds.look, partial(unanswered, options))]


def unanswered(options: DnsOptions, at: float, trouble: str) -> list[DomainLook]:
    """The looks that were none."""
    return [unseen(name, at, trouble) for name in options.names]
