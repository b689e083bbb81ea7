"""Samples of a real Postfix's queue: what was put in is what is told, and a dead Postfix is never an empty queue."""

from __future__ import annotations

import grp
import os
import re
import resource
import shutil
import signal
import stat
import tempfile
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.commands.judging import judge_of
from mailwatch.commands.probing import cause_of_delay
from mailwatch.discovery import find_instances
from mailwatch.options import Options
from mailwatch.queue_sample import Sampler
from mailwatch.sample import DIRECTORIES, LISTED, POSTQUEUE, QUEUES, QueueSample
from tests.parts.account import NOBODY, done_as
from tests.parts.agent import RunningAgent
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailwatch.sample import Instance

BOX = 20.0
SLOWLY = {
    "queue_run_delay": "1000s",
    "minimal_backoff_time": "1000s",
    "maximal_backoff_time": "1000s",
    "notify_classes": "",
    "default_destination_recipient_limit": "50",
}


@pytest.fixture(scope="module")
def place() -> Iterator[Callable[..., PrivatePostfix]]:
    """Makes and starts a Postfix whose relay is dead, and ends it."""
    with ExitStack() as stack:

        def make(root: Path | None = None, *, start: bool = True, **settings: str) -> PrivatePostfix:
            folder = root or Path(tempfile.mkdtemp(prefix="postfix-"))
            made = PrivatePostfix(folder, free_port(), settings=SLOWLY | settings)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.callback(made.stop)
            if start:
                made.start()
            return made

        yield make


@pytest.fixture(scope="module")
def postfix(place: Callable[..., PrivatePostfix]) -> PrivatePostfix:
    """One with three messages that wait for a dead relay, seven recipients, and one on hold."""
    made = place()
    made.send(3, each=2)
    made.send(1)
    waits(made, deferred=4)
    made.postsuper("-h", str(made.queue()[0]["queue_id"]))
    return made


def waits(postfix: PrivatePostfix, **numbers: int) -> None:
    def found() -> dict[str, int]:
        names = [str(message["queue_name"]) for message in postfix.queue()]
        return {name: names.count(name) for name in set(names)}

    eventually(lambda: found() == numbers, within=60, what=f"the queue holds {numbers}")


def instance(postfix: PrivatePostfix) -> Instance:
    return find_instances(postfix.etc)[0]


def sampler(postfix: PrivatePostfix, box: float = BOX, **more: object) -> Sampler:
    return Sampler(instance(postfix), str.upper, box=box, **more)  # type: ignore[arg-type]


def messages(sample: QueueSample) -> dict[str, int]:
    return {name: state.messages for name, state in sample.queues.items() if state.messages}


def test_what_was_put_in_is_what_is_told(postfix: PrivatePostfix) -> None:
    before = time.time()
    judge = cause_of_delay(judge_of(Options(), None)[0])
    sample = Sampler(instance(postfix), judge, box=BOX).sample()
    assert (sample.complete, sample.how, sample.up, sample.trouble) == (True, POSTQUEUE, True, None)
    assert set(sample.queues) == set(LISTED)
    assert messages(sample) == {"deferred": 3, "hold": 1}
    listed = postfix.queue()
    for name in ("deferred", "hold"):
        mine = [message for message in listed if message["queue_name"] == name]
        state = sample.queues[name]
        recipients = [each for message in mine for each in message["recipients"]]  # type: ignore[attr-defined]
        assert state.recipients == len(recipients)
        assert state.bytes == sum(int(str(message["message_size"])) for message in mine)
        assert state.oldest_arrival == min(float(str(message["arrival_time"])) for message in mine)
        assert state.newest_arrival is not None
        assert state.oldest_arrival <= state.newest_arrival <= before
        # every recipient was tried once, and for the same reason
        assert state.by_cause == {judge(recipients[0]["delay_reason"]): len(recipients)}
    assert sum(state.recipients or 0 for state in sample.queues.values()) == 7


