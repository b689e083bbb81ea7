"""Sends a question to one server, by UDP or TCP, and waits for its answer, for a limited time.

Promises
    Each question has a source port of its own. The socket is connected: what others send is never seen. An answer to
    another question is ignored, and waiting goes on.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from mailwatch.resolver.message import accepted

if TYPE_CHECKING:
    from dns.message import Message

    Server = tuple[str, int]

NO_REPLY: Final = "did not answer"
"""What is said of a server that does not."""
LARGEST_DATAGRAM: Final = 4096
"""Three times what is asked for; a longer one is cut, and no message then."""


class NoReply(Exception):  # noqa: N818 - its own state
    """A server did not answer; the text says which, and how it went."""


async def by_udp(server: Server, asked: Message, patience: float) -> Message:
    """The answer of a server, by ``patience`` (seconds). Raises NoReply."""
    loop = asyncio.get_running_loop()
    strange = False
    try:
        with _socket(server, socket.SOCK_DGRAM) as line:
            async with asyncio.timeout(patience):
                await loop.sock_connect(line, server)
                await loop.sock_sendall(line, asked.to_wire())
                while True:
                    message = accepted(await loop.sock_recv(line, LARGEST_DATAGRAM), asked)
                    if message is not None:
                        return message
                    strange = True
    except OSError as error:  # TimeoutError is one
        raise NoReply(_why(server, error, strange=strange)) from error


async def by_tcp(server: Server, asked: Message, patience: float) -> Message:
    """The same by TCP (RFC 7766): the only answer on a connection of its own."""
    loop = asyncio.get_running_loop()
    wire = asked.to_wire()
    try:
        with _socket(server, socket.SOCK_STREAM) as line:
            async with asyncio.timeout(patience):
                await loop.sock_connect(line, server)
                await loop.sock_sendall(line, struct.pack("!H", len(wire)) + wire)
                (length,) = struct.unpack("!H", await _exactly(line, 2))
                message = accepted(await _exactly(line, length), asked)
    except EOFError as error:
        raise NoReply(f"{server[0]} ended the connection by TCP without an answer") from error
    except OSError as error:
        raise NoReply(_why(server, error, strange=False)) from error
    if message is None:
        raise NoReply(f"{server[0]} sent what is no answer")
    return message


def _socket(server: Server, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, kind)
    made.settimeout(0)
    return made


async def _exactly(line: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = await asyncio.get_running_loop().sock_recv(line, length - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def _why(server: Server, error: OSError, *, strange: bool) -> str:
    if isinstance(error, TimeoutError) or error.errno is None:
        return f"{server[0]} sent what is no answer" if strange else f"{server[0]} {NO_REPLY}"
    if error.errno == errno.ECONNREFUSED:
        return f"no name server is listening at {server[0]}"
    return f"{server[0]} cannot be reached: {os.strerror(error.errno)}"
