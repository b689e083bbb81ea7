"""Goes through event time minute by minute: what the rules say, what is decided, what a person is to be told. Pure.

The same code live, catching up after a night, and in an hourly run: only where the views begin, and from when on
something may be told as new, is different. Nothing depends on the clock of the machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.alert import GRADES, INHIBITED, OLD, SILENCED, STARTING, Notice, decide, silenced
from mailwatch.firing import ANY, UNKNOWN, Firing
from mailwatch.inhibition import inhibited_by, reasons
from mailwatch.rules import ABSENCE, FROM_LOG, firings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailwatch.alert import Alert, AlertKey, Silence
    from mailwatch.options import Options
    from mailwatch.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms is told.

    ``page_from`` (seconds): what is decided about an earlier instant informs and does not page. ``ahead``: seconds
    until somebody looks again (an hourly run), 0 for an agent. ``blind``: the log is not read now, so what rules do not
    find in it is not over.
    """

    options: Options
    page_from: float
    silences: Sequence[Silence] = ()
    ahead: float = 0.0
    blind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What came of it: the alerts to remember, the notices to tell, and how often each reason decided."""

    alerts: Mapping[AlertKey, Alert]
    notices: Sequence[Notice]
    reasons: Mapping[str, int]


EMPTY: Final[Mapping[AlertKey, Alert]] = {}


def advance(alerts: Mapping[AlertKey, Alert], views: Iterable[View], terms: Terms) -> Course:
    """Decide at each view, in order of event time."""
    known = dict(alerts)
    notices: list[Notice] = []
    counted: Counter[str] = Counter()
    waiting: View | None = None
    for view in views:
        if waiting is not None:
            _step(known, waiting, terms, (notices, counted), 0.0)
        waiting = view
    if waiting is not None:
        _step(known, waiting, terms, (notices, counted), terms.ahead)
    return Course(alerts=known, notices=notices, reasons=counted)


def _step(
    known: dict[AlertKey, Alert], view: View, terms: Terms, told: tuple[list[Notice], Counter[str]], ahead: float
) -> None:
    """Decide about everything that fires or is remembered, at one view; in place."""
    found = firings(view, terms.options.rules)
    if terms.blind:  # that nothing is delivered is not known
        found = [each for each in found if each.rule not in FROM_LOG & ABSENCE]
    if not found and not known:
        return
    notices, counted = told
    fires = {(each.rule, each.cause, each.scope): each for each in found if each.cause != ANY}
    untold = {each.rule for each in found if each.cause == ANY} | (FROM_LOG if terms.blind else frozenset())
    sources = reasons(known, found, view.now, terms.options.alerts.aftermath_seconds)
    for key in sorted(known.keys() | fires.keys()):
        decision = decide(
            known.get(key),
            fires.get(key) or (_cannot_tell(key, view.now) if terms.blind or key[0] in untold else None),
            view.now,
            terms.options,
            muted=_muted(key, (known.get(key), fires.get(key)), view, terms, sources),
            ahead=ahead,
        )
        counted[decision.reason] += 1
        if decision.alert is None:
            known.pop(key, None)
            continue
        known[key] = decision.alert
        if decision.kind is not None:
            notices.append(
                Notice(
                    kind=decision.kind,
                    reason=decision.reason,
                    alert=decision.alert,
                    at=view.now,
                    escalate=decision.escalate,
                )
            )


def _cannot_tell(key: AlertKey, now: float) -> Firing:
    """The rule cannot tell now, so an alert of it is as it was."""
    rule, cause, scope = key
    return Firing(rule=rule, cause=cause, scope=scope, severity="info", level=UNKNOWN, since=now)


def _muted(
    key: AlertKey,
    about: tuple[Alert | None, Firing | None],
    view: View,
    terms: Terms,
    sources: Mapping[tuple[str, str], int],
) -> str | None:
    """Why nothing may be told of an alert now: of what it was and what fires."""
    found = [each for each in about if each is not None]
    grade = max((GRADES.get(each.severity, 0) for each in found), default=0)
    face = found[-1].evidence.get("face") if found else None
    if silenced(key, terms.silences, view.now) is not None:
        return SILENCED
    if inhibited_by(key[0], key[1], grade, sources, face) is not None:
        return INHIBITED
    if view.now < terms.page_from:
        return OLD
    # an hourly run has looked at all there is
    if not terms.ahead and key[0] in ABSENCE and 0 <= view.running_for() < terms.options.alerts.grace_seconds:
        return STARTING
    return None
