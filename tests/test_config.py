"""The configuration: each mistake is named with its key, what was expected and what was found; all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailwatch.checks.dns import DNS
from mailwatch.config import ConfigError, load, parse
from mailwatch.options import Options, parse_address
from mailwatch.options.dns import CHECKS

BAD: dict[str, tuple[str, str]] = {
    "an unknown key": ("stat_dir = '/x'", "stat_dir: unknown key (did you mean state_dir?). See README, Configuration."),
    "a key far from any": ("qqqqqq = 1", "qqqqqq: unknown key. See README, Configuration."),
    "an unknown key in a table": ("[log]\nstrat = 'end'", "log.strat: unknown key (did you mean start?). See README, Configuration."),
    "an unknown table": ("[logs]\npath = '/x'", "logs: unknown key (did you mean log?). See README, Configuration."),
    "a number for text": ("listen = 9154", "listen: expected text, found a number 9154"),
    "text for a table": ("log = '/var/log/mail.log'", "log: expected a table, found text '/var/log/mail.log'"),
    "text for a list": ("[postfix]\nsyslog_names = 'x'", "postfix.syslog_names: expected a list, found text 'x'"),
    "a number in a list": ("[postfix]\nsyslog_names = ['x', 1]", "postfix.syslog_names[1]: expected text, found a number 1"),
    "true for text": ("listen = true", "listen: expected text, found true"),
    "a word that is no choice": ("[log]\nstart = 'begin'", "log.start: expected end or beginning, found 'begin' (did you mean beginning?)"),
    "a relative path": ("state_dir = 'state'", "state_dir: expected a path that begins with /, found 'state'"),
    "an empty path": ("state_dir = ''", "state_dir: expected a path, found ''"),
    "an address without a port": ("listen = 'localhost'", "listen: expected ADDRESS:PORT, found 'localhost'"),
    "a port too high": ("listen = '127.0.0.1:70000'", "listen: expected ADDRESS:PORT, found '127.0.0.1:70000'"),
    "an IPv6 address without brackets": ("listen = '::1:10154'", "listen: expected [ADDRESS]:PORT around an IPv6 address, found '::1:10154'"),
    "a number that is too large": ("[rules.deferred_share]\nraise_percent = 140", "rules.deferred_share.raise_percent: expected 1 to 100, found 140"),
    "a rule that there is not": ("[rules.relay_faling]\nenabled = false", "rules.relay_faling: unknown key (did you mean relay_failing?). See README, Configuration."),
    "thresholds the wrong way round": ("[rules.bounced_share]\nraise_percent = 5", "rules.bounced_share.clear_percent: expected at most raise_percent (5), found 10"),
    "a severity that there is not": ("[rules.no_delivery]\nseverity = 'pages'", "rules.no_delivery.severity: expected page or warn or info or security, found 'pages' (did you mean page?)"),
    "a negative interval": ("[queue]\ninterval = -1", "queue.interval: expected 0 to 3600, found -1"),
    "an interval that is no number": ("[queue]\ninterval = '15s'", "queue.interval: expected a number, found text '15s'"),
    "an address for a domain": ("[dns]\ndomains = ['user@example.com']", "dns.domains[0]: expected a domain, found an address: 'example.com' alone"),
    "a URL for a domain": ("[dns]\ndomains = ['https://example.com/']", "dns.domains[0]: expected a domain such as example.com, found 'https://example.com/'"),
    "all domains of one": ("[dns]\ndomains = ['*.example.com']", "dns.domains[0]: expected one domain, found '*.example.com': name each that mail is sent for"),
    "no domain": ("[dns]\ndomains = ['']", "dns.domains[0]: expected a domain such as example.com, of at most 253 characters, found ''"),
    "a host for a domain": ("[dns]\ndomains = ['localhost']", "dns.domains[0]: expected a domain with a dot in it, such as example.com, found 'localhost'"),
    "an IP address for a domain": ("[dns]\ndomains = ['192.0.2.25']", "dns.domains[0]: expected a domain with a dot in it, such as example.com, found '192.0.2.25'"),
    "an option for a domain": ("[dns]\ndomains = ['--help.example']", "dns.domains[0]: expected a domain such as example.com, found '--help.example': '--help' is no part of one"),
    "two dots": ("[dns]\ndomains = ['a..example']", "dns.domains[0]: expected a domain such as example.com, found 'a..example': two dots follow each other"),
    "a domain twice": ("[dns]\ndomains = ['example.com', 'Example.COM.']", "dns.domains[1]: 'Example.COM.' is there twice"),
    "too many domains": (f"[dns]\ndomains = {[f'd{n}.example' for n in range(21)]}", "dns.domains: expected at most 20, found 21"),
    "a domain that is no text": ("[dns]\ndomains = ['example.com', 3]", "dns.domains[1]: expected text, found a number 3"),
    "looks too often": ("[dns]\ninterval = 5", "dns.interval: expected 10 to 604800, found 5"),
    "a check that there is not": ("[dns]\nskip = ['dmarcs']", f"dns.skip[0]: expected the name of a check (did you mean dmarc?), found 'dmarcs'. They are {', '.join(CHECKS).replace('_', '-')}"),
    "no check at all": ("[dns]\nonly = ['spf']\nskip = ['spf']", "dns.skip: no check is left: leave domains out instead"),
    "an option for a name server": ("[dns]\nresolver = '--config'", "dns.resolver: expected a name or an address, found '--config'"),
    "an address that is none": ("[dns]\nip = ['192.0.2.300']", "dns.ip[0]: expected an address such as 192.0.2.25, found '192.0.2.300'"),
    "no selector": ("[dns]\nselectors = ['a..b']", "dns.selectors[0]: expected a selector, found 'a..b'"),
    "no name for HELO": ("[dns]\nhelo = 'two words'", "dns.helo: expected a name or an address, found 'two words'"),
    "an option for a selector": ("[dns]\nselectors = ['-v']", "dns.selectors[0]: expected a selector, found '-v'"),
    "a time box of nothing": ("[queue]\ntime_box = 0", "queue.time_box: expected 1 to 300, found 0"),
    "no TOML": ("listen = ", "not valid TOML: Invalid value (at end of document)"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_mistake_is_named_with_where_and_what_to_do(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse(text, Path("/etc/mailwatch/mailwatch.toml"))
    assert told.value.mistakes == [f"/etc/mailwatch/mailwatch.toml: {message}"]


def test_a_domain_may_be_written_in_any_letters_and_is_shown_in_small_ones() -> None:
    found = parse(
        "[dns]\ndomains = ['Example.COM.', 'b\u00fccher.example']\nonly = ['mta-sts', 'tls_rpt', 'SPF']\nskip = ['tls-rpt']"
    )
    assert found.dns.checks == ("spf", "mta_sts")
    assert found.dns.names == ("example.com", "b\u00fccher.example")


def test_the_checks_that_can_be_left_out_are_those_that_there_are() -> None:
    assert set(CHECKS) == set(DNS)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        parse("stat_dir = '/x'\nlisten = 1\n[log]\nstart = 'x'\n[postfix]\nsyslog_names = 1")
    assert len(told.value.mistakes) == 4


def test_an_empty_file_is_the_defaults() -> None:
    assert parse("") == Options()


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere.toml: No such file"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"listen = '\xe9'")
    with pytest.raises(ConfigError, match=r"latin.toml: not UTF-8 text \(byte 10\)"):
        load(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load(tmp_path / "large.toml")


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:10154", "127.0.0.1", 10154, "127.0.0.1:10154"),
        ("[::1]:10154", "::1", 10154, "[::1]:10154"),
        (":9000", "0.0.0.0", 9000, "0.0.0.0:9000"),
        ("localhost:0", "localhost", 0, "localhost:0"),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, shown: str) -> None:
    address = parse_address(text)
    assert (address.host, address.port, str(address)) == (host, port, shown)
