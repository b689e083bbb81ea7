"""Tells causes: one pass over the text finds the few rules that may hold, the order of layers decides among them.

How long it takes is linear in the text, whatever the rules: RE2 throughout. All patterns in one automaton (its Set)
would be a single pass, but such an automaton remembers which of them have matched so far: diverse texts cost it
milliseconds each, 10 kB of hostile ones half a second. So its Filter looks for the words that each pattern cannot do
without, and only a pattern that has them all is tried, in order, until one holds.

Never raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import re2

from mailwatch.cause import UNKNOWN, Cause, Said
from mailwatch.causes.rule import LAYERS, SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mailwatch.causes.rule import Rule

CODES: Final = 1024
"""So many pairs of codes are remembered with the rules that go by them alone: more do not exist."""


class Rules:
    """Rules, the ones told first winning within a layer."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Sequence[Rule] = sorted(
            rules, key=lambda rule: LAYERS.index(rule.layer)
        )  # sorting keeps their order
        self._filter = re2.Filter()
        self._numbers = [
            number
            for number, rule in enumerate(self.rules)
            for pattern in rule.patterns
            if self._filter.Add(pattern, SILENT) >= 0
        ]
        self._filter.Compile()
        self._patterns = [self._filter.re(index) for index in range(len(self._numbers))]
        self._codes = [
            (None if rule.code is None else re2.compile(rule.code), None if rule.dsn is None else re2.compile(rule.dsn))
            for rule in self.rules
        ]
        self._wordless = [number for number, rule in enumerate(self.rules) if not rule.patterns]
        self._by_codes: dict[tuple[str | None, str | None], list[int]] = {}

    def tell(self, said: Said, side: str) -> Cause:
        """The cause of what was said on a side; ``unknown`` when no rule holds."""
        rule = next(self.holding(said, side), None)
        return Cause(UNKNOWN, side) if rule is None else Cause(rule.cause, rule.scope_on(side), rule.id)

    def holding(self, said: Said, side: str) -> Iterator[Rule]:
        """The rules that hold, the deciding one first."""
        text = said.text.encode("utf-8", "replace")
        likely = [(self._numbers[index], index) for index in self._filter.Match(text, potential=True) or ()]
        likely += [(number, -1) for number in self._going_by(said)]
        likely.sort()
        held = -1
        for number, index in likely:
            rule = self.rules[number]
            if number == held or side not in rule.on or not rule.is_about(said.host):
                continue
            if index < 0 or (self._has_codes(number, said) and self._patterns[index].search(text) is not None):
                held = number
                yield rule

    def words(self, rule: Rule, said: Said) -> str:
        """The words in the text that the rule goes by."""
        for pattern in rule.patterns:
            found = re2.compile(pattern, SILENT).search(said.text)
            if found is not None:
                return str(found[0])
        return said.dsn or said.code or ""

    def _going_by(self, said: Said) -> list[int]:
        """The rules that hold for these codes whatever the text."""
        codes = (said.code, said.dsn)
        found = self._by_codes.get(codes)
        if found is None:
            if len(self._by_codes) >= CODES:
                self._by_codes.clear()
            found = self._by_codes[codes] = [number for number in self._wordless if self._has_codes(number, said)]
        return found

    def _has_codes(self, number: int, said: Said) -> bool:
        for wanted, found in zip(self._codes[number], (said.code, said.dsn), strict=True):
            if wanted is not None and (found is None or wanted.fullmatch(found) is None):
                return False
        return True
