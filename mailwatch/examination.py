"""Examines a domain: all checks at once, on one resolver, by one deadline.

Promises
    Every check asked for has at least one finding. A check with a bug in it is one finding that says so, unknown, and
    takes no other check with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mailwatch.checks.dns import DNS
from mailwatch.checks.dns.alias import publishable
from mailwatch.finding import UNKNOWN, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Asks

log = logging.getLogger(__name__)


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
            found = await publishable(asks, facts, await DNS[name](asks, facts))
        except Exception as error:  # hostile answers meet a hundred parsers here: the other checks must go on
            log.exception("a bug in the check %s", name)
            found = [buggy(name, error)]
        done(name)
        return found

    results = await asyncio.gather(*(one(name) for name in names))
    return dict(zip(names, results, strict=True))


def buggy(name: str, error: Exception) -> Finding:
    """The finding of a check that could not end."""
    return Finding(
        check=name,
        code=f"{name.replace('_', '-')}-not-checked",
        verdict=UNKNOWN,
        text=f"could not check: a bug in mailwatch ({type(error).__name__})",
        fix="Please report it, with what this command prints.",
    )
