"""Connects to a host by its deadline, whatever the resolver and the network do.

Promises
    Where ``address`` is given no name is looked up: the resolver may be the fault that is to be told. The name is
    still the one that a certificate is checked against. A look-up that hangs is left behind in its thread, for the
    process is short. Every address of the host is tried. Raises SendFailed with the step that did not work.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

from mailwatch.channels.answer import SendFailed

if TYPE_CHECKING:
    from pathlib import Path


def remaining(deadline: float, step: str) -> float:
    """The seconds that are left for a step. Raises SendFailed when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise SendFailed(f"no time left: {step}")
    return left


def addresses(host: str, port: int, deadline: float) -> list[str]:
    """The addresses of a host as this machine finds them, in the order in which they are to be tried."""
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look() -> None:
        try:
            # no AI_ADDRCONFIG: with loopback alone it would hide 127.0.0.1
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found.put(OSError(str(getattr(error, "strerror", None) or error)))
        else:
            found.put(list(dict.fromkeys(str(each[4][0]) for each in answers)))

    threading.Thread(target=look, daemon=True).start()
    try:
        answer = found.get(timeout=remaining(deadline, f"looking up {host}"))
    except queue.Empty:
        raise SendFailed(
            f"cannot look up {host}: no answer in time. The key address does without the resolver"
        ) from None
    if isinstance(answer, OSError):
        raise SendFailed(f"cannot look up {host}: {answer}")
    return answer


def connect(host: str, port: int, address: str, deadline: float) -> socket.socket:
    """A connection to a host, at this address if one is given. Raises SendFailed."""
    tried = [address] if address else addresses(host, port, deadline)
    failed = f"{host} has no address"
    for at, each in enumerate(tried):
        step = f"connecting to {shown(each, port)}"
        # the last may take all that is left, one before it its share: the first may be a family that goes nowhere
        patience = remaining(deadline, step) / (len(tried) - at)
        try:
            made = socket.create_connection((each, port), timeout=patience)
        except TimeoutError:
            failed = f"cannot connect to {shown(each, port)}: no answer in time"
        except OSError as error:
            failed = f"cannot connect to {shown(each, port)}: {error.strerror or error}"
        else:
            made.settimeout(remaining(deadline, step))
            return made
    raise SendFailed(failed)


def shown(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def context_for(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies certificates and names, against these authorities or the system's. Raises SendFailed."""
    try:
        made = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise SendFailed(f"ca_file: cannot use {ca_file}: {error.strerror or error}", permanent=True) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def encrypted(plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection with TLS, its certificate checked against the name. Raises SendFailed."""
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except (OSError, ValueError) as error:
        plain.close()
        raise tls_failure(host, error) from error


def tls_failure(host: str, error: Exception) -> SendFailed:
    """What went wrong with TLS, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return SendFailed(f"the certificate of {host} is not accepted: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return SendFailed(f"TLS with {host}: no answer in time")
    if isinstance(error, ssl.SSLError):
        return SendFailed(f"TLS with {host} fails: {error.reason or 'the other side ended it'}")
    return SendFailed(f"TLS with {host} fails: {getattr(error, 'strerror', None) or error}")
