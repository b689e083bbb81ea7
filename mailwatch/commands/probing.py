"""The probes of this machine: which Postfix there are, and by what the causes in their queues are told."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from mailwatch.cause import LOCAL, UNKNOWN, unwrapped
from mailwatch.commands.judging import judge_of
from mailwatch.discovery import PostconfFails, ask_postconf, find_instances
from mailwatch.ledger import known_domains
from mailwatch.probes import PROGRAM, Probes, Unready, domain_jobs, examined, host_jobs
from mailwatch.store import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mailwatch.causes import Judge
    from mailwatch.options import Options
    from mailwatch.probes import Job


def probes_of(
    options: Options,
    judge: Judge | None = None,
    begun: float | None = None,
    *,
    at_once: bool = False,
    config: Path | None = None,
) -> Probes:
    """What is to be looked at with these options; Postfix is asked when they are started, not before.

    A ``judge`` that there is already saves the memory of another one. ``begun``: since when the log is read, now by
    default. ``at_once``: a run that looks one time. ``config``: the file that the
    options are from.
    """
    since = time.time() if begun is None else begun

    def make(stopped: Callable[[], bool]) -> Sequence[Job]:
        if not options.queue.interval:
            return []
        try:
            instances = find_instances(options.postfix.config_dir)
            chosen = judge or judge_of(options, ask_postconf(options.postfix.config_dir) if instances else None)[0]
        except PostconfFails as error:
            raise Unready(f"cannot tell where Postfix is: {error}") from error
        return host_jobs(
            instances,
            interval=options.queue.interval,
            box=options.queue.time_box,
            judge=cause_of_delay(chosen),
            newest_line=lambda: newest_line(options.state_dir, since),
            stopped=stopped,
        )

    return Probes(make, lambda stopped: jobs_of_domains(options, stopped, at_once=at_once, config=config))


def jobs_of_domains(options: Options, stopped: Callable[[], bool], *, at_once: bool, config: Path | None) -> list[Job]:
    """What is looked at in DNS, from what the state knows of it."""
    ours = [] if config is None else [f"--config={config.absolute()}"]
    return domain_jobs(
        options.dns,
        options.rules.dns_changed.min_count,
        lambda: known_domains(options.state_dir),
        stopped=stopped,
        at_once=at_once,
        examine=partial(examined, program=(*PROGRAM, *ours)),
    )


def cause_of_delay(judge: Judge) -> Callable[[str], str]:
    """Tells the cause of a delay_reason in the queue: the text of the last attempt, without its relay."""

    def cause(reason: str) -> str:
        said = unwrapped(reason)
        told = judge.rules.tell(said, judge.relays.side(said.host, said.address))
        if told.name == UNKNOWN and said.host is None:
            told = judge.rules.tell(said, LOCAL)  # no host was talked to: it may have been this one
        return told.name

    return cause


def newest_line(state_dir: Path, begun: float) -> float | None:
    """When the newest line was written that is counted; before we began nothing is known of the log."""
    snapshot = read_snapshot(state_dir)
    return None if snapshot is None else max(begun, snapshot.last_event_at or 0.0)
