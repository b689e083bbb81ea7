"""The Public Suffix List: who a domain belongs to by RFC 7489, as receivers take it that do not walk the tree yet."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from dns.name import Name

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

SHORT: Final = 2


def registered(domain: Name) -> Name:
    """The organizational domain by the list: one label below the public suffix; a public suffix is its own."""
    labels = tuple(label.lower() for label in domain.labels if label)
    if len(labels) <= SHORT:  # there is nothing to cut off, and the list takes 50 ms to read
        return Name([*labels, b""])
    found = _list().privatesuffix(labels)
    return Name([*(found or labels), b""])


def is_public(domain: Name) -> bool:
    """Whether the list has this name as a public suffix: others register names under it."""
    return _list().is_public(tuple(label.lower() for label in domain.labels if label))


@cache
def _list() -> PublicSuffixList:
    """The list as it came with the library, read once."""
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - 15 ms and 340 kB, for names of three labels and more

    return PublicSuffixList()
