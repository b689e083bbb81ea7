"""What is decided while nothing can be committed: nothing ends unseen, and what is owed to the state is committed soon."""

from __future__ import annotations

from mailwatch.decisions import Decisions, Remembered
from mailwatch.options import Options
from mailwatch.sample import Probe
from mailwatch.tally import Delta
from mailwatch.view import Site

NOW = 1_795_590_000.0
FULL = "the file system of /var/spool/postfix has 0.0 MiB free"


def disk(at: float, trouble: str | None) -> Probe:
    return Probe(name="disk", instance="postfix", at=at, success=trouble is None, trouble=trouble)


def told_of_a_full_disk() -> Decisions:
    """Decisions that told of it at NOW + 6, and could not commit that."""
    made = Decisions(Site(host="mx1", severities={"disk-full": "page"}), Options(), Remembered(until=NOW), NOW)
    kinds = []
    for at in (NOW, NOW + 6):
        made.take([disk(at, FULL)])
        decided = made.decide(Delta(), at, caught_up=True)
        kinds += [] if decided is None else [each.kind for each in decided.notices]
    assert kinds == ["first"]
    made.undo()
    return made


def test_nothing_ends_while_the_log_is_not_read() -> None:
    decisions = told_of_a_full_disk()
    decisions.take([disk(NOW + 7, None)])
    for at in (NOW + 7, NOW + 100, NOW + 1000):
        decided = decisions.decide(Delta(), at, caught_up=True, blind=True)
        assert decided is not None
        assert not decided.notices
    # well since the log is read again, for as long as it takes
    kinds = []
    for at in (NOW + 1010, NOW + 1200, NOW + 1320):
        decisions.take([disk(at, None)])
        decided = decisions.decide(Delta(), at, caught_up=True)
        kinds += [] if decided is None else [each.kind for each in decided.notices]
    assert kinds == ["resolved"]


def test_what_could_not_be_committed_is_committed_though_nothing_new_happens() -> None:
    decisions = told_of_a_full_disk()
    owed = decisions.decide(Delta(), NOW + 6.5, caught_up=True)
    assert owed is not None
    assert owed.pressing
    assert owed.alerts["local_fault", "disk-full", "local"].state == "firing"
    decisions.settled(NOW + 6.5)
    assert decisions.decide(Delta(), NOW + 6.9, caught_up=True) is None
