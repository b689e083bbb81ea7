"""Addresses that reports are sent to, as ``rua`` and ``ruf`` list them (RFC 9989 sections 4.6 and 4.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mailwatch.checks.dns.tag_list import BLANKS

MOST: Final = 20
"""So many addresses of a list are read."""
SIZE: Final = re.compile(r"![0-9]{1,18}[kKmMgGtT]?$")
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):")
HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){1,126}\.?")
LOCAL: Final = re.compile(r"[^\s@,!<>()\[\]\\;\"\x00-\x20\x7f-\xff]{1,64}")
PERCENT: Final = re.compile(r"%([0-9A-Fa-f]{2})")
URI_OR_ADDRESS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAddress:
    """One address of a list. ``host`` is None where it cannot be told, or is none of mail.

    ``trouble`` says what is wrong, as the rest of a sentence, and ``instead`` what was meant, if that can be told.
    ``size``: there is a limit of size behind it, which RFC 9989 has removed.
    """

    text: str
    column: int
    host: str | None = None
    trouble: str | None = None
    instead: str | None = None
    size: bool = False


def report_addresses(value: str, column: int) -> tuple[ReportAddress, ...]:
    """Each address between the commas of a value that begins in this column."""
    found = []
    for piece in value.split(",", MOST)[:MOST]:
        text = piece.strip(BLANKS)
        begin = column + len(piece) - len(piece.lstrip(BLANKS))
        column += len(piece) + 1
        found.append(_address(text[:URI_OR_ADDRESS], begin))
    return tuple(found)


def _address(text: str, column: int) -> ReportAddress:
    if not text:
        return ReportAddress(text=text, column=column, trouble="there is no address")
    bare = SIZE.sub("", text)
    size = bare != text
    scheme = SCHEME.match(bare)
    if scheme is None:
        return _without_scheme(text, bare, column)
    if scheme[1].lower() != "mailto":
        return ReportAddress(
            text=text, column=column, trouble="reports are sent by mail only, so that an address begins with mailto:"
        )
    path = bare[scheme.end() :].partition("?")[0]
    host = _mailbox_host(PERCENT.sub(lambda each: chr(int(each[1], 16)), path))
    if host is None:
        instead = _meant(path)
        return ReportAddress(text=text, column=column, trouble="it is not an address of mail", instead=instead)
    return ReportAddress(text=text, column=column, host=host, size=size, instead=bare if size else None)


def _without_scheme(text: str, bare: str, column: int) -> ReportAddress:
    instead = f"mailto:{bare}" if _mailbox_host(bare) else None
    return ReportAddress(text=text, column=column, trouble="mailto: is missing before it", instead=instead)


def _meant(path: str) -> str | None:
    guess = path.strip("/<>\"' \t")
    return f"mailto:{guess}" if _mailbox_host(guess) else None


def _mailbox_host(text: str) -> str | None:
    """The domain of a mailbox, in lower case; None when this is no mailbox."""
    local, at, host = text.partition("@")
    if not at or local.startswith("/") or LOCAL.fullmatch(local) is None or HOST.fullmatch(host) is None:
        return None
    return host.lower().removesuffix(".")
