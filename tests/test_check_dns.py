"""``mailwatch check-dns`` as a person uses it, against a real name server: what it says, how it ends, what it shows."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.name
import pytest

from mailwatch.checks.dns import DNS
from mailwatch.commands.check_dns import servers_of
from mailwatch.commands.dns_source import at_the_source
from mailwatch.finding import EXIT
from mailwatch.resolver import Resolver
from tests.parts.nameserver import NameServer
from tests.parts.ports import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HEALTHY = (Path(__file__).parent / "zones" / "healthy.zone").read_text()
BAD_MX = HEALTHY.replace("10 mail.example.com.", "10 gone.example.com.")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def healthy() -> Iterator[NameServer]:
    with NameServer(HEALTHY) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "mailwatch.toml"
    made.write_text(f'[postfix]\nconfig_dir = "{tmp_path}/nowhere"\n[log]\npath = "{tmp_path}/no.log"\n')
    return made


def resolver(server: NameServer) -> str:
    host, port = server.address
    return f"{host}:{port}"


def check_dns(*words: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailwatch", "check-dns", *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(environment or {})},
    )  # fmt: skip


def on_terminal(*words: str | Path, columns: int = 80, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """How it ends, and what a terminal so wide gets."""
    primary, secondary = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mailwatch", "check-dns", *map(str, words)],
        stdin=secondary, stdout=secondary, stderr=secondary,
        env={**kept, "TERM": "xterm", "COLUMNS": str(columns), "PYTHONUTF8": "1", **(environment or {})},
    )  # fmt: skip
    os.close(secondary)
    seen = b""
    while select.select([primary], [], [], 60)[0]:
        try:
            block = os.read(primary, 1 << 16)
        except OSError:  # the last one that had it open has closed it
            break
        if not block:
            break
        seen += block
    os.close(primary)
    return process.wait(60), seen.decode()


def told(server: NameServer, config: Path, *words: str) -> dict[str, Any]:
    done = check_dns("example.com", "--json", "--config", config, "--resolver", resolver(server), *words)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert done.returncode == EXIT[found["verdict"]]
    return found


def test_all_right_is_said_first_and_ends_with_0(healthy: NameServer, config: Path) -> None:
    done = check_dns(
        "example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx,ptr", "--ip", "192.0.2.25"
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["example.com: all right", "", "All checks"]
    assert "Do this first" not in lines
    shown = [line.split()[:2] for line in lines[3:] if re.match(r"  (mx|ptr) ", line)]
    assert shown == [[name, "ok"] for name in DNS if name in ("mx", "ptr")]
    assert "  sending from 192.0.2.25 (--ip)" in lines


def test_the_worst_comes_first_with_what_to_publish_and_ends_with_2(healthy: NameServer, config: Path) -> None:
    done = check_dns("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx,ptr",
                     "--ip", "192.0.2.99", "--helo", "mail.example.com")  # fmt: skip
    assert done.returncode == 2
    verdict, first, rest = done.stdout.partition("\n\n")[0], *done.stdout.split("\n\n")[1:3]
    assert verdict == "example.com: 1 error"
    assert first.startswith("Do this first\n  ptr        error    192.0.2.99 has no name (PTR)")
    assert "    publish  99.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.com.\n" in first
    assert "a change is seen everywhere after 5 min" in first
    assert rest.startswith("All checks\n")
    assert "\n  mx         ok " in rest
    assert "publish" not in rest


@pytest.mark.parametrize(
    ("zone", "faults", "words", "exit_code"),
    [
        (HEALTHY, {}, ["--only", "mx"], 0),
        (HEALTHY.replace("300 IN MX", "300 IN HINFO"), {}, ["--only", "mx"], 1),
        (HEALTHY, {}, ["--only", "mx,ptr", "--ip", "192.0.2.99"], 2),
        (HEALTHY, {"example.com. MX": "servfail"}, ["--only", "mx"], 3),
        (HEALTHY, {}, ["--only", "ptr", "--relay", "smtp.relay.example"], 0),
    ],
    ids=["right", "a warning", "an error", "nobody could tell", "not applicable"],
)
def test_the_exit_code_is_that_of_the_worst(
    config: Path, zone: str, faults: dict[str, str], words: list[str], exit_code: int
) -> None:
    zone = re.sub(r"(?m)^.* HINFO .*\n", "", zone)
    with NameServer(zone, faults=faults) as server:
        done = check_dns("example.com", "--config", config, "--resolver", resolver(server), *words)
    assert (done.returncode, done.stderr) == (exit_code, ""), done.stdout


def test_for_machines_it_is_one_object_without_what_is_absent(healthy: NameServer, config: Path) -> None:
    found = told(
        healthy, config, "--only", "mx,ptr", "--ip", "192.0.2.99", "--helo", "mail.example.com", "--selector", "s1"
    )
    assert (found["domain"], found["ip"], found["verdict"]) == ("example.com", "192.0.2.99", "error")
    assert {each["check"]: each["verdict"] for each in found["findings"]} == {"mx": "ok", "ptr": "error"}
    well, bad = sorted(found["findings"], key=lambda each: str(each["check"]))
    assert not {"fix", "publish"} & set(well)
    assert set(bad) >= {"check", "code", "verdict", "text", "where", "fix", "publish", "reference", "ttl"}
    assert found["facts"]["addresses"] == [{"address": "192.0.2.99", "origin": "--ip"}]
    assert found["facts"]["selectors"] == [{"selector": "s1", "domain": "example.com", "origin": "--selector"}]
    assert found["facts"]["direct"] is True
    assert "relay" not in found["facts"]
    assert not [each for each in (found, found["facts"], *found["findings"]) if None in each.values()]


def moved(tmp_path: Path) -> Path:
    """The site of README: it has moved to a new address, and its SPF record has not; the configuration."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/main.cf").write_text(
        "compatibility_level = 3.6\ninet_protocols = ipv4\nmyhostname = mail.example.com\nsmtp_bind_address = 192.0.2.25\n"
    )
    (tmp_path / "etc/master.cf").write_text("smtp unix - - n - - smtp\n")
    stamp = "2026-11-22T06:22:33+00:00 mx postfix/qmgr[7]"
    (tmp_path / "mail.log").write_text(
        "".join(
            f"{stamp}: 3C8F4228{n}: from=<app@example.com>, size=3, nrcpt=1 (queue active)\n" for n in range(100, 942)
        )
    )
    config = tmp_path / "mailwatch.toml"
    config.write_text(f'[postfix]\nconfig_dir = "{tmp_path}/etc"\n[log]\npath = "{tmp_path}/mail.log"\n')
    return config


