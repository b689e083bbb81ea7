"""A page that cannot be stopped: hostile clients get what they deserve, each is counted, and a scrape gets through."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.refusals import REASONS, Refusals
from mailwatch.web.guard import (
    FOLLOW_UPS_A_SECOND,
    FOLLOW_UPS_AT_ONCE,
    READ_SECONDS,
    REQUEST_SECONDS,
    Connection,
    Pace,
    Turns,
)
from mailwatch.web.pages import FRESH_SECONDS, MOST_KINDS, Kept, refusal, wants_gzip
from mailwatch.web.server import MOST_CONNECTIONS
from tests.parts.agent import RunningAgent, parsed
from tests.parts.crowd import asks_until_dropped, hostile
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = "{} mx postfix/smtp[1]: ABCDEF: to=<{}@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)\n"
NUMBERS = itertools.count()
ATTEMPTS = "mailwatch_delivery_attempts_total"
REFUSED = "mailwatch_web_refused_total"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = b"X-Long: " + b"a" * 3000 + b"\r\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    log = tmp_path / "mail.log"
    log.touch()
    made = RunningAgent(tmp_path / "agent", log).start()
    eventually(lambda: made.get("/healthz")[0] == 200, within=10, what="the work loop came round")
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.said


def write_line(agent: RunningAgent) -> None:
    with agent.log.open("a") as log:
        log.write(LINE.format(time.strftime("%b %e %H:%M:%S"), next(NUMBERS)))


def connect(agent: RunningAgent) -> socket.socket:
    return socket.create_connection(("127.0.0.1", agent.port), 20)


def refused(agent: RunningAgent) -> dict[str, float]:
    """What is counted once a page is made that cannot have been made before."""
    time.sleep(FRESH_SECONDS)
    samples = parsed(agent.page())
    counted = {reason: samples[REFUSED, frozenset({("reason", reason)})] for reason in REASONS}
    return {reason: number for reason, number in counted.items() if number}


def test_a_scrape_and_the_log_get_through_whatever_clients_do(agent: RunningAgent) -> None:
    with hostile(agent.port):
        for number in range(1, 21):
            begin = time.monotonic()
            assert agent.get("/metrics")[0] == 200
            assert time.monotonic() - begin < 1
            write_line(agent)
            eventually(lambda: agent.value(ATTEMPTS) == number, within=3, what="the line is counted")  # noqa: B023
    assert {"connections", "bad-request", "body"} <= set(refused(agent))
    assert agent.said.count("\n") == 1, "a stranger must not fill the log"


@pytest.mark.parametrize("kind", ["sequential", "pipelined", "reconnecting"])
def test_a_flood_does_not_starve_the_work_loop(agent: RunningAgent, kind: str) -> None:
    with hostile(agent.port, kind):
        begin = time.monotonic()
        with agent.log.open("a") as log:
            log.write(LINE.format(time.strftime("%b %e %H:%M:%S"), next(NUMBERS)) * 100_000)
        eventually(lambda: agent.value(ATTEMPTS) == 100_000, within=10, what="a hundred thousand lines are counted")
        assert time.monotonic() - begin < 10


REQUESTS: dict[str, tuple[bytes, str | None, bytes]] = {
    "a plain request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None, b"200"),
    "the old protocol": (b"GET / HTTP/1.0\r\n\r\n", None, b"200"),
    "an empty body": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", None, b"200"),
    "a path that is not there": (b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", None, b"404"),
    "a post": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "method", b"405"),
    "a delete": (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "method", b"405"),
    "options": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "method", b"405"),
    "a tunnel": (b"CONNECT example.com:25 HTTP/1.1\r\nHost: x\r\n\r\n", "method", b"405"),
    "a body": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", "body", b"413"),
    "a body in chunks": (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "body", b"413"),
    "a body it waits to send": (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", "body", b"413"),
    "a path of 10 000 characters": (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "bad-request", b"414"),
    "a question of 10 000 characters": (b"GET /?" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "bad-request", b"414"),
    "headers without end": (b"GET / HTTP/1.1\r\nHost: x\r\n" + LONG * 10, "bad-request", b"400"),
    "headers too long": (b"GET / HTTP/1.1\r\nHost: x\r\n" + LONG * 10 + b"\r\n", "bad-request", b"4"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "bad-request", b"400"),
    "a chunk that is none": (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n\r\n", "bad-request", b"400"),
    "a chunk that is none, posted": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n\r\n", "bad-request", b"400"),
    "a good chunk and one that is none": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nZZZ\r\n\r\n", "bad-request", b"400"),
    "no HTTP at all": (b"EHLO mx.example.com\r\n\r\n", "bad-request", b"400"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "bad-request", b"400"),
    "two lengths": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad-request", b"400"),
}  # fmt: skip


def test_each_refused_client_is_told_and_counted_once(agent: RunningAgent) -> None:
    expected: dict[str, float] = {}
    for name, (request, reason, status) in REQUESTS.items():
        with connect(agent) as client:
            client.sendall(request)
            assert client.recv(1000).removeprefix(b"HTTP/1.1 ").startswith(status), name
        if reason is not None:
            expected[reason] = expected.get(reason, 0) + 1
            assert (name, refused(agent)) == (name, expected)
    assert agent.said.count("\n") == 1, "what strangers send is counted, not logged"


def is_gone(client: socket.socket) -> bool:
    """Whether the other end has closed or reset the connection, when it says something at last."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_who_is_slow_is_dropped_and_counted(agent: RunningAgent) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(agent)) for _ in range(3)]
        slow = [stack.enter_context(connect(agent)) for _ in range(2)]
        kept = stack.enter_context(connect(agent))
        kept.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += kept.recv(1000)
        begin = time.monotonic()
        while time.monotonic() - begin < REQUEST_SECONDS - 1:
            for client in (*slow, kept):
                client.sendall(b"G")
            time.sleep(0.2)
        assert all(client.recv(1) == b"" for client in silent)
        assert all(is_gone(client) for client in (*slow, kept))
    assert refused(agent) == {"slow-request": 6}


