"""Answers questions about names: each is asked once, aliases are followed to their end, and nothing raises.

Promises
    A question under way is not asked again; whoever waits for it may be cancelled without ending it for others.
    By the end of the run every question has an answer: UNKNOWN, where there was no time.
    ``authentic`` is True where the resolver says that it has checked (AD). Where it does not say so of a name, but does
    of the root zone, which is signed, it is False: it checks, and this name is not signed. Otherwise it is None.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import dns.rdatatype

from mailwatch.question import UNKNOWN, Answer
from mailwatch.resolver.message import said
from mailwatch.resolver.reading import MOST_ALIASES, Step, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dns.name import Name

    from mailwatch.resolver.conversation import Servers
    from mailwatch.resolver.run import Run

    Finds = Callable[[Name, str], Awaitable[Servers | str]]

NO_TIME: Final = "no time was left"
GRACE: Final = 0.1
"""Seconds before the end of the run from which on nobody waits for whether a resolver checks DNSSEC."""
log = logging.getLogger(__name__)


class Asking:
    """Asks whom ``find`` gives for a name and type, or says why there is nobody."""

    def __init__(self, run: Run, find: Finds) -> None:
        self._run, self._find = run, find
        self._answers: dict[tuple[Name, str], asyncio.Task[Answer]] = {}
        self._steps: dict[tuple[Name, str], asyncio.Task[Step]] = {}

    async def ask(self, name: Name, kind: str) -> Answer:
        """See Asks."""
        task = self._task(name, kind)
        if not task.done():
            await asyncio.wait([task])  # unlike awaiting it, this does not end it when we are cancelled
        return none(name, kind.upper(), NO_TIME) if task.cancelled() else task.result()

    def soon(self, name: Name, kind: str) -> None:
        """See Asks."""
        self._task(name, kind)

    async def step(self, name: Name, kind: str) -> Step:
        """What is answered to one question, its aliases not followed any further."""
        if (name, kind) not in self._steps:
            self._steps[name, kind] = self._run.start(self._heard(name, kind))
        task = self._steps[name, kind]
        if not task.done():
            await asyncio.wait([task])
        return task.result()

    def _task(self, name: Name, kind: str) -> asyncio.Task[Answer]:
        kind = kind.upper()
        if (name, kind) not in self._answers:
            self._answers[name, kind] = self._run.start(self._answered(name, kind))
        return self._answers[name, kind]

    async def _answered(self, name: Name, kind: str) -> Answer:
        steps: list[Step] = []
        seen, at = [name], name
        while True:
            step = await self.step(at, kind)
            steps.append(step)
            for alias in step.aliases:
                if alias in seen:
                    return none(name, kind, f"an alias leads back to {said(alias)}", steps)
                seen.append(alias)
            if len(seen) > MOST_ALIASES + 1:
                return none(name, kind, f"more than {MOST_ALIASES} aliases follow one another", steps)
            if not step.goes_on:
                break
            at = step.canonical
        if step.outcome == UNKNOWN:
            return none(name, kind, step.trouble, steps)
        return combined(name, kind, steps)

    async def _heard(self, name: Name, kind: str) -> Step:
        """What one question brings, by the end of the run."""
        troubles: dict[str, None] = {}
        if self._run.left() <= 0:
            return unknown(name, NO_TIME)
        try:
            async with asyncio.timeout_at(self._run.ends):
                return await self._asked(name, kind, troubles)
        except TimeoutError:  # of the run, here or below
            return unknown(name, "; ".join([*troubles, NO_TIME]))
        except Exception as error:  # a bug, or bytes that nobody has thought of: all other questions must go on
            log.exception("a bug in asking for %s of %s", kind, said(name))
            return unknown(name, f"a bug in mailwatch ({type(error).__name__})")

    async def _asked(self, name: Name, kind: str, troubles: dict[str, None]) -> Step:
        rdtype = dns.rdatatype.from_text(kind)
        servers = await self._find(name, kind)
        if isinstance(servers, str):
            return unknown(name, servers)
        validates = servers.validates()
        heard = await servers.hear(name, rdtype, troubles)
        if heard.message is None:
            return replace(unknown(name, heard.trouble), bogus=heard.bogus, server=heard.server)
        step = replace(read(heard.message, name, rdtype, servers.zone), server=heard.server)
        if step.outcome == UNKNOWN:
            return replace(step, trouble=f"{heard.server} {step.trouble}")
        if validates is None:
            return replace(step, authentic=None)  # not for such a server to say
        if step.authentic is not None:
            return step
        # an answer that is there is not lost to this; waited for so, it goes on when this question is ended
        await asyncio.wait([validates], timeout=max(self._run.left() - GRACE, 0))
        known = validates.done() and not validates.cancelled()
        return replace(step, authentic=False) if known and validates.result() else step


def combined(name: Name, kind: str, steps: Sequence[Step]) -> Answer:
    """The answer at the end of a chain of steps."""
    last = steps[-1]
    checked = {step.authentic for step in steps}
    ends = [step.signed_until for step in steps if step.signed_until is not None]
    return Answer(
        name=name,
        kind=kind,
        outcome=last.outcome,
        records=last.records,
        canonical=last.canonical,
        aliases=tuple(alias for step in steps for alias in step.aliases),
        ttl=min((step.ttl for step in steps if step.ttl is not None), default=None),
        authentic=False if False in checked else None if None in checked else True,
        signed=last.signed,
        signed_until=min(ends, default=None),
        server=last.server,
    )


def none(name: Name, kind: str, trouble: str, steps: Sequence[Step] = ()) -> Answer:
    """Nobody could tell."""
    return Answer(
        name=name,
        kind=kind,
        outcome=UNKNOWN,
        aliases=tuple(alias for step in steps for alias in step.aliases),
        bogus=any(step.bogus for step in steps),
        server=steps[-1].server if steps else "",
        trouble=f"no answer about {kind} of {said(name)}: {trouble}",
    )


def unknown(name: Name, trouble: str) -> Step:
    """One question without an answer."""
    return Step(outcome=UNKNOWN, canonical=name, trouble=trouble)
