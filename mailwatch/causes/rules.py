"""Tells causes: all rules in one pass over the text, then the order of layers decides. Never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import re2

from mailwatch.cause import UNKNOWN, Cause, Said
from mailwatch.causes.rule import LAYERS, SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mailwatch.causes.rule import Rule

REMEMBERED: Final = 4096
"""Replies of which the cause is remembered: a dead relay says the same thing to every message."""
MEMORY: Final = 32 << 20
"""Bytes that RE2 may use for the states of all patterns together."""


class Rules:
    """Rules, the ones told first winning within a layer."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Sequence[Rule] = sorted(
            rules, key=lambda rule: LAYERS.index(rule.layer)
        )  # sorting keeps their order
        options = re2.Options()
        options.case_sensitive = False
        options.max_mem = MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for rule in self.rules:
            self._set.Add(rule.pattern)
        self._set.Compile()
        self._codes = [
            (None if rule.code is None else re2.compile(rule.code), None if rule.dsn is None else re2.compile(rule.dsn))
            for rule in self.rules
        ]
        self._known: dict[tuple[str, str, str | None], Cause] = {}

    def tell(self, said: Said, side: str) -> Cause:
        """The cause of what was said on a side; ``unknown`` when no rule holds."""
        key = (said.text, side, said.host)
        cause = self._known.get(key)
        if cause is None:
            rule = next(self.holding(said, side), None)
            cause = Cause(UNKNOWN, side) if rule is None else Cause(rule.cause, rule.scope_on(side), rule.id)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = cause
        return cause

    def holding(self, said: Said, side: str) -> Iterator[Rule]:
        """The rules that hold, the deciding one first."""
        for number in sorted(self._set.Match(said.text) or ()):
            rule = self.rules[number]
            if side in rule.on and rule.is_about(said.host) and self._has_codes(number, said):
                yield rule

    def words(self, rule: Rule, said: Said) -> str:
        """The words in the text that the rule goes by."""
        found = re2.compile(rule.pattern, SILENT).search(said.text)
        return "" if found is None else str(found[0])

    def _has_codes(self, number: int, said: Said) -> bool:
        for wanted, found in zip(self._codes[number], (said.code, said.dsn), strict=True):
            if wanted is not None and (found is None or wanted.fullmatch(found) is None):
                return False
        return True
