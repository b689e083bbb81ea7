"""The lines of the tortured log: numbered deliveries, and noise between them that must change no count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

STATUSES: Final = {"sent": 90, "deferred": 7, "bounced": 3}
"""The statuses written, with their weights."""
REPLIES: Final = {
    "sent": (
        ("2.0.0", "250 2.0.0 Ok: queued as 9F8B2C00D1"),
        ("2.0.0", "250 2.0.0 OK 1795327024 d9443c01a7336-deadbeef - smtp"),
    ),
    "deferred": (
        ("4.4.1", "connect to mx.example.net[192.0.2.7]:25: Connection timed out"),
        # a server may say anything, also what looks like the end of another line
        (
            "4.7.1",
            "host mx.example.net[192.0.2.7] said: 451 4.7.1 try again, status=sent (in reply to RCPT TO command)",
        ),
    ),
    "bounced": (
        ("5.1.1", "host mx.example.org[198.51.100.9] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"),
        ("5.4.4", "Host or domain name not found. Name service error for name=gone.example type=A: Host not found"),
    ),
}


def stamp() -> str:
    """The time as rsyslog's traditional format has it."""
    return time.strftime("%b %e %H:%M:%S")


def delivery(random: Random, number: int, status: str) -> bytes:
    """The line of one delivery attempt, which names its own sequence number."""
    dsn, reply = random.choice(REPLIES[status])
    return (
        f"{stamp()} mx1 postfix/smtp[{4000 + number % 97}]: {0x4A000000 + number:X}: to=<user{number % 1009}@example.com>, "
        f"orig_to=<seq{number}@torture.example>, relay=mx.example.net[192.0.2.7]:25, delay=0.4, "
        f"delays=0.05/0.01/0.2/0.14, dsn={dsn}, status={status} ({reply})\n"
    ).encode()


def not_utf8(_: Random) -> bytes:
    """A header in Latin-1, with bytes that begin nothing in UTF-8."""
    start = f"{stamp()} mx1 postfix/cleanup[9]: 4A00001: warning: header Subject: caf".encode()
    return start + b"\xe9 \xff\xfe\xc3( from unknown[192.0.2.9]\n"


def lone_returns(_: Random) -> bytes:
    """Carriage returns and other would-be line ends inside a line, with a delivery behind one of them."""
    start = f"{stamp()} mx1 postfix/cleanup[9]: 4A00001: warning: header X-A: a\rb\r\rc".encode()
    return start + b"\x0b\x0c\x1c\x85\rpostfix/smtp[1]: 4A00001: to=<a@example.com>, dsn=2.0.0, status=sent (ok)\n"


def nul_run(random: Random) -> bytes:
    """NULs without a line end, in front of whatever comes next: what a power failure or a truncation leaves."""
    return b"\0" * random.choice((1, random.randrange(1, 6000), random.randrange(70_000, 150_000)))


def overlong(random: Random) -> bytes:
    """A line longer than anybody's buffer."""
    length = random.choice((random.randrange(66_000, 200_000), random.randrange(270_000, 600_000)))
    return f"{stamp()} mx1 postfix/smtpd[9]: warning: ".encode() + b"x" * length + b"\n"


def nothing(_: Random) -> bytes:
    """An empty line."""
    return b"\n"


def other_program(random: Random) -> bytes:
    """A line of somebody else; one of them looks like a delivery."""
    said = random.choice(
        (
            "dovecot: imap(user@example.com)<7><abc>: Disconnected: Logged out in=1 out=2",
            "sshd[77]: Invalid user status=sent from 192.0.2.66 port 4711",
            "app/smtp[5]: 4A00001: to=<a@example.com>, relay=none, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (ok)",
        )
    )
    return f"{stamp()} mx1 {said}\n".encode()


def queue_manager(random: Random) -> bytes:
    """Postfix's own lines that are no delivery attempts."""
    queue_id = f"{random.randrange(0x4B000000, 0x4BFFFFFF):X}"
    said = random.choice(
        (
            f"qmgr[3]: {queue_id}: from=<app@example.com>, size=2299, nrcpt=1 (queue active)",
            f"qmgr[3]: {queue_id}: removed",
            "smtpd[8]: disconnect from unknown[192.0.2.66] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
        )
    )
    return f"{stamp()} mx1 postfix/{said}\n".encode()


NOISE: Final[dict[Callable[[Random], bytes], float]] = {
    not_utf8: 0.002,
    lone_returns: 0.001,
    nul_run: 0.001,
    overlong: 0.0004,
    nothing: 0.001,
    other_program: 0.01,
    queue_manager: 0.02,
}
"""What lies in front of a delivery line, and how often."""


def noise(random: Random) -> bytes:
    """Mostly nothing; else one of the things above."""
    drawn = random.random()
    for make, share in NOISE.items():
        drawn -= share
        if drawn < 0:
            return make(random)
    return b""
