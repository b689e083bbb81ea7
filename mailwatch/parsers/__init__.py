"""Grammars of mail logs: a block of bytes becomes events. Pure, and nothing here ever raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.parsers.postfix import PostfixParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.parsers.parsed import Parser

PARSERS: Final[dict[str, Callable[..., Parser]]] = {
    "postfix": PostfixParser,
}