def test_what_readme_shows_is_what_is_printed(tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    words, shown = re.findall(r"(?s)\n\$ mailwatch check-dns ([^\n]+)\n(.*?)\n```", readme)[0]
    zone = HEALTHY.replace(
        "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all", "v=spf1 ip4:192.0.2.80 include:_spf.example.net -all"
    )
    zone = zone.replace("p=reject", "p=none").replace(" 300 IN", " 3600 IN")
    zone += '_spf.example.net. 300 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"\nexample.net. 300 IN A 192.0.2.1\n'
    with NameServer(zone) as server:
        done = check_dns(*words.split(), "--config", moved(tmp_path), "--resolver", resolver(server))
    assert (done.returncode, done.stderr) == (2, "")
    # the log lies elsewhere here, and its path is wrapped
    printed, given = done.stdout.split("Taken as given\n")
    assert printed == shown.split("Taken as given\n")[0]
    assert given.split("\n")[:2] == shown.split("Taken as given\n")[1].split("\n")[:2]


def test_every_check_and_option_is_in_readme() -> None:
    section = (
        (Path(__file__).parent.parent / "README.md")
        .read_text()
        .partition("## May this server")[2]
        .partition("\n## ")[0]
    )
    rows = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
    for name in DNS:
        assert f"`{name.replace('_', '-')}`" in rows, name


def test_only_one_check_is_made(healthy: NameServer, config: Path) -> None:
    assert {each["check"] for each in told(healthy, config, "--only", "mx")["findings"]} == {"mx"}
    assert {each["check"] for each in told(healthy, config)["findings"]} == set(DNS)


LONG = ".".join(["a" * 60] * 5)
ODD = [
    ("[1.2.3.5]", "[1.2.3.5]: an address literal, not a domain. Give a domain, such as example.com"),
    ("192.0.2.1", "192.0.2.1: an IP address, not a domain. Give a domain, such as example.com"),
    ("2001:db8::1", "2001:db8::1: an IP address, not a domain. Give a domain, such as example.com"),
    ("user@example.com", "user@example.com: an e-mail address. Give a domain: meant example.com?"),
    ("https://example.com/x", "https://example.com/x: an address of the Web. Give a domain: meant example.com?"),
    ("example..com", "example..com: nothing stands between two dots, after label 1. Take out the dot, or put in what is missing"),
    (".example.com", ".example.com: nothing stands before the first dot. Take out the dot, or put in what is missing"),
    ("localhost", "localhost: a single label, without a dot, is no domain that others know. Give the whole name, such as example.com"),
    (LONG, f"{LONG[:80]}...: too long, a name has at most 253 characters"),
    ("", "nothing: no domain. Give one, such as example.com"),
    ("*.example.com", "*.example.com: a wildcard. Give a domain itself: meant example.com?"),
    ("exa mple.com", "exa mple.com: a blank in column 4. Give one domain, without blanks"),
    ("a\x1b[31m.example", "a\\x1b[31m.example: an invisible character in column 2. Type the name anew"),
    ("example.com:25", "example.com:25: a colon, as before a port. Give a domain: meant example.com?"),
]  # fmt: skip


@pytest.mark.parametrize(("domain", "said"), ODD, ids=[each[:20] or "empty" for each, _ in ODD])
def test_what_is_no_domain_is_told_in_one_line(config: Path, domain: str, said: str) -> None:
    done = check_dns("--config", config, "--", domain)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"mailwatch: {said}\n")


