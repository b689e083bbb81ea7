"""The judge of this machine: our rules and the operator's, and the relays that its mail goes through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mailwatch.cause import Relays
from mailwatch.causes import Judge, Rule, RuleError, own_rules, read_rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mailwatch.discovery import Postfix
    from mailwatch.options import Options

# [smtp.example.net]:587      smtp.example.net:submission      [2001:db8::7]
DESTINATION: Final = re.compile(r"(?:[a-z]+:)?(?:\[(?P<literal>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::[^:\[\]]+)?")
LARGEST: Final = 1 << 20


def judge_of(options: Options, postfix: Postfix | None) -> tuple[Judge, list[str]]:
    """The judge, and a line for each mistake in the operator's rules: a file with one is left out, the others hold."""
    rules, mistakes = rules_in(options.causes.folder)
    return Judge(own_rules(rules), relays_of(options, postfix)), mistakes


def rules_in(folder: Path | None) -> tuple[list[Rule], list[str]]:
    """The rules in the files of a folder, and what is wrong with those that are left out."""
    rules: list[Rule] = []
    mistakes: list[str] = []
    if folder is None:
        return rules, mistakes
    try:
        names = sorted(folder.glob("*.toml"))
        if not folder.is_dir():
            mistakes.append(f"{folder}: no such folder; set [causes] folder to one, or leave it out")
    except OSError as error:
        return rules, [f"{folder}: {error.strerror or error}"]
    for path in names:
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST + 1).decode()
            rules += read_rules(str(path), text)
        except RuleError as error:
            mistakes += error.mistakes
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return rules, mistakes


def relays_of(options: Options, postfix: Postfix | None) -> Relays:
    """Where our mail goes through. With a relayhost and no transport_maps that is where all of it goes."""
    named = [*options.postfix.relays]
    if postfix is not None:
        named += [postfix.relayhost, *postfix.fallback_relays]
    everything = postfix is not None and bool(postfix.relayhost) and not postfix.transport_maps
    return Relays(frozenset(hosts(named)), all_mail=everything)


def hosts(named: Iterable[str]) -> Iterable[str]:
    """The hosts of destinations as Postfix takes them (postconf(5), relayhost)."""
    for each in named:
        found = DESTINATION.fullmatch(each.strip().lower())
        if found is not None:
            yield (found["literal"] or found["name"]).removeprefix("ipv6:").rstrip(".")
