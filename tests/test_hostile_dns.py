"""What strangers publish costs ``mailwatch check-dns`` little time and memory, breaks nothing, and is never called well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts.hostile import MEMORY, Done, HostileServer, check_dns, from_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dns.name import Name

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
    assert done.memory < MEMORY
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
    "2500 includes in 60 KB": (lambda _: [spf((f"include:i{n}.example.com" for n in range(2500)), 60000)], "spf-unknown"),
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
    "bytes that are no text": (lambda _: [b"v=spf1 " + bytes(range(256)) * 31], "spf-syntax"),
}


@pytest.mark.parametrize("case", SPF)
def test_a_hostile_spf_record_costs_little(case: str, tmp_path: Path) -> None:
    records, code = SPF[case]
    done = checked(from_zone(HEALTHY, TXT=records), tmp_path, "spf")
    assert code in done.codes
    assert "spf-ok" not in done.codes
