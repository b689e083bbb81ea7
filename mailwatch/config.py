"""Reads the configuration: one TOML file in, frozen options out, or every mistake in it at once.

A mistake names the key, what was expected and what was found, and a key that may have been meant.
"""

from __future__ import annotations

import difflib
import sys
import tomllib
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from mailwatch.channels import kinds
from mailwatch.options import DEFAULT_CONFIG, ChannelOptions, Options, Secret, parse_address
from mailwatch.options.dns import CHECKS, mistakes, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailwatch.options import CronOptions, DnsOptions

LARGEST: Final = 1 << 20
WORDS: Final[dict[type, str]] = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class ConfigError(Exception):
    """The configuration is wrong; ``mistakes`` has a line for each."""

    def __init__(self, path: Path | None, mistakes: list[str]) -> None:
        self.path = path
        self.mistakes = [f"{path}: {mistake}" if path else mistake for mistake in mistakes]
        super().__init__("\n".join(self.mistakes))


@dataclass(slots=True)
class _Reader:
    """Collects the mistakes of one file."""

    mistakes: list[str]

    def table(self, kind: type[Any], values: dict[str, Any], prefix: str = "") -> Any:
        """An options dataclass from a TOML table."""
        hints = get_type_hints(kind)
        # from is a word of Python, so its field has a _ behind it
        known = {each.name.rstrip("_"): each for each in fields(kind)}
        for key in values:
            if key not in known:
                self.mistakes.append(f"{prefix}{key}: unknown key{suggestion(key, known)}. See README, Configuration.")
        read: dict[str, Any] = {}
        for name, each in known.items():
            if name not in values:
                continue
            before = len(self.mistakes)
            value = self.value(hints[each.name], values[name], prefix + name)
            if len(self.mistakes) == before:
                self.within(value, each.metadata, prefix + name)
            if len(self.mistakes) == before or isinstance(value, tuple):
                read[each.name] = value
        return kind(**read)

    def within(self, value: Any, wanted: Mapping[str, Any], key: str) -> None:
        """See that a value is one of the choices, or within the bounds, of its field."""
        choices, bounds = wanted.get("choices") or (), wanted.get("bounds")
        if choices and value not in choices:
            near = suggestion(str(value), choices)
            self.mistakes.append(f"{key}: expected {' or '.join(choices)}, found {value!r}{near}")
        if bounds and not bounds[0] <= value <= bounds[1]:
            self.mistakes.append(f"{key}: expected {bounds[0]:g} to {bounds[1]:g}, found {value}")

    def value(self, hint: Any, value: Any, key: str) -> Any:
        """A value of the type that its field has."""
        if isinstance(hint, UnionType):
            hint = next(each for each in get_args(hint) if each is not NoneType)
        if is_dataclass(hint) and isinstance(hint, type):
            return self.table(hint, value, f"{key}.") if self.typed(dict, value, key) else None
        if get_origin(hint) is tuple:
            if not self.typed(list, value, key):
                return None
            return tuple(self.value(get_args(hint)[0], each, f"{key}[{at}]") for at, each in enumerate(value))
        if hint is Path:
            return self.path(value, key)
        if hint is Secret:
            return Secret(value) if self.typed(str, value, key, secret=True) else None
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value if self.typed(hint, value, key) else None

    def path(self, value: Any, key: str) -> Path | None:
        """A path; relative ones mean something else in each working directory, so only ``olddir`` may be one."""
        if not self.typed(str, value, key):
            return None
        if not value or "\0" in value:
            self.mistakes.append(f"{key}: expected a path, found {value!r}")
        elif not value.startswith("/") and key != "log.olddir":
            self.mistakes.append(f"{key}: expected a path that begins with /, found {value!r}")
        return Path(value)

    def typed(self, kind: type[Any], value: Any, key: str, *, secret: bool = False) -> bool:
        """Whether the value has the type; a mistake if not, which does not show what is secret."""
        if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
            return True
        found = WORDS.get(type(value), type(value).__name__) if secret else described(value)
        self.mistakes.append(f"{key}: expected {WORDS[kind]}, found {found}")
        return False


def described(value: Any) -> str:
    """What stands in the file, for people."""
    if isinstance(value, bool):
        return str(value).lower()
    found = WORDS.get(type(value), type(value).__name__)
    return found if isinstance(value, dict | list) else f"{found} {value!r}"


