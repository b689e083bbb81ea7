"""Each channel against a real server: what arrives, what is answered, and how it fails."""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import json
import os
import ssl
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels.deliver import deliver, ping
from mailwatch.notification import Notification
from mailwatch.options import ChannelOptions, DeadmanOptions, Secret
from tests.parts.alarm import alarm
from tests.parts.certificates import Authority
from tests.parts.ports import free_port
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "s3cret-and-hidden"


def hook(url: str, **more: object) -> ChannelOptions:
    return replace(ChannelOptions(name="hook", type="webhook", url=Secret(url)), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


def context_of(authority: Authority, san: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*authority.sign("server", san=san))
    return made


def test_a_webhook_gets_the_notification_signed() -> None:
    with WebServer() as server:
        outcome = deliver(hook(server.url(f"/mail?k={HIDDEN}"), secret=Secret(HIDDEN)), alarm())
    assert (outcome.sent, outcome.answer) == (True, "HTTP 200 OK: thanks")
    (posted,) = server.posted
    assert posted.path == f"/mail?k={HIDDEN}"
    assert Notification.from_json(posted.body) == alarm()
    stamp = posted.headers["X-Mailwatch-Timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(HIDDEN.encode(), f"{stamp}.".encode() + posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Mailwatch-Signature"] == f"v1={expected}"


def test_a_repeat_has_the_same_key_and_a_reminder_another() -> None:
    with WebServer() as server:
        for each in (alarm(), alarm(), alarm(kind="reminder")):
            assert deliver(hook(server.url()), each).sent
    keys = [each.headers["Idempotency-Key"] for each in server.posted]
    assert keys[0] == keys[1] != keys[2]
    assert "X-Mailwatch-Signature" not in server.posted[0].headers


@pytest.mark.parametrize(
    ("status", "headers", "permanent", "wait"),
    [
        (429, {"Retry-After": "120"}, False, 120.0),
        (503, {"Retry-After": "99999999"}, False, 86400.0),
        (503, {"Retry-After": "soon"}, False, None),
        (500, {}, False, None),
        (408, {}, False, None),
        (404, {"Retry-After": "5"}, True, None),
        (401, {}, True, None),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, True, None),
    ],
)
def test_an_answer_that_is_no_success_is_told(
    status: int, headers: dict[str, str], permanent: bool, wait: float | None
) -> None:
    with WebServer(status=status, headers=headers, body=b"<html><b>no</b>\n\x1b[2J</html>") as server:
        outcome = deliver(hook(server.url()), alarm())
    assert (outcome.sent, outcome.permanent, outcome.retry_after) == (False, permanent, wait)
    assert f"HTTP {status}" in outcome.answer
    assert outcome.answer.isprintable()
    assert len(server.posted) == 1


def test_a_time_to_come_back_may_be_a_date() -> None:
    with WebServer(
        status=503, headers={"Retry-After": email.utils.formatdate(time.time() + 600, usegmt=True)}
    ) as server:
        outcome = deliver(hook(server.url()), alarm())
    assert outcome.retry_after is not None
    assert 500 < outcome.retry_after <= 600


def test_what_a_server_says_back_shows_no_secret() -> None:
    with WebServer(status=400, body=f"bad token {HIDDEN} of user:{HIDDEN}".encode()) as server:
        outcome = deliver(hook(server.url(f"/{HIDDEN}")), alarm())
    assert outcome.answer.endswith("bad token *** of user:***")


def test_a_certificate_is_checked_against_the_name_though_the_address_is_given(authority: Authority) -> None:
    with WebServer(context=context_of(authority, "DNS:hooks.example")) as server:
        channel = hook(server.url(host="hooks.example"), address="127.0.0.1", ca_file=authority.ca)
        assert deliver(channel, alarm()).answer == "HTTP 200 OK: thanks"
        other = replace(channel, url=Secret(server.url(host="other.example")))
        assert "Hostname mismatch, certificate is not valid for 'other.example'" in deliver(other, alarm()).answer
        unknown = deliver(replace(channel, ca_file=None), alarm())
        assert (unknown.sent, unknown.permanent) == (False, False)
        assert (
            "the certificate of hooks.example is not accepted: unable to get local issuer certificate" in unknown.answer
        )
        nowhere = deliver(replace(channel, ca_file=authority.folder / "none.pem"), alarm())
        assert (nowhere.permanent, "ca_file: cannot use" in nowhere.answer) == (True, True)
    assert [each.headers["Host"] for each in server.posted] == [f"hooks.example:{server.port}"]


