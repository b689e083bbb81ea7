"""What a person reads of a check: the verdict, what to do first, then all checks, facts, and what would tell more.

Read top-down on one screen, 80 columns wide or narrower. Lines to publish are never broken: they are there to be
copied. Nothing out of the DNS reaches the terminal with a control character in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mailwatch.checks.dns.names import shown
from mailwatch.commands.dns_report import NEED_DOING, Report, printable
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from mailwatch.checks.dns.facts import Facts, SendingAddress, Stated

WIDEST, NARROWEST, USUAL = 110, 30, 80
WORDS: Final = {
    ERROR: ("✗", "error", "bold red"),
    WARNING: ("!", "warning", "bold yellow"),
    UNKNOWN: ("?", "unknown", "bold magenta"),
    OK: ("✓", "ok", "green"),
    NOT_APPLICABLE: ("-", "n/a", "dim"),
}
"""The symbol, the word and the colour of a verdict."""
LABELS: Final = 8
"""Columns of the words before details."""
MANY: Final = 5
"""So many senders are shown; JSON has more."""
FEW: Final = 3
"""From so many on what is not applicable is told in one line."""
MINUTE, HOUR, DAY = 60, 3600, 86400


def console_on(file: TextIO, *, color: bool | None) -> Console:
    """A page on ``file``: coloured on a terminal, or as the person says."""
    terminal = file.isatty() if color is None else color
    console = Console(
        file=file, force_terminal=terminal, no_color=True if color is False else None, highlight=False, markup=False,
        emoji=False, legacy_windows=False,
    )  # fmt: skip
    console.width = max(min(console.width if file.isatty() else USUAL, WIDEST), NARROWEST)
    return console


def show(report: Report, console: Console, *, tree: bool = False, whole: bool = False) -> None:
    """Print the page, without blanks at the ends of its lines; ``whole``: with why each optional thing is not there."""
    with console.capture() as page:
        write(report, console, tree=tree, whole=whole)
    text = "".join(f"{line.rstrip()}\n" for line in page.get().split("\n")[:-1])
    console.file.write(text.encode(console.encoding, "backslashreplace").decode(console.encoding))
    console.file.flush()


def write(report: Report, console: Console, *, tree: bool, whole: bool) -> None:
    """All parts of the page, one below the other."""
    page = Page(console)
    page.verdict(report)
    first = report.first
    if first is not None:
        page.title("Do this first" if first.verdict in NEED_DOING else "Not known")
        page.finding(first)
    if report.is_silent and not whole:
        page.nothing_told(report)
    else:
        rows(report, page, whole=whole)
    if tree and report.tree:
        page.title("The SPF records, and the questions they take")
        for line in report.tree:
            console.print(Text(printable(line)), soft_wrap=True)
    page.title("Taken as given")
    page.rows((name, text) for name, text in facts_in_words(report.facts))
    if report.hints:
        console.print()
    for hint in report.hints:
        console.print(Text(printable(hint)))


def rows(report: Report, page: Page, *, whole: bool) -> None:
    """All checks, with what to do about each; what is optional in one line, unless the ``whole`` is wanted."""
    page.title("All checks")
    first = report.first
    aside = [each for each in report.every if each.verdict == NOT_APPLICABLE]
    brief = not whole and len(aside) >= FEW
    for each in report.every:
        if brief and each in aside:
            continue
        page.row(each)
        if each is not first:
            page.details(each)
    if brief:
        named = ", ".join(dict.fromkeys(each.check.replace("_", "-") for each in aside))
        page.row(replace(aside[0], check="others", text=f"{named}: optional, or not for this host; --verbose says why"))


class Page:
    """Prints the parts of a page."""

    def __init__(self, console: Console) -> None:
        self._console = console
        ascii_only = "utf" not in (console.encoding or "").lower()
        self._symbols = console.is_terminal and not ascii_only

    def verdict(self, report: Report) -> None:
        """The first line."""
        text = f"{printable(shown(report.facts.domain))}: {counted(report)}"
        self._console.print(Text(text, style=WORDS[report.verdict][2]))
        if report.spf is not None and report.ip is not None:
            why = f" ({report.spf.explanation})" if report.spf.explanation else ""
            self._console.print(Text(printable(f"SPF for mail from {report.ip}: {report.spf.result}{why}")))

    def title(self, text: str) -> None:
        """The heading of a part."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def finding(self, finding: Finding) -> None:
        """A finding with all there is to it."""
        self.row(finding)
        self.details(finding)

    def nothing_told(self, report: Report) -> None:
        """The same trouble for every check is told once."""
        named = ", ".join(
            dict.fromkeys(each.check.replace("_", "-") for each in report.every if each.verdict == UNKNOWN)
        )
        self.title("Nothing could be told")
        said = (
            f"No check had an answer to go by: {named}. See /etc/resolv.conf, or name another server with --resolver."
        )
        self._console.print(Text(f"{said} --verbose has all of it."))

    def row(self, finding: Finding) -> None:
        """Which check, what it came to, and its sentence."""
        symbol, word, style = WORDS[finding.verdict]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=2 + LABELS + 2, no_wrap=True)
        grid.add_column(width=LABELS + 2 * self._symbols, no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        name = Text(f"  {finding.check.replace('_', '-')}")
        if self._console.width < USUAL // 2:  # too narrow for columns
            self._console.print(Text.assemble(name, ": ", (word, style)))
            self._console.print(Text(printable(finding.text)))
            return
        said = Text(f"{symbol} {word}" if self._symbols else word, style=style)
        text = Text(printable(finding.text), style="dim" if finding.verdict == NOT_APPLICABLE else "")
        grid.add_row(name, said, text)
        self._console.print(grid)

    def details(self, finding: Finding) -> None:
        """What is there, what to do, what to publish; nothing of what is well."""
        if finding.verdict in (OK, NOT_APPLICABLE):
            return
        now = [("" if number else "now", line) for number, line in enumerate((finding.record or "").split("\n"))]
        details = [("where", finding.where), *now, ("do", finding.fix)]
        self.rows(((name, text) for name, text in details if text), indent=4)
        if finding.publish:
            for line in finding.publish.splitlines():
                self._console.print(Text.assemble("    publish  ", (printable(line), "bold")), soft_wrap=True)
        see = [finding.reference, f"a change is seen everywhere after {span(finding.ttl)}" if finding.ttl else ""]
        if any(see):
            self.rows([("see", "; ".join(each for each in see if each))], indent=4)

    def rows(self, rows: Iterable[tuple[str, str]], indent: int = 2) -> None:
        """Words before texts."""
        made = list(rows)
        grid = Table.grid(padding=(0, 1, 0, 0))
        wide = max((len(name) for name, _ in made), default=0)
        grid.add_column(width=indent + max(wide, LABELS), no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for name, text in made:
            cell: RenderableType = Text(printable(text))
            grid.add_row(Text(f"{' ' * indent}{name}", style="dim"), cell)
        if made:
            self._console.print(grid)


def counted(report: Report) -> str:
    """``2 errors, 1 warning``, or that all is right."""
    verdicts = [each.verdict for each in report.every]
    said = [
        f"{number} {word}{'' if number == 1 or word == 'unknown' else 's'}"
        for verdict, word in ((ERROR, "error"), (WARNING, "warning"), (UNKNOWN, "unknown"))
        if (number := verdicts.count(verdict))
    ]
    if said and OK in verdicts and not {ERROR, WARNING} & set(verdicts):
        said.insert(0, "nothing wrong was found")
    return ", ".join(said) or ("all right" if OK in verdicts else "nothing to check")


def span(seconds: int) -> str:
    """A time to live, in the largest unit that fits it."""
    for unit, word in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{round(seconds / unit, 1):g} {word}"
    return f"{seconds} s"


def facts_in_words(facts: Facts) -> Iterator[tuple[str, str]]:
    """What was taken as given, and from where."""
    for number, each in enumerate(facts.addresses):
        yield "" if number else "sending from", _of(each)
    if facts.relay is not None:
        yield "sending by", f"the relay {_stated(facts.relay)}"
    elif not facts.addresses:
        yield "sending from", "not known"
    if facts.helo is not None:
        yield "HELO", _stated(facts.helo)
    if facts.mail_from is not None:
        yield "MAIL FROM", _stated(facts.mail_from) if facts.mail_from.text else f"<> ({facts.mail_from.origin})"
    for number, sender in enumerate(facts.senders[:MANY]):
        more = f", and {len(facts.senders) - MANY} more" if number == MANY - 1 and len(facts.senders) > MANY else ""
        yield "" if number else "senders", f"{_stated(sender)}{more}"
    for number, key in enumerate(facts.selectors):
        yield "" if number else "selectors", f"{key.selector}._domainkey.{key.domain} ({key.origin})"


def _of(address: SendingAddress) -> str:
    return f"{address.address} ({'guessed from ' if address.guessed else ''}{address.origin})"


def _stated(stated: Stated) -> str:
    return f"{stated.text} ({stated.origin})"
