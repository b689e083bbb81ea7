"""Four outcomes are kept apart, whatever a name server does; each question is asked once, and all end by the deadline."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import time
from typing import TYPE_CHECKING, Any

import dns.message
import dns.name
import dns.rdatatype
import pytest

from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN, UNKNOWN, Answer
from mailwatch.resolver import Resolver
from mailwatch.resolver.message import Manner, accepted, failure, question
from mailwatch.resolver.reading import read
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENDS = 1893456000  # 20300101000000
SIGNATURE = "8 2 300 20300101000000 20200101000000 1234 example.com. AAAA"
ZONE = (
    f"""
example.com. 3600 IN SOA ns.example.com. host.example.com. (1 7200 900 1209600 120)
example.com. 300 IN NS ns.example.com.
example.com. 300 IN TXT "v=spf1 -all"
example.com. 300 IN TXT "another"
example.com. 300 IN RRSIG TXT {SIGNATURE}
bogus.example.com. 300 IN RRSIG TXT {SIGNATURE}
ns.example.com. 300 IN A 127.0.0.1
*.wild.example.com. 300 IN TXT "wild"
there.wild.example.com. 300 IN A 192.0.2.1
alias.example.com. 60 IN CNAME example.com.
second.example.com. 600 IN CNAME alias.example.com.
dangling.example.com. 600 IN CNAME gone.example.com.
empty.example.com. 600 IN CNAME between.example.com.
a.between.example.com. 300 IN TXT "below"
to-failing.example.com. 300 IN CNAME servfail.example.com.
to-silent.example.com. 300 IN CNAME silent.example.com.
one.example.com. 300 IN CNAME two.example.com.
two.example.com. 300 IN CNAME one.example.com.
self.example.com. 300 IN CNAME self.example.com.
long.example.com. 300 IN TXT "{'" "'.join(["x" * 250] * 8)}"
nottl.example.com. 0 IN TXT "x"
"""
    + "".join(f"c{n}.example.com. 300 IN CNAME c{n + 1}.example.com.\n" for n in range(12))
    + 'c12.example.com. 300 IN TXT "end"\n'
)
FAULTS = ["servfail", "refused", "silent", "truncated", "truncated-udp", "garbage", "wrong-id", "wrong-question", "slow:0.2", "formerr-edns", "loop", "lame", "bogus", "oversized", "spoofed", "transient", "referral", "helpless", "ede:7:expired", "ede:22:nobody"]  # fmt: skip


def place(fault: str) -> str:
    return f"{fault.replace(':', '-').replace('.', '-')}.example.com"


def name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def ask(servers: Sequence[tuple[str, int]], *questions: str, deadline: float = 2.0, **more: Any) -> list[Answer]:
    """The answers to ``NAME KIND``, all put at once."""

    async def run() -> list[Answer]:
        async with Resolver(servers, deadline, **more) as asks:
            pairs = [each.split() for each in questions]
            for owner, kind in pairs:
                asks.soon(name(owner), kind)
            return [await asks.ask(name(owner), kind) for owner, kind in pairs]

    return asyncio.run(run())


def server(**more: Any) -> NameServer:
    zone = ZONE + "".join(f'{place(fault)}. 300 IN TXT "ok"\n' for fault in FAULTS)
    return NameServer(zone, **{"faults": {place(fault): fault for fault in FAULTS}, **more})


def texts(answer: Answer) -> list[str]:
    return [str(each) for each in answer.records]


OUTCOMES: dict[str, tuple[str, str, list[str], str, list[str], int | None]] = {
    "records": ("example.com TXT", ANSWER, ['"another"', '"v=spf1 -all"'], "example.com.", [], 300),
    "in capitals": ("EXAMPLE.com TXT", ANSWER, ['"another"', '"v=spf1 -all"'], "example.com.", [], 300),
    "nothing of this kind": ("example.com MX", NO_DATA, [], "example.com.", [], 120),
    "no such name": ("gone.example.com TXT", NXDOMAIN, [], "gone.example.com.", [], 120),
    "a name between": ("between.example.com TXT", NO_DATA, [], "between.example.com.", [], 120),
    "below a wildcard": ("x.wild.example.com TXT", ANSWER, ['"wild"'], "x.wild.example.com.", [], 300),
    "beside a wildcard": ("there.wild.example.com TXT", NO_DATA, [], "there.wild.example.com.", [], 120),
    "an alias": ("alias.example.com TXT", ANSWER, ['"another"', '"v=spf1 -all"'], "example.com.", ["example.com."], 60),
    "two aliases": ("second.example.com TXT", ANSWER, ['"another"', '"v=spf1 -all"'], "example.com.", ["alias.example.com.", "example.com."], 60),
    "the alias itself": ("alias.example.com CNAME", ANSWER, ["example.com."], "alias.example.com.", [], 60),
    "an alias for nothing": ("dangling.example.com TXT", NXDOMAIN, [], "gone.example.com.", ["gone.example.com."], 120),
    "an alias for a name without data": ("empty.example.com TXT", NO_DATA, [], "between.example.com.", ["between.example.com."], 120),
    "not to be remembered": ("nottl.example.com TXT", ANSWER, ['"x"'], "nottl.example.com.", [], 0),
    "eight aliases": ("c4.example.com TXT", ANSWER, ['"end"'], "c12.example.com.", [f"c{n}.example.com." for n in range(5, 13)], 300),
    "cut short by UDP": ("truncated-udp.example.com TXT", ANSWER, ['"ok"'], "truncated-udp.example.com.", [], 300),
    "too long for UDP": ("long.example.com TXT", ANSWER, [" ".join([f'"{"x" * 250}"'] * 8)], "long.example.com.", [], 300),
    "slow": ("slow-0-2.example.com TXT", ANSWER, ['"ok"'], "slow-0-2.example.com.", [], 300),
    "FORMERR to EDNS": ("formerr-edns.example.com TXT", ANSWER, ['"ok"'], "formerr-edns.example.com.", [], 300),
    "more than was asked for": ("oversized.example.com TXT", ANSWER, ['"ok"'], "oversized.example.com.", [], 300),
    "messages of others before it": ("spoofed.example.com TXT", ANSWER, ['"ok"'], "spoofed.example.com.", [], 300),
    "a failure that passes": ("transient.example.com TXT", ANSWER, ['"ok"'], "transient.example.com.", [], 300),
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "outcome", "records", "canonical", "aliases", "ttl"), OUTCOMES.values(), ids=OUTCOMES
)
def test_what_is_answered(
    question: str, outcome: str, records: list[str], canonical: str, aliases: list[str], ttl: int
) -> None:
    with server() as one:
        (answer,) = ask([one.address], question)
    assert (answer.outcome, texts(answer), answer.trouble) == (outcome, records, None)
    assert str(answer.canonical).lower() == canonical
    assert [str(each) for each in answer.aliases] == aliases
    assert (answer.ttl, answer.server, answer.bogus) == (ttl, "127.0.0.1", False)


TROUBLES = {
    "servfail": "127.0.0.1 answered SERVFAIL",
    "refused": "127.0.0.1 answered REFUSED",
    "lame": "127.0.0.1 answered REFUSED",
    "silent": "127.0.0.1 did not answer",
    "garbage": "127.0.0.1 sent what is no answer",
    "wrong-id": "127.0.0.1 sent what is no answer",
    "wrong-question": "127.0.0.1 sent what is no answer",
    "truncated": "127.0.0.1 ended the connection by TCP without an answer",
    "bogus": "127.0.0.1 answered SERVFAIL: DNSSEC of example.com is broken",
    "ede-7-expired": "127.0.0.1 answered SERVFAIL (signature expired: expired)",
    "ede-22-nobody": "127.0.0.1 answered SERVFAIL (no reachable authority: nobody)",
    "helpless": "127.0.0.1 does not ask other servers for us",
    "referral": "127.0.0.1 refers to other name servers",
    "to-silent": "127.0.0.1 answered SERVFAIL",
    "to-failing": "127.0.0.1 answered SERVFAIL",
    "one": "an alias leads back to one.example.com",
    "self": "an alias leads back to self.example.com",
    "loop": "an alias leads back to loop.example.com",
    "c0": "more than 8 aliases follow one another",
}


@pytest.mark.parametrize(("label", "trouble"), TROUBLES.items(), ids=TROUBLES)
def test_who_does_not_answer_is_named_and_nothing_is_said_of_the_name(label: str, trouble: str) -> None:
    with server() as one:
        (answer,) = ask([one.address], f"{label}.example.com TXT", deadline=1.2)
    assert (answer.outcome, answer.records) == (UNKNOWN, ())
    assert answer.trouble == f"no answer about TXT of {label}.example.com: {trouble}"
    assert answer.bogus == (label == "bogus")


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent", "garbage", "wrong-id", "truncated", "lame"])
def test_the_second_server_answers_where_the_first_does_not(fault: str) -> None:
    with NameServer(ZONE, faults={"*": fault}) as first, NameServer(ZONE) as second:
        (answer,) = ask([first.address, second.address], "example.com TXT", deadline=1.2)
    assert (answer.outcome, len(answer.records)) == (ANSWER, 2)
    assert ("example.com", "TXT") in first.asked


def test_a_server_that_was_silent_comes_last_from_then_on() -> None:
    async def run() -> None:
        async with Resolver([first.address, second.address], 4.0, patience=0.2) as asks:
            await asks.ask(name("example.com"), "TXT")
            await asks.ask(name("example.com"), "MX")

    with NameServer(ZONE, faults={"*": "silent"}) as first, NameServer(ZONE) as second:
        asyncio.run(run())
    assert ("example.com", "MX") not in first.asked
    assert ("example.com", "MX") in second.asked


def test_a_port_nobody_listens_at_is_said() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    (answer,) = ask([("127.0.0.1", port)], "example.com TXT")
    assert answer.trouble == "no answer about TXT of example.com: no name server is listening at 127.0.0.1"


def test_a_question_is_asked_once_however_often_it_is_put() -> None:
    async def run() -> None:
        async with Resolver([one.address], 2.0) as asks:
            await asyncio.gather(*(asks.ask(name("example.com"), "TXT") for _ in range(20)))
            await asks.ask(name("Example.COM"), "txt")
            await asks.ask(name("alias.example.com"), "TXT")

    with NameServer(ZONE, delay=0.02) as one:
        asyncio.run(run())
    assert one.asked.count(("example.com", "TXT")) == 1


def test_questions_are_under_way_together_but_not_too_many() -> None:
    with NameServer(ZONE, delay=0.3) as one:
        answers = ask([one.address], *(f"n{number}.example.com A" for number in range(150)), deadline=8)
    assert {each.outcome for each in answers} == {NXDOMAIN}
    assert one.most_at_once == 64


def test_whoever_waits_may_go_without_ending_the_question_for_others() -> None:
    async def run() -> Answer:
        async with Resolver([one.address], 2.0) as asks:
            waiting = asyncio.ensure_future(asks.ask(name("example.com"), "TXT"))
            await asyncio.sleep(0)
            waiting.cancel()
            return await asks.ask(name("example.com"), "TXT")

    with NameServer(ZONE, delay=0.05) as one:
        assert asyncio.run(run()).outcome == ANSWER


@pytest.fixture(autouse=True)
def nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task whose failure nobody has seen, and no bug that was logged."""
    yield
    gc.collect()
    assert [record.getMessage() for record in (*caplog.get_records("call"), *caplog.get_records("teardown"))] == []


