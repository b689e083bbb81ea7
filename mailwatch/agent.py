"""The work loop: reads what is new, folds it, commits it, and never stops for what can go wrong with files.

Promises
    Position and counts are one commit; nothing else is remembered, so a kill at any instant loses and
    doubles nothing. What cannot be committed is dropped and read again: the log is the buffer. At most four
    commits a second (Postfix needs the same disk), none while nothing happens.

How it fails
    A full disk, an unreadable log: it says so once, shows it at /healthz and in its probes, and tries again. People are
    told meanwhile, from memory.
    A damaged state is kept aside and begun anew. A bug ends the process: a supervisor sees that, silence it would not.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from mailwatch.database import StateDamaged, StateUnwritable
from mailwatch.pulse import Seen, looked
from mailwatch.reserve import Reserve
from mailwatch.store import Store
from mailwatch.tally import Delta, fold, passed_series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mailwatch.duty import Duty
    from mailwatch.parsers.parsed import Parser
    from mailwatch.pulse import Pulse
    from mailwatch.sources.batch import Batch, Source
    from mailwatch.sources.wakeup import Wakeup
    from mailwatch.tally import Judge

BLOCK: Final = 1 << 18
BETWEEN_COMMITS: Final = 0.25
MINUTES: Final = 4096
"""So many minutes of the log are committed at once at most: a year of a quiet host is half a million of them."""
CATCHING_UP: Final = 1.0
"""Seconds between commits while there is always more to read: nobody waits for the single line then."""
POLL: Final = 1.0
RETRY: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries while the state cannot be written; the last one again and again."""
TROUBLE_AFTER: Final = 5.0
"""Seconds a log may be away before that is said: rotation takes it away for a moment."""

log = logging.getLogger(__name__)