@pytest.mark.parametrize("domain", ["[1.2.3.5]", "example..com", "", LONG])
def test_for_machines_what_is_no_domain_is_an_object_too(config: Path, domain: str) -> None:
    """RFC 7208 section 4.3: of such a domain SPF says none."""
    done = check_dns("--json", "--config", config, "--", domain)
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["spf"]["result"]) == (3, "unknown", "none")
    assert found["mistake"] in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "spff,mx"], r"--only spff: no such check \(did you mean spf\?\)\. There are spf, "),
        (["--only", "ptrr"], r"--only ptrr: no such check \(did you mean ptr\?\)\. There are "),
        (["--only", "mta_st"], r"--only mta_st: no such check \(did you mean mta-sts\?\)\. There are "),
        (["--only", ","], "--only: no check is named. There are "),
        (["--ip", "192.0.2.300"], "--ip 192.0.2.300: no IP address. Give one such as "),
        (["--ip", "192.0.2.0/24"], "--ip 192.0.2.0/24: no IP address. "),
        (["--helo", "two words"], "--helo two words: no name. "),
        (["--helo", ""], "--helo '': no name. "),
        (["--mail-from", "user@"], "--mail-from user@: no domain stands behind the @. "),
        (["--mail-from", "user@exa mple.com"], "--mail-from exa mple.com: a blank in column 4"),
        (["--relay", "["], r"--relay \[: no host. "),
        (["--selector", "a..b"], r"--selector a..b: no selector. "),
        (["--selector", "x" * 64], "--selector x{64}: no selector. "),
        (["--resolver", "127.0.0.1:0"], "--resolver 127.0.0.1:0: no port from 1 to 65535 behind the colon"),
        (["--resolver", "127.0.0.1:dns"], "--resolver 127.0.0.1:dns: no port from 1 to 65535 behind the colon"),
        (["--config", "/nowhere/mailwatch.toml"], "cannot read /nowhere/mailwatch.toml: "),
    ],
)
def test_a_wrong_option_is_told_in_one_line_and_ends_with_3(words: list[str], said: str) -> None:
    done = check_dns("example.com", *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.match(f"mailwatch: {said}", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words", [[], ["example.com", "example.net"], ["example.com", "--wibble"], ["example.com", "--deadline", "0"]]
)
def test_a_mistyped_command_is_unknown_not_critical(words: list[str]) -> None:
    done = check_dns(*words)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(r"mailwatch: [^\n]+[.?] See \S.* check-dns --help\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("localhost:5353", ("127.0.0.1", 5353)),
    ],
)
def test_a_resolver_is_an_address_or_a_name_with_a_port_or_without(text: str, expected: tuple[str, int]) -> None:
    assert expected in servers_of(text)


