"""What this host says of itself: from a private Postfix's settings, from a log, from files of programs that sign."""

from __future__ import annotations

import os
import subprocess
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from mailwatch.checks.dns.facts import Selector
from mailwatch.checks.dns.names import name_of
from mailwatch.commands.dns_facts import Given, known
from mailwatch.facts import rspamd
from mailwatch.facts.resolving import name_servers
from mailwatch.facts.senders import senders
from mailwatch.facts.sending import INSIDE, bound, is_inside, sending
from mailwatch.facts.signing import selectors
from mailwatch.options import LogOptions, Options, PostfixOptions
from tests.parts import journal

if TYPE_CHECKING:
    from pathlib import Path

MASTER = "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n"
NOW = 1_800_000_000.0


def postfix(folder: Path, settings: str, services: str = MASTER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.cf").write_text(f"compatibility_level = 3.6\ninet_protocols = all\nrelayhost =\n{settings}\n")
    (folder / "master.cf").write_text(services)
    return folder


def options(folder: Path, settings: str = "", log: Path | None = None) -> Options:
    etc = postfix(folder / "etc", settings)
    return Options(postfix=PostfixOptions(config_dir=etc), log=LogOptions(path=log or folder / "no.log"))


@pytest.mark.parametrize(
    ("settings", "services", "expected"),
    [
        ("smtp_bind_address = 192.0.2.25", MASTER, [("192.0.2.25", "smtp_bind_address")]),
        ("smtp_bind_address = 192.0.2.25\nsmtp_bind_address6 = [2001:db8::25]", MASTER,
         [("192.0.2.25", "smtp_bind_address"), ("2001:db8::25", "smtp_bind_address6")]),
        ("smtp_bind_address = 192.0.2.25\nsmtp_bind_address6 = 2001:db8::25\ninet_protocols = ipv4", MASTER,
         [("192.0.2.25", "smtp_bind_address")]),
        ("smtp_bind_address = 192.0.2.25", "smtp unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.99\n",
         [("192.0.2.99", "smtp_bind_address")]),
        ("smtp_bind_address = 192.0.2.25\ndefault_transport = out:", MASTER + "out unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.98\n",
         [("192.0.2.98", "smtp_bind_address")]),
    ],
    ids=["bound", "bound in both families", "IPv4 only", "master.cf wins", "the transport's own"],
)  # fmt: skip
def test_mail_leaves_from_where_postfix_binds_to(
    tmp_path: Path, settings: str, services: str, expected: list[tuple[str, str]]
) -> None:
    found = sending(postfix(tmp_path, settings, services)).addresses
    assert [(str(each.address), each.origin) for each in found] == expected
    assert not any(each.guessed for each in found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"inet_interfaces": "192.0.2.26, 2001:db8::26"}, ["192.0.2.26", "2001:db8::26"]),
        ({"inet_interfaces": "192.0.2.26 192.0.2.27"}, []),
        ({"inet_interfaces": "127.0.0.1, 192.0.2.26"}, []),
        ({"inet_interfaces": "127.0.0.1, [::1]"}, []),
        ({"inet_interfaces": "all"}, []),
        ({"inet_interfaces": "192.0.2.26", "smtp_bind_address": "192.0.2.25"}, ["192.0.2.25"]),
    ],
    ids=["the one interface", "two: the kernel chooses", "one beside loopback", "loopback is not bound to", "all", "bound wins"],
)  # fmt: skip
def test_the_one_interface_of_a_family_is_bound_to(values: dict[str, str], expected: list[str]) -> None:
    """Postfix refuses interfaces that a machine has not got, so these are not asked of it."""
    assert [str(each.address) for each in bound(values)] == expected


def test_without_a_bound_address_the_kernel_is_asked_and_that_is_a_guess(tmp_path: Path) -> None:
    found = sending(postfix(tmp_path, "inet_interfaces = all"))
    assert all(each.guessed for each in (*found.addresses, *found.hidden))
    assert not any(is_inside(each.address) for each in found.addresses)


