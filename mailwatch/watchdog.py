"""Tells systemd that we are ready, alive and ending (sd_notify(3)), where it asks for that.

Promises
    Never raises and never waits: a full socket or a dead supervisor is no fault of the mail. It needs no disk. To be
    called from the work loop alone, after work that was real, so that a loop that hangs is ended and started again.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Watchdog:
    """What systemd is told, at the socket that the environment names; without one, nothing."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        name = known.get("NOTIFY_SOCKET", "")
        # an @ stands for the NUL in front of an abstract socket's name
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._socket: socket.socket | None = None
        self.every = interval(known)
        """The seconds within which ``alive`` is to come: half of what systemd waits; None when it does not."""

    def ready(self) -> bool:
        """The start is over; whether systemd was told."""
        return self._tell("READY=1")

    def alive(self) -> bool:
        """The loop has worked."""
        return self._tell("WATCHDOG=1")

    def stopping(self) -> bool:
        """The end has begun."""
        return self._tell("STOPPING=1")

    def status(self, text: str) -> bool:
        """A line for ``systemctl status``."""
        return self._tell(f"STATUS={' '.join(text[:500].split())}")

    def close(self) -> None:
        """Tell no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, text: str) -> bool:
        if not self._address.startswith(("/", "\0")):
            return False
        with contextlib.suppress(OSError, ValueError):
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.settimeout(0)
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
            return True
        return False


def interval(environment: Mapping[str, str]) -> float | None:
    """Half of the time after which systemd takes us for dead; None when it does not, or means another process."""
    said, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not (said.isascii() and said.isdigit()) or int(said) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(said) / 2_000_000
