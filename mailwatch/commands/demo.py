"""``mailwatch demo``: the real agent on a recorded real log, replayed as if it happened now. No Postfix needed."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from mailwatch.commands.failure import Failure
from mailwatch.options import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING: Final = "relay-outage.log"
STARTS_WITHIN: Final = 15.0
FAILED: Final = re.compile(
    r'mailwatch_delivery_failures_total\{cause="([a-z-]+)",scope="([a-z]+)",status="[a-z]+"\} ([0-9.e+]+)'
)
COUNTED: Final = re.compile(r'mailwatch_delivery_attempts_total\{agent="([a-z]+)",status="([a-z]+)"\} ([0-9.e+]+)')
PREFERRED: Final = 10154


def recording() -> list[tuple[float, str]]:
    """The recorded lines without their stamps, each with its seconds since the first."""
    text = files("mailwatch").joinpath("recordings", RECORDING).read_text(encoding="utf-8")
    lines: list[tuple[float, str]] = []
    first = None
    for line in text.splitlines():
        stamp, _, rest = line.partition(" ")
        at = time_of(stamp)
        first = at if first is None else first
        lines.append((at - first, rest))
    return lines


def time_of(stamp: str) -> float:
    """Seconds of a recorded stamp."""
    from datetime import datetime  # noqa: PLC0415 - needed by the demo alone

    return datetime.fromisoformat(stamp).timestamp()


def stamped(now: float, rest: str) -> str:
    """A log line as syslog writes it at ``now`` (seconds)."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1_000_000):06d}+00:00 {rest}\n"


def schedule(lines: list[tuple[float, str]], speed: float, begin: float) -> Iterator[tuple[float, str]]:
    """When to write which line, again and again with a pause of two seconds."""
    while True:
        for after, rest in lines:
            yield begin + after / speed, rest
        begin += lines[-1][0] / speed + 2


def grown(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """By how much each has grown, of those that have."""
    return {name: value - before.get(name, 0) for name, value in now.items() if value != before.get(name, 0)}


def free_address(wanted: str | None) -> Address:
    """The address asked for; else the usual port, or any free one where that is taken."""
    if wanted is not None:
        return parse_address(wanted)
    for port in (PREFERRED, 0):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", port))
            return Address(host="127.0.0.1", port=trial.getsockname()[1])
    msg = "no free port on 127.0.0.1: say one with --web.listen-address"
    raise Failure(msg)


class Counts(NamedTuple):
    """What the agent has counted: attempts by agent and status, failed ones by cause and scope."""

    attempts: dict[str, int]
    failures: dict[str, int]


def counts(address: Address) -> Counts | None:
    """What stands on the agent's page; None when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=2) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    failures: dict[str, int] = {}
    for cause, scope, value in FAILED.findall(text):
        if float(value):
            failures[f"{cause} ({scope})"] = failures.get(f"{cause} ({scope})", 0) + int(float(value))
    return Counts(
        {f"{agent} {status}": int(float(value)) for agent, status, value in COUNTED.findall(text) if float(value)},
        failures,
    )


class Demo:
    """A temporary folder with a log, the agent on it, and the replay."""

    def __init__(self, folder: Path, address: Address) -> None:
        self._log = folder / "mail.log"
        self._log.touch()
        self._address = address
        self._agent = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "mailwatch", "run", "--config", str(self._config(folder)), "--log-level", "warning"],
            stdin=subprocess.DEVNULL,
        )

    def _config(self, folder: Path) -> Path:
        config = folder / "mailwatch.toml"
        config.write_text(
            f'state_dir = "{folder / "state"}"\nlisten = "{self._address}"\n\n'
            f'[log]\npath = "{self._log}"\nstart = "beginning"\n'
        )
        return config

    def wait_until_up(self) -> None:
        """Return when the agent serves its page. Raises Failure."""
        end = time.monotonic() + STARTS_WITHIN
        while counts(self._address) is None:
            if self._agent.poll() is not None or time.monotonic() > end:
                msg = "the agent did not start; what it said is above"
                raise Failure(msg)
            time.sleep(0.05)

    def replay(self, speed: float, seconds: float | None) -> None:
        """Write the recorded lines as if they happened now, and show what the agent makes of them."""
        begin = time.monotonic()
        shown = Counts({}, {})
        with self._log.open("a", encoding="utf-8") as log:
            for due, rest in schedule(recording(), speed, begin):
                while (wait := due - time.monotonic()) > 0 and not self._over(begin, seconds):
                    time.sleep(min(wait, 0.5))
                    shown = self._show(shown)
                if self._over(begin, seconds):
                    break
                log.write(stamped(time.time(), rest))
                log.flush()
        time.sleep(0.5)
        self._show(shown)

    def _over(self, begin: float, seconds: float | None) -> bool:
        return self._agent.poll() is not None or (seconds is not None and time.monotonic() - begin >= seconds)

    def _show(self, before: Counts) -> Counts:
        now = counts(self._address) or before
        new = [f"{number:+d} {name}" for name, number in grown(before.attempts, now.attempts).items()]
        if new:
            worst = "bounced" if any("bounced" in each for each in new) else "deferred"
            colour = {"bounced": "red", "deferred": "yellow"}[worst] if any(worst in each for each in new) else None
            why = "; ".join(grown(before.failures, now.failures))
            line = (
                f"  {time.strftime('%H:%M:%S')}  {', '.join(new):<34} {sum(now.attempts.values()):>5} attempts  {why}"
            )
            click.secho(line.rstrip(), fg=colour)
        return now

    def stop(self) -> None:
        """End the agent."""
        self._agent.send_signal(signal.SIGTERM)
        try:
            self._agent.wait(5)
        except subprocess.TimeoutExpired:
            self._agent.kill()


@click.command(short_help="See it work on a recorded log, without Postfix.")
@click.option("--web.listen-address", "listen", help="Where to serve; 127.0.0.1:10154, or a free port, by default.")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="How fast to replay.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End by itself; without it, Ctrl-C does.")
def demo(listen: str | None, speed: float, seconds: float | None) -> None:
    """Show the agent at work on a recorded log: mail flows, the relay dies, mail waits, the relay comes back."""
    try:
        address = free_address(listen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--web.listen-address") from error
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-demo-"))
    running = None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        running = Demo(folder, address)
        running.wait_until_up()
        click.secho("mailwatch is watching a recorded log, replayed as if it happened now.", bold=True)
        click.echo(f"\n  open     http://{address}/\n  metrics  http://{address}/metrics\n  stop     Ctrl-C\n")
        running.replay(speed, seconds)
    except KeyboardInterrupt:
        click.echo("")
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)