@pytest.mark.parametrize(
    "inside", ["10.1.2.3", "172.31.0.1", "192.168.1.2", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1"]
)
def test_a_private_address_is_not_where_mail_is_seen_from(tmp_path: Path, inside: str) -> None:
    name = "smtp_bind_address6" if ":" in inside else "smtp_bind_address"
    protocol = "ipv6" if ":" in inside else "ipv4"
    found = sending(postfix(tmp_path, f"{name} = {inside}\ninet_protocols = {protocol}"))
    assert found.addresses == ()
    assert [str(each.address) for each in found.hidden] == [inside]


def test_an_address_outside_is_not_taken_for_a_private_one() -> None:
    outside = ("11.0.0.1", "172.32.0.1", "192.0.2.25", "100.128.0.1", "203.0.113.7", "2001:db8::25", "2a00::1")
    assert not any(is_inside(ip_address(each)) for each in outside)
    assert len(INSIDE) == 11


@pytest.mark.parametrize(
    ("settings", "helo"),
    [
        ("myhostname = mx.example.com", "mx.example.com"),
        ("myhostname = mx.example.com\nsmtp_helo_name = out.$mydomain", "out.example.com"),
    ],
)
def test_the_name_in_helo_is_that_of_postfix(tmp_path: Path, settings: str, helo: str) -> None:
    found = sending(postfix(tmp_path, settings))
    assert found.helo is not None
    assert found.helo.text == helo


@pytest.mark.parametrize(
    ("settings", "relay", "origin"),
    [
        ("relayhost = [smtp.relay.example]:587", "smtp.relay.example", "relayhost"),
        ("default_transport = smtp:[smtp.relay.example]", "smtp.relay.example", "default_transport"),
        ("relayhost = [a.relay.example]\nsender_dependent_relayhost_maps = inline:{{@example.com=[b.relay.example]:587}}",
         "b.relay.example", "sender_dependent_relayhost_maps"),
        ("relayhost = [a.relay.example]\nsender_dependent_relayhost_maps = inline:{{@example.net=[b.relay.example]:587}}",
         "a.relay.example", "relayhost"),
        ("", None, None),
    ],
    ids=["relayhost", "transport", "by sender", "of another sender", "none"],
)  # fmt: skip
def test_the_relay_is_the_one_that_mail_of_this_domain_takes(
    tmp_path: Path, settings: str, relay: str | None, origin: str | None
) -> None:
    facts = known(name_of("example.com"), Given(), options(tmp_path, settings), NOW).facts
    assert (facts.relay and facts.relay.text, facts.relay and facts.relay.origin) == (relay, origin)
    assert facts.direct == (relay is None)
    assert not (relay and facts.addresses)


def test_options_replace_what_the_host_says(tmp_path: Path) -> None:
    said = "relayhost = [smtp.relay.example]\nsmtp_bind_address = 192.0.2.25\nmyhostname = mx.example.com"
    given = Given(ips=("198.51.100.7",), helo="out.example.net", mail_from="App <>"[4:], selectors=("s9",))
    facts = known(name_of("example.com"), given, options(tmp_path, said), NOW).facts
    assert [(str(each.address), each.origin) for each in facts.addresses] == [("198.51.100.7", "--ip")]
    assert (facts.relay, facts.direct) == (None, True)
    assert facts.helo is not None
    assert facts.helo.text == "out.example.net"
    assert facts.mail_from is not None
    assert facts.mail_from.text == ""
    assert [each.selector for each in facts.selectors] == ["s9"]


def test_a_given_selector_keeps_the_key_that_this_host_signs_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = (
        Selector(selector="s1", domain="example.com", origin="OpenDKIM", public_key=b"key"),
        Selector(selector="s2", domain="example.com", origin="OpenDKIM", public_key=b"other"),
    )
    monkeypatch.setattr("mailwatch.commands.dns_facts.selectors", lambda _: here)
    facts = known(name_of("example.com"), Given(selectors=("S1", "s9")), options(tmp_path, ""), NOW).facts
    assert [(each.selector, each.public_key) for each in facts.selectors] == [("S1", b"key"), ("s9", None)]


def test_without_postfix_nothing_is_guessed_and_the_options_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwatch.facts.sending.settings", lambda *_: None)
    there = known(name_of("example.com"), Given(), Options(log=LogOptions(path=tmp_path / "no")), NOW)
    assert (there.facts.addresses, there.facts.helo, there.facts.relay, there.facts.direct) == ((), None, None, False)
    said = " ".join(there.hints)
    assert "postconf is missing" in said
    assert all(each in said for each in ("--ip", "--relay", "--helo", "--selector"))


def test_a_postfix_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    wrong = Options(postfix=PostfixOptions(config_dir=tmp_path / "nowhere"), log=LogOptions(path=tmp_path / "no"))
    there = known(name_of("example.com"), Given(), wrong, NOW)
    assert there.facts.addresses == ()
    assert "nowhere" in there.hints[0]


def test_a_postfix_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "main.cf")  # nobody writes to it
    (tmp_path / "master.cf").touch()
    hanging = Options(postfix=PostfixOptions(config_dir=tmp_path), log=LogOptions(path=tmp_path / "no"))
    there = known(name_of("example.com"), Given(helo="mail.example.com"), hanging, NOW, seconds=0.5)
    assert there.facts.addresses == ()
    assert there.facts.helo is not None
    assert "not read within 0.5 s" in there.hints[0]


