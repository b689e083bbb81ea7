"""One rule: a pattern that tells a cause, and when it holds. Read from TOML, with every mistake told at once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import re2

from mailwatch.cause import CAUSES, CLIENT, LOCAL, RECIPIENT, RELAY, SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYERS: Final = (
    "local", "client", "provider", "sasl", "tls", "dns", "connection", "verdict", "keywords", "enhanced", "code",
)  # fmt: skip
"""The order of deciding: text beats code, and the closer a text's origin is known the more it means."""
MEMORY: Final = 1 << 16
"""Bytes that RE2 may use for one pattern: one that does not fit is refused; beyond it is slower, and still linear."""
SILENT: Final = re2.Options()
SILENT.case_sensitive = False
SILENT.max_mem = MEMORY
SILENT.log_errors = False  # it writes to stderr by itself: a mistake is told by us, in one line
FILE_KEYS: Final = ("title", "layer", "hosts", "rule")
RULE_KEYS: Final = ("id", "pattern", "cause", "on", "here", "scope", "code", "dsn")


class RuleError(Exception):
    """A file of rules is wrong; ``mistakes`` has a line for each: where, what, what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of ``patterns`` (RE2, without case) in the innermost reply tells ``cause``, on the sides in ``on``.

    ``hosts``: only for these hosts, a leading dot meaning any name below; ``code`` and ``dsn``: only with such codes,
    and then whatever the text where there is no pattern; ``scope``: on this side whatever side it was found on.
    """

    id: str
    layer: str
    patterns: tuple[str, ...]
    cause: str
    on: frozenset[str]
    hosts: tuple[str, ...] = ()
    scope: str | None = None
    code: str | None = None
    dsn: str | None = None

    def scope_on(self, side: str) -> str:
        """The scope of what was found on a side: a cause that cannot be there has its own."""
        if self.scope is not None:
            return self.scope
        return side if side in CAUSES[self.cause] else CAUSES[self.cause][0]

    def is_about(self, host: str | None) -> bool:
        """Whether it holds for a host."""
        if not self.hosts:
            return True
        name = (host or "").lower().rstrip(".")
        return any(name == each or (each[:1] == "." and name.endswith(each)) for each in self.hosts)


def read_rules(name: str, text: str, *, ours: bool = False) -> list[Rule]:
    """The rules in the text of the file ``name``. Raises RuleError.

    The patterns of our own files (``ours``) are not tried out: a test has, and it would take a tenth of a second.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError([f"{name}: {error}"]) from error
    mistakes = [*unknown_keys(name, content, FILE_KEYS)]
    layer = content.get("layer")
    if layer not in LAYERS:
        mistakes.append(f"{name}: layer: expected one of {', '.join(LAYERS)}, found {layer!r}")
    rules: list[Rule] = []
    for number, table in enumerate(content.get("rule", ()), start=1):
        where = f"{name}: rule {table.get('id', number)}"
        wrong = [*unknown_keys(where, table, RULE_KEYS), *wrong_values(where, table)]
        wrong += [] if ours else wrong_patterns(where, table)
        mistakes += wrong
        if not wrong and layer in LAYERS:
            rules.append(made(content, table))
    if mistakes:
        raise RuleError(mistakes)
    return rules


def unknown_keys(where: str, table: dict[str, Any], known: Iterable[str]) -> list[str]:
    """A line for each key that means nothing here."""
    return [f"{where}: {key}: unknown key{suggestion(key, known)}" for key in table if key not in known]


def suggestion(word: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    close = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def wrong_values(where: str, table: dict[str, Any]) -> list[str]:
    """A line for each value that cannot be."""
    mistakes = [
        f"{where}: {key}: expected a text, found {table.get(key)!r}"
        for key in ("id", "cause")
        if not isinstance(table.get(key), str)
    ]
    if not {"pattern", "code", "dsn"} & set(table):
        mistakes.append(f"{where}: pattern: expected a pattern or a list of them, or a code or dsn to go by alone")
    cause = table.get("cause")
    if isinstance(cause, str) and cause not in CAUSES:
        mistakes.append(f"{where}: cause: there is no {cause!r}{suggestion(cause, CAUSES)}")
    sides = table.get("on", [])
    scope = table.get("scope")
    for key, values in (
        ("on", sides if isinstance(sides, list) else [sides]),
        ("scope", [] if scope is None else [scope]),
    ):
        mistakes += [
            f"{where}: {key}: expected one of {', '.join(SIDES)}, found {value!r}"
            for value in values
            if value not in SIDES
        ]
    if cause in CAUSES and scope in SIDES and scope not in CAUSES[cause]:
        mistakes.append(f"{where}: scope: {cause} is a cause at {' or '.join(CAUSES[cause])}, not at {scope}")
    return mistakes


def wrong_patterns(where: str, table: dict[str, Any]) -> list[str]:
    """A line for each pattern that is none."""
    mistakes = [each for key in ("code", "dsn") for each in wrong_pattern(f"{where}: {key}", table.get(key, ""))]
    for pattern in patterns_of(table):
        mistakes += wrong_pattern(f"{where}: pattern", pattern)
    return mistakes


def patterns_of(table: dict[str, Any]) -> tuple[Any, ...]:
    """The patterns of a rule: one, a list of them, or none."""
    given = table.get("pattern", ())
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def wrong_pattern(where: str, pattern: object) -> list[str]:
    """A line for a pattern that is none."""
    if not isinstance(pattern, str):
        return [f"{where}: expected a text, found {pattern!r}"]
    try:
        re2.compile(pattern, SILENT)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error
        return [f"{where}: {why} (RE2 syntax: no look-around, no back-references)"]
    return []


def made(content: dict[str, Any], table: dict[str, Any]) -> Rule:
    """The rule of a table without mistakes."""
    layer = content["layer"]
    usual: tuple[str, ...] = {"local": (LOCAL,), "client": (CLIENT,)}.get(layer, (RELAY, RECIPIENT))
    # a cause of the relay's own is none at a destination, and the other way round
    fitting = tuple(side for side in usual if side in CAUSES[table["cause"]])
    return Rule(
        id=table["id"],
        layer=layer,
        patterns=patterns_of(table),
        cause=table["cause"],
        on=frozenset(table.get("on", fitting or usual)),
        hosts=tuple(each.lower() for each in content.get("hosts", ())) if table.get("here") else (),
        scope=table.get("scope"),
        code=table.get("code"),
        dsn=table.get("dsn"),
    )
