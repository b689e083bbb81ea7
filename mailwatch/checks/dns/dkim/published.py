"""What is published at selectors: asked for all at once, and no answer believed that a wildcard gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.dkim.grammar import is_key, key_record
from mailwatch.checks.dns.dkim.key import Key
from mailwatch.checks.dns.names import below, name_of
from mailwatch.checks.dns.txt import MOST as MOST_RECORDS
from mailwatch.checks.dns.txt import octets
from mailwatch.checks.dns.wildcard import answered_by_wildcard, neighbour
from mailwatch.question import ANSWER, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dns.name import Name

    from mailwatch.checks.dns.dkim.record import KeyRecord
    from mailwatch.checks.dns.facts import Facts, Selector
    from mailwatch.question import Answer, Asks

MIDDLE: Final = "_domainkey"
MOST: Final = 20
"""So many selectors that are known are looked at."""
PIECES: Final = 4
"""So many records are tried as parts of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is at ``name``: ``keys``, each a record, and ``strays`` that are none. ``guess``: nobody said it is used.

    ``wildcard``: the same is at any other name beside. ``split``: the key that the records are when they are joined.
    ``misplaced``: where the key stands instead, and why nobody finds it there.
    """

    name: Name
    domain: Name
    selector: Selector
    answer: Answer
    keys: tuple[KeyRecord, ...] = ()
    strays: tuple[str, ...] = ()
    wildcard: bool = False
    guess: bool = False
    split: str | None = None
    misplaced: tuple[Name, str] | None = None


def places(selectors: Iterable[Selector]) -> list[tuple[Selector, Name, Name]]:
    """Each selector with its domain and the name of its key; those that can have none are left out."""
    found = []
    for each in selectors:
        try:
            domain = name_of(each.domain)
        except ValueError:
            continue
        name = below(domain, each.selector, MIDDLE)
        if name is not None:
            found.append((each, domain, name))
    return found


async def published(asks: Asks, facts: Facts, selectors: Iterable[Selector], *, guess: bool = False) -> list[Published]:
    """What is there, for each selector in order."""
    found = places(selectors)
    for _, _, name in found:
        asks.soon(name, "TXT")
        beside = neighbour(facts, name)
        if beside is not None:
            asks.soon(beside, "TXT")
    return [await _one(asks, facts, *place, guess=guess) for place in found]


async def _one(asks: Asks, facts: Facts, selector: Selector, domain: Name, name: Name, *, guess: bool) -> Published:
    answer = await asks.ask(name, "TXT")
    texts = (
        [octets(each).decode("latin-1") for each in answer.records[:MOST_RECORDS]] if answer.outcome == ANSWER else []
    )
    keys = tuple(key_record(text) for text in texts if is_key(text))
    wildcard = bool(texts) and bool(await answered_by_wildcard(asks, facts, name, "TXT"))
    return Published(
        name=name,
        domain=domain,
        selector=selector,
        answer=answer,
        keys=keys,
        strays=tuple(text for text in texts if not is_key(text)),
        wildcard=wildcard,
        guess=guess,
        split=_joined(texts),
        misplaced=None if guess or texts or answer.aliases else await _misplaced(asks, selector, domain, answer),
    )


async def _misplaced(asks: Asks, selector: Selector, domain: Name, answer: Answer) -> tuple[Name, str] | None:
    """Where the key was published instead; None when it is at none of the usual wrong names."""
    if answer.outcome == UNKNOWN:
        return None
    doubled = below(domain, selector.selector, MIDDLE, *(label for label in domain.labels if label))
    wrong = (
        (doubled, "because the name was completed once more (a final dot is missing in the zone)"),
        (below(domain, selector.selector), f"without {MIDDLE} in the name"),
    )
    for name, _ in wrong:
        if name is not None:
            asks.soon(name, "TXT")
    for name, why in wrong:
        if name is None:
            continue
        there = await asks.ask(name, "TXT")
        texts = [octets(each).decode("latin-1") for each in there.records[:MOST_RECORDS]]
        if there.outcome == ANSWER and any(is_key(text) and key_record(text).key is not None for text in texts):
            return name, why
    return None


def _joined(texts: list[str]) -> str | None:
    """The record that several are when they are joined, the one with the tags first; None when they are none."""
    heads = [text for text in texts if is_key(text)]
    if len(heads) != 1 or not 1 < len(texts) <= PIECES or isinstance(key_record(heads[0]).key, Key):
        return None
    rest = [text for text in texts if text is not heads[0]]
    for order in _orders(rest):
        whole = heads[0] + "".join(order)
        if isinstance(key_record(whole).key, Key):
            return whole
    return None


def _orders(texts: list[str]) -> list[list[str]]:
    if len(texts) <= 1:
        return [texts]
    return [[each, *rest] for at, each in enumerate(texts) for rest in _orders(texts[:at] + texts[at + 1 :])]
