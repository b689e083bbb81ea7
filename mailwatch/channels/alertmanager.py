"""Hands an alert to Prometheus's Alertmanager (API v2), to every member of its cluster.

An alert is what its labels say, so they hold its identity and nothing that changes: alertname, cause, scope, host and
severity. It is to be handed over again every ``REPEAT`` seconds while it goes on; after four missed ones Alertmanager
takes it for over. A resolved one ends now. One member that has it is enough, for they tell each other; the others are
named.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mailwatch.channels.answer import Receipt, SendFailed
from mailwatch.channels.connect import remaining, shown
from mailwatch.channels.http import Way, post
from mailwatch.notification import BY_HAND, RESOLVED, TEST

if TYPE_CHECKING:
    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

REPEAT: Final = 60.0
MISSED: Final = 4
TEST_LASTS: Final = 300.0
BY_HAND_LASTS: Final = 3600.0


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Hand it to all members at once. Raises SendFailed when none has it."""
    body = json.dumps([alert(notification, time.time())]).encode()
    way = Way(address=channel.address, ca_file=channel.ca_file, deadline=deadline)
    heard: queue.SimpleQueue[tuple[str, Receipt | SendFailed]] = queue.SimpleQueue()

    def tell(url: str) -> None:
        try:
            found: Receipt | SendFailed = post(
                f"{url.rstrip('/')}/api/v2/alerts", body, {"Content-Type": "application/json"}, way
            )
        except SendFailed as error:
            found = error
        except Exception as error:  # noqa: BLE001 - a member that breaks us must not hide the others
            found = SendFailed(f"{type(error).__name__}: {error}")
        heard.put((url, found))

    urls = [each.reveal() for each in channel.urls]
    for url in urls:
        threading.Thread(target=partial(tell, url), daemon=True).start()
    return counted(urls, collected(heard, len(urls), deadline))


def collected(
    heard: queue.SimpleQueue[tuple[str, Receipt | SendFailed]], number: int, deadline: float
) -> dict[str, Receipt | SendFailed]:
    """What each member said; who is missing has not answered in time."""
    found: dict[str, Receipt | SendFailed] = {}
    while len(found) < number:
        try:
            url, answer = heard.get(timeout=remaining(deadline, "waiting for the members"))
        except (queue.Empty, SendFailed):
            break
        found[url] = answer
    return found


def counted(urls: list[str], found: dict[str, Receipt | SendFailed]) -> Receipt:
    """The receipt of all members together. Raises SendFailed when none has it."""
    members = dict.fromkeys(urls)  # a URL that is there twice is one member
    answers = [found.get(url) or SendFailed(f"{member(url)} did not answer in time") for url in members]
    failures = [each for each in answers if isinstance(each, SendFailed)]
    if len(failures) < len(members):
        told = f"{len(members) - len(failures)} of {len(members)} have it"
        return Receipt("; ".join((told, *map(str, failures))))
    waits = [each.retry_after for each in failures if each.retry_after is not None]
    raise SendFailed(
        "; ".join(map(str, failures)),
        permanent=all(each.permanent for each in failures),
        retry_after=min(waits, default=None),
    )


def member(url: str) -> str:
    """A member, without what is secret in its URL."""
    parts = urlsplit(url)
    return shown(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def alert(notification: Notification, now: float) -> dict[str, object]:
    """The alert as API v2 has it."""
    ends = end(notification, now)
    labels = {
        "alertname": notification.rule,
        "cause": notification.cause,
        "scope": notification.scope,
        "host": notification.host,
        "severity": notification.severity,
    }
    annotations = {
        "summary": notification.subject,
        "description": notification.text,
        "runbook_url": notification.runbook,
    }
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        # one that would start after its end is refused
        "startsAt": stamp(min(notification.began_at, ends)),
        "endsAt": stamp(ends),
    }


def end(notification: Notification, now: float) -> float:
    """When it ends if nothing more is heard."""
    if notification.kind == RESOLVED:
        return min(notification.ended_at or now, now)
    if notification.rule == BY_HAND:
        return now + BY_HAND_LASTS
    return now + (TEST_LASTS if notification.kind == TEST else MISSED * REPEAT)


def stamp(at: float) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat()
