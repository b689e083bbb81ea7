"""The judge of this machine: our rules and the operator's, and the relays that its mail goes through."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from mailwatch.causes import NEAR, Judge, Rule, RuleError, own_rules, read_rules
from mailwatch.commands.routes import relays_of
from mailwatch.discovery import postfix_program
from mailwatch.view import Site

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mailwatch.causes import Entry, Network
    from mailwatch.discovery import Log, Postfix
    from mailwatch.options import Options

LARGEST: Final = 1 << 20


def site_of(options: Options, postfix: Postfix | None, watched: Log, entries: Mapping[str, Entry]) -> Site:
    """What the rules know of this host beforehand.

    Nobody looks at Postfix where there is none (postconf is missing), or where the log is handed in from elsewhere.
    """
    is_here = watched.kind != "stdin" and postfix_program("postconf") is not None
    return Site(
        host=(postfix.hostname if postfix is not None else "") or socket.gethostname(),
        severities={cause: entry.severity for cause, entry in entries.items()},
        relay=(postfix.relayhost if postfix is not None else "") or None,
        looked_at=bool(options.queue.interval) and is_here,
    )


def judge_of(options: Options, postfix: Postfix | None, *, look_up: bool = False) -> tuple[Judge, list[str]]:
    """The judge, and a line for each mistake in the operator's rules: a file with one is left out, the others hold.

    To ``look_up`` the addresses of relays takes a name server, and two seconds where that does not answer.
    """
    rules, mistakes = rules_in(options.causes.folder)
    return Judge(own_rules(rules), relays_of(options, postfix, look_up=look_up), networks_of(postfix)), mistakes


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


def networks_of(postfix: Postfix | None) -> list[Network]:
    """The networks we serve: those of one's own wherever they are, and mynetworks, as far as they are networks."""
    found: list[Network] = [*NEAR]
    for each in () if postfix is None else postfix.networks:
        with suppress(ValueError):  # a table, a file, an exception
            found.append(ip_network(each.replace("[", "").replace("]", ""), strict=False))
    return found
