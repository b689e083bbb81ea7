"""One hourly run: reads what is new, looks at the host once, decides, has people told, leaves its numbers behind.

Promises
    Every wait has a limit. Positions, counts, decisions and what is to be told are committed as by the agent, so a kill
    at any instant loses nothing: the next run tells it, once more at most, with the same key. Where the state cannot be
    written, it is copied into memory, read on and decided there, and told from there.

Whoever calls holds the lock of the state folder.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mailwatch import textfile
from mailwatch.agent import TROUBLE_AFTER, Agent
from mailwatch.channels.deliver import ping
from mailwatch.domain import DNS
from mailwatch.heart import Heart
from mailwatch.hourly import Hourly
from mailwatch.metrics import Snap, page
from mailwatch.options import DeadmanOptions
from mailwatch.outbox import Outbox
from mailwatch.pulse import Pulse, Seen
from mailwatch.pushgateway import push
from mailwatch.sample import QueueSample, is_known
from mailwatch.store import Store
from mailwatch.summary import Report
from mailwatch.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailwatch.causes import Entry
    from mailwatch.options import Options
    from mailwatch.parsers.parsed import Parser
    from mailwatch.probes import Probes
    from mailwatch.sample import Latest, Probe
    from mailwatch.sources.batch import Source
    from mailwatch.sources.wakeup import Wakeup
    from mailwatch.tally import Judge
    from mailwatch.view import Site

TRIES: Final = 3
"""The first may find the state damaged, or the disk full and give up the reserve."""
READS_FOR: Final = 1800.0
"""Seconds for reading: what is left then is for the next run."""
AGAIN: Final = 0.5
"""Seconds until a log is looked at again that is away: rotation takes it away for a moment."""
LEFT_OUT: Final = frozenset({"log-moving", DNS})
"""What these cannot tell is told by a rule, in its time, or already."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run works with. ``probes`` makes what looks at the host, given since when the log is read."""

    options: Options
    site: Site
    catalogue: Mapping[str, Entry]
    judge: Judge
    parser: Parser
    wakeup: Wakeup
    open_source: Callable[[Mapping[str, str], bool], Source]
    probes: Callable[[float | None], Probes]


