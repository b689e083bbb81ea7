"""Reads a log that Postfix writes to: every line of Postfix an event, every other line counted.

Lines of other programs are skipped. Nothing raises, whatever the bytes; each line costs time linear in its length.

A block is read in two passes. The first opens the envelopes and lays each message on the pile of the program that
wrote it; the second reads pile by pile, each with the one pattern of that program's common lines, and puts every
event where its line was. Line by line, program after program, the same work took a third longer: the processor
forgets one pattern over the next.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

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
        self._foreign: list[Row] = []
        self._unnamed = Pile([], "", UNREAD, unnamed)
        self._another = Pile([], "other", ANOTHER.reading(passed), ANOTHER.read)
        self._piles = {
            program: Pile([], program, grammar.reading(passed), grammar.read) for program, grammar in GRAMMARS.items()
        }

    def parse(self, block: bytes, reference: float) -> Parsed:
        """Tell what the block says; see ``Parser``."""
        # a hole in a file ends a line: what was cut off before it is not glued to what was written behind it
        lines = block.decode("utf-8", "replace").replace("\0", "\n").split("\n")
        blank, unparsed = self._lay_out(lines, reference)
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
        return Parsed(events, len(lines) - blank, foreign, unparsed, passed)

    def _lay_out(self, lines: list[str], reference: float) -> tuple[int, int]:
        """Lay every message on its program's pile; how many lines are blank, and how many have no envelope."""
        envelope = self._envelope
        envelope.begin(reference)
        stamps, whole_seconds, writers = envelope.stamps, envelope.whole_seconds, envelope.writers
        blank = unparsed = 0
        precise = lines[0][19:20] == "."
        for number, line in enumerate(lines):
            # stamps and writers come again and again: two look-ups and no call for almost every line
            head, separator, message = line.partition("]: ")
            try:
                if precise:
                    # 2026-11-22T06:22:33.637413+00:00: only the microseconds are new in every line
                    at = (whole_seconds[head[:20] + head[26:33]] + digits(head[20:26])) / MICROSECONDS
                    origin, lay = writers[head[33:]]
                else:
                    at = stamps[head[:16]]
                    origin, lay = writers[head[16:]]
            except KeyError:
                separator = ""
            if separator:
                lay((number, at, origin, message))
                continue
            opened = envelope.open(line)
            if opened is not None:
                at, (origin, lay), message = opened
                lay((number, at, origin, message))
            elif line:
                unparsed += 1
            else:
                blank += 1
        return blank, unparsed

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


def digits(text: str) -> int:
    """The number that six digits are. Raises KeyError for what is none: the line is not as it was remembered."""
    if text.isdecimal() and text.isascii():
        return int(text)
    raise KeyError(text)
