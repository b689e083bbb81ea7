"""Which name servers this host asks: /etc/resolv.conf, as resolv.conf(5) has it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from mailwatch.facts.plain import settings_in, text_of

FILE: Final = Path("/etc/resolv.conf")
PORT: Final = 53
MOST: Final = 3
"""MAXNS: so many are asked."""


def name_servers(path: Path = FILE) -> tuple[tuple[str, int], ...]:
    """Address and port of each; the one on this host where none is named."""
    named = [value.split()[0] for name, value in settings_in(text_of(path) or "") if name == "nameserver" and value]
    found = [each for each in named if _is_address(each)][:MOST]
    return tuple((each, PORT) for each in found or ("127.0.0.1",))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
