"""A relay that refuses and takes mail again, as its log tells it, and the agent that is to say so."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.parts.agent import RunningAgent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.web_server import Posted, WebServer

OTHERS = (
    "recipients_failing",
    "deferred_share",
    "bounced_share",
    "no_delivery",
    "local_fault",
    "own_health",
    "log_silent",
)
RULES = (
    '[postfix]\nrelays = ["smtp.example.net"]\n'
    "[alerts]\nper_hour = 100000\n[rules.relay_failing]\nfor_seconds = 0\nclear_seconds = 0\n"
    + "".join(f"[rules.{name}]\nenabled = false\n" for name in OTHERS)
)
"""One rule alone, which tells at once; the rations of a busy day."""
FAILING, WELL = 3, 40
"""Lines: enough for an outage, and so many that it is a small share of them."""
RELAY = "relay=smtp.example.net[192.0.2.7]:587, delay=0.4, delays=0.05/0.01/0.2/0.14"
REFUSED = (
    "dsn=4.7.8, status=deferred (SASL authentication failed; server smtp.example.net[192.0.2.7] said: "
    "535 5.7.8 Error: authentication failed)"
)
TAKEN = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F8B2C00D1)"


@dataclass
class Outages:
    """Writes them to a log."""

    log: Path
    written: dict[str, int] = field(default_factory=lambda: {"deferred": 0, "sent": 0})
    number: int = 0

    def _write(self, status: str, end: str, count: int) -> None:
        lines = ""
        for _ in range(count):
            self.number += 1
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
            lines += f"{stamp} mx1 postfix/smtp[41]: {0x4A000000 + self.number:X}: to=<a@example.com>, {RELAY}, {end}\n"
        with self.log.open("a") as file:
            file.write(lines)
        self.written[status] += count

    def begin(self) -> None:
        """The relay refuses."""
        self._write("deferred", REFUSED, FAILING)

    def end(self) -> None:
        """It takes mail again."""
        self._write("sent", TAKEN, WELL)


def web(url: str, name: str = "web", **more: object) -> str:
    """A webhook in a configuration."""
    return table({"name": name, "type": "webhook", "url": url, **more})


def table(values: dict[str, object]) -> str:
    """A channel in a configuration."""
    return "[[channel]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def agent_with(folder: Path, *channels: str) -> RunningAgent:
    """The agent on ``mail.log`` in a folder, which is made, with these channels."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "mail.log"
    log.touch()
    return RunningAgent(folder, log, extra="\n".join((RULES, *channels)))


def told(server: WebServer) -> list[tuple[str, str]]:
    """Kind and key of what came, in its order."""
    found = [json.loads(each.body) for each in list(server.posted)]
    return [(each["kind"], each["key"]) for each in found]


def posted(each: Posted) -> tuple[str, str]:
    """Kind and key of a notification that came."""
    said = json.loads(each.body)
    return said["kind"], said["key"]
