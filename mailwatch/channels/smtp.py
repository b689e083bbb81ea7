"""Mails a notification through a mail server that is not the one being watched; never through the local sendmail.

Promises
    STARTTLS or implicit TLS, with the certificate verified against the host's name also where its address is given;
    a server without TLS gets nothing unless ``tls = "none"``, and never a password. Message-ID is the same when the
    very same notification comes again, and all of one alert are a thread. It is marked as automatic (RFC 3834).
    A reply of 5xx is a permanent failure, a wrong password too: trying on could lock the account.
"""

from __future__ import annotations

import email.policy
import hashlib
import re
import smtplib
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from mailwatch.channels.answer import Receipt, SendFailed
from mailwatch.channels.connect import connect, context_for, encrypted, remaining, shown, tls_failure

if TYPE_CHECKING:
    import socket
    import ssl

    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
POLICY: Final = email.policy.SMTP.clone(cte_type="7bit")
ACCEPTED, PERMANENT = 250, 500
LOGINS: Final = {"PLAIN": "auth_plain", "LOGIN": "auth_login", "CRAM-MD5": "auth_cram_md5"}
HOST_NAME: Final = re.compile(r"[A-Za-z0-9.-]{1,255}")


class Session(smtplib.SMTP):
    """A session whose connection is made our way."""

    def __init__(self, channel: ChannelOptions, helo: str, context: ssl.SSLContext, deadline: float) -> None:
        self._channel = channel
        self._made_with = context
        self._by = deadline
        port = channel.port or PORTS[channel.tls]
        # with local_hostname no name of this machine is looked up, which could hang
        super().__init__(channel.host, port, local_hostname=helo, timeout=remaining(deadline, "connecting"))

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del timeout
        plain = connect(host, port, self._channel.address, self._by)
        return encrypted(plain, host, self._made_with) if self._channel.tls == "implicit" else plain

    def step(self, name: str) -> None:
        """Begin a step, with the time that is left."""
        left = remaining(self._by, name)
        if self.sock is not None:
            self.sock.settimeout(left)


def send(notification: Notification, channel: ChannelOptions, deadline: float) -> Receipt:
    """Mail it. Raises SendFailed."""
    where = shown(channel.host, channel.port or PORTS[channel.tls])
    helo = notification.host if HOST_NAME.fullmatch(notification.host) else "localhost"
    context = context_for(channel.ca_file)
    try:
        session = Session(channel, helo, context, deadline)
        try:
            begin(session, channel, context)
            answer = hand_over(session, channel, message(notification, channel).as_bytes(policy=POLICY))
        finally:
            # a QUIT that is waited for could only turn a success into a failure
            with suppress(smtplib.SMTPException, OSError):
                session.putcmd("quit")
            session.close()
    except smtplib.SMTPResponseException as error:
        raise refusal(where, "it", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPServerDisconnected as error:
        late = isinstance(error.__context__, TimeoutError)
        raise SendFailed(f"{where} {'did not answer in time' if late else 'ended the session'}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise SendFailed(f"{where}: {error}", permanent=True) from error
    except TimeoutError as error:
        raise SendFailed(f"{where} did not answer in time") from error
    except (smtplib.SMTPException, OSError) as error:
        raise SendFailed(f"{where}: {getattr(error, 'strerror', None) or error}") from error
    return answer


def begin(session: Session, channel: ChannelOptions, context: ssl.SSLContext) -> None:
    """Greet, encrypt, log in."""
    session.step("greeting")
    session.ehlo_or_helo_if_needed()
    if channel.tls == "starttls":
        session.step("STARTTLS")
        try:
            code, said = session.starttls(context=context)
        except smtplib.SMTPNotSupportedError as error:
            raise SendFailed(f"{channel.host} offers no STARTTLS: nothing was sent") from error
        except smtplib.SMTPResponseException as error:
            raise refusal(channel.host, "STARTTLS", error.smtp_code, error.smtp_error) from error
        except OSError as error:
            raise tls_failure(channel.host, error) from error
        if code != 220:  # noqa: PLR2004 - RFC 3207
            raise refusal(channel.host, "STARTTLS", code, said)
        session.ehlo()
    if channel.user and channel.password is not None:
        session.step("logging in")
        log_in(session, channel, channel.password.reveal())


def log_in(session: Session, channel: ChannelOptions, password: str) -> None:
    """Log in, in one way: trying all of them with a wrong password would lock the account the sooner."""
    offered = session.esmtp_features.get("auth", "").upper().split()
    way = next((each for each in LOGINS if each in offered), None)
    if way is None:
        raise SendFailed(f"{channel.host} offers no login of {', '.join(LOGINS)}", permanent=True)
    session.user, session.password = channel.user, password
    try:
        session.auth(way, getattr(session, LOGINS[way]))
    except smtplib.SMTPAuthenticationError as error:
        raise refusal(channel.host, "user and password", error.smtp_code, error.smtp_error) from error


def hand_over(session: Session, channel: ChannelOptions, content: bytes) -> Receipt:
    """Give the message to the server; its answer. Raises SendFailed when no recipient is accepted."""
    session.step("MAIL FROM")
    code, said = session.mail(channel.from_)
    if code != ACCEPTED:
        raise refusal(channel.host, "the sender", code, said)
    refused: dict[str, SendFailed] = {}
    for each in channel.to:
        session.step("RCPT TO")
        code, said = session.rcpt(each)
        if code not in (ACCEPTED, ACCEPTED + 1):
            refused[each] = refusal(channel.host, f"recipient {channel.to.index(each) + 1}", code, said)
    if len(refused) == len(set(channel.to)):
        text = "; ".join(str(each) for each in refused.values())
        raise SendFailed(text, permanent=all(each.permanent for each in refused.values()))
    session.step("DATA")
    code, said = session.data(content)
    if code != ACCEPTED:
        raise refusal(channel.host, "the message", code, said)
    return Receipt("; ".join([f"{code} {words(said)}", *(str(each) for each in refused.values())]))


def refusal(where: str, what: str, code: int, said: bytes | str) -> SendFailed:
    """A reply that is none of success."""
    return SendFailed(f"{where} refuses {what}: {code} {words(said)}", permanent=code >= PERMANENT)


def words(said: bytes | str) -> str:
    """A reply's text."""
    return said if isinstance(said, str) else said.decode("utf-8", "replace")


def message(notification: Notification, channel: ChannelOptions) -> EmailMessage:
    """The notification as a message with a plain and a marked-up part."""
    made = EmailMessage(policy=POLICY)
    made["From"] = channel.from_
    made["To"] = ", ".join(channel.to)
    made["Subject"] = notification.subject
    made["Date"] = format_datetime(datetime.fromtimestamp(notification.at, UTC))
    domain = channel.from_.rpartition("@")[2]
    made["Message-ID"] = message_id(domain, notification.key, notification.kind, repr(notification.at))
    thread = (notification.rule, notification.cause, notification.scope, notification.host, repr(notification.began_at))
    made["References"] = message_id(domain, *thread)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Mailwatch-Key"] = hashlib.sha256(notification.key.encode("utf-8", "replace")).hexdigest()[:32]
    made.set_content(notification.text or notification.subject)
    if notification.html:
        made.add_alternative(notification.html, subtype="html")
    return made


def message_id(domain: str, *identity: str) -> str:
    """The Message-ID of what has this identity."""
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "replace")).hexdigest()[:32]
    return f"<{digest}@{domain}>"
