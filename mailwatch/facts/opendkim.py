"""What OpenDKIM signs with: opendkim.conf(5), with its KeyTable and SigningTable where these are plain files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.facts.plain import settings_in, text_of
from mailwatch.facts.signer import Signer, lowered, placed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES: Final = ("etc/opendkim.conf", "etc/opendkim/opendkim.conf")


def signers(domain: str, root: Path) -> Iterator[Signer]:
    """What it signs with; a key of the table that is for every domain is for ``domain``."""
    for name in FILES:
        text = text_of(root / name)
        if text is not None:
            yield from _signers(domain, root, {key.lower(): value for key, value in settings_in(text)})
            return


def _signers(domain: str, root: Path, settings: dict[str, str]) -> Iterator[Signer]:
    keys = text_of(path) if (path := placed(settings.get("keytable", ""), root)) else None
    if keys is None:
        yield from _one(root, settings)
        return
    used = _used(settings.get("signingtable", ""), root)
    for name, value in settings_in(keys):
        # example.com:s1:/etc/dkimkeys/s1.private
        signing, colon, rest = value.partition(":")
        selector, _, key = rest.partition(":")
        if not colon or not selector or (used is not None and name not in used):
            continue
        yield Signer(domain if signing == "%" else lowered(signing), selector, "OpenDKIM's KeyTable", placed(key, root))


def _one(root: Path, settings: dict[str, str]) -> Iterator[Signer]:
    """Without a table there is one selector, for all domains."""
    selector = settings.get("selector", "")
    if not selector:
        return
    for each in settings.get("domain", "").replace(",", " ").split():
        if ":" not in each and "/" not in each:
            yield Signer(lowered(each), selector, "opendkim.conf", placed(settings.get("keyfile", ""), root))


def _used(setting: str, root: Path) -> set[str] | None:
    """The keys that a sender leads to; None where that is not known."""
    path = placed(setting, root)
    text = None if path is None else text_of(path)
    # *@example.com  example      or several, by commas
    return None if text is None else {key.strip() for _, value in settings_in(text) for key in value.split(",")}
