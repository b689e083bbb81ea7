"""Sets of addresses as sorted, disjoint ranges: what a record lets pass is a matter of counting, not of sampling.

Promises
    A set of IPv4 and one of IPv6 addresses never mix. Every operation is linear in the ranges it is given; what a few
    ranges have in common with many, or take from them, is found by halving: a stranger's record has thousands.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Span = tuple[int, int]

IPV4: Final = 4
BITS: Final = {4: 32, 6: 128}
FEW: Final = 16
"""A set with so many times fewer ranges than another is looked for in it, one by one."""


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, with what overlaps or touches made one."""
    made: list[Span] = []
    for first, last in sorted(spans):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return tuple(made)


def _both(one: tuple[Span, ...], other: tuple[Span, ...]) -> tuple[Span, ...]:
    """What is in one and in the other."""
    if len(one) > len(other):
        one, other = other, one
    made: list[Span] = []
    if len(one) * FEW < len(other):
        for span in one:
            begin, end = _met(other, span)
            made += [(max(first, span[0]), min(last, span[1])) for first, last in other[begin:end]]
        return tuple(made)
    left, right = 0, 0
    while left < len(one) and right < len(other):
        first = max(one[left][0], other[right][0])
        last = min(one[left][1], other[right][1])
        if first <= last:
            made.append((first, last))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return tuple(made)


def _without(one: tuple[Span, ...], other: tuple[Span, ...], size: int) -> tuple[Span, ...]:
    """What is in one, and not in the other."""
    if len(other) * FEW >= len(one):
        return _both(one, _outside(other, size))
    left = list(one)
    for first, last in other:
        begin, end = _met(left, (first, last))
        if begin < end:
            ends = (left[begin][0], first - 1), (last + 1, left[end - 1][1])
            left[begin:end] = [each for each in ends if each[0] <= each[1]]
    return tuple(left)


def _met(spans: Sequence[Span], span: Span) -> tuple[int, int]:
    """From where to where the spans lie that have something in common with one."""
    begin = bisect_left(spans, span[0], key=_last)
    return begin, max(begin, bisect_left(spans, span[1] + 1, key=_first))


def _first(span: Span) -> int:
    return span[0]


def _last(span: Span) -> int:
    return span[1]


def _outside(spans: tuple[Span, ...], size: int) -> tuple[Span, ...]:
    """All there is from 0 on, but for the spans."""
    made: list[Span] = []
    begin = 0
    for first, last in spans:
        if begin < first:
            made.append((begin, first - 1))
        begin = last + 1
    if begin < size:
        made.append((begin, size - 1))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of addresses: ``four`` and ``six`` hold the first and last of each range, as numbers."""

    four: tuple[Span, ...] = ()
    six: tuple[Span, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[IPv4Network | IPv6Network]) -> Ranges:
        """All addresses of the networks."""
        spans: dict[int, list[Span]] = {4: [], 6: []}
        for network in networks:
            spans[network.version].append((int(network.network_address), int(network.broadcast_address)))
        return cls(_joined(spans[4]), _joined(spans[6]))

    @classmethod
    def of_texts(cls, addresses: Iterable[str]) -> Ranges:
        """All the addresses, as DNS has answered them."""
        return cls.of(ip_network(each) for each in addresses)

    @classmethod
    def union(cls, several: Iterable[Ranges]) -> Ranges:
        """What is in any of them."""
        sets = list(several)
        return cls(
            _joined(span for each in sets for span in each.four), _joined(span for each in sets for span in each.six)
        )

    def __or__(self, other: Ranges) -> Ranges:
        """What is in one of them, or in both."""
        return Ranges(_joined(self.four + other.four), _joined(self.six + other.six))

    def __and__(self, other: Ranges) -> Ranges:
        """What is in both."""
        return Ranges(_both(self.four, other.four), _both(self.six, other.six))

    def __sub__(self, other: Ranges) -> Ranges:
        """What is in this one, and not in the other."""
        return Ranges(
            _without(self.four, other.four, 1 << BITS[4]),
            _without(self.six, other.six, 1 << BITS[6]),
        )

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is in it."""
        spans = self.four if address.version == IPV4 else self.six
        return any(first <= int(address) <= last for first, last in spans)

    def __bool__(self) -> bool:
        """Whether there is an address in it."""
        return bool(self.four or self.six)

    def share(self, version: int) -> float:
        """How much of all addresses of IP version 4 or 6 this is, from 0 to 1."""
        spans = self.four if version == IPV4 else self.six
        return float(sum(last - first + 1 for first, last in spans) / (1 << BITS[version]))

    def of_public(self, version: int) -> float:
        """How much of the addresses that are ever routed this is, from 0 to 1: of IPv6 only 2000::/3 is handed out."""
        return self.share(4) if version == IPV4 else (self & GLOBAL).share(6) * 8

    def bits(self, version: int) -> int | None:
        """The longest prefix that is at least as large as this: 8 for all of 10/8 or a little less; None when empty."""
        spans = self.four if version == IPV4 else self.six
        held = sum(last - first + 1 for first, last in spans)
        return BITS[version] - (held - 1).bit_length() if held else None


NONE: Final = Ranges()
EVERYONE: Final = Ranges(((0, (1 << BITS[4]) - 1),), ((0, (1 << BITS[6]) - 1),))
GLOBAL: Final = Ranges.of([ip_network("2000::/3")])
"""All of IPv6 that is handed out (RFC 4291 section 2.4)."""
