"""All that an alert can go to, on loopback: mail with TLS, HTTPS, Alertmanager, a command, a file; who heard what when."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.parts.alertmanager import Alertmanager
from tests.parts.certificates import Authority
from tests.parts.smtp_server import SmtpServer
from tests.parts.web_server import WebServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.agent import RunningAgent

PASSWORD = "s3cret-and-hidden"
NAMES = ("mail", "hook", "alertmanager", "command", "file")
CONFIG = """\
[[channel]]
name = "mail"
host = "127.0.0.1"
port = {mail}
user = "mailwatch"
password = "{password}"
from = "mailwatch@mx.test.example"
to = ["ops@example.com"]
ca_file = "{ca}"
[[channel]]
name = "hook"
url = "{hook}"
secret = "{password}"
ca_file = "{ca}"
[[channel]]
name = "alertmanager"
urls = ["{alertmanager}"]
[[channel]]
name = "command"
command = ["/bin/sh", "{folder}/command.sh"]
[[channel]]
name = "file"
path = "{folder}/alerts"
"""
COMMAND = """\
{ printf '%s\\t%s\\n' "$MAILWATCH_KEY" "$MAILWATCH_SUBJECT"; } >> commanded
"""


class Told(NamedTuple):
    """What a channel was told: ``first`` or ``resolved`` of a rule and cause."""

    kind: str
    rule: str
    cause: str


@dataclass
class Channels:
    """Each is told by the agent with ``config``; ``folder`` holds what they keep."""

    folder: Path
    mail: SmtpServer = field(init=False)
    hook: WebServer = field(init=False)
    alertmanager: Alertmanager = field(init=False)

    def __enter__(self) -> Self:
        authority = Authority.make(self.folder / "ca")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.sign("server"))
        self._ca = authority.ca
        (self.folder / "command.sh").write_text(f"cd {self.folder}\n{COMMAND}")
        with contextlib.ExitStack() as stack:
            self.mail = stack.enter_context(SmtpServer(context=context, login=("mailwatch", PASSWORD)))
            self.hook = stack.enter_context(WebServer(context=context))
            self.alertmanager = Alertmanager(self.folder / "alertmanager")
            stack.callback(self.alertmanager.stop)
            self.alertmanager.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def config(self) -> str:
        """The channels, as they stand in the configuration."""
        return CONFIG.format(
            mail=self.mail.port,
            password=PASSWORD,
            ca=self._ca,
            hook=self.hook.url("/mail"),
            alertmanager=self.alertmanager.url,
            folder=self.folder,
        )

    def heard(self) -> dict[str, list[str]]:
        """The keys of what each channel but Alertmanager was told, in order."""
        return {
            "mail": [key_in(str(taken.message.get_body(("plain",)).get_content())) for taken in list(self.mail.taken)],  # type: ignore[union-attr]
            "hook": [str(json.loads(posted.body)["key"]) for posted in list(self.hook.posted)],
            "command": [line.split("\t")[0] for line in self._lines("commanded")],
            "file": [line.split()[3] for line in self._lines("alerts") if line[:1] not in ("", " ")],
        }

    def subjects(self) -> dict[str, list[str]]:
        """The subjects that each channel but Alertmanager was told, in order."""
        return {
            "mail": [str(taken.message["Subject"]) for taken in list(self.mail.taken)],
            "hook": [str(json.loads(posted.body)["subject"]) for posted in list(self.hook.posted)],
            "command": [line.split("\t")[1] for line in self._lines("commanded")],
            "file": [line.split(maxsplit=4)[4] for line in self._lines("alerts") if line[:1] not in ("", " ")],
        }

    def letters(self) -> list[str]:
        """The texts, as the webhook was told them."""
        return [str(json.loads(posted.body)["text"]) for posted in list(self.hook.posted)]

    def firing(self) -> set[tuple[str, str]]:
        """Rule and cause of what Alertmanager holds for not over."""
        found = self.alertmanager.alerts()
        return {(each["labels"]["alertname"], each["labels"]["cause"]) for each in found}

    def told(self, wanted: Told) -> set[str]:
        """The channels that were told it."""
        found = {name for name, keys in self.heard().items() if any(told_by(key) == wanted for key in keys)}
        fires = (wanted.rule, wanted.cause) in self.firing()
        return found | ({"alertmanager"} if fires == (wanted.kind == "first") else set())

    def when_told(self, wanted: Told, agent: RunningAgent, within: float) -> dict[str, float]:
        """When each channel was told it first, and when it was ``decided``. Fails when one is not, within seconds."""
        words = f"alert {wanted.kind} rule={wanted.rule} cause={wanted.cause} "
        times: dict[str, float] = {}
        end = time.time() + within
        while len(times) < len(NAMES) + 1:
            if words in agent.said:
                times.setdefault("decided", time.time())
                for name in self.told(wanted):
                    times.setdefault(name, time.time())
            if time.time() > end:
                raise AssertionError(f"{wanted} within {within} s: {times}\n{self.heard()}\n{agent.said}")
            time.sleep(0.02)
        return times

    def _lines(self, name: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_text().splitlines()
        return []


def key_in(text: str) -> str:
    """The key in the last line of a letter."""
    return text.rstrip().rpartition("key:")[2].strip()


def told_by(key: str) -> Told:
    """What a key stands for."""
    rule, cause, _scope, _episode, kind, _number = key.split("/")
    return Told(kind, rule, cause)