def test_the_deadline_holds_for_two_hundred_questions_nobody_answers() -> None:
    begun = time.monotonic()
    with NameServer("", faults={"*": "silent"}) as one:
        answers = ask([one.address], *(f"n{number}.example.com A" for number in range(200)), deadline=0.5, patience=5)
    assert time.monotonic() - begun < 4
    assert {each.outcome for each in answers} == {UNKNOWN}
    troubles = [each.trouble or "" for each in answers]
    assert all(each.endswith("no time was left") for each in troubles)
    sent = sum("127.0.0.1 did not answer; no time was left" in each for each in troubles)
    assert 0 < sent <= 64  # all others were never sent


def test_an_answer_is_not_held_up_by_a_root_zone_nobody_answers_for() -> None:
    with NameServer(ZONE, faults={".": "silent"}) as one:
        found, gone = ask([one.address], "example.com TXT", "gone.example.com TXT", deadline=1.2)
    assert (found.outcome, found.authentic, gone.outcome) == (ANSWER, None, NXDOMAIN)
    with NameServer(ZONE, faults={".": "silent"}) as one:
        answers = ask([one.address], "example.com TXT", "gone.example.com TXT", deadline=0.7, patience=5)
    assert [(each.outcome, each.authentic) for each in answers] == [(ANSWER, None), (NXDOMAIN, None)]


