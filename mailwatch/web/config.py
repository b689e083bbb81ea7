"""Reads a web configuration file in the format of Prometheus's exporter-toolkit, or tells every mistake in it at once.

Promises
    What is read here means what it means there. What exists there and is not kept here is a mistake, never ignored:
    it would look like a protection that is not there. No password, hash or key is shown where one may stand by mistake.
    Relative paths begin at the folder of the file.

How it fails
    A plain word that stands as a user's name, an unknown key or a path is shown as what it stands for: a password that
    stands there alone is shown too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from mailwatch.config import ConfigError, suggestion
from mailwatch.web.files import read_regular
from mailwatch.web.yaml import NotYaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LARGEST: Final = 1 << 16
SEE: Final = "See README, TLS and passwords."
VERSIONS: Final = ("TLS12", "TLS13")
OLD_VERSIONS: Final = ("TLS10", "TLS11")
VERIFIED: Final = "RequireAndVerifyClientCert"
CLIENT_AUTH: Final = ("NoClientCert", "VerifyClientCertIfGiven", VERIFIED)
UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
CIPHERS: Final[dict[str, str]] = {
    # Go's names and OpenSSL's; those of TLS 1.3 are always on, there and here
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
UNSUPPORTED: Final[dict[str, str]] = {
    "rate_limit": "not supported: mailwatch bounds connections and paces requests by itself. Leave it out",
    "tls_server_config.cert": "not supported: write it to a file, and give that as cert_file",
    "tls_server_config.key": "not supported: write it to a file, and give that as key_file",
    "tls_server_config.client_ca": "not supported: write it to a file, and give that as client_ca_file",
    "tls_server_config.curve_preferences": "not supported: OpenSSL chooses the curve. Leave it out",
}
HASH: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
NO_NAME: Final = "a user's name is not empty and has no colon; a blank stands between the colon and the hash"
BARE: Final = re.compile(r"[A-Za-z0-9+/= ]{32,}", re.ASCII)
"""A key or a token without anything around it. A path as plain as that is not shown either; the key it stands at is."""
TRUTHS: Final = ("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0")
COSTS: Final = range(4, 15)
"""More than 14 takes seconds for each check, which nobody who waits for a scrape has."""


class Secret:
    """A text that is never shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        """What stands for it wherever it is shown."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same text."""
        return isinstance(other, Secret) and self._text == other._text

    __hash__ = None  # type: ignore[assignment]  # nothing looks a secret up


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """``tls_server_config``: with which certificate to serve, and whose to ask for."""

    cert_file: Path
    key_file: Path
    client_auth_type: str = "NoClientCert"
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True

    def files(self) -> list[Path]:
        """The files it is made of."""
        return [each for each in (self.cert_file, self.key_file, self.client_ca_file) if each is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """Who may ask for the page, and how it is served; by default everybody, in the clear."""

    tls: TlsOptions | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, Secret] = field(default_factory=dict)


def is_allowed(certificate: Mapping[str, Any] | None, sans: tuple[str, ...]) -> bool:
    """Whether a client's verified certificate has one of these Subject Alternate Names, if any is named."""
    names = {name for _, name in (certificate or {}).get("subjectAltName", ())}
    return not sans or not names.isdisjoint(sans)


def shown(word: str) -> str:
    """A key, a choice or a path as a message may show it: it may be a secret that stands where it should not.

    What follows a colon may be the password of the user before it.
    """
    if "$2" in word or "PRIVATE KEY" in word or "\n" in word or BARE.fullmatch(word):
        return "***"
    begin, colon, _ = word.partition(":")
    printable = "".join(each if each.isprintable() else "?" for each in begin) or "***" * len(colon)
    return printable if len(printable) <= 60 else printable[:57] + "..."  # noqa: PLR2004


