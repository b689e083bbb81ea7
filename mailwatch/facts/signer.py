"""The word for what a program that signs is configured to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Signer(NamedTuple):
    """Mail of ``domain`` is signed with ``selector``, by the private key in ``key``, as ``origin`` says."""

    domain: str
    selector: str
    origin: str
    key: Path | None = None


def placed(path: str, root: Path) -> Path | None:
    """Where a file lies that a configuration names; None where it names none that is plain."""
    path = path.removeprefix("refile:").removeprefix("file:").removeprefix("//")
    return root / path.lstrip("/") if path.startswith("/") and "\0" not in path else None


def lowered(name: str) -> str:
    """A name of a domain as we write it."""
    return name.strip().rstrip(".").lower()
