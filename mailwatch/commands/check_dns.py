"""``mailwatch check-dns``: whether this host may send mail for a domain, and what to publish where it may not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from mailwatch.checks.dns import DNS
from mailwatch.checks.dns.names import name_of
from mailwatch.commands.dns_facts import Given, configured, domain_of, from_outside, known, quoted
from mailwatch.commands.dns_report import Report, as_object, printable
from mailwatch.commands.dns_source import at_the_source
from mailwatch.commands.dns_spf import SPF, Spf, spf_of
from mailwatch.commands.failure import UNKNOWN, Failure
from mailwatch.commands.routes import addresses
from mailwatch.config import ConfigError, load, suggestion
from mailwatch.examination import examine, hurried
from mailwatch.facts.resolving import name_servers
from mailwatch.facts.sending import address_of
from mailwatch.finding import EXIT
from mailwatch.finding import UNKNOWN as UNKNOWN_VERDICT
from mailwatch.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailwatch.commands.dns_facts import Known
    from mailwatch.options import Options
    from mailwatch.question import Asks

log = logging.getLogger(__name__)
AUTHORITATIVE: Final = "authoritative"
DNS_PORT: Final = 53
LAST_PORT: Final = 65535
GRACE: Final = 3.0
"""Seconds after the deadline in which all ends by itself, also on a slow machine; then it is ended."""
INTERRUPTED: Final = 130
"""Exit code of what Ctrl-C ended (128 and SIGINT)."""


class Seconds(click.FloatRange):
    """A range of numbers; ``nan`` is in none, and click would compare it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or an error that says which there may be."""
        if value != value or str(value).strip().lower().lstrip("+-") == "nan":  # noqa: PLR0124 - only nan is not itself
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return super().convert(value, param, ctx)


class Asked(NamedTuple):
    """What the command is to do."""

    domain: str
    given: Given
    options: Options
    resolver: str | None
    only: frozenset[str]
    deadline: float


@click.command("check-dns", short_help="Whether this server may send mail for a domain, and what to publish if not.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Configuration file [/etc/mailwatch/mailwatch.toml].",
)
@click.option("--ip", "ips", multiple=True, metavar="A", help="Address that mail leaves from; repeat for several.")
@click.option("--helo", metavar="NAME", help="What this host says in HELO.")
@click.option("--mail-from", metavar="ADDRESS", help="Envelope sender: an address or a domain; '' for bounces.")
@click.option("--relay", metavar="HOST", help="All mail goes through this host.")
@click.option("--direct", is_flag=True, help="Mail is delivered directly, whatever Postfix is set to.")
@click.option(
    "--selector", "selectors", multiple=True, metavar="S", help="A DKIM selector, instead of those found here; repeat."
)
@click.option(
    "--resolver", metavar="HOST[:PORT]", help=f"Whom to ask; '{AUTHORITATIVE}': the domain's own name servers."
)
@click.option("--only", metavar="CHECK,...", help=f"Only these checks: {', '.join(DNS).replace('_', '-')}.")
@click.option(
    "--deadline", type=Seconds(0.1, 120), default=10, show_default=True, metavar="SECONDS", help="For it all."
)
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Also the SPF records with what they cost, and why what is optional is not there; tracebacks of our bugs.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
@click.option("--color/--no-color", default=None, help="Colours and symbols; on a terminal by default.")
@click.argument("domain")
def check_dns(  # noqa: PLR0913 - click hands over each option
    *,
    config: Path | None,
    ips: tuple[str, ...],
    helo: str | None,
    mail_from: str | None,
    relay: str | None,
    direct: bool,
    selectors: tuple[str, ...],
    resolver: str | None,
    only: str | None,
    deadline: float,
    verbose: bool,
    as_json: bool,
    color: bool | None,
    domain: str,
) -> None:
    """Check whether this server may send mail for DOMAIN: SPF, DKIM, DMARC, reverse names and what else receivers ask.

    What is known of this host comes from Postfix, its log and what signs mail; options replace it.
    Exit code 0: all right; 1: a warning; 2: an error; 3: something could not be checked, or the command is wrong.
    """
    try:
        with quiet(verbose=verbose):
            given = Given(ips, helo, mail_from, relay, direct, selectors)
            asked = Asked(domain, given, options_of(config), resolver, checks_named(only), deadline)
            report = looked_up(asked)
            told(report, as_json=as_json, color=color, tree=verbose or asked.only == {SPF}, whole=verbose)
    except Failure as failure:
        if as_json:
            click.echo(json.dumps(refused(domain, failure)))
        raise
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # the reader has had enough, as head(1) does: nothing more can be told to it, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(EXIT[report.verdict])


@contextmanager
def quiet(*, verbose: bool) -> Iterator[None]:
    """A bug is one line, unless its traceback is wanted."""
    if not verbose:
        logging.getLogger("mailwatch").addHandler(logging.NullHandler())
        logging.getLogger("mailwatch").propagate = False
    try:
        yield
    except (Failure, BrokenPipeError):
        raise
    except Exception as error:
        log.exception("a bug in mailwatch")  # seen with --verbose
        said = printable(str(error)).strip()
        raise Failure(
            f"a bug in mailwatch: {type(error).__name__}: {said}. Please report it, with --verbose", UNKNOWN
        ) from error


def refused(domain: str, failure: Failure) -> dict[str, Any]:
    """For machines: nothing was checked; of what is no domain SPF says ``none`` (RFC 7208 section 4.3)."""
    found: dict[str, Any] = {"domain": domain, "verdict": UNKNOWN_VERDICT, "mistake": failure.message}
    try:
        name_of(domain)
    except ValueError:
        found["spf"] = {"result": "none", "explanation": failure.message}
    return found


def options_of(config: Path | None) -> Options:
    """The configuration. Raises Failure."""
    try:
        return load(config)
    except ConfigError as error:
        raise Failure(str(error), UNKNOWN) from error


def checks_named(only: str | None) -> frozenset[str]:
    """The checks of --only; all where it is not there. Raises Failure for one that there is not."""
    if only is None:
        return frozenset()
    there = ", ".join(DNS).replace("_", "-")
    named = [each.strip().lower().replace("-", "_") for each in only.split(",") if each.strip()]
    for each in named:
        if each not in DNS:
            near = suggestion(each, DNS).replace("_", "-")
            raise Failure(f"--only {quoted(each)}: no such check{near}. There are {there}", UNKNOWN)
    if not named:
        raise Failure(f"--only: no check is named. There are {there}", UNKNOWN)
    return frozenset(named)


def servers_of(text: str | None) -> tuple[tuple[str, int], ...]:
    """Address and port of --resolver; this host's own without it. Raises Failure."""
    if text is None or text == AUTHORITATIVE:
        return name_servers()
    host, port = text, DNS_PORT
    if address_of(text) is None:  # 2001:db8::53 has colons, and no port
        host, colon, number = text.rpartition(":")
        if not colon:
            host, number = number, str(DNS_PORT)
        if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) <= LAST_PORT):
            raise Failure(f"--resolver {quoted(text)}: no port from 1 to {LAST_PORT} behind the colon", UNKNOWN)
        port = int(number)
    found = addresses_of(host)
    if not found:
        raise Failure(f"--resolver {quoted(text)}: no such host. Give its address, such as 192.0.2.53", UNKNOWN)
    return tuple((each, port) for each in found)


