"""Makes the log of a busy relay host: as many lines as asked for, the same ones for the same seed and time.

What a message leaves: connect, client, message-id, queued, disconnect, one or two deliveries, removed. Of
the messages 90 % are sent at once, 7 % deferred and tried again (the odd one expires), 3 % bounced with a
non-delivery notification. Lines of messages that are under way at the same time mix, as in a real log; one
in a hundred lines or so is another program's. All names and addresses are reserved ones.

    python -m tests.bench.sample FILE --lines 1000000
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEED: Final = 5321
HOURS: Final = 6.0
LINES_PER_MESSAGE: Final = 7.8
"""What a message leaves on average, measured: so many lines fill so many hours."""
TOGETHER: Final = 4096
"""Lines that are written at once: what bounds the memory."""

FOREIGN: Final = (
    "systemd[1]: Started Session 42 of user root.",
    "CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.77, lip=192.0.2.25, mpid={pid}, TLS",
    "opendkim[811]: {queue_id}: DKIM-Signature field added (s=mail, d=shop.example)",
)
DEFERRALS: Final = (
    "host {mx} said: 451 4.7.1 <{recipient}>: Greylisted, try again later (in reply to RCPT TO command)",
    "host {mx} said: 421 4.7.0 Too many messages from 192.0.2.25, slow down (in reply to MAIL FROM command)",
    "connect to {mx}:25: Connection timed out",
    "lost connection with {mx} while receiving the initial server greeting",
    "host {mx} said: 452 4.2.2 <{recipient}> Mailbox full (in reply to RCPT TO command)",
)
BOUNCES: Final = (
    "host {mx} said: 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown (in reply to RCPT TO command)",
    "host {mx} said: 554 5.7.1 Client [192.0.2.25] blocked using dnsbl.example (in reply to RCPT TO command)",
    "host {mx} said: 550 5.7.26 This mail is unauthenticated (in reply to end of DATA command)",
)

Line = tuple[float, str]
"""When, and what stands behind the host's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A log that was written: how many lines it has, how many of them say ``removed``, and its bytes."""

    lines: int
    removed: int
    size: int