POSTDROP = (grp.getgrnam("postdrop").gr_gid,)
ACCOUNTS = {
    "as root": {},
    "as root without new privileges": {"no_new_privileges": True},
    "as another user": {"uid": NOBODY},
    "as another user, in a service that systemd has hardened": {"uid": NOBODY, "no_new_privileges": True},
    "the same in the group postdrop": {"uid": NOBODY, "no_new_privileges": True, "groups": POSTDROP},
}
HARDENED = "as another user, in a service that systemd has hardened"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_living_queue_is_read_by_everybody_who_may(postfix: PrivatePostfix, account: str) -> None:
    sample = done_as(sampler(postfix).sample, **ACCOUNTS[account])  # type: ignore[arg-type]
    if account == HARDENED:
        assert (sample.complete, sample.up, sample.queues) == (False, None, {})
        assert "group postdrop" in str(sample.trouble)
    else:
        assert (sample.complete, sample.up, sample.trouble) == (True, True, None)
        assert messages(sample) == {"deferred": 3, "hold": 1}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_dead_postfix_is_never_an_empty_queue(place: Callable[..., PrivatePostfix], account: str) -> None:
    postfix = dead(place)
    sample = done_as(sampler(postfix).sample, **ACCOUNTS[account])  # type: ignore[arg-type]
    if account.startswith("as root"):
        # postqueue reads the directories by itself then, and ends with 0
        assert (sample.complete, sample.up, messages(sample)) == (True, False, {"deferred": 2})
    else:
        assert (sample.complete, sample.queues) == (False, {})
        assert sample.up is (None if account == HARDENED else False)
    assert sample.trouble


DEAD: list[PrivatePostfix] = []


def dead(place: Callable[..., PrivatePostfix]) -> PrivatePostfix:
    """One that was stopped while mail waited; the same for all."""
    if not DEAD:
        made = place()
        made.send(2)
        waits(made, deferred=2)
        made.stop()
        DEAD.append(made)
    return DEAD[0]


def test_mail_that_nobody_takes_on_grows_in_maildrop_and_incoming(place: Callable[..., PrivatePostfix]) -> None:
    postfix = place()
    master = int((postfix.root / "spool/pid/master.pid").read_text())

    def found() -> list[int]:
        return [
            int(pid)
            for name in ("pickup", "qmgr")
            for pid in run("pgrep", "-P", str(master), "-x", name, check=False).split()
        ]

    halted = eventually(lambda: pids if len(pids := found()) == 2 else [], within=20, what="both have been started")
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    try:
        postfix.sendmail()
        postfix.send(3)
        sample = done_as(sampler(postfix).sample, uid=NOBODY)
        assert messages(sample) == {"maildrop": 1, "incoming": 3}
        assert sample.queues["maildrop"].oldest_arrival is not None
    finally:
        for pid in halted:
            os.kill(pid, signal.SIGCONT)


def test_a_list_that_hangs_is_killed_in_its_time_box(place: Callable[..., PrivatePostfix]) -> None:
    postfix = place()
    postfix.send(2)
    waits(postfix, deferred=2)
    master = (postfix.root / "spool/pid/master.pid").read_text().strip()
    [showq] = run("pgrep", "-P", master, "-x", "showq").split()
    os.kill(int(showq), signal.SIGSTOP)
    try:
        begun = time.monotonic()
        nobodys = done_as(sampler(postfix, 1.0).sample, uid=NOBODY)
        ours = sampler(postfix, 1.0).sample()
        assert time.monotonic() - begun < 15
        assert (nobodys.complete, nobodys.up, nobodys.queues) == (False, None, {})
        assert "had not ended" in str(nobodys.trouble)
        # root can count the files
        assert (ours.complete, ours.how, messages(ours)) == (True, DIRECTORIES, {"deferred": 2})
        assert (ours.queues["deferred"].recipients, ours.queues["deferred"].oldest_arrival) == (None, None)
        assert set(ours.queues) == set(QUEUES)
        assert "had not ended" in str(ours.trouble)
        listed = run("pgrep", "-fx", f".*postqueue -c {postfix.etc} -j", check=False)
        assert listed == ""
    finally:
        os.kill(int(showq), signal.SIGCONT)


ENDLESS = """#!/bin/sh
n=0
while :; do
    n=$((n + 1))
    echo '{"queue_name": "deferred", "queue_id": "'$n'", "arrival_time": 1, "message_size": 1, "recipients": [{"address": "a"}]}'
done
"""


def test_a_list_without_an_end_is_a_lower_bound_or_counted(postfix: PrivatePostfix) -> None:
    program = Path(tempfile.mkdtemp(prefix="program-")) / "postqueue"
    program.write_text(ENDLESS)
    program.chmod(0o755)
    program.parent.chmod(0o755)
    try:
        sample = done_as(sampler(postfix, 1.0, program=str(program)).sample, uid=NOBODY)
        assert not sample.complete
        assert set(sample.queues) == {"deferred"}
        assert sample.queues["deferred"].messages > 100
        assert re.search(r"the list is too long: \d+ messages in 1 s", str(sample.trouble))
        ours = sampler(postfix, 1.0, program=str(program)).sample()
        assert (ours.complete, ours.how, messages(ours)) == (True, DIRECTORIES, {"deferred": 3, "hold": 1})
    finally:
        shutil.rmtree(program.parent)