def test_a_name_that_is_not_there_is_told() -> None:
    outcome = deliver(hook("http://nowhere.invalid/"), alarm())
    assert outcome.answer.startswith("cannot look up nowhere.invalid: ")


def test_apprise_notifies_the_service_of_a_url() -> None:
    with WebServer() as server:
        channel = ChannelOptions(name="service", url=Secret(f"json://127.0.0.1:{server.port}/{HIDDEN}"))
        outcome = deliver(channel, alarm())
        assert (outcome.sent, outcome.answer) == (True, "json: taken")
        deliver(channel, alarm(kind="resolved"))
    said = [json.loads(each.body) for each in server.posted]
    assert said[0]["title"] == alarm().subject
    assert said[0]["message"].rstrip() == alarm().text.rstrip()
    assert [each["type"] for each in said] == ["failure", "success"]


def test_apprise_cuts_what_a_service_does_not_take_whole() -> None:
    with WebServer(body=b"{}") as server:
        url = f"ntfy://127.0.0.1:{server.port}/topic"
        for each in (url, f"{url}?overflow=upstream"):
            assert deliver(ChannelOptions(name="a", url=Secret(each)), alarm(text="x" * 16_000)).sent
    cut, whole = (each.body for each in server.posted)
    assert b"x" * 1000 in cut
    assert len(cut) < 10_000 < len(whole)


def test_apprise_tells_nobody_again_where_some_targets_of_a_url_have_got_it() -> None:
    with WebServer(body=b"{}") as server:

        def answer() -> None:
            server.status = 404 if b'"bad"' in server.posted[-1].body else 200

        server.before_answer = answer
        for targets, sent in (("good/bad", True), ("bad/good", True), ("bad/bad", False)):
            url = f"ntfy://127.0.0.1:{server.port}/{targets}"
            outcome = deliver(ChannelOptions(name="a", url=Secret(url)), alarm())
            assert outcome.sent is sent, outcome
            assert outcome.answer.startswith("ntfy: taken by some, not by all: " if sent else "ntfy: not taken: ")
            assert "error=404" in outcome.answer
        server.before_answer, server.status = None, 200
        two = f"json://127.0.0.1:{server.port}/a,json://127.0.0.1:{free_port()}/b"
        outcome = deliver(ChannelOptions(name="a", url=Secret(two)), alarm())
        assert outcome.answer.startswith("json: taken by some, not by all: ")


def test_apprise_says_why_it_failed_without_what_is_secret() -> None:
    with WebServer(status=403) as server:
        outcome = deliver(
            ChannelOptions(name="a", url=Secret(f"json://user:{HIDDEN}@127.0.0.1:{server.port}/{HIDDEN}")), alarm()
        )
    assert not outcome.sent
    assert "error=403" in outcome.answer
    assert HIDDEN not in outcome.answer
    refused = deliver(ChannelOptions(name="a", url=Secret(f"nosuchservice://{HIDDEN}")), alarm())
    assert (refused.sent, refused.permanent) == (False, True)
    assert refused.answer.startswith("apprise does not take the URL")


def command(*words: str, timeout: float = 10) -> ChannelOptions:
    return ChannelOptions(name="command", command=words, timeout=timeout)