class Run:
    """One run. ``trouble``: why the state cannot be written, where that is known beforehand."""

    def __init__(self, setting: Setting, trouble: str | None = None) -> None:
        self._setting = setting
        self._options = setting.options
        self._pulse = Pulse()
        self._trouble = trouble
        self._outbox = Outbox(self._options.state_dir, self._options.channel)
        self._probes: Probes | None = None

    def run(self) -> Report:
        """Do it; what came of it."""
        self._outbox.start()
        try:
            duty = self._on_the_state()
            waiting = self._outbox.finish(self._options.cron.patience)
        finally:
            self._outbox.stop()
        now = time.time()
        return Report(
            now=now,
            zone=datetime.now().astimezone().tzinfo or UTC,
            since=duty.since,
            first=duty.first,
            lines=duty.lines,
            firing=duty.firing(),
            notices=duty.notices,
            new=duty.new,
            unseen=self._unseen(duty),
            complaints=self._leave_numbers(duty),
            waiting=waiting,
        )

    def _on_the_state(self) -> Hourly:
        if self._trouble is None:
            duty = self._duty()
            if self._work(duty, Store.open):
                return duty
            self._trouble = self._pulse.state.trouble
        log.info("going on from memory")
        duty = self._duty()
        duty.from_memory = True
        self._work(duty, Store.in_memory)
        self._mark_state()
        return duty

    def _duty(self) -> Hourly:
        made = Hourly(
            self._options,
            self._setting.catalogue,
            self._outbox,
            self._taken,
            Heart(Watchdog({}), DeadmanOptions()),
            self._setting.site,
        )
        made.ahead = float(self._options.cron.interval)
        return made

    def _taken(self) -> list[QueueSample | Probe]:
        return [] if self._probes is None else self._probes.taken()

    def _work(self, duty: Hourly, open_store: Callable[..., Store]) -> bool:
        """Read all, look, decide; whether that could be committed."""
        agent = Agent(
            state_dir=self._options.state_dir,
            open_source=self._setting.open_source,
            parser=self._setting.parser,
            judge=self._setting.judge,
            pulse=self._pulse,
            wakeup=self._setting.wakeup,
            duty=duty,
        )
        agent.open_store = open_store
        try:
            if not self._read(agent, duty):
                return False
            self._look(duty)
            # what was written while we looked
            if not self._read(agent, duty):
                return False
            duty.is_last = True
            for _ in range(TRIES):
                self._mark_state()
                agent.tick()
                if self._pulse.state.success:
                    return True
            return False
        finally:
            agent.close()

    def _read(self, agent: Agent, duty: Hourly) -> bool:
        """Read and commit what is new; whether it could be committed."""
        begun = time.monotonic()
        failed = 0
        duty.is_read = False
        while failed < TRIES and time.monotonic() - begun < READS_FOR:
            more = agent.tick()
            if not self._pulse.state.success:
                failed += 1
            elif more:
                failed = 0
            elif self._pulse.log.success is False and time.monotonic() - begun < TROUBLE_AFTER:
                time.sleep(AGAIN)
            else:
                duty.is_read = True
                return True
        return failed < TRIES

    def _look(self, duty: Hourly) -> None:
        """Look at the host, one time. Of a copy nobody knows how old it is: then the log's silence proves nothing."""
        self._probes = self._setting.probes(None if duty.from_memory else duty.since)
        self._probes.look_once()
        self._probes.stop()

    def _mark_state(self) -> None:
        """That a copy in memory can be written says nothing of the state."""
        if self._trouble is not None:
            self._pulse.state = Seen(success=False, succeeded_at=None, trouble=self._trouble)

    def _unseen(self, duty: Hourly) -> list[str]:
        """What could not be seen, and why."""
        own = [seen.trouble for seen in self._pulse.probes().values() if seen.success is False]
        if duty.damaged is not None:
            own.append(f"the state was damaged: kept as {duty.damaged}, begun anew at the end of the log")
        return [each for each in (*own, *map(blind, self._latest())) if each is not None]

    def _latest(self) -> list[Latest]:
        return [] if self._probes is None else self._probes.latest()

    def _leave_numbers(self, duty: Hourly) -> list[str]:
        """Write the textfile, push to the Pushgateway; what did not work."""
        cron = self._options.cron
        complaints = []
        pushes = cron.pushgateway is not None or cron.pushgateway_file is not None
        if cron.textfile is None and not pushes:
            return []
        shown = Snap(
            state_dir=self._options.state_dir,
            channels=[channel.name for channel in self._options.channel],
            probed=self._latest,
            alerts=duty.alerts,
        )
        content = page(shown, self._pulse)
        if cron.textfile is not None:
            try:
                textfile.write(cron.textfile, content)
            except OSError as error:
                complaints.append(f"cannot write {cron.textfile}: {error.strerror or error}")
        if pushes and (trouble := push(cron, self._setting.site.host, content)) is not None:
            complaints.append(trouble)
        return complaints


def blind(latest: Latest) -> str | None:
    """Why nobody could tell; None where somebody could."""
    result = latest.result
    if is_known(result) or (not isinstance(result, QueueSample) and result.name in LEFT_OUT):
        return None
    name = f"the queue of {result.instance}" if isinstance(result, QueueSample) else f"{result.name} {result.instance}"
    return f"cannot see {name.strip()}: {result.trouble or 'it is not known why'}"


def tell_deadman(options: Options, signal: str, text: str) -> None:
    """Ping who notices when no run comes; that is for nobody to wait for."""
    deadman = options.deadman
    if deadman.url is None and deadman.url_file is None:
        return
    outcome = ping(deadman, signal, text=text)
    if not outcome.sent:
        log.error("the dead-man's switch cannot be pinged: %s", outcome.answer)
