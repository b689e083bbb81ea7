"""The agent is tortured: its log rotated, itself killed, its disk filled; and it has counted every line once.

The short form runs with all other tests. ``pytest --long tests/torture`` takes some minutes more: each seed
alone then has as many kills and rotations as the short form has over all seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.agents import AGENTS
from tests.torture.harness import Torture
from tests.torture.rotation import EXACT, KINDS, RACES

if TYPE_CHECKING:
    from pathlib import Path

SEEDS: Final = (1, 2, 3)
KILLS: Final = {False: 14, True: 44}
ROTATIONS: Final = {False: 9, True: 27}
LINES: Final = {False: 4000, True: 20_000}
DECOYS: Final = {False: 3, True: 10}
"""Of each seed, in the short form and in the long one."""


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the long form was asked for."""
    return bool(request.config.getoption("--long", default=False))


def test_the_seeds_together_rotate_in_every_kind(tmp_path: Path) -> None:
    seeds = [
        Torture(agent=AGENTS["mailwatch"], folder=tmp_path, seed=seed, rotations=ROTATIONS[False]) for seed in SEEDS
    ]
    rotated = [kind for seed in seeds for kind in seed.rotated()]
    assert set(rotated) == set(EXACT) == set(KINDS) - RACES
    assert len(rotated) >= 25
    assert len(SEEDS) * KILLS[False] >= 40


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_is_counted_once_over_kills_and_every_kind_of_rotation(
    tmp_path: Path, seed: int, long: bool
) -> None:
    outcome = Torture(
        agent=AGENTS["mailwatch"],
        folder=tmp_path / "run",
        seed=seed,
        lines=LINES[long],
        kills=KILLS[long],
        rotations=ROTATIONS[long],
        decoys=DECOYS[long],
    ).run()
    assert outcome.exact, outcome
    assert (outcome.kills, outcome.rotations) == (KILLS[long], ROTATIONS[long])
    assert outcome.tracebacks == 0
    # a truncation is a possible gap, for nobody can tell; but nothing is said to be missing where nothing is
    assert set(outcome.gaps) <= {"copytruncate"}


def test_every_line_is_counted_once_over_one_kind_of_rotation_again_and_again(tmp_path: Path, long: bool) -> None:
    # a log that is a symlink in its own folder has the most names at a time
    for kind in EXACT if long else ("symlink",):
        outcome = Torture(
            agent=AGENTS["mailwatch"], folder=tmp_path / kind, seed=21, kills=10, rotations=12, decoys=2, kinds=(kind,)
        ).run()
        assert outcome.exact, f"{kind}: {outcome}"


def test_every_line_is_counted_once_by_an_agent_killed_at_its_system_calls(tmp_path: Path, long: bool) -> None:
    crash_points = 40 if long else 12
    outcome = Torture(
        agent=AGENTS["mailwatch"], folder=tmp_path / "run", seed=11, rotations=6, decoys=2, crash_points=crash_points
    ).run()
    assert outcome.exact, outcome
    assert outcome.crash_points == crash_points
    assert outcome.tracebacks == 0


def test_every_line_is_counted_once_though_the_disk_was_full_and_the_page_answers_meanwhile(
    tmp_path: Path, long: bool
) -> None:
    full_disks = 8 if long else 3
    outcome = Torture(
        agent=AGENTS["mailwatch"], folder=tmp_path / "run", seed=12, kills=6, rotations=5, full_disks=full_disks
    ).run()
    assert outcome.exact, outcome
    assert outcome.full_disks == outcome.answered_while_full == full_disks
    assert outcome.tracebacks == 0


def test_a_truncation_in_a_race_loses_only_lines_written_behind_the_copy_and_is_counted_as_a_gap(
    tmp_path: Path,
) -> None:
    outcome = Torture(
        agent=AGENTS["mailwatch"], folder=tmp_path / "run", seed=13, kills=5, rotations=8, kinds=("copytruncate-race",)
    ).run()
    assert outcome.exact, outcome
    assert outcome.window > 0
    assert outcome.gaps["copytruncate"] > 0


def test_an_agent_that_commits_counts_and_positions_apart_is_found_out(tmp_path: Path) -> None:
    outcome = Torture(agent=AGENTS["mutant"], folder=tmp_path / "run", seed=14, kills=24, rotations=4).run()
    assert outcome.lost + outcome.doubled > 0, outcome
    assert not outcome.exact
