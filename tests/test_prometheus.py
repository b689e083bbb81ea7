"""Prometheus scrapes the agent, and every panel of the dashboard has something to show."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.agent import RunningAgent
from tests.parts.nameserver import NameServer
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix
from tests.parts.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parent.parent / "grafana" / "mailwatch.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
LOG = Path(__file__).parent / "logs" / "recover.log"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    log = folder / "mail.log"
    log.touch()
    # its queue is looked at; the log is a recorded one
    postfix = PrivatePostfix(Path(tempfile.mkdtemp(prefix="postfix-")), free_port())
    about = f'[postfix]\nconfig_dir = "{postfix.etc}"\n[queue]\ninterval = 1\n'
    nameserver = NameServer((Path(__file__).parent / "zones" / "healthy.zone").read_text())
    nameserver.__enter__()
    domain = f'[dns]\ndomains = ["example.com"]\nonly = ["mx"]\nresolver = "127.0.0.1:{nameserver.address[1]}"\n'
    channel = f'[[channel]]\nname = "record"\npath = "{folder / "record"}"\n'
    agent = RunningAgent(folder / "agent", log, extra=about + domain + channel)
    made = Prometheus(folder / "prometheus", agent.port)
    try:
        postfix.start()
        postfix.send(3)
        agent.start()
        made.start()
        eventually(lambda: made.value("mailwatch_log_lines_total") == 0, within=30, what="it was scraped")
        log.write_bytes(re.sub(rb"(?m)^.{15}", time.strftime("%b %e %H:%M:%S").encode(), LOG.read_bytes()))
        eventually(lambda: (made.value("mailwatch_log_lines_total") or 0) > 0, within=30, what="it was scraped again")
        eventually(lambda: made.value('mailwatch_queue_messages{queue="deferred"}') == 3, within=60, what="they wait")
        eventually(lambda: made.value("mailwatch_dns_check_status") == 0, within=60, what="the domain was examined")
        yield made
    finally:
        nameserver.__exit__()
        made.stop()
        agent.stop()
        postfix.stop()
        shutil.rmtree(postfix.root)


def test_prometheus_scrapes_what_was_counted(prometheus: Prometheus) -> None:
    sent = 'sum(mailwatch_delivery_attempts_total{status="sent"})'
    assert prometheus.value("mailwatch_log_lines_total") == LOG.read_bytes().count(b"\n")
    assert prometheus.value(sent) == LOG.read_bytes().count(b"status=sent")
    assert prometheus.value("up") == 1


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_every_panel_shows_something(prometheus: Prometheus, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expression = (
            target["expr"]
            .replace('"$job"', '".*"')
            .replace('"$instance"', '".*"')
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h")
        )
        assert "$" not in expression, expression
        found = prometheus.query(expression)
        assert found, f"no data: {expression}"
        assert all(entry["value"][1] != "NaN" for entry in found), expression


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_every_panel_says_what_it_shows_and_of_which_host(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        selectors = re.findall(r"(?:mailwatch|process)_[a-z_]+(\{[^}]*\})?", target["expr"])
        assert all('job=~"$job"' in each and 'instance=~"$instance"' in each for each in selectors), target["expr"]
        for counter in re.findall(r"[a-z_]+_total\{[^}]*\}(\[[^\]]+\])?", target["expr"]):
            assert counter in ("[$__rate_interval]", "[$__range]"), f"a bare counter: {target['expr']}"


def test_no_two_panels_have_one_number() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
