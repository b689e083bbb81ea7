"""Where mail goes through, asked of a real Postfix's postconf and postmap."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailwatch.cause import RECIPIENT, RELAY
from mailwatch.commands.judging import networks_of, site_of
from mailwatch.commands.routes import addresses, hosts, maps, relays_of
from mailwatch.discovery import Log, ask_postconf
from mailwatch.options import Options, PostfixOptions

if TYPE_CHECKING:
    from pathlib import Path

    from mailwatch.cause import Relays
    from mailwatch.discovery import Postfix


def asked(folder: Path, *settings: str) -> Postfix:
    (folder / "main.cf").write_text("compatibility_level = 3.6\n" + "".join(f"{each}\n" for each in settings))
    (folder / "master.cf").touch()
    found = ask_postconf(folder)
    assert found is not None
    return found


def relays(folder: Path, *settings: str) -> Relays:
    options = Options(postfix=PostfixOptions(config_dir=folder, relays=("Extra.example",)))
    return relays_of(options, asked(folder, *settings), look_up=False)


def test_a_relayhost_gets_all_mail_and_the_fallback_is_a_relay_too(tmp_path: Path) -> None:
    found = relays(tmp_path, "relayhost = [smtp.example]:587", "smtp_fallback_relay = backup.example, [192.0.2.9]:2525")
    assert found.hosts == {"smtp.example", "backup.example", "192.0.2.9", "extra.example"}
    assert found.all_mail


def test_senders_with_relays_of_their_own(tmp_path: Path) -> None:
    table = tmp_path / "relays"
    table.write_text("@shop.example [mailout.example]:587\nnews@shop.example bulk.example\n")
    found = relays(tmp_path, f"sender_dependent_relayhost_maps = texthash:{table}")
    assert found.hosts == {"mailout.example", "bulk.example", "extra.example"}
    assert not found.all_mail
    assert found.side("mailout.example", None) == RELAY
    assert found.side("mx.example", "192.0.2.1") == RECIPIENT


@pytest.mark.parametrize(
    ("transports", "named", "everything"),
    [
        ("inline:{ {a.example = smtp:[store.example]:24}, b.example=lmtp:unix:private/dovecot }", {"store.example"}, True),
        ("inline:{ {a.example = smtp:[2001:db8::7]} }", {"2001:db8::7"}, True),
        ("inline:{ {a.example = error:5.1.1 closed, sorry} }", set(), True),
        ("inline:{ {a.example = smtp:} }", set(), False),
        ("regexp:{{/^a/ smtp:[x.example]}}", set(), False),
        ("", set(), True),
    ],
)  # fmt: skip
def test_transports_are_relays_and_what_is_not_known_is_no_relay(
    tmp_path: Path, transports: str, named: set[str], everything: bool
) -> None:
    found = relays(tmp_path, "relayhost = [smtp.example]", f"transport_maps = {transports}")
    assert set(found.hosts) - {"smtp.example", "extra.example"} == named
    assert found.all_mail is everything


def test_networks_of_clients_that_should_be_served(tmp_path: Path) -> None:
    found = networks_of(asked(tmp_path, "mynetworks = 127.0.0.0/8 198.51.100.0/24 [2001:db8::]/32 !192.0.2.1 hash:/x"))
    assert {str(each) for each in found} >= {"127.0.0.0/8", "198.51.100.0/24", "2001:db8::/32", "10.0.0.0/8"}


def test_words_that_name_no_host_are_none() -> None:
    assert list(hosts(["", "[]", "unix:private/x", "a b", "[smtp.example.]:submission"])) == ["smtp.example"]


def test_a_setting_is_split_into_its_tables() -> None:
    assert maps("hash:/a, inline:{ {a = b, c}, d=e},\tregexp:/x ") == [
        "hash:/a", "inline:{ {a = b, c}, d=e}", "regexp:/x",
    ]  # fmt: skip


def test_a_relay_is_known_by_its_addresses_too() -> None:
    assert addresses({"localhost", "192.0.2.7"}) >= {"127.0.0.1", "192.0.2.7"}


@pytest.mark.parametrize(
    ("kind", "has_postconf", "interval", "looked_at"),
    [
        ("file", True, 60, True),
        ("journal", True, 60, True),
        ("file", True, 0, False),
        ("file", False, 60, False),
        ("stdin", True, 60, False),
    ],
)
def test_postfix_is_looked_at_where_it_is_and_not_where_only_its_log_is(
    monkeypatch: pytest.MonkeyPatch, kind: str, has_postconf: bool, interval: int, looked_at: bool
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/sbin/{name}" if has_postconf else None)
    options = replace(Options(), queue=replace(Options().queue, interval=interval))
    assert site_of(options, None, Log(kind=kind), {}).looked_at is looked_at