def queued(number: int, sender: str) -> str:
    return f"2026-11-22T06:22:{number % 60:02}.000001+00:00 mx postfix/qmgr[7]: {number:010X}: from=<{sender}>, size=312, nrcpt=1 (queue active)\n"


def test_senders_are_counted_by_message_most_first(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    sent = ["app@shop.example"] * 5 + ["News@Example.COM"] * 2 + [""] * 9
    lines = [queued(number, sender) for number, sender in enumerate(sent)]
    lines += [queued(0, "app@shop.example")] * 30  # tried again and again
    log.write_text("".join(lines))
    found = senders(options(tmp_path, log=log), None)
    assert [tuple(each) for each in found.senders] == [("shop.example", 5), ("example.com", 2)]
    assert found.origin == str(log)


def test_senders_are_read_from_the_journal_where_there_is_no_file(tmp_path: Path) -> None:
    journal.write(tmp_path / "system.journal", 0, 30)
    journal.write(tmp_path / "system.journal", 30, 40, facility="3")
    chosen = Options(log=LogOptions(source="journal", journal_dir=tmp_path))
    found = senders(chosen, None)
    assert [tuple(each) for each in found.senders] == [("b.example", 30)]
    assert found.origin == f"the systemd journal in {tmp_path}"


@pytest.mark.parametrize(("script", "said"), [("exit 4", "exit code 4"), ("sleep 60", "did not answer within")])
def test_a_journalctl_that_fails_or_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    program = journal.program(tmp_path, f"exec {script}" if script.startswith("sleep") else script)
    monkeypatch.setattr("mailwatch.facts.senders.journalctl", lambda: program)
    monkeypatch.setattr("mailwatch.facts.senders.DEADLINE", 0.5)
    found = senders(Options(log=LogOptions(source="journal", journal_dir=tmp_path)), None)
    assert found.senders == ()
    assert said in str(found.trouble)


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "mail.log").mkdir()
    there = known(name_of("example.com"), Given(), options(tmp_path, log=tmp_path / "mail.log"), NOW)
    assert there.facts.senders == ()
    assert f"Who sends from here is not known: cannot read {tmp_path / 'mail.log'}" in there.hints[-1]


def test_of_a_long_log_the_newest_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.facts.senders.NEWEST", 2000)
    log = tmp_path / "mail.log"
    log.write_text(
        "".join(queued(n, "a@old.example") for n in range(100))
        + "".join(queued(n, "a@new.example") for n in range(100, 110))
    )
    found = {each.domain: each.messages for each in senders(options(tmp_path, log=log), None).senders}
    assert found["new.example"] == 10
    assert found.get("old.example", 0) < 10


