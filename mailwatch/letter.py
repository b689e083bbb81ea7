"""What a person reads: the subject that fits a text message, and the letter, plain and in HTML. Pure.

Promises
    The subject is printable ASCII of at most 140 characters on one line, so that it stays one text message. The letter
    says what, since when, how many, the oldest, one example, what to do next; the example is bounded, masked and
    dead. All that HTML shows is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.headline import headline
from mailwatch.masking import on_one_line, quotable, quotable_about, shortened
from mailwatch.notification import Notification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailwatch.alert import Alert, Notice
    from mailwatch.causes import Entry
    from mailwatch.streak import Subject

SUBJECT: Final = 140
HOST: Final = 40
HOUR, DAY = 3600, 86400


class Advice(NamedTuple):
    """What it means and what to do next, for what is no cause of failed mail."""

    meaning: str
    fix: str


OWN: Final[dict[str, Advice]] = {
    "log-silent": Advice(
        "The queue moves, but Postfix's log says nothing: what happens to the mail cannot be seen.",
        "See whether the log is written: tail /var/log/mail.log; systemctl status rsyslog; postconf maillog_file",
    ),
    "log-gap": Advice(
        "Lines of the log were lost before they were read: what is counted is a lower bound.",
        "See which gap it was: curl -s http://127.0.0.1:10154/metrics | grep log_gaps; then README, Gaps",
    ),
    "log-unreadable": Advice(
        "mailwatch cannot read Postfix's log: it sees no failures, and will not tell of any.",
        "See why: mailwatch check-config; is its user in the group adm, or systemd-journal?",
    ),
    "state-unwritable": Advice(
        "mailwatch cannot write what it has counted: its disk is full, read-only or damaged.",
        "See space and inodes where state_dir lies: df -h /var/lib/mailwatch; df -i /var/lib/mailwatch",
    ),
    "outbox-old": Advice(
        "A notification has been waiting for long: one channel at least does not take it.",
        "Prove each channel: mailwatch test-alert",
    ),
    "probe-failing": Advice(
        "A probe gives no answer: what it looks at is unknown, which is not the same as well.",
        "See which, and why: journalctl -u mailwatch -g probe -n 20; then mailwatch check-config",
    ),
    "postfix-unknown": Advice(
        "Neither the queue nor Postfix itself gives an answer: it may be down, or mailwatch may not be allowed to ask.",
        "Ask by hand, also as mailwatch's user: postfix status; postqueue -j | head -n 3; mailwatch check-config",
    ),
    "mail-deferred": Advice(
        "Much more mail than usual has to wait for another try.",
        "See what waits, and why: postqueue -p | tail -n 30; qshape deferred",
    ),
    "mail-bounced": Advice(
        "Much more mail than usual comes back as undeliverable.",
        "See why: grep status=bounced /var/log/mail.log | tail -n 20; look at where the addresses come from",
    ),
    "queue-growing": Advice(
        "More mail comes in than goes out.",
        "See what waits, and for whom: qshape active deferred; what sends so much: qshape -s active deferred",
    ),
    "queue-old": Advice(
        "A message has been tried for long without success.",
        "See what waits longest: postqueue -p | head -n 20; give up on one with: postsuper -d QUEUEID",
    ),
    "no-delivery": Advice(
        "Messages come in, wait, and none has left for a while.",
        "Look at the newest lines and the queue: tail /var/log/mail.log; qshape active deferred; postqueue -f",
    ),
    "dns-worse": Advice(
        "What DNS says of a domain has become worse: receivers may refuse or distrust its mail from now on.",
        "Set it right, if it was not meant so.",
    ),
    "dns-found": Advice(
        "This was there at the first look: that is how it is, and from now on only what becomes worse is told.",
        "Read all of it, and what to publish instead.",
    ),
    "dns-unknown": Advice(
        "For long no name server has told what receivers ask for: whether the domain is well is not known.",
        "See whether its name servers and this host's resolver answer, or leave out what nobody answers: [dns] skip.",
    ),
}

FACES: Final[dict[tuple[str, str], Advice]] = {
    ("dns-worse", "first-look"): Advice(
        "This was there at the first look, and it stops mail from this host: receivers refuse it.",
        "Set it right, if this host is to send for the domain.",
    ),
    ("disk-full", "inodes"): Advice(
        "There are many small files, and no inode left for another: new mail is refused, whatever bytes are free.",
        "See where they are: df -i; du --inodes -x / | sort -n | tail; remove old ones, then: postqueue -f",
    ),
    ("disk-full", "read-only"): Advice(
        "Nothing can be written to the queue, mostly because the kernel met an error of the disk: new mail is refused.",
        "See why: dmesg -T | tail -n 50; save what matters; fsck, or a restart of the machine, then: postfix start",
    ),
    ("queue-stuck", "stopped"): Advice(
        "Processes of Postfix were stopped by a signal: mail is taken in and stays where it is.",
        "Let those that were found go on: kill -CONT PID; where that does not help: postfix stop; postfix start",
    ),
    ("queue-stuck", "no-manager"): Advice(
        "Postfix runs without a queue manager: mail is taken in and stays where it is.",
        "See why: grep qmgr /var/log/mail.log | tail; then: postfix check && postfix reload",
    ),
}
"""Instead of what is said of the cause, where more is known."""
CHANGED: Final = (
    ("where", "where"), ("found", "text"), ("also", "also"), ("was", "was"), ("now", "now"), ("by", "reference"),
)  # fmt: skip
"""Lines about something that has changed, and where in the evidence they stand."""
RECORD: Final = 800
"""So much of a record in DNS is shown."""
HOSTLIKE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationery:
    """What letters are written with. ``zone`` is that of the times shown; ``examples`` are replies, as they came."""

    host: str
    catalogue: Mapping[str, Entry]
    zone: tzinfo = UTC
    examples: Mapping[Subject, str] = field(default_factory=dict)
    mask: bool = True
    runbook_url: str | None = None


class Row(NamedTuple):
    """A line of a letter: its name and what it says."""

    name: str
    text: str


def written(notice: Notice, paper: Stationery) -> Notification:
    """The notification of one notice."""
    alert = notice.alert
    subject = subject_of(notice, paper)
    rows = rows_of(notice, paper)
    return Notification(
        key=notice.key,
        kind=notice.kind,
        rule=alert.rule,
        cause=alert.cause,
        scope=alert.scope,
        severity=notice.severity,
        host=paper.host,
        subject=subject,
        text=plain(subject, rows),
        html=html(subject, rows),
        began_at=alert.began_at,
        ended_at=alert.ended_at,
        at=notice.at,
        runbook=runbook(alert, paper),
    )


def subject_of(notice: Notice, paper: Stationery) -> str:
    """``[mx1] all mail via smtp.example.net is failing: password refused (since 09:12)``, 140 characters at most."""
    alert = notice.alert
    begun = clock(alert.began_at, notice.at, paper.zone)
    if notice.kind == "resolved":
        ended = alert.ended_at or notice.at
        word, when = "over: ", f"{begun} to {clock(ended, notice.at, paper.zone)}"
    else:
        word, when = "still: " if notice.kind == "reminder" else "", f"since {begun}"
    begin = f"[{on_line(paper.host, HOST)}] {word}"
    end = f" ({when})"
    said = headline(alert.rule, alert.cause, alert.evidence)
    return f"{begin}{on_line(said, SUBJECT - len(begin) - len(end))}{end}"


def on_line(text: str, longest: int) -> str:
    """A text for a subject: ASCII, one line, bounded."""
    return shortened(on_one_line(text).replace("\u2026", "...").encode("ascii", "replace").decode("ascii"), longest)


def rows_of(notice: Notice, paper: Stationery) -> list[Row]:
    """What the letter says, line by line."""
    alert = notice.alert
    advice = advice_on(alert, paper)
    rows = [Row("severity", notice.severity), *_times(notice, paper.zone)]
    if alert.count is not None:
        rows.append(Row("how many", _how_many(alert)))
    if alert.oldest is not None:
        rows.append(Row("oldest", f"{stamp(alert.oldest, paper.zone)} ({lasting(notice.at - alert.oldest)} ago)"))
    if (trouble := alert.evidence.get("trouble")) is not None:
        rows.append(Row("found", quotable(trouble, mask=paper.mask)))
    rows += _changed(alert.evidence, mask=paper.mask, is_over=notice.kind == "resolved")
    example = paper.examples.get(_example_of(alert))
    if example:
        rows.append(Row("example", quotable(example, mask=paper.mask)))
    if notice.kind != "resolved":
        rows += [Row("means", advice.meaning), Row("do next", advice.fix)]
    link = runbook(alert, paper)
    if link:
        rows.append(Row("runbook", link))
    if notice.kind == "reminder" and alert.acknowledged_by:
        rows.append(Row("taken by", on_line(alert.acknowledged_by, HOST)))
    return [*rows, Row("told because", notice.reason), Row("key", notice.key)]


def _changed(evidence: Mapping[str, str], *, mask: bool, is_over: bool) -> list[Row]:
    """What was and what is of a domain; a line to publish is as it is to be copied. What is over, was so then."""
    if "domain" not in evidence:
        return []
    rows = [
        Row(
            "then" if is_over and name == "now" else name,
            quotable_about(evidence["domain"], evidence[key], mask=mask, longest=RECORD),
        )
        for name, key in CHANGED
        if evidence.get(key)
    ]
    publish = evidence.get("publish")
    if is_over or not publish:
        return rows
    return [*rows, Row("publish", shortened(on_one_line(publish), RECORD))]


def _example_of(alert: Alert) -> Subject:
    """Whose reply is an example of it: a share is of many causes, and its first one is shown."""
    return alert.evidence.get("top_cause", alert.cause), alert.evidence.get("top_scope", alert.scope)


def _times(notice: Notice, zone: tzinfo) -> list[Row]:
    alert = notice.alert
    if notice.kind == "resolved":
        ended = alert.ended_at or notice.at
        lasted = lasting(ended - alert.began_at)
        return [Row("from", stamp(alert.began_at, zone)), Row("to", f"{stamp(ended, zone)} ({lasted})")]
    return [Row("since", f"{stamp(alert.began_at, zone)} ({lasting(notice.at - alert.began_at)})")]


def _how_many(alert: Alert) -> str:
    if alert.rule == "dns_changed":
        return "1 finding" if alert.count == 1 else f"{alert.count} findings"
    unit = "messages" if alert.rule in ("queue_growing", "oldest_too_old", "queue_stuck", "no_delivery") else "times"
    share, attempts = alert.evidence.get("percent"), alert.evidence.get("attempts")
    of = f", {share} % of {attempts} attempts" if share and attempts else ""
    return f"{alert.count} {unit}{of}"


def advice_on(alert: Alert, paper: Stationery) -> Advice:
    """What it means and what to do."""
    face = FACES.get((alert.cause, alert.evidence.get("face", "")))
    if face is not None and "domain" not in alert.evidence:
        return face
    entry = paper.catalogue.get(alert.cause)
    if entry is not None:
        return Advice(entry.meaning, pointed(entry.fix, alert.evidence))
    own = face or OWN.get(alert.cause)
    if own is not None and "domain" in alert.evidence:
        domain, step = alert.evidence["domain"], alert.evidence.get("next", "")
        said = quotable_about(domain, step, mask=paper.mask) if step else own.fix
        check = alert.evidence.get("check", "").replace("_", "-")
        again = f"Look again with: mailwatch check-dns {domain} --only {check}"
        return Advice(own.meaning, f"{said} {again if check else f'See all of it: mailwatch check-dns {domain}'}")
    return own or Advice("No text knows it.", "Look at the log: tail /var/log/mail.log")


def pointed(fix: str, evidence: Mapping[str, str]) -> str:
    """The next step with the relay in it that it is about, to be run as it stands."""
    relay, port = evidence.get("relay", ""), evidence.get("port", "")
    if not HOSTLIKE.fullmatch(relay) or not HOSTLIKE.fullmatch(port):
        return fix
    host = f"[{relay}]" if ":" in relay else relay
    return fix.replace("RELAY 587", f"{relay} {port}").replace("HOST:25", f"{host}:{port}").replace("HOST", relay)


def runbook(alert: Alert, paper: Stationery) -> str:
    """The address of the operator's runbook on it; empty where none is configured."""
    entry = paper.catalogue.get(alert.cause)
    name = alert.cause if entry is None else entry.runbook
    return f"{paper.runbook_url.rstrip('/')}/{name}" if paper.runbook_url else ""


