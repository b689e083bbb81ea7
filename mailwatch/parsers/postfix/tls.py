"""TLS sessions, made and failed, of smtpd, smtp and tlsproxy alike (tls_server.c, tls_client.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import Client, Connect, Disconnect, Event, Relay, Tls
from mailwatch.parsers.postfix.terms import RELAY, Shape, client, relay

if TYPE_CHECKING:
    from mailwatch.event import Origin
    from mailwatch.parsers.postfix.terms import Values


def sides(direction: str, host: str, address: str, port: str | None) -> tuple[Client | None, Relay | None]:
    """The client when the session came ``from`` it, the relay when it goes ``to`` one."""
    if direction == "from":
        return client(host, address, port), None
    return None, relay(host, address, port)


def made_session(at: float, origin: Origin, values: Values) -> Event:
    """``Anonymous TLS connection established from unknown[192.0.2.7]: TLSv1.3 with cipher X (256/256 bits) …``."""
    level, direction, host, address, port, protocol, cipher, text = values
    return Tls(at, origin, level.lower(), protocol, cipher, *sides(direction, host, address, port), text)


def failed(at: float, origin: Origin, values: Values) -> Event:
    """``SSL_accept error from unknown[192.0.2.7]: -1``, ``SSL_connect error to mx.example[192.0.2.7]:25: -1``."""
    direction, host, address, port, text = values
    return Tls(at, origin, None, None, None, *sides(direction, host, address, port), text)


def unverified(at: float, origin: Origin, values: Values) -> Event:
    """``certificate verification failed for mx.example[192.0.2.7]:25: self-signed certificate``."""
    host, address, port, text = values
    return Tls(at, origin, None, None, None, None, relay(host, address, port), text)


def unverified_client(at: float, origin: Origin, values: Values) -> Event:
    """smtpd: ``certificate verification failed for unknown[192.0.2.7]: self-signed certificate``."""
    host, address, port, text = values
    return Tls(at, origin, None, None, None, client(host, address, port), None, text)


def proxy_connected(at: float, origin: Origin, values: Values) -> Event:
    """tlsproxy: ``CONNECT from [192.0.2.7]:4711``, ``CONNECT to [192.0.2.7]:25``."""
    return Connect(at, origin, *sides(*values), None)


def proxy_disconnected(at: float, origin: Origin, values: Values) -> Event:
    """tlsproxy: ``DISCONNECT [192.0.2.7]:4711``."""
    return Disconnect(at, origin, client(*values), None)


UNVERIFIED: Final = rf"(?:(?:server|client) )?certificate (?:peer ?name )?verification failed for {RELAY}: (.*)"
SHAPES: Final = (
    Shape(
        Tls,
        rf"(Anonymous|Untrusted|Trusted|Verified) TLS connection (?:established|reused) (from|to) {RELAY}"
        r"(?: to [^ :]{1,255}+)?: "  # the name that the client asked for (SNI)
        r"([A-Za-z0-9.]{1,20}) with cipher ([A-Za-z0-9_-]{1,80})(?: (.*))?",
        made_session,
    ),
    Shape(Tls, rf"SSL_(?:accept|connect) error (from|to) {RELAY}: (.*)", failed),
    Shape(Tls, rf"setting up TLS connection (from|to) {RELAY}(?:: (.*))?", failed),
)
OUR_SERVERS: Final = (*SHAPES, Shape(Tls, UNVERIFIED, unverified_client))
OUR_CLIENT: Final = (*SHAPES, Shape(Tls, UNVERIFIED, unverified))
PROXY: Final = (
    Shape(Connect, rf"CONNECT (from|to) {RELAY}", proxy_connected),
    Shape(Disconnect, rf"DISCONNECT {RELAY}", proxy_disconnected),
)
