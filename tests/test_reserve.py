"""Room is kept while there is some, and given up when there is none: then a commit works that did not."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from mailwatch import reserve
from mailwatch.database import StateUnwritable
from mailwatch.reserve import BYTES, EVERY, Reserve
from mailwatch.store import Store
from mailwatch.tally import Delta
from tests.torture import disk
from tests.torture.disk import small_disk

if TYPE_CHECKING:
    from pathlib import Path


def blocks(folder: Path) -> int:
    return (folder / "reserve").stat().st_blocks * 512


def test_it_is_really_there_and_nobody_elses(tmp_path: Path) -> None:
    Reserve(tmp_path).keep(0.0)
    assert blocks(tmp_path) >= BYTES
    assert stat.S_IMODE((tmp_path / "reserve").stat().st_mode) == 0o600


def test_it_is_given_up_once_and_made_again_after_a_while(tmp_path: Path) -> None:
    kept = Reserve(tmp_path)
    assert not kept.release()
    kept.keep(0.0)
    assert kept.release()
    assert not kept.release()
    kept.keep(EVERY - 1)
    assert not (tmp_path / "reserve").exists()
    kept.keep(EVERY)
    assert blocks(tmp_path) >= BYTES


def test_a_part_of_one_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"x" * 4096)
    Reserve(tmp_path).keep(0.0)
    assert blocks(tmp_path) >= BYTES


def test_it_does_not_fill_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small"):
        Reserve(tmp_path / "small").keep(0.0)
        assert not (tmp_path / "small/reserve").exists()


def test_one_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "ROOM", 0)
    with small_disk(tmp_path / "small") as full:
        full.fill(8)
        Reserve(tmp_path / "small").keep(0.0)
        assert not (tmp_path / "small/reserve").exists()
    Reserve(tmp_path / "nowhere").keep(0.0)
    assert not Reserve(tmp_path / "nowhere").release()


def test_what_could_not_be_committed_can_be_when_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SIZE", "24m")
    folder = tmp_path / "small"
    with small_disk(folder) as full:
        kept = Reserve(folder)
        kept.keep(0.0)
        Store.open(folder, time.time()).close()
        full.fill(0)
        delta = Delta()
        delta.count("log_lines", time.time(), number=7)
        with pytest.raises(StateUnwritable):
            committed(folder, delta)
        assert kept.release()
        committed(folder, delta)
        assert os.statvfs(folder).f_bavail * 4096 <= BYTES


def committed(folder: Path, delta: Delta) -> None:
    store = Store.open(folder, time.time())
    try:
        store.commit(delta, {}, time.time())
    finally:
        store.close()
