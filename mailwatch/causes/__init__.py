"""The rules by which a cause is told, as data: one TOML file a family, here and in a folder of the operator's.

All patterns are looked for in one pass that is linear in the text, whatever the rules (RE2's Set): a rule of the
operator's own cannot make the agent slow. Then the first layer with a match decides, in this order: what a
provider says, SASL, TLS, DNS, the connection, words of any server, enhanced codes, codes; local and client have
rules of their own that go before.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from mailwatch.causes.catalogue import Entry, read_catalogue
from mailwatch.causes.judge import Judge
from mailwatch.causes.rule import LAYERS, Rule, RuleError, read_rules
from mailwatch.causes.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LAYERS", "Entry", "Judge", "Rule", "RuleError", "Rules", "catalogue", "own_rules", "read_rules"]

CATALOGUE: Final = "catalogue.toml"


def own_rules(more: Iterable[Rule] = ()) -> Rules:
    """Our own rules, behind those of the operator, which win over ours."""
    folder = files("mailwatch.causes")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml") and each.name != CATALOGUE)
    ours = [rule for name in names for rule in read_rules(name, folder.joinpath(name).read_text(encoding="utf-8"))]
    return Rules((*more, *ours))


def catalogue() -> dict[str, Entry]:
    """What each cause means and what to do about it."""
    return read_catalogue(files("mailwatch.causes").joinpath(CATALOGUE).read_text(encoding="utf-8"))
