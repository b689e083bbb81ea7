"""``mailwatch explain``: a log line or a server's reply in, why it failed and what to do next out."""

from __future__ import annotations

import json
import re
import sys
import textwrap
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from mailwatch.cause import CLIENT, LOCAL, RECIPIENT, RELAY, SIDES, UNKNOWN, Cause, Said, blanked, unwrapped, with_codes
from mailwatch.causes import catalogue
from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.commands.failure import UNKNOWN as NOT_KNOWN
from mailwatch.commands.judging import judge_of
from mailwatch.config import ConfigError, load
from mailwatch.discovery import PostconfFails, ask_postconf, syslog_names
from mailwatch.event import Other
from mailwatch.parsers import PARSERS
from mailwatch.store import read_samples

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailwatch.causes import Entry, Judge
    from mailwatch.event import Event

LONGEST: Final = 1 << 16
COMPLAINT: Final = re.compile(r"(?:[^ ]{1,80}: )?(?:warning|error|fatal|panic): ")
COLOURS: Final = {"page": "red", "security": "red", "warn": "yellow", "info": "green"}
WHERE: Final = {
    "relay": "the relay: the host that all mail goes through",
    "recipient": "one recipient's side: that host, domain or mailbox",
    "local": "this machine",
    "client": "a client of ours: a program or host that hands us mail",
}


class Explanation(NamedTuple):
    """Why one line or reply failed, and the words that decided."""

    cause: Cause
    said: Said
    words: str


def events_of(text: str, names: Collection[str]) -> list[Event]:
    """The events of a pasted line; none where it is a bare reply."""
    parsed = PARSERS["postfix"](names=names).parse(f"{text}\n".encode("utf-8", "replace"), time.time())
    if parsed.events:
        return [event for event in parsed.events if not isinstance(event, Other)]
    # a line pasted without its stamp and host: postfix/smtp[123]: …  or only what stands behind that
    for tag in ("postfix/smtp[1]", "postfix/smtpd[1]", "postfix/cleanup[1]", "postfix/qmgr[1]"):
        events = PARSERS["postfix"]().parse(f"{tag}: {text}\n".encode("utf-8", "replace"), time.time()).events
        if events and not isinstance(events[0], Other):
            return list(events)
    return []


def explained(judge: Judge, text: str, side: str | None, names: Collection[str]) -> Explanation | None:
    """Why a text failed; None for an event that is no failure."""
    events = events_of(text, names)
    if events:
        found = judge.on_what(events[0])
        if found is None:
            return None
        said, where = found
        where = side or where
        cause = judge.rules.tell(said, where) if side else judge(events[0])
    else:
        text = blanked(text)
        said = unwrapped(text) if side not in (LOCAL, CLIENT) else with_codes(text, None, None)
        where = side or side_of(judge, said)
        cause = judge.rules.tell(said, where)
    if cause is None:
        return None
    rule = next((each for each in judge.rules.rules if each.id == cause.rule), None)
    return Explanation(cause, said, "" if rule is None else judge.rules.words(rule, said))


def side_of(judge: Judge, said: Said) -> str:
    """On which side a bare reply was said: where it names a host, by that."""
    if COMPLAINT.match(said.text):
        return LOCAL
    return judge.relays.side(said.host, said.address) if said.host else RECIPIENT


def printable(text: str) -> str:
    """A text that cannot steer a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def show(told: Explanation, entry: Entry) -> None:
    """Print what it is, what it means, what to do; then how it was decided."""
    click.secho(f"{told.cause.name}: {entry.title}", fg=COLOURS[entry.severity], bold=True)
    rows = [
        ("where", WHERE[told.cause.scope]),
        ("means", entry.meaning),
        ("do next", entry.fix),
        ("severity", entry.severity),
        ("more", f"RUNBOOK.md#{entry.runbook}"),
        (
            "decided",
            f"rule {told.cause.rule}: \u201c{printable(told.words)}\u201d" if told.cause.rule else "no rule knows it",
        ),
    ]
    for name, text in rows:
        click.echo(textwrap.fill(text, 100, initial_indent=f"  {name:<9} ", subsequent_indent=" " * 12))


def as_json(told: Explanation, entry: Entry) -> str:
    """One object."""
    evidence = {"rule": told.cause.rule, "words": told.words, "text": told.said.text, "host": told.said.host}
    return json.dumps(
        {
            "cause": told.cause.name,
            "scope": told.cause.scope,
            "severity": entry.severity,
            "title": entry.title,
            "fix": entry.fix,
            "evidence": {key: value for key, value in evidence.items() if value},
        }
    )


def show_unknown(state_dir: Path, *, as_object: bool) -> None:
    """List the failures that no rule knows, the most frequent first. Raises Failure."""
    samples = read_samples(state_dir)
    if samples is None:
        raise Failure(
            f"cannot read the state in {state_dir}: is that the agent's state_dir, and are you its user?", NOT_KNOWN
        )
    if not samples and not as_object:
        click.echo("every failure so far has a cause")
    for (scope, _), sample in samples.items():
        at = datetime.fromtimestamp(sample.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        if as_object:
            row = {"scope": scope, "number": sample.number, "last_seen": at, "text": sample.text}
            click.echo(json.dumps(row))
        else:
            click.echo(f"{sample.number:>7}  {scope:<9}  {at}  {printable(sample.text)}")


@click.command(short_help="A log line or a server's reply: why it failed, and what to do.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--side", type=click.Choice(SIDES), help="Who failed; told by the line itself where it can be.")
@click.option("--json", "as_object", is_flag=True, help="One JSON object, with --unknown one a line.")
@click.option("--unknown", is_flag=True, help="What the agent has met that no rule knows: a rule of your own may.")
@click.argument("text", nargs=-1, metavar="[TEXT|-]")
def explain(config: Path | None, side: str | None, as_object: bool, unknown: bool, text: tuple[str, ...]) -> None:  # noqa: FBT001
    """Say why a line of the log or a server's reply failed, and what to do next.

    Without TEXT, or with -, it is read from standard input. Exit code 0 when the cause is known, 3 when not.
    """
    try:
        options = load(config)
    except ConfigError as error:
        raise Failure(str(error), BAD_CONFIG) from error
    if unknown:
        show_unknown(options.state_dir, as_object=as_object)
        return
    pasted = sys.stdin.read(LONGEST) if text in ((), ("-",)) else " ".join(text)
    pasted = " ".join(pasted.split())
    if not pasted:
        raise Failure("nothing to explain: give a line of the log or a reply, or pipe one in", NOT_KNOWN)
    postfix = None
    with suppress(PostconfFails):  # a line can be explained without it; only the relays are known less well
        postfix = ask_postconf(options.postfix.config_dir)
    judge, mistakes = judge_of(options, postfix)
    for mistake in mistakes:
        click.echo(f"mailwatch: rules left out: {mistake}", err=True)
    told = explained(judge, pasted, side, syslog_names(options, postfix))
    if told is None:
        raise Failure("this line tells of no failure", NOT_KNOWN)
    entry = catalogue()[told.cause.name]
    if as_object:
        click.echo(as_json(told, entry))
    else:
        show(told, entry)
        at_relay = judge.rules.tell(told.said, RELAY)
        if told.cause.name == UNKNOWN and side is None and at_relay.name != UNKNOWN:
            click.echo(
                f"  if that is your relay: {at_relay.name}; ask again with --side relay, or name it in [postfix] relays"
            )
    raise SystemExit(NOT_KNOWN if told.cause.name == UNKNOWN else 0)
