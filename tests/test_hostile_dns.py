"""What strangers publish costs ``mailwatch check-dns`` little time and memory, breaks nothing, and is never called well."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import dns.name
import pytest

from mailwatch.checks.dns import DNS
from mailwatch.checks.dns.facts import Facts
from mailwatch.examination import bounded, examine, hurried
from mailwatch.facts.sending import relay_in, stated
from mailwatch.facts.signing import selectors
from mailwatch.finding import ERROR, WARNING, Finding
from mailwatch.question import NXDOMAIN
from mailwatch.resolver import Resolver
from tests.parts.hostile import Done, HostileServer, check_dns, from_zone
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dns.name import Name

    from mailwatch.question import Answer, Page
    from tests.parts.hostile import Answers

HEALTHY = (Path(__file__).parent / "zones" / "healthy.zone").read_text()


def checked(answers: Answers, folder: Path, *only: str) -> Done:
    """The command, as JSON, against such a server."""
    with HostileServer(answers) as server:
        host, port = server.address
        words = ["--json", "--ip=192.0.2.25", "--helo=mail.example.com", "--selector=s1", f"--resolver={host}:{port}"]
        words += [f"--only={','.join(only)}"] if only else []
        done = check_dns(*words, "example.com", folder=folder)
    assert done.code in range(4), done.err[-2000:]
    assert "bug in mailwatch" not in done.err + done.out.decode()
    assert "Traceback" not in done.err
    assert len(done.out) < 1 << 19  # of twice as much the agent takes none for a report
    json.loads(done.out)
    return done


def spf(terms: Iterable[str], length: int = 8185) -> bytes:
    """A record of as many terms as there is room for."""
    text = "v=spf1"
    for each in terms:
        if len(text) + len(each) > length:
            break
        text += f" {each}"
    return f"{text} -all".encode()


def tree(name: Name) -> list[bytes]:
    """Nine includes of names that nobody has asked for yet, and hundreds of networks."""
    key = abs(hash(name)) % 65536
    includes = [f"include:{number}.{key:x}.example.org" for number in range(9)]
    return [spf([*includes, *(f"ip6:{number * 97:x}:{key:x}::/32" for number in range(600))])]


SPF: dict[str, tuple[Callable[[Name], list[bytes]], str]] = {
    "2500 includes in 60 KB": (
        lambda _: [spf((f"include:i{n}.example.com" for n in range(2500)), 60000)],
        "spf-unknown",
    ),
    "includes that all include each other": (
        lambda _: [spf(f"include:i{n}.example.com" for n in range(400))],
        "spf-too-many-lookups",
    ),
    "a tree of thousands of networks": (tree, "spf-too-many-lookups"),
    "one include, hundreds of times": (
        lambda name: [
            spf(["include:b.example.com"] * 300)
            if name.labels[0] == b"example"
            else spf(f"ip4:{n % 256}.{n // 256}.0.0/16" for n in range(600))
        ],
        "spf-duplicate",
    ),
    "thousands of modifiers": (lambda _: [spf(["a=b"] * 2000)], "spf-doubtful"),
}


@pytest.mark.parametrize("case", SPF)
def test_a_hostile_spf_record_costs_little(case: str, tmp_path: Path) -> None:
    records, code = SPF[case]
    done = checked(from_zone(HEALTHY, TXT=records), tmp_path, "spf")
    assert code in done.codes
    assert "spf-ok" not in done.codes


ZONE = """
example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 1 1800 900 604800 300
example.com. 300 IN A 192.0.2.1
"""
INSIDE = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1")
INSIDE6 = ("::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::")


@pytest.mark.parametrize("address", [*INSIDE, *INSIDE6])
def test_no_page_is_fetched_from_where_a_stranger_must_not_send_us(address: str) -> None:
    kind = "AAAA" if ":" in address else "A"

    async def fetched(server: NameServer) -> Page:
        async with Resolver([server.address], 3.0) as asks:
            return await asks.page("https://mta-sts.example.com/policy")

    with NameServer(f"{ZONE}mta-sts.example.com. 300 IN {kind} {address}\n") as server:
        page = asyncio.run(fetched(server))
    assert page.status is None
    assert "is not asked" in (page.trouble or "")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "255.255.255.255", "::1", "::ffff:127.0.0.1"])
def test_no_name_server_is_asked_where_a_stranger_must_not_send_us(address: str) -> None:
    async def answer() -> Answer:
        async with Resolver([("127.0.0.1", 9)], 3.0) as asks:
            return await asks.directly(address).ask(dns.name.from_text("example.com"), "SOA")

    assert "is not asked" in (asyncio.run(answer()).trouble or "")


def test_silent_name_servers_of_a_domain_hold_up_no_other_question() -> None:
    async def outcomes(resolver: NameServer, silent: NameServer) -> list[str]:
        async with Resolver([resolver.address], 6.0, authoritative_port=silent.address[1], patience=1.5) as asks:
            for number in range(2, 54):
                for kind in ("SOA", "MX", "TXT"):
                    asks.directly(f"127.0.0.{number}").soon(dns.name.from_text("example.com"), kind)
            return [(await asks.ask(dns.name.from_text(f"a{number}.example.com"), "A")).outcome for number in range(8)]

    with NameServer(ZONE) as resolver, NameServer(host="0.0.0.0", faults={"*": "silent"}) as silent:
        assert set(asyncio.run(outcomes(resolver, silent))) == {NXDOMAIN}


@pytest.mark.parametrize(
    "words",
    [
        ("--resolver=:53",),
        ("--resolver=53",),
        ("--resolver=127.1",),
        ("--resolver=[::1",),
        ("--resolver=fe80::1%\x1b[2J",),
        ("--ip=fe80::1%\x1b[2J",),
        ("--ip=" + "1" * 5000,),
        ("--deadline=nan",),
        ("--only=,",),
        ("--config=\u202e\x1b[2J",),
        ("--selector=a\nb",),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_says_so(words: tuple[str, ...], tmp_path: Path) -> None:
    done = check_dns(*words, "example.com", folder=tmp_path)
    *usage, line = done.err.splitlines()
    assert (done.code, done.out) == (3, b"")
    assert line.startswith(("mailwatch: ", "Error: "))
    assert not [each for each in usage if each and not each.startswith(("Usage: ", "Try "))]
    assert line.isprintable()
    assert "bug" not in line
    assert len(line) < 400


def test_settings_that_are_no_names_of_hosts_are_not_repeated() -> None:
    values = {"smtp_helo_name": "a" * 3_000_000, "relayhost": f"[{'b' * 3_000_000}]"}
    assert stated(values, "smtp_helo_name") is None
    assert relay_in(values) is None


def test_what_cannot_be_a_key_is_neither_read_nor_repeated(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    settings = tmp_path / "etc" / "opendkim.conf"
    settings.write_text(f"Domain example.com\nSelector {'s' * 200_000}\nKeyFile /key\n")
    assert selectors("example.com", tmp_path) == []
    settings.write_text("Domain example.com\nSelector s1\nKeyFile /key\n")
    (tmp_path / "key").write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + b"A" * (1 << 20))
    (found,) = selectors("example.com", tmp_path)
    assert found.public_key is None
    assert "too large for a private key" in found.origin


def test_a_check_that_computes_for_ever_is_ended_and_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(*_: object) -> list[Finding]:
        while True:
            pass

    async def findings() -> dict[str, list[Finding]]:
        async with Resolver([("127.0.0.1", 9)], 1.0) as asks:
            facts = Facts(domain=dns.name.from_text("example.com"), now=0.0, nonce="nobody")
            return await examine(asks, facts, only={"mx", "caa", "senders"})

    monkeypatch.setitem(DNS, "mx", endless)
    monkeypatch.setitem(DNS, "caa", endless)
    with hurried(0.05):
        found = asyncio.run(findings())
    assert [each.code for name in ("mx", "caa") for each in found[name]] == ["mx-not-checked", "caa-not-checked"]
    assert "took too long" in found["mx"][0].text
    assert [each.code for each in found["senders"]] == ["senders-not-applicable"]


def test_of_many_findings_the_worst_are_told_with_lines_that_are_whole() -> None:
    mild = [Finding(check="mx", code="mx-odd", verdict=WARNING, text="x" * 9000, record="y" * 9000) for _ in range(99)]
    bad = Finding(check="mx", code="mx-bad", verdict=ERROR, text="Bad.", publish="z" * 90_000)
    told = bounded([*mild, bad])
    assert told[-1].code == "mx-bad"
    assert told[-1].publish is None
    assert "80 more findings" in told[-1].text
    assert sum(len(each.text + each.fix + (each.record or "")) for each in told) < 100_000
