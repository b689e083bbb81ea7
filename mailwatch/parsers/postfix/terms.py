"""What Postfix's lines are made of, and how a grammar is written down: as shapes, each a pattern and its event.

A shape is anchored at both ends and read left to right, so a field is where the grammar puts it: no address, reply
or HELO name can pretend to be another field. Quantifiers are bounded, possessive or have one way only to go: linear in
the line. Only single characters are repeated possessively: for groups that is broken in Python before 3.11.5.

Known limit: before Postfix 3.5, or with info_log_address_format=internal, addresses are logged without quotes.
One that holds ``>, relay=none, … status=sent (`` and all that is then a line's own field for all we can see; one
with other angle brackets or quotes in it makes a line that is not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.event import Client, Event, Other, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from mailwatch.event import Origin

    Values = tuple[str, ...]
    """The groups of a pattern; one that took no part is None: the makers know which can be."""
    Make = Callable[[float, Origin, Values], Event]
    Read = Callable[[float, Origin, str], Event]
    Match = Callable[[str], re.Match[str] | None]

# A queue ID is short (upper-case hex) or long (postconf(5), enable_long_queue_ids): no vowels; seconds and microseconds
# in base 52, which has a z like any other digit, then a z, then the inode in base 51, which has none (mail_queue.h).
LONG: Final = "[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,16}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{1,20}"
QUEUE_ID: Final = rf"(?:[0-9A-F]{{5,20}}|{LONG})"
# where there is no queue file yet
NO_QUEUE: Final = "NOQUEUE"
# An address ends at the first > that is not inside its quoted local part (postconf(5), info_log_address_format).
ADDRESS: Final = r'(?:[^"<>]*+|"[^"\\]*+(?:\\.[^"\\]*+)*"[^<>]*+)'
NUMBER: Final = "[0-9]{1,9}"
# unknown[192.0.2.7]     mx.example[2001:db8::7]:4711
CLIENT: Final = r"([^\[\] ]{0,255}+)\[([^\[\] ]{1,255}+)\](?::([0-9]{1,5}))?"
# mx.example[192.0.2.7]:25     mx.example[private/dovecot-lmtp]
RELAY: Final = r"([^\[\] ]{0,255}+)\[([^\[\]]{1,255}+)\](?::([0-9]{1,5}))?"


ABOUT_MESSAGE: Final = re.compile(f"({QUEUE_ID}): ")

made: Final = tuple.__new__
"""Makes an event of all its values. Millions are made, and a named tuple's own constructor takes twice as long."""


class Shape(NamedTuple):
    """Lines of one form: what they tell, the pattern of the whole message, and what makes the event of its groups.

    ``head`` is a pattern of how no other form of the same program begins: enough where the line is only counted.
    """

    kind: type
    pattern: str
    make: Make
    head: str = ""


class Reading(NamedTuple):
    """How the common lines of a program are read: one pattern for all of them.

    By ``found.lastindex``: ``makers`` has what makes the event of the match's groups, or None where nobody asked
    for events of the kind; ``kinds`` has the kind.
    """

    matching: Match
    makers: tuple[Make | None, ...]
    kinds: tuple[type, ...]


class Grammar:
    """The lines of one program: ``common`` ones by one pattern for all of them, ``rare`` ones shape by shape.

    ``last`` reads what is in none of the shapes.
    """

    def __init__(self, common: Iterable[Shape] = (), rare: Iterable[Shape] = (), last: Read | None = None) -> None:
        self._common = tuple(common)
        self._shapes = tuple((re.compile(shape.pattern).fullmatch, shape.make) for shape in (*self._common, *rare))
        self._last = last

    def reading(self, passed: Collection[type]) -> Reading:
        """How to read the common lines when those of the kinds in ``passed`` need only be counted."""
        if not self._common:
            return UNREAD
        only_counted = all(shape.head and shape.kind in passed for shape in self._common)
        patterns: list[str] = []
        makers: list[Make | None] = [None]  # groups are numbered from 1
        kinds: list[type] = [type(None)]
        for shape in self._common:
            ignored = bool(shape.head) and shape.kind in passed
            behind = "" if only_counted else ".*+"
            pattern = f"({shape.head}){behind}" if ignored else shape.pattern
            groups = re.compile(pattern).groups
            make = shape.make if len(self._common) == 1 else of_part(shape.make, len(makers) - 1, groups)
            patterns.append(f"(?:{pattern})")
            makers += [None if ignored else make] * groups
            kinds += [shape.kind] * groups
        combined = re.compile("|".join(patterns))
        return Reading(combined.match if only_counted else combined.fullmatch, tuple(makers), tuple(kinds))

    def read(self, at: float, origin: Origin, message: str) -> Event:
        """The event of a line in any of the shapes; ``Other`` when it is in none."""
        for fullmatch, make in self._shapes:
            found = fullmatch(message)
            if found is not None:
                return make(at, origin, found.groups())
        return unread(at, origin, message) if self._last is None else self._last(at, origin, message)


def of_part(make: Make, begin: int, groups: int) -> Make:
    """A maker that is handed the groups of a pattern of several shapes."""
    part = slice(begin, begin + groups)

    def made_of_part(at: float, origin: Origin, values: Values) -> Event:
        return make(at, origin, values[part])

    return made_of_part


def nothing(_message: str) -> None:
    """Match no line."""


UNREAD: Final = Reading(nothing, (), ())


def unread(at: float, origin: Origin, message: str) -> Event:
    """A line that no grammar reads; the message it is about, where it begins with a queue ID."""
    found = ABOUT_MESSAGE.match(message)
    return Other(at, origin, message, None if found is None else found[1])


def number(text: str | None) -> int | None:
    """A number that may be missing."""
    return None if text is None else int(text)


def queue_id(text: str | None) -> str | None:
    """A queue ID; None where Postfix says that there is none."""
    return None if text == NO_QUEUE else text


def client(host: str, address: str, port: str | None) -> Client:
    """The client out of the three groups of CLIENT."""
    return Client(host or None, address, number(port))


def relay(host: str, address: str, port: str | None) -> Relay:
    """The relay out of the three groups of RELAY."""
    return Relay(host, address, number(port))
