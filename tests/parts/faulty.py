"""Servers that go wrong: silent, dripping, endless, ending at once, talking rubbish."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

FAULTS = ("silent", "dripping", "endless", "ending", "rubbish")


@dataclass
class FaultyServer:
    """Accepts connections on 127.0.0.1 and does this wrong to each."""

    fault: str
    begin: bytes = b""
    port: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._wrong, args=(connection,), daemon=True).start()

    def _wrong(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(self.begin)
            if self.fault == "silent":
                self._over.wait(60)
            while self.fault == "dripping" and not self._over.wait(0.1):
                connection.sendall(b"2")
            while self.fault == "endless" and not self._over.is_set():
                connection.sendall(b"220-and so on\r\n" * 1000)
            if self.fault == "rubbish":
                connection.sendall(b"\x00\xff\x1b[2J nonsense\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                self._over.wait(60)
