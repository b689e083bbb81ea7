"""Probes run beside the work loop: on time, never two of a kind, and one that hangs keeps nobody waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from mailwatch.probed import families, sights
from mailwatch.probes import Job, Probes, Unready
from mailwatch.probes.timetable import Clocks, have_diverged
from mailwatch.sample import Latest, Probe, QueueSample, QueueState, unread
from tests.parts.agent import parsed
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def job(name: str, look: Callable[[], Iterator[Probe]], every: int = 1, deadline: float = 30.0) -> Job:
    return Job(
        name, every, deadline, look, lambda at, trouble: [Probe(name=name, at=at, success=None, trouble=trouble)]
    )


def well(name: str) -> Callable[[], Iterator[Probe]]:
    return lambda: iter([Probe(name=name, at=time.time(), success=True, trouble=None)])


@pytest.fixture
def running() -> Iterator[Callable[..., Probes]]:
    """Starts probes, and stops them."""
    made: list[Probes] = []

    def start(*jobs: Job) -> Probes:
        made.append(Probes(lambda _stopped: jobs))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def gathered(probes: Probes, number: int, name: str) -> list[Probe]:
    found: list[Probe] = []

    def enough() -> bool:
        found.extend(each for each in probes.taken() if isinstance(each, Probe) and each.name == name)
        return len(found) >= number

    eventually(enough, within=30, what=f"{number} results of {name}")
    return found


def test_each_is_run_again_and_again_and_what_was_taken_is_gone(running: Callable[..., Probes]) -> None:
    probes = running(job("disk", well("disk")))
    found = gathered(probes, 3, "disk")
    assert all(each.success for each in found)
    times = [each.at for each in found]
    assert times == sorted(set(times))
    [latest] = probes.latest()
    assert latest.known_at == latest.result.at >= times[-1]


def test_one_that_hangs_is_told_again_and_again_and_the_others_go_on(running: Callable[..., Probes]) -> None:
    let_go, threads = threading.Event(), []

    def hang() -> Iterator[Probe]:
        threads.append(threading.get_ident())
        let_go.wait(60)
        yield Probe(name="disk", at=time.time(), success=True, trouble=None)

    probes = running(job("disk", hang, deadline=1.5), job("postfix", well("postfix")))
    try:
        unanswered = gathered(probes, 2, "disk")
        assert [(each.success, each.trouble) for each in unanswered] == [(None, "no answer within 2 s")] * len(
            unanswered
        )
        assert all(each.success for each in gathered(probes, 2, "postfix"))
        # never two at once, however often it was due
        assert len(threads) == 1
        assert {latest.result.name: latest.known_at for latest in probes.latest() if isinstance(latest.result, Probe)}[
            "disk"
        ] is None
    finally:
        let_go.set()
    eventually(lambda: any(each.success for each in gathered(probes, 1, "disk")), within=30, what="it looks again")
    assert len(set(threads)) == 1


def test_a_bug_in_one_is_its_result_and_it_is_run_again(
    running: Callable[..., Probes], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Iterator[Probe]:
        yield Probe(name="disk", at=time.time(), success=True, trouble=None)
        raise KeyError("x")

    probes = running(job("disk", broken))
    found = gathered(probes, 4, "disk")
    assert [(each.success, each.trouble) for each in found[:2]] == [
        (True, None),
        (None, "a bug in mailwatch: KeyError"),
    ]
    assert "a bug in the probe disk" in caplog.text


def test_stopping_waits_for_nobody() -> None:
    let_go = threading.Event()

    def hang() -> Iterator[Probe]:
        let_go.wait(60)
        yield from ()

    probes = Probes(lambda _stopped: [job("disk", hang), job("postfix", well("postfix"))])
    probes.start()
    gathered(probes, 1, "postfix")
    begun = time.monotonic()
    probes.stop()
    assert time.monotonic() - begun < 10
    let_go.set()


def test_what_was_not_taken_is_bounded_and_the_newest_are_kept() -> None:
    probes = Probes(lambda _stopped: [])
    for number in range(5000):
        probes.hand_over(Probe(name="disk", at=float(number), success=True, trouble=None))
    found = probes.taken()
    assert 100 <= len(found) < 5000
    assert found[-1].at == 4999
    assert probes.taken() == []


def test_what_to_look_at_is_asked_again_until_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.probes.probes.READY_AGAIN", 0.05)
    asked: list[float] = []

    def make(_stopped: Callable[[], bool]) -> Sequence[Job]:
        asked.append(time.monotonic())
        if len(asked) < 3:
            raise (Unready if len(asked) == 1 else KeyError)("postconf did not answer")
        return [job("disk", well("disk"))]

    probes = Probes(make)
    probes.start()
    try:
        eventually(lambda: len(asked) == 3, within=20, what="it is asked again")
        eventually(lambda: [each.result.instance for each in probes.latest()] == [""], within=20, what="it looks")
        eventually(
            lambda: {str(getattr(each.result, "name", "")) for each in probes.latest()} == {"disk"},
            within=20,
            what="it looks",
        )
        first, second, *_ = (each for each in probes.taken() if isinstance(each, Probe))
        assert (first.name, first.success, first.trouble) == ("postfix", None, "postconf did not answer")
        assert (second.name, second.success, second.trouble) == ("postfix", None, "a bug in mailwatch: KeyError")
    finally:
        probes.stop()


def unready(_stopped: Callable[[], bool]) -> Sequence[Job]:
    raise Unready("postconf did not answer")


def test_what_needs_no_telling_is_looked_at_though_the_rest_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.probes.probes.READY_AGAIN", 0.05)
    probes = Probes(unready, lambda _stopped: [job("dns", well("dns"))])
    probes.start()
    try:
        found: list[QueueSample | Probe] = []

        def enough() -> bool:
            found.extend(probes.taken())
            names = [each.name for each in found if isinstance(each, Probe)]
            return names.count("dns") >= 2 and names.count("postfix") >= 3

        eventually(enough, within=30, what="both are told of")
        assert {str(getattr(each.result, "name", "")) for each in probes.latest()} >= {"dns"}
    finally:
        probes.stop()


def test_so_does_a_run_that_looks_once() -> None:
    probes = Probes(unready, lambda _stopped: [job("dns", well("dns"))])
    probes.look_once()
    probes.stop()
    assert [each.name for each in probes.taken() if isinstance(each, Probe)] == ["dns", "postfix"]


def test_clocks_that_go_alike_have_not_diverged() -> None:
    wall = datetime(2026, 10, 25, 2, 59)
    begun = Clocks(wall, 1000.0)
    assert not have_diverged(begun, Clocks(wall + timedelta(seconds=86404), 1000.0 + 86400))
    assert have_diverged(begun, Clocks(wall - timedelta(hours=1), 1001.0))
    assert have_diverged(begun, Clocks(wall + timedelta(seconds=10), 1001.0))


SUMMER_ENDS = """
import os, time
os.environ["TZ"] = "UTC-2"
time.tzset()
from mailwatch.probes.timetable import Timetable
calls = []
timetable = Timetable([(1, lambda: calls.append(time.monotonic()))])
def until(number):
    end = time.monotonic() + 20
    while len(calls) < number and time.monotonic() < end:
        timetable.call_due()
        time.sleep(min(0.05, timetable.seconds_to_next()))
    assert len(calls) >= number, calls
