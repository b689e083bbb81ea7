"""What rspamd signs with: its local.d/dkim_signing.conf and override.d, by a simple reader of their language.

Read are names, texts, sections and lists (libucl); includes, macros and Lua are not. Without a file of settings
rspamd signs where a key lies at its default place, which is looked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mailwatch.facts.plain import settings_in, text_of
from mailwatch.facts.signer import Signer, lowered, placed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES: Final = ("etc/rspamd/local.d/dkim_signing.conf", "etc/rspamd/override.d/dkim_signing.conf")
PATH: Final = "/var/lib/rspamd/dkim/$domain.$selector.key"
SELECTOR: Final = "dkim"
ORIGIN: Final = "rspamd's dkim_signing.conf"
DEEPEST: Final = 8
COMMENT: Final = re.compile(r"(?m)(?:^|(?<=[\s;{}\[\],]))#.*$")
TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[{}\[\];,=\n]|[^\s{}\[\];,="\']+')


def signers(domain: str, root: Path) -> Iterator[Signer]:
    """What it signs mail of ``domain`` with."""
    settings: dict[str, Any] = {}
    for name in FILES:
        settings |= read(text_of(root / name) or "")
    if not settings and not (root / "etc/rspamd").is_dir():
        return
    own = settings.get("domain")
    for name, section in own.items() if isinstance(own, dict) else ():
        yield from _of_section(lowered(name), section, settings, root)
    if not isinstance(own, dict) or domain not in own:
        yield from _of_all(domain, settings, root)


def _of_section(domain: str, section: Any, settings: dict[str, Any], root: Path) -> Iterator[Signer]:
    if not isinstance(section, dict):
        return
    several = section.get("selectors")
    for each in several if isinstance(several, list) else [section]:
        if isinstance(each, dict):
            selector = _text(each, "selector") or _text(settings, "selector") or SELECTOR
            path = _text(each, "path") or _text(settings, "path") or PATH
            yield Signer(domain, selector, ORIGIN, placed(_filled(path, domain, selector), root))


def _of_all(domain: str, settings: dict[str, Any], root: Path) -> Iterator[Signer]:
    """What holds for a domain without a section: a key that is not there signs nothing."""
    mapped = _mapped(_text(settings, "selector_map"), domain, root)
    selector = mapped or _text(settings, "selector") or SELECTOR
    path = _mapped(_text(settings, "path_map"), domain, root) or _text(settings, "path") or PATH
    key = placed(_filled(path, domain, selector), root)
    try:
        there = key is not None and key.stat().st_size > 0
    except OSError as error:  # a folder that we may not look into may hold it: only if somebody said so
        there = isinstance(error, PermissionError) and bool(mapped or "selector" in settings)
    if there:
        yield Signer(domain, selector, ORIGIN if settings else "rspamd's default", key)


def _text(section: dict[str, Any], name: str) -> str:
    value = section.get(name)
    return value if isinstance(value, str) else ""


def _filled(path: str, domain: str, selector: str) -> str:
    return path.replace("$domain", domain).replace("$selector", selector)


def _mapped(setting: str, domain: str, root: Path) -> str:
    path = placed(setting, root)
    text = None if path is None else text_of(path)
    return next((value.strip('"') for name, value in settings_in(text or "") if lowered(name) == domain), "")


def read(text: str) -> dict[str, Any]:
    """The settings of a text; what is not understood is left out."""
    settings: dict[str, Any] = {}
    inside: list[Any] = [settings]
    words: list[str] = []
    for piece in TOKEN.findall(COMMENT.sub("", _without_blocks(text))):
        if piece in ("{", "["):
            if len(inside) >= DEEPEST:
                return settings
            inside.append(_put(inside[-1], words, {} if piece == "{" else []))
            words = []
        elif piece in ("}", "]", ";", ",") or (piece == "\n" and (len(words) > 1 or isinstance(inside[-1], list))):
            if words:
                _put(inside[-1], words[:-1], words[-1])
            words = []
            if piece in ("}", "]") and len(inside) > 1:
                inside.pop()
        elif piece not in ("=", "\n"):
            words.append(piece[1:-1] if piece[0] in "\"'" else piece.rstrip(":"))
    if len(words) > 1:
        _put(inside[-1], words[:-1], words[-1])
    return settings


def _put(where: Any, names: list[str], value: Any) -> Any:
    """Put a value in a list, or in a section by its name; what is there now.

    ``domain example.com {`` is a section in a section; one that is there already is gone on with.
    """
    if isinstance(where, list):
        where.append(value)
        return value
    for each in names[:-1][:DEEPEST]:
        deeper = where.setdefault(each, {})
        if not isinstance(deeper, dict):
            return value
        where = deeper
    if not names:
        return value
    old = where.get(names[-1])
    if isinstance(old, dict) and isinstance(value, dict):
        return old
    where[names[-1]] = value
    return value


def _without_blocks(text: str) -> str:
    """The text without comments ``/* ... */``."""
    kept, at = [], 0
    while (begin := text.find("/*", at)) >= 0:
        kept.append(text[at:begin])
        end = text.find("*/", begin + 2)
        at = len(text) if end < 0 else end + 2
    return "".join((*kept, text[at:]))
