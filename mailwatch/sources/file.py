"""Reads a rotated log file exactly once.

Promises
    Every whole line of the log is handed out once, together with the position to commit with it: over
    every kind of rotation (rename, copy and truncate, dates, compression at once or later, olddir), over
    restarts and any time of being down, late writes into a renamed file, reused inodes and edited files.
    What cannot be read twice is never asked for twice; what is gone and can be seen to be gone is a gap.

How
    Each generation of the log has a row that knows it by its content (generation.py). A survey matches
    every file that belongs to the log (rotation.py) with a row; no row means a new generation, read from
    its beginning. Oldest first, the live one last. A block is handed out only after the file it came from
    was verified *behind* the reading: a file truncated in between cannot pass.

How it fails
    Lines written between logrotate's copy and its truncation are seen by no reader: each truncation counts
    as a possible gap. After a power failure that cut the log, lines between the newest mark still found
    and the cut are read twice: counted as a gap, too.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from mailwatch.sources.batch import Batch
from mailwatch.sources.content import ArchiveBroken
from mailwatch.sources.generation import Generation
from mailwatch.sources.lines import Stretch, stretch
from mailwatch.sources.rows import Rows
from mailwatch.sources.start import first_generations
from mailwatch.sources.survey import Survey, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY: Final = "file:generation:"
START: Final = "file:start:"


class FileSource:
    """The log at ``path``, its rotated files beside it and in ``olddir``.

    ``start`` (``end`` or ``beginning``) decides about what the live file holds at the very first start;
    ``adopt`` names an offset file of pygtail or logtail to go on from. ``positions`` are the committed ones.
    """

    def __init__(
        self,
        path: Path,
        *,
        positions: Mapping[str, str],
        start: str = "end",
        olddir: Path | None = None,
        adopt: Path | None = None,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._start = start
        self._adopt = adopt
        self._wall = wall
        begun = positions.get(START + str(path))
        self._begun_at: float | None = None if begun is None else json.loads(begun)["at"]
        generations = [Generation.from_json(value) for key, value in positions.items() if key.startswith(KEY)]
        self._rows = Rows(str(path), {each.number: each for each in generations})
        self._survey = Survey(path, olddir, self._rows, clock)
        self._work: Work | None = None
        self._scanned: tuple[int, int, int] = (0, 0, 0)

    def read(self, limit: int) -> Batch:
        """The next whole lines, out of about ``limit`` bytes; see ``Source``."""
        if self._begun_at is None:
            return self._begin()
        if self._work is None:
            trouble = self._survey.look(self._begun_at)
            self._work = self._survey.next_work()
            if self._work is None:
                return Batch(positions=self._changes(), gaps=self._rows.take_gaps(), trouble=trouble)
        return self._block(self._work, limit)

    def close(self) -> None:
        """Close every file."""
        self._leave()
        self._survey.close()

    def _begin(self) -> Batch:
        """At the very first start: what is there already is history, in one transaction."""
        try:
            since, gaps = first_generations(self._survey, self._start, self._adopt)
        except OSError as error:
            # what cannot be recorded as history would be read as news later: so this is tried again
            return Batch(trouble=f"cannot read {self._path}: {error.strerror or error}")
        self._begun_at = self._wall() if since is None else since
        begun = {START + str(self._path): json.dumps({"at": self._begun_at})}
        return Batch(positions={**begun, **self._changes()}, gaps=gaps, more=True)

    def _block(self, work: Work, limit: int) -> Batch:
        """Read on in the file at hand; whatever is wrong with it, the next survey finds out."""
        try:
            found = self._read_on(work, limit)
        except ArchiveBroken:
            self._survey.broken(work)
            found = None
        except OSError as error:
            self._leave()
            return Batch(trouble=f"cannot read {work.candidate.path or self._path}: {error.strerror or error}")
        written_at = work.written_at()
        if found is None:
            self._leave()
            return Batch(positions=self._changes(), gaps=self._rows.take_gaps(), more=True)
        if not found.more:
            self._survey.exhausted(work)
            self._leave()
        return Batch(
            block=found.block,
            written_at=written_at,
            positions=self._changes(),
            gaps=self._rows.take_gaps(),
            overlong=found.overlong,
            more=True,
        )

    def _read_on(self, work: Work, limit: int) -> Stretch | None:
        """Whole lines, with the row advanced behind them; None when the file is not what it was."""
        if not self._survey.verify(work):
            return None
        before, content = work.generation, work.content
        number, offset, scanned = self._scanned
        found = stretch(
            content, before.offset, limit, scanned if (number, offset) == (before.number, before.offset) else 0
        )
        self._scanned = (before.number, before.offset, found.scanned)
        if found.next_offset == before.offset:
            return found
        after = before.advanced(content, found.next_offset, size=work.size() if found.more else None)
        # only now is it known to have been the same file all the time: what was truncated meanwhile is read elsewhere
        unchanged = not before.marks or before.is_continued_by(content)
        if not unchanged or content.at(found.next_offset - len(found.tail), len(found.tail)) != found.tail:
            return None
        work.generation = self._survey.advance(work, after)
        return found

    def _leave(self) -> None:
        if self._work is not None:
            self._survey.release(self._work)
            self._work = None

    def _changes(self) -> dict[str, str | None]:
        """The rows that differ from what was handed out before."""
        changed: dict[str, str | None] = {}
        for number in self._rows.take_changed():
            generation = self._rows.generations.get(number)
            changed[f"{KEY}{number}"] = None if generation is None else generation.to_json()
        return changed
