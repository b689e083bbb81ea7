"""What a file is to what is known of the log: compared by content, with every doubt meaning *look again*.

Rules, in the order in which they decide:

1. A file that begins as a generation begins, and holds behind that what was consumed last, continues it.
2. The live file, beginning as a generation but without its last bytes, was cut or rewritten: reading goes on
   at the newest mark found in it. Any other such file is a shorter copy and has nothing to give.
3. A file that is nothing but the beginning of another one is a copy in the making: wait.
4. A rotated file last written an hour or more before mailwatch's first start is history: skip.
5. Everything else is a new generation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import STEP, Archive, ArchiveBroken, PlainFile
from mailwatch.sources.generation import HEAD, Generation, found_again
from mailwatch.sources.lines import last_line_end
from mailwatch.sources.rotation import Candidate, candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mailwatch.sources.content import Content
    from mailwatch.sources.held import Held
    from mailwatch.sources.rows import Rows

BROKEN_AFTER: Final = 30.0
"""Seconds for which a broken archive must stay as it is before it counts as damaged: it may be in the making."""
RETRY_AT_MOST: Final = 8.0
GRACE: Final = 3600.0
"""Seconds by which a file may seem older than the first start and yet be news: its time comes from a coarser clock,
and clocks are set. What was there at the first start is known by content anyway."""

State = tuple[int, int, int, int]


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
class Broken:
    """An archive that could not be read in this state: when that was first seen, and when to try again (monotonic)."""

    since: float
    retry_at: float
    pause: float


class Identifier:
    """Compares files with the rows. What has nothing to give is not opened again while it stays as it is."""

    def __init__(self, rows: Rows, held: Held, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._held = held
        self._clock = clock
        self._settled: dict[State, int | None] = {}
        self._broken: dict[State, Broken] = {}
        self._trouble: dict[bool, str] = {}

    def take_trouble(self) -> str | None:
        """Why a file could not be read since this was last asked; the live one's trouble first."""
        trouble, self._trouble = self._trouble, {}
        return trouble.get(True) or trouble.get(False)

    def note_trouble(self, each: Candidate, error: OSError) -> None:
        """Note that a file that may hold lines cannot be read at the moment."""
        self._trouble[each.live] = f"cannot read {each.path or 'the log held open'}: {error.strerror or error}"

    def forget_all_but(self, states: set[State]) -> None:
        """Forget the files that are not there any more, or not as they were."""
        self._settled = {state: number for state, number in self._settled.items() if state in states}
        self._broken = {state: broken for state, broken in self._broken.items() if state in states}

    def is_settled(self, each: Candidate) -> bool:
        """Whether the file, as it is, has nothing to give."""
        return each.state in self._settled

    def settle(self, each: Candidate, number: int | None) -> None:
        """Note that the file, as it is, has nothing to give."""
        self._settled[each.state] = number

    def open(self, each: Candidate) -> Content | None:
        """The content of this very file, or None when another one has its name by now. Raises OSError."""
        held = self._held.get(each.identity)
        if held is not None:
            return held
        opened = PlainFile.open(each.path)
        found = os.fstat(opened.descriptor)
        if (found.st_dev, found.st_ino) != each.identity:
            opened.close()
            return None
        return opened if each.compression is None else Archive(opened.descriptor, each.compression)

    def close_unless_held(self, each: Candidate, content: Content) -> None:
        """Close what ``open`` opened."""
        if self._held.get(each.identity) is not content:
            content.close()

    def identify(self, each: Candidate, everyone: Sequence[Candidate], begun_at: float) -> Verdict:
        """What the file is; ``begun_at`` (seconds) is mailwatch's first start on this log."""
        if each.state in self._settled:
            number = self._settled[each.state]
            if number is None:
                return NOTHING
            if number in self._rows.generations:
                return Verdict(Relation.CONTINUES, number)
        damaged = self._known_as_damaged(each)
        if damaged is not None:
            return damaged
        broken = self._broken.get(each.state)
        if broken is not None and self._clock() < broken.retry_at:
            return UNDECIDED
        try:
            verdict = self._opened_and_compared(each, everyone, begun_at)
        except ArchiveBroken:
            self.note_broken(each, None)
            return UNDECIDED
        except OSError as error:
            if not each.live and each.modified / 1e9 < begun_at - GRACE:
                return NOTHING  # history that may not be read by us is no loss
            self.note_trouble(each, error)
            return UNDECIDED
        self._settle(each, verdict)
        return verdict

    def _opened_and_compared(self, each: Candidate, everyone: Sequence[Candidate], begun_at: float) -> Verdict:
        content = self.open(each)
        if content is None:
            return UNDECIDED
        try:
            return self._compare(each, content, everyone, begun_at)
        finally:
            self.close_unless_held(each, content)

    def _known_as_damaged(self, each: Candidate) -> Verdict | None:
        """Whether this is an archive of which nothing could be read: it is known by its inode and size alone."""
        if each.compression is None:
            return None
        for known in self._rows.generations.values():
            if known.complete and not known.head_length and (known.identity, known.size) == (each.identity, each.size):
                self._settled[each.state] = known.number
                return Verdict(Relation.CONTINUES, known.number)
        return None

    def _settle(self, each: Candidate, verdict: Verdict) -> None:
        """Remember a file that has nothing to read as long as it stays as it is."""
        if verdict.relation is Relation.NOTHING and not each.live:
            self._settled[each.state] = None
        elif verdict.relation is Relation.CONTINUES and verdict.number is not None:
            generation = self._rows.generations[verdict.number]
            if generation.complete or (each.compression is None and each.size <= generation.offset):
                self._settled[each.state] = verdict.number

    def _compare(self, each: Candidate, content: Content, everyone: Sequence[Candidate], begun_at: float) -> Verdict:
        head_at = content.head_at()
        head = content.at(head_at, HEAD)
        if not head:
            return NOTHING
        if isinstance(content, Archive) and content.broken and len(head) < HEAD:
            raise ArchiveBroken(content.broken)  # too little of it to tell it from what is known
        alike = [known for known in self._rows.generations.values() if known.has_head_of(head_at, head)]
        # a complete one last: after an edit or a cut it begins like the one that took its place
        alike.sort(key=lambda known: (not known.complete, known.head_length, known.offset), reverse=True)
        for known in alike:
            # what an archive holds is verified when it is read: that takes decompressing it up to the offset
            unread = known.complete and not each.live
            if unread or each.compression is not None or known.is_continued_by(content):
                return Verdict(Relation.CONTINUES, known.number)
        if alike:
            return self._cut_or_copy(each, content, alike[0])
        return self._unknown(each, content, everyone, begun_at, short=len(head) < HEAD)

    def _unknown(
        self, each: Candidate, content: Content, everyone: Sequence[Candidate], begun_at: float, *, short: bool
    ) -> Verdict:
        """What a file is that begins like nothing we know; ``short`` when there is not enough of it to be sure."""
        if each.live:
            return self._beheaded(each, content, everyone)
        if each.modified / 1e9 < begun_at - GRACE:
            return NOTHING
        if short and self._is_beginning_of_another(each, content, everyone):
            return UNDECIDED
        return Verdict(Relation.NEW)

    def _beheaded(self, each: Candidate, content: Content, everyone: Sequence[Candidate]) -> Verdict:
        """A live file with a new beginning: a new generation, or the old one after an editor took its first lines."""
        elsewhere = {other.identity for other in everyone if other.path and not other.live}
        for known in self._rows.of_this_log():
            if not known.live or known.identity in elsewhere:
                continue
            found = found_again(known, content)
            if found is not None and found[1]:
                return self._moved(each, content, known, found[0])
        return Verdict(Relation.NEW)

    def _is_beginning_of_another(self, each: Candidate, content: Content, everyone: Iterable[Candidate]) -> bool:
        """Whether this short file is a copy in the making, or grows while it is looked at."""
        whole = content.at(0, STEP)
        for other in everyone:
            if other.identity == each.identity or other.compression is not None or other.size <= len(whole):
                continue
            try:
                rival = self.open(other)
            except OSError:
                return True
            if rival is None:
                return True
            try:
                if rival.at(0, len(whole)) == whole:
                    return True
            finally:
                self.close_unless_held(other, rival)
        if not each.path:
            return False  # held open, and without a name: nobody makes a copy of that
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
        offset, exact = (last_line_end(content, each.size), False) if found is None else found
        if not exact:
            self._rows.gap("rewritten" if found is None else "cut")
        return self._moved(each, content, known, offset)

    def _moved(self, each: Candidate, content: Content, known: Generation, offset: int) -> Verdict:
        """Go on at ``offset`` in the live file, as another generation: the old one's offsets mean nothing in it."""
        moved = self._rows.new(each.identity, live=True)
        # an editor leaves a new file under the name; the writer may still write to the old one, which we hold
        same = known.identity == each.identity
        self._rows.put(replace(known, live=False, complete=same, size=known.offset))
        return Verdict(Relation.CONTINUES, self._rows.put(moved.advanced(content, offset)).number)

    def note_broken(self, each: Candidate, generation: Generation | None) -> None:
        """Note that an archive ended too early: it may be in the making; when it stays so, it is damaged."""
        now = self._clock()
        known = self._broken.get(each.state)
        if known is None:
            self._broken[each.state] = Broken(now, now + 0.5, 0.5)
            return
        if now - known.since < BROKEN_AFTER:
            known.pause = min(known.pause * 2, RETRY_AT_MOST)
            known.retry_at = now + known.pause
            return
        self._rows.gap("archive-damaged")
        damaged = generation or self._rows.new(each.identity)
        device, inode = each.identity
        self._rows.put(replace(damaged, complete=True, live=False, device=device, inode=inode, size=each.size))
        self._settled[each.state] = damaged.number
