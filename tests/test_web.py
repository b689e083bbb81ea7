"""The page: formats, compression, health, and what a stranger can do to it."""

from __future__ import annotations

import gzip
import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mailwatch.counters import COUNTERS
from mailwatch.pulse import Pulse, Seen, looked
from tests.parts.agent import RunningAgent, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = "Nov 22 06:13:04 mx postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)\n"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    folder = tmp_path_factory.mktemp("web")
    log = folder / "mail.log"
    log.write_text(LINE)
    made = RunningAgent(folder / "agent", log).start()
    made.wait_for(1, "mailwatch_delivery_attempts_total")
    yield made
    made.stop()


def test_every_counter_is_there_at_zero_from_the_start(agent: RunningAgent) -> None:
    samples = parsed(agent.page())
    for definition in COUNTERS.values():
        names = [name for name, _ in definition.labels]
        for labels in definition.every():
            assert (f"mailwatch_{definition.name}_total", frozenset(zip(names, labels, strict=True))) in samples


def test_the_page_is_openmetrics_for_whom_asks(agent: RunningAgent) -> None:
    _, headers, body = agent.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(body.decode())}  # type: ignore[no-untyped-call]
    assert "mailwatch_delivery_attempts" in families
    assert not any(name.endswith("_created") for name, _ in parsed(agent.page()))


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=abc", "text/plain; version=1.x", "\x7f", ",,;;q=z"]
)
def test_an_odd_wish_for_a_format_still_gets_a_page(agent: RunningAgent, accept: str) -> None:
    status, _, body = agent.get("/metrics", Accept=accept)
    assert status == 200
    assert b"mailwatch_delivery_attempts" in body


def test_the_page_is_compressed_for_whom_asks(agent: RunningAgent) -> None:
    _, headers, body = agent.get("/metrics", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert b"mailwatch_delivery_attempts_total" in gzip.decompress(body)


def test_the_landing_page_shows_the_numbers(agent: RunningAgent) -> None:
    status, headers, body = agent.get("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"Reading {agent.log}" in body.decode()
    assert "default-src 'none'" in headers["content-security-policy"]


def test_healthz_is_green_while_the_loop_goes_round(agent: RunningAgent) -> None:
    assert agent.get("/healthz")[::2] == (200, b"ok\n")


@pytest.mark.parametrize(
    ("pulse", "complaint"),
    [
        (Pulse(), "the work loop has not come round yet"),
        (Pulse(ticked_at=80.0), "the work loop has not come round for 20 s"),
        (Pulse(ticked_at=99.0), None),
        (Pulse(ticked_at=99.0, log=Seen(success=False, trouble="no log")), "no log"),
        (Pulse(ticked_at=99.0, state=looked(Seen(), "full", 1.0)), "full"),
        (Pulse(ticked_at=99.0, state=looked(Seen(), None, 1.0)), None),
    ],
)
def test_health_is_what_the_loop_knows(pulse: Pulse, complaint: str | None) -> None:
    assert pulse.complaint(100.0) == complaint


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "//", "/%00", "/" + "a" * 5000, "/?q=<script>"])
def test_another_path_is_not_found_and_shows_nothing_of_itself(agent: RunningAgent, path: str) -> None:
    status, _, body = agent.get(path)
    assert status == (200 if path.startswith("/?") else 404)
    assert b"<script>" not in body


@pytest.mark.parametrize("accept_encoding", ["", "gzip"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/", "/nothing"])
def test_head_gives_the_headers_of_get_and_no_body(agent: RunningAgent, path: str, accept_encoding: str) -> None:
    def answer(method: str) -> tuple[str, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=5)
        with closing(connection):
            connection.request(method, path, headers={"Accept-Encoding": accept_encoding, "Connection": "close"})
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            return f"{got.status}", headers, got.read()

    status, headers, body = answer("GET")
    # the numbers of the process itself may have a digit more or less the next time, and compress differently
    length = int(headers.pop("content-length"))
    head_status, head_headers, nothing = answer("HEAD")
    assert abs(int(head_headers.pop("content-length")) - length) <= (60 if path == "/metrics" else 0)
    assert (head_status, head_headers, nothing) == (status, headers, b"")
    assert len(body) == length
    assert ("content-encoding" in headers) == (path == "/metrics" and accept_encoding == "gzip")