def test_a_name_in_another_script_is_asked_for_as_browsers_do(config: Path) -> None:
    zone = HEALTHY.replace("example.com", "xn--bcher-kva.example")
    with NameServer(zone) as server:
        done = check_dns("B\u00fccher.example", "--config", config, "--resolver", resolver(server), "--only", "mx",
                         environment={"PYTHONUTF8": "1"})  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("xn--bcher-kva.example (b\u00fccher.example): all right\n")


def test_the_null_sender_is_shown(healthy: NameServer, config: Path) -> None:
    done = check_dns(
        "example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx", "--mail-from", ""
    )
    assert "  MAIL FROM    <> (--mail-from)" in done.stdout.splitlines()


def test_without_postfix_it_says_which_options_would_tell_more(healthy: NameServer, config: Path) -> None:
    done = check_dns("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx")
    said = done.stdout.replace("\n", " ")
    assert "sending from not known" in said
    assert "nowhere" in said
    assert all(each in said for each in ("--ip", "--relay", "--helo", "--selector"))


def test_facts_are_those_of_postfix_with_where_they_stand(healthy: NameServer, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = mail.example.com\nsmtp_bind_address = 192.0.2.25\ninet_protocols = ipv4\n"
    )
    (tmp_path / "etc/master.cf").write_text("smtp unix - - n - - smtp\n")
    log = tmp_path / "mail.log"
    log.write_text(
        "2026-11-22T06:22:33+00:00 mx postfix/qmgr[7]: 3C8F4228CD3: from=<app@example.com>, size=3, nrcpt=1 (queue active)\n"
    )
    config = tmp_path / "mailwatch.toml"
    config.write_text(f'[postfix]\nconfig_dir = "{tmp_path}/etc"\n[log]\npath = "{log}"\n')
    done = check_dns("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx,ptr,helo")
    assert (done.returncode, done.stderr) == (0, "")
    given = done.stdout.partition("Taken as given\n")[2].split("\n\n")[0]
    assert "  sending from 192.0.2.25 (smtp_bind_address)\n" in given
    assert "  HELO         mail.example.com (smtp_helo_name)\n" in given
    facts = told(healthy, config, "--only", "mx")["facts"]
    assert facts["mail_from"] == {"text": "example.com", "origin": str(log)}
    assert facts["senders"] == [{"domain": "example.com", "origin": f"1 message in {log}"}]


def behind_nat(tmp_path: Path, helo: str) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/main.cf").write_text(
        f"compatibility_level = 3.6\nmyhostname = {helo}\nsmtp_bind_address = 10.0.0.5\ninet_protocols = ipv4\n"
    )
    (tmp_path / "etc/master.cf").write_text("smtp unix - - n - - smtp\n")
    config = tmp_path / "mailwatch.toml"
    config.write_text(f'[postfix]\nconfig_dir = "{tmp_path}/etc"\n[log]\npath = "{tmp_path}/no.log"\n')
    return config


