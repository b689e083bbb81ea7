"""A name server on loopback, by UDP and TCP on one port: true to the RFCs about the zones it is given, except for faults.

It answers as an authoritative server and as a resolver at once (AA and RA): aliases are followed within its data,
wildcards by RFC 4592, names between (empty non-terminals) are there without data, all else is NXDOMAIN. The SOA of the
zone comes with negative answers. Signatures in the data (RRSIG) are added where the question says DO.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.parts.zone_data import Data, lines

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

PATIENCE: Final = 10
MOST_ALIASES: Final = 16
LARGE: Final = 9000
FAULTS: Final = """servfail refused silent truncated truncated-udp garbage wrong-id wrong-question slow:SECONDS formerr-edns loop
lame bogus oversized secure spoofed transient referral helpless hearsay partial ede:CODE:TEXT"""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and how: ``udp`` or ``tcp``."""

    name: str
    kind: str
    how: str
    edns: bool
    recursion: bool
    checking_disabled: bool


class NameServer:
    """Serves ``zone``: lines of a master file with absolute names, or ``("mx.example", "A"): ["192.0.2.1"]``.

    ``faults`` are by ``name`` or ``name TYPE`` (``*``: every name), after a chain of aliases too:
        servfail, refused, silent: as they say; lame: REFUSED as by a server that has no such zone;
        truncated: TC by UDP, and TCP is closed at once; truncated-udp: TC by UDP, TCP is right;
        garbage: bytes that are no message; wrong-id, wrong-question: answers to something else;
        slow:2.5: right, after so many seconds; formerr-edns: FORMERR to a question with EDNS;
        loop: an alias for itself; oversized: more than was asked for by UDP; bogus: SERVFAIL unless CD is set;
        spoofed: by UDP, with messages of another before it; transient: SERVFAIL the first time, then right;
        referral: to other name servers; helpless: nothing, as by a server that asks no others; hearsay: right, and not
        as a name server of the zone (no AA);
        partial: the first alias of a chain, and no more;
        ede:6:words: SERVFAIL with an extended error (RFC 8914); secure: AD is set for this name and all below it
        (``.``: for the root alone).
    ``delay`` is in seconds, for each answer. ``asked`` is what was asked, in order; ``questions`` says how as well;
    ``most_at_once`` is how many questions were under way together.
    """

    def __init__(
        self,
        zone: str | Mapping[tuple[str, str], list[str]] = "",
        *,
        faults: Mapping[str, str] | None = None,
        delay: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        failing: tuple[str, ...] = (),
        silent: tuple[str, ...] = (),
    ) -> None:
        self._data = Data(zone if isinstance(zone, str) else lines(zone))
        given = {**dict.fromkeys(failing, "servfail"), **dict.fromkeys(silent, "silent"), **(faults or {})}
        self._faults = {fault_key(place): fault for place, fault in given.items()}
        for fault in self._faults.values():
            assert fault.partition(":")[0] in FAULTS.replace(":", " ").split(), f"no such fault: {fault}"
        self._secure = [dns.name.from_text(name) for (name, _), fault in self._faults.items() if fault == "secure"]
        self._delay, self._host, self._port = delay, host, port
        self.questions: list[Question] = []
        self.asked: list[tuple[str, str]] = []
        self.most_at_once = self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: list[Exception] = []

    def __enter__(self) -> Self:
        self._tcp, self._udp = bound(self._host, self._port)
        self.address: tuple[str, int] = self._udp.getsockname()[:2]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._udp.close()
        self._tcp.close()
        if self._broken:
            raise self._broken[0]

    def _run(self) -> None:
        self._start(self._serve_udp())
        self._start(self._serve_tcp())
        self._loop.run_forever()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._broken.append(error)

    async def _serve_udp(self) -> None:
        while True:
            try:
                query, client = await self._loop.sock_recvfrom(self._udp, 65535)
            except ConnectionError:  # an answer met a closed port
                continue
            self._start(self._answer_udp(query, client))

    async def _answer_udp(self, query: bytes, client: tuple[str, int]) -> None:
        for answer in await self._answers(query, "udp"):
            with contextlib.suppress(OSError):  # whoever asked is gone
                await self._loop.sock_sendto(self._udp, answer, client)

    async def _serve_tcp(self) -> None:
        while True:
            connection, _ = await self._loop.sock_accept(self._tcp)
            self._start(self._answer_tcp(connection))

    async def _answer_tcp(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            connection.setblocking(False)
            while True:
                (length,) = struct.unpack("!H", await self._read(connection, 2))
                answers = await self._answers(await self._read(connection, length), "tcp")
                if not answers:
                    await self._read(connection, 1)  # silent: until whoever asked goes away
                for answer in answers:
                    if not answer:
                        return
                    await self._loop.sock_sendall(connection, struct.pack("!H", len(answer)) + answer)

    async def _read(self, connection: socket.socket, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = await self._loop.sock_recv(connection, length - len(data))
            if not more:
                raise asyncio.IncompleteReadError(data, length)
            data += more
        return data

    async def _answers(self, wire: bytes, how: str) -> list[bytes]:
        """The messages to send; ``b""`` is the end of the connection, by TCP."""
        try:
            query = dns.message.from_wire(wire)
        except Exception:  # noqa: BLE001 - whatever the bytes are, the server goes on
            return []
        if len(query.question) != 1 or query.flags & dns.flags.QR:
            return []
        question = query.question[0]
        asked = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(asked)
        flags = query.flags
        self.questions.append(
            Question(*asked, how, query.edns >= 0, bool(flags & dns.flags.RD), bool(flags & dns.flags.CD))
        )
        fault, _, how_much = self._fault(question.name, question.rdtype).partition(":")
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        wait = self._delay + (float(how_much) if fault == "slow" else 0)
        if wait:
            await asyncio.sleep(wait)
        self._under_way -= 1
        return self._with_fault(query, how, fault)

    def _fault(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> str:
        text, kind = name.to_text().lower(), dns.rdatatype.to_text(rdtype)
        for key in ((text, kind), (text, ""), ("*", kind), ("*", "")):
            if key in self._faults:
                return self._faults[key]
        return ""

    def _with_fault(self, query: dns.message.Message, how: str, fault: str) -> list[bytes]:
        if fault == "silent":
            return []
        if fault == "garbage":
            return [b"\xff" * 40]
        if fault == "truncated" and how == "tcp":
            return [b""]
        if fault == "spoofed" and how == "udp":
            right = self._with_fault(query, how, "")
            return [b"", b"\xff" * 40, spoof(query, query.id ^ 1), *right, spoof(query, query.id)]
        answer = turned(self._right(query), query, fault)
        size = max(query.payload, 512) if query.edns >= 0 else 512
        wire = answer.to_wire(max_size=65535)
        if how == "udp" and (fault in ("truncated", "truncated-udp") or (len(wire) > size and fault != "oversized")):
            return [cut(answer)]
        return [wire]

    def _right(self, query: dns.message.Message) -> dns.message.Message:
        """The answer, after the chain of aliases; it fails where a name of the chain has such a fault."""
        answer = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        answer.flags |= dns.flags.AA | (query.flags & dns.flags.CD)
        question = query.question[0]
        name, chain = question.name, [question.name]
        while len(chain) <= MOST_ALIASES:
            fault = self._fault(name, question.rdtype)
            if failed := self._failed(query, fault):
                return failed
            target = name if fault == "loop" else self._data.into(answer, name, question.rdtype)
            if fault == "loop":
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", name.to_text()))
            if target is None or target in chain or fault == "partial":
                break
            chain.append(target)
            name = target
        if wants_signatures(query) or query.flags & dns.flags.AD:
            answer.flags |= dns.flags.AD if all(map(self._is_secure, chain)) else 0
        if not wants_signatures(query):
            answer.answer = [each for each in answer.answer if each.rdtype in (question.rdtype, dns.rdatatype.CNAME)]
        return answer

    def _failed(self, query: dns.message.Message, fault: str) -> dns.message.Message | None:
        fault, _, rest = fault.partition(":")
        if fault in ("servfail", "silent") or (fault == "bogus" and not query.flags & dns.flags.CD):
            return refusal(query, dns.rcode.SERVFAIL)
        if fault == "transient" and self.asked.count(self.asked[-1]) == 1:
            return refusal(query, dns.rcode.SERVFAIL)
        if fault == "refused":
            return refusal(query, dns.rcode.REFUSED)
        if fault in ("lame", "helpless", "referral"):
            answer = refusal(query, dns.rcode.REFUSED if fault == "lame" else dns.rcode.NOERROR)
            if fault == "referral":
                answer.authority.append(dns.rrset.from_text("example.", 60, "IN", "NS", "ns.example."))
            else:
                answer.flags &= ~dns.flags.RA
            return answer
        if fault == "ede":
            answer = refusal(query, dns.rcode.SERVFAIL)
            code, _, text = rest.partition(":")
            answer.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(dns.edns.EDECode(int(code)), text or None)])
            return answer
        return None

    def _is_secure(self, name: dns.name.Name) -> bool:
        return any(name == zone or (zone != dns.name.root and name.is_subdomain(zone)) for zone in self._secure)


def fault_key(place: str) -> tuple[str, str]:
    name, _, kind = place.strip().partition(" ")
    return (name if name == "*" else f"{name.rstrip('.').lower()}."), kind.strip().upper()


def bound(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A listening TCP socket and a UDP socket on one port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        tcp, udp = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((host, port))
            tcp.listen(128)
            udp.bind((host, tcp.getsockname()[1]))
        except OSError:
            tcp.close()
            udp.close()
            if port:
                raise
            continue
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        tcp.setblocking(False)
        udp.setblocking(False)
        return tcp, udp


def wants_signatures(query: dns.message.Message) -> bool:
    return query.edns >= 0 and bool(query.ednsflags & dns.flags.DO)


def refusal(query: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    answer = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    answer.set_rcode(rcode)
    return answer


def turned(answer: dns.message.Message, query: dns.message.Message, fault: str) -> dns.message.Message:
    """The answer with what is wrong in it."""
    question = query.question[0]
    if fault == "wrong-id":
        answer.id ^= 1
    if fault == "wrong-question":
        answer.question = [dns.rrset.RRset(dns.name.from_text("wrong.example"), dns.rdataclass.IN, question.rdtype)]
    if fault == "oversized":
        answer.additional.append(dns.rrset.from_text("large.example.", 0, "IN", "TXT", *large()))
    if fault == "hearsay":
        answer.flags &= ~dns.flags.AA
    if fault == "formerr-edns" and query.edns >= 0:
        answer = refusal(query, dns.rcode.FORMERR)
        answer.use_edns(False)
    return answer


def spoof(query: dns.message.Message, identifier: int) -> bytes:
    """What somebody else would have answered: that the name is not there."""
    answer = refusal(query, dns.rcode.NXDOMAIN)
    answer.id = identifier
    return answer.to_wire()


def cut(answer: dns.message.Message) -> bytes:
    short = dns.message.Message(answer.id)
    short.flags = answer.flags | dns.flags.TC
    short.question = answer.question
    if answer.edns >= 0:
        short.use_edns(answer.edns, answer.ednsflags, answer.payload)
    return short.to_wire()


def large() -> list[str]:
    return [f'"{"x" * 250}{number}"' for number in range(LARGE // 250)]
