"""Dovecot's authentication alone, as Postfix asks it: one user and a password."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.parts.ports import eventually

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {root}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  unix_listener {root}/auth {{
    mode = 0666
  }}
}}
"""


@dataclass
class DovecotAuth:
    """Answers at ``socket``; its files are in ``root``."""

    root: Path
    user: str
    password: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where Postfix asks."""
        return self.root / "auth"

    def start(self) -> None:
        """Start it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        (self.root / "users").write_text(f"{self.user}:{self.password}\n")
        (self.root / "users").chmod(0o644)
        (self.root / "dovecot.conf").write_text(CONFIG.format(root=self.root))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.root / "dovecot.conf")])
        eventually(self.socket.exists, within=20, what="Dovecot listens")

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
