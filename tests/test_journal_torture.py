"""The real agent beside a real journald: killed, while files are rotated and vacuumed. ``--long`` for the full form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture.journal import JournalTorture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


def test_every_entry_is_counted_once_over_kills_rotations_and_vacuums(tmp_path: Path, long: bool) -> None:
    for seed in (1, 2, 3) if long else (1,):
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills = 40 if long else 7
        outcome = JournalTorture(
            folder=folder, seed=seed, entries=20_000 if long else 3000, kills=kills, rate=800
        ).run()
        assert (outcome.lost, outcome.doubled) == (0, 0), outcome
        assert outcome.gaps == {}
        assert outcome.kills == kills
        assert outcome.rotations > 3
        assert outcome.deleted > 0
        assert "Traceback" not in outcome.said


def test_what_was_vacuumed_unread_is_lost_counted_as_one_gap_each_time_and_nothing_else_is(
    tmp_path: Path, long: bool
) -> None:
    losses = 8 if long else 2
    outcome = JournalTorture(folder=tmp_path, seed=4, entries=300, kills=1, losses=losses).run()
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome
    assert outcome.destroyed > 0
    assert outcome.gaps == {"journal-vacuumed": losses}


def test_an_agent_that_commits_counts_and_cursor_apart_is_found_out(tmp_path: Path) -> None:
    outcome = JournalTorture(
        folder=tmp_path, module="tests.torture.mutant", seed=5, entries=3000, kills=9, rate=800
    ).run()
    assert outcome.lost + outcome.doubled > 0, outcome