def plain(subject: str, rows: Sequence[Row]) -> str:
    """The letter as plain text."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([subject, "", *(f"{name + ':':<{width + 1}} {text}" for name, text in rows), ""])


def html(subject: str, rows: Sequence[Row]) -> str:
    """The letter in HTML, without anything that is fetched."""
    lines = [
        f'<tr><th align="left" valign="top">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in rows
    ]
    return "\n".join([f"<p><strong>{escape(subject)}</strong></p>", "<table>", *lines, "</table>", ""])


def moment(at: float, zone: tzinfo) -> datetime:
    """A time; one that no calendar knows is the epoch: a letter is written whatever was counted."""
    try:
        return datetime.fromtimestamp(at, zone)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, zone)


def clock(at: float, now: float, zone: tzinfo) -> str:
    """``09:12``, with the day where that is not today's."""
    then, today = moment(at, zone), moment(now, zone)
    return then.strftime("%H:%M" if then.date() == today.date() else "%b %d %H:%M")


def stamp(at: float, zone: tzinfo) -> str:
    """``2026-11-25 09:12:40 +01:00``."""
    return moment(at, zone).isoformat(" ", "seconds").replace("+", " +")


def lasting(seconds: float) -> str:
    """A length of time, for people."""
    seconds = max(0, round(seconds))
    if seconds < 2 * 60:
        return f"{seconds} s"
    if seconds < 2 * HOUR:
        return f"{seconds // 60} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // 60} min"
    return f"{seconds // DAY} days {seconds % DAY // HOUR} h"
