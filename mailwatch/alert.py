"""Decides whether a person is told: one alert for each rule, cause and scope. Pure; every decision names its reason.

Promises
    Between two first notices of an alert there is always its end. What was told to have begun is told to be over.
    The same alert, firing and instant give the same decision, with the same key. Nothing fires that did not last
    (``for_seconds``), nothing ends that was not over for long enough (``clear_seconds``): longer each time it comes
    back.
    An unknown state starts nothing and ends nothing.

How it fails
    A clock that goes back makes times of the alert that lie ahead count as now: it waits anew, it does not tell anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailwatch.firing import Firing
    from mailwatch.options import Options

AlertKey = tuple[str, str, str]
"""Rule, cause and scope."""
State = Literal["pending", "firing", "resolved"]
Action = Literal["notify", "resolve", "hold", "forget"]
Kind = Literal["first", "reminder", "resolved"]
PENDING: Final = "pending"
"""It is so, and not for long enough."""
FIRING: Final = "firing"
RESOLVED: Final = "resolved"
"""It is over; remembered for a while, to know it when it comes back."""

GRADES: Final = {"info": 0, "security": 1, "warn": 1, "page": 2}
LONGEST_CLEAR: Final = 3600
"""Seconds: however often it has come back, so long over is over."""
REMEMBERED: Final = 35 * 86400
"""Seconds for which an alert that is over is remembered: longer than a message waits, so that no key is used twice."""

LASTED, WELL_AGAIN, UNMUTED, WORSE, UNDELIVERED, REMINDER_DUE, ONE_MORE = (
    "lasted", "well-again", "no-longer-muted", "worse", "not-delivered", "reminder-due", "one-more",
)  # fmt: skip
NOT_LONG_ENOUGH, BELOW_RAISE, CANNOT_TELL, ALREADY_TOLD, ACKNOWLEDGED, NOT_OVER_YET, NOTHING, OVER = (
    "not-long-enough", "below-raise", "cannot-tell", "already-told", "acknowledged", "not-over-yet", "nothing", "over",
)  # fmt: skip
SILENCED, INHIBITED, STARTING, OLD = "silenced", "inhibited", "starting", "old"
DID_NOT_LAST, NEVER_TOLD, OVER_BEFORE_TOLD, FORGOTTEN = "did-not-last", "never-told", "over-before-told", "forgotten"
REASONS: Final = (
    LASTED, WELL_AGAIN, UNMUTED, WORSE, UNDELIVERED, REMINDER_DUE, NOT_LONG_ENOUGH, BELOW_RAISE, CANNOT_TELL,
    ALREADY_TOLD, ACKNOWLEDGED, NOT_OVER_YET, NOTHING, OVER, SILENCED, INHIBITED, STARTING, OLD, DID_NOT_LAST,
    NEVER_TOLD, OVER_BEFORE_TOLD, FORGOTTEN,
)  # fmt: skip
"""Every reason that a decision can have."""
MUTES: Final = (SILENCED, INHIBITED, STARTING, OLD)
"""Why an alert that fires is not told now; ``old``: it lies before what may still be told as new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is remembered of one rule, cause and scope. Times are seconds of event time.

    ``episode`` is when this one began and never changes: it is part of the key of its notifications.
    """

    rule: str
    cause: str
    scope: str
    state: State
    severity: str
    episode: int
    began_at: float
    decided_at: float
    reason: str = NOTHING
    told_severity: str | None = None
    notified_at: float | None = None
    number: int = 0
    clear_since: float | None = None
    ended_at: float | None = None
    last_ended_at: float | None = None
    muted: str | None = None
    undelivered: bool = False
    acknowledged_by: str | None = None
    flaps: int = 0
    for_seconds: int | None = None
    once: bool = False
    about: str = ""
    told_about: str = ""
    count: int | None = None
    oldest: float | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return self.rule, self.cause, self.scope

    @property
    def told(self) -> bool:
        """Whether anybody was told of this episode."""
        return self.told_severity is not None


class Silence(NamedTuple):
    """Nothing is told of these alerts until ``until`` (seconds); None stands for any. Why, and by whom, is kept."""

    until: float
    reason: str
    by: str
    rule: str | None = None
    cause: str | None = None
    scope: str | None = None

    def covers(self, key: AlertKey, now: float) -> bool:
        """Whether an alert is silenced at an instant."""
        wanted = (self.rule, self.cause, self.scope)
        return now < self.until and all(mine is None or mine == its for mine, its in zip(wanted, key, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, and why. ``kind`` says as what a person is told; ``escalate``: by the next channel as well."""

    action: Action
    reason: str
    alert: Alert | None
    kind: Kind | None = None
    escalate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification to be: the alert as it was when it was decided."""

    kind: Kind
    reason: str
    alert: Alert
    at: float
    escalate: bool = False

    @property
    def severity(self) -> str:
        """How bad it is to who reads it: what is over before it was told is worth a line, and pages nobody."""
        found = self.alert.severity
        return "warn" if self.reason == OVER_BEFORE_TOLD and found == "page" else found

    @property
    def episode_key(self) -> str:
        """The same for all notices of one episode: what a service that resolves goes by."""
        alert = self.alert
        return f"{alert.rule}/{alert.cause}/{alert.scope}/{alert.episode}"

    @property
    def key(self) -> str:
        """The same whenever the same decision is made again."""
        return f"{self.episode_key}/{self.kind}/{self.alert.number}"


def decide(
    previous: Alert | None,
    firing: Firing | None,
    now: float,
    options: Options,
    *,
    muted: str | None = None,
    ahead: float = 0.0,
) -> Decision:
    """What to do about one rule, cause and scope at ``now``.

    ``muted`` is one of MUTES. ``ahead``: seconds until somebody looks again, for an hourly run: a page does not wait
    for that. Raises nothing.
    """
    alert = None if previous is None else _rebased(previous, now)
    if alert is None or alert.state == RESOLVED:
        if firing is None or firing.level != "raise":
            return _still_nothing(alert, now)
        alert = _begun(firing, now, alert, options)
    if firing is None:
        return _absent(alert, now, options, muted, ahead)
    return _present(_seen(alert, firing, now), firing, now, options, muted, ahead)


def _rebased(alert: Alert, now: float) -> Alert:
    """The alert with no time ahead of now."""
    if alert.decided_at <= now:
        return alert

    def past(time: float | None) -> float | None:
        return None if time is None else min(time, now)

    return replace(
        alert,
        began_at=min(alert.began_at, now),
        decided_at=now,
        notified_at=past(alert.notified_at),
        clear_since=past(alert.clear_since),
        ended_at=past(alert.ended_at),
    )


def _still_nothing(alert: Alert | None, now: float) -> Decision:
    if alert is None:
        return Decision(action="hold", reason=NOTHING, alert=None)
    ended = alert.decided_at if alert.ended_at is None else alert.ended_at
    if now - ended >= REMEMBERED:
        return Decision(action="forget", reason=FORGOTTEN, alert=None)
    return Decision(action="hold", reason=OVER, alert=alert)


def _begun(firing: Firing, now: float, before: Alert | None, options: Options) -> Alert:
    """A new episode; one that follows soon on another knows how often it has come back."""
    since = min(firing.since, now)
    flaps = 0
    if before is not None and before.ended_at is not None:
        since = max(since, before.ended_at)
        flaps = before.flaps + 1 if now - before.ended_at < options.alerts.flap_seconds else 0
    episode = int(since)
    if before is not None:
        episode = max(episode, before.episode + 1)  # also after a clock that went back: a key is never used twice
    return Alert(
        rule=firing.rule,
        cause=firing.cause,
        scope=firing.scope,
        state=PENDING,
        severity=firing.severity,
        episode=episode,
        began_at=since,
        decided_at=now,
        flaps=flaps,
        last_ended_at=None if before is None else before.ended_at,
        for_seconds=firing.for_seconds,
        once=firing.once,
    )


def _seen(alert: Alert, firing: Firing, now: float) -> Alert:
    """The alert with what is known now; of a firing that is not at the threshold, only that it is not over."""
    if alert.state == PENDING and firing.level == "hold":
        return replace(alert, decided_at=now, clear_since=now if alert.clear_since is None else alert.clear_since)
    alert = replace(alert, decided_at=now, clear_since=None)
    if firing.level != "raise":
        return alert
    before, after = GRADES.get(alert.severity, 0), GRADES.get(firing.severity, 0)
    counts = [count for count in (alert.count, firing.count) if count is not None]
    return replace(
        alert,
        severity=firing.severity if after > before or not alert.told else alert.severity,
        began_at=alert.began_at if alert.told else min(alert.began_at, firing.since),
        count=max(counts, default=None),
        oldest=firing.oldest if firing.oldest is not None else alert.oldest,
        # what was worst is what it is told to have been
        evidence=dict(firing.evidence) if after >= before else alert.evidence,
        for_seconds=firing.for_seconds,
        once=firing.once,
        about=firing.about if after >= before else alert.about,
    )


def _present(alert: Alert, firing: Firing, now: float, options: Options, muted: str | None, ahead: float) -> Decision:
    if alert.state == PENDING:
        if firing.level == "unknown":
            return _hold(alert, CANNOT_TELL)
        if firing.level == "hold":
            return _below(alert, now, options)
        until = alert.began_at + _for_seconds(alert, options)
        if now + (ahead if alert.severity == "page" else 0) < until:
            return _hold(alert, NOT_LONG_ENOUGH)
        alert = replace(alert, state=FIRING)
    if muted is not None:
        return _hold(replace(alert, muted=muted), muted)
    if not alert.told and firing.level == "unknown":
        return _hold(alert, CANNOT_TELL)
    return _tell(replace(alert, muted=None), alert.muted, now, options)


def _below(alert: Alert, now: float, options: Options) -> Decision:
    """Of a pending alert that fell below its threshold: for a while it may come back, then it did not last."""
    since = now if alert.clear_since is None else alert.clear_since
    if now - since >= _clear_seconds(alert, options):
        return _gone(alert)
    return _hold(alert, BELOW_RAISE)


def _gone(alert: Alert) -> Decision:
    """A pending alert that did not last; the episode before it is still remembered."""
    if alert.last_ended_at is None:
        return Decision(action="forget", reason=DID_NOT_LAST, alert=None)
    before = replace(
        alert,
        state=RESOLVED,
        ended_at=alert.last_ended_at,
        clear_since=None,
        flaps=max(0, alert.flaps - 1),
        reason=DID_NOT_LAST,
    )
    return Decision(action="forget", reason=DID_NOT_LAST, alert=before)


def _tell(alert: Alert, was_muted: str | None, now: float, options: Options) -> Decision:
    """Of an alert that fires and is not muted: whether there is anything to tell."""
    if not alert.told:
        return _notify(alert, now, "first", LASTED if was_muted is None else UNMUTED)
    if GRADES.get(alert.severity, 0) > GRADES.get(alert.told_severity or "info", 0):
        return _notify(replace(alert, acknowledged_by=None), now, "reminder", WORSE)
    if alert.undelivered:
        return _notify(alert, now, "reminder", UNDELIVERED)
    if alert.acknowledged_by is not None:
        return _hold(alert, ACKNOWLEDGED)
    if alert.once:
        if set(alert.about.split()) - set(alert.told_about.split()):
            return _notify(alert, now, "reminder", ONE_MORE)
        return _hold(alert, ALREADY_TOLD)
    every = options.alerts.page_reminder_seconds if alert.severity == "page" else options.alerts.reminder_seconds
    if now - (alert.notified_at or alert.began_at) >= every:
        return _notify(alert, now, "reminder", REMINDER_DUE)
    return _hold(alert, ALREADY_TOLD)


def _absent(alert: Alert, now: float, options: Options, muted: str | None, ahead: float) -> Decision:
    """Of an alert that does not fire: whether that is its end."""
    if alert.state == PENDING:
        return _gone(alert)
    since = now if alert.clear_since is None else alert.clear_since
    alert = replace(alert, decided_at=now, clear_since=since)
    if now + ahead - since < _clear_seconds(alert, options):
        return _hold(alert, NOT_OVER_YET)
    alert = replace(alert, state=RESOLVED, ended_at=since)
    if alert.told:
        return _notify(alert, now, "resolved", WELL_AGAIN, action="resolve")
    why = alert.muted or muted
    if why in (SILENCED, INHIBITED):
        return Decision(action="resolve", reason=NEVER_TOLD, alert=replace(alert, reason=NEVER_TOLD))
    # it was not told while it lasted, for it was found too late: that it was is still worth a line
    return _notify(alert, now, "resolved", OVER_BEFORE_TOLD, action="resolve")


def _hold(alert: Alert, reason: str) -> Decision:
    return Decision(action="hold", reason=reason, alert=replace(alert, reason=reason))


def _notify(alert: Alert, now: float, kind: Kind, reason: str, *, action: Action = "notify") -> Decision:
    alert = replace(
        alert,
        reason=reason,
        told_severity=alert.severity,
        notified_at=now,
        number=alert.number + 1,
        undelivered=False,
        told_about=" ".join(dict.fromkeys(f"{alert.told_about} {alert.about}".split())),
    )
    return Decision(action=action, reason=reason, alert=alert, kind=kind, escalate=reason == UNDELIVERED)


def _for_seconds(alert: Alert, options: Options) -> int:
    if alert.for_seconds is not None:
        return alert.for_seconds
    rule = getattr(options.rules, alert.rule, None)
    return 0 if rule is None else int(rule.for_seconds)


def _clear_seconds(alert: Alert, options: Options) -> int:
    """Twice as long for each time that it has come back."""
    rule = getattr(options.rules, alert.rule, None)
    seconds = 0 if rule is None else int(rule.clear_seconds)
    return max(seconds, min(seconds << min(alert.flaps, 10), LONGEST_CLEAR))


def acknowledged(alert: Alert, by: str) -> Alert:
    """The alert with somebody at work on it: it is not told again unless it gets worse, or is over."""
    return replace(alert, acknowledged_by=by) if alert.state == FIRING else alert


def undelivered(alert: Alert) -> Alert:
    """The alert whose last notice a channel gave up: it is told again, by the next channel as well."""
    return replace(alert, undelivered=True) if alert.state == FIRING and alert.told else alert


def silenced(key: AlertKey, silences: Iterable[Silence], now: float) -> Silence | None:
    """The silence that holds longest over an alert."""
    found = [silence for silence in silences if silence.covers(key, now)]
    return max(found, key=lambda silence: silence.until, default=None)
