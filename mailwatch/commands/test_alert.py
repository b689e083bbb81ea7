"""``mailwatch test-alert``: proves each channel, by the way that an alarm would take."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

import click

from mailwatch.commands.telling import channels_of, exit_code, show, show_json, tell_all
from mailwatch.notification import PAGE, TEST, Notification

TEXT = (
    "This is a test of mailwatch, asked for by somebody on {host}. Nothing is wrong.\n"
    "When mail fails there, you are told here: what fails, since when, why, and what to do next.\n"
)


def made(host: str, now: float, key: str) -> Notification:
    """The test."""
    text = TEXT.format(host=host)
    return Notification(
        key=key,
        kind=TEST,
        rule="test-alert",
        cause="",
        scope="local",
        # as an alarm: what is proved is the way that an alarm takes, also through filters behind the channel
        severity=PAGE,
        host=host,
        subject=f"[{host}] test of mailwatch: this channel works",
        text=text,
        html="".join(f"<p>{line}</p>" for line in text.splitlines()),
        began_at=now,
        ended_at=None,
        at=now,
        runbook="",
    )


@click.command("test-alert", short_help="Prove each channel: who took it, how fast, what was answered.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--channel", "named", multiple=True, help="Only this channel.")
@click.option("--json", "as_object", is_flag=True, help="One JSON object.")
def test_alert(config: Path | None, named: tuple[str, ...], as_object: bool) -> None:  # noqa: FBT001 - click's way
    """Send a test by every channel at once; print how long it took, and what the other side answered.

    Exit code 0: all took it; 1: some; 2: none; 3: the configuration has no channel that is right.
    """
    channels = channels_of(config, named)
    outcomes = tell_all(channels, made(socket.gethostname(), time.time(), f"test-{secrets.token_hex(8)}"))
    (show_json if as_object else show)(channels, outcomes)
    raise SystemExit(exit_code(outcomes))
