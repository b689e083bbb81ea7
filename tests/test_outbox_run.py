"""The agent tells by real servers: first, reminder, resolved, and by the next channel; what goes wrong delays no other."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.parts.alertmanager import Alertmanager
from tests.parts.certificates import Authority
from tests.parts.faulty import FaultyServer
from tests.parts.outage import Outages, agent_with, table, told, web
from tests.parts.ports import eventually, free_port
from tests.parts.smtp_server import SmtpServer
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.parts.agent import RunningAgent

WARN = 'severity = "warn"\n'
COMES_WITHIN = 20.0
LOGIN = ("alarm", "correct-horse")


@dataclass
class Servers:
    """A mail server with TLS and passwords, a web server with TLS, an Alertmanager, a file: all that work."""

    folder: Path
    channels: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            authority = Authority.make(self.folder / "ca")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.sign("server"))
            self.mail = stack.enter_context(SmtpServer(context=context, login=LOGIN))
            self.web = stack.enter_context(WebServer(context=context))
            self.manager = Alertmanager(self.folder / "am").start()
            stack.callback(self.manager.stop)
            self.file = self.folder / "told"
            ca = str(authority.ca)
            self.channels = [
                table({"name": "mail", "host": "127.0.0.1", "port": self.mail.port, "from": "mailwatch@example.com",
                       "to": ["oncall@example.com"], "user": LOGIN[0], "password": LOGIN[1], "ca_file": ca}),
                web(self.web.url(), ca_file=ca),
                table({"name": "manager", "urls": [self.manager.url]}),
                table({"name": "file", "path": str(self.file)}),
            ]  # fmt: skip
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kinds(self) -> list[list[str]]:
        """What came by mail, by the web and in the file."""
        text = self.file.read_text() if self.file.exists() else ""
        mails = [str(each.message["X-Mailwatch-Key"] or each.message["Subject"]) for each in list(self.mail.taken)]
        return [
            mails,
            [kind for kind, _ in told(self.web)],
            [line.split()[2] for line in text.splitlines() if line[:2] == "20"],
        ]

    def have(self, number: int, *, firing: bool) -> Callable[[], bool]:
        """Whether all of them have so much, and whether it goes on at the Alertmanager."""
        return lambda: all(len(each) == number for each in self.kinds()) and bool(self.manager.alerts()) == firing


def made_old(agent: RunningAgent) -> None:
    """Let an hour pass for what is remembered."""
    with contextlib.closing(sqlite3.connect(agent.state / "state.db", isolation_level=None)) as connection:
        for content, cause in connection.execute("SELECT content, cause FROM alert").fetchall():
            alert = json.loads(content)
            alert["notified_at"] -= 5 * 3600
            connection.execute("UPDATE alert SET content = ? WHERE cause = ?", (json.dumps(alert), cause))


def test_first_reminder_and_resolved_come_by_every_kind_of_channel(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        agent = agent_with(tmp_path / "agent", *servers.channels)
        outages = Outages(agent.log)
        agent.start()
        try:
            outages.begin()
            eventually(servers.have(1, firing=True), within=COMES_WITHIN, what="the first has come")
            agent.stop()
            made_old(agent)
            agent.start()
            eventually(servers.have(2, firing=True), within=COMES_WITHIN, what="the reminder has come")
            outages.end()
            eventually(servers.have(3, firing=False), within=COMES_WITHIN, what="that it is over has come")
        finally:
            agent.kill()
        for kinds in servers.kinds()[1:]:
            assert kinds == ["first", "reminder", "resolved"]
        assert all(each.user == LOGIN[0] and each.tls for each in servers.mail.taken)
        assert len({each.message["Message-ID"] for each in servers.mail.taken}) == 3
        assert LOGIN[1] not in agent.said


def test_what_a_channel_refuses_comes_by_the_next_one_though_that_wants_worse(tmp_path: Path) -> None:
    with WebServer(status=410) as gone, WebServer() as boss:
        agent = agent_with(tmp_path, web(gone.url(), "gone"), web(boss.url(), "boss", min_severity="page"))
        agent.extra = agent.extra.replace("[rules.relay_failing]\n", "[rules.relay_failing]\n" + WARN)
        outages = Outages(agent.log)
        agent.start()
        try:
            outages.begin()
            eventually(lambda: boss.posted, within=COMES_WITHIN, what="the next one is told that it began")
            outages.end()
            eventually(lambda: len(boss.posted) == 2, within=COMES_WITHIN, what="and that it is over")
        finally:
            agent.kill()
        assert [kind for kind, _ in told(boss)] == ["first", "resolved"]
        assert told(gone) == told(boss)[:1]  # it is asked again, slowly, and in order
        # who was told that it began is told that it is over without waiting for the other to refuse that
        assert agent.said.count("channel=gone does not take it: told by channel=boss") == 1


def took(servers: Servers, agent: RunningAgent, outages: Outages) -> float:
    """Seconds until an outage is told by all that work; and the end of it, so that the next can be told."""
    before = len(servers.web.posted)
    begun = time.monotonic()
    outages.begin()
    eventually(servers.have(before + 1, firing=True), within=COMES_WITHIN, what="it is told")
    found = time.monotonic() - begun
    begun = time.monotonic()
    outages.end()
    agent.wait_for(outages.written["sent"], "mailwatch_delivery_attempts_total", status="sent")
    assert time.monotonic() - begun < 5
    eventually(servers.have(before + 2, firing=False), within=COMES_WITHIN, what="that it is over is told")
    return found


def test_channels_that_go_wrong_delay_no_other_and_not_the_tick(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers, ExitStack() as stack:
        faulty = [stack.enter_context(FaultyServer(fault)) for fault in ("silent", "dripping", "endless", "rubbish")]
        failing, untrusted = stack.enter_context(WebServer(status=503)), servers.web.url()
        bad = [web(f"http://127.0.0.1:{each.port}/", each.fault) for each in faulty]
        bad += [web(f"https://127.0.0.1:{faulty[0].port}/", "handshake"), web(untrusted, "untrusted")]
        bad += [web(failing.url(), "failing"), web(f"http://127.0.0.1:{free_port()}/", "refusing")]
        bad += [
            table({"name": f"mail-{each.fault}", "host": "127.0.0.1", "port": each.port, "from": "a@example.com", "to": ["b@example.com"], "tls": "none"})
            for each in faulty[:2]
        ]  # fmt: skip
        agents = [agent_with(tmp_path / name, *channels) for name, channels in (("good", []), ("bad", bad))]
        times = []
        for agent in agents:
            agent.extra += "\n" + "\n".join(servers.channels)
            agent.start()
            try:
                times.append(took(servers, agent, Outages(agent.log)))
            finally:
                agent.kill()
        alone, beside = times
        # a second, and what it costs this machine to start ten more processes at once
        assert beside - alone < 1.0 + 2.0, times
        assert "channel=silent took" not in agents[1].said