def addresses_of(host: str) -> list[str]:
    """The addresses of a host that is given by its name or its address."""
    address = address_of(host)
    if address is not None:
        return [str(address)] if host.isprintable() and host.startswith("[") == host.endswith("]") else []
    # what has no letter behind its last dot is no name; the system would take 127.1, or 53, for an address
    is_name = host.isascii() and host.isprintable() and not set(host) & set(" %[]")
    return sorted(addresses([host])) if is_name and host.rpartition(".")[2][:1].isalpha() else []


def looked_up(asked: Asked) -> Report:
    """What the checks find. Raises Failure."""
    domain = domain_of(asked.domain)
    if asked.resolver is None:
        asked = asked._replace(resolver=configured(domain, asked.options).resolver or None)
    servers = servers_of(asked.resolver)
    with waiting(asked.only) as done:
        begun = time.monotonic()
        there = known(domain, asked.given, asked.options, time.time(), asked.deadline / 2)
        left = asked._replace(deadline=asked.deadline - (time.monotonic() - begun))
        try:
            with hurried(left.deadline + GRACE):
                return asyncio.run(examined(left, there, servers, done))
        except TimeoutError:
            raise Failure(f"nothing was found out within {asked.deadline:g} s, and more. Try --only", UNKNOWN) from None


async def examined(
    asked: Asked, there: Known, servers: tuple[tuple[str, int], ...], done: Callable[[str], None]
) -> Report:
    """Ask, by the deadline."""
    async with Resolver(servers, asked.deadline) as resolver:
        there = await from_outside(resolver, there)
        asks: Asks = resolver
        if asked.resolver == AUTHORITATIVE:
            source = await at_the_source(resolver, there.facts.domain)
            if source is None:
                raise Failure(f"the name servers of {asked.domain} are not known: leave --resolver out", UNKNOWN)
            asks = source
        findings = await examine(asks, there.facts, only=asked.only, done=done)
        spf = Spf() if asked.only and SPF not in asked.only else await spf_of(asks, there.facts)
    return Report(facts=there.facts, findings=findings, spf=spf.evaluated, tree=spf.tree, hints=there.hints)


@contextmanager
def waiting(only: frozenset[str]) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is waited for; what is given is told of each check that ends."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - where nobody watches it is not needed

    left = [name for name in DNS if not only or name in only]
    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False, legacy_windows=False)

    def waited_for() -> str:
        names = ", ".join(left).replace("_", "-") or "SPF"
        text, room = f"asking: {names}", max(console.width - 4, 1)
        return text if len(text) <= room else f"{text[: room - 3].rpartition(',')[0]} ..."

    with console.status(waited_for()) as status:

        def done(name: str) -> None:
            left.remove(name)
            status.update(waited_for())

        yield done


def told(report: Report, *, as_json: bool, color: bool | None, tree: bool, whole: bool) -> None:
    """Print the report. Raises Failure where nothing can be written."""
    if sys.stdout is None:
        raise Failure("standard output is closed: nothing can be written there", UNKNOWN)
    try:
        if as_json:
            click.echo(json.dumps(as_object(report)))
            return
        from mailwatch.commands.dns_page import console_on, show  # noqa: PLC0415 - machines need no rich

        show(report, console_on(sys.stdout, color=color), tree=tree, whole=whole)
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Failure(f"cannot write the report: {error.strerror or error}", UNKNOWN) from error
