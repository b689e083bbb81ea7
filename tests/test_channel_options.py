"""[[channel]] and [deadman]: what a type needs, every mistake at once, and secrets that never print."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mailwatch.channels.answer import SendFailed
from mailwatch.channels.secrets import masked, resolved
from mailwatch.channels.wire import Request, packed, unpacked
from mailwatch.config import ConfigError, load_what_is_right, parse, read
from mailwatch.options import ChannelOptions, Secret
from tests.parts.agent import mailwatch
from tests.parts.alarm import alarm

HIDDEN = "s3cret-and-hidden"
GOOD: dict[str, tuple[str, str]] = {
    "a URL": ('url = "ntfys://ntfy.example/mail"', "apprise"),
    "a URL in a file": ('url_file = "/run/x"', "apprise"),
    "a host": ('host = "mail.example"\nfrom = "mailwatch@example.com"\nto = ["ops@example.com"]', "smtp"),
    "a URL and a secret": ('url = "https://hooks.example/x"\nsecret = "x"', "webhook"),
    "a webhook without a secret": ('type = "webhook"\nurl = "https://hooks.example/x"', "webhook"),
    "urls": ('urls = ["http://a.example:9093", "https://user:pw@b.example/am"]', "alertmanager"),
    "a command": ('command = ["/usr/local/bin/page", "--all"]', "command"),
    "a path": ('path = "/var/log/mail-alerts"', "file"),
}
BAD: dict[str, tuple[str, str]] = {
    "no name": ('path = "/x"', "name: expected 1 to 64 letters, digits, - _ or ."),
    "a name with blanks": ('name = "a b"\npath = "/x"', "name: expected 1 to 64 letters, digits, - _ or ., found 'a b'"),
    "nothing that tells what it is": ('name = "a"', 'cannot tell what it is: give url (apprise), host (smtp), urls (alertmanager), command, path (file), or type = "webhook" with url'),
    "an unknown type": ('name = "a"\ntype = "smpt"', "type: expected apprise or smtp or webhook or alertmanager or command or file, found 'smpt' (did you mean smtp?)"),
    "an unknown key": ('name = "a"\npath = "/x"\nmin_sevrity = "warn"', "min_sevrity: unknown key (did you mean min_severity?). See README, Configuration."),
    "a severity that is none": ('name = "a"\npath = "/x"\nmin_severity = "high"', "min_severity: expected info or warn or security or page, found 'high'"),
    "no time at all": ('name = "a"\npath = "/x"\ntimeout = 0', "timeout: expected 1 to 120, found 0.0"),
    "no number for a time": ('name = "a"\npath = "/x"\ntimeout = "10"', "timeout: expected a number, found text '10'"),
    "a key of another type": ('name = "a"\npath = "/x"\naddress = "192.0.2.1"', "address: not a key of file: leave it out"),
    "mail without a recipient": ('name = "a"\nhost = "mail.example"\nfrom = "a@example.com"', "to: missing: smtp needs to"),
    "mail without a sender": ('name = "a"\nhost = "mail.example"\nto = ["a@example.com"]', "from: missing: smtp needs from"),
    "a recipient that is none": ('name = "a"\nhost = "mail.example"\nfrom = "a@example.com"\nto = ["a@example.com", "b"]', "to[1]: expected an address as ops@example.net, found 'b'"),
    "a header in a sender": ('name = "a"\nhost = "mail.example"\nfrom = "a@example.com\\nBcc: b@example.com"\nto = ["a@example.com"]', "from: expected an address as ops@example.net, found 'a@example.com\\nBcc: b@example.com'"),
    "a password without TLS": ('name = "a"\nhost = "mail.example"\nfrom = "a@example.com"\nto = ["a@example.com"]\nuser = "u"\npassword = "s3cret-and-hidden"\ntls = "none"', 'tls: "none" would show the password to the network: use "starttls" or "implicit"'),
    "a password without a user": ('name = "a"\nhost = "mail.example"\nfrom = "a@example.com"\nto = ["a@example.com"]\npassword = "s3cret-and-hidden"', "user: missing, there is a password"),
    "a URL twice": ('name = "a"\nurl = "ntfy://x.example/s3cret-and-hidden"\nurl_file = "/x"', "url: there is url_file, too: leave one of them out"),
    "a webhook that is no URL": ('name = "a"\ntype = "webhook"\nurl = "s3cret-and-hidden"', "url: expected a URL that begins with https:// or http:// and a host"),
    "an apprise URL that is none": ('name = "a"\nurl = "s3cret-and-hidden"', "url: expected a URL of apprise, as ntfys://ntfy.example/topic"),
    "a number for a secret": ('name = "a"\nurl = 4711', "url: expected text, found a number"),
    "several members at one address": ('name = "a"\nurls = ["http://a.example", "http://b.example"]\naddress = "192.0.2.1"', "address: there are several urls: give the addresses in them, or leave it out"),
    "an address that is none": ('name = "a"\nurls = ["http://a.example"]\naddress = "a.example"', "address: expected an IP address, found 'a.example'"),
    "a command without its path": ('name = "a"\ncommand = ["page"]', "command: expected a path that begins with / first, found 'page'"),
    "a command as text": ('name = "a"\ncommand = "/bin/page"', "command: expected a list, found text '/bin/page'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), GOOD.values(), ids=GOOD)
def test_what_a_channel_is_is_told_by_its_keys(text: str, kind: str) -> None:
    (channel,) = parse(f'[[channel]]\nname = "a"\n{text}').channel
    assert channel.kind == kind


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_mistake_is_named_with_where_and_what_to_do(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse(f"[[channel]]\n{text}", Path("/c.toml"))
    assert told.value.mistakes == [f"/c.toml: channel[0].{message}"]
    assert HIDDEN not in str(told.value)


def test_all_mistakes_of_all_channels_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        parse(
            'listen = 1\n[[channel]]\nname = "a"\n[[channel]]\nname = "a"\npth = 1\n[deadman]\nurl = "x"\naddress = "y"'
        )
    assert len(told.value.mistakes) == 6
    assert "channel[1].name: channel[0] is called 'a', too" in told.value.mistakes


def test_a_table_for_the_list_of_channels_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="channel: expected a list, found a table"):
        parse('[channel]\nname = "a"')
    with pytest.raises(ConfigError, match=r"channel\[0\]: expected a table, found a number 1"):
        parse("channel = [1]")


def test_channels_that_are_right_are_there_beside_those_that_are_not(tmp_path: Path) -> None:
    text = 'stat_dir = "/x"\n[[channel]]\nname = "a"\n[[channel]]\nname = "b"\npath = "/x"\n[[channel]]\nname = 1\n'
    (tmp_path / "c.toml").write_text(text)
    options, mistakes = load_what_is_right(tmp_path / "c.toml")
    assert [each.name for each in options.channel] == ["b"]
    assert len(mistakes) == 3


def test_a_secret_prints_as_stars_wherever_it_gets_to() -> None:
    options, _ = read(f'[[channel]]\nname = "a"\nurl = "https://x.example/{HIDDEN}"\nsecret = "{HIDDEN}"', None)
    (channel,) = options.channel
    said = f"{options} {options!r} {channel.secret} {channel.secret!r} {asdict(options)} {[channel.url]}"
    assert HIDDEN not in said
    assert said.count("***") >= 6
    assert channel.secret is not None
    assert channel.secret.reveal() == HIDDEN
    assert copy.deepcopy(channel) == channel
    assert replace(channel, secret=Secret("other")) != channel


@pytest.mark.parametrize(
    "words", [("check-config",), ("check-config", "--json"), ("test-alert",), ("test-alert", "--json"), ("notify", "x")]
)
def test_no_command_shows_a_secret(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "password").write_text(f"{HIDDEN}-4\n")
    config = tmp_path / "c.toml"
    config.write_text(
        f'[[channel]]\nname = "hook"\nurl = "http://user:{HIDDEN}-1@127.0.0.1:1/{HIDDEN}-2?key={HIDDEN}-3"\nsecret = "{HIDDEN}-5"\n'
        f'[[channel]]\nname = "mail"\nhost = "127.0.0.1"\nport = 1\nuser = "u"\npassword_file = "{tmp_path}/password"\n'
        'from = "a@example.com"\nto = ["b@example.com"]\n'
        f'[[channel]]\nname = "am"\nurls = ["http://u:{HIDDEN}-6@127.0.0.1:1/"]\n'
        f'[[channel]]\nname = "service"\nurl = "jsons://u:{HIDDEN}-7@127.0.0.1:1/{HIDDEN}-8"\n'
        f'[deadman]\nurl = "https://127.0.0.1:1/{HIDDEN}-9"\n'
    )
    done = mailwatch(*words, "--config", config)
    assert done.returncode in (1, 2), done.stderr
    assert HIDDEN not in done.stdout + done.stderr
    assert "hook" in done.stdout


def test_a_secret_file_is_one_line_and_read_when_needed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    channel = ChannelOptions(name="a", url=Secret("https://x.example/"), secret_file=path)
    with pytest.raises(SendFailed, match=f"secret_file: cannot read {path}: No such file"):
        resolved(channel)
    path.write_text("first\n")
    assert resolved(channel).secret == Secret("first")
    path.write_text("second\n")
    assert resolved(channel).secret == Secret("second")
    for wrong in (b"", b"\n", b"a\nb\n", b"\xff", b"x" * 100_000):
        path.write_bytes(wrong)
        with pytest.raises(SendFailed, match="secret_file: expected one line of text") as told:
            resolved(channel)
        assert told.value.permanent
    with pytest.raises(SendFailed, match="expected one line of text in /dev/zero"):
        resolved(replace(channel, secret_file=Path("/dev/zero")))


@pytest.mark.parametrize("kind", ["apprise", "webhook"])
def test_a_url_from_a_file_is_checked_as_one_from_the_configuration(tmp_path: Path, kind: str) -> None:
    (tmp_path / "url").write_text(HIDDEN)
    with pytest.raises(SendFailed, match=r"url_file: expected a URL") as told:
        resolved(ChannelOptions(name="a", type=kind, url_file=tmp_path / "url"))
    assert HIDDEN not in str(told.value)


@pytest.mark.parametrize(
    ("url", "text", "expected"),
    [
        (
            "https://u:p%40ss@x.example/T0/B00000/tokentoken",
            "u:p%40ss p@ss tokentoken B00000 x.example",
            "*** *** *** *** x.example",
        ),
        ("tgram://123456789:AbCdEfGh/98765", "bot AbCdEfGh", "bot ***"),
        ("slack://TokenA123/TokenB456/TokenC789", "TokenB456 TokenA123", "*** ***"),
        ("http://user1:pw@alertmanager:9093/am-path/", "alertmanager:9093 am-path user1", "alertmanager:9093 *** ***"),
        ("ntfys://ntfy.example/topic?token=tk_abc", "ntfy.example says tk_abc", "ntfy.example says ***"),
    ],
)
def test_parts_of_a_url_that_may_be_secret_are_not_shown(url: str, text: str, expected: str) -> None:
    assert masked(text, ChannelOptions(name="a", url=Secret(url))) == expected


@pytest.mark.parametrize("text", [text for text, _ in GOOD.values()], ids=GOOD)
def test_a_channel_goes_to_the_child_whole(text: str) -> None:
    (channel,) = parse(f'[[channel]]\nname = "a"\nmin_severity = "page"\ntimeout = 3\n{text}').channel
    request = Request(channel=channel, seconds=3.0, deadline=4.5, notification=alarm())
    assert unpacked(packed(request)) == request
    assert json.loads(packed(request))["channel"]["timeout"] == 3.0
