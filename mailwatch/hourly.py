"""What an hourly run decides: all that happened since the run before, at its end, told as one digest.

Promises
    The log is read and committed piece by piece, and nothing is decided meanwhile; at the end all of it is, minute by
    minute of event time, and that is one commit with the digest. A run that is killed before decides nothing, and the
    next one decides on the same minutes: nothing is lost, nothing is told twice.
    What the state cannot take is told from memory.

Known limit: an Alertmanager forgets within minutes what it is not told again; an hourly run is no source for one that
is to show what still fires.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mailwatch.alert import FIRING
from mailwatch.decisions import Decisions
from mailwatch.digest import digest, merged
from mailwatch.duty import Duty
from mailwatch.letter import written
from mailwatch.letters import Row, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mailwatch.alert import Alert, Notice
    from mailwatch.decisions import Decided, Remembered
    from mailwatch.letter import Stationery
    from mailwatch.pulse import Pulse
    from mailwatch.store import Store
    from mailwatch.tally import Delta

DAY: Final = 86_400.0
"""Seconds of log that are decided on at once at most: what is kept in memory for it is bounded."""
SINGLY: Final = frozenset({"alertmanager"})
"""Types of channels for machines, which are told problem by problem."""


class Hourly(Duty):
    """``ahead``: seconds until the next run. ``from_memory``: the state cannot be written."""

    ahead = 3600.0
    from_memory = False
    is_last = False
    """Set when all is read and looked at: the next tick decides."""
    is_read = False
    """Whether the log was read to its end: then that is now, though a line may come this moment."""
    first = False
    """Whether this is the very first run on a state."""
    damaged: Path | None = None
    """Where a state that was damaged is kept: what was written since the run before was not seen."""
    since: float | None = None
    """Up to when was decided before."""
    lines = 0
    _begun_before = False
    _uncommitted = 0
    _notices: Sequence[Notice] = ()

    def begin(self, store: Store, now: float) -> None:
        """Go on from what a state remembers."""
        if not self._begun_before:
            self.first = not store.positions() and not store.begins_at_end()
        self.damaged = store.damaged or self.damaged
        super().begin(store, now)
        self._begun_before = True

    def decide(self, delta: Delta, pulse: Pulse, now: float, *, caught_up: bool, blind: bool = False) -> Decided | None:
        """Count while there is more to come; decide at the end, or where too much has come together."""
        decisions = self._begun(now)
        self._uncommitted = delta.totals()["log_lines", ()]
        if not self.is_last and decisions.undecided < DAY:
            return decisions.count(delta)
        decisions.look_again()  # what could not be committed just now is looked at once more
        caught_up = self.is_last and (caught_up or self.is_read)
        decided = super().decide(delta, pulse, now, caught_up=caught_up, blind=blind)
        if decided is None:
            return None
        self._notices = [*self._notices, *decided.notices]
        # also when nothing is wrong it is remembered up to when that was seen
        return replace(decided, pressing=decided.pressing or self.is_last)

    def settled(self, now: float) -> None:
        """It is committed, or as good as that: people are told."""
        rows = list(self._rows)
        if self.from_memory:
            self._kept = []  # what is told from memory is in no state that lasts
        self.lines += self._uncommitted
        super().settled(now)
        if self.from_memory:
            self._outbox.tell_from_memory(rows, now)

    def failed(self, pulse: Pulse, now: float) -> None:
        """Nothing can be committed: it is tried again, or all of it begun anew from memory."""
        del pulse, now
        self.take_back()

    def firing(self) -> list[Alert]:
        """The alerts that fire."""
        return [] if self._decisions is None else [a for a in self._decisions.alerts.values() if a.state == FIRING]

    @property
    def notices(self) -> list[Notice]:
        """What there was to tell, one an episode, the worst first."""
        return merged(self._notices)

    @property
    def new(self) -> set[str]:
        """The episodes that nobody was told of before."""
        return {notice.episode_key for notice in self._notices if notice.kind == "first"}

    def _made(self, remembered: Remembered, now: float) -> Decisions:
        self.since = remembered.until
        return Decisions(self._site, self._options, remembered, now, page_from=remembered.until, ahead=self.ahead)

    def _addressed(self, notices: Sequence[Notice], paper: Stationery) -> list[Row]:
        """One digest for people; for machines each problem."""
        letter = digest(notices, paper)
        singly = tuple(each for each in self._options.channel if each.kind in SINGLY)
        others = tuple(each for each in self._options.channel if each.kind not in SINGLY)
        rows, rations = rows_of(
            [] if letter is None else [letter], replace(self._options, channel=others), self._rations
        )
        each_one = [written(notice, paper) for notice in merged(notices)]
        more, self._rations = rows_of(each_one, replace(self._options, channel=singly), rations)
        return [*rows, *more]