@dataclass(slots=True)
class Relay:
    """A relay host: its processes, and the stories of its messages."""

    random: Random
    messages: int = 0
    workers: dict[str, list[int]] = field(default_factory=dict)

    def story(self, at: float) -> list[Line]:
        """Everything that is logged about one message that comes in at ``at`` (seconds)."""
        queue_id, sender = self._queue_id(), f"app{self.random.randrange(40)}@shop.example"
        recipients = [self._recipient() for _ in range(1 if self.random.random() < 0.8 else 2)]
        told = self._arrival(at, queue_id, sender, len(recipients))
        fate = self.random.random()
        if fate < 0.07:
            return told + self._deferred(at + 1, queue_id, sender, recipients)
        if fate < 0.10:
            return told + self._bounced(at + 1, queue_id, sender, recipients)
        at += 0.4 + self.random.random() * 3
        told += [self._sent(at, queue_id, recipient) for recipient in recipients]
        told.append(self._removed(at + 0.01, queue_id))
        if self.random.random() < 0.08:
            told.append((at, self.random.choice(FOREIGN).format(pid=self._pid("cron"), queue_id=queue_id)))
        return told

    def _pid(self, program: str, processes: int = 8) -> int:
        """One of the program's processes; now and then (max_use) a new one takes its place."""
        pids = self.workers.setdefault(program, [])
        if len(pids) < processes:
            pids.append(self.random.randrange(1000, 4_000_000))
        elif self.random.random() < 0.01:
            pids[self.random.randrange(processes)] = self.random.randrange(1000, 4_000_000)
        return self.random.choice(pids)

    def _queue_id(self) -> str:
        """A short queue ID: microseconds and inode, in hexadecimal."""
        self.messages += 1
        return f"{self.random.randrange(1 << 20):05X}{0x40000 + self.messages % 0xB0000:05X}"

    def _recipient(self) -> str:
        return f"user{self.random.randrange(5000)}@d{int(self.random.paretovariate(0.7)) % 400}.example"

    def _mx(self, recipient: str) -> str:
        domain = recipient.partition("@")[2]
        return f"mx{1 + len(recipient) % 2}.{domain}[198.51.100.{len(domain) * 7 + ord(domain[1])}]"

    def _arrival(self, at: float, queue_id: str, sender: str, recipients: int) -> list[Line]:
        smtpd, number = self._pid("smtpd", 16), self.random.randrange(250)
        client = f"app{number % 5}.shop.example[203.0.113.{number}]"
        identity = f"{self.random.getrandbits(64):016x}.{self.messages}@app{number % 5}.shop.example"
        commands = f"ehlo=1 mail=1 rcpt={recipients} data=1 quit=1 commands={recipients + 4}"
        size = int(900 + self.random.paretovariate(1.2) * 1200)
        return [
            (at, f"postfix/smtpd[{smtpd}]: connect from {client}"),
            (at + 0.02, f"postfix/smtpd[{smtpd}]: {queue_id}: client={client}"),
            (at + 0.03, f"postfix/cleanup[{self._pid('cleanup')}]: {queue_id}: message-id=<{identity}>"),
            self._queued(at + 0.06, queue_id, sender, size, recipients),
            (at + 0.07, f"postfix/smtpd[{smtpd}]: disconnect from {client} {commands}"),
        ]

    def _queued(self, at: float, queue_id: str, sender: str, size: int, recipients: int) -> Line:
        words = f"{queue_id}: from=<{sender}>, size={size}, nrcpt={recipients} (queue active)"
        return at, f"postfix/qmgr[{self._pid('qmgr', 1)}]: {words}"

    def _removed(self, at: float, queue_id: str) -> Line:
        return at, f"postfix/qmgr[{self._pid('qmgr', 1)}]: {queue_id}: removed"

    def _attempt(self, at: float, queue_id: str, recipient: str, status: str, dsn: str, text: str) -> Line:
        """A delivery line of smtp, or of error where nobody was talked to."""
        agent = "error" if text.startswith("delivery temporarily suspended") else "smtp"
        silent = agent == "error" or text.startswith("connect to")
        relay = "none" if silent else self._mx(recipient) + ":25"
        setup, transmission = round(self.random.random() * 0.5, 2), round(self.random.random() * 2, 2)
        delays = f"delay={0.06 + setup + transmission:.2g}, delays=0.05/0.01/{setup}/{transmission}"
        words = f"{queue_id}: to=<{recipient}>, relay={relay}, {delays}, dsn={dsn}, status={status} ({text})"
        return at, f"postfix/{agent}[{self._pid(agent, 20)}]: {words}"

    def _sent(self, at: float, queue_id: str, recipient: str) -> Line:
        reply = f"250 2.0.0 Ok: queued as {self.random.getrandbits(44):011X}"
        return self._attempt(at, queue_id, recipient, "sent", "2.0.0", reply)

    def _deferred(self, at: float, queue_id: str, sender: str, recipients: list[str]) -> list[Line]:
        """Tried several times, at growing distances; most are sent at last."""
        told: list[Line] = []
        text = self.random.choice(DEFERRALS)
        pause = 300 + self.random.random() * 60
        for attempt in range(self.random.choice((1, 1, 1, 2, 2, 3))):
            dead = attempt > 0 and text.startswith(("connect", "lost"))
            suspended = "delivery temporarily suspended: " if dead else ""
            for recipient in recipients:
                said = suspended + text.format(mx=self._mx(recipient), recipient=recipient)
                if text.startswith("connect to") and not suspended:
                    told.append((at, f"postfix/smtp[{self._pid('smtp', 20)}]: {said}"))
                told.append(self._attempt(at, queue_id, recipient, "deferred", "4.4.1", said))
            at += pause
            pause *= 2
            told.append(self._queued(at, queue_id, sender, 2048, len(recipients)))
        if self.random.random() < 0.05:
            words = f"{queue_id}: from=<{sender}>, status=expired, returned to sender"
            told.append((at, f"postfix/qmgr[{self._pid('qmgr', 1)}]: {words}"))
            return told + self._notification(at, queue_id, sender)
        told += [self._sent(at + 1, queue_id, recipient) for recipient in recipients]
        return [*told, self._removed(at + 1.01, queue_id)]

    def _bounced(self, at: float, queue_id: str, sender: str, recipients: list[str]) -> list[Line]:
        text = self.random.choice(BOUNCES)
        told = [
            self._attempt(at, queue_id, each, "bounced", "5.1.1", text.format(mx=self._mx(each), recipient=each))
            for each in recipients
        ]
        return told + self._notification(at + 0.1, queue_id, sender)

    def _notification(self, at: float, queue_id: str, sender: str) -> list[Line]:
        """The sender is told; the message itself is done with."""
        new = self._queue_id()
        words = f"{queue_id}: sender non-delivery notification: {new}"
        return [
            (at, f"postfix/cleanup[{self._pid('cleanup')}]: {new}: message-id=<{new}.{self.messages}@mx.shop.example>"),
            (at, f"postfix/bounce[{self._pid('bounce', 3)}]: {words}"),
            self._queued(at, new, "", 4242, 1),
            self._removed(at + 0.01, queue_id),
            self._sent(at + 0.3, new, sender),
            self._removed(at + 0.31, new),
        ]


