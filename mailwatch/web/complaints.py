"""Says what goes wrong at the page once a minute, however often it is asked: the log is not a stranger's to fill.

Promises
    A bug is told with its traceback. What a stranger or a full machine does to the protocol is told on one line, and
    that a request was cancelled not at all: its client is gone, or the page ends.

How it fails
    What goes wrong within a minute of something else is not told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import h11

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = 60.0
NO_BUGS: Final = (OSError, h11.ProtocolError)

log = logging.getLogger(__name__)


class Complaints(logging.Handler):
    """Takes what uvicorn logs and what the event loop catches."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.ERROR)
        self._now = now
        self._said_at = -MINUTE

    def take_over(self, logger: logging.Logger) -> None:
        """Be the only one who hears this logger; whoever took it over before does not any more."""
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.handlers[:] = [self]

    def emit(self, record: logging.LogRecord) -> None:
        """Log what uvicorn says."""
        error = record.exc_info[1] if record.exc_info else None
        self.tell(error or record.getMessage().strip())

    def handle_loop(self, _loop: object, context: dict[str, Any]) -> None:
        """Log what the event loop caught."""
        self.tell(context.get("exception") or context.get("message"))

    def tell(self, what: object) -> None:
        """Log it, unless something was just logged."""
        if isinstance(what, asyncio.CancelledError) or self._now() - self._said_at < MINUTE:
            return
        self._said_at = self._now()
        if isinstance(what, BaseException) and not isinstance(what, NO_BUGS):
            log.error("the web server: %s: %s", type(what).__name__, what, exc_info=what)
        else:
            log.error("the web server: %s", what)