def test_nothing_is_asked_after_the_deadline_or_the_end() -> None:
    async def run() -> tuple[Answer, Answer]:
        async with Resolver([one.address], 0.0) as asks:
            late = await asks.ask(name("example.com"), "TXT")
        return late, await asks.ask(name("example.org"), "TXT")

    with NameServer(ZONE) as one:
        late, ended = asyncio.run(run())
    assert late.trouble == "no answer about TXT of example.com: no time was left"
    assert ended.outcome == UNKNOWN
    assert one.asked == []


def test_leaving_ends_what_is_under_way() -> None:
    async def run() -> set[asyncio.Task[Any]]:
        async with Resolver([one.address], 30.0) as asks:
            for number in range(100):
                asks.soon(name(f"n{number}.example.com"), "A")
            await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    begun = time.monotonic()
    with NameServer("", faults={"*": "silent"}) as one:
        assert asyncio.run(run()) == set()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("faults", "question", "authentic"),
    [
        ({"example.com": "secure"}, "example.com TXT", True),
        ({"example.com": "secure"}, "gone.example.com TXT", True),
        ({".": "secure"}, "example.com TXT", False),
        ({}, "example.com TXT", None),
    ],
    ids=["checked", "checked not to be there", "not checked by one who does", "by one who never says so"],
)
def test_authentic_is_what_the_resolver_has_checked(
    faults: dict[str, str], question: str, authentic: bool | None
) -> None:
    with NameServer(ZONE, faults=faults) as one:
        (answer,) = ask([one.address], question)
    assert answer.authentic is authentic


