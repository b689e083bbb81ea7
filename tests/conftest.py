"""Options and fixtures for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the full form of what takes more than a minute")
    parser.addoption("--golden", action="store_true", help="write the golden files anew; read them before committing")
