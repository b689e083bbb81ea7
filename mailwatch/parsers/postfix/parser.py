"""Reads a log that Postfix writes to: every line of Postfix an event, every other line counted.

Lines of other programs are skipped. Nothing raises, whatever the bytes; each line costs time linear in its length.

A block is read in two passes. The first opens the envelopes and lays each message on the pile of the program that
wrote it; the second reads pile by pile, each with the one pattern of that program's common lines, and puts every
event where its line was. Line by line, program after program, the same work took a third longer: the processor
forgets one pattern over the next.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.event import Event, Origin
from mailwatch.parsers.parsed import Parsed
from mailwatch.parsers.postfix.grammars import ANOTHER, GRAMMARS, unnamed
from mailwatch.parsers.postfix.terms import UNREAD, Reading
from mailwatch.parsers.syslog import MICROSECONDS, Envelope, Tag, unfold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo

    from mailwatch.parsers.postfix.terms import Read

    Row = tuple[int, float, Origin, str]
    """A message on a pile: the number of its line in the block, its time, who wrote it, what it says."""


HOLE: Final = re.compile("\0+")
BEHIND_HOLE: Final = "\0"
"""What a line begins with that stands behind NUL bytes."""
# made once: a slice that is written out is made anew for every line, and costs a twentieth of reading it
STAMP: Final = slice(0, 16)
BEHIND_STAMP: Final = slice(16, None)
WHOLE, FRACTION, ZONE_AND_WRITER = slice(0, 20), slice(20, 26), slice(26, None)


class Pile(NamedTuple):
    """What one program said in a block, and how it is read."""

    rows: list[Row]
    program: str
    reading: Reading
    read: Read


class Writer(NamedTuple):
    """A process that writes to the log, and what lays a message on its program's pile."""

    origin: Origin
    lay: Callable[[Row], None]


class PostfixParser:
    """Reads a log that Postfix writes to.

    ``names`` are the first parts of tags that are Postfix's besides those beginning with ``postfix`` (postconf(5),
    syslog_name); ``zone`` is the zone of stamps without one. Of common lines of the kinds in ``passed`` no
    events are made: they are only counted.
    """

    def __init__(self, names: Collection[str] = (), zone: tzinfo | None = None, passed: Collection[type] = ()) -> None:
        self._names = frozenset(names)
        self._envelope: Envelope[Writer] = Envelope(self._writer, zone)
        self._unparsed = 0
        self._foreign: list[Row] = []
        self._unnamed = Pile([], "", UNREAD, unnamed)
        self._another = Pile([], "other", ANOTHER.reading(passed), ANOTHER.read)
        self._piles = {
            program: Pile([], program, grammar.reading(passed), grammar.read) for program, grammar in GRAMMARS.items()
        }

    def parse(self, block: bytes, reference: float) -> Parsed:
        """Tell what the block says; see ``Parser``."""
        text = block.decode("utf-8", "replace")
        if "\0" in text:
            # a hole in a file ends a line: what was cut off before it is not glued to what was written behind it
            text = HOLE.sub(f"\n{BEHIND_HOLE}", text)
        lines = text.split("\n")
        self._envelope.begin(reference)
        self._unparsed = 0
        if lines[0][19:20] == ".":
            self._lay_out_precise(lines)
        else:
            self._lay_out(lines)
        places: list[Event | None] = [None] * len(lines)
        passed: Counter[tuple[type, str]] = Counter()
        folded: dict[int, int] = {}
        for pile in (*self._piles.values(), self._another, self._unnamed):
            if pile.rows:
                read_pile(pile, places, passed, folded)
        foreign = len(self._foreign)
        self._foreign.clear()
        if folded:
            events = [each for number, each in enumerate(places) if each for _ in range(folded.get(number, 1))]
        else:
            events = [each for each in places if each is not None]
        return Parsed(events, len(lines) - lines.count("") - lines.count(BEHIND_HOLE), foreign, self._unparsed, passed)

    def _lay_out(self, lines: list[str]) -> None:
        """Lay every message on its program's pile."""
        stamps, writers = self._envelope.stamps, self._envelope.writers
        # stamps and writers come again and again: two look-ups and no call for almost every line
        for number, line in enumerate(lines):
            head, _, message = line.partition("]: ")
            try:
                at = stamps[head[STAMP]]
                origin, lay = writers[head[BEHIND_STAMP]]
            except KeyError:
                self._lay_alone(number, line)
            else:
                lay((number, at, origin, message))

    def _lay_out_precise(self, lines: list[str]) -> None:
        """The same for lines stamped ``2026-11-22T06:22:33.637413+00:00``: only the second comes again."""
        local_seconds, zoned_writers = self._envelope.local_seconds, self._envelope.zoned_writers
        for number, line in enumerate(lines):
            head, _, message = line.partition("]: ")
            try:
                local = local_seconds[head[WHOLE]]
                offset, (origin, lay) = zoned_writers[head[ZONE_AND_WRITER]]
                digits = head[FRACTION]
                if not (digits.isdecimal() and digits.isascii()):
                    raise KeyError(digits)
            except KeyError:
                self._lay_alone(number, line)
            else:
                lay((number, (local + offset + int(digits)) / MICROSECONDS, origin, message))

    def _lay_alone(self, number: int, line: str) -> None:
        """Lay the message of a line whose stamp or writer is new; or count that it has no envelope."""
        # behind a hole only a line with a stamp is believed: a NUL inside a line must not begin another one
        opened = self._envelope.open(line.removeprefix(BEHIND_HOLE), stamped=line[:1] == BEHIND_HOLE)
        if opened is not None:
            at, (origin, lay), message = opened
            lay((number, at, origin, message))
        elif line not in ("", BEHIND_HOLE):
            self._unparsed += 1

    def _writer(self, tag: Tag) -> Writer:
        """What a tag means: ``postfix/submission/smtpd`` is instance postfix, service submission, program smtpd."""
        parts = tag.name.split("/")
        instance = parts[0]
        # a tag without a slash is one cut at its first (RFC 5424 templates): then only a whole name is believed
        if instance not in self._names and instance != "postfix" and not (parts[1:] and instance[:7] == "postfix"):
            return Writer(Origin(tag.host, instance, None, tag.name, tag.pid), self._foreign.append)
        program = parts[-1] if len(parts) > 1 else ""
        origin = Origin(tag.host, instance, "/".join(parts[1:-1]) or None, program, tag.pid)
        pile = self._piles.get(program, self._another) if program else self._unnamed
        return Writer(origin, pile.rows.append)


def read_pile(
    pile: Pile, places: list[Event | None], passed: Counter[tuple[type, str]], folded: dict[int, int]
) -> None:
    """Read what a program said: its events to their ``places``, the lines that are only counted to ``passed``.

    ``folded`` says of the lines that syslog wrote once for several how many those are. The pile is empty behind it.
    """
    rows, program, (matching, makers, kinds), read = pile
    skipped: list[int] = []
    for number, at, origin, message in rows:
        found = matching(message)
        if found is not None:
            group = found.lastindex or 0
            make = makers[group]
            if make is None:
                skipped.append(group)
            else:
                places[number] = make(at, origin, found.groups())
            continue
        once, times = unfold(message)
        if times > 1:
            folded[number] = times
        places[number] = read(at, origin, once)
    rows.clear()
    for group, times in Counter(skipped).items():
        passed[kinds[group], program] += times
