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
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailwatch.web.config import Secret

WAITING_OF_A_NETWORK: Final = 8
WAITING: Final = 64
REMEMBERED: Final = 64
BCRYPT_READS: Final = 72
"""Bytes of a password that bcrypt looks at; newer versions of the library refuse longer ones."""
NOBODY: Final = "$2b${:02}$abcdefghijklmnopqrstuu..............................."


class TooMany(Exception):  # noqa: N818 - it says what there is
    """Too many passwords wait to be checked."""


class Checks:
    """One password is checked at a time; networks take turns."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "passwords")

    async def check(self, password: bytes, hashed: bytes, network: str) -> bool:
        """Whether a password has this hash. Raises TooMany."""
        await self._turn(network)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, is_right, password, hashed)
        finally:
            self._next()

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

    def __init__(self, users: Mapping[str, Secret], checks: Checks) -> None:
        self._hashes = {name.encode(): each.reveal().encode() for name, each in users.items()}
        costs = sorted({each.split(b"$")[2] for each in self._hashes.values()})
        self._nobodies = [NOBODY.format(int(cost)).encode() for cost in costs]
        self._checks = checks
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def allow(self, authorization: str, address: str) -> bool:
        """Whether this Authorization header has a user's name and the right password. Raises TooMany."""
        given = credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = hmac.digest(self._key, b"%d %b %b" % (len(user), user, password), hashlib.sha256)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        hashed = self._hashes.get(user)
        right = await self._checks.check(password, hashed or self._nobody(user), network_of(address))
        if hashed is None or not right:
            return False
        self._right[digest] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _nobody(self, user: bytes) -> bytes:
        """A hash that no password has, as costly as a user's: the same one each time, so that it does not stand out."""
        return self._nobodies[hmac.digest(self._key, user, hashlib.sha256)[0] % len(self._nobodies)]


def is_right(password: bytes, hashed: bytes) -> bool:
    """Whether a password has this hash; in a thread, because it takes a tenth of a second."""
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
