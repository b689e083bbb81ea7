"""Alerts in a real Alertmanager, and in every member of a cluster."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels.deliver import deliver
from mailwatch.options import ChannelOptions, Secret
from tests.parts.alarm import alarm
from tests.parts.alertmanager import Alertmanager
from tests.parts.faulty import FaultyServer
from tests.parts.ports import free_port
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    made = Alertmanager(tmp_path_factory.mktemp("alertmanager")).start()
    yield made
    made.stop()


def members(*urls: str) -> ChannelOptions:
    return ChannelOptions(name="am", urls=tuple(map(Secret, urls)))


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_an_alert_is_raised_told_again_and_resolved(alertmanager: Alertmanager) -> None:
    began = time.time() - 600
    first = alarm(began_at=began, at=began + 60)
    assert deliver(members(alertmanager.url), first).answer == "1 of 1 have it"
    (raised,) = alertmanager.alerts()
    assert raised["labels"] == {
        "alertname": "relay-failing",
        "cause": "relay-auth-failed",
        "scope": "relay",
        "host": "mx1.example.com",
        "severity": "page",
    }
    assert raised["annotations"]["summary"] == first.subject
    assert raised["annotations"]["description"] == first.text
    assert at(raised["startsAt"]) == pytest.approx(began, abs=0.01)
    assert at(raised["endsAt"]) == pytest.approx(time.time() + 240, abs=60)

    # other figures in the text are the same alert, for its labels are
    assert deliver(members(alertmanager.url), replace(first, kind="reminder", text="Since 09:12 all 999 failed.")).sent
    (again,) = alertmanager.alerts()
    assert again["fingerprint"] == raised["fingerprint"]
    assert again["annotations"]["description"] == "Since 09:12 all 999 failed."

    assert deliver(members(alertmanager.url), replace(first, kind="resolved", ended_at=time.time() + 1000)).sent
    assert alertmanager.alerts() == []


def test_what_nobody_will_resolve_is_there_for_an_hour(alertmanager: Alertmanager) -> None:
    assert deliver(members(alertmanager.url), alarm(rule="notify")).sent
    (raised,) = (each for each in alertmanager.alerts() if each["labels"]["alertname"] == "notify")
    assert at(raised["endsAt"]) == pytest.approx(time.time() + 3600, abs=60)


def test_an_alert_that_ended_before_it_began_is_still_taken(alertmanager: Alertmanager) -> None:
    assert deliver(members(alertmanager.url), alarm(kind="resolved", began_at=2e9, ended_at=1.0)).sent


def test_every_member_gets_it_and_those_that_do_not_are_named() -> None:
    dead = free_port()
    with WebServer() as one, WebServer() as two, WebServer(status=503) as broken, FaultyServer("silent") as hung:
        urls = (
            one.url("/am/"),
            f"http://127.0.0.1:{dead}",
            broken.url(""),
            f"http://127.0.0.1:{hung.port}",
            two.url(""),
        )
        outcome = deliver(members(*urls), alarm(), 6)
    assert outcome.sent
    assert outcome.answer.startswith("2 of 5 have it; ")
    assert f"cannot connect to 127.0.0.1:{dead}: Connection refused" in outcome.answer
    assert f"127.0.0.1:{broken.port} refuses it: HTTP 503" in outcome.answer
    assert f"127.0.0.1:{hung.port} did not answer in time" in outcome.answer
    assert [each.path for each in one.posted + two.posted] == ["/am/api/v2/alerts", "/api/v2/alerts"]
    assert isinstance(json.loads(one.posted[0].body), list)


def test_no_member_at_all_is_a_failure() -> None:
    with WebServer(status=503, headers={"Retry-After": "30"}) as busy, WebServer(status=404) as wrong:
        outcome = deliver(members(busy.url(), wrong.url()), alarm())
        assert (outcome.sent, outcome.permanent, outcome.retry_after) == (False, False, 30.0)
        outcome = deliver(members(wrong.url()), alarm())
        assert (outcome.sent, outcome.permanent) == (False, True)
