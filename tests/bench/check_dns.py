"""What it takes to check a domain, beside checkdmarc, where every answer takes 20 ms: one zone, one name server, turn about.

The zone has an SPF record of ten lookups, DMARC, DKIM, and lists of senders of spam. Each side runs in a process of its
own, which tells how long it took after its imports; the name server runs in a third and counts what it was asked.
checkdmarc puts its questions about DS to the system's resolver, whatever it is given: where that is not there they fail
at once, in its favour. It is not installed with the tests (27 packages): without it, only our own figures are told.

    .venv/bin/pip install checkdmarc        (for the comparison)
    python -m tests.bench.check_dns [--rounds 5]
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import importlib.util
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure, show
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

DELAY: Final = 0.020
BAR, SHARE_BAR, IMPORT_BAR = 0.35, 0.25, 0.2
PROVIDERS: Final = 8
OURS: Final = """
import asyncio, sys, time
import mailwatch.commands.check_dns
from mailwatch.examination import examine
from mailwatch.resolver import Resolver
from tests.test_zones import facts_of

async def examined():
    port = int(sys.argv[1])
    async with Resolver(servers=(("127.0.0.1", port),), deadline=10.0, authoritative_port=port) as asks:
        return await examine(asks, facts_of({}))

begun = time.perf_counter()
found = asyncio.run(examined())
assert not [each for several in found.values() for each in several if each.verdict == "unknown"], found
print(time.perf_counter() - begun)
"""
THEIRS: Final = """
import sys, time
import checkdmarc, dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], int(sys.argv[1])
begun = time.perf_counter()
checkdmarc.check_domains(["example.com"], resolver=resolver)
print(time.perf_counter() - begun)
"""
IMPORTS: Final = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def zone() -> str:
    """The healthy zone, with an SPF record that includes eight others, and mail by two hosts."""
    lines = [
        line
        for file in sorted((Path(__file__).parent.parent / "zones").glob("*.zone"))
        for line in file.read_text().splitlines()
        if not line.startswith('example.com. 300 IN TXT "v=spf1')
    ]
    included = " ".join(f"include:_s{number}.example.com" for number in range(PROVIDERS))
    lines += [f'example.com. 300 IN TXT "v=spf1 a mx {included} ip4:192.0.2.25 ip6:2001:db8::25 -all"']
    lines += [
        f'_s{number}.example.com. 300 IN TXT "v=spf1 ip4:198.51.100.{number} -all"' for number in range(PROVIDERS)
    ]
    return "\n".join(lines)


def serve(line: Connection) -> None:
    """Answer until told to end; how many questions there were is told each time it is asked for."""
    port = None
    with NameServer(zone(), delay=DELAY) as server:
        port = server.address[1]
        with NameServer(zone(), delay=DELAY, host="127.0.0.2", port=port) as second:
            line.send(port)
            while line.recv():
                line.send(len(server.asked) + len(second.asked))


def run(program: str, *words: str) -> float:
    """The seconds that a program tells at the end."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=True, stdout=subprocess.PIPE, text=True, timeout=120
    )
    return float(done.stdout.split()[-1])


def measure(rounds: int) -> list[Figure]:
    """The figures of so many rounds."""
    line, far = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(far,))
    server.start()
    port = str(line.recv())
    programs = {"ours": OURS, "checkdmarc": THEIRS}
    if importlib.util.find_spec("checkdmarc") is None:
        del programs["checkdmarc"]
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    questions: dict[str, int] = {}
    asked = 0
    for _ in range(rounds):
        for name, program in programs.items():
            seconds[name].append(run(program, port))
            line.send(True)
            now = line.recv()
            questions[name], asked = now - asked, now
    line.send(False)
    server.join(20)
    return figures({name: median(each) for name, each in seconds.items()}, questions)


def figures(seconds: dict[str, float], questions: dict[str, int]) -> list[Figure]:
    """What was measured, against its bars."""
    ours = seconds["ours"]
    found = [
        Figure(
            what=f"check-dns, {questions['ours']} questions of 20 ms",
            measured=f"{ours:.3f} s",
            bar=f"{BAR} s",
            passed=ours <= BAR,
        )
    ]
    if "checkdmarc" in seconds:
        share = ours / seconds["checkdmarc"]
        found += [
            Figure(what=f"checkdmarc, {questions['checkdmarc']} questions", measured=f"{seconds['checkdmarc']:.3f} s"),
            Figure(what="share of it", measured=f"{share:.2f}", bar=f"{SHARE_BAR}", passed=share <= SHARE_BAR),
        ]
    # as pip installs it: this may be a checkout whose bytecode nobody wrote
    compileall.compile_dir(Path(importlib.import_module("mailwatch").__path__[0]), quiet=2)
    taken = min(run(IMPORTS.format("import mailwatch.commands.check_dns")) for _ in range(5))
    found.append(Figure(what="import", measured=f"{taken:.3f} s", bar=f"{IMPORT_BAR} s", passed=taken <= IMPORT_BAR))
    return found


def main() -> int:
    """Measure; 1 when a bar was missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=5)
    begun = time.monotonic()
    code = show(measure(asked.parse_args().rounds))
    print(f"\n{time.monotonic() - begun:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
