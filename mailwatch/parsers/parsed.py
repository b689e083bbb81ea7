"""What every parser promises: each line becomes events or a count, nothing is lost between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailwatch.event import Event


class Parsed(NamedTuple):
    """What a block held: its events in order, and what became of every line.

    ``lines`` counts every line that is not blank; ``foreign`` those of other programs; ``unparsed``
    those with no envelope we know; ``passed`` those, by kind and program, of which nobody asked for events. All
    the others are Postfix's: one event each, or several where syslog folded repeats into one line.
    """

    events: Sequence[Event]
    lines: int
    foreign: int
    unparsed: int
    passed: Mapping[tuple[type, str], int]


class Parser(Protocol):
    """Reads blocks of whole lines."""

    def parse(self, block: bytes, reference: float) -> Parsed:
        """Tell what the block says; never raises, whatever the bytes.

        ``reference`` (seconds, UTC) is a time at or after which the block was not written: it
        decides the year of a stamp that has none, and is the time of a line without a stamp.
        """
        ...
