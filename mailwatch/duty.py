"""What a tick does besides counting: takes in what was looked at, decides, and has people told.

Promises
    A decision and the notifications it leads to are committed with the lines that led to it, and told after that. What
    cannot be committed is told nevertheless, from memory, at most once an hour for each key: the alarm about a full
    disk does not need the disk.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch import ledger
from mailwatch.database import NAME, reading
from mailwatch.decisions import Decisions, Remembered
from mailwatch.letter import Stationery
from mailwatch.letters import addressed
from mailwatch.sample import Probe
from mailwatch.tally import Delta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mailwatch.alert import Alert, AlertKey, Notice
    from mailwatch.causes import Entry
    from mailwatch.decisions import Decided
    from mailwatch.domain import Domain
    from mailwatch.heart import Heart
    from mailwatch.letters import Kept, Row
    from mailwatch.options import Options
    from mailwatch.outbox import Outbox
    from mailwatch.pulse import Pulse, Seen
    from mailwatch.ration import Ration
    from mailwatch.sample import QueueSample
    from mailwatch.store import Store
    from mailwatch.view import Site

log = logging.getLogger(__name__)

OLDEST_EVERY: Final = 10.0
"""Seconds between looks at how long the oldest notification waits."""


class Owed(NamedTuple):
    """What was decided and is in no state; ``rows`` that nobody was told of yet."""

    state_dir: Path
    alerts: dict[AlertKey, Alert]
    rows: list[Row]
    rations: dict[str, Ration]
    domains: dict[str, Domain]


class Duty:
    """Used by the work loop alone. ``taken`` gives what probes have found since it was asked last."""

    def __init__(
        self,
        options: Options,
        catalogue: Mapping[str, Entry],
        outbox: Outbox,
        taken: Callable[[], list[QueueSample | Probe]],
        heart: Heart,
        site: Site,
    ) -> None:
        self._options = options
        self._catalogue = catalogue
        self._outbox = outbox
        self._taken = taken
        self._heart = heart
        self._site = site
        self._decisions: Decisions | None = None
        self._provisional = False
        self._rations: dict[str, Ration] = {}
        self._rows: list[Row] = []
        self._kept: list[Kept] = []
        self._seen: dict[str, Seen] = {}
        self._oldest: tuple[float, float | None] = (0.0, None)

    def owed(self) -> Owed | None:
        """What was decided and is in no state; None where all is committed."""
        decisions = self._decisions
        if decisions is None:
            return None
        if not (self._provisional or self._rows or self._outbox.kept() or decisions.standing().pressing):
            return None
        return Owed(
            self._options.state_dir,
            dict(decisions.alerts),
            list(self._rows),
            dict(self._rations),
            dict(decisions.domains),
        )

    def go_on_from(self, owed: Owed, now: float) -> None:
        """Take over what the duty of an earlier configuration could not commit."""
        names = [channel.name for channel in self._options.channel]
        # what was addressed to a channel that is no more is told by the first one
        self._rows = [row if row.channel in names else row._replace(channel=names[0]) for row in owed.rows if names]
        if owed.state_dir == self._options.state_dir:
            decisions = self._begun(now)
            decisions.go_on_from(owed.alerts, owed.domains)
            self._rations = {name: ration for name, ration in owed.rations.items() if name in names}

    def begin(self, store: Store, now: float) -> None:
        """Go on from what a state remembers, unless what was decided since is still in memory."""
        before = self._decisions
        if before is not None and not self._provisional:
            return
        with store.reading() as connection:
            remembered = ledger.read(connection, now)
            self._rations = {**ledger.read_rations(connection), **self._rations}
        self._decisions = self._made(remembered, now)
        if before is not None:  # decided while nothing could be read
            self._decisions.go_on_from(before.alerts, before.domains)
        self._provisional = False
        self._outbox.wake()  # what an earlier process left could not be read until now, maybe

    def alerts(self) -> list[Alert] | None:
        """What is decided now; None before the first look. From any thread."""
        decisions = self._decisions
        return None if decisions is None else list(decisions.alerts.values())

    def beat(self, pulse: Pulse) -> None:
        """The loop has come round: who watches us is told."""
        waits = 0.0 if self._oldest[1] is None else self._oldest[0] - self._oldest[1]
        late = waits >= self._options.rules.own_health.outbox_seconds
        self._heart.beat(pulse, f"no channel takes what has been waiting for {waits:.0f} s" if late else None)

    def anew(self, now: float) -> None:
        """The state was damaged and is begun anew; what was decided is still in memory."""
        if self._decisions is None:
            self._outbox.anew()
            return
        gap = Delta()
        gap.count("log_gaps", now, ("state-damaged",))
        self._decisions.begun_anew(gap)

    def decide(self, delta: Delta, pulse: Pulse, now: float, *, caught_up: bool, blind: bool = False) -> Decided | None:
        """Decide on what was read and looked at; None when there is nothing new. ``blind``: the log is not read."""
        decisions = self._begun(now)
        blind = blind or pulse.log.success is False
        decisions.take([*self._taken(), *self._of_itself(pulse, now)])
        decided = decisions.decide(delta, now, caught_up=caught_up, outbox_oldest_at=self._oldest_at(now), blind=blind)
        if decided is not None:
            self._rows += self._written(decided.notices, decisions)
        self._kept = self._outbox.kept()
        if self._rows or self._kept:
            # what could not be committed before is committed as soon as that works, whatever else comes
            return replace(decided or decisions.standing(), pressing=True)
        return decided

    def write(self, connection: sqlite3.Connection, decided: Decided, now: float) -> None:
        """Write what was decided, within the transaction that commits what it was decided on."""
        ledger.add_kept(connection, self._kept)
        ledger.write(connection, decided, self._rows, self._rations, now)
        ledger.add_ends(connection, self._rows, [channel.name for channel in self._options.channel], now)

    def settled(self, now: float) -> None:
        """It is committed: people are told."""
        told, self._rows = bool(self._rows or self._kept), []
        self._begun(now).settled(now)
        self._outbox.committed(self._kept)
        self._kept = []
        if told:
            self._outbox.wake()

    def take_back(self) -> None:
        """It was not committed: what was counted is read again; what was decided is committed with what comes next."""
        if self._decisions is not None:
            self._decisions.undo()

    def failed(self, pulse: Pulse, now: float) -> None:
        """Nothing can be committed: what was counted is taken back, what was decided is told from memory."""
        self.take_back()
        self._tell_from_memory(now)
        self.look_from_memory(pulse, now)

    def look_from_memory(self, pulse: Pulse, now: float) -> None:
        """Decide without the log, which is not read while nothing can be committed; tell from memory."""
        self.decide(Delta(), pulse, now, caught_up=True, blind=True)
        self._tell_from_memory(now)

    def _tell_from_memory(self, now: float) -> None:
        rows, self._rows = self._rows, []
        self._outbox.tell_from_memory(rows, now)

    def _begun(self, now: float) -> Decisions:
        if self._decisions is None:  # the state could not be read yet
            self._provisional = True
            self._decisions = self._made(self._glimpsed(now), now)
        return self._decisions

    def _glimpsed(self, now: float) -> Remembered:
        """What a state remembers that cannot be written: who was told already is not told again at each start."""
        try:
            with reading(self._options.state_dir / NAME) as connection:
                remembered = ledger.read(connection, now)
                self._rations = {**ledger.read_rations(connection), **self._rations}
        except (sqlite3.Error, ValueError, TypeError):  # it may be damaged, too
            return Remembered()
        return remembered

    def _made(self, remembered: Remembered, now: float) -> Decisions:
        return Decisions(self._site, self._options, remembered, now)

    def _written(self, notices: Sequence[Notice], decisions: Decisions) -> list[Row]:
        for notice in notices:
            about = notice.alert
            log.warning(
                "alert %s rule=%s cause=%s scope=%s severity=%s because=%s",
                notice.kind, about.rule, about.cause, about.scope, about.severity, notice.reason,
            )  # fmt: skip
        return self._addressed(notices, self._paper(decisions))

    def _paper(self, decisions: Decisions) -> Stationery:
        alerts = self._options.alerts
        return Stationery(
            host=self._site.host,
            catalogue=self._catalogue,
            examples=decisions.examples,
            zone=datetime.now().astimezone().tzinfo or UTC,
            mask=alerts.mask,
            runbook_url=alerts.runbook_url,
        )

    def _addressed(self, notices: Sequence[Notice], paper: Stationery) -> list[Row]:
        rows, self._rations = addressed(notices, paper, self._options, self._rations)
        return rows

    def _of_itself(self, pulse: Pulse, now: float) -> list[Probe]:
        """Probes of what mailwatch needs itself, where they have changed."""
        changed = []
        for name, seen in pulse.probes().items():
            if seen != self._seen.get(name):
                before = self._seen.get(name)
                self._seen[name] = seen
                same = before is not None and (seen.success, seen.trouble) == (before.success, before.trouble)
                if seen.success is not None and not same:
                    changed.append(Probe(name=name, at=now, success=seen.success, trouble=seen.trouble))
        return changed

    def _oldest_at(self, now: float) -> float | None:
        if not 0 <= now - self._oldest[0] < OLDEST_EVERY:
            self._oldest = (now, self._outbox.oldest())
        return self._oldest[1]