@dataclass(slots=True)
class _Reader:
    """Collects the mistakes of one file."""

    folder: Path
    mistakes: list[str]

    def wrong(self, key: str, what: str) -> None:
        self.mistakes.append(f"{key}: {what}")

    def table(self, value: Any, key: str, known: Iterable[str]) -> dict[str, Any]:
        """The known keys of a table that have a value; each other one is a mistake."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(key, f"expected a table, found {kind(value)}")
            return {}
        prefix = f"{key}." if key else ""
        for name in value:
            if prefix + name in UNSUPPORTED:
                self.wrong(prefix + name, UNSUPPORTED[prefix + name])
            elif name not in known:
                self.wrong(prefix + shown(name), f"unknown key{suggestion(name, known)}. {SEE}")
        return {name: value[name] for name in value if name in known and value[name] is not None}

    def text(self, value: Any, key: str) -> str | None:
        if isinstance(value, str):
            return value
        self.wrong(key, f"expected text, found {kind(value)}")
        return None

    def choice(self, value: Any, key: str, known: Iterable[str]) -> str | None:
        text = self.text(value, key)
        if text is None or text in known:
            return text
        meant = suggestion(text, known)
        found = repr(shown(text)) if meant else "another text" if text else "nothing"
        self.wrong(key, f"expected {' or '.join(known)}, found {found}{meant}")
        return None

    def truth(self, value: Any, key: str) -> bool | None:
        if value in ("true", "false"):
            return bool(value == "true")
        found = kind(value)
        if isinstance(value, str):
            found = repr(value) if value.lower() in TRUTHS else "another text" if value else "nothing"
        self.wrong(key, f"expected true or false, found {found}")
        return None

    def texts(self, value: Any, key: str) -> list[tuple[str, str]]:
        """The places and texts of a list."""
        if not isinstance(value, list):
            self.wrong(key, f"expected a list, found {kind(value)}")
            return []
        found = [(f"{key}[{at}]", self.text(each, f"{key}[{at}]")) for at, each in enumerate(value)]
        return [(place, text) for place, text in found if text is not None]

    def file(self, value: Any, key: str) -> Path | None:
        """A file that can be read."""
        text = self.text(value, key)
        if text is None:
            return None
        if "-----BEGIN" in text or "\n" in text:
            self.wrong(key, "expected the path of a file, found what belongs into one")
            return None
        path = self.folder / text
        try:
            read_regular(path, 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            self.wrong(key, f"cannot read {self.folder / shown(text)}: {why}")
            return None
        return path


def kind(value: Any) -> str:
    """What stands in the file, for people; never the text itself."""
    return (
        "a list"
        if isinstance(value, list)
        else "a table"
        if isinstance(value, dict)
        else "text"
        if value
        else "nothing"
    )


def read_tls(reader: _Reader, value: Any) -> TlsOptions | None:
    """``tls_server_config``."""
    key = "tls_server_config"
    before = len(reader.mistakes)
    table = reader.table(value, key, [each.name for each in fields(TlsOptions)])
    read: dict[str, Any] = {}
    for name, each in table.items():
        place = f"{key}.{name}"
        if name.endswith("_file"):
            read[name] = reader.file(each, place)
        elif name == "client_auth_type":
            read[name] = read_client_auth(reader, each, place)
        elif name.endswith("_version"):
            read[name] = read_version(reader, each, place)
        elif name == "cipher_suites":
            read[name] = tuple(reader.choice(text, at, CIPHERS) for at, text in reader.texts(each, place))
        elif name == "client_allowed_sans":
            read[name] = tuple(text for _, text in reader.texts(each, place))
        else:
            read[name] = reader.truth(each, place)
    for name in ("cert_file", "key_file"):
        if isinstance(value, dict) and value and name not in table and name.removesuffix("_file") not in value:
            reader.wrong(f"{key}.{name}", "missing: TLS needs cert_file and key_file")
    if not table or len(reader.mistakes) > before:
        return None
    options = TlsOptions(**read)
    reader.mistakes += [f"{key}.{mistake}" for mistake in contradictions(options)]
    return options


def read_client_auth(reader: _Reader, value: Any, key: str) -> str | None:
    """``client_auth_type``: only what verifies."""
    if isinstance(value, str) and value in UNVERIFIED:
        reader.wrong(key, f"{value} is not supported: it takes a certificate from anybody. Use {VERIFIED}")
        return None
    return reader.choice(value, key, CLIENT_AUTH)


def read_version(reader: _Reader, value: Any, key: str) -> str | None:
    """``min_version`` or ``max_version``."""
    if isinstance(value, str) and value in OLD_VERSIONS:
        reader.wrong(key, f"{value} is not supported: it is not safe any more. Use TLS12 or TLS13")
        return None
    return reader.choice(value, key, VERSIONS)


def contradictions(tls: TlsOptions) -> Iterable[str]:
    """What does not go together."""
    if tls.min_version > tls.max_version:
        yield f"min_version: {tls.min_version} is more than max_version {tls.max_version}"
    if tls.client_ca_file is not None and tls.client_auth_type == "NoClientCert":
        yield f"client_ca_file: no client is asked for a certificate. Set client_auth_type to {VERIFIED}"
    if tls.client_ca_file is None and tls.client_auth_type != "NoClientCert":
        yield f"client_auth_type: {tls.client_auth_type} needs client_ca_file"
    if tls.client_allowed_sans and tls.client_auth_type != VERIFIED:
        yield f"client_allowed_sans: needs client_auth_type {VERIFIED}"
    if tls.cipher_suites and tls.min_version == "TLS12" and not any(CIPHERS[each] for each in tls.cipher_suites):
        yield "cipher_suites: has none for TLS 1.2. Add one, or set min_version to TLS13"


def read_http(reader: _Reader, value: Any) -> dict[str, str]:
    """``http_server_config``: the headers."""
    key = "http_server_config"
    table = reader.table(value, key, ("http2", "headers"))
    if "http2" in table and reader.truth(table["http2"], f"{key}.http2"):
        reader.wrong(f"{key}.http2", "HTTP/2 is not spoken here: leave it out, or set it to false")
    found = {}
    for name, each in reader.table(table.get("headers"), f"{key}.headers", HEADERS).items():
        place = f"{key}.headers.{name}"
        allowed = HEADERS[name]
        text = reader.choice(each, place, allowed) if allowed else reader.text(each, place)
        if text is not None and not (text.isascii() and text.isprintable()):
            reader.wrong(place, "expected printable ASCII on one line")
        elif text is not None:
            found[name] = text
    return found


def read_users(reader: _Reader, value: Any) -> dict[str, Secret]:
    """``basic_auth_users``; nothing of what stands there as a hash is shown."""
    key = "basic_auth_users"
    table = reader.table(value, key, value if isinstance(value, dict) else ())
    hashes = {}
    for name in value if isinstance(value, dict) else ():
        place = f"{key}.{shown(name)}"
        each = table.get(name)
        found = HASH.fullmatch(each) if isinstance(each, str) else None
        if not name or ":" in name:
            reader.wrong(place, NO_NAME)
        elif found is None:
            reader.wrong(place, "expected a bcrypt hash. Make one: htpasswd -nBC 10 '' | tr -d ':\\n'")
        elif int(found[1]) not in COSTS:
            reader.wrong(place, f"the hash has cost {int(found[1])}: expected {COSTS[0]} to {COSTS[-1]}, 10 is usual")
        else:
            hashes[name] = Secret(found[0])
    return hashes


def parse(text: str, path: Path) -> WebConfig:
    """The web configuration in a text that stands in a file. Raises ConfigError with every mistake."""
    try:
        values, repeated = read_yaml(text)
    except NotYaml as error:
        raise ConfigError(path, [f"not valid YAML: {error}"]) from None  # what is around the mistake may be a secret
    reader = _Reader(path.parent, [f"line {line}: {shown(key)} stands twice" for line, key in repeated])
    table = reader.table(values, "", ("tls_server_config", "http_server_config", "basic_auth_users"))
    config = WebConfig(
        tls=read_tls(reader, table.get("tls_server_config")),
        headers=read_http(reader, table.get("http_server_config")),
        users=read_users(reader, table.get("basic_auth_users")),
    )
    if reader.mistakes:
        raise ConfigError(path, [mistake.removeprefix(": ") for mistake in reader.mistakes])
    return config


def load(path: Path) -> WebConfig:
    """The web configuration in a file. Raises ConfigError."""
    try:
        content = read_regular(path, LARGEST + 1)
    except OSError as error:
        raise ConfigError(None, [f"cannot read {path}: {error.strerror or error}"]) from error
    if len(content) > LARGEST:
        raise ConfigError(path, ["larger than 64 KiB: is that the web configuration?"])
    try:
        return parse(content.decode(), path)
    except UnicodeDecodeError as error:
        raise ConfigError(path, [f"not UTF-8 text (byte {error.start})"]) from None