def test_behind_nat_the_outer_address_is_guessed_from_the_name_in_helo(healthy: NameServer, tmp_path: Path) -> None:
    config = behind_nat(tmp_path, "mail.example.com")
    found = told(healthy, config, "--only", "ptr")
    (address,) = found["facts"]["addresses"]
    assert (address["address"], address["guessed"]) == ("192.0.2.25", True)
    assert "10.0.0.5" in address["origin"]
    assert any("guessed" in each and "--ip" in each for each in found["hints"])


@pytest.mark.parametrize("helo", ["gone.example.com", "inner.example.com", "mail"])
def test_behind_nat_without_such_a_name_the_address_is_asked_for(tmp_path: Path, helo: str) -> None:
    with NameServer(HEALTHY + "inner.example.com. 300 IN A 10.0.0.5\n") as server:
        found = told(server, behind_nat(tmp_path, helo), "--only", "mx")
    assert "addresses" not in found["facts"]
    assert found["hints"][0] == (
        "This host's address 10.0.0.5 is private: mail is seen from another one outside. "
        "Give --ip with the address mail leaves from (or --relay HOST)."
    )


def test_a_domain_of_the_configuration_is_checked_as_the_agent_checks_it(healthy: NameServer, config: Path) -> None:
    told_there = (
        f'[dns]\ndomains = ["Example.com."]\nip = ["192.0.2.99"]\nhelo = "mail.example.com"\nselectors = ["s9"]\n'
        f'resolver = "{resolver(healthy)}"\n'
    )
    config.write_text(config.read_text() + told_there)
    words = ("check-dns", "--json", "--config", config, "--only", "mx,helo,dkim")
    facts = json.loads(check_dns("example.com", *words[1:]).stdout)["facts"]
    assert facts["addresses"] == [{"address": "192.0.2.99", "origin": "ip in [dns]"}]
    assert facts["helo"] == {"text": "mail.example.com", "origin": "helo in [dns]"}
    assert [each["origin"] for each in facts["selectors"]] == ["selectors in [dns]"]
    given = ("--ip", "192.0.2.25", "--helo", "mx.example.com", "--selector", "s1")
    facts = json.loads(check_dns("example.com", *words[1:], *given).stdout)["facts"]
    assert facts["addresses"] == [{"address": "192.0.2.25", "origin": "--ip"}]
    facts = json.loads(check_dns("example.net", "--resolver", resolver(healthy), *words[1:]).stdout)["facts"]
    assert facts.get("addresses", []) == []


def test_what_spf_says_is_told_with_its_record_and_its_cost(config: Path) -> None:
    record = "v=spf1 include:spf.example.com mx -all"
    zone = HEALTHY.replace("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all", record)
    zone += 'spf.example.com. 300 IN TXT "v=spf1 a:gone.example.com ~all"\n'
    with NameServer(zone) as server:
        found = told(server, config, "--only", "spf", "--ip", "192.0.2.25", "--mail-from", "user@example.com")
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--ip", "192.0.2.25")
        alone, verbose = check_dns(*words, "--only", "spf").stdout, check_dns(*words, "--verbose").stdout
        brief = check_dns(*words).stdout
    # include, a, mx; gone.example.com has no address
    assert found["spf"] | {"explanation": ""} == {
        "result": "pass", "explanation": "", "record": record, "lookups": 3, "void_lookups": 1,
    }  # fmt: skip
    for page in (alone, verbose):
        assert page.splitlines()[1].startswith("SPF for mail from 192.0.2.25: pass")
        assert "include:spf.example.com  2 lookups" in page
        assert "a:gone.example.com  1 lookup" in page
    assert "include:spf.example.com  2 lookups" not in brief


