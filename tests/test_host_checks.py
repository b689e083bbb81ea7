"""Checks of this machine: a real Postfix that dies and hangs, real full disks, and a log that stands still."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.checks.host import disk, log_moving, postfix_up
from mailwatch.discovery import find_instances
from mailwatch.sample import Instance, QueueSample, QueueState, unread
from tests.parts.account import NOBODY, done_as
from tests.parts.disk import breakable_disk
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_795_628_138.0


@pytest.fixture
def postfix() -> Iterator[PrivatePostfix]:
    made = PrivatePostfix(Path(tempfile.mkdtemp(prefix="postfix-")), free_port())
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.root)


def master(postfix: PrivatePostfix) -> int:
    return int((postfix.root / "spool/pid/master.pid").read_text())


def children(postfix: PrivatePostfix, name: str) -> list[int]:
    return [int(pid) for pid in run("pgrep", "-P", str(master(postfix)), "-x", name, check=False).split()]


WHO = {
    "as root": {},
    "as another user": {"uid": NOBODY},
    "as another user without new privileges": {"uid": NOBODY, "no_new_privileges": True},
}


def test_a_postfix_that_runs_and_one_that_does_not(postfix: PrivatePostfix) -> None:
    [instance] = find_instances(postfix.etc)
    look = partial(postfix_up.look, instance, NOW)
    eventually(lambda: children(postfix, "qmgr"), within=20, what="there is a queue manager")
    # from our own look whether it listens
    eventually(lambda: b"disconnect from" in postfix.log.read_bytes(), within=20, what="it is done with us")
    before = postfix.log.read_bytes()
    for who in WHO.values():
        seen = done_as(look, **who)  # type: ignore[arg-type]
        assert (seen.success, seen.trouble, seen.instance, seen.at) == (True, None, "postfix", NOW)
        assert seen.values == {"up": 1, "stopped": 0, "queue_manager": 1}
    # nothing was disturbed
    assert postfix.log.read_bytes() == before
    postfix.stop()
    for who in WHO.values():
        seen = done_as(look, **who)  # type: ignore[arg-type]
        assert (seen.success, seen.values) == (False, {"up": 0})
        assert "Postfix is down" in str(seen.trouble)


@pytest.mark.parametrize("name", ["qmgr", "pickup"])
def test_a_process_that_a_signal_has_stopped_is_named(postfix: PrivatePostfix, name: str) -> None:
    [instance] = find_instances(postfix.etc)
    [pid] = eventually(lambda: children(postfix, name), within=20, what=f"there is a {name}")
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T", within=10, what="it is stopped")
        for who in WHO.values():
            seen = done_as(partial(postfix_up.look, instance, NOW), **who)  # type: ignore[arg-type]
            assert (seen.success, seen.values) == (False, {"up": 1, "stopped": 1, "queue_manager": 1})
            assert f"{name}[{pid}]" in str(seen.trouble)
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: postfix_up.look(instance, NOW).success, within=10, what="it is well again")


def test_a_postfix_without_a_queue_manager_is_not_well(postfix: PrivatePostfix) -> None:
    [instance] = find_instances(postfix.etc)
    master_cf = (postfix.etc / "master.cf").read_text()
    lines = [line for line in master_cf.splitlines() if not line.startswith("qmgr")]
    (postfix.etc / "master.cf").write_text("\n".join(lines) + "\n")
    run("postfix", "-c", postfix.etc, "reload")
    eventually(lambda: not postfix_up.look(instance, NOW).success, within=20, what="the queue manager is missed")
    seen = postfix_up.look(instance, NOW)
    assert seen.values == {"up": 1, "stopped": 0, "queue_manager": 0}
    assert "without a queue manager" in str(seen.trouble)


def test_where_the_lock_cannot_be_seen_the_socket_tells_or_nobody_knows(postfix: PrivatePostfix) -> None:
    [instance] = find_instances(postfix.etc)
    shut = postfix.root / "spool" / "pid"
    shut.chmod(0o700)
    look = partial(postfix_up.look, instance, NOW)
    assert (postfix_up.is_listening(instance.queue_directory / postfix_up.SOCKET)) is True
    group = os.stat(instance.queue_directory / "public").st_gid
    assert done_as(look, uid=NOBODY, groups=(group,)).values == {"up": 1}
    unknown = done_as(look, uid=NOBODY)
    assert (unknown.success, unknown.values) == (None, {})
    assert "cannot tell whether Postfix runs" in str(unknown.trouble)
    postfix.stop()
    assert done_as(look, uid=NOBODY, groups=(group,)).values == {"up": 0}
    assert done_as(look, uid=NOBODY).success is None


@pytest.fixture
def mounted() -> Iterator[Callable[[str], Path]]:
    """Makes small file systems."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="disk-"))
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        run("umount", folder)
        folder.rmdir()


def on(folder: Path, limit: int = 1_000_000, minfree: int = 0) -> Instance:
    return Instance(
        name="postfix", config_dir=None, queue_directory=folder, message_size_limit=limit, queue_minfree=minfree
    )


