"""README is true: every command, key and metric is in it, and what it shows works."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click
import pytest

from mailwatch.alerted import firing, outbox
from mailwatch.commands import COMMANDS, main
from mailwatch.config import parse
from mailwatch.counters import GAPS
from mailwatch.examined import domains
from mailwatch.metrics import counters, delays, gauges, refused
from mailwatch.options import Options, RulesOptions
from mailwatch.probed import families
from mailwatch.pulse import Pulse, Seen
from mailwatch.refusals import REASONS, Refusals
from mailwatch.store import Snapshot

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLE = next(re.finditer(r"```toml\n(.*?)```", README, re.DOTALL))[1]


def keys(kind: type[Any], prefix: str = "") -> list[str]:
    found = []
    for each in fields(kind):
        hint = get_type_hints(kind)[each.name]
        one = get_args(hint)[0] if get_origin(hint) is tuple else hint
        nested = isinstance(one, type) and is_dataclass(one)
        name = prefix + each.name.rstrip("_")
        found += keys(one, f"{name}.") if nested else [name]
    return found


def metrics() -> list[str]:
    snapshot = Snapshot(counters={}, delays={}, open_messages=0, last_event_at=1.0)
    seen = Seen(success=True, succeeded_at=1.0)
    pulse = Pulse(ticked_at=1.0, log=seen, state=seen)
    made = (
        *counters(snapshot),
        *gauges(snapshot, pulse),
        *refused(Refusals()),
        *outbox(snapshot, ["mail"]),
        *firing([]),
        *domains(snapshot),
    )
    named = {sample.name for family in made for sample in family.samples}
    return sorted(
        {delays(snapshot).name, *named, *(family.name for family in (*families([]), *made) if not family.samples)}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_it(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert re.search(rf"\| `mailwatch {command.name}[ `]", README)
    for parameter in (each for each in command.params if isinstance(each, click.Option)):
        assert f"`{parameter.opts[0]}" in README, parameter.opts[0]


@pytest.mark.parametrize("key", [key for key in keys(Options) if not key.startswith("rules.")])
def test_every_key_is_in_the_sample_configuration(key: str) -> None:
    table, _, name = key.rpartition(".")
    # a table that is there several times, [[channel]], is one section here
    tables = re.split(r"(?m)^\[+([a-z.]+)\]+$", SAMPLE)
    section = (
        tables[0] if not table else "\n".join(tables[at + 1] for at in range(1, len(tables), 2) if tables[at] == table)
    )
    # of a secret its file is enough
    assert re.search(rf"(?m)^# .+\n{name}(_file)? = ", section), f"{key} is not in the sample with a comment above it"


@pytest.mark.parametrize("rule", [each.name for each in fields(RulesOptions)])
def test_every_rule_is_in_the_table_with_its_keys_and_defaults(rule: str) -> None:
    options = getattr(RulesOptions(), rule)
    row = next(line for line in README.splitlines() if line.startswith(f"| `{rule}` |"))
    shown = dict(re.findall(r"`([a-z_]+_(?:seconds|percent|failures|attempts|messages|count))` ([0-9]+)", row))
    named = {each.name: getattr(options, each.name) for each in fields(options)}
    assert {"clear_seconds": 300} | {name: int(value) for name, value in shown.items()} == {
        name: value for name, value in named.items() if name not in ("enabled", "severity")
    }


def test_the_sample_configuration_loads() -> None:
    options = parse(SAMPLE)
    assert options.listen == Options().listen
    assert options.state_dir == Options().state_dir


@pytest.mark.parametrize("metric", metrics())
def test_every_metric_is_in_the_table(metric: str) -> None:
    assert f"| `{metric}` |" in README


def test_no_metric_is_in_the_table_that_is_not_shown() -> None:
    assert set(re.findall(r"\| `(mailwatch_[a-z_]+)` \|", README)) == set(metrics())


@pytest.mark.parametrize("reason", GAPS)
def test_every_reason_of_a_gap_is_explained(reason: str) -> None:
    assert f"`{reason}` —" in README


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_a_refused_client_is_explained(reason: str) -> None:
    assert f"`{reason}` —" in README.partition("**Refused clients.**")[2].partition("\n\n")[0]


@pytest.mark.parametrize("path", re.findall(r"\]\(([a-z][^):]+)\)", README))
def test_what_it_links_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.findall(
        r'^    "([a-z0-9.-]+)[>=]', project.partition("dependencies = [")[2].partition("]\n")[0], re.MULTILINE
    )
    decisions = README.partition("## Decisions")[2]
    assert len(listed) >= 7
    for name in listed:
        assert re.search(rf"\*\*[^*]*\b{re.escape(name)}\b[^*]*\*\*", decisions), f"{name}: say why under Decisions"


def test_no_figure_is_still_to_be_filled_in() -> None:
    assert not re.search(r"[A-Z]+_FIGURES|FIGURES_[A-Z]+|TODO", README)


def test_the_two_lines_are_what_ci_runs() -> None:
    lines = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/mailwatch demo",
        "tests/run --install",
    ]
    ci = (ROOT / ".ci" / "run").read_text()
    assert 'pip" install' in ci
    assert 'mailwatch" demo' in ci
    assert "tests/run --install" in ci
