"""Three Postfix instances in one log, a content filter, aliases, and every way a message can end: all of it adds up.

A message of the application comes to ``postfix-in``, which hands it to ``postfix-filter``, which gives it back to
``postfix-in`` at another port, which relays it to ``postfix-out``: four messages with four queue IDs. What then becomes
of it at postfix-out is known from what was sent.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.parsers.postfix import PostfixParser
from tests.parts.agent import RunningAgent
from tests.parts.log import others
from tests.parts.ports import eventually, free_port
from tests.parts.postfix import PrivatePostfix, Sink, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NORMAL, LISTED, FORWARDED, REFUSED, WAITING = 30, 5, 4, 6, 12
HELD, DELETED, EXPIRED, REQUEUED = 2, 3, 2, 1
TOTAL = NORMAL + LISTED + FORWARDED + REFUSED + WAITING
ON_A_LIST = 3
FINISHED, ATTEMPTS = "mailwatch_messages_finished_total", "mailwatch_delivery_attempts_total"


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
def chain(sinks: dict[str, Sink]) -> Iterator[dict[str, PrivatePostfix]]:
    """The three instances, by name; they share a log."""
    root = Path(tempfile.mkdtemp(prefix="postfix-"))  # not tmp_path: its parents are closed to the user postfix
    root.chmod(0o755)
    aliases = root / "aliases"
    aliases.write_text("team: member@remote.example\n")
    run("postalias", "-c", "/etc/postfix", f"hash:{aliases}")
    again = free_port()
    transport = ", ".join(
        f"{{{domain} = smtp:[127.0.0.1]:{sinks[name].port}}}"
        for domain, name in (("refused.example", "refuses"), ("waits.example", "waits"))
    )
    every = {"maillog_file": str(root / "mail.log"), "maillog_file_prefixes": str(root), "notify_classes": ""}
    out = PrivatePostfix(
        root / "out",
        sinks["takes"].port,
        settings=every
        | {
            "syslog_name": "postfix-out",
            "myhostname": "out.test.example",
            "transport_maps": f"inline:{{{transport}}}",
            "mydestination": "lists.example",
            "alias_maps": f"hash:{aliases}",
            "queue_run_delay": "1000s",
            "minimal_backoff_time": "1000s",
            "maximal_backoff_time": "1000s",
        },
    )
    behind = PrivatePostfix(
        root / "filter", again, settings=every | {"syslog_name": "postfix-filter", "myhostname": "filter.test.example"}
    )
    front = PrivatePostfix(
        root / "in",
        out.port,
        settings=every
        | {
            "syslog_name": "postfix-in",
            "myhostname": "in.test.example",
            "content_filter": f"smtp:[127.0.0.1]:{behind.port}",
            "virtual_alias_maps": "inline:{{list@remote.example = a@remote.example b@remote.example c@remote.example}}",
        },
        services=(f"127.0.0.1:{again} inet n - n - - smtpd -o content_filter=",),
    )
    made = {"out": out, "filter": behind, "in": front}
    try:
        for each in made.values():
            each.start()
        yield made
    finally:
        for each in made.values():
            each.stop()
        shutil.rmtree(root)


def waiting(postfix: PrivatePostfix) -> list[str]:
    return [str(message["queue_id"]) for message in postfix.queue()]


def each_of(option: str, queue_ids: list[str]) -> list[str]:
    return [word for queue_id in queue_ids for word in (option, queue_id)]


def settled(chain: dict[str, PrivatePostfix], number: int) -> None:
    """Return when nothing is under way any more, and so many messages wait at the end of the chain."""
    eventually(
        lambda: (
            not (chain["in"].queue() or chain["filter"].queue())
            and [
                message["queue_name"]
                for message in chain["out"].queue()
                if message["queue_name"] in ("deferred", "hold")
            ]
            == [message["queue_name"] for message in chain["out"].queue()]
            and len(chain["out"].queue()) == number
        ),
        within=90,
        what=f"{number} messages wait",
    )


def test_what_came_in_is_what_ended_and_what_is_open(tmp_path: Path, chain: dict[str, PrivatePostfix]) -> None:
    front, out = chain["in"], chain["out"]
    agent = RunningAgent(tmp_path / "agent", front.log).start()
    try:
        front.send(WAITING, recipient="user@waits.example")
        settled(chain, WAITING)
        queue_ids = waiting(out)
        out.postsuper(*each_of("-h", queue_ids[:HELD]))
        out.postsuper(*each_of("-d", queue_ids[HELD : HELD + DELETED]))
        out.postsuper(*each_of("-e", queue_ids[HELD + DELETED : HELD + DELETED + EXPIRED]))
        out.postsuper(*each_of("-r", queue_ids[-REQUEUED:]))
        front.send(NORMAL)
        front.send(LISTED, recipient="list@remote.example")
        front.send(FORWARDED, recipient="team@lists.example")
        front.send(REFUSED, recipient="nobody@refused.example")
        out.flush()
        settled(chain, WAITING - DELETED - EXPIRED)
        agent.wait_for(front.log.read_bytes().count(b"\n"), "mailwatch_log_lines_total")

        # every message passed three queues before the last; of the notices and the forwarded only the last one knows
        sent = 3 * TOTAL + NORMAL + LISTED + 2 * FORWARDED + REFUSED + EXPIRED
        assert agent.value(FINISHED, end="sent") == sent
        assert agent.value(FINISHED, end="bounced") == REFUSED
        assert agent.value(FINISHED, end="expired") == EXPIRED
        assert agent.value(FINISHED, end="deleted") == DELETED
        assert agent.value(FINISHED, end="requeued") == REQUEUED
        still_open = sum(len(each.queue()) for each in chain.values())
        assert agent.value("mailwatch_open_messages") == still_open == WAITING - DELETED - EXPIRED
        assert agent.value("mailwatch_messages_queued_total") == (agent.value(FINISHED) or 0) + still_open
        assert agent.value("mailwatch_messages_received_total", program="smtpd") == 4 * TOTAL
        assert agent.value("mailwatch_messages_received_total", program="pickup") == REQUEUED
        assert agent.value("mailwatch_log_events_total", event="bounce-notice") == REFUSED + EXPIRED
        # attempts are another thing: a list is one message and three recipients, from where it was expanded on
        assert agent.value(ATTEMPTS, agent="local", status="sent") == FORWARDED
        more = LISTED * (ON_A_LIST - 1)
        assert agent.value(ATTEMPTS, agent="smtp", status="sent") == sent - FORWARDED + 4 * more
        assert agent.value(ATTEMPTS, agent="smtp", status="bounced") == REFUSED
        assert agent.value("mailwatch_other_events_total") == 0, others(front.log)
        assert agent.value("mailwatch_log_unparsed_lines_total") == 0
    finally:
        agent.stop()
    events = PostfixParser().parse(front.log.read_bytes(), front.log.stat().st_mtime).events
    assert len(events) > 600
    assert others(front.log) == []
    assert {event.origin.instance for event in events} == {"postfix-in", "postfix-filter", "postfix-out"}
