"""The rules by which a cause is told, as data: one TOML file a family, here and in a folder of the operator's.

How long it takes is linear in the text, whatever the rules (RE2): one of the operator's own cannot make the agent
slow. The first layer with a rule that holds decides, in this order: what a provider says, SASL, TLS, DNS, the
connection, verdicts and words of any server, enhanced codes, codes; local and client have rules of their own, before.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from mailwatch.causes.catalogue import Entry, read_catalogue
from mailwatch.causes.judge import NEAR, Judge, Network
from mailwatch.causes.rule import LAYERS, Rule, RuleError, read_rules
from mailwatch.causes.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LAYERS",
    "NEAR",
    "Entry",
    "Judge",
    "Network",
    "Rule",
    "RuleError",
    "Rules",
    "catalogue",
    "own_rules",
    "read_rules",
]

CATALOGUE: Final = "catalogue.toml"


def own_rules(more: Iterable[Rule] = ()) -> Rules:
    """Our own rules, behind those of the operator, which win over ours."""
    folder = files("mailwatch.causes")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml") and each.name != CATALOGUE)
    texts = ((name, folder.joinpath(name).read_text(encoding="utf-8")) for name in names)
    ours = [rule for name, text in texts for rule in read_rules(name, text, ours=True)]
    return Rules((*more, *ours))


def catalogue() -> dict[str, Entry]:
    """What each cause means and what to do about it."""
    return read_catalogue(files("mailwatch.causes").joinpath(CATALOGUE).read_text(encoding="utf-8"))