@pytest.mark.parametrize(
    ("sent", "mail_from"),
    [
        (["a@bounce.example.com"] * 3 + ["a@example.com"], "example.com"),
        (["a@bounce.example.com"] * 3 + ["a@news.example.com"], "bounce.example.com"),
        (["a@example.net"], "web.example.com"),
        ([], "web.example.com"),
    ],
    ids=["the domain itself, if it sends", "the one below it that sends most", "another domain: Postfix's own", "none"],
)
def test_the_envelope_sender_is_one_that_is_seen(tmp_path: Path, sent: list[str], mail_from: str) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(queued(number, sender) for number, sender in enumerate(sent)))
    facts = known(name_of("example.com"), Given(), options(tmp_path, "myorigin = web.example.com", log), NOW).facts
    assert facts.mail_from is not None
    assert facts.mail_from.text == mail_from


def key(path: Path) -> bytes:
    """Make a private key; its public half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", str(path)], check=True, capture_output=True)
    return subprocess.run(
        ["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_opendkim_with_one_key(tmp_path: Path) -> None:
    public = key(tmp_path / "etc/dkimkeys/s1.private")
    write(
        tmp_path,
        "etc/opendkim.conf",
        "# Domain old.example\nSyslog yes\nDomain\texample.com,example.net\nSelector  s1\nKeyFile /etc/dkimkeys/s1.private\n",
    )
    (found,) = selectors("example.com", tmp_path)
    assert (found.selector, found.domain, found.origin) == ("s1", "example.com", "opendkim.conf")
    assert found.public_key == public


def test_opendkim_with_tables_tells_the_keys_that_a_sender_leads_to(tmp_path: Path) -> None:
    public = key(tmp_path / "etc/dkimkeys/new")
    write(
        tmp_path,
        "etc/opendkim.conf",
        "KeyTable refile:/etc/opendkim/keys\nSigningTable refile:/etc/opendkim/signing\nSelector unused\n",
    )
    write(
        tmp_path,
        "etc/opendkim/keys",
        "new example.com:s2026:/etc/dkimkeys/new\nold example.com:s2019:/etc/dkimkeys/old\nall %:s3:/etc/dkimkeys/none\nbad\n",
    )
    write(tmp_path, "etc/opendkim/signing", "# *@example.com old\n*@example.com new\n* all\n")
    found = {each.selector: each for each in selectors("example.com", tmp_path)}
    assert set(found) == {"s2026", "s3"}
    assert found["s2026"].public_key == public
    assert found["s3"].public_key is None
    assert "No such file" in found["s3"].origin


RSPAMD = """
# a comment { with a brace
enabled = true; /* selector = "no"; */
selector = "s1";  # as everywhere
path: "/var/keys/$domain.$selector.key"
sign_headers = '(o)from:(o)sender';
domain {
  example.com {
    selectors [
      { path: "/var/keys/a.key"; selector: "a" },
      { path = /var/keys/b.key
        selector = b }
    ]
  }
  "example.net" { selector = "net"; }
}
"""


def test_rspamd_is_read_with_its_sections_and_lists(tmp_path: Path) -> None:
    public = key(tmp_path / "var/keys/a.key")
    write(tmp_path, "etc/rspamd/local.d/dkim_signing.conf", RSPAMD)
    found = {each.selector: each for each in selectors("example.com", tmp_path)}
    assert set(found) == {"a", "b"}
    assert found["a"].public_key == public
    assert [each.selector for each in selectors("example.net", tmp_path)] == ["net"]


def test_rspamd_signs_a_domain_without_a_section_where_its_key_lies(tmp_path: Path) -> None:
    write(tmp_path, "etc/rspamd/local.d/dkim_signing.conf", RSPAMD)
    assert selectors("shop.example", tmp_path) == []
    public = key(tmp_path / "var/keys/shop.example.s1.key")
    (found,) = selectors("shop.example", tmp_path)
    assert (found.selector, found.public_key) == ("s1", public)


def test_rspamd_as_installed_signs_with_a_key_at_the_default_place(tmp_path: Path) -> None:
    (tmp_path / "etc/rspamd").mkdir(parents=True)
    assert selectors("example.com", tmp_path) == []
    public = key(tmp_path / "var/lib/rspamd/dkim/example.com.dkim.key")
    (found,) = selectors("example.com", tmp_path)
    assert (found.selector, found.public_key, found.origin) == ("dkim", public, "rspamd's default")


def test_amavis_is_read_where_it_is_plain(tmp_path: Path) -> None:
    key(tmp_path / "var/lib/dkim/a.pem")
    write(
        tmp_path,
        "etc/amavis/conf.d/50-user",
        "use strict;\n$enable_dkim_signing = 1;\ndkim_key('example.com', \"am1\", '/var/lib/dkim/a.pem');\n#dkim_key('example.com','no','/x');\n1;\n",
    )
    (found,) = selectors("example.com", tmp_path)
    assert (found.selector, found.origin) == ("am1", "amavis's dkim_key")
    assert found.public_key is not None


def test_selectors_of_other_domains_are_left_out_those_below_and_above_are_not(tmp_path: Path) -> None:
    write(tmp_path, "etc/opendkim.conf", "KeyTable /etc/keys\n")
    write(
        tmp_path,
        "etc/keys",
        "1 example.com:up:/x\n2 a.b.example.com:down:/x\n3 notexample.com:no:/x\n4 example.net:no2:/x\n",
    )
    assert [each.selector for each in selectors("b.example.com", tmp_path)] == ["up", "down"]
    assert [each.selector for each in selectors("c.example.com", tmp_path)] == ["up"]
    assert {each.selector for each in selectors("example.com", tmp_path)} == {"up", "down"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no private key"),
        (b"\0\xff" * 100, "no private key"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n", "no private key"),
    ],
    ids=["empty", "bytes", "encrypted"],
)
def test_a_key_that_is_none_is_a_selector_without_key(tmp_path: Path, content: bytes, said: str) -> None:
    write(tmp_path, "etc/opendkim.conf", "Domain example.com\nSelector s1\nKeyFile /k\n")
    (tmp_path / "k").write_bytes(content)
    (found,) = selectors("example.com", tmp_path)
    assert found.public_key is None
    assert said in found.origin


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, "domain {" * 5000, "}" * 5000, "a " * 50000, "[" * 100 + "x", '"' * 9999, "/*" * 9999, "a = {b = [c, {d = e}]", "domain = x; domain { y { selector = z } }", "domain { y = 1 }", "\0\ufffd", "domain [ { selector = a } ]", "selector { a = b }"],
    ids=range(13),
)  # fmt: skip
def test_no_settings_of_rspamd_raise_anything(tmp_path: Path, text: str) -> None:
    assert isinstance(rspamd.read(text), dict)
    write(tmp_path, "etc/rspamd/local.d/dkim_signing.conf", text)
    assert isinstance(selectors("example.com", tmp_path), list)


def test_a_fifo_or_a_folder_instead_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    write(tmp_path, "etc/opendkim.conf", "KeyTable /etc/keys\nSelector s1\nDomain example.com\nKeyFile /etc/dir\n")
    os.mkfifo(tmp_path / "etc/keys")
    (tmp_path / "etc/rspamd/local.d/dkim_signing.conf").mkdir(parents=True)
    (tmp_path / "etc/dir").mkdir()
    (found,) = selectors("example.com", tmp_path)
    assert (found.selector, found.public_key) == ("s1", None)
    os.mkfifo(tmp_path / "etc/key")
    write(tmp_path, "etc/opendkim.conf", "Selector s1\nDomain example.com\nKeyFile /etc/key\n")
    (found,) = selectors("example.com", tmp_path)
    assert found.public_key is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# nameserver 192.0.2.1\nsearch example.com\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 # ours\n", ["192.0.2.53", "2001:db8::53"]),
        ("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 9)), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("nameserver resolver.example\nnameserver\noptions edns0\n", ["127.0.0.1"]),
        (None, ["127.0.0.1"]),
    ],
    ids=["two", "too many", "none that is an address", "no file"],
)  # fmt: skip
def test_the_name_servers_of_this_host(tmp_path: Path, text: str | None, expected: list[str]) -> None:
    if text is not None:
        (tmp_path / "resolv.conf").write_text(text)
    assert name_servers(tmp_path / "resolv.conf") == tuple((each, 53) for each in expected)
