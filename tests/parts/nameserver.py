"""A name server on loopback that answers from a table, or not at all."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class NameServer:
    """``zone`` has answers by name and type, as ``("mx.example", "A"): ["192.0.2.1"]``; names without any are not there.

    ``failing`` names get SERVFAIL, ``silent`` ones no answer.
    """

    zone: dict[tuple[str, str], list[str]]
    failing: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return str(host), int(port)

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            question = query.question[0]
            name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
            self.asked.append((name, kind))
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            if name in self.silent:
                continue
            if name in self.failing:
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif (name, kind) in self.zone:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *self.zone[name, kind]))
            elif not any(known == name for known, _ in self.zone):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            self._socket.sendto(answer.to_wire(), client)
