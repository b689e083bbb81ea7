"""What the alert rules go by, and when and how often a person is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailwatch.options.about import about

SEVERITIES = ("page", "warn", "info", "security")
WEEK = 7 * 86400


def _number(default: int, text: str, *, least: int = 0, most: int = WEEK) -> int:
    found: int = field(default=default, metadata=about(text, bounds=(least, most)))
    return found


def _percent(default: int, text: str) -> int:
    return _number(default, text, least=1, most=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """What every rule has. A severity that is not set is the cause's own, or the rule's."""

    enabled: bool = field(default=True, metadata=about("whether the rule is looked at"))
    severity: str | None = field(default=None, metadata=about("how bad it is, whatever the cause", choices=SEVERITIES))
    for_seconds: int = _number(900, "so long it must hold before it is told")
    clear_seconds: int = _number(300, "so long it must be over before it is told to be over")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFailing(RuleOptions):
    """Mail through the relay fails."""

    for_seconds: int = _number(10, "so long it must hold before it is told, where nothing passes")
    slow_seconds: int = _number(900, "the same, where some mail passes, or the cause often goes away by itself")
    min_failures: int = _number(3, "so many failures in a row, at least", least=1)
    raise_percent: int = _percent(50, "share of the attempts, where some mail passes")
    clear_percent: int = _percent(20, "below it, it is over")
    min_attempts: int = _number(20, "no share is told of fewer attempts", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientsFailing(RuleOptions):
    """Mail to other servers fails for a reason that is ours."""

    for_seconds: int = _number(300, "so long it must hold before it is told")
    window_seconds: int = _number(3600, "what is looked back on", least=60)
    raise_percent: int = _percent(20, "share of the attempts: a warning")
    page_percent: int = _percent(80, "share of the attempts: a page")
    clear_percent: int = _percent(10, "below it, it is over")
    min_attempts: int = _number(20, "no share is told of fewer attempts", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredShare(RuleOptions):
    """Too large a share is deferred."""

    window_seconds: int = _number(1800, "what is looked back on", least=60)
    raise_percent: int = _percent(40, "share of the attempts")
    clear_percent: int = _percent(20, "below it, it is over")
    min_attempts: int = _number(50, "no share is told of fewer attempts", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncedShare(RuleOptions):
    """Too large a share is bounced."""

    window_seconds: int = _number(1800, "what is looked back on", least=60)
    raise_percent: int = _percent(25, "share of the attempts")
    clear_percent: int = _percent(10, "below it, it is over")
    min_attempts: int = _number(50, "no share is told of fewer attempts", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueGrowing(RuleOptions):
    """The queue grows."""

    window_seconds: int = _number(1800, "what is looked back on", least=60)
    growth_percent: int = _number(100, "growth within the window", least=1, most=10_000)
    min_messages: int = _number(500, "a smaller queue may grow as it likes", least=1, most=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestTooOld(RuleOptions):
    """Mail waits for too long."""

    raise_seconds: int = _number(86400, "age of the oldest message", least=1)
    clear_seconds: int = _number(300, "so long it must be over before it is told to be over")
    clear_age_seconds: int = _number(43200, "below that age, it is over", least=1)
    min_messages: int = _number(1, "so many messages wait, at least", least=1, most=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStuck(RuleOptions):
    """Postfix does not take up mail that waits."""

    for_seconds: int = _number(10, "so long it must hold before it is told")
    raise_seconds: int = _number(30, "age of mail that nobody takes up, while nothing else is taken up", least=1)
    busy_seconds: int = _number(1800, "the same, while other mail is taken up", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDelivery(RuleOptions):
    """Mail comes in and waits, and none is delivered."""

    for_seconds: int = _number(300, "so long it must hold before it is told")
    window_seconds: int = _number(1800, "what is looked back on", least=60)
    min_messages: int = _number(5, "so many messages came in, and wait, at least", least=1, most=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSilent(RuleOptions):
    """The log says nothing while mail moves, or lines of it are missing."""

    for_seconds: int = _number(300, "so long it must hold before it is told")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixDown(RuleOptions):
    """Postfix does not run."""

    for_seconds: int = _number(10, "so long it must hold before it is told: a restart is shorter")
    clear_seconds: int = _number(60, "so long it must be over before it is told to be over")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFault(RuleOptions):
    """Postfix complains of this host."""

    for_seconds: int = _number(5, "so long it must hold before it is told; causes that need time have their own")
    window_seconds: int = _number(600, "what is looked back on", least=60)
    min_count: int = _number(2, "so many lines say so, at least; a full disk says so once", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsRefused(RuleOptions):
    """Our own clients are refused."""

    window_seconds: int = _number(900, "what is looked back on", least=60)
    min_count: int = _number(20, "so many refusals, at least", least=1, most=10_000_000)
    clear_count: int = _number(5, "with fewer, it is over", least=1, most=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsChanged(RuleOptions):
    """What DNS says of a domain has become worse, or cannot be checked."""

    for_seconds: int = _number(0, "so long it must hold before it is told, after the looks that it takes")
    clear_seconds: int = _number(900, "so long it must be over before it is told to be over, after as many looks")
    min_count: int = _number(2, "so many looks in a row must say so", least=1, most=10)
    unknown_seconds: int = _number(21600, "so long it may be unknown before that is told", least=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHealth(RuleOptions):
    """mailwatch itself cannot see, remember or tell."""

    for_seconds: int = _number(300, "so long it must hold before it is told")
    probe_seconds: int = _number(1800, "the same, for a probe that fails")
    outbox_seconds: int = _number(900, "age of a notification that no channel took", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOptions:
    """The alert rules."""

    relay_failing: RelayFailing = field(default_factory=RelayFailing)
    recipients_failing: RecipientsFailing = field(default_factory=RecipientsFailing)
    deferred_share: DeferredShare = field(default_factory=DeferredShare)
    bounced_share: BouncedShare = field(default_factory=BouncedShare)
    queue_growing: QueueGrowing = field(default_factory=QueueGrowing)
    oldest_too_old: OldestTooOld = field(default_factory=OldestTooOld)
    queue_stuck: QueueStuck = field(default_factory=QueueStuck)
    no_delivery: NoDelivery = field(default_factory=NoDelivery)
    log_silent: LogSilent = field(default_factory=LogSilent)
    postfix_down: PostfixDown = field(default_factory=PostfixDown)
    local_fault: LocalFault = field(default_factory=LocalFault)
    clients_refused: ClientsRefused = field(default_factory=ClientsRefused)
    dns_changed: DnsChanged = field(default_factory=DnsChanged)
    own_health: OwnHealth = field(default_factory=OwnHealth)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsOptions:
    """When and how often a person is told."""

    reminder_seconds: int = _number(14400, "so often what is still wrong is told again", least=60)
    page_reminder_seconds: int = _number(3600, "the same, for a page", least=60)
    grace_seconds: int = _number(120, "so long after the start nothing is told of what is only missing")
    flap_seconds: int = _number(1800, "what comes back within it must be over for twice as long, each time", least=0)
    aftermath_seconds: int = _number(2400, "so long what followed from a cause stays muted after it")
    per_hour: int = _number(12, "so many notifications an hour for a channel, pages twice as many", least=1)
    mask: bool = field(default=True, metadata=about("whether addresses in texts are masked"))
    runbook_url: str | None = field(
        default=None, metadata=about("address of your runbooks; the name of the cause is put behind it")
    )