def test_who_does_not_read_is_dropped_and_counted(agent: RunningAgent) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.2)
        client.connect(("127.0.0.1", agent.port))
        assert asks_until_dropped(client, READ_SECONDS + 10)
    assert refused(agent) == {"slow-reader": 1}


def test_beyond_the_most_connections_the_one_that_waited_longest_goes(agent: RunningAgent) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(agent)) for _ in range(MOST_CONNECTIONS + 10)]
        assert [client.recv(1) for client in silent[:10]] == [b""] * 10
        for client in silent[11:]:  # the eleventh made room for the page that is asked here
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: agent.value(REFUSED, reason="connections") == 11, within=5, what="eleven are counted")
        assert silent[10].recv(1) == b""
        assert {client.recv(1000).partition(b"\r\n")[0] for client in silent[11:]} == {b"HTTP/1.1 200 OK"}


def test_out_of_descriptors_a_client_goes_and_the_log_is_read_on(agent: RunningAgent) -> None:
    assert agent.process is not None
    used = max(int(name) for name in os.listdir(f"/proc/{agent.process.pid}/fd"))
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (used + 31, used + 31))
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(agent))
        eventually(lambda: agent.value(REFUSED, reason="descriptors"), within=10, what="clients were dropped")
        write_line(agent)
        agent.wait_for(1, ATTEMPTS)
        agent.log.rename(agent.log.with_suffix(".log.1"))
        write_line(agent)
        agent.wait_for(2, ATTEMPTS)
    assert agent.said.count("ERROR the web server: [Errno 24] Too many open files") == 1


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        (Connection(since=100 - REQUEST_SECONDS), "slow-request"),
        (Connection(since=100 - REQUEST_SECONDS + 0.1), None),
        (Connection(since=0, waits="next request"), None),
        (Connection(since=0, waits="turn"), None),
        (Connection(since=0, waits="answer"), None),
        (Connection(since=99, waits="answer", unread_since=100 - READ_SECONDS), "slow-reader"),
        (Connection(since=99, waits="next request", unread_since=100 - READ_SECONDS + 0.1), None),
        (Connection(since=99, waits="next request", closing_since=100 - READ_SECONDS), "slow-reader"),
    ],
)
def test_a_connection_is_overdue_when_its_client_is(connection: Connection, reason: str | None) -> None:
    assert connection.overdue(100) == reason


def test_who_is_being_answered_is_not_idle() -> None:
    assert Connection(since=1, waits="answer").idle_since() is None
    assert Connection(since=1, waits="answer", unread_since=2).idle_since() == 2
    assert Connection(since=1, waits="next request").idle_since() == 1


def test_a_flood_is_paced_and_a_few_requests_are_not() -> None:
    pace = Pace(a_second=100, at_once=10)
    assert [round(pace.take(50), 2) for _ in range(13)] == [0] * 11 + [0.01, 0.01]
    assert [round(pace.take(50.01), 2) for _ in range(2)] == [0, 0.01]
    assert pace.take(60) == 0