def lines(
    number: int, *, seed: int = SEED, hours: float = HOURS, until: float | None = None, precise: bool = False
) -> Iterator[bytes]:
    """``number`` lines in the order of their time, filling the hours before ``until`` (seconds; now by default).

    The last one says ``removed``: whoever has counted all of those has read to the end. ``precise`` stamps
    are RFC 3339 with microseconds, as rsyslog writes them where nobody asked for the traditional ones.
    """
    end = time.time() if until is None else until
    stamp, stamped = b"", 0
    for at, text in islice(_in_order(Random(seed), end - hours * 3600, number, hours), number - 1):
        if precise or int(at) != stamped:
            stamped = int(at)
            stamp = _stamp(min(at, end), precise=precise)
        yield stamp + text.encode() + b"\n"
    yield _stamp(end, precise=precise) + b"postfix/qmgr[999]: FFFFFFFFFFF: removed\n"


def _stamp(at: float, *, precise: bool) -> bytes:
    if precise:
        return time.strftime(f"%Y-%m-%dT%H:%M:%S.{int(at % 1 * 1_000_000):06d}+00:00 mx ", time.gmtime(at)).encode()
    return time.strftime("%b %e %H:%M:%S mx ", time.localtime(at)).encode()


def _in_order(random: Random, at: float, number: int, hours: float) -> Iterator[Line]:
    """The lines of one message after the other, merged by their time, without end."""
    relay, waiting = Relay(random), list[Line]()
    pause = hours * 3600 * LINES_PER_MESSAGE / number
    while True:
        for line in relay.story(at):
            heappush(waiting, line)
        at += pause * 2 * random.random()
        while waiting and waiting[0][0] < at:
            yield heappop(waiting)


def chunks(source: Iterable[bytes], together: int = TOGETHER) -> Iterator[list[bytes]]:
    """The lines of ``source``, so many at a time."""
    rest = iter(source)
    while chunk := list(islice(rest, together)):
        yield chunk


def write(path: Path, number: int, *, seed: int = SEED, hours: float = HOURS, precise: bool = False) -> Sample:
    """Write a log of ``number`` lines to ``path``; what it holds."""
    removed = size = 0
    with path.open("wb", buffering=0) as log:
        for chunk in chunks(lines(number, seed=seed, hours=hours, precise=precise)):
            removed += sum(line.endswith(b": removed\n") for line in chunk)
            size += log.write(b"".join(chunk))
    return Sample(lines=number, removed=removed, size=size)


def main() -> None:
    """Write a sample log to a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sample", description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--precise", action="store_true", help="RFC 3339 stamps")
    chosen = parser.parse_args()
    print(write(chosen.file, chosen.lines, seed=chosen.seed, hours=chosen.hours, precise=chosen.precise))


if __name__ == "__main__":
    main()
