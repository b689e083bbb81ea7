"""A record that breaks the rules of its kind is its bytes, and the others of the answer are what they are."""

from __future__ import annotations

import asyncio

import dns.name
import dns.rdata
from hypothesis import given
from hypothesis import strategies as some

from mailwatch.question import ANSWER, Answer
from mailwatch.resolver import Resolver
from mailwatch.resolver.message import Manner, accepted, question
from tests.parts.nameserver import NameServer

NAME = dns.name.from_text("_25._tcp.mail.example.com")
SHORT = b"\x03\x01\x01" + b"\xab" * 20
ZONE = f"""\
_25._tcp.mail.example.com. 300 IN TLSA \\# {len(SHORT)} {SHORT.hex()}
_25._tcp.mail.example.com. 300 IN TLSA 3 1 1 {"cd" * 32}
_25._tcp.mail.example.com. 300 IN TXT "unharmed"
"""


def asked(kind: str) -> Answer:
    async def run(server: NameServer) -> Answer:
        async with Resolver((server.address,), 5.0) as asks:
            return await asks.ask(NAME, kind)

    with NameServer(ZONE) as server:
        return asyncio.run(run(server))


def test_the_other_records_are_there_and_the_bad_one_is_its_bytes() -> None:
    answer = asked("TLSA")
    assert answer.outcome == ANSWER
    assert {each.to_wire() for each in answer.records} == {SHORT, b"\x03\x01\x01" + b"\xcd" * 32}
    assert answer.ttl == 300


def test_another_kind_at_the_same_name_is_unharmed() -> None:
    (record,) = asked("TXT").records
    assert record == dns.rdata.from_text("IN", "TXT", '"unharmed"')


ASKED = question(NAME, dns.rdatatype.TLSA, Manner(recurse=True))
QUESTION = ASKED.to_wire()[12:].split(b"\x00\x00\x29")[0]
HEAD = ASKED.id.to_bytes(2, "big") + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + QUESTION


@given(some.binary(max_size=80), some.integers(0, 100))
def test_whatever_follows_the_question_nothing_is_raised(octets: bytes, length: int) -> None:
    record = b"\xc0\x0c\x00\x34\x00\x01\x00\x00\x01\x2c" + length.to_bytes(2, "big") + octets
    message = accepted(HEAD + record, ASKED)
    assert message is None or (length <= len(octets) and message.question == ASKED.question)
    accepted(HEAD + octets, ASKED)
