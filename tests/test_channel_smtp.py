"""Mail by another server: Postfix with TLS, and a server that says what a test wants."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailwatch.channels.deliver import deliver
from mailwatch.options import ChannelOptions, Secret
from tests.parts.alarm import alarm
from tests.parts.certificates import Authority
from tests.parts.dovecot import DovecotAuth
from tests.parts.ports import eventually
from tests.parts.postfix import PrivatePostfix
from tests.parts.smtp_server import SmtpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "s3cret-and-hidden"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority.make(tmp_path_factory.mktemp("ca"))
    made.sign("mail", san="DNS:mail.example")
    return made


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(authority.folder / "mail.pem", authority.folder / "mail.key")
    return made


def channel(port: int, authority: Authority | None = None, **more: object) -> ChannelOptions:
    made = ChannelOptions(
        name="mail",
        host="mail.example",
        address="127.0.0.1",
        port=port,
        from_="mailwatch@mx1.example.com",
        to=("ops@example.com", "boss@example.com"),
        ca_file=None if authority is None else authority.ca,
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit TLS"])
def test_mail_goes_encrypted_and_logged_in(
    authority: Authority, context: ssl.SSLContext, tmp_path: Path, implicit: bool
) -> None:
    (tmp_path / "password").write_text(f"{HIDDEN}\n")
    with SmtpServer(context=context, implicit=implicit, login=("mailwatch", HIDDEN)) as server:
        wanted = channel(
            server.port, authority, tls="implicit" if implicit else "starttls", user="mailwatch", password_file=tmp_path / "password"
        )  # fmt: skip
        outcome = deliver(wanted, alarm())
        assert (outcome.sent, outcome.answer) == (True, "250 2.0.0 queued as 4711")
    (taken,) = server.taken
    assert taken.tls == "TLSv1.3"
    assert taken.user == "mailwatch"
    assert taken.helo == "mx1.example.com"
    assert taken.sender.startswith("FROM:<mailwatch@mx1.example.com>")
    assert [each.partition(">")[0] for each in taken.recipients] == ["TO:<ops@example.com", "TO:<boss@example.com"]


def test_the_message_says_what_it_is_in_two_forms(context: ssl.SSLContext, authority: Authority) -> None:
    with SmtpServer(context=context) as server:
        for each in (alarm(), alarm(), alarm(kind="resolved"), alarm(began_at=1.0)):
            assert deliver(channel(server.port, authority), each).sent
    first, again, resolved, another = (each.message for each in server.taken)
    assert first["Subject"] == alarm().subject
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Date"] == "Wed, 25 Nov 2026 07:10:00 +0000"
    plain, marked_up = first.get_body(("plain",)), first.get_body(("html",))
    assert plain is not None
    assert marked_up is not None
    assert plain.get_content().replace("\r\n", "\n") == alarm().text
    assert marked_up.get_content().strip() == alarm().html
    assert first["Message-ID"] == again["Message-ID"] != resolved["Message-ID"]
    assert first["References"] == resolved["References"] != another["References"]
    assert all(len(line) < 999 and line.isascii() for line in server.taken[0].content.splitlines())


def test_a_certificate_for_another_name_gets_nothing(context: ssl.SSLContext, authority: Authority) -> None:
    with SmtpServer(context=context) as server:
        other = deliver(channel(server.port, authority, host="other.example"), alarm())
        unknown = deliver(channel(server.port), alarm())
    assert other.answer == (
        "the certificate of other.example is not accepted: Hostname mismatch, certificate is not valid for 'other.example'."
    )
    assert "unable to get local issuer certificate" in unknown.answer
    assert not server.taken
    assert not any(words.startswith("MAIL") for words in server.heard)


def test_a_server_without_tls_gets_nothing_unless_asked_for() -> None:
    with SmtpServer() as server:
        refused = deliver(channel(server.port), alarm())
        assert refused.answer == "mail.example offers no STARTTLS: nothing was sent"
        assert not server.taken
        assert deliver(channel(server.port, tls="none"), alarm()).sent
    assert len(server.taken) == 1


def test_a_wrong_password_is_permanent_and_not_shown(context: ssl.SSLContext, authority: Authority) -> None:
    with SmtpServer(context=context, login=("mailwatch", "another")) as server:
        outcome = deliver(channel(server.port, authority, user="mailwatch", password=Secret(HIDDEN)), alarm())
    assert (outcome.sent, outcome.permanent) == (False, True)
    assert outcome.answer == "mail.example refuses user and password: 535 5.7.8 wrong password ***"
    assert len([words for words in server.heard if words.startswith("AUTH")]) == 1


def test_a_server_without_login_gets_no_message(context: ssl.SSLContext, authority: Authority) -> None:
    with SmtpServer(context=context) as server:
        outcome = deliver(channel(server.port, authority, user="mailwatch", password=Secret(HIDDEN)), alarm())
    assert outcome.answer == "mail.example offers no login of PLAIN, LOGIN, CRAM-MD5"
    assert not server.taken


@pytest.mark.parametrize(
    ("replies", "sent", "permanent", "answer"),
    [
        ({"MAIL": "451 4.3.0 later"}, False, False, "mail.example refuses the sender: 451 4.3.0 later"),
        ({"MAIL": "550 5.7.1 never"}, False, True, "mail.example refuses the sender: 550 5.7.1 never"),
        ({"RCPT": "550 5.1.1 unknown"}, False, True, "mail.example refuses recipient 1: 550 5.1.1 unknown; mail.example refuses recipient 2: 550 5.1.1 unknown"),
        ({"TO:<ops@example.com>": "450 4.2.0 full"}, True, False, "250 2.0.0 queued as 4711; mail.example refuses recipient 1: 450 4.2.0 full"),
        ({"CONTENT": "552 5.3.4 too big"}, False, True, "mail.example refuses the message: 552 5.3.4 too big"),
        ({"STARTTLS": "454 4.7.0 not now"}, False, False, "mail.example refuses STARTTLS: 454 4.7.0 not now"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_the_servers_words(
    context: ssl.SSLContext, authority: Authority, replies: dict[str, str], sent: bool, permanent: bool, answer: str
) -> None:
    with SmtpServer(context=context, replies=replies) as server:
        outcome = deliver(channel(server.port, authority), alarm())
    assert (outcome.sent, outcome.permanent, outcome.answer) == (sent, permanent, answer)


def test_a_server_that_refuses_to_talk_is_told() -> None:
    with SmtpServer(banner="421 4.3.2 shutting down") as server:
        outcome = deliver(channel(server.port), alarm())
    assert (outcome.permanent, outcome.answer) == (
        False,
        f"mail.example:{server.port} refuses it: 421 4.3.2 shutting down",
    )


@pytest.fixture
def postfix_behind_tls(authority: Authority) -> Iterator[tuple[PrivatePostfix, SmtpServer]]:
    """Postfix that relays for who logs in alone, asks Dovecot whether, and passes on to a server of ours."""
    # not tmp_path: its parents are closed to the user postfix
    root = Path(tempfile.mkdtemp(prefix="postfix-"))
    dovecot = DovecotAuth(root / "dovecot", "mailwatch", HIDDEN)
    settings = {
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_cert_file": str(authority.folder / "mail.pem"),
        "smtpd_tls_key_file": str(authority.folder / "mail.key"),
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": str(dovecot.socket),
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    }
    with SmtpServer() as behind:
        postfix = PrivatePostfix(root / "postfix", behind.port, settings)
        root.chmod(0o755)
        try:
            dovecot.start()
            postfix.start()
            yield postfix, behind
        finally:
            postfix.stop()
            dovecot.stop()
            shutil.rmtree(root, ignore_errors=True)


def test_postfix_takes_it_from_who_logs_in_and_passes_it_on(
    authority: Authority, postfix_behind_tls: tuple[PrivatePostfix, SmtpServer]
) -> None:
    postfix, behind = postfix_behind_tls
    stranger = deliver(channel(postfix.port, authority), alarm())
    assert (stranger.sent, stranger.permanent) == (False, True)
    assert "mail.example refuses recipient 1: 554 5.7.1" in stranger.answer
    wrong = deliver(channel(postfix.port, authority, user="mailwatch", password=Secret("wrong-one")), alarm())
    assert wrong.permanent
    assert wrong.answer.startswith("mail.example refuses user and password: 535 5.7.8 ")
    outcome = deliver(channel(postfix.port, authority, user="mailwatch", password=Secret(HIDDEN)), alarm())
    assert outcome.sent, outcome
    assert outcome.answer.startswith("250 2.0.0 Ok: queued as ")
    (taken,) = eventually(lambda: behind.taken, within=30, what="Postfix passes it on")
    assert taken.message["Subject"] == alarm().subject
    assert "with ESMTPSA id " in "".join(taken.message.get_all("Received", []))
