"""The web configuration file: each mistake with its whole message, all at once, and never a secret in it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mailwatch.config import ConfigError
from mailwatch.web.access import agree
from mailwatch.web.config import CIPHERS, HASH, Secret, TlsOptions, WebConfig, load
from mailwatch.web.tls import make_context
from tests.parts.agent import mailwatch
from tests.parts.certificates import Authority, openssl

if TYPE_CHECKING:
    from collections.abc import Iterator

SALT_AND_SUM = "abcdefghijklmnopqrstuu" + "PLANTEDhash0PLANTEDhash0PLANTED"
HASHED = "$2y$10$" + SALT_AND_SUM
TLS = "tls_server_config:\n  cert_file: mx.pem\n  key_file: mx.key\n"
SEE = "See README, TLS and passwords."
MAKE_ONE = "expected a bcrypt hash. Make one: htpasswd -nBC 10 '' | tr -d ':\\n'"

NAMED = "a user's name is not empty and has no colon; a blank stands between the colon and the hash"
BARE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcPLANTED/SjAgEAAoIBAQDk+A=="

BAD: dict[str, tuple[str, str]] = {
    "an unknown section": ("tls_config:\n  cert_file: x\n", f"tls_config: unknown key (did you mean tls_server_config?). {SEE}"),
    "an unknown key": (TLS + "  min_versoin: TLS12\n", f"tls_server_config.min_versoin: unknown key (did you mean min_version?). {SEE}"),
    "a key far from any": ("qqqqqq: 1\n", f"qqqqqq: unknown key. {SEE}"),
    "an unknown key of HTTP": ("http_server_config:\n  htp2: true\n", f"http_server_config.htp2: unknown key (did you mean http2?). {SEE}"),
    "a header that is not theirs": ("http_server_config:\n  headers:\n    X-Frame-Option: deny\n", f"http_server_config.headers.X-Frame-Option: unknown key (did you mean X-Frame-Options?). {SEE}"),
    "a header's wrong value": ("http_server_config:\n  headers:\n    X-Frame-Options: never\n", "http_server_config.headers.X-Frame-Options: expected deny or sameorigin, found another text"),
    "a header of two lines": ('http_server_config:\n  headers:\n    X-XSS-Protection: "0\\r\\nX: y"\n', "http_server_config.headers.X-XSS-Protection: expected printable ASCII on one line"),
    "HTTP/2": ("http_server_config:\n  http2: true\n", "http_server_config.http2: HTTP/2 is not spoken here: leave it out, or set it to false"),
    "no truth": ("http_server_config:\n  http2: maybe\n", "http_server_config.http2: expected true or false, found another text"),
    "a truth of another YAML": ("http_server_config:\n  http2: Yes\n", "http_server_config.http2: expected true or false, found 'Yes'"),
    "a secret for a truth": ("http_server_config:\n  http2: PLANTED\n", "http_server_config.http2: expected true or false, found another text"),
    "a secret for a choice": (TLS + "  client_auth_type: PLANTED\n", "tls_server_config.client_auth_type: expected NoClientCert or VerifyClientCertIfGiven or RequireAndVerifyClientCert, found another text"),
    "nothing for a choice": (TLS + "  client_auth_type: ''\n", "tls_server_config.client_auth_type: expected NoClientCert or VerifyClientCertIfGiven or RequireAndVerifyClientCert, found nothing"),
    "a bare key for a path": (f"tls_server_config:\n  cert_file: mx.pem\n  key_file: {BARE}\n", "tls_server_config.key_file: cannot read {folder}/***: No such file or directory"),
    "a folded key for a path": (f"tls_server_config:\n  cert_file: mx.pem\n  key_file:\n    {BARE[:32]}\n    {BARE[32:]}\n", "tls_server_config.key_file: cannot read {folder}/***: No such file or directory"),
    "a user and a password for a path": ("tls_server_config:\n  cert_file: mx.pem\n  key_file: alice:PLANTED\n", "tls_server_config.key_file: cannot read {folder}/alice: No such file or directory"),
    "a bare key for a key": (f"{BARE}: x\n", f"***: unknown key. {SEE}"),
    "a certificate in place": (TLS + "  cert: |\n    -----BEGIN CERTIFICATE-----\n", "tls_server_config.cert: not supported: write it to a file, and give that as cert_file"),
    "a key in place": (TLS + "  key: |\n    -----BEGIN PRIVATE KEY-----\n    PLANTED\n", "tls_server_config.key: not supported: write it to a file, and give that as key_file"),
    "an authority in place": (TLS + "  client_ca: x\n", "tls_server_config.client_ca: not supported: write it to a file, and give that as client_ca_file"),
    "curves": (TLS + "  curve_preferences: [X25519]\n", "tls_server_config.curve_preferences: not supported: OpenSSL chooses the curve. Leave it out"),
    "a rate": ("rate_limit:\n  interval: 1s\n", "rate_limit: not supported: mailwatch bounds connections and paces requests by itself. Leave it out"),
    "no key": ("tls_server_config:\n  cert_file: mx.pem\n", "tls_server_config.key_file: missing: TLS needs cert_file and key_file"),
    "no certificate": ("tls_server_config:\n  key_file: mx.key\n", "tls_server_config.cert_file: missing: TLS needs cert_file and key_file"),
    "a certificate that is not there": ("tls_server_config:\n  cert_file: none.pem\n  key_file: mx.key\n", "tls_server_config.cert_file: cannot read {folder}/none.pem: No such file or directory"),
    "a folder for a key": ("tls_server_config:\n  cert_file: mx.pem\n  key_file: .\n", "tls_server_config.key_file: cannot read {folder}: Is a directory"),
    "a key for a path": ('tls_server_config:\n  cert_file: mx.pem\n  key_file: "-----BEGIN PRIVATE KEY-----\\nPLANTED"\n', "tls_server_config.key_file: expected the path of a file, found what belongs into one"),
    "a list for a path": ("tls_server_config:\n  cert_file: [mx.pem]\n  key_file: mx.key\n", "tls_server_config.cert_file: expected text, found a list"),
    "a pair that is none": ("tls_server_config:\n  cert_file: mx.pem\n  key_file: other.key\n", "tls_server_config.cert_file: {folder}/mx.pem does not belong to key_file {folder}/other.key"),
    "a certificate that is none": ("tls_server_config:\n  cert_file: rubbish\n  key_file: mx.key\n", "tls_server_config.cert_file: {folder}/rubbish has no certificate in PEM"),
    "a key that is none": ("tls_server_config:\n  cert_file: mx.pem\n  key_file: rubbish\n", "tls_server_config.key_file: {folder}/rubbish has no private key in PEM"),
    "a key with a passphrase": ("tls_server_config:\n  cert_file: mx.pem\n  key_file: locked.key\n", "tls_server_config.key_file: {folder}/locked.key is encrypted. Write the key without a passphrase: openssl pkey -in {folder}/locked.key"),
    "an authority that is none": (TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: rubbish\n", "tls_server_config.client_ca_file: {folder}/rubbish has no certificate in PEM"),
    "a version too old": (TLS + "  min_version: TLS10\n", "tls_server_config.min_version: TLS10 is not supported: it is not safe any more. Use TLS12 or TLS13"),
    "a version that is none": (TLS + "  max_version: '1.3'\n", "tls_server_config.max_version: expected TLS12 or TLS13, found another text"),
    "versions the wrong way round": (TLS + "  min_version: TLS13\n  max_version: TLS12\n", "tls_server_config.min_version: TLS13 is more than max_version TLS12"),
    "a cipher that is none": (TLS + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]\n", "tls_server_config.cipher_suites[0]: expected " + " or ".join(CIPHERS) + ", found 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265' (did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?)"),
    "text for ciphers": (TLS + "  cipher_suites: TLS_AES_128_GCM_SHA256\n", "tls_server_config.cipher_suites: expected a list, found text"),
    "ciphers of TLS 1.3 alone": (TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "tls_server_config.cipher_suites: has none for TLS 1.2. Add one, or set min_version to TLS13"),
    "any client": (TLS + "  client_auth_type: RequireAnyClientCert\n", "tls_server_config.client_auth_type: RequireAnyClientCert is not supported: it takes a certificate from anybody. Use RequireAndVerifyClientCert"),
    "a policy that is none": (TLS + "  client_auth_type: RequireAndVerifyClientCerts\n", "tls_server_config.client_auth_type: expected NoClientCert or VerifyClientCertIfGiven or RequireAndVerifyClientCert, found 'RequireAndVerifyClientCerts' (did you mean RequireAndVerifyClientCert?)"),
    "clients without an authority": (TLS + "  client_auth_type: RequireAndVerifyClientCert\n", "tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file"),
    "an authority without clients": (TLS + "  client_ca_file: ca.pem\n", "tls_server_config.client_ca_file: no client is asked for a certificate. Set client_auth_type to RequireAndVerifyClientCert"),
    "names without certificates": (TLS + "  client_allowed_sans: [a.example]\n", "tls_server_config.client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert"),
    "a password in the clear": ("basic_auth_users:\n  alice: PLANTED\n", f"basic_auth_users.alice: {MAKE_ONE}"),
    "a hash of another kind": ("basic_auth_users:\n  alice: '{SHA}PLANTED'\n", f"basic_auth_users.alice: {MAKE_ONE}"),
    "a hash cut off": (f"basic_auth_users:\n  alice: {HASHED[:-1]}\n", f"basic_auth_users.alice: {MAKE_ONE}"),
    "no hash": ("basic_auth_users:\n  alice:\n", f"basic_auth_users.alice: {MAKE_ONE}"),
    "a list for a hash": (f"basic_auth_users:\n  alice: ['{HASHED}']\n", f"basic_auth_users.alice: {MAKE_ONE}"),
    "a hash for a name": (f"basic_auth_users:\n  {HASHED}: alice\n", f"basic_auth_users.***: {MAKE_ONE}"),
    "a hash that costs too much": (f"basic_auth_users:\n  alice: {HASHED.replace('$10$', '$18$')}\n", "basic_auth_users.alice: the hash has cost 18: expected 4 to 14, 10 is usual"),
    "a name with a colon": (f"basic_auth_users:\n  'a:b': {HASHED}\n", f"basic_auth_users.a: {NAMED}"),
    "a blank forgotten": ("basic_auth_users: {alice:PLANTED}\n", f"basic_auth_users.alice: {NAMED}"),
    "a blank forgotten outside": ("{alice:PLANTED}\n", f"alice: unknown key. {SEE}"),
    "a blank forgotten twice": ("basic_auth_users: {}\n'alice:PLANTED': \n'alice:PLANTED': \n", f"line 3: alice stands twice\nalice: unknown key. {SEE}"),
    "a password without a name": (f"basic_auth_users:\n  ':PLANTED': {HASHED}\n", f"basic_auth_users.***: {NAMED}"),
    "users without a space": ("basic_auth_users: alice:PLANTED\n", "basic_auth_users: expected a table, found text"),
    "a list of users": (f"basic_auth_users:\n  - alice: {HASHED}\n", "basic_auth_users: expected a table, found a list"),
    "a user twice": (f"basic_auth_users:\n  alice: {HASHED}\n  alice: {HASHED}\n", "line 3: alice stands twice"),
    "a hash outside": (f"{HASHED}: x\n", f"***: unknown key. {SEE}"),
    "no table": ("- x\n", "expected a table, found a list"),
    "no YAML": ("basic_auth_users:\n  alice: '$2yPLANTED\n", "not valid YAML: line 3, column 1"),
    "an alias to nothing": ("basic_auth_users:\n  alice: *PLANTED\n", "not valid YAML: line 2, column 10"),
    "a control character": ("a: \x01\n", "not valid YAML: it has characters that are not allowed"),
    "a tower": ("[" * 20_000, "not valid YAML: it is nested too deeply"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("web-config")
    authority = Authority.make(made)
    authority.sign("mx")
    authority.sign("other")
    (made / "rubbish").write_text("PLANTED")
    openssl("pkey", "-in", made / "mx.key", "-aes256", "-passout", "pass:PLANTED", "-out", made / "locked.key")
    return made


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_mistake_is_told_and_no_secret(folder: Path, text: str, message: str) -> None:
    path = written(folder, text)
    with pytest.raises(ConfigError) as told:
        agree(path)
    assert told.value.mistakes == [f"{path}: {line}" for line in message.replace("{folder}", str(folder)).splitlines()]
    assert "PLANTED" not in str(told.value)


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    path = written(
        folder, "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: x\nbasic_auth_users:\n  a: b\nx: y\n"
    )
    with pytest.raises(ConfigError) as told:
        agree(path)
    assert [mistake.split(": ")[1] for mistake in told.value.mistakes] == [
        "x", "tls_server_config.cert_file", "tls_server_config.key_file", "tls_server_config.min_version", "basic_auth_users.a",
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_says_so(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^cannot read .*nowhere.yml: No such file or directory$"):
        load(folder / "nowhere.yml")
    (folder / "latin.yml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigError, match=r"latin.yml: not UTF-8 text \(byte 3\)$"):
        load(folder / "latin.yml")
    (folder / "large.yml").write_bytes(b"#" * ((1 << 16) + 1))
    with pytest.raises(ConfigError, match=r"large.yml: larger than 64 KiB: is that the web configuration\?$"):
        load(folder / "large.yml")


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A folder with what is no file: each would keep whoever reads it waiting, or has no end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        yield tmp_path


ODD = {
    "fifo": "not a regular file",
    "device": "not a regular file",
    "folder": "Is a directory",
    "socket": "No such device or address",
}


@pytest.mark.parametrize(("name", "why"), ODD.items(), ids=ODD)
def test_what_is_no_regular_file_is_refused_at_once(odd: Path, folder: Path, name: str, why: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ConfigError) as told:
        load(odd / name)
    assert told.value.mistakes == [f"cannot read {odd / name}: {why}"]
    text = f"tls_server_config:\n  cert_file: {odd / name}\n  key_file: {odd / name}\n  client_ca_file: {odd / name}\n"
    with pytest.raises(ConfigError) as told:
        load(written(folder, text))
    assert [mistake.rpartition(": ")[2] for mistake in told.value.mistakes] == [why] * 3
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "{}",
        "tls_server_config:\nbasic_auth_users: {}\n",
        "tls_server_config: {}\nhttp_server_config: ~\n",
    ],
)
def test_what_asks_for_nothing_is_the_page_in_the_clear(folder: Path, text: str) -> None:
    assert load(written(folder, text)) == WebConfig()


def test_everything_that_is_kept_is_read(folder: Path) -> None:
    text = (
        TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  client_allowed_sans: [scraper.example]\n"
        "  min_version: TLS12\n  max_version: TLS12\n  prefer_server_cipher_suites: false\n"
        f"  cipher_suites: [{', '.join(CIPHERS)}]\n"
        "http_server_config:\n  http2: false\n  headers:\n    X-XSS-Protection: 0\n    X-Frame-Options: deny\n"
        f"basic_auth_users:\n  on: {HASHED}\n  123: {HASHED}\n"
    )  # fmt: skip
    config = load(written(folder, text))
    assert config == WebConfig(
        tls=TlsOptions(
            cert_file=folder / "mx.pem",
            key_file=folder / "mx.key",
            client_auth_type="RequireAndVerifyClientCert",
            client_ca_file=folder / "ca.pem",
            client_allowed_sans=("scraper.example",),
            max_version="TLS12",
            cipher_suites=tuple(CIPHERS),
            prefer_server_cipher_suites=False,
        ),
        headers={"X-XSS-Protection": "0", "X-Frame-Options": "deny"},
        users={"on": Secret(HASHED), "123": Secret(HASHED)},
    )
    assert "PLANTED" not in repr(config)
    assert config.tls is not None
    offered = {each["name"] for each in make_context(config.tls).get_ciphers()}
    assert {each for each in CIPHERS.values() if each} <= offered


def test_a_hash_that_bcrypt_makes_is_one() -> None:
    assert HASH.fullmatch(bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode())


def test_aliases_of_aliases_do_not_grow(folder: Path) -> None:
    laughs = "a: &a0 [x]\n" + "".join(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(30))
    with pytest.raises(ConfigError) as told:
        load(written(folder, laughs))
    assert len(told.value.mistakes) == 31


def test_nothing_is_imported_for_it_where_there_is_none() -> None:
    ask = "import sys, mailwatch.commands; print({'yaml', 'bcrypt', 'mailwatch.web.tls'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_check_config_shows_what_protects_the_page(folder: Path) -> None:
    config, log = folder / "mailwatch.toml", folder / "mail.log"
    log.touch()
    path = written(folder, TLS + f"basic_auth_users:\n  alice: {HASHED}\n  bob: {HASHED}\n")
    config.write_text(f'web_config_file = "{path}"\n[log]\npath = "{log}"\n')
    done = mailwatch("check-config", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  metrics    https://127.0.0.1:10154/metrics\n" in done.stdout
    assert "  page       TLS from TLS12 on, 2 users with a password\n" in done.stdout
    said = mailwatch("check-config", "--config", config, "--json").stdout
    assert '"web": {"tls": true, "client_certificates": false, "users": 2}' in said
    assert "PLANTED" not in done.stdout + said
    path.write_text("basic_auth_users:\n  alice: PLANTED\n")
    wrong = mailwatch("check-config", "--config", config)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"mailwatch: {path}: basic_auth_users.alice: {MAKE_ONE}\n"


def test_a_wrong_file_ends_run_with_78_and_a_line_for_each_mistake(folder: Path) -> None:
    log = folder / "mail.log"
    log.touch()
    path = written(folder, "basic_auth_users:\n  alice: PLANTED\nx: y\n")
    done = mailwatch("run", "--log", log, "--state-dir", folder / "state", "--web.listen-address", "127.0.0.1:0", "--web.config.file", path)  # fmt: skip
    assert done.returncode == 78
    assert (
        done.stderr
        == f"mailwatch: {path}: x: unknown key. {SEE}\nmailwatch: {path}: basic_auth_users.alice: {MAKE_ONE}\n"
    )


def test_the_sample_in_the_readme_is_one(folder: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    config = load(written(folder, readme.partition("```yaml\n")[2].partition("```")[0]))
    assert config.tls is not None
    assert make_context(config.tls).verify_mode == ssl.CERT_REQUIRED
    assert list(config.users) == ["scraper"]
