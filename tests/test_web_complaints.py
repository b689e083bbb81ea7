"""What goes wrong at the page is said once a minute, and a stranger's doing without a traceback."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import h11
import pytest

from mailwatch.options import Address
from mailwatch.refusals import Refusals
from mailwatch.web.access import Access, Terms
from mailwatch.web.complaints import MINUTE, Complaints
from mailwatch.web.passwords import Checks
from mailwatch.web.server import WebServer, bind

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def record(error: BaseException | None) -> logging.LogRecord:
    """What uvicorn logs of a request that failed."""
    found = None if error is None else (type(error), error, None)
    return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application\n", None, found)


@pytest.mark.parametrize(
    ("error", "said", "traced"),
    [
        (h11.LocalProtocolError("too much"), "the web server: too much", False),
        (OSError(24, "Too many open files"), "the web server: [Errno 24] Too many open files", False),
        (KeyError("a bug"), "the web server: KeyError: 'a bug'", True),
        (None, "the web server: Exception in ASGI application", False),
    ],
    ids=["a protocol error", "no descriptors", "a bug has its traceback", "words alone"],
)
def test_a_failed_request_is_said_on_one_line(
    caplog: pytest.LogCaptureFixture, error: BaseException | None, said: str, traced: bool
) -> None:
    Complaints().emit(record(error))
    assert caplog.messages == [said]
    assert [each.exc_info is not None for each in caplog.records] == [traced]


def test_a_request_that_was_cancelled_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    Complaints().emit(record(asyncio.CancelledError()))
    assert caplog.messages == []


def test_the_next_one_is_said_a_minute_later(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    complaints = Complaints(lambda: now[0])
    for _ in range(3):
        complaints.emit(record(KeyError("first")))
        complaints.tell("second")
        complaints.handle_loop(None, {"message": "third"})
    now[0] += MINUTE
    complaints.tell("fourth")
    assert caplog.messages == ["the web server: KeyError: 'first'", "the web server: fourth"]


async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise KeyError("a bug")


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Where an application that always fails is served."""
    listening = bind(Address(host="127.0.0.1", port=0))
    where = listening.getsockname()
    server = WebServer(failing, listening, Refusals(), Access(Terms()), Checks())
    server.start()
    yield where
    server.stop()
    assert "web" not in {each.name for each in threading.enumerate()}


class Heard(logging.Handler):
    """What comes to the log; pytest's own handler hears what is not handed on, too."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_a_page_that_fails_without_end_does_not_fill_the_log(address: tuple[str, int]) -> None:
    heard = Heard()
    logging.getLogger().addHandler(heard)
    try:
        for _ in range(20):
            with socket.create_connection(address, 5) as client:
                client.sendall(REQUEST)
                assert client.recv(1000).startswith(b"HTTP/1.1 500")
    finally:
        logging.getLogger().removeHandler(heard)
    assert heard.messages == ["the web server: KeyError: 'a bug'"]