until(2)
os.environ["TZ"] = "UTC-1"
time.tzset()
until(5)
"""


def test_an_hour_that_comes_twice_stops_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUMMER_ENDS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_at_most_five_seconds_are_slept_at_once() -> None:
    from mailwatch.probes.timetable import LONGEST_WAIT, Timetable  # noqa: PLC0415

    timetable = Timetable([(3600, lambda: None)])
    timetable.call_due()
    assert timetable.seconds_to_next() == LONGEST_WAIT == 5


def page(*latest: Latest) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """The gauges of these results, by name and labels."""

    class Collector:
        def collect(self) -> Iterator[object]:
            return iter(families(latest))

    registry = CollectorRegistry()
    registry.register(Collector())  # type: ignore[arg-type]
    shown: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for (name, labels), value in parsed(generate_latest(registry).decode()).items():
        shown.setdefault(name, {})[labels] = value
    return shown


def labels(**more: str) -> frozenset[tuple[str, str]]:
    return frozenset({"postfix_instance": "postfix", **more}.items())


EMPTY = QueueState(messages=0, recipients=0, bytes=0, oldest_arrival=None, newest_arrival=None, by_cause={})
WAITS = QueueState(
    messages=2, recipients=3, bytes=900, oldest_arrival=50.0, newest_arrival=60.0, by_cause={"greylisted": 3}
)
SAMPLE = QueueSample(
    at=100.0, instance="postfix", queues={"active": EMPTY, "deferred": WAITS}, complete=True, how="postqueue", up=True,
    trouble=None, seconds=0.5,
)  # fmt: skip


def test_a_sample_becomes_gauges_and_an_empty_queue_has_no_oldest_message() -> None:
    shown = page(Latest(SAMPLE, 100.0))
    assert shown["mailwatch_queue_messages"] == {labels(queue="active"): 0, labels(queue="deferred"): 2}
    assert shown["mailwatch_queue_recipients"][labels(queue="deferred")] == 3
    assert shown["mailwatch_queue_bytes"][labels(queue="deferred")] == 900
    assert shown["mailwatch_queue_oldest_message_timestamp_seconds"] == {labels(queue="deferred"): 50}
    delayed = shown["mailwatch_queue_delayed_recipients"]
    assert (delayed[labels(cause="greylisted")], delayed[labels(cause="relay-unreachable")]) == (3, 0)
    assert shown["mailwatch_queue_sample_duration_seconds"] == {labels(): 0.5}


def test_a_queue_that_could_not_be_read_has_no_gauges() -> None:
    assert page(Latest(unread(at=100.0, instance="postfix", trouble="down", up=False), 50.0)) == {}


def test_a_lower_bound_is_no_number_of_messages() -> None:
    partial = QueueSample(
        at=100.0,
        instance="postfix",
        queues={"deferred": WAITS},
        complete=False,
        how="postqueue",
        up=None,
        trouble="long",
    )
    assert page(Latest(partial, None)) == {}


def test_files_that_were_counted_tell_no_cause() -> None:
    counted = QueueState(messages=7, recipients=None, bytes=None, oldest_arrival=None, newest_arrival=None, by_cause={})
    sample = QueueSample(
        at=100.0,
        instance="postfix",
        queues={"deferred": counted},
        complete=True,
        how="directories",
        up=None,
        trouble=None,
    )
    shown = page(Latest(sample, 100.0))
    assert set(shown) == {"mailwatch_queue_messages", "mailwatch_queue_sample_duration_seconds"}


def test_a_probe_that_nobody_could_answer_has_no_gauges() -> None:
    assert page(Latest(Probe(name="disk", at=1.0, success=None, trouble="hangs", instance="postfix"), None)) == {}
    down = Probe(name="postfix", at=1.0, success=False, trouble="down", values={"up": 0.0}, instance="postfix")
    assert page(Latest(down, 1.0)) == {"mailwatch_postfix_up": {labels(): 0}}


def test_of_several_instances_all_must_be_seen() -> None:
    down = Probe(name="postfix", at=9.0, success=False, trouble="down", values={"up": 0.0}, instance="a")
    unknown = Probe(name="postfix", at=9.0, success=None, trouble="hangs", instance="b")
    assert sights([Latest(down, 9.0)])["postfix"] == (True, 9.0)
    assert sights([Latest(down, 9.0), Latest(unknown, 5.0)])["postfix"] == (False, 5.0)
    assert sights([Latest(unknown, None), Latest(down, 9.0)])["postfix"] == (False, None)
    assert sights([Latest(SAMPLE, 100.0)]) == {"queue": (True, 100.0)}
