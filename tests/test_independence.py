"""A channel that shares the fate of the mail it watches is found, by name and by address; what is not told is unknown."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels.destinations import destinations
from mailwatch.channels.independence import Watched, is_here, ties
from mailwatch.channels.lookups import CannotTell, Lookups
from mailwatch.options import ChannelOptions, Secret
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONE = {
    ("mx1.example.com", "A"): ["198.51.100.1"],
    ("alias.example.com", "A"): ["127.0.0.1"],
    ("here.example.com", "AAAA"): ["::1"],
    ("smtp.example.net", "A"): ["192.0.2.10", "192.0.2.11"],
    ("other.example.net", "A"): ["203.0.113.5"],
    ("same.example.net", "A"): ["192.0.2.11"],
    ("example.net", "MX"): ["10 smtp.example.net."],
    ("far.example", "MX"): ["20 alias.example.com.", "10 mx.far.example."],
    ("mx.far.example", "A"): ["203.0.113.9"],
    ("good.example", "MX"): ["10 mx.far.example."],
    ("own.example", "MX"): ["10 mx1.example.com."],
    ("nomx.example", "A"): ["127.0.0.1"],
    ("null.example", "MX"): ["0 ."],
}
MAIL = Watched(names=frozenset({"mx1.example.com", "localhost"}), relays=("[smtp.example.net]:587",))


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(ZONE, failing=("broken.example",), silent=("silent.example",)) as made:
        yield made


@pytest.fixture
def lookups(server: NameServer, tmp_path: Path) -> Lookups:
    (tmp_path / "hosts").write_text("127.0.1.1 box.example.com box # us\n")
    return Lookups(time.monotonic() + 20, server.address, tmp_path / "hosts")


def hook(host: str, **more: object) -> ChannelOptions:
    made = ChannelOptions(name="c", type="webhook", url=Secret(f"https://{host}/x"))
    return replace(made, **more)  # type: ignore[arg-type]


def mail(host: str, *to: str) -> ChannelOptions:
    return ChannelOptions(name="c", host=host, from_="a@example.com", to=to)


def service(url: str) -> ChannelOptions:
    return ChannelOptions(name="c", url=Secret(url))


CASES: dict[str, tuple[ChannelOptions, list[tuple[str, str]]]] = {
    "another host": (hook("other.example.net"), []),
    "our name": (hook("MX1.example.com"), [("shared", "its host mx1.example.com is this machine")]),
    "our address": (hook("127.0.0.1"), [("shared", "its host 127.0.0.1 is this machine, 127.0.0.1")]),
    "a name of our address": (hook("alias.example.com"), [("shared", "its host alias.example.com is this machine, 127.0.0.1")]),
    "a name of our IPv6 address": (hook("here.example.com"), [("shared", "its host here.example.com is this machine, ::1")]),
    "a name of ours in /etc/hosts": (hook("box.example.com"), [("shared", "its host box.example.com is this machine, 127.0.1.1")]),
    "another name, fixed to our address": (hook("other.example.net", address="127.0.0.5"), [("shared", "its host other.example.net is this machine, 127.0.0.5")]),
    "the relayhost": (mail("smtp.example.net", "a@good.example"), [("shared", "its host smtp.example.net is [smtp.example.net]:587, which the watched mail goes through")]),
    "another name of the relayhost": (mail("same.example.net", "a@good.example"), [("shared", "its host same.example.net is [smtp.example.net]:587, which the watched mail goes through")]),
    "a mailbox elsewhere": (mail("other.example.net", "a@good.example"), []),
    "a mailbox whose MX we are": (mail("other.example.net", "a@own.example"), [("shared", "mail for own.example goes to mx1.example.com, which is this machine")]),
    "a mailbox one of whose MX we are": (mail("other.example.net", "a@good.example", "b@far.example"), [("shared", "mail for far.example goes to alias.example.com, which is this machine, 127.0.0.1")]),
    "a mailbox without MX at our address": (mail("other.example.net", "a@nomx.example"), [("shared", "mail for nomx.example goes to nomx.example, which is this machine, 127.0.0.1")]),
    "a mailbox behind the relay": (mail("other.example.net", "a@example.net"), [("shared", "mail for example.net goes to smtp.example.net, which is [smtp.example.net]:587, which the watched mail goes through")]),
    "a domain that takes no mail": (mail("other.example.net", "a@null.example"), [("lost", "nobody takes mail for null.example: it has no MX and no address")]),
    "a domain that is not there": (mail("other.example.net", "a@nowhere.example"), [("lost", "nobody takes mail for nowhere.example: it has no MX and no address")]),
    "a host nobody answers for": (hook("broken.example"), [("unknown", "cannot tell whether its host broken.example is this machine or its relay: no answer about A of broken.example: the resolver answered with a failure")]),
    "a domain nobody answers for": (mail("other.example.net", "a@broken.example"), [("unknown", "cannot tell who takes mail for broken.example: no answer about MX of broken.example: the resolver answered with a failure")]),
    "a host without an address": (hook("nowhere.example"), [("unknown", "its host nowhere.example has no address in the DNS or /etc/hosts")]),
    "a short name of ours": (mail("box", "a@good.example"), [("shared", "its host box is this machine, 127.0.1.1")]),
    "a mailbox at a short name of ours": (mail("other.example.net", "root@localhost"), [("shared", "mail for localhost goes to localhost, which is this machine")]),
    "a topic that looks like a host": (service("ntfy://topic"), []),
    "mail by apprise": (service("mailtos://user:pw@good.example?smtp=alias.example.com&to=x@own.example"), [("shared", "its host alias.example.com is this machine, 127.0.0.1"), ("shared", "mail for own.example goes to mx1.example.com, which is this machine")]),
    "a server of ours by apprise": (service("ntfy://localhost/mail"), [("shared", "its host localhost is this machine")]),
    "a service by apprise": (service("slack://TokenA/TokenB/TokenC"), []),
    "sendmail as a command": (ChannelOptions(name="c", command=("/usr/sbin/sendmail", "root")), [("shared", "sendmail hands it to the mail of this machine")]),
    "another command": (ChannelOptions(name="c", command=("/usr/local/bin/page",)), []),
    "one member of a cluster": (ChannelOptions(name="c", urls=(Secret("http://other.example.net:9093"), Secret("http://localhost:9093"))), [("shared", "its host localhost is this machine")]),
}  # fmt: skip


@pytest.mark.parametrize(("channel", "expected"), CASES.values(), ids=CASES)
def test_what_ties_a_channel_to_the_mail(
    channel: ChannelOptions, expected: list[tuple[str, str]], lookups: Lookups
) -> None:
    found = ties([channel], MAIL, lookups)
    assert [(each.verdict, each.text) for each in found] == expected


@pytest.mark.parametrize("relay", ["example.net", "example.net:587", "smtp.example.net", "[192.0.2.11]:2525"])
def test_a_relay_is_known_as_postfix_writes_it(relay: str, lookups: Lookups) -> None:
    (found,) = ties([hook("same.example.net")], Watched(relays=(relay,)), lookups)
    assert found.verdict == "shared"


def test_a_resolver_that_does_not_answer_is_unknown_by_the_deadline(server: NameServer, tmp_path: Path) -> None:
    begun = time.monotonic()
    lookups = Lookups(begun + 1, server.address, tmp_path / "none")
    found = ties([hook("silent.example"), hook("other.example.net")], MAIL, lookups)
    assert time.monotonic() - begun < 5
    assert [each.verdict for each in found] == ["unknown", "unknown"]
    assert "the resolver did not answer in time" in found[0].text
    assert "no time was left" in found[1].text


def test_a_secret_that_cannot_be_read_is_unknown(lookups: Lookups) -> None:
    (found,) = ties([ChannelOptions(name="c", url_file=lookups.hosts.parent / "none")], MAIL, lookups)
    assert found.verdict == "unknown"
    assert "url_file: cannot read" in found.text


def test_a_token_is_never_asked_of_a_name_server(server: NameServer, lookups: Lookups) -> None:
    server.asked.clear()
    ties(
        [service("tgram://123456789:AbC.dEf/1"), service("sendgrid://token.with.dots:from@good.example/")],
        MAIL,
        lookups,
    )
    assert server.asked == []


def test_what_was_asked_once_is_remembered(server: NameServer, lookups: Lookups) -> None:
    server.asked.clear()
    ties([hook("other.example.net"), hook("other.example.net")], MAIL, lookups)
    assert len(server.asked) == len(set(server.asked))


def test_exchangers_are_those_of_the_domain(lookups: Lookups) -> None:
    assert lookups.exchangers("far.example") == ("mx.far.example", "alias.example.com")
    with pytest.raises(CannotTell):
        lookups.exchangers("broken.example")


def test_an_address_of_this_machine_is_known() -> None:
    assert all(map(is_here, ("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::ffff:127.0.0.1")))
    assert not any(map(is_here, ("192.0.2.1", "2001:db8::1", "nonsense")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(("192.0.2.1", 9))
        except OSError:
            return  # a machine without any network
        assert is_here(trial.getsockname()[0])


@pytest.mark.parametrize(
    ("url", "hosts", "domains"),
    [
        ("mailto://user:pw@example.com", ("example.com",), ("example.com",)),
        ("mailto://me%40far.example:pw@mail.example", ("mail.example",), ("far.example",)),
        (
            "mailtos://user:pw@mail.example:587/a@one.example/b@two.example",
            ("mail.example",),
            ("one.example", "two.example"),
        ),
        ("json://[2001:db8::1]:8080/x", ("2001:db8::1",), ()),
        ("json://[nonsense", (), ()),
    ],
)
def test_where_a_url_of_apprise_leads(url: str, hosts: tuple[str, ...], domains: tuple[str, ...]) -> None:
    found = destinations(service(url))
    assert (found.hosts, found.domains) == (hosts, domains)


CONFIG = '[[channel]]\nname = "ops"\ntype = "webhook"\nurl = "http://127.0.0.1:1/s3cret-path"\n'


def test_check_config_names_it_and_warns(tmp_path: Path) -> None:
    (tmp_path / "mail.log").touch()
    config = tmp_path / "c.toml"
    config.write_text(f'{CONFIG}[log]\npath = "{tmp_path}/mail.log"\n')
    done = mailwatch("check-config", "--config", config)
    said = (
        "channel ops: its host 127.0.0.1 is this machine, 127.0.0.1: it shares the fate of the mail it is to warn about"
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"WARNING: {said}")
    told = json.loads(mailwatch("check-config", "--config", config, "--json").stdout)
    assert told["verdict"] == "warning"
    assert told["ties"] == [
        {"channel": "ops", "verdict": "shared", "text": "its host 127.0.0.1 is this machine, 127.0.0.1"}
    ]
    config.write_text(f'[[channel]]\nname = "ops"\npath = "{tmp_path}/alerts"\n[log]\npath = "{tmp_path}/mail.log"\n')
    assert mailwatch("check-config", "--config", config).returncode == 0


def test_the_agent_logs_it_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "mail.log").touch()
    agent = RunningAgent(tmp_path / "agent", tmp_path / "mail.log", extra=CONFIG).start()
    try:
        agent.wait_until_said("WARNING channel ops: its host 127.0.0.1 is this machine")
        assert "s3cret" not in agent.said
    finally:
        assert agent.stop() == 0