def test_signatures_and_when_the_first_of_them_ends() -> None:
    with NameServer(ZONE) as one:
        signed, unsigned = ask([one.address], "example.com TXT", "x.wild.example.com TXT")
    assert (signed.signed, signed.signed_until) == (True, ENDS)
    assert (unsigned.signed, unsigned.signed_until) == (False, None)


def test_without_dnssec_nothing_about_it_is_asked() -> None:
    with server() as one:
        (answer, broken) = ask([one.address], "example.com TXT", "bogus.example.com TXT", dnssec=False)
    assert (answer.signed, answer.authentic, broken.bogus) == (False, None, False)
    assert set(one.asked) == {("example.com", "TXT"), ("bogus.example.com", "TXT")}


def test_the_last_try_by_tcp_is_with_one_that_has_not_failed() -> None:
    with NameServer(ZONE, faults={"*": "refused"}) as first, NameServer(ZONE, faults={"*": "silent"}) as second:
        ask([first.address, second.address], "example.com TXT", dnssec=False, deadline=0.8)
    assert [each.how for each in first.questions] == ["udp"]
    assert [each.how for each in second.questions] == ["udp", "tcp"]


def test_bytes_of_any_kind_are_an_answer_or_none() -> None:
    """Messages with bytes of theirs turned: whatever passes is read, and nothing raises."""
    asked = question(name("alias.example.com"), dns.rdatatype.TXT, Manner(recurse=True))
    right = NameServer(ZONE)._right(dns.message.from_wire(asked.to_wire())).to_wire()
    chosen = random.Random(4242)
    outcomes = set()
    for _ in range(3000):
        wire = bytearray(right[: chosen.choice([len(right)] * 3 + [chosen.randrange(3, len(right))])])
        for _ in range(chosen.randrange(1, 4)):
            wire[chosen.randrange(2, len(wire))] = chosen.randrange(256)
        message = accepted(bytes(wire), asked)
        if message is not None:
            failure(message)
            outcomes.add(read(message, name("alias.example.com"), dns.rdatatype.TXT).outcome)
    assert {ANSWER, NO_DATA, NXDOMAIN} <= outcomes


def test_where_an_answer_ends_in_an_alias_its_target_is_asked_about() -> None:
    with NameServer(ZONE, faults={"second.example.com": "partial", "alias.example.com": "partial"}) as one:
        found, gone = ask([one.address], "second.example.com TXT", "dangling.example.com TXT")
    assert (len(found.records), found.ttl) == (2, 60)
    assert [str(each) for each in found.aliases] == ["alias.example.com.", "example.com."]
    assert gone.outcome == NXDOMAIN
    assert {("alias.example.com", "TXT"), ("example.com", "TXT")} < set(one.asked)
