"""A private Postfix on loopback beside the machine's own, and a server for it to relay to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.ports import answers, eventually, free_port

SECONDS = 30
SETTINGS = """\
compatibility_level = 3.6
config_directory = {etc}
queue_directory = {spool}
data_directory = {lib}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {root}
myhostname = mx.test.example
mydomain = test.example
myorigin = test.example
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{relay}
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtp_tls_security_level = none
smtpd_tls_security_level = none
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
smtp_connect_timeout = 3s
smtp_helo_timeout = 5s
"""


def run(*words: str | Path, check: bool = True, stdin: str | None = None) -> str:
    """Run a program to its end; what it printed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=SECONDS, check=False, input=stdin
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class PrivatePostfix:
    """An instance with its own queue and log in ``root``; it relays to ``relay_port``.

    ``services`` are further lines of its master.cf.
    ``inside`` are words to put before the command that starts it: to have it run where a journald of ours is.
    """

    root: Path
    relay_port: int
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    inside: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """Where it logs to."""
        return Path(self.settings.get("maillog_file") or self.root / "mail.log")

    @property
    def etc(self) -> Path:
        """Its config_directory."""
        return self.root / "etc"

    def start(self) -> None:
        """Make the instance and start it."""
        for name in ("etc", "spool", "lib"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        shutil.chown(self.root / "lib", "postfix", "postfix")
        folders = {name: self.root / name for name in ("etc", "spool", "lib")}
        text = SETTINGS.format(root=self.root, log=self.log, relay=self.relay_port, **folders)
        settings = dict(line.split(" =", 1) for line in text.splitlines()) | self.settings
        (self.etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        (self.etc / "master.cf").write_text(self._services())
        (self.etc / "dynamicmaps.cf").touch()
        shutil.copy("/etc/postfix/postfix-files", self.etc)
        self._make_known()
        try:
            run(*self.inside, "postfix", "-c", self.etc, "start")
        except AssertionError as error:
            raise AssertionError(
                f"Postfix did not start: {self.log.read_text() if self.log.exists() else ''}"
            ) from error
        eventually(lambda: answers(self.port), within=SECONDS, what="Postfix listens")

    def _services(self) -> str:
        """The shipped services without chroot, smtpd on our port."""
        services = []
        for line in Path("/etc/postfix/master.cf.proto").read_text().splitlines():
            words = line.split()
            if (
                not words
                or line[0] in "# \t"
                or words[0] in ("maildrop", "uucp", "ifmail", "bsmtp", "scalemail-backend", "mailman")
            ):
                continue
            if words[:2] == ["smtp", "inet"]:
                words[0] = f"127.0.0.1:{self.port}"
            words[4] = "n"
            services.append("\t".join(words))
        if not any(service.startswith("postlog") for service in services):
            services.append("postlog\tunix-dgram\tn\t-\tn\t-\t1\tpostlogd")
        return "\n".join((*services, *self.services)) + "\n"

    def _make_known(self) -> None:
        """The set-gid programs read a private configuration only when the default instance names it."""
        known = run("postconf", "-h", "alternate_config_directories").strip()
        kept = [each for each in known.replace(",", " ").split() if Path(each).is_dir()]
        run("postconf", "-e", "alternate_config_directories = " + ", ".join({*kept, str(self.etc)}))

    def stop(self) -> None:
        """Stop it; also where its own programs cannot, because its disk is gone."""
        run("postfix", "-c", self.etc, "stop", check=False)
        for each in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                named = f"config_directory={self.etc}".encode()
                if (each / "comm").read_text() == "master\n" and named in (each / "environ").read_bytes().split(b"\0"):
                    os.kill(int(each.name), signal.SIGTERM)

    def send(
        self, number: int, sender: str = "app@test.example", recipient: str = "user@remote.example", each: int = 1
    ) -> None:
        """Hand in ``number`` messages by SMTP, with ``each`` recipients: then they are 1user@…, 2user@… and so on."""
        run("smtp-source", "-s", "10", "-m", str(number), "-r", str(each), "-l", "2000", "-f", sender, "-t", recipient,
            f"127.0.0.1:{self.port}")  # fmt: skip

    def sendmail(self, recipient: str = "user@remote.example") -> None:
        """Hand in a message by sendmail(1)."""
        run("sendmail", "-C", self.etc, "-f", "root@test.example", recipient, stdin="Subject: cron\n\nx\n")

    def queue(self) -> list[dict[str, object]]:
        """What waits."""
        return [json.loads(line) for line in run("postqueue", "-c", self.etc, "-j").splitlines()]

    def flush(self) -> None:
        """Try everything that waits now."""
        run("postqueue", "-c", self.etc, "-f")

    def postsuper(self, *words: str) -> None:
        """Hold, release, delete messages."""
        run("postsuper", "-c", self.etc, *words)

    def wait_until_empty(self) -> None:
        """Return when nothing waits."""
        eventually(lambda: not self.queue(), within=60, what="the queue is empty")


@dataclass
class Sink:
    """A server that takes mail and throws it away, or refuses it (smtp-sink)."""

    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        self.process = subprocess.Popen(
            ["smtp-sink", "-u", "postfix", *self.options, f"127.0.0.1:{self.port}", "256"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: answers(self.port), within=SECONDS, what="smtp-sink listens")

    def stop(self) -> None:
        """Stop listening."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)
            self.process = None