def suggestion(word: str, known: Any) -> str:
    """A word that may have been meant."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def parse(text: str, path: Path | None = None) -> Options:
    """The options in a TOML text. Raises ConfigError with every mistake."""
    options, mistakes = read(text, path)
    if mistakes:
        raise ConfigError(path, mistakes)
    return options


def read(text: str, path: Path | None) -> tuple[Options, list[str]]:
    """What is right in a TOML text, and every mistake; of channels those that are right. Raises ConfigError."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(path, [f"not valid TOML: {error}"]) from error
    reader = _Reader([])
    options: Options = reader.table(Options, values)
    of_all: tuple[Callable[[Options], str | None], ...] = (_listen, _one_log, _thresholds)
    reader.mistakes += [mistake for mistake in (check(options) for check in of_all) if mistake]
    reader.mistakes += [f"deadman.{mistake}" for mistake in kinds.of_deadman(options.deadman)]
    reader.mistakes += [f"cron.{mistake}" for mistake in _cron(options.cron)]
    reader.mistakes += [f"dns.{mistake}" for mistake in _dns(options.dns)]
    return replace(options, channel=_right_channels(options, reader.mistakes)), reader.mistakes


def _right_channels(options: Options, mistakes: list[str]) -> tuple[ChannelOptions, ...]:
    """The channels without a mistake; to the mistakes are added those that concern a channel as a whole."""
    wrong = [
        channel is None or any(each.startswith(f"channel[{at}].") for each in mistakes)
        for at, channel in enumerate(options.channel)
    ]
    readable = [channel if channel is not None else ChannelOptions() for channel in options.channel]
    for at, mistake in list(kinds.mistakes(readable, wrong)):
        mistakes.append(f"channel[{at}].{mistake}")
        wrong[at] = True
    return tuple(channel for at, channel in enumerate(options.channel) if not wrong[at])


def _listen(options: Options) -> str | None:
    try:
        parse_address(options.listen)
    except ValueError as error:
        return f"listen: {error}"
    return None


def _one_log(options: Options) -> str | None:
    if options.log.source == "journal" and options.log.path is not None:
        return 'log.path: not read while log.source is "journal": remove one of the two'
    return None


def _cron(cron: CronOptions) -> Iterator[str]:
    if cron.textfile is not None and cron.textfile.suffix != ".prom":
        yield f"textfile: expected a name that ends with .prom, found {cron.textfile.name!r}: others are not read"
    if cron.pushgateway is not None and cron.pushgateway_file is not None:
        yield "pushgateway: there is pushgateway_file, too: leave one of them out"
    elif cron.pushgateway is not None:
        yield from kinds.of_url("pushgateway", cron.pushgateway)


def _dns(dns: DnsOptions) -> Iterator[str]:
    if None in (*dns.domains, *dns.only, *dns.skip, *dns.ip, *dns.selectors):
        return  # one of them is no text, and that is told already
    yield from mistakes(dns)
    for key in ("only", "skip"):
        for at, name in enumerate(getattr(dns, key)):
            if plain(name) not in CHECKS:
                near = suggestion(plain(name), CHECKS).replace("_", "-")
                there = ", ".join(CHECKS).replace("_", "-")
                yield f"{key}[{at}]: expected the name of a check{near}, found {name!r}. They are {there}"


def _thresholds(options: Options) -> str | None:
    """Between the two thresholds an alert stays as it is; the other way round it would come and go."""
    pairs = (
        ("clear_percent", "raise_percent"),
        ("raise_percent", "page_percent"),
        ("clear_age_seconds", "raise_seconds"),
        ("clear_count", "min_count"),
    )
    for rule in fields(options.rules):
        found = getattr(options.rules, rule.name)
        for low, high in pairs:
            below, above = getattr(found, low, 0), getattr(found, high, sys.maxsize)
            if below > above:
                return f"rules.{rule.name}.{low}: expected at most {high} ({above}), found {below}"
    return None


def load(path: Path | None) -> Options:
    """The options in a file; without a path the default file's, or the defaults. Raises ConfigError."""
    options, mistakes = load_what_is_right(path)
    if mistakes:
        raise ConfigError(path or DEFAULT_CONFIG, mistakes)
    return options


def load_what_is_right(path: Path | None) -> tuple[Options, list[str]]:
    """What is right in a file, and its mistakes: the emergency sender does with what there is. Raises ConfigError."""
    chosen = path or DEFAULT_CONFIG
    if path is None and not chosen.exists():
        return Options(), []
    try:
        with chosen.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(None, [f"cannot read {chosen}: {error.strerror or error}"]) from error
    if len(content) > LARGEST:
        raise ConfigError(None, [f"{chosen}: larger than 1 MiB: is that the configuration?"])
    try:
        return read(content.decode(), chosen)
    except UnicodeDecodeError as error:
        raise ConfigError(chosen, [f"not UTF-8 text (byte {error.start})"]) from error
