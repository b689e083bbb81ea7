"""Which file holds which generation of the log: looks at every file that belongs, and matches it by content.

One look finds the file to read next. Rules, in the order in which they decide:

1. A file that begins as a generation begins, and holds behind that what was consumed last, continues it.
   When several do (a copy in the making, an archive beside its source) the live one is read, then the file
   it was last seen in, then the largest plain one.
2. The live file, beginning as a generation but without its last bytes, was cut or rewritten: reading goes on
   at the newest mark found in it. Any other such file is a shorter copy and has nothing to give.
3. A file that is nothing but the beginning of another one is a copy in the making: wait.
4. A rotated file last written before mailwatch's first start is history: skip.
5. Everything else is a new generation.

Every doubt (the file changed while it was looked at, an archive ends too early) means: not now, look again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import Archive, ArchiveBroken, PlainFile
from mailwatch.sources.generation import HEAD, Generation, found_again
from mailwatch.sources.held import Held
from mailwatch.sources.rotation import Candidate, candidate, rotated_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mailwatch.sources.content import Content

MISSING_AFTER: Final = 2.0
"""Seconds for which a generation must not be found before it counts as gone: files move while one looks."""
BROKEN_AFTER: Final = 30.0
"""Seconds for which a broken archive must stay as it is before it counts as damaged: it may be in the making."""
RETRY_AT_MOST: Final = 8.0
REMEMBERED: Final = 1024
"""Generations that are remembered; those of a daily log reach back almost three years."""


class Relation(Enum):
    """What a file is to what is known."""

    CONTINUES = "continues a generation"
    SHORTER = "a copy that ends before our offset"
    NEW = "a generation not seen before"
    NOTHING = "empty, or none of ours"
    UNDECIDED = "look again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The relation of a file, and to which generation."""

    relation: Relation
    number: int | None = None


NOTHING: Final = Verdict(Relation.NOTHING)
UNDECIDED: Final = Verdict(Relation.UNDECIDED)


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


@dataclass(slots=True)
class Broken:
    """An archive that could not be read in this state: when that was first seen, and when to try again (monotonic)."""

    since: float
    retry_at: float
    pause: float


