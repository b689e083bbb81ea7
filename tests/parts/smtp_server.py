"""A mail server that keeps what it is given: STARTTLS or implicit TLS, AUTH PLAIN, replies that a test chooses."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from email.message import EmailMessage


@dataclass
class Taken:
    """One message, and the session it came in."""

    helo: str
    tls: str | None
    user: str | None
    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        return message_from_bytes(self.content, policy=policy.default)


@dataclass
class SmtpServer:
    """Listens on 127.0.0.1. ``replies`` has by verb what is said instead of success; ``login`` is user and password."""

    context: ssl.SSLContext | None = None
    implicit: bool = False
    login: tuple[str, str] | None = None
    replies: dict[str, str] = field(default_factory=dict)
    banner: str = "220 mail.example ESMTP"
    taken: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk_to, args=(connection,), daemon=True).start()

    def _talk_to(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self.implicit and self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            session = _Session(self, connection)
            try:
                session.run()
            finally:
                session.connection.close()


class _Session:
    def __init__(self, server: SmtpServer, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.file = connection.makefile("rb")
        self.helo, self.sender = "", ""
        self.user: str | None = None
        self.recipients: list[str] = []

    def say(self, text: str) -> None:
        self.connection.sendall(f"{text}\r\n".encode())

    def run(self) -> None:
        self.say(self.server.banner)
        while words := self.file.readline(4096).decode().strip():
            self.server.heard.append(words)
            verb, _, rest = words.partition(" ")
            refusal = self.server.replies.get(verb.upper())
            if refusal:
                self.say(refusal)
            elif verb.upper() == "QUIT":
                self.say("221 2.0.0 Bye")
                break
            else:
                getattr(self, f"on_{verb.lower()}", self.on_unknown)(rest)
        with contextlib.suppress(OSError):
            self.connection.close()

    def on_unknown(self, _: str) -> None:
        self.say("500 5.5.2 unknown")

    def on_ehlo(self, rest: str) -> None:
        self.helo = rest
        secure = isinstance(self.connection, ssl.SSLSocket)
        offered = ["mail.example", "8BITMIME"]
        if self.server.context is not None and not secure:
            offered.append("STARTTLS")
        if self.server.login is not None and secure:
            offered.append("AUTH LOGIN PLAIN")
        for at, each in enumerate(offered):
            self.say(f"250{' ' if at == len(offered) - 1 else '-'}{each}")

    def on_starttls(self, _: str) -> None:
        assert self.server.context is not None
        self.say("220 2.0.0 go ahead")
        self.connection = self.server.context.wrap_socket(
            self.connection, server_side=True, do_handshake_on_connect=False
        )
        self.connection.do_handshake()
        self.file = self.connection.makefile("rb")

    def on_auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        if (user, password) == self.server.login:
            self.user = user
            self.say("235 2.7.0 welcome")
        else:
            self.say(f"535 5.7.8 wrong password {password}")

    def on_mail(self, rest: str) -> None:
        self.sender = rest
        self.say("250 2.1.0 ok")

    def on_rcpt(self, rest: str) -> None:
        refusal = self.server.replies.get(rest.split(maxsplit=1)[0])
        if refusal:
            self.say(refusal)
        else:
            self.recipients.append(rest)
            self.say("250 2.1.5 ok")

    def on_data(self, _: str) -> None:
        self.say("354 go ahead")
        lines = []
        while (line := self.file.readline(4096)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        tls = self.connection.version() if isinstance(self.connection, ssl.SSLSocket) else None
        self.server.taken.append(Taken(self.helo, tls, self.user, self.sender, self.recipients, b"".join(lines)))
        self.say(self.server.replies.get("CONTENT", "250 2.0.0 queued as 4711"))