def test_a_command_gets_the_text_and_knows_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", HIDDEN)
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    script = f'cat > {tmp_path}/text; env > {tmp_path}/env; cat /proc/$PPID/environ > {tmp_path}/child; printf "%s\\n" "$0" > {tmp_path}/words; echo working; echo paged'
    outcome = deliver(command("/bin/sh", "-c", script, "a $(id) b"), alarm(subject="x `id` \n$(id)"))
    assert (outcome.sent, outcome.answer) == (True, "paged")
    assert (tmp_path / "text").read_text().strip() == alarm().text.strip()
    assert (tmp_path / "words").read_text() == "a $(id) b\n"
    known = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert known["MAILWATCH_SUBJECT"] == "x `id` $(id)"
    assert known["MAILWATCH_SEVERITY"] == "page"
    assert known["MAILWATCH_ENDED_AT"] == ""
    assert "MAILWATCH_TEXT" not in known
    assert "HIDDEN" not in known
    assert "NOTIFY_SOCKET" not in known
    assert b"NOTIFY_SOCKET=" not in (tmp_path / "child").read_bytes()


@pytest.mark.parametrize(
    ("words", "permanent", "answer"),
    [
        (("/bin/sh", "-c", "echo no way >&2; exit 7"), False, "/bin/sh ended with exit code 7: no way"),
        (("/bin/sh", "-c", "kill -9 $$"), False, "/bin/sh was ended by signal 9"),
        (("/nowhere/page",), True, "cannot run /nowhere/page: No such file or directory"),
        (("/etc/passwd",), True, "cannot run /etc/passwd: Permission denied"),
    ],
)
def test_a_command_that_fails_is_told(words: tuple[str, ...], permanent: bool, answer: str) -> None:
    outcome = deliver(command(*words), alarm())
    assert (outcome.sent, outcome.permanent, outcome.answer) == (False, permanent, answer)


def test_a_command_that_reads_nothing_and_says_very_much_is_no_trouble() -> None:
    outcome = deliver(command("/bin/sh", "-c", "yes nonsense | head -c 10000000"), alarm(text="x" * 16_000))
    assert outcome.sent
    assert len(outcome.answer) <= 300


def test_a_file_gets_a_block_that_nobody_else_reads(tmp_path: Path) -> None:
    channel = ChannelOptions(name="file", path=tmp_path / "alerts")
    assert deliver(channel, alarm(text="first\n\n\x1b[2Jsecond")).sent
    assert deliver(channel, alarm(subject="again")).sent
    text = (tmp_path / "alerts").read_text()
    assert text.startswith(
        "2026-11-25T07:10:00Z page first relay-failing/relay-auth-failed/smtp.example.net/1795590000 [mx1] all mail via"
    )
    assert "\n    first\n\n    ?[2Jsecond\n2026-11-25T07:10:00Z page first" in text
    assert stat.S_IMODE((tmp_path / "alerts").stat().st_mode) == 0o600


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    assert (
        "Too many levels of symbolic links" in deliver(ChannelOptions(name="f", path=tmp_path / "link"), alarm()).answer
    )
    assert not (tmp_path / "victim").exists()
    os.mkfifo(tmp_path / "pipe")
    assert not deliver(ChannelOptions(name="f", path=tmp_path / "pipe"), alarm()).sent
    assert "No such file" in deliver(ChannelOptions(name="f", path=tmp_path / "none" / "x"), alarm()).answer


@pytest.mark.parametrize(
    ("signal", "path"), [("start", "/abc/start?x=1"), ("ok", "/abc?x=1"), ("fail", "/abc/fail?x=1")]
)
def test_a_dead_mans_switch_is_pinged(tmp_path: Path, signal: str, path: str) -> None:
    with WebServer() as server:
        (tmp_path / "url").write_text(server.url("/abc/?x=1"))
        outcome = ping(DeadmanOptions(url_file=tmp_path / "url"), signal, text="the log cannot be read")
        assert outcome.sent, outcome
    assert [(each.path, each.body) for each in server.posted] == [(path, b"the log cannot be read")]


def test_without_a_dead_mans_switch_nobody_is_pinged() -> None:
    assert ping(DeadmanOptions(), "ok").answer == "there is nobody to ping: set url or url_file in [deadman]"


def test_a_dead_mans_switch_that_is_dead_itself_is_told() -> None:
    with WebServer(status=500) as server:
        assert not ping(DeadmanOptions(url=Secret(server.url())), "ok").sent
    assert "Connection refused" in ping(DeadmanOptions(url=Secret(server.url())), "ok").answer
