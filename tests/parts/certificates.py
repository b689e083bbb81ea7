"""A certificate authority and what it signs, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def openssl(*words: str | Path) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


def make_key(path: Path) -> Path:
    """A private key."""
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return path


@dataclass(frozen=True)
class Authority:
    """Signs certificates; its own is ``ca.pem`` in ``folder``."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """A new one."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        openssl(
            "req", "-x509", "-key", make_key(folder / "ca.key"), "-days", "2", "-subj", "/CN=Authority", "-out", made.ca
        )
        return made

    @property
    def ca(self) -> Path:
        """Its certificate."""
        return self.folder / "ca.pem"

    def sign(self, name: str, serial: int = 1, san: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """A certificate and its key, as NAME.pem and NAME.key; one that has expired by ``days=-1``."""
        cert, key = self.folder / f"{name}.pem", make_key(self.folder / f"{name}.key")
        request, extensions = self.folder / "request.pem", self.folder / "extensions"
        extensions.write_text(f"subjectAltName={san}\n")
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-days", str(days),
                "-set_serial", str(serial), "-extfile", extensions, "-out", cert)  # fmt: skip
        return cert, key
