"""A thousand messages through a real Postfix: every counter equals what was put in."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.log import others
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT, REFUSED, SEVERAL, EACH, LOCAL, WAITING, HELD, DELETED, EXPIRED = 700, 60, 40, 5, 20, 60, 30, 40, 50
TOTAL = SENT + REFUSED + SEVERAL + LOCAL + WAITING + HELD + DELETED + EXPIRED


@pytest.fixture
def sinks() -> Iterator[dict[str, Sink]]:
    made = {
        "takes": Sink(),
        "refuses": Sink(("-f", "RCPT", "-B", "550 5.1.1 no such user")),
        "waits": Sink(("-r", "RCPT")),
    }
    for sink in made.values():
        sink.start()
    yield made
    for sink in made.values():
        sink.stop()


@pytest.fixture
def postfix(sinks: dict[str, Sink]) -> Iterator[PrivatePostfix]:
    """Mail to refused.example is bounced by its server, mail to waits.example is deferred by it, all other mail is taken."""
    transport = ", ".join(
        f"{{{domain} = smtp:[127.0.0.1]:{sinks[name].port}}}"
        for domain, name in (("refused.example", "refuses"), ("waits.example", "waits"))
    )
    made = PrivatePostfix(
        Path(tempfile.mkdtemp(prefix="postfix-")),  # not tmp_path: its parents are closed to the user postfix
        sinks["takes"].port,
        settings={
            "transport_maps": f"inline:{{{transport}}}",
            "notify_classes": "",
            "default_destination_recipient_limit": "50",
            "queue_run_delay": "1000s",
            "minimal_backoff_time": "1000s",
            "maximal_backoff_time": "1000s",
        },
    )
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.root)


def ids(postfix: PrivatePostfix) -> list[str]:
    return [str(message["queue_id"]) for message in postfix.queue()]


def waits_settled(postfix: PrivatePostfix, number: int) -> None:
    eventually(
        lambda: [message["queue_name"] for message in postfix.queue()].count("deferred") == number,
        within=60,
        what=f"{number} messages are deferred",
    )


def check_causes(agent: RunningAgent, deferred: int) -> None:
    """Every failed attempt has its cause: the two sinks say two things."""
    failures, expired = "mailwatch_delivery_failures_total", "mailwatch_messages_expired_by_cause_total"
    assert agent.value(failures, status="bounced", cause="user-unknown", scope="relay") == REFUSED
    assert agent.value(failures, status="deferred", cause="remote-system", scope="relay") == deferred
    assert agent.value(failures) == REFUSED + deferred
    assert agent.value(expired, cause="remote-system", scope="relay") == agent.value(expired) == EXPIRED


def test_a_thousand_messages_are_counted_exactly(tmp_path: Path, postfix: PrivatePostfix) -> None:
    agent = RunningAgent(tmp_path / "agent", postfix.log, extra=f'[postfix]\nconfig_dir = "{postfix.etc}"').start()
    try:
        # deferred first: then they are known one by one, and each has had exactly one attempt
        postfix.send(WAITING + HELD + DELETED + EXPIRED, recipient="user@waits.example")
        waits_settled(postfix, WAITING + HELD + DELETED + EXPIRED)
        waiting = ids(postfix)
        held, deleted = waiting[:HELD], waiting[HELD : HELD + DELETED]
        expired = waiting[HELD + DELETED : HELD + DELETED + EXPIRED]
        postfix.postsuper("-h", *[word for each in held for word in (each, "-h")][:-1])
        postfix.postsuper("-d", *[word for each in deleted for word in (each, "-d")][:-1])
        postfix.postsuper("-e", *[word for each in expired for word in (each, "-e")][:-1])
        postfix.send(SENT)
        postfix.send(REFUSED, sender="", recipient="nobody@refused.example")
        postfix.send(SEVERAL, each=EACH)
        for _ in range(LOCAL):
            postfix.sendmail()
        postfix.flush()  # expires what is marked, and tries the others once more
        waits_settled(postfix, WAITING)
        agent.wait_for(SENT + SEVERAL * EACH + LOCAL + EXPIRED, "mailwatch_delivery_attempts_total", status="sent")
        agent.wait_for(TOTAL - WAITING - HELD - DELETED + EXPIRED, "mailwatch_messages_removed_total")

        attempts = "mailwatch_delivery_attempts_total"
        # expiry tells the sender, by one more message that is sent and removed
        assert agent.value(attempts, agent="smtp", status="sent") == SENT + SEVERAL * EACH + LOCAL + EXPIRED
        assert agent.value(attempts, agent="smtp", status="bounced") == REFUSED
        # each was tried once; the flush tried those once more that were neither held nor deleted nor expired
        assert agent.value(attempts, status="deferred") == (WAITING + HELD + DELETED + EXPIRED) + WAITING
        assert agent.value("mailwatch_messages_received_total", program="smtpd") == TOTAL - LOCAL
        assert agent.value("mailwatch_messages_received_total", program="pickup") == LOCAL
        assert agent.value("mailwatch_messages_queued_total") == TOTAL + EXPIRED
        assert agent.value("mailwatch_messages_removed_total") == TOTAL - WAITING - HELD - DELETED + EXPIRED
        assert agent.value("mailwatch_messages_expired_total") == EXPIRED
        assert agent.value("mailwatch_messages_held_total") == HELD
        assert agent.value("mailwatch_messages_deleted_total") == DELETED
        assert agent.value("mailwatch_open_messages") == WAITING + HELD == len(postfix.queue())
        finished = "mailwatch_messages_finished_total"
        assert agent.value(finished, end="sent") == SENT + SEVERAL + LOCAL + EXPIRED
        assert agent.value(finished, end="bounced") == REFUSED
        assert agent.value(finished, end="expired") == EXPIRED
        assert agent.value(finished, end="deleted") == DELETED
        check_causes(agent, deferred=(WAITING + HELD + DELETED + EXPIRED) + WAITING)
        delays = "mailwatch_delivery_delay_seconds_count"
        assert agent.value(delays, stage="total") == SENT + SEVERAL * EACH + LOCAL + EXPIRED
        assert others(agent.log) == []
        assert agent.value("mailwatch_log_unparsed_lines_total") == 0
        assert agent.value("mailwatch_log_gaps_total") == 0
        assert agent.value("mailwatch_log_lines_total") == postfix.log.read_bytes().count(b"\n")
    finally:
        agent.stop()


def test_without_a_word_about_the_log_it_asks_postfix(tmp_path: Path, postfix: PrivatePostfix) -> None:
    config, port = tmp_path / "mailwatch.toml", free_port()
    config.write_text(
        f'state_dir = "{tmp_path / "state"}"\nlisten = "127.0.0.1:{port}"\n[postfix]\nconfig_dir = "{postfix.etc}"\n'
    )
    told = json.loads(mailwatch("check-config", "--json", "--config", config).stdout)
    assert (told["verdict"], told["log"]) == ("ok", str(postfix.log))
    assert told["postfix"] == {
        "maillog_file": str(postfix.log),
        "queue_directory": str(postfix.root / "spool"),
        "relayhost": f"[127.0.0.1]:{postfix.relay_port}",
        "fallback_relays": [],
        "sender_relays": "",
        "transport_maps": postfix.settings["transport_maps"],
        "networks": ["127.0.0.0/8"],
        "domain": "test.example",
        "hostname": "mx.test.example",
        "syslog_name": "postfix",
        "syslog_facility": "mail",
    }
    agent = RunningAgent(tmp_path, postfix.log, port=port)
    agent.start(config=config.read_text())
    try:
        # at its first start it begins at the end of the log: what was there before is not news
        eventually(lambda: agent.value("mailwatch_probe_success", probe="log") == 1, within=10, what="it reads the log")
        postfix.send(3)
        agent.wait_for(3, "mailwatch_delivery_attempts_total", status="sent")
        assert agent.value("mailwatch_delivery_attempts_total") == 3
    finally:
        agent.stop()


def test_promtool_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    agent = RunningAgent(tmp_path / "agent", log).start()
    try:
        page = agent.page()
    finally:
        agent.stop()
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: install Debian's prometheus"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
