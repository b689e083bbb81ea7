"""What amavis signs with: its calls of dkim_key, where they name domain, selector and file plainly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.facts.plain import text_of
from mailwatch.facts.signer import Signer, lowered, placed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES: Final = ("etc/amavisd.conf", "etc/amavisd/amavisd.conf")
FOLDER: Final = "etc/amavis/conf.d"
MOST: Final = 64
WORD: Final = r"\s{0,20},\s{0,20}['\"]([^'\"\s]{1,255})['\"]"
# as in: dkim_key('example.com', 's1', '/var/lib/dkim/example.com.pem')
KEY: Final = re.compile(rf"(?m)^\s{{0,20}}dkim_key\(\s{{0,20}}['\"]([^'\"\s]{{1,255}})['\"]{WORD}{WORD}")


def signers(domain: str, root: Path) -> Iterator[Signer]:
    """What it signs with."""
    del domain
    try:
        files = sorted((root / FOLDER).iterdir())[:MOST]
    except OSError:
        files = []
    for path in (*(root / name for name in FILES), *files):
        for signing, selector, key in KEY.findall(text_of(path) or ""):
            yield Signer(lowered(signing), selector, "amavis's dkim_key", placed(key, root))
