"""The house stays as it was built: who may import whom, what is pure, what every registry must name, how large a thing is."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from mailwatch.channels import CHANNELS
from mailwatch.channels.kinds import MAY_HAVE, NEEDS
from mailwatch.checks.dns import DNS
from mailwatch.checks.host import HOST
from mailwatch.commands import COMMANDS, main
from mailwatch.options import CHANNEL_TYPES, RulesOptions
from mailwatch.rules import ABSENCE, RULES

HOUSE = Path(__file__).parent.parent / "mailwatch"
FILES = sorted(HOUSE.rglob("*.py"))

LEVELS: dict[str, int] = {
    # a line may import only from lines below it; what is on the same line, only from within its own folder
    "commands": 12, "cron": 11,
    "agent": 10, "hourly": 9, "facts": 6, "examination": 5, "duty": 8, "web": 8, "textfile": 7, "summary": 7, "pushgateway": 5,
    "config": 5, "metrics": 6, "alerted": 5, "examined": 5, "discovery": 5, "probes": 5,
    "queue_sample": 4, "checks": 4, "probed": 4, "pulse": 4, "refusals": 3,
    "advance": 5, "digest": 5, "letters": 5, "decisions": 6, "outbox": 6, "ledger": 7, "heart": 5, "reserve": 4,
    "sources": 4, "store": 4, "channels": 4, "rules": 4, "inhibition": 4, "letter": 4,
    "watchdog": 3, "resolver": 3, "database": 3, "parsers": 3, "tally": 3, "causes": 3, "view": 3, "alert": 3,
    "counters": 2, "delays": 2, "domain": 2, "record": 2, "schema": 2, "streak": 2, "ration": 2, "headline": 2,
    "event": 1, "options": 1, "cause": 1, "sample": 1, "notification": 1, "firing": 1, "masking": 1,
    "question": 1, "finding": 1,
}  # fmt: skip
PURE = (
    "parsers",
    "causes",
    "cause",
    "tally",
    "counters",
    "delays",
    "record",
    "event",
    "notification",
    "options",
    "schema",
    "pulse",
    "refusals",
    "sample",
    "firing",
    "streak",
    "view",
    "rules",
    "alert",
    "inhibition",
    "advance",
    "decisions",
    "letters",
    "ration",
    "masking",
    "headline",
    "letter",
    "digest",
    "summary",
    "probed",
    "question",
    "finding",
    "domain",
    "examined",
)
IMPURE_MODULES = {"os", "socket", "subprocess", "sqlite3", "time", "threading", "logging", "random", "shutil", "tempfile",
                  "urllib", "http", "asyncio", "select", "signal", "io", "fcntl"}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "now", "utcnow", "today", "time", "monotonic"}
LONGEST_FUNCTION, LONGEST_FILE = 40, 400
BANNED_NAMES = ("util", "utils", "helper", "helpers", "manager", "base", "common", "misc")


def room(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def is_pure(file: Path) -> bool:
    return room(file) in PURE or file.is_relative_to(HOUSE / "checks" / "dns")


def imports(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def name(file: Path) -> str:
    return str(file.relative_to(HOUSE))


@pytest.mark.parametrize("file", [file for file in FILES if room(file) not in ("__init__", "__main__")], ids=name)
def test_a_file_imports_only_from_the_lines_below_it(file: Path) -> None:
    assert room(file) in LEVELS, f"{file.name}: say in LEVELS on which line it stands"
    for imported in imports(file):
        parts = imported.split(".")
        if parts[0] != "mailwatch" or len(parts) == 1 or parts[1] == room(file):
            continue
        assert LEVELS[parts[1]] < LEVELS[room(file)], f"{file.name} must not import {imported}"


@pytest.mark.parametrize("file", [file for file in FILES if is_pure(file)], ids=name)
def test_a_pure_file_does_no_input_or_output_and_asks_no_clock(file: Path) -> None:
    assert not IMPURE_MODULES & {imported.split(".")[0] for imported in imports(file)}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called == "open" and isinstance(node.func, ast.Attribute):
                continue  # opens an envelope
            assert called not in IMPURE_CALLS, f"{file.name}:{node.lineno} calls {called}"


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if room(file) in ("event", "options", "cause", "notification", "sample", "finding")],
    ids=name,
)
def test_the_words_need_nothing_but_the_standard_library(file: Path) -> None:
    own = f"mailwatch.{room(file)}."
    needed = {each.split(".")[0] for each in imports(file) if not each.startswith(own)}
    assert needed <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", ["parsers", "sources"])
def test_a_registry_names_everything_in_its_folder(folder: str) -> None:
    registered = getattr(importlib.import_module(f"mailwatch.{folder}"), folder.upper())
    entry = {"parsers": "class {}Parser", "sources": "class {}Source"}[folder]
    entries = [
        (file.stem, found[0].removeprefix("class "))
        for file in (HOUSE / folder).rglob("*.py")
        if (found := re.search(entry.format("[A-Z][A-Za-z]+") + r"\b(?!\(Protocol)", file.read_text())) is not None
    ]
    assert entries
    named = {made.__name__ for made in registered.values()}
    for stem, made in entries:
        assert made in named, f"{folder}/__init__.py does not name {made} of {stem}.py"


def test_the_registry_of_rules_names_every_rule_and_its_options() -> None:
    rules = {file.stem: file for file in (HOUSE / "rules").glob("*.py") if "\ndef evaluate(" in file.read_text()}
    for name in rules:
        made = importlib.import_module(f"mailwatch.rules.{name}")
        assert RULES.get(made.NAME) is made.evaluate, f"rules/__init__.py does not name evaluate of {name}.py"
        assert name == made.NAME
    assert set(RULES) == set(rules) == {each.name for each in fields(RulesOptions)}
    assert set(RULES) >= ABSENCE


def test_the_registry_of_channels_names_every_file_with_a_sender_and_every_type() -> None:
    files = [file for file in (HOUSE / "channels").glob("*.py") if "\ndef send(" in file.read_text()]
    assert {f"mailwatch.channels.{file.stem}" for file in files} == set(CHANNELS.values())
    assert tuple(CHANNELS) == CHANNEL_TYPES
    assert set(CHANNELS) == set(NEEDS) == set(MAY_HAVE)


def test_the_registry_of_host_checks_names_every_check() -> None:
    files = [file for file in (HOUSE / "checks" / "host").glob("*.py") if "\ndef look(" in file.read_text()]
    assert {f"mailwatch.checks.host.{file.stem}" for file in files} == {look.__module__ for look in HOST.values()}


def test_the_registry_of_dns_checks_names_every_check() -> None:
    folder = HOUSE / "checks" / "dns"
    files = [file for file in folder.rglob("*.py") if "\nasync def check(" in file.read_text()]
    named = {check.__module__ for check in DNS.values()}
    assert named == {"mailwatch." + ".".join(file.relative_to(HOUSE).with_suffix("").parts) for file in files}
    assert set(DNS) == {importlib.import_module(name).NAME for name in named}


def test_the_registry_of_commands_names_every_command_and_its_file() -> None:
    files = [file for file in (HOUSE / "commands").glob("*.py") if "\n@click.command" in file.read_text()]
    assert {f"mailwatch.commands.{file.stem}" for file in files} == set(COMMANDS.values())
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_function_fits_on_a_screen_and_a_file_holds_one_thing(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= LONGEST_FILE, f"{file.name} is two things"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{file.name}:{node.lineno} {node.name} is {length} lines"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_name_says_what_the_thing_is(file: Path) -> None:
    assert file.stem not in BANNED_NAMES
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in node.name).replace("_", " ").split()
            assert not set(words) & set(BANNED_NAMES), f"{file.name}:{node.lineno} {node.name}"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_no_pattern_repeats_a_group_possessively(file: Path) -> None:
    """Python before 3.11.5, Debian 12's own among them, matches such a group wrongly (its issues 106052 and 101955)."""
    assert not re.findall(r"\)(?:[?*+]|\{{1,2}[0-9,]+\}{1,2})\+(?!\))|\(\?>", file.read_text())
