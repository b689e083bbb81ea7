"""Options and fixtures for every test."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure() -> None:
    # a shell starts what it runs in the background with SIGINT ignored, and so would be all that tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the full form of what takes more than a minute")
    parser.addoption("--golden", action="store_true", help="write the golden files anew; read them before committing")
