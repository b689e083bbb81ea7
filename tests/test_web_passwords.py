"""Passwords: how they are read, who takes turns, what is remembered, and an end that waits for none of them."""

from __future__ import annotations

import asyncio
import base64
import time

import bcrypt
import pytest

from mailwatch.web.config import Secret
from mailwatch.web.passwords import Checks, Ending, Passwords, TooMany, credentials, is_checking, network_of
from tests.parts.ports import eventually

PASSWORD = "PLANTED correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
COSTLY = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(14)).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", None),
        ("Basic", None),
        ("Bearer abc", None),
        ("Basic ???", None),
        ("Basic " + base64.b64encode(b"nocolon").decode(), None),
        ("Basic " + base64.b64encode(b"a:b:c").decode(), (b"a", b"b:c")),
        ("bAsIc  " + base64.b64encode(b":").decode(), (b"", b"")),
        ("Basic " + base64.b64encode("ü:\xff\0".encode("latin-1")).decode(), (b"\xfc", b"\xff\0")),
    ],
)
def test_an_authorization_is_read(header: str, found: tuple[bytes, bytes] | None) -> None:
    assert credentials(header) == found


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("fe80::1%eth0", "fe80::/64"), ("", "")],
)
def test_a_network_is_what_one_client_can_easily_have(address: str, network: str) -> None:
    assert network_of(address) == network


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_an_unknown_user_takes_as_long_as_a_known_one() -> None:
    passwords = Passwords({"scraper": Secret(HASH)})

    checks = Checks()

    async def seconds(user: str) -> float:
        begin = time.process_time()
        assert not await passwords.allow(basic(user, "wrong"), "192.0.2.1", checks)
        return time.process_time() - begin

    async def both() -> tuple[float, float]:
        return min([await seconds("scraper") for _ in range(5)]), min([await seconds("nobody") for _ in range(5)])

    known, unknown = asyncio.run(both())
    assert 0.5 < unknown / known < 2


def test_what_was_right_is_remembered_and_what_was_wrong_is_not() -> None:
    passwords = Passwords({"scraper": Secret(HASH)})

    checks = Checks()

    async def seconds(password: str, *, right: bool) -> float:
        begin = time.process_time()
        assert await passwords.allow(basic("scraper", password), "192.0.2.1", checks) == right
        return time.process_time() - begin

    async def ask() -> None:
        first = await seconds(PASSWORD, right=True)
        assert await seconds(PASSWORD, right=True) < first / 5
        assert await seconds("wrong", right=False) > first / 5
        assert await seconds("wrong", right=False) > first / 5
        assert await seconds(PASSWORD + "\0" + "x" * 100, right=False) > first / 5

    asyncio.run(ask())


def test_networks_take_turns_and_each_may_wait_with_a_few() -> None:
    checks = Checks()
    order = []

    async def check(network: str) -> None:
        await checks.check(b"wrong", HASH.encode(), network)
        order.append(network)

    async def ask() -> None:
        waiting = [asyncio.create_task(check("flood")) for _ in range(9)]
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await checks.check(b"wrong", HASH.encode(), "flood")
        waiting.append(asyncio.create_task(check("scraper")))
        await asyncio.gather(*waiting)

    asyncio.run(ask())
    assert order.index("scraper") == 2


def test_when_the_page_ends_nobody_waits_for_a_check() -> None:
    checks = Checks()

    async def ask() -> list[BaseException | bool]:
        waiting = [asyncio.create_task(checks.check(b"wrong", COSTLY.encode(), f"{number}")) for number in range(3)]
        await asyncio.sleep(0.05)
        checks.close()
        begin = time.monotonic()
        found = await asyncio.gather(*waiting, checks.check(b"late", COSTLY.encode(), "late"), return_exceptions=True)
        assert time.monotonic() - begin < 0.2
        assert is_checking()
        return found

    assert [type(each) for each in asyncio.run(ask())] == [Ending] * 4
    eventually(lambda: not is_checking(), within=10, what="the thread has ended")


def test_a_check_that_fails_is_told_and_the_next_one_has_its_turn() -> None:
    checks = Checks()

    async def ask() -> list[BaseException | bool]:
        wrong: bytes = None  # type: ignore[assignment]  # what bcrypt does not take
        waiting = [checks.check(wrong, HASH.encode(), "a"), checks.check(PASSWORD.encode(), HASH.encode(), "b")]
        return await asyncio.gather(*waiting, return_exceptions=True)

    failed, right = asyncio.run(ask())
    assert isinstance(failed, TypeError)
    assert right is True
