"""Tells a notification by several channels at once, and people what became of it."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from mailwatch.channels.deliver import deliver
from mailwatch.channels.wire import Outcome
from mailwatch.commands.failure import CRITICAL, UNKNOWN, Failure
from mailwatch.config import ConfigError, load_what_is_right, suggestion
from mailwatch.options import DEFAULT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mailwatch.notification import Notification
    from mailwatch.options import ChannelOptions

GRACE: Final = 5.0


def channels_of(config: Path | None, named: Sequence[str]) -> tuple[ChannelOptions, ...]:
    """The channels of the configuration, or those of these names. Raises Failure.

    Mistakes elsewhere in the file are told, and do not matter: it may be because of them that somebody is to be told.
    """
    try:
        options, mistakes = load_what_is_right(config)
    except ConfigError as error:
        raise Failure(str(error), UNKNOWN) from error
    for mistake in mistakes:
        complain(f"{config or DEFAULT_CONFIG}: {mistake}")
    known = {each.name: each for each in options.channel}
    for name in named:
        if name not in known:
            raise Failure(f"--channel: there is no channel {name!r}{suggestion(name, known)}", UNKNOWN)
    if not known:
        right = "with no mistake in it " if mistakes else ""
        raise Failure(
            f"{config or DEFAULT_CONFIG}: there is no [[channel]] {right}to tell people by. See README, Channels.",
            UNKNOWN,
        )
    return tuple(known[name] for name in dict.fromkeys(named)) if named else options.channel


def tell_all(channels: Sequence[ChannelOptions], notification: Notification) -> list[Outcome]:
    """What became of it on each channel: all at once, so that none waits for another."""
    outcomes: dict[int, Outcome] = {}

    def tell(at: int) -> None:
        outcomes[at] = deliver(channels[at], notification)

    threads = []
    for at in range(len(channels)):
        thread = threading.Thread(target=tell, args=(at,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there is room for no more threads: then one after the other
            tell(at)
        else:
            threads.append(thread)
    for thread in threads:
        thread.join(max(each.timeout for each in channels) + GRACE)
    late = Outcome(sent=False, answer="no answer, and its process cannot be ended")
    return [outcomes.get(at, late) for at in range(len(channels))]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0: all have it, 1: some, 2: none."""
    has = sum(each.sent for each in outcomes)
    if has == len(outcomes):
        return 0
    return 1 if has else CRITICAL


def show(channels: Sequence[ChannelOptions], outcomes: Sequence[Outcome]) -> None:
    """Print the verdict, and a line for each channel. A terminal or a disk that takes no line is no reason to fail."""
    has = sum(each.sent for each in outcomes)
    word, colour = (("OK", "green"), ("WARNING", "yellow"), ("CRITICAL", "red"))[exit_code(outcomes)]
    name = max(len(each.name) for each in channels)
    kind = max(len(each.kind) for each in channels)
    with suppress(OSError):
        click.secho(f"{word}: {has or 'none'} of {len(channels)} channel{'s'[: len(channels) != 1]} took it", fg=colour)
        for channel, outcome in zip(channels, outcomes, strict=True):
            mark = click.style("sent  ", fg="green") if outcome.sent else click.style("failed", fg="red")
            head = f"  {channel.name:<{name}}  {channel.kind:<{kind}}"
            click.echo(f"{head}  {mark} {outcome.took:6.2f} s  {outcome.answer}")


def show_json(channels: Sequence[ChannelOptions], outcomes: Sequence[Outcome]) -> None:
    """Print one JSON object."""
    verdict = ("ok", "warning", "error")[exit_code(outcomes)]
    told = [
        {
            "name": channel.name,
            "type": channel.kind,
            "sent": outcome.sent,
            "answer": outcome.answer,
            "seconds": round(outcome.took, 3),
            "permanent": outcome.permanent,
            "retry_after": outcome.retry_after,
        }
        for channel, outcome in zip(channels, outcomes, strict=True)
    ]
    with suppress(OSError):
        click.echo(json.dumps({"verdict": verdict, "channels": told}))


def complain(text: str) -> None:
    """Say something on stderr, if that takes it."""
    with suppress(OSError):
        click.echo(f"mailwatch: {text}", err=True)
