"""A web server with TLS that sends exactly the bytes a test gives it."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@dataclass
class HttpsServer:
    """Listens on 127.0.0.1; ``answers`` are by path: bytes as they are sent, or None: none, until the client goes."""

    context: ssl.SSLContext
    answers: Mapping[str, bytes | None]
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), outer.context.wrap_socket(self.request, server_side=True) as line:
                    request = b""
                    while b"\r\n\r\n" not in request and (more := line.recv(4096)):
                        request += more
                    outer.requests.append(request.decode("latin-1"))
                    answer = outer.answers.get(request.split(b" ")[1].decode("latin-1"))
                    if answer is None:
                        line.recv(1)
                        return
                    line.sendall(answer)
                    line.unwrap()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])