class Survey:
    """Keeps the rows of a log's generations, and finds the files they lie in."""

    def __init__(
        self, path: Path, olddir: Path | None, generations: dict[int, Generation], clock: Callable[[], float]
    ) -> None:
        self.generations = generations
        self._path = path
        self._olddir = olddir
        self._clock = clock
        self._held = Held(clock)
        self._changed: set[int] = set()
        self._gaps: list[str] = []
        self._settled: dict[tuple[int, int, int, int], int | None] = {}
        self._broken: dict[tuple[int, int, int, int], Broken] = {}
        self._missing: dict[int, float] = {}
        self._next: tuple[Candidate, int | None] | None = None

    # -- what changed -----------------------------------------------------------------------------------------

    def take_changed(self) -> set[int]:
        """The numbers of the rows that changed since they were last taken."""
        excess = sorted(self.generations)[: max(0, len(self.generations) - REMEMBERED)]
        for number in excess:
            del self.generations[number]
            self._changed.add(number)
        changed, self._changed = self._changed, set()
        return changed

    def take_gaps(self) -> tuple[str, ...]:
        """The gaps that were found since they were last taken."""
        gaps, self._gaps = tuple(self._gaps), []
        return gaps

    def put(self, generation: Generation) -> Generation:
        """Remember a row."""
        self.generations[generation.number] = generation
        self._changed.add(generation.number)
        return generation

    def new_number(self) -> int:
        """A number that no generation has had."""
        return max(self.generations, default=0) + 1

    def close(self) -> None:
        """Close every file."""
        self._held.close()

    # -- looking ----------------------------------------------------------------------------------------------

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
        verdicts = [(each, self._identify(each, found, begun_at)) for each in found]
        states = {each.state for each in found}
        self._settled = {state: number for state, number in self._settled.items() if state in states}
        self._broken = {state: broken for state, broken in self._broken.items() if state in states}
        claims = self._claims(verdicts)
        self._note_live(verdicts, claims)
        self._note_missing(verdicts)
        self._held.release(keep={each.identity for each in found if each.live})
        self._next = self._choose(verdicts, claims)
        return self._trouble(found)

    def _claims(self, verdicts: Iterable[tuple[Candidate, Verdict]]) -> dict[int, Candidate]:
        """The one file in which each generation is read."""
        claims: dict[int, Candidate] = {}
        for each, verdict in verdicts:
            if verdict.relation is not Relation.CONTINUES or verdict.number is None:
                continue
            rival = claims.get(verdict.number)
            if rival is None or self._preference(each, verdict.number) > self._preference(rival, verdict.number):
                claims[verdict.number] = each
        return claims

    def _preference(self, each: Candidate, number: int) -> tuple[bool, bool, bool, int]:
        same = each.identity == self.generations[number].identity
        return each.live, each.compression is None, same, each.size

    def _choose(
        self, verdicts: Iterable[tuple[Candidate, Verdict]], claims: dict[int, Candidate]
    ) -> tuple[Candidate, int | None] | None:
        """The oldest file with something to read; the live one last."""
        choices: list[tuple[Candidate, int | None]] = [
            (each, number)
            for number, each in claims.items()
            if each.state not in self._settled and not self.generations[number].complete
        ]
        choices += [(each, None) for each, verdict in verdicts if verdict.relation is Relation.NEW]
        return min(choices, key=lambda choice: (choice[0].live, choice[0].modified), default=None)

    def _note_live(self, verdicts: Iterable[tuple[Candidate, Verdict]], claims: dict[int, Candidate]) -> None:
        """Keep the ``live`` mark on the generation under the log's own name; see when that file was truncated."""
        live, verdict = next(((each, verdict) for each, verdict in verdicts if each.live), (None, UNDECIDED))
        if live is None or verdict.relation is Relation.UNDECIDED:
            return
        related = {verdict.number for _, verdict in verdicts}
        for old in [each for each in self.generations.values() if each.live and each.number != verdict.number]:
            if old.identity == live.identity:
                # the same file begins anew. Lines between a copy and this are lost to every reader, and nobody can tell
                self._gaps.append("copytruncate")
                self.put(replace(old, live=False, device=0, inode=0))
            elif old.number in related:
                self.put(replace(old, live=False))
        if verdict.number is not None:
            now = self.generations[verdict.number]
            if verdict.relation is Relation.CONTINUES and (not now.live or now.identity != live.identity):
                self.put(replace(now, live=True, device=live.device, inode=live.inode))

    def _note_missing(self, verdicts: Iterable[tuple[Candidate, Verdict]]) -> None:
        """Count a generation that had more to give and is nowhere any more."""
        seen = list(verdicts)
        if not any(each.live for each, _ in seen) or any(verdict.relation is Relation.UNDECIDED for _, verdict in seen):
            return
        related = {verdict.number for _, verdict in seen}
        now = self._clock()
        for each in list(self.generations.values()):
            awaited = not each.complete and (each.live or each.size > each.offset)
            if not awaited or each.number in related:
                self._missing.pop(each.number, None)
            elif now - self._missing.setdefault(each.number, now) >= MISSING_AFTER:
                del self._missing[each.number]
                self._gaps.append("missing-file")
                self.put(replace(each, live=False, complete=True, size=each.offset))

    def _trouble(self, found: Iterable[Candidate]) -> str | None:
        live = next((each for each in found if each.live), None)
        if live is None:
            try:
                os.stat(self._path)  # noqa: PTH116 - for its errno alone
            except PermissionError:
                return f"cannot read {self._path}: permission denied on its folder"
            except OSError as error:
                return f"cannot read {self._path}: {error.strerror or error}"
            return f"cannot read {self._path}: it is not a regular file"
        try:
            self._held.hold(live)
        except OSError as error:
            return f"cannot read {self._path}: {error.strerror or error}"
        return None

    # -- one file ---------------------------------------------------------------------------------------------

    def open(self, each: Candidate) -> Content | None:
        """The content of this very file, or None when another one has its name by now."""
        if each.compression is not None:
            return Archive(each.path, each.compression)
        held = self._held.get(each.identity)
        if held is not None:
            return held
        with suppress(OSError):
            opened = PlainFile.open(each.path)
            found = os.fstat(opened.descriptor)
            if (found.st_dev, found.st_ino) == each.identity:
                return opened
            opened.close()
        return None

    def close_unless_held(self, each: Candidate, content: Content) -> None:
        """Close what ``open`` opened."""
        if self._held.get(each.identity) is not content:
            content.close()

    def _identify(self, each: Candidate, everyone: list[Candidate], begun_at: float) -> Verdict:
        if each.state in self._settled:
            number = self._settled[each.state]
            if number is None:
                return NOTHING
            if number in self.generations:
                return Verdict(Relation.CONTINUES, number)
        broken = self._broken.get(each.state)
        if broken is not None and self._clock() < broken.retry_at:
            return UNDECIDED
        content = self.open(each)
        if content is None:
            return UNDECIDED
        try:
            verdict = self._compare(each, content, everyone, begun_at)
        except ArchiveBroken:
            self._note_broken(each, None)
            return UNDECIDED
        except OSError:
            return UNDECIDED
        finally:
            self.close_unless_held(each, content)
        self._settle(each, verdict)
        return verdict

    def _settle(self, each: Candidate, verdict: Verdict) -> None:
        """Remember a file that has nothing to read as long as it stays as it is."""
        if verdict.relation is Relation.NOTHING and not each.live:
            self._settled[each.state] = None
        elif verdict.relation is Relation.CONTINUES and verdict.number is not None:
            generation = self.generations[verdict.number]
            if generation.complete or (each.compression is None and each.size <= generation.offset):
                self._settled[each.state] = verdict.number

    def _compare(self, each: Candidate, content: Content, everyone: list[Candidate], begun_at: float) -> Verdict:
        head_at = content.head_at()
        head = content.at(head_at, HEAD)
        if not head:
            return NOTHING
        alike = [known for known in self.generations.values() if known.has_head_of(head_at, head)]
        alike.sort(key=lambda known: (known.head_length, known.offset), reverse=True)
        for known in alike:
            # what an archive holds is verified when it is read: that takes decompressing it up to the offset
            if known.complete or each.compression is not None or known.is_continued_by(content):
                return Verdict(Relation.CONTINUES, known.number)
        if alike:
            return self._cut_or_copy(each, content, alike[0])
        return self._unknown(each, content, head_at, head, everyone, begun_at)

    def _unknown(
        self, each: Candidate, content: Content, head_at: int, head: bytes, everyone: list[Candidate], begun_at: float
    ) -> Verdict:
        damaged = next((known for known in self.generations.values() if known.complete and not known.head_length
                        and known.identity == each.identity and known.size == each.size), None)  # fmt: skip
        if damaged is not None:
            return Verdict(Relation.CONTINUES, damaged.number)
        if each.live:
            return Verdict(Relation.NEW)
        if each.modified / 1e9 < begun_at:
            return NOTHING
        if len(head) < HEAD and self._is_beginning_of_another(each, content, head_at + len(head), everyone):
            return UNDECIDED
        return Verdict(Relation.NEW)

    def _is_beginning_of_another(
        self, each: Candidate, content: Content, length: int, everyone: Iterable[Candidate]
    ) -> bool:
        """Whether this short file is a copy in the making, or grows while it is looked at."""
        whole = content.at(0, length + 1)
        for other in everyone:
            if other.identity == each.identity or other.compression is not None or other.size <= len(whole):
                continue
            rival = self.open(other)
            if rival is None:
                return True
            try:
                if rival.at(0, len(whole)) == whole:
                    return True
            finally:
                self.close_unless_held(other, rival)
        # the other may have been truncated just now, which is done when the copy is complete: then this one has grown
        again = candidate(each.path, live=False, compression=each.compression)
        return again is None or again.state != each.state

    def _cut_or_copy(self, each: Candidate, content: Content, known: Generation) -> Verdict:
        """A file that begins as a generation does, without what was consumed last."""
        if not each.live:
            return Verdict(Relation.SHORTER, known.number)
        found = found_again(known, content)
        if not known.has_head_of(known.head_at, content.at(known.head_at, HEAD)):
            return UNDECIDED  # it was truncated while we looked
        offset, exact = (each.size, False) if found is None else found
        if not exact:
            self._gaps.append("rewritten" if found is None else "cut")
        moved = replace(
            known, number=self.new_number(), offset=0, marks=(), size=0, device=each.device, inode=each.inode, live=True
        )
        # an editor leaves a new file under the name; the writer may still write to the old one, which we hold
        same = known.identity == each.identity
        self.put(replace(known, live=False, complete=same, size=known.offset))
        return Verdict(Relation.CONTINUES, self.put(moved.advanced(content, offset)).number)

    # -- reading ----------------------------------------------------------------------------------------------

    def next_work(self) -> Work | None:
        """Open the file that the last look chose."""
        if self._next is None:
            return None
        each, number = self._next
        content = self.open(each)
        if content is None:
            return None
        if number is None:
            generation = Generation(number=self.new_number(), device=each.device, inode=each.inode, live=each.live)
        else:
            generation = self.generations[number]
        # a plain file was verified by the look that chose it; an archive has to be read up to the offset for that
        return Work(generation, each, content, verified=each.compression is None or number is None)

    def verify(self, work: Work) -> bool:
        """Whether an archive holds what was consumed; one that does not is a shorter copy, with nothing to give.

        Raises ArchiveBroken.
        """
        if not work.verified:
            work.verified = work.generation.is_continued_by(work.content)
            if not work.verified:
                self._complete(work)
        return work.verified

    def advance(self, work: Work, generation: Generation) -> Generation:
        """Remember how far a file was read."""
        device, inode = work.candidate.identity
        return self.put(replace(generation, device=device, inode=inode))

    def exhausted(self, work: Work) -> None:
        """Note that a file has no more whole lines, as it is now."""
        if work.candidate.compression is not None:
            self._complete(work)
        elif work.candidate.state == self._state(work):
            number = work.generation.number
            self._settled[work.candidate.state] = number if number in self.generations else None

    def _complete(self, work: Work) -> None:
        # kept though nothing may have been read of it: then it is known by its inode and size, and not new the next time
        device, inode = work.candidate.identity
        size = work.candidate.size
        self.put(replace(work.generation, complete=True, live=False, device=device, inode=inode, size=size))
        self._settled[work.candidate.state] = work.generation.number

    def _state(self, work: Work) -> tuple[int, int, int, int] | None:
        if not isinstance(work.content, PlainFile):
            return None
        found = os.fstat(work.content.descriptor)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def broken(self, work: Work) -> None:
        """Note that an archive ended too early while it was read."""
        self._note_broken(work.candidate, work.generation if work.generation.number in self.generations else None)

    def _note_broken(self, each: Candidate, generation: Generation | None) -> None:
        now = self._clock()
        known = self._broken.get(each.state)
        if known is None:
            self._broken[each.state] = Broken(now, now + 0.5, 0.5)
            return
        if now - known.since < BROKEN_AFTER:
            known.pause = min(known.pause * 2, RETRY_AT_MOST)
            known.retry_at = now + known.pause
            return
        self._gaps.append("archive-damaged")
        damaged = generation or Generation(number=self.new_number())
        device, inode = each.identity
        self.put(replace(damaged, complete=True, live=False, device=device, inode=inode, size=each.size))
        self._settled[each.state] = damaged.number

    def release(self, work: Work) -> None:
        """Close the file at hand, unless it is held."""
        self.close_unless_held(work.candidate, work.content)