def test_what_is_too_long_to_list_is_counted_until_it_is_shorter(postfix: PrivatePostfix) -> None:
    made = sampler(postfix)
    made._too_long = 4
    assert made.sample().how == DIRECTORIES
    made._too_long = 5
    assert made.sample().how == POSTQUEUE
    assert made.sample().how == POSTQUEUE


def test_a_sample_that_is_told_to_stop_ends(postfix: PrivatePostfix, tmp_path: Path) -> None:
    program, stopping = tmp_path / "postqueue", threading.Event()
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    made = sampler(postfix, 60, program=str(program), stopped=stopping.is_set)
    found: list[QueueSample] = []
    thread = threading.Thread(target=lambda: found.append(made.sample()))
    thread.start()
    stopping.set()
    thread.join(20)
    assert [(sample.complete, sample.trouble) for sample in found] == [(False, "postqueue was stopped")]


def test_never_two_samples_at_once(postfix: PrivatePostfix, tmp_path: Path) -> None:
    """Each run of postqueue leaves a file while it runs; a second one at that time leaves word of it."""
    program = tmp_path / "postqueue"
    program.write_text(
        f"#!/bin/sh\nmkdir {tmp_path}/running || touch {tmp_path}/two\nsleep 0.2\nrmdir {tmp_path}/running\n"
    )
    program.chmod(0o755)
    threads = [threading.Thread(target=sampler(postfix, program=str(program)).sample) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not (tmp_path / "two").exists()


def test_a_postqueue_that_fails_is_asked_ever_more_seldom(
    postfix: PrivatePostfix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwatch.queue_sample.sampler.AGAIN", (0.0, 3600.0))
    program, runs = tmp_path / "postqueue", tmp_path / "runs"
    program.write_text(f"#!/bin/sh\necho run >> {runs}\necho postqueue: fatal: no >&2\nexit 69\n")
    program.chmod(0o755)
    made = sampler(postfix, program=str(program))
    samples = [made.sample() for _ in range(5)]
    assert runs.read_text().count("run") == 2
    assert {(sample.how, sample.trouble) for sample in samples} == {(DIRECTORIES, "postqueue ended with 69: fatal: no")}


def test_a_postfix_that_is_known_to_be_down_is_not_asked(postfix: PrivatePostfix) -> None:
    made = sampler(postfix, program="/nowhere", is_up=lambda: False)
    ours, nobodys = made.sample(), done_as(made.sample, uid=NOBODY)
    assert (ours.up, ours.how, messages(ours), ours.trouble) == (
        False, DIRECTORIES, {"deferred": 3, "hold": 1}, "Postfix is down",
    )  # fmt: skip
    assert (nobodys.up, nobodys.complete, nobodys.queues, nobodys.trouble) == (False, False, {}, "Postfix is down")


MISSING = {"no such program": "/nowhere/postqueue", "no program": "/etc/passwd"}


@pytest.mark.parametrize("program", MISSING.values(), ids=MISSING)
def test_a_postqueue_that_cannot_be_run_is_told(postfix: PrivatePostfix, program: str) -> None:
    sample = done_as(sampler(postfix, program=program).sample, uid=NOBODY)
    assert (sample.complete, sample.up, sample.queues) == (False, None, {})
    assert "cannot run" in str(sample.trouble)
    assert messages(sampler(postfix, program=program).sample()) == {"deferred": 3, "hold": 1}


def test_every_enabled_instance_is_found(place: Callable[..., PrivatePostfix]) -> None:
    out = place(multi_instance_enable="yes", multi_instance_name="postfix-out", message_size_limit="2000000")
    off = place(start=False)
    off.etc.mkdir()
    (off.etc / "main.cf").write_text(f"queue_directory = {off.root}\nmulti_instance_name = postfix-off\n")
    (off.etc / "master.cf").touch()
    lost = "/nowhere/etc"
    first = place(
        multi_instance_enable="yes",
        multi_instance_directories=f"{out.etc}, {off.etc} {lost}",
        queue_minfree="5000000",
    )
    out.send(2)
    waits(out, deferred=2)
    found = find_instances(first.etc)
    assert [(each.name, each.config_dir, each.queue_directory) for each in found] == [
        ("postfix", first.etc, first.root / "spool"),
        ("postfix-out", out.etc, out.root / "spool"),
    ]
    assert [(each.message_size_limit, each.queue_minfree) for each in found] == [(10240000, 5000000), (2000000, 0)]
    samples = [done_as(Sampler(each, str, box=BOX).sample, uid=NOBODY) for each in found]
    assert [(sample.instance, messages(sample)) for sample in samples] == [
        ("postfix", {}),
        ("postfix-out", {"deferred": 2}),
    ]


def clone(postfix: PrivatePostfix, number: int) -> None:
    """Have ``number`` messages in deferred: copies of the one that is there, as good as those that Postfix made."""
    spool = postfix.root / "spool"
    [message] = [path for path in (spool / "deferred").rglob("*") if path.is_file()]
    [reason] = [path for path in (spool / "defer").rglob("*") if path.is_file()]
    content, mode, owner = message.read_bytes(), stat.S_IMODE(message.stat().st_mode), message.stat()
    later = time.time() + 100_000  # so that the queue manager lets them lie
    for count in range(number - 1):
        name = f"{count:05X}{0x10000000:X}"
        for queue, source in (("deferred", message), ("defer", reason)):
            folder = spool / queue / name[0]
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                os.chown(folder, owner.st_uid, owner.st_gid)
            if source is reason:
                os.link(reason, folder / name)
                continue
            (folder / name).write_bytes(content)
            os.chown(folder / name, owner.st_uid, owner.st_gid)
            (folder / name).chmod(mode)
            os.utime(folder / name, (later, later))


def growth_of(take: Callable[[], QueueSample]) -> tuple[QueueSample, int]:
    """The sample, and by how many KiB the memory of this process was larger at most. In a process of its own only."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sample = take()
    return sample, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@pytest.fixture(scope="module")
def long_queue(place: Callable[..., PrivatePostfix], pytestconfig: pytest.Config) -> tuple[PrivatePostfix, int]:
    """A Postfix with many messages, and how many."""
    number = 100_000 if pytestconfig.getoption("--long") else 2000
    postfix = place(Path(tempfile.mkdtemp(prefix="postfix-", dir="/dev/shm")))
    postfix.send(1)
    waits(postfix, deferred=1)
    clone(postfix, number)
    return postfix, number


def test_a_long_queue_is_sampled_in_its_box_and_in_little_memory(long_queue: tuple[PrivatePostfix, int]) -> None:
    postfix, number = long_queue
    sample, growth = done_as(partial(growth_of, sampler(postfix, Options().queue.time_box).sample), uid=NOBODY)
    assert (sample.complete, sample.how, sample.trouble) == (True, POSTQUEUE, None)
    assert messages(sample) == {"deferred": number}
    state = sample.queues["deferred"]
    assert (state.recipients, sum(state.by_cause.values())) == (number, number)
    assert growth <= 100 << 10
    print(f"{number} messages: {sample.seconds:.1f} s, {growth / 1024:.1f} MiB")
    counted = Sampler(instance(postfix), str, box=BOX, program="/nowhere").sample()
    assert (counted.how, messages(counted)) == (DIRECTORIES, {"deferred": number})
    print(f"counted in {counted.seconds:.2f} s")


LINE = (
    "2026-11-25T17:40:43.{0:06d}+00:00 mx postfix/smtp[99]: {0:09X}: to=<user@remote.example>, relay=mx.remote.example"
    "[192.0.2.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
)


def test_a_long_queue_keeps_no_line_of_the_log_waiting(long_queue: tuple[PrivatePostfix, int], tmp_path: Path) -> None:
    postfix, number = long_queue
    log = tmp_path / "mail.log"
    log.touch()
    config = f'[queue]\ninterval = 1\n[postfix]\nconfig_dir = "{postfix.etc}"'
    agent = RunningAgent(tmp_path / "agent", log, extra=config).start()
    counted = partial(agent.value, "mailwatch_delivery_attempts_total", status="sent")
    lines, slowest = 0, 0.0
    try:
        while not lines or agent.value("mailwatch_queue_messages", queue="deferred") is None:
            with log.open("a") as file:
                file.write(LINE.format(lines))
            lines, begun = lines + 1, time.monotonic()
            # the sample is being taken meanwhile; a line takes a quarter of a second without one
            eventually(lambda: counted() == lines, within=3, what=f"line {lines} is counted")  # noqa: B023
            slowest = max(slowest, time.monotonic() - begun)
        assert agent.value("mailwatch_queue_messages", queue="deferred") == number
        assert agent.value("mailwatch_queue_delayed_recipients") == number
        seconds = agent.value("mailwatch_queue_sample_duration_seconds")
        print(f"{lines} lines during a sample of {seconds:.1f} s, the slowest counted in {slowest:.2f} s")
        memory = resident(agent) / (1 << 20)
        assert memory <= 60 + 100
        print(f"{memory:.1f} MiB")
    finally:
        agent.stop()


def resident(agent: RunningAgent) -> int:
    """The most memory that the agent has had, in bytes."""
    assert agent.process is not None
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10
