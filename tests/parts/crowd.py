"""Clients that mean no good, in a process of their own: each kind by itself or all at once, until they are ended.

python -m tests.parts.crowd PORT [KIND ...]
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

GET = b"GET /metrics HTTP/1.1\r\nHost: mx.example.com\r\n\r\n"
Came = asyncio.Event
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int) -> Client:
    return await asyncio.open_connection("127.0.0.1", port)


async def silent(port: int, came: Came) -> None:
    """Connects and says nothing; comes back a second after it was dropped."""
    reader, _writer = await connected(port)
    came.set()
    await reader.read()
    await asyncio.sleep(1)


async def slow_reader(port: int, came: Came) -> None:
    """Asks and asks, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(0)
    loop = asyncio.get_running_loop()
    with client:
        await loop.sock_connect(client, ("127.0.0.1", port))
        while True:
            await loop.sock_sendall(client, GET)
            came.set()
            await asyncio.sleep(0.001)


async def slow_writer(port: int, came: Came) -> None:
    """Sends a byte of its request a second."""
    _reader, writer = await connected(port)
    for number in range(1000):
        writer.write(GET[number % 20 : number % 20 + 1] if number else b"G")
        await writer.drain()
        came.set()
        await asyncio.sleep(1)


async def long_path(port: int, came: Came) -> None:
    """Asks for a path of 10 000 characters."""
    await asked(port, came, b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 414")


async def huge_body(port: int, came: Came) -> None:
    """Announces more than any disk holds, and sends some of it."""
    start = b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n\r\n"
    await asked(port, came, start + b"x" * 1_000_000, b"")


async def garbage(port: int, came: Came) -> None:
    """Sends what is no HTTP."""
    await asked(port, came, b"\x16\x03" + random.randbytes(2000) + b"\r\n\r\n", b"HTTP/1.1 400")


async def asked(port: int, came: Came, request: bytes, expected: bytes) -> None:
    reader, writer = await connected(port)
    writer.write(request)
    answer = await reader.read(1000)
    assert answer.startswith(expected) or not answer, answer  # nothing when it was dropped to make room
    came.set()
    writer.close()
    await asyncio.sleep(0.01)


async def head(port: int, came: Came) -> None:
    """Asks for the head alone, again and again, over one connection."""
    reader, writer = await connected(port)
    while True:
        writer.write(b"HEAD" + GET[3:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        came.set()


async def sequential(port: int, came: Came) -> None:
    """Asks again as soon as it has its answer, without end, over one connection."""
    reader, writer = await connected(port)
    while True:
        writer.write(GET)
        start = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(start.lower().partition(b"content-length: ")[2].split()[0]))
        came.set()


async def pipelined(port: int, came: Came) -> None:
    """Asks without waiting for an answer, without end, and reads as fast as it can."""
    reader, writer = await connected(port)

    async def ask() -> None:
        while True:
            writer.write(GET * 50)
            await writer.drain()

    asking = asyncio.create_task(ask())
    try:
        while await reader.read(1 << 18):
            came.set()
    finally:
        asking.cancel()


async def reconnecting(port: int, came: Came) -> None:
    """Asks once over each connection, without end."""
    reader, writer = await connected(port)
    writer.write(GET[:-2] + b"Connection: close\r\n\r\n")
    await reader.read()
    came.set()
    writer.close()


def asks_until_dropped(client: socket.socket, within: float) -> bool:
    """Ask and never read; whether the connection was ended for that."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            client.sendall(GET)
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


KINDS: dict[str, tuple[int, Callable[[int, Came], Awaitable[None]]]] = {
    "silent": (300, silent),
    "slow-reader": (20, slow_reader),
    "slow-writer": (20, slow_writer),
    "long-path": (5, long_path),
    "huge-body": (2, huge_body),
    "garbage": (5, garbage),
    "head": (5, head),
    "sequential": (10, sequential),
    "pipelined": (5, pipelined),
}
ALONE = {**KINDS, "reconnecting": (4, reconnecting)}


async def again(port: int, came: Came, behave: Callable[[int, Came], Awaitable[None]]) -> None:
    """Behave so, and again when the connection was closed."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await behave(port, came)


async def crowd(port: int, kinds: list[str]) -> None:
    """All these kinds of clients at once; says ``ready`` when of each kind one has begun."""
    came = {kind: Came() for kind in kinds}
    tasks = [
        asyncio.create_task(again(port, came[kind], ALONE[kind][1])) for kind in kinds for _ in range(ALONE[kind][0])
    ]
    for event in came.values():
        await event.wait()
    print("ready", flush=True)
    await asyncio.gather(*tasks)


@contextlib.contextmanager
def hostile(port: int, *kinds: str) -> Iterator[None]:
    """These kinds of clients are there, all of them when none is named."""
    words = [sys.executable, "-m", "tests.parts.crowd", str(port), *(kinds or KINDS)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
            assert process.poll() is None, "the crowd ended by itself"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1]), sys.argv[2:] or list(KINDS)))
