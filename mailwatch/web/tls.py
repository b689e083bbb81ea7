"""Makes what OpenSSL needs of a certificate, a key and the wishes of a web configuration."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from mailwatch.web.config import CIPHERS, VERIFIED

if TYPE_CHECKING:
    from typing import NoReturn

    from mailwatch.web.config import TlsOptions

VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


class TlsWrong(Exception):  # noqa: N818 - what the files are
    """The files do not make a TLS server; the text says which and why."""


def make_context(tls: TlsOptions) -> ssl.SSLContext:
    """What each new connection is served with. Raises TlsWrong."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    made.set_alpn_protocols(["http/1.1"])
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    older = ":".join(CIPHERS[each] for each in tls.cipher_suites if CIPHERS[each])
    if older:
        made.set_ciphers(older)
    load_pair(made, tls)
    if tls.client_ca_file is not None:
        try:
            made.load_verify_locations(tls.client_ca_file)
        except (OSError, ssl.SSLError):
            raise TlsWrong(f"client_ca_file: {tls.client_ca_file} has no certificate in PEM") from None
        made.verify_mode = ssl.CERT_REQUIRED if tls.client_auth_type == VERIFIED else ssl.CERT_OPTIONAL
    return made


def load_pair(context: ssl.SSLContext, tls: TlsOptions) -> None:
    """Take certificate and key. Raises TlsWrong."""

    def passphrase() -> NoReturn:
        # left alone, OpenSSL would ask for it at the terminal
        key = tls.key_file
        raise TlsWrong(f"key_file: {key} is encrypted. Write the key without a passphrase: openssl pkey -in {key}")

    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsWrong(f"cert_file: {tls.cert_file} does not belong to key_file {tls.key_file}") from None
        if not is_certificate(tls):
            raise TlsWrong(f"cert_file: {tls.cert_file} has no certificate in PEM") from None
        if error.reason in (None, "NO_START_LINE", "PEM_LIB"):
            raise TlsWrong(f"key_file: {tls.key_file} has no private key in PEM") from None
        raise TlsWrong(f"cert_file: OpenSSL does not take {tls.cert_file}: {error.reason}") from None
    except OSError as error:
        raise TlsWrong(f"cert_file, key_file: cannot read them: {error.strerror or error}") from None


def is_certificate(tls: TlsOptions) -> bool:
    """Whether the certificate's file holds one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(tls.cert_file)
    except (OSError, ssl.SSLError):
        return False
    return True
