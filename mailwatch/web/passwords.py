"""Checks passwords against bcrypt hashes beside the event loop: one at a time, and networks take turns.

Promises
    An unknown user takes as long as one that is known. What was right once is remembered for as long as the users stay
    the same, as a keyed digest that is of no use to anybody else: a known scraper is let in during a flood of wrong
    passwords. So is a new one, from another network than the flood.

How it fails
    A scraper that was not let in before and shares its network with a flood may be told to come again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.web.config import Secret

WAITING_OF_A_NETWORK: Final = 8
WAITING: Final = 64
REMEMBERED: Final = 64
BCRYPT_READS: Final = 72
"""Bytes of a password that bcrypt looks at; newer versions of the library refuse longer ones."""
THREAD: Final = "password"
NOBODY: Final = "$2b${:02}$abcdefghijklmnopqrstuu..............................."


class TooMany(Exception):  # noqa: N818 - it says what there is
    """Too many passwords wait to be checked."""


class Ending(Exception):  # noqa: N818 - it says what happens
    """The page ends: no password is checked any more."""


class Checks:
    """One password is checked at a time; networks take turns. Each event loop of a page has its own."""

    def __init__(self) -> None:
        self._busy = False
        self._closed = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._answer: asyncio.Future[bool] | None = None

    async def check(self, password: bytes, hashed: bytes, network: str) -> bool:
        """Whether a password has this hash. Raises TooMany, and Ending."""
        if self._closed:
            raise Ending
        await self._turn(network)
        try:
            if self._closed:
                raise Ending
            self._answer = begin_check(password, hashed)
            return await self._answer
        finally:
            self._answer = None
            self._next()

    def close(self) -> None:
        """End every check, because the page ends; the one that is under way runs on for nobody."""
        self._closed = True
        waiting = [turn for turns in self._waiting.values() for turn in turns]
        for each in (*waiting, self._answer):
            if each is not None and not each.done():
                each.set_exception(Ending())
        self._waiting.clear()

    async def _turn(self, network: str) -> None:
        if not self._busy:
            self._busy = True
            return
        waiting = self._waiting.get(network, ())
        if len(waiting) >= WAITING_OF_A_NETWORK or sum(map(len, self._waiting.values())) >= WAITING:
            raise TooMany
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn had come
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            network, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[network] = turns
            if not turn.done():  # its client is still here
                turn.set_result(None)
                return
        self._busy = False


class Passwords:
    """The users of one web configuration."""

    def __init__(self, users: Mapping[str, Secret]) -> None:
        self._hashes = {name.encode(): each.reveal().encode() for name, each in users.items()}
        costs = sorted({each.split(b"$")[2] for each in self._hashes.values()})
        self._nobodies = [NOBODY.format(int(cost)).encode() for cost in costs]
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def allow(self, authorization: str, address: str, checks: Checks) -> bool:
        """Whether this Authorization header has a user's name and the right password. Raises TooMany, and Ending."""
        given = credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = hmac.digest(self._key, b"%d %b %b" % (len(user), user, password), hashlib.sha256)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        hashed = self._hashes.get(user)
        right = await checks.check(password, hashed or self._nobody(user), network_of(address))
        if hashed is None or not right:
            return False
        self._right[digest] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _nobody(self, user: bytes) -> bytes:
        """A hash that no password has, as costly as a user's: the same one each time, so that it does not stand out."""
        return self._nobodies[hmac.digest(self._key, user, hashlib.sha256)[0] % len(self._nobodies)]


def begin_check(password: bytes, hashed: bytes) -> asyncio.Future[bool]:
    """Whether a password has this hash, from a thread, because it takes a tenth of a second.

    Python waits for the threads of an executor when it ends, and nobody who stops the agent should.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def check() -> None:
        try:
            give = partial(answer.set_result, is_right(password, hashed))
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
            give = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if answer.done() else give())

    threading.Thread(target=check, name=THREAD, daemon=True).start()
    return answer


def is_checking() -> bool:
    """Whether a thread still checks a password, if only for nobody."""
    return any(each.name == THREAD for each in threading.enumerate())


def is_right(password: bytes, hashed: bytes) -> bool:
    """Whether a password has this hash."""
    import bcrypt  # noqa: PLC0415 - start-up time and memory, for the few who have passwords

    try:
        return bcrypt.checkpw(password[:BCRYPT_READS], hashed)
    except ValueError:  # older versions refuse NUL
        return False


def credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """User and password of an Authorization header; None when there are none in it."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def network_of(address: str) -> str:
    """What one client can easily have: an IPv4 address, a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))  # noqa: PLR2004
