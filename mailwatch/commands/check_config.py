"""``mailwatch check-config``: whether the configuration is right, and what follows from it on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mailwatch.commands.failure import CRITICAL, Failure
from mailwatch.commands.judging import rules_in
from mailwatch.commands.ties import ties_of, told
from mailwatch.config import ConfigError, load
from mailwatch.discovery import (
    LogNotFound,
    PostconfFails,
    Postfix,
    ask_postconf,
    choose_log,
    choose_without_postfix,
    trouble_of,
)
from mailwatch.options import DEFAULT_CONFIG, Options, Secret
from mailwatch.store import known_journals, known_logs
from mailwatch.web.access import Terms, agree
from mailwatch.web.config import VERIFIED


def found(options: Options) -> tuple[Postfix | None, str, str | None]:
    """What Postfix says, the log that would be read, and what is wrong with one of them."""
    folder = options.state_dir
    known, journals = known_logs(folder), known_journals(folder)
    postfix = None
    try:
        postfix = ask_postconf(options.postfix.config_dir)
        log = choose_log(options, postfix, known=known, known_journals=journals)
    except LogNotFound as error:
        return postfix, "none", str(error)
    except PostconfFails as error:
        chosen = choose_without_postfix(options, known=known, known_journals=journals)
        return None, "unknown" if chosen is None else str(chosen), str(error)
    trouble = trouble_of(log)
    return postfix, str(log), None if trouble is None else f"cannot read {log}: {trouble.strerror or trouble}"


def shown(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Path | Secret):
        return str(value)
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, list | tuple) else value


@click.command("check-config", short_help="Check the configuration; show what it leads to here.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check_config(config: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click hands it over so
    """Check the configuration, and show what it leads to on this machine.

    Exit code 0: right; 1: right, but the log cannot be read here, or a channel shares the fate of the mail; 2: wrong.
    """
    try:
        options = load(config)
        web = agree(options.web_config_file)
    except ConfigError as error:
        raise wrong(error.mistakes, as_json=as_json) from error
    _, mistakes = rules_in(options.causes.folder)
    if mistakes:
        raise wrong(mistakes, as_json=as_json)
    postfix, log, trouble = found(options)
    ties = ties_of(options, postfix)
    read = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    if as_json:
        said = {
            "verdict": "warning" if trouble or ties else "ok",
            "config": None if read is None else str(read),
            "options": shown(asdict(options)),
            "postfix": None if postfix is None else shown(asdict(postfix)),
            "log": log,
            "trouble": trouble,
            "ties": [each._asdict() for each in ties],
            "web": {
                "tls": web.config.tls is not None,
                "client_certificates": web.config.tls is not None and web.config.tls.client_auth_type == VERIFIED,
                "users": len(web.config.users),
            },
        }
        click.echo(json.dumps(said))
    else:
        warnings = [*([] if trouble is None else [trouble]), *map(told, ties)]
        show(options, postfix, read, (log, warnings), web)
    raise SystemExit(1 if trouble or ties else 0)


def wrong(mistakes: list[str], *, as_json: bool) -> Exception:
    """What ends the command with these mistakes; as JSON they are printed."""
    if as_json:
        click.echo(json.dumps({"verdict": "error", "mistakes": mistakes}))
        return click.exceptions.Exit(CRITICAL)
    return Failure("\n".join(mistakes), CRITICAL)


def protection(web: Terms) -> str:
    """What protects the page."""
    users = len(web.config.users)
    tls = web.config.tls
    said = ["no TLS" if tls is None else f"TLS from {tls.min_version} on"]
    if tls is not None and tls.client_auth_type != "NoClientCert":
        said.append(tls.client_auth_type)
    said.append(f"{users or 'no'} user{'' if users == 1 else 's'} with a password")
    return ", ".join(said)


def show(
    options: Options, postfix: Postfix | None, read: Path | None, log_found: tuple[str, list[str]], web: Terms
) -> None:
    """Print the verdict first, then what was found."""
    log, warnings = log_found
    if not warnings:
        click.secho("OK: the configuration is right", fg="green")
    for warning in warnings:
        click.secho(f"WARNING: {warning}", fg="yellow")
    rows = [("config", "none, the defaults hold" if read is None else str(read)), ("log", log)]
    if postfix is None:
        rows.append(("Postfix", "unknown: postconf is missing or fails"))
    else:
        rows += [
            ("Postfix", f"{postfix.hostname}, syslog_name {postfix.syslog_name}"),
            ("queue", str(postfix.queue_directory or "unknown")),
            ("relayhost", postfix.relayhost or "none, mail is delivered directly"),
            ("domain", postfix.domain or "unknown"),
        ]
    rows += [("state", str(options.state_dir)), ("metrics", f"{web.scheme}://{options.listen}/metrics")]
    rows.append(("page", protection(web)))
    named = ", ".join(f"{each.name} ({each.kind}, {each.min_severity})" for each in options.channel)
    rows.append(("DNS of", ", ".join(options.dns.names) or "none, no domain is examined"))
    rows.append(("channels", named or "none: nobody is told when mail fails"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"  {name:<{width}}  {value}")
