"""The agent and the hourly run beside a real name server: a record that changes is on the page, and people are told."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.cron import CronJob
from tests.parts.nameserver import NameServer
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEALTHY = (Path(__file__).parent / "zones" / "healthy.zone").read_text()
NO_MAIL = re.sub(r"(?m)^example\.com\. 300 IN MX .*\n", "", HEALTHY) + "\nexample.com. 300 IN MX 0 .\n"
STATUS, KNOWN_AT = "mailwatch_dns_check_status", "mailwatch_dns_check_last_success_timestamp_seconds"
MX = {"domain": "example.com", "check": "mx"}


class Nameserver:
    """A name server whose zone changes."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.port = 0
        self.now: NameServer

    def serve(self, zone: str, faults: Mapping[str, str] | None = None) -> None:
        """Serve another zone at the same address."""
        self._stack.close()
        self.now = self._stack.enter_context(NameServer(zone, faults=faults, port=self.port))
        self.port = self.now.address[1]

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture
def nameserver() -> Iterator[Nameserver]:
    made = Nameserver()
    made.serve(HEALTHY)
    yield made
    made.stop()


def config(nameserver: Nameserver, told: Path, more: str = "") -> str:
    return (
        f'[dns]\ndomains = ["Example.com"]\nresolver = "127.0.0.1:{nameserver.port}"\nonly = ["mx", "helo"]\n'
        f'ip = ["192.0.2.25"]\nhelo = "mail.example.com"\ndeadline = 8\n{more}\n'
        f'[[channel]]\nname = "file"\npath = "{told}"\n'
    )


