"""Tells others that we live: systemd's watchdog and a dead-man's switch, fed by the work loop alone, after real work.

A loop that hangs feeds neither, and then somebody else tells people. Both are fed while the disk is full: that loop
works, and says so. The switch is pinged from a thread, in a process with a deadline: nothing waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from mailwatch.channels.deliver import ping

if TYPE_CHECKING:
    from mailwatch.options import DeadmanOptions
    from mailwatch.pulse import Pulse
    from mailwatch.watchdog import Watchdog

EVERY: Final = 60.0
"""Seconds between pings while nothing changes; that something failed, or is well again, is told at once."""

log = logging.getLogger(__name__)


class Heart:
    """Used by the work loop."""

    def __init__(self, watchdog: Watchdog, deadman: DeadmanOptions) -> None:
        self._watchdog = watchdog
        self._deadman = deadman if deadman.url is not None or deadman.url_file is not None else None
        self._ready = False
        self._alive_at = 0.0
        self._pinged: tuple[str, float] = ("", 0.0)
        self._pinging: threading.Thread | None = None
        self._failed = False

    def beat(self, pulse: Pulse, untold: str | None = None) -> None:
        """The loop has come round; ``untold``: what is wrong with telling people, for whoever else can."""
        now = time.monotonic()
        if not self._ready:
            self._ready = True
            self._watchdog.ready()
            self._ping("start", "")
        if self._watchdog.every is not None and now - self._alive_at >= self._watchdog.every:
            self._alive_at = now
            self._watchdog.alive()
        trouble = next((seen.trouble for seen in pulse.probes().values() if seen.success is False), untold)
        signal = "ok" if trouble is None else "fail"
        if signal != self._pinged[0] or now - self._pinged[1] >= EVERY:
            self._ping(signal, trouble or "")

    def _ping(self, signal: str, text: str) -> None:
        deadman = self._deadman
        if deadman is None or (self._pinging is not None and self._pinging.is_alive()):
            return  # the one under way has a deadline; this one is not remembered as sent

        def tell() -> None:
            outcome = ping(deadman, signal, text=text)
            if not outcome.sent and not self._failed:
                log.error("the dead-man's switch cannot be pinged: %s", outcome.answer)
            self._failed = not outcome.sent

        self._pinged = (signal, time.monotonic())
        self._pinging = threading.Thread(target=tell, name="deadman", daemon=True)
        self._pinging.start()