def test_who_is_gone_takes_no_turn_and_keeps_nobody_waiting() -> None:
    turns = Turns(Pace(a_second=20, at_once=0))
    crowd = [Connection(since=0) for _ in range(200)]
    last = Connection(since=0)

    async def ask() -> list[bool]:
        first = await turns.come(Connection(since=0))
        waiting = [asyncio.create_task(turns.come(each)) for each in (*crowd, last)]
        await asyncio.sleep(0)
        for each in crowd[1:]:
            turns.end(each)
        return [first, *await asyncio.wait_for(asyncio.gather(*waiting), 1)]

    assert asyncio.run(ask()) == [True, True, *[False] * 199, True]
    assert len(turns) == 0


def test_first_come_is_first_served_and_a_cancelled_one_is_passed_over() -> None:
    turns, order = Turns(Pace(a_second=100, at_once=0)), list[int]()

    async def come(number: int) -> None:
        if await turns.come(Connection(since=0)):
            order.append(number)

    async def ask() -> None:
        tasks = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(ask())
    assert order == [0, 1, 3, 4]
    assert len(turns) == 0


def leave_turns_behind(agent: RunningAgent, seconds: float) -> int:
    """Ask once, then for more without waiting, and go; how often in so many seconds."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        with connect(agent) as client:
            client.sendall(HEALTH)
            client.recv(1000)
            client.sendall(HEALTH * 3)
        number += 1
    return number


def memory(agent: RunningAgent) -> int:
    """MiB that the agent keeps."""
    assert agent.process is not None
    pages = Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() >> 20


def test_who_asks_and_goes_leaves_nothing_behind(agent: RunningAgent) -> None:
    before = memory(agent)
    assert leave_turns_behind(agent, 3) > 1000
    with connect(agent) as client:
        begin = time.monotonic()
        for _ in range(2):
            client.sendall(HEALTH)
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += client.recv(1000)
        assert time.monotonic() - begin < MOST_CONNECTIONS / FOLLOW_UPS_A_SECOND + 0.5
    assert memory(agent) - before < 10


def test_at_the_end_nobody_waits_for_a_turn(agent: RunningAgent) -> None:
    leave_turns_behind(agent, 1)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(agent)) for _ in range(100)]
        for _ in range(2):
            for client in clients:
                client.sendall(HEALTH * 20)
        time.sleep(0.1)
        begin = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - begin < 1
    assert [line.split()[0] for line in agent.said.splitlines()] == ["INFO", "INFO"]


def test_a_page_is_made_again_when_what_it_shows_has_changed() -> None:
    state = ["a"]
    kept = Kept(lambda: state[0], fresh_seconds=1000)
    assert kept.page("text", lambda: b"first") == b"first"
    assert kept.page("text", lambda: b"second") == b"first"
    state[0] = "b"
    assert kept.page("text", lambda: b"third") == b"third"
    for number in range(MOST_KINDS - 1):
        kept.page(f"kind {number}", lambda: b"")
    assert kept.room_for("text")
    assert not kept.room_for("another kind")


def test_a_page_is_made_again_when_it_is_old_and_not_before() -> None:
    made = []
    kept = Kept(lambda: None)
    begin = time.monotonic()
    while time.monotonic() - begin < 5 * FRESH_SECONDS:
        kept.page("text", lambda: made.append(1) or b"")  # type: ignore[func-returns-value]
    assert 2 <= len(made) <= 6


def test_a_kept_connection_has_its_pace(agent: RunningAgent) -> None:
    with connect(agent) as client, client.makefile("rb") as answers:
        begin, answered = time.monotonic(), 0
        while time.monotonic() - begin < 1:
            client.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            while answers.readline() != b"\r\n":
                pass
            answered += 1
    assert answered <= FOLLOW_UPS_A_SECOND * 1.2 + FOLLOW_UPS_AT_ONCE


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("x-gzip-not", False),
    ],
)
def test_gzip_is_for_whom_takes_it(accepted: str, wanted: bool) -> None:
    assert wants_gzip(accepted) == wanted


def test_headers_that_came_whole_are_bounded_too() -> None:
    assert refusal("GET", 1, [(b"x", b"a" * 16384)]) == ("bad-request", 431, "the headers are too long\n")
    assert refusal("GET", 1, [(b"x", b"a" * 16383)]) is None


def test_only_a_known_reason_is_counted() -> None:
    refusals = Refusals()
    with pytest.raises(ValueError, match="not a reason: 'rudeness'"):
        refusals.count("rudeness")
    assert set(refusals.every().values()) == {0}
