"""Name servers of a zone are asked themselves where that is wanted: for what they know, and for nothing else."""

from __future__ import annotations

import asyncio

from mailwatch.question import ANSWER, NXDOMAIN, Answer
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.test_resolver import ZONE, ask, name, texts


def test_a_name_server_is_asked_directly_without_recursion() -> None:
    async def run() -> tuple[Answer, bool]:
        async with Resolver([("127.0.0.1", 9)], 2.0, authoritative_port=one.address[1]) as asks:
            direct = asks.directly("127.0.0.1")
            return await direct.ask(name("example.com"), "TXT"), direct is asks.directly("127.0.0.1")

    with NameServer(ZONE, faults={".": "secure"}) as one:
        answer, same = asyncio.run(run())
    assert (answer.outcome, answer.authentic, same) == (ANSWER, None, True)
    assert [each.recursion for each in one.questions] == [False]


def test_who_only_asks_others_is_no_name_server_of_the_zone() -> None:
    async def run() -> Answer:
        async with Resolver([one.address], 2.0, authoritative_port=one.address[1]) as asks:
            assert (await asks.ask(name("example.com"), "TXT")).outcome == ANSWER
            return await asks.directly("127.0.0.1").ask(name("example.com"), "TXT")

    with NameServer(ZONE, faults={"*": "hearsay"}) as one:
        answer = asyncio.run(run())
    assert (
        answer.trouble == "no answer about TXT of example.com: 127.0.0.1 is no name server of this zone: it asks others"
    )


ELSEWHERE = """
example.com. 300 IN SOA ns.example.com. host.example.com. 1 2 3 4 120
example.com. 300 IN NS ns.example.com.
ns.example.com. 300 IN A 127.0.0.2
example.com. 300 IN TXT "seen by the resolver"
out.example.com. 300 IN CNAME target.example.org.
example.org. 300 IN SOA ns.example.org. host.example.org. 1 2 3 4 120
example.org. 300 IN NS ns.example.org.
ns.example.org. 300 IN A 127.0.0.3
lost.example. 300 IN SOA ns.lost.example. host.lost.example. 1 2 3 4 120
lost.example. 300 IN NS ns.lost.example.
"""
OWN = """
example.com. 300 IN SOA ns.example.com. host.example.com. 1 2 3 4 120
example.com. 300 IN TXT "seen by its own"
out.example.com. 300 IN CNAME target.example.org.
target.example.org. 300 IN TXT "not for this server to say"
"""
OTHER = (
    'example.org. 300 IN SOA ns.example.org. host.example.org. 1 2 3 4 120\ntarget.example.org. 300 IN TXT "target"\n'
)


def test_the_servers_of_each_zone_are_asked_where_that_is_wanted() -> None:
    questions = ("example.com TXT", "out.example.com TXT", "gone.example.com TXT", "x.lost.example A")
    with (
        NameServer(ELSEWHERE) as resolver,
        NameServer(OWN, host="127.0.0.2") as own,
        NameServer(OTHER, host="127.0.0.3", port=own.address[1]) as other,
    ):
        own_answer, out, gone, lost = ask(
            [resolver.address], *questions, authoritative=True, authoritative_port=own.address[1]
        )
    assert (texts(own_answer), own_answer.server) == (['"seen by its own"'], "127.0.0.2")
    assert (texts(out), out.server, [str(each) for each in out.aliases]) == (
        ['"target"'],
        "127.0.0.3",
        ["target.example.org."],
    )
    assert gone.outcome == NXDOMAIN
    assert lost.trouble == "no answer about A of x.lost.example: the name servers of lost.example have no address"
    assert not any(each.recursion for each in (*own.questions, *other.questions))
    assert len(resolver.asked) == len(set(resolver.asked))
