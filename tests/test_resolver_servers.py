"""Whom to ask is read from resolv.conf, or what a person names; a mistake is said with what to write instead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels import lookups
from mailwatch.channels.lookups import CannotTell, Lookups
from mailwatch.resolver import Chosen, NoResolver, named, of_system
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from pathlib import Path

    from dns.name import Name

FILE = """# made by hand
; so was this
options edns0 trust-ad timeout:1
search example.org
nameserver 192.0.2.53   # no comment in truth
nameserver
nameserver nonsense
\tnameserver fe80::1%lo
nameserver 2001:db8::53
nameserver 192.0.2.54
search example.com ..  example.net
"""


def test_the_resolvers_of_the_system(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(FILE)
    found = of_system(file)
    assert found.servers == (("192.0.2.53", 53), ("fe80::1%lo", 53), ("2001:db8::53", 53))
    assert [str(each) for each in found.search] == ["example.com.", "example.net."]
    assert not found.authoritative


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read .*: No such file or directory"), (b"", "names no resolver"), (b"\xff\x00" * 100_000, "names no resolver")],
    ids=["no file", "empty", "not a text"],
)  # fmt: skip
def test_a_system_without_resolver_is_told_what_to_do(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "resolv.conf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NoResolver, match=rf"{said}.*--resolver ADDRESS"):
        of_system(file)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        (" 192.0.2.53:5353 ", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:65535", ("2001:db8::53", 65535)),
    ],
)
def test_a_resolver_that_is_named(text: str, server: tuple[str, int]) -> None:
    assert named(text) == Chosen(servers=(server,))


def test_authoritative_takes_the_resolvers_of_the_system(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.53\n")
    assert named("Authoritative", file) == Chosen(servers=(("192.0.2.53", 53),), authoritative=True)


@pytest.mark.parametrize("text", ["", "dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536", "192.0.2.53:x", "[::1", "[]", "[]:53", ":53", "192.0.2.53:\u0663", "192.0.2.53:0000000000053"])  # fmt: skip
def test_what_names_no_resolver_is_said(text: str) -> None:
    with pytest.raises(NoResolver, match=r"--resolver '.*': expected "):
        named(text)


def test_a_name_without_a_dot_is_looked_for_in_the_domains_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NameServer({("box.example.net", "A"): ["192.0.2.7"], ("mail.example", "A"): ["192.0.2.8"]}) as server:
        chosen = Chosen(servers=(server.address,), search=of_search(tmp_path))
        monkeypatch.setattr(lookups, "of_system", lambda: chosen)
        found = Lookups(time.monotonic() + 5, hosts=tmp_path / "none")
        assert found.addresses("box") == ("192.0.2.7",)
        assert found.addresses("mail.example") == ("192.0.2.8",)
    assert ("mail.example.example.net", "A") not in server.asked


def of_search(folder: Path) -> tuple[Name, ...]:
    (folder / "resolv.conf").write_text("search example.com example.net\nnameserver 192.0.2.1\n")
    return of_system(folder / "resolv.conf").search


def test_what_is_no_name_cannot_be_looked_up(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match=r"no answer about A of a\.\.b: not a name of the DNS"):
        Lookups(time.monotonic() + 5, ("127.0.0.1", 9), tmp_path / "none").addresses("a..b")