def kinds(path: Path) -> list[tuple[str, str, str]]:
    """Kind, cause and severity of what was told; reminders, which come each hour, are not of interest here."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line.split(" ")[1:4] for line in lines if line[:1].isdigit()]
    return [(kind, key.split("/")[1], severity) for severity, kind, key in found if kind != "reminder"]


SOON_OVER = "[rules.dns_changed]\nclear_seconds = 1\n"


@pytest.fixture
def agent(tmp_path: Path, nameserver: Nameserver) -> Iterator[RunningAgent]:
    log = tmp_path / "mail.log"
    log.touch()
    made = RunningAgent(tmp_path, log, config(nameserver, tmp_path / "told", "interval = 10\nagain = 1") + SOON_OVER)
    yield made
    if made.process is not None:
        made.kill()


def test_a_record_that_changes_is_told_and_told_to_be_over_also_by_another_process(
    tmp_path: Path, nameserver: Nameserver, agent: RunningAgent
) -> None:
    told = tmp_path / "told"
    agent.start()
    eventually(lambda: agent.value(STATUS, **MX) == 0, within=40, what="the domain is well")
    assert agent.value("mailwatch_dns_check_findings", domain="example.com", verdict="ok") == 2
    nameserver.serve(NO_MAIL)
    eventually(lambda: kinds(told) == [("first", "dns-worse", "page")], within=60, what="people are told")
    assert agent.value(STATUS, **MX) == 2
    assert agent.value("mailwatch_alerts_firing", rule="dns_changed", severity="page") == 1
    assert " dns_changed/dns-worse/example.com:mx/" in told.read_text()
    assert "example.com mx: " in told.read_text()
    # what nobody can tell is absent, and ends nothing; nor does another process
    nameserver.serve(HEALTHY, {"example.com. MX": "servfail"})
    eventually(lambda: agent.value(STATUS, **MX) is None, within=60, what="it is unknown")
    assert agent.value(KNOWN_AT, **MX) is not None
    agent.kill()
    agent.start()
    assert agent.value("mailwatch_alerts_firing", rule="dns_changed", severity="page") in (None, 1)
    nameserver.serve(HEALTHY)
    eventually(lambda: agent.value(STATUS, **MX) == 0, within=60, what="it is well")
    eventually(lambda: len(kinds(told)) > 1, within=60, what="people are told")
    assert kinds(told) == [("first", "dns-worse", "page"), ("resolved", "dns-worse", "page")]
    assert agent.stop() == 0


def test_a_new_configuration_and_a_kill_in_the_middle_of_a_look_end_nothing(
    tmp_path: Path, nameserver: Nameserver, agent: RunningAgent
) -> None:
    told = tmp_path / "told"
    agent.start()
    eventually(lambda: agent.value(STATUS, **MX) == 0, within=40, what="the domain is well")
    nameserver.serve(NO_MAIL)
    eventually(lambda: kinds(told) == [("first", "dns-worse", "page")], within=60, what="people are told")
    agent.extra = agent.extra.replace('["Example.com"]', '["example.com", "example.net"]').replace('"helo"', '"caa"')
    agent.extra += "min_count = 3\n"
    agent.write_config()
    agent.signal(signal.SIGHUP)
    other = {"domain": "example.net", "check": "caa"}
    eventually(lambda: agent.value(STATUS, **other) == 0, within=60, what="the other domain is looked at")
    fires = {"rule": "dns_changed", "severity": "page"}
    assert agent.value("mailwatch_alerts_firing", **fires) == 1
    nameserver.serve(NO_MAIL, {"*": "silent"})
    eventually(lambda: children(agent) != [], within=60, what="a look has begun")
    agent.kill()
    assert agent.value(STATUS, **MX) is None
    nameserver.serve(NO_MAIL)
    agent.start()
    eventually(lambda: agent.value("mailwatch_alerts_firing", **fires) == 1, within=60, what="it is known what fires")
    eventually(lambda: agent.value(STATUS, **MX) == 2, within=60, what="it is looked at")
    assert agent.value("mailwatch_alerts_firing", **fires) == 1
    assert kinds(told) == [("first", "dns-worse", "page")]
    assert agent.stop() == 0


def children(agent: RunningAgent) -> list[str]:
    """The processes that the agent has started."""
    assert agent.process is not None
    done = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(agent.process.pid)], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if "check-dns" in line]


def test_the_page_of_domains_pleases_promtool(nameserver: Nameserver, agent: RunningAgent, tmp_path: Path) -> None:
    del nameserver

    agent.start()
    eventually(lambda: agent.value(STATUS, **MX) == 0, within=40, what="the domain is well")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=agent.page(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert not (tmp_path / "told").exists()


def moved_back(state: Path, seconds: float) -> None:
    """Have the last looks been so much earlier."""
    with contextlib.closing(sqlite3.connect(state / "state.db")) as connection:
        for name, content in connection.execute("SELECT name, content FROM domain").fetchall():
            said = json.loads(content)
            said["looked_at"] -= seconds
            connection.execute("UPDATE domain SET content = ? WHERE name = ?", (json.dumps(said), name))
        connection.commit()


def shown(job: CronJob, name: str) -> list[str]:
    return [line for line in job.textfile.read_text().splitlines() if line.startswith(name)]


def test_an_hourly_run_looks_when_it_is_due_and_tells_what_has_changed(tmp_path: Path, nameserver: Nameserver) -> None:
    told = tmp_path / "told"
    job = CronJob(tmp_path / "job", extra=config(nameserver, told))
    assert job.run().returncode == 0
    assert sorted(shown(job, STATUS)) == [
        f'{STATUS}{{check="{check}",domain="example.com"}} 0.0' for check in ("helo", "mx")
    ]
    asked = len(nameserver.now.asked)
    assert asked
    # a run a moment later asks nobody, and shows what is known
    assert job.run().returncode == 0
    assert len(nameserver.now.asked) == asked
    assert len(shown(job, STATUS)) == 2
    moved_back(job.state, 3590)
    nameserver.serve(NO_MAIL)
    done = job.run()
    assert done.returncode == 2, done
    assert kinds(told) == [("first", "dns-worse", "page")]
    assert f'{STATUS}{{check="mx",domain="example.com"}} 2.0' in shown(job, STATUS)
    # no name server answers: nothing is told, nothing is over, and the run is not blind for that
    moved_back(job.state, 3600)
    nameserver.serve(HEALTHY, {"*": "refused"})
    done = job.run("--json")
    assert json.loads(done.stdout)["unseen"] == []
    assert [each["rule"] for each in json.loads(done.stdout)["firing"]] == ["dns_changed"]
    assert shown(job, STATUS) == []
    moved_back(job.state, 3600)
    nameserver.serve(HEALTHY)
    assert job.run().returncode == 0
    assert kinds(told) == [("first", "dns-worse", "page"), ("resolved", "dns-worse", "page")]


DENYING = HEALTHY.replace("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all", "v=spf1 -all")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.25", [("first", "dns-worse", "page")]), ("192.0.2.26", [("first", "dns-found", "warn")])],
    ids=["this host may not send", "what else is wrong is told and pages nobody"],
)
def test_at_the_first_look_only_spf_that_does_not_permit_this_host_is_a_page(
    tmp_path: Path, nameserver: Nameserver, address: str, expected: list[tuple[str, str, str]]
) -> None:
    told = tmp_path / "told"
    nameserver.serve(DENYING if address == "192.0.2.25" else NO_MAIL)
    about = config(nameserver, told).replace('["mx", "helo"]', '["spf"]' if address == "192.0.2.25" else '["mx"]')
    job = CronJob(tmp_path / "job", extra=about)
    job.run()
    assert kinds(told) == expected
    assert shown(job, "mailwatch_dns_spf_lookups") == (
        ['mailwatch_dns_spf_lookups{domain="example.com"} 0.0'] if address == "192.0.2.25" else []
    )


def test_without_a_domain_nobody_is_asked_and_check_config_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mailwatch.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\n[dns]\ndomains = ["user@example.com"]\nonly = ["spff"]\n')
    done = mailwatch("check-config", "--config", path)
    assert done.returncode != 0
    assert "dns.domains[0]: expected a domain, found an address: 'example.com' alone" in done.stdout + done.stderr
    assert "dns.only[0]: expected the name of a check (did you mean spf?), found 'spff'" in done.stdout + done.stderr
