"""Which file holds which generation of the log: looks at every file that belongs, and chooses the next to read.

When several files continue one generation (a copy in the making, an archive beside its source) the live one
is read, then a plain one, then the one it was last seen in, then the largest. The oldest file with
something to read comes first, the live one last.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import Archive, PlainFile
from mailwatch.sources.held import Held
from mailwatch.sources.identify import UNDECIDED, Identifier, Relation, Verdict
from mailwatch.sources.rotation import Candidate, candidate, rotated_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mailwatch.sources.content import Content
    from mailwatch.sources.generation import Generation
    from mailwatch.sources.rows import Rows

MISSING_AFTER: Final = 2.0
"""Seconds for which a generation must not be found before it counts as gone: files move while one looks."""

UNDECIDED_AT_MOST: Final = 60.0
"""Seconds for which a file that cannot be told may be thought to hold what is missing: longer than archives take."""

Looked = list[tuple[Candidate, Verdict]]


@dataclass(slots=True)
class Work:
    """A file at hand: what is read of it continues ``generation``."""

    generation: Generation
    candidate: Candidate
    content: Content
    verified: bool

    def written_at(self) -> float:
        """When the file was last written (seconds)."""
        if isinstance(self.content, PlainFile):
            return os.fstat(self.content.descriptor).st_mtime
        return self.candidate.modified / 1e9

    def size(self) -> int | None:
        """How long the content is, where that is known without reading it."""
        return os.fstat(self.content.descriptor).st_size if isinstance(self.content, PlainFile) else None


class Survey:
    """Keeps the rows of a log's generations, and finds the files they lie in."""

    def __init__(self, path: Path, olddir: Path | None, rows: Rows, clock: Callable[[], float]) -> None:
        self.rows = rows
        self._path = path
        self._olddir = olddir
        self._clock = clock
        self._held = Held(clock)
        self.identifier = Identifier(rows, self._held, clock)
        self._missing: dict[int, float] = {}
        self._undecided_since: float | None = None
        self._next: tuple[Candidate, int | None] | None = None

    def close(self) -> None:
        """Close every file."""
        self._held.close()

    def candidates(self) -> list[Candidate]:
        """Every file of the log, each once: the live one first, plain ones before archives."""
        live = candidate(str(self._path), live=True)
        if live is not None:
            with suppress(OSError):
                self._held.hold(live)
        files = {} if live is None else {live.identity: live}
        for found in sorted(rotated_files(self._path, self._olddir), key=lambda each: each.path):
            files.setdefault(found.identity, found)
        for found in self._held.candidates():
            files.setdefault(found.identity, found)
        return sorted(files.values(), key=lambda each: (not each.live, each.compression is not None))

    def look(self, begun_at: float) -> str | None:
        """Look at every file and choose the next to read; why the live one cannot be read, if so."""
        found = self.candidates()
        looked = [(each, self.identifier.identify(each, found, begun_at)) for each in found]
        self.identifier.forget_all_but({each.state for each in found})
        self._note_live(looked)
        self._note_missing(looked)
        self.rows.forget_beyond({verdict.number for _, verdict in looked})
        self._held.release(keep={each.identity for each in found if each.live})
        self._next = self._choose(looked)
        return self._trouble(found)

    def _claims(self, looked: Looked) -> dict[int, Candidate]:
        """The one file in which each generation is read."""
        claims: dict[int, Candidate] = {}
        for each, verdict in looked:
            if verdict.relation is not Relation.CONTINUES or verdict.number is None:
                continue
            rival = claims.get(verdict.number)
            if rival is None or self._preference(each, verdict.number) > self._preference(rival, verdict.number):
                claims[verdict.number] = each
        return claims

    def _preference(self, each: Candidate, number: int) -> tuple[bool, bool, bool, int]:
        same = each.identity == self.rows.generations[number].identity
        return each.live, each.compression is None, same, each.size

    def _choose(self, looked: Looked) -> tuple[Candidate, int | None] | None:
        """The oldest file with something to read; the live one last."""
        choices: list[tuple[Candidate, int | None]] = [
            (each, number)
            for number, each in self._claims(looked).items()
            if not (self.rows.generations[number].complete or self.identifier.is_settled(each))
        ]
        choices += [(each, None) for each, verdict in looked if verdict.relation is Relation.NEW]
        return min(choices, key=lambda choice: (choice[0].live, choice[0].modified), default=None)

    def _note_live(self, looked: Looked) -> None:
        """Keep the ``live`` mark on the generation under the log's own name; see when that file was truncated."""
        live, verdict = next(((each, verdict) for each, verdict in looked if each.live), (None, UNDECIDED))
        if live is None or verdict.relation is Relation.UNDECIDED:
            return
        related = {verdict.number for _, verdict in looked}
        for old in [each for each in self.rows.of_this_log() if each.live and each.number != verdict.number]:
            if old.identity == live.identity:
                # the same file begins anew: lines between a copy and the truncation are lost to every reader, unseen
                self.rows.gap("copytruncate")
                self.rows.put(replace(old, live=False, device=0, inode=0))
            elif old.number in related:
                self.rows.put(replace(old, live=False))
        if verdict.number is None or verdict.relation is not Relation.CONTINUES:
            return
        now = self.rows.generations[verdict.number]
        if not now.live or now.identity != live.identity or now.log != self.rows.log:
            self.rows.put(replace(now, live=True, log=self.rows.log, device=live.device, inode=live.inode))

    def _note_missing(self, looked: Looked) -> None:
        """Count a generation that had more to give and is nowhere any more."""
        now = self._clock()
        if self._may_be_among_the_undecided(looked, now) or not any(each.live for each, _ in looked):
            return
        related = {verdict.number for _, verdict in looked}
        for each in self.rows.of_this_log():
            awaited = not each.complete and (each.live or each.size > each.offset)
            if not awaited or each.number in related:
                self._missing.pop(each.number, None)
            elif now - self._missing.setdefault(each.number, now) >= MISSING_AFTER:
                del self._missing[each.number]
                self.rows.gap("missing-file")
                # not complete: should it come back, from a file system mounted late, it is read on
                self.rows.put(replace(each, live=False, size=each.offset))

    def _may_be_among_the_undecided(self, looked: Looked, now: float) -> bool:
        """Whether a file was not told yet that may hold what seems missing; one that never can be told is no excuse."""
        if not any(verdict.relation is Relation.UNDECIDED for _, verdict in looked):
            self._undecided_since = None
            return False
        self._undecided_since = now if self._undecided_since is None else self._undecided_since
        return now - self._undecided_since < UNDECIDED_AT_MOST

    def _trouble(self, found: Sequence[Candidate]) -> str | None:
        live = next((each for each in found if each.live), None)
        if live is None:
            try:
                os.stat(self._path)  # noqa: PTH116 - for its errno alone
            except PermissionError:
                return f"cannot read {self._path}: permission denied on its folder"
            except OSError as error:
                return f"cannot read {self._path}: {error.strerror or error}"
            return f"cannot read {self._path}: it is not a regular file"
        return self.identifier.take_trouble()

    def next_work(self) -> Work | None:
        """Open the file that the last look chose."""
        if self._next is None:
            return None
        each, number = self._next
        try:
            content = self.identifier.open(each)
        except OSError:
            return None
        if content is None:
            return None
        generation = self.rows.new(each.identity, live=each.live) if number is None else self.rows.generations[number]
        # a plain file was verified by the look that chose it; an archive has to be read up to the offset for that
        return Work(generation, each, content, verified=each.compression is None or number is None)

    def verify(self, work: Work) -> bool:
        """Whether an archive holds what was consumed; one that does not is a shorter copy, with nothing to give.

        Raises ArchiveBroken.
        """
        if not work.verified:
            work.verified = work.generation.is_continued_by(work.content)
            if not work.verified:
                if work.content.at(work.generation.offset, 1):
                    self.rows.gap("rewritten")
                self.identifier.settle(work.candidate, work.generation.number)
        return work.verified

    def advance(self, work: Work, generation: Generation) -> Generation:
        """Remember how far a file was read."""
        device, inode = work.candidate.identity
        return self.rows.put(replace(generation, log=self.rows.log, device=device, inode=inode))

    def exhausted(self, work: Work) -> None:
        """Note that a file has no more whole lines, as it is now."""
        if isinstance(work.content, Archive):
            if work.content.broken is None:
                self._complete(work)
            else:
                self.broken(work)
        elif work.candidate.state == self._state(work):
            number = work.generation.number
            self.identifier.settle(work.candidate, number if number in self.rows.generations else None)

    def _complete(self, work: Work) -> None:
        # kept though nothing may have been read of it: then it is known by inode and size, and not new the next time
        device, inode = work.candidate.identity
        size = work.candidate.size
        self.rows.put(replace(work.generation, complete=True, live=False, device=device, inode=inode, size=size))
        self.identifier.settle(work.candidate, work.generation.number)

    def _state(self, work: Work) -> tuple[int, int, int, int] | None:
        if not isinstance(work.content, PlainFile):
            return None
        found = os.fstat(work.content.descriptor)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def broken(self, work: Work) -> None:
        """Note that an archive ended too early while it was read."""
        known = work.generation.number in self.rows.generations
        self.identifier.note_broken(work.candidate, work.generation if known else None)

    def release(self, work: Work) -> None:
        """Close the file at hand, unless it is held."""
        self.identifier.close_unless_held(work.candidate, work.content)