@pytest.mark.parametrize(
    "words", [["--only", "mx", "--ip", "192.0.2.25"], ["--only", "spf"], ["--only", "spf", "--ip", "10.0.0.5"]]
)
def test_what_spf_says_is_absent_where_it_was_not_asked_or_cannot_be_told(
    healthy: NameServer, config: Path, words: list[str]
) -> None:
    assert "spf" not in told(healthy, config, *words)


def test_each_record_that_is_there_has_a_line_of_its_own(config: Path) -> None:
    with NameServer(BAD_MX) as server:
        page = check_dns("example.com", "--config", config, "--resolver", resolver(server), "--only", "mx").stdout
    assert "    now      example.com. IN MX 10 gone.example.com.\n             example.com. IN MX 20 mx2" in page


def test_optional_things_take_one_line_unless_the_whole_is_wanted(healthy: NameServer, config: Path) -> None:
    words = ("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "dane,caa,tls-rpt,dnssec")
    brief, whole = check_dns(*words).stdout, check_dns(*words, "--verbose").stdout
    said = " ".join(brief.split())
    assert "tls-rpt, dane, dnssec, caa: optional, or not for this host; --verbose says why" in said
    assert whole.count(" n/a ") == 4
    assert brief.count(" n/a ") == 1


def test_the_domains_own_servers_are_asked_of_its_names_and_the_resolver_of_others() -> None:
    """What a resolver remembers may be an hour old: whoever has just published something wants to see that."""
    old = re.sub(r"(?m)^example.com. .* NS ns1.*\n", "", HEALTHY) + "example.net. 300 IN MX 10 old.example.net.\n"
    new = (
        HEALTHY.replace("10 mail.example.com.", "10 new.example.com.") + "example.net. 300 IN MX 10 new.example.net.\n"
    )
    names = ("example.com", "example.net", "mail.example.com")
    with NameServer(old) as server:
        port = server.address[1]
        with NameServer(new, host="127.0.0.2", port=port, faults={"mail.example.com. A": "refused"}):
            mx, other, refused = asyncio.run(from_source(port, names))
    assert {"new.example.com.", "mx2.example.com."} == {str(each.exchange) for each in mx.records}
    assert [str(each.exchange) for each in other.records] == ["old.example.net."]
    assert [str(each) for each in refused.records] == ["192.0.2.25"]


async def from_source(port: int, names: tuple[str, str, str]) -> list[Any]:
    async with Resolver([("127.0.0.1", port)], 10.0, authoritative_port=port) as resolver:
        asks = await at_the_source(resolver, dns.name.from_text("example.com"))
        assert asks is not None
        kinds = ("MX", "MX", "A")
        for name, kind in zip(names, kinds, strict=True):
            asks.soon(dns.name.from_text(name), kind)
        return [await asks.ask(dns.name.from_text(name), kind) for name, kind in zip(names, kinds, strict=True)]


def test_a_domain_without_name_servers_cannot_be_asked_at_its_source() -> None:
    with NameServer("example.net. 300 IN A 192.0.2.1\n") as server:
        assert asyncio.run(no_source(server.address[1])) is None


async def no_source(port: int) -> object:
    async with Resolver([("127.0.0.1", port)], 10.0) as resolver:
        return await at_the_source(resolver, dns.name.from_text("example.com"))


def test_a_terminal_gets_colours_symbols_and_what_is_waited_for(config: Path) -> None:
    with NameServer(BAD_MX, faults={"example.com. MX": "slow:0.5"}) as server:
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--only", "mx,ptr")
        exit_code, seen = on_terminal(*words, "--ip", "192.0.2.99")
    assert exit_code == 2
    assert "asking: " in seen
    assert "\x1b[1;31m" in seen
    plain = ESCAPE.sub("", seen)
    assert "\u2717 error" in plain
    assert "example.com: " in plain


def test_colour_is_left_out_where_it_is_not_wanted_and_put_in_where_it_is(healthy: NameServer, config: Path) -> None:
    words = ("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "mx")
    assert "\x1b" not in check_dns(*words).stdout
    assert "\x1b[" in check_dns(*words, "--color", environment={"TERM": "xterm"}).stdout
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert coloured.search(on_terminal(*words)[1])
    for seen in (on_terminal(*words, "--no-color")[1], on_terminal(*words, environment={"NO_COLOR": "1"})[1]):
        assert not coloured.search(seen.partition("example.com: ")[2])


@pytest.mark.parametrize("columns", [34, 60, 80, 200])
def test_it_wraps_at_the_width_of_the_terminal_but_for_what_is_copied(config: Path, columns: int) -> None:
    with NameServer(BAD_MX) as server:
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--only", "mx,ptr")
        _, seen = on_terminal(*words, "--ip", "192.0.2.99", "--helo", "mail.example.com", columns=columns)
    lines = [line.rstrip() for line in ESCAPE.sub("", seen.partition("\x1b[1;31mexample.com")[2]).splitlines()]
    assert lines
    assert all(len(line) <= min(columns, 110) for line in lines if "publish" not in line), lines
    assert any(line.endswith("99.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.com.") for line in lines)


def test_nothing_out_of_the_dns_steers_the_terminal(config: Path) -> None:
    zone = BAD_MX.replace("10 gone.example.com.", "10 a\\027\\091\\051\\049m\\010x\\155b.example.com.") + (
        '99.2.0.192.in-addr.arpa. 300 IN PTR a\\027\\093\\048\\059x\\007.example.com.\n'
        '_dmarc.example.com. 300 IN TXT "v=DMARC1; p=\\027[31mreject\\226\\128\\174"\n'
        'example.com. 300 IN TXT "v=spf1 \\027[2J\\013 -all"\n'
    )  # fmt: skip
    with NameServer(zone) as server:
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--ip", "192.0.2.99", "--verbose")
        done = check_dns(*words)
        assert done.returncode in (1, 2, 3)
        assert done.stderr == ""
        assert not [each for each in done.stdout if not each.isprintable() and each != "\n"]
        seen = on_terminal(*words)[1]
    # from us are colours, and what moves the cursor while it waits
    assert not [each for each in ESCAPE.sub("", seen) if not each.isprintable() and each not in "\r\n"]
    assert "\x1b[2J" not in seen
    assert "\x1b[31mreject" not in seen


def test_a_deadline_ends_it_with_what_is_known(config: Path) -> None:
    with NameServer(HEALTHY, faults={"example.com. MX": "silent"}) as server:
        found = told(server, config, "--only", "mx,ptr", "--ip", "192.0.2.25", "--deadline", "1")
    assert {each["check"]: each["verdict"] for each in found["findings"]} == {"mx": "unknown", "ptr": "ok"}


def test_where_no_name_server_answers_that_is_told_once(config: Path) -> None:
    with NameServer(HEALTHY, faults={"*": "refused"}) as server:
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--only", "spf,ptr,helo,mx,dmarc",
                 "--ip", "192.0.2.25", "--helo", "mail.example.com")  # fmt: skip
        done, whole = check_dns(*words), check_dns(*words, "--verbose")
    assert (done.returncode, whole.returncode) == (3, 3)
    assert done.stdout.startswith("example.com: 5 unknown\n")
    assert "Nothing could be told\n" in done.stdout
    assert done.stdout.count("    do       ") == 1
    assert whole.stdout.count("    do       ") == 5


def test_an_interrupt_ends_it_quietly(config: Path) -> None:
    with NameServer(HEALTHY, faults={"*": "silent"}) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailwatch", "check-dns", "example.com", "--config", str(config), "--only", "mx",
             "--resolver", resolver(server), "--deadline", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        eventually(lambda: bool(server.asked), within=60, what="a question has come")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


BROKEN = """
import sys
from mailwatch.checks.dns import DNS
from mailwatch.commands import main
from mailwatch.commands import check_dns
def broken(*words, **named):
    raise ZeroDivisionError("a\\x1b[31m")
if sys.argv[1] == "check":
    DNS["mx"] = broken
else:
    check_dns.domain_of = broken
main(["check-dns", *sys.argv[2:]])
"""


@pytest.mark.parametrize("words", [[], ["--json"]])
@pytest.mark.parametrize("where", ["check", "command"])
def test_a_bug_is_told_in_a_line_and_its_traceback_only_when_asked_for(
    healthy: NameServer, config: Path, where: str, words: list[str]
) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BROKEN, where, "example.com", "--config", str(config), "--only", "mx,dane",
             "--resolver", resolver(healthy), *words, *more],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done, asked = run(), run("--verbose")
    assert (done.returncode, asked.returncode) == (3, 3)
    assert "ZeroDivisionError" in (done.stdout if where == "check" else done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == (where == "command")
    assert "Traceback" in asked.stderr


def test_what_cannot_be_written_is_told(healthy: NameServer, config: Path) -> None:
    words = [sys.executable, "-m", "mailwatch", "check-dns", "example.com", "--config", str(config), "--only", "mx",
             "--resolver", resolver(healthy)]  # fmt: skip
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (3, "mailwatch: cannot write the report: No space left on device\n")
    closed = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert (closed.returncode, closed.stderr) == (
        3,
        "mailwatch: standard output is closed: nothing can be written there\n",
    )


def test_a_terminal_without_other_letters_gets_ascii(config: Path) -> None:
    with NameServer(HEALTHY.replace("example.com", "xn--bcher-kva.example")) as server:
        done = check_dns("xn--bcher-kva.example", "--config", config, "--resolver", resolver(server), "--only", "mx", "--color",
                         environment={"PYTHONIOENCODING": "ascii", "TERM": "xterm"})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "(b\\xfccher.example): all right" in done.stdout


def test_a_reader_that_has_had_enough_is_no_mistake(healthy: NameServer, config: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "mailwatch", "check-dns", "example.com", "--config", str(config), "--only", "mx",
         "--resolver", resolver(healthy)],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_record_of_several_has_a_line_of_its_own(config: Path) -> None:
    with NameServer(BAD_MX) as server:
        done = check_dns("example.com", "--config", config, "--resolver", resolver(server), "--only", "mx")
    assert "    now      example.com. IN MX 10 gone.example.com.\n" in done.stdout
    assert "             example.com. IN MX 20 mx2.example.com.\n" in done.stdout


def test_that_nothing_wrong_was_found_is_said_before_what_is_not_known(config: Path) -> None:
    with NameServer(HEALTHY, faults={"example.com. MX": "servfail"}) as server:
        words = ("example.com", "--config", config, "--resolver", resolver(server), "--only", "mx,ptr")
        done = check_dns(*words, "--ip", "192.0.2.25")
    assert done.returncode == 3
    assert done.stdout.startswith("example.com: nothing wrong was found, 1 unknown\n")


def test_that_an_address_is_guessed_is_said_once(healthy: NameServer, tmp_path: Path) -> None:
    words = ("example.com", "--config", behind_nat(tmp_path, "mx2.example.com"), "--resolver", resolver(healthy))
    done = check_dns(*words, "--only", "ptr")
    said = " ".join(done.stdout.split())
    assert "192.0.2.26 (guessed from the name in HELO: 10.0.0.5 here is private) has no name" in said
    assert "sending from 192.0.2.26 (guessed from the name in HELO: 10.0.0.5 here is private)" in said


def test_of_an_address_that_nobody_outside_sees_spf_says_nothing(healthy: NameServer, config: Path) -> None:
    words = ("example.com", "--config", config, "--resolver", resolver(healthy), "--only", "spf")
    done = check_dns(*words, "--ip", "10.0.0.5")
    assert "SPF for mail from" not in done.stdout
    first = check_dns(*words, "--ip", "10.0.0.5", "--ip", "192.0.2.25").stdout.splitlines()[1]
    assert first.startswith("SPF for mail from 192.0.2.25: pass")