class Agent:
    """Watches one log. ``open_source`` makes the source from committed positions, at the end of the log if told so."""

    def __init__(
        self,
        *,
        state_dir: Path,
        open_source: Callable[[Mapping[str, str], bool], Source],
        parser: Parser,
        judge: Judge,
        pulse: Pulse,
        wakeup: Wakeup,
        duty: Duty,
    ) -> None:
        self._state_dir = state_dir
        self._open_source = open_source
        self._parser = parser
        self._judge = judge
        self._pulse = pulse
        self._wakeup = wakeup
        self._duty = duty
        self._reserve = Reserve(state_dir)
        self._store: Store | None = None
        self._source: Source | None = None
        self._failures = 0
        self._troubled_since: float | None = None
        self._behind = False
        self._stopping = False
        self.open_store: Callable[[Path, float], Store] = Store.open
        """How the state is opened: a run that cannot write it works on a copy."""
        self.ended = False
        """Whether the source has come to its end, and all of it is committed."""

    def stop(self) -> None:
        """End the loop after the block at hand, with everything committed. Safe in a signal handler."""
        self._stopping = True
        self._wakeup.interrupt()

    def run(self) -> None:
        """Work until ``stop``, or until the source has ended."""
        try:
            while not self._stopping and not self.ended:
                looked_at = time.monotonic()
                more = self.tick()
                self._pulse.ticked_at = time.monotonic()
                self._duty.beat(self._pulse)
                if self._failures:
                    self._wait_for_the_state()
                elif not more and not self._stopping and not self.ended:
                    self._wakeup.wait(POLL)
                    # also when nothing could be committed: a line that grows byte by byte must not keep us busy
                    self._wakeup.pause(looked_at + BETWEEN_COMMITS - time.monotonic())
        finally:
            self.close()

    def tick(self) -> bool:
        """Read, fold and commit what there is, for a second at most; whether there is more at once."""
        try:
            store, source = self._ready()
            more = self._read_and_commit(store, source)
        except StateUnwritable as error:
            self._unwritable(error)
            return False
        except StateDamaged as error:
            self._damaged(error)
            return False
        if self._failures:
            log.info("the state can be written again")
        self._failures = 0
        self._pulse.state = looked(self._pulse.state, None, time.time())
        self._reserve.keep(time.monotonic())
        return more

    def _wait_for_the_state(self) -> None:
        """Until it is tried again to write the state, look at what can be seen without: people are told from memory."""
        again_at = time.monotonic() + RETRY[min(self._failures, len(RETRY)) - 1]
        while not self._stopping and (left := again_at - time.monotonic()) > 0:
            self._wakeup.pause(min(left, RETRY[0]))
            self._duty.look_from_memory(self._pulse, time.time())
            self._pulse.ticked_at = time.monotonic()
            self._duty.beat(self._pulse)

    def close(self) -> None:
        """Let go of the log and the state; what was not committed is read again."""
        if self._source is not None:
            self._source.close()
        if self._store is not None:
            self._store.close()
        self._source = self._store = None

    def _ready(self) -> tuple[Store, Source]:
        if self._store is not None and not self._store.is_there():
            if not self._store.path.exists():
                raise StateDamaged(f"the state database {self._store.path} was deleted while it was in use")
            log.warning(
                "the state database %s was replaced while it was in use: going on with the new one", self._store.path
            )
            self.close()
        if self._store is None:
            self._store = self.open_store(self._state_dir, time.time())
            if self._store.damaged is not None:
                log.error("the state was damaged: kept as %s, begun anew at the end of the log", self._store.damaged)
        self._duty.begin(self._store, time.time())
        if self._source is None:
            self._source = self._open_source(self._store.positions(), self._store.begins_at_end())
        return self._store, self._source

    def _read_and_commit(self, store: Store, source: Source) -> bool:
        delta = Delta()
        positions: dict[str, str | None] = {}
        deadline = time.monotonic() + (CATCHING_UP if self._behind else BETWEEN_COMMITS)
        while True:
            batch = source.read(BLOCK)
            self._fold(store, delta, batch)
            positions.update(batch.positions)
            full = len(delta.minutes) >= MINUTES
            if full or not batch.more or self._stopping or time.monotonic() >= deadline:
                break
        self._behind = batch.more
        self._note_trouble(batch.trouble)
        self._decide_and_commit(store, delta, positions, caught_up=not batch.more)
        self.ended = batch.ended
        return batch.more

    def _decide_and_commit(
        self, store: Store, delta: Delta, positions: Mapping[str, str | None], *, caught_up: bool
    ) -> None:
        now = time.time()
        decided = self._duty.decide(delta, self._pulse, now, caught_up=caught_up)
        if not (positions or not delta.is_empty() or (decided is not None and decided.pressing)):
            return
        also = None if decided is None else partial(self._duty.write, decided=decided, now=now)
        store.commit(delta, positions, now, also)
        self._duty.settled(now)

    def _fold(self, store: Store, delta: Delta, batch: Batch) -> None:
        now = time.time()
        for reason in batch.gaps:
            log.warning("lines of the log may be missing reason=%s", reason)
            delta.count("log_gaps", now, (reason,))
        delta.count("log_overlong_lines", now, number=batch.overlong)
        delta.count("log_lines", now, number=batch.overlong)
        if not batch.block:
            return
        parsed = self._parser.parse(batch.block, batch.written_at)
        fold(delta, parsed.events, store.open_among(parsed.events), self._judge)
        for (kind, program), number in parsed.passed.items():
            name, labels = passed_series(kind, program)
            delta.count(name, now, labels, number)
        delta.count("log_lines", now, number=parsed.lines)
        delta.count("log_foreign_lines", now, number=parsed.foreign)
        delta.count("log_unparsed_lines", now, number=parsed.unparsed)

    def _note_trouble(self, trouble: str | None) -> None:
        now = time.monotonic()
        before = self._pulse.log
        if trouble is None:
            if before.success is False:
                log.info("the log can be read again")
            self._troubled_since = None
        else:
            self._troubled_since = now if self._troubled_since is None else self._troubled_since
            if before.success is not None and now - self._troubled_since < TROUBLE_AFTER:
                return
            if before.trouble != trouble:
                log.error("%s", trouble)
        self._pulse.log = looked(before, trouble, time.time())

    def _damaged(self, error: StateDamaged) -> None:
        """Begin anew at the end of the log: what had been counted is not known any more."""
        log.error("%s", error)
        self._failures += 1
        self._duty.anew(time.time())
        self._pulse.state = Seen(success=False, succeeded_at=self._pulse.state.succeeded_at, trouble=str(error))
        if self._store is not None:
            log.error("kept aside as %s", self._store.set_aside(time.time()))
        self.close()

    def _unwritable(self, error: StateUnwritable) -> None:
        if not self._failures:
            log.error("%s: nothing is lost, what is new is read again when it can be written", error)
        self._failures += 1
        self._pulse.state = Seen(success=False, succeeded_at=self._pulse.state.succeeded_at, trouble=str(error))
        # the state on the disk is the truth: whatever was half done goes
        self.close()
        if self._reserve.release():
            log.warning("the reserve is given up to write what is to be told")
            self._failures = 0
            self._duty.take_back()
            return
        self._duty.failed(self._pulse, time.time())
