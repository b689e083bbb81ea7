"""The test suite of RFC 7208 (release 2014.04), out of pyspf's source distribution: cases, and zones for a name server.

It is not ours to publish: tests/run fetches it into the environment that runs the tests.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = Path(sys.prefix) / "share" / "rfc7208-tests.yml"
CHECKSUM: Final = "901f561a6e2b1c1590a40a61b1ac7601226fd7045a7aae591a4d25421358d6f9"
MISSING: Final = f"{FILE} is missing, or another one: run tests/run --install"
KINDS: Final = ("A", "AAAA", "MX", "TXT", "PTR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``results`` are alternatives; ``explanation`` is None where it does not matter, "" for none at all."""

    name: str
    scenario: int
    address: str
    sender: str
    helo: str
    results: tuple[str, ...]
    explanation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``dead``: questions that nobody answers, as ``name TYPE``."""

    zone: str
    dead: tuple[str, ...]


def is_there() -> bool:
    return FILE.is_file() and hashlib.sha256(FILE.read_bytes()).hexdigest() == CHECKSUM


def scenarios() -> list[Scenario]:
    return [_scenario(each["zonedata"]) for each in _documents()]


def cases() -> list[Case]:
    return [
        Case(
            name=name,
            scenario=number,
            address=each["host"],
            sender=each["mailfrom"],
            helo=each["helo"],
            results=tuple(each["result"] if isinstance(each["result"], list) else [each["result"]]),
            explanation=explanation.replace("DEFAULT", "") if (explanation := each.get("explanation")) else None,
        )
        for number, document in enumerate(_documents())
        for name, each in document["tests"].items()
    ]


def _documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILE.read_bytes())) if is_there() else []


def _scenario(zone: dict[str, list[Any]]) -> Scenario:
    lines: list[str] = []
    dead: list[str] = []
    for name, given in zone.items():
        records = list(_records(given))
        lines += [f"{escaped(name)} 300 IN {kind} {_rdata(kind, value)}" for kind, value in records]
        if "TIMEOUT" in given:
            there = {kind for kind, _ in records}
            dead += [f"{escaped(name)} {kind}" for kind in KINDS if kind not in there]
    return Scenario(zone="\n".join(lines) + "\n", dead=tuple(dead))


def _records(given: list[Any]) -> Iterator[tuple[str, Any]]:
    """The records of a name; those of type SPF are its TXT records, where it says nothing of TXT."""
    pairs = [pair for each in given if isinstance(each, dict) for pair in each.items()]
    says_txt = any(kind == "TXT" for kind, _ in pairs)
    for kind, value in pairs:
        if value == "NONE" or (kind == "SPF" and says_txt):
            continue
        yield ("TXT" if kind == "SPF" else kind), value


def _rdata(kind: str, value: Any) -> str:
    if kind == "TXT":
        strings = [value] if isinstance(value, str) else value
        return " ".join(f'"{_octets(part)}"' for each in strings or [""] for part in _parts(each))
    if kind == "MX":
        return f"{value[0]} {escaped(value[1])}"
    return escaped(value) if kind in ("PTR", "CNAME") else str(value)


def _parts(text: str) -> list[bytes]:
    data = text.encode("latin-1")
    return [data[at : at + 255] for at in range(0, len(data), 255)] or [b""]


def _octets(data: bytes) -> str:
    return "".join(chr(each) if chr(each).isalnum() and each < 128 else f"\\{each:03d}" for each in data)


def escaped(name: str) -> str:
    """A name as a master file has it, whatever its labels hold."""
    return ".".join(_label(label) for label in name.removesuffix(".").split(".")) + "." if name else "."


def _label(label: str) -> str:
    return "".join(
        chr(each) if chr(each) in "-_" or (chr(each).isalnum() and each < 128) else f"\\{each:03d}"
        for each in label.encode()
    )