def test_room_is_reckoned_as_smtpd_does(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=4m,mode=755")
    seen = done_as(partial(disk.look, on(folder), NOW), uid=NOBODY)
    assert (seen.success, seen.trouble) == (True, None)
    assert (seen.values["bytes"], seen.values["needed"], seen.values["read_only"]) == (4 << 20, 1_500_000, 0)
    assert disk.look(on(folder, minfree=3_000_000), NOW).values["needed"] == 3_000_000
    assert disk.look(on(folder, limit=3_000_000), NOW).success is False
    (folder / "mail").write_bytes(bytes((4 << 20) - 1_400_000))
    full = disk.look(on(folder), NOW)
    assert full.success is False
    assert "MiB free, and smtpd takes no mail below 1.4" in str(full.trouble)
    assert full.values["bytes_free"] <= 1_400_000


def test_a_file_system_without_inodes_has_no_room(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=8m,nr_inodes=150")
    assert disk.look(on(folder), NOW).values["inodes"] == 150
    assert disk.look(on(folder), NOW).success is True
    for number in range(60):
        (folder / str(number)).touch()
    full = disk.look(on(folder), NOW)
    assert (full.success, full.values["inodes_free"]) == (False, 150 - 1 - 60)
    assert "inodes free" in str(full.trouble)


def test_a_file_system_that_became_read_only_has_no_room(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=8m")
    run("mount", "-o", "remount,ro", folder)
    seen = disk.look(on(folder), NOW)
    assert (seen.success, seen.values["read_only"]) == (False, 1)
    assert str(seen.trouble).endswith("is read-only")


def test_a_file_system_that_is_read_only_for_us_alone_has_room(mounted: Callable[[str], Path]) -> None:
    disks = mounted("size=8m")
    folder = disks / "a folder"
    folder.mkdir()
    run("mount", "--bind", folder, folder)
    try:
        run("mount", "-o", "remount,bind,ro", folder)  # as systemd does for a service with ProtectSystem=strict
        assert os.statvfs(folder).f_flag & os.ST_RDONLY
        assert disk.look(on(folder), NOW).values["read_only"] == 0
        run("umount", folder)
        run("mount", "-o", "remount,ro", disks)
        run("mount", "--bind", folder, folder)
        assert disk.look(on(folder), NOW).values["read_only"] == 1
    finally:
        run("umount", folder)


def test_a_file_system_that_the_kernel_gave_up_has_no_room(tmp_path: Path) -> None:
    with breakable_disk(tmp_path / "disk", tmp_path / "image") as broken:
        assert disk.look(on(broken.folder), NOW).values["read_only"] == 0
        broken.remount("abort")
        seen = disk.look(on(broken.folder), NOW)
        assert (seen.success, seen.values["read_only"]) == (False, 1)
        assert str(seen.trouble).endswith("is read-only")


def test_a_folder_that_cannot_be_looked_at_is_unknown() -> None:
    seen = disk.look(on(Path("/nowhere/spool")), NOW)
    assert (seen.success, seen.values) == (None, {})
    assert "No such file" in str(seen.trouble)


def sample(at: float, *, complete: bool = True, **queues: tuple[int, float | None]) -> QueueSample:
    states = {
        name: QueueState(
            messages=number, recipients=number, bytes=0, oldest_arrival=newest, newest_arrival=newest, by_cause={}
        )
        for name, (number, newest) in queues.items()
    }
    return QueueSample(
        at=at, instance="postfix", queues=states, complete=complete, how="postqueue", up=True, trouble=None
    )


BEFORE = sample(NOW - 15, deferred=(9, NOW - 9000), active=(1, NOW - 16))
MOVING: dict[str, tuple[QueueSample | None, QueueSample, float | None, bool | None, float | None]] = {
    "nothing waits": (None, sample(NOW, deferred=(0, None)), NOW - 9000, True, 0),
    "what waits is older than the log": (None, sample(NOW, deferred=(3, NOW - 5)), NOW - 4, True, 0),
    "a message came a little later": (None, sample(NOW, deferred=(3, NOW - 5)), NOW - 60, True, 55),
    "a message came, and no line": (None, sample(NOW, deferred=(3, NOW - 5)), NOW - 500, False, 495),
    "nobody took it from maildrop": (None, sample(NOW, maildrop=(3, NOW - 5)), NOW - 500, True, 0),
    "it came in the future": (None, sample(NOW, deferred=(3, NOW + 500)), NOW - 500, True, 0),
    "messages went": (BEFORE, sample(NOW, deferred=(8, NOW - 9000), active=(1, NOW - 16)), NOW - 8000, False, 7985),
    "a message went from queue to queue": (BEFORE, sample(NOW, deferred=(10, NOW - 9000), active=(0, None)), NOW - 8000, True, 0),
    "messages went, the list is half": (BEFORE, sample(NOW, complete=False, deferred=(1, NOW - 9000)), NOW - 8000, True, 0),
    "no line yet": (None, sample(NOW, deferred=(3, NOW - 5)), None, None, None),
    "no queue": (BEFORE, unread(at=NOW, instance="postfix", trouble="down"), NOW - 5, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("before", "now", "newest", "success", "silent"), MOVING.values(), ids=MOVING)
def test_the_log_moves_while_the_queue_does(
    before: QueueSample | None, now: QueueSample, newest: float | None, success: bool | None, silent: float | None
) -> None:
    seen = log_moving.look(before, now, newest, NOW)
    assert (seen.success, seen.values.get("silent")) == (success, silent)
    assert (seen.trouble is None) == (success is True)
