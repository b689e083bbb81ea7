"""A name server that answers whatever a test makes up, and the command against it, with little time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import dns.flags
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from tests.parts.nameserver import NameServer
from tests.parts.zone_data import Data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dns.message import Message
    from dns.name import Name

    Answers = Callable[[Message], "Message | Sequence[bytes]"]

SECONDS = 5
"""Of the processor, for a command that takes half a one: more is for slow machines."""
MEMORY = 150 << 20
DEADLINE = 4


class HostileServer(NameServer):
    """Answers each question by ``answers``: with a message, or the bytes of some."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answering = answers

    async def _answers(self, wire: bytes, how: str) -> list[bytes]:
        asked = dns.message.from_wire(wire)
        answer = self._answering(asked)
        if not isinstance(answer, dns.message.Message):
            return list(answer)
        whole = answer.to_wire(max_size=65535)
        if how == "udp" and len(whole) > 1232:
            cut = dns.message.make_response(asked)
            cut.flags |= dns.flags.TC
            return [cut.to_wire()]
        return [whole]


def answering(asked: Message, *sets: dns.rrset.RRset) -> Message:
    """An answer with such sets."""
    answer = dns.message.make_response(asked, recursion_available=True)
    answer.flags |= dns.flags.AA
    answer.answer = list(sets)
    return answer


def from_zone(zone: str, **kinds: Callable[[Name], Sequence[Any]]) -> Answers:
    """What a zone says, but for some kinds of records, which every name there is has: texts, or bytes of TXT."""
    data = Data(zone)

    def answers(asked: Message) -> Message:
        name, rdtype = asked.question[0].name, asked.question[0].rdtype
        made = kinds.get(dns.rdatatype.to_text(rdtype))
        if made is not None:
            return answering(asked, dns.rrset.from_rdata_list(name, 300, [record(rdtype, each) for each in made(name)]))
        answer = answering(asked)
        data.into(answer, name, rdtype)
        return answer

    return answers


def record(rdtype: dns.rdatatype.RdataType, data: str | bytes) -> dns.rdata.Rdata:
    if isinstance(data, str):
        return dns.rdata.from_text(dns.rdataclass.IN, rdtype, data)
    return TXT(dns.rdataclass.IN, rdtype, [data[at : at + 255] for at in range(0, len(data), 255)])


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def codes(self) -> set[str]:
        return {each["code"] for each in json.loads(self.out)["findings"]}


def check_dns(*words: str, folder: Path, seconds: int = SECONDS, **kept: Any) -> Done:
    """Run the command; it is killed where it takes more than so many seconds of the processor, and has no more MEMORY."""
    config = folder / "mailwatch.toml"
    if not config.exists():
        config.write_text(f'[postfix]\nconfig_dir = "{folder}/nowhere"\n[log]\npath = "{folder}/no.log"\n')
    with (folder / "err").open("w+b") as err, (folder / "out").open("w+b") as out:
        child = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-m", "mailwatch", "check-dns", "--config", str(config),
             f"--deadline={DEADLINE}", "--verbose", *words], stdout=out, stderr=err, stdin=subprocess.DEVNULL, **kept,
        )  # fmt: skip
        resource.prlimit(child.pid, resource.RLIMIT_CPU, (seconds, seconds))
        # not by what it used: the kernel counts this process in, as it was when it started the other
        resource.prlimit(child.pid, resource.RLIMIT_DATA, (MEMORY, MEMORY))
        child.wait()
        out.seek(0)
        err.seek(0)
        return Done(child.returncode, out.read(), err.read().decode("utf-8", "replace"))
