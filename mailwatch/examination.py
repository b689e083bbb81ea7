"""Examines a domain: all checks at once, on one resolver, by one deadline.

Promises
    Every check asked for has at least one finding. A check with a bug in it is one finding that says so, unknown, and
    takes no other check with it. What strangers publish makes no report without end: the worst findings are kept.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import contextmanager
from dataclasses import replace
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns import DNS
from mailwatch.checks.dns.alias import publishable
from mailwatch.finding import UNKNOWN, VERDICTS, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

log = logging.getLogger(__name__)
AGAIN: Final = 0.5
"""Seconds that each further check has that computes too long."""
MOST: Final = 20
"""Findings of a check that are told."""
LONGEST: Final = 1500
"""Characters of a sentence; a name alone may have a thousand, escaped."""
LONGEST_LINE: Final = 20_000
"""Characters of a line to publish: a longer one is left out, for a part of it would be published as it is."""
ROOM: Final = 24_000
"""Characters of records and lines to publish that the findings of a check may have together; the first has its own."""


async def examine(
    asks: Asks,
    facts: Facts,
    *,
    only: Collection[str] = (),
    done: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Finding]]:
    """What each check found, by its name, in the order of the registry; ``done`` hears of each check that ends."""
    names = [name for name in DNS if not only or name in only]

    async def one(name: str) -> list[Finding]:
        try:
            found = await publishable(asks, facts, bounded(await DNS[name](asks, facts)))
        except TimeoutError:  # of whoever has asked: see hurried
            found = [unmade(name, "it took too long to read what is published", "Try again, with --only for the rest.")]
        except Exception as error:  # hostile answers meet a hundred parsers here: the other checks must go on
            log.exception("a bug in the check %s", name)
            found = [buggy(name, error)]
        done(name)
        return found

    results = await asyncio.gather(*(one(name) for name in names))
    return dict(zip(names, results, strict=True))


def bounded(findings: list[Finding]) -> list[Finding]:
    """The worst findings in their order, none of them longer than a person can read."""
    worst = sorted(range(len(findings)), key=lambda at: VERDICTS.index(findings[at].verdict))[:MOST]
    room, told = ROOM, list[Finding]()
    for each in (findings[at] for at in sorted(worst)):
        publish = each.publish if each.publish is not None and len(each.publish) <= LONGEST_LINE else None
        finding = replace(
            each,
            text=cut(each.text, LONGEST),
            fix=cut(each.fix, LONGEST),
            where=cut(each.where, LONGEST // 2),
            record=None if each.record is None else cut(each.record, 2 * LONGEST),
            publish=publish,
        )
        room -= len(finding.publish or "") + len(finding.record or "")
        told.append(finding if room >= 0 or not told else replace(finding, publish=None, record=None))
    if len(findings) > MOST:
        left = f"{told[-1].text} {len(findings) - MOST} more findings of this check are not told."
        told[-1] = replace(told[-1], text=left)
    return told


def cut(text: str, longest: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= longest else f"{text[:longest]}..."


@contextmanager
def hurried(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what still computes after so many seconds, again and again until it has ended.

    A deadline of asyncio is seen by what waits alone. For the main thread; elsewhere it does nothing.
    """
    if current_thread() is not main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def buggy(name: str, error: Exception) -> Finding:
    """The finding of a check with a bug in it."""
    what = f"a bug in mailwatch ({type(error).__name__})"
    return unmade(name, what, "Please report it, with what this command prints.")


def unmade(name: str, why: str, fix: str) -> Finding:
    """The finding of a check that could not end."""
    return Finding(
        check=name,
        code=f"{name.replace('_', '-')}-not-checked",
        verdict=UNKNOWN,
        text=f"could not check: {why}",
        fix=fix,
    )
