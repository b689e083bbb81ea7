"""Judges events: which of them are failures, on whose side, and why. Pure: the same event has the same cause."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from mailwatch.cause import CLIENT, LOCAL, UNKNOWN, Cause, Relays, Said, blanked, unwrapped, with_codes
from mailwatch.event import (
    Complaint,
    Connect,
    Delivery,
    Event,
    Expired,
    LostConnection,
    Postscreen,
    ProtocolError,
    Refusal,
    Restriction,
    SaslFailed,
    Timeout,
    Tls,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from mailwatch.causes.rules import Rules
    from mailwatch.event import Client

REFUSED: Final = frozenset({"reject", "milter-reject", "proxy-reject"})
WELL: Final = frozenset({"sent", "deliverable"})
Network = IPv4Network | IPv6Network
NEAR: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""Networks of one's own wherever they are (RFC 1918, RFC 4193)."""
SESSIONS: Final[dict[type, str]] = {
    LostConnection: "lost connection after a command from a client",
    Timeout: "timeout after a command from a client",
    ProtocolError: "improper command pipelining or too many errors after a command from a client",
    Tls: "SSL_accept error from a client",
    Postscreen: "PREGREET, HANGUP or NON-SMTP COMMAND from a client",
}
"""Sessions with clients that came to nothing, in the words of smtpd and postscreen."""
PASSED: Final = frozenset({"CONNECT", "DISCONNECT", "PASS NEW", "PASS OLD", "ALLOWLISTED", "WHITELISTED"})
ECHO: Final = re.compile(r"^process [^ ]{1,200} pid [0-9]{1,10} exit status [0-9]{1,3}$")
REMEMBERED: Final = 1024
"""So many texts are remembered with their cause: a dead relay says the same thing to every message."""
RATHER_SHORT: Final = 512
"""Longer texts are decided anew each time: what is remembered is to stay small."""
OWN_AGENTS: Final = frozenset({"local", "virtual", "pipe", "discard", "cleanup"})
"""Agents that deliver on this machine: what fails there is ours."""

SERVERS: Final = frozenset({"smtpd", "postscreen", "tlsproxy", "dnsblog"})
"""Programs that strangers talk to: of their names, and of TLS with them, it warns as they like."""
OWN_TLS: Final = "local-tls"
"""The rule for a certificate or key of our own that cannot be used."""


class Judge:
    """Tells causes by ``rules``, on a machine whose mail goes through ``relays`` and that serves ``networks``."""

    def __init__(self, rules: Rules, relays: Relays, networks: Collection[Network] = NEAR) -> None:
        self.rules = rules
        self.relays = relays
        self._networks = networks
        self._remembered: dict[Hashable, Cause | None] = {}

    def __call__(self, event: Event) -> Cause | None:
        """Why the event is a failure; None when it is none. What was decided before is remembered."""
        kind = type(event)
        if isinstance(event, Delivery):
            if event.status in WELL:
                return None
            text = blanked(event.text)
            key: Hashable = (kind, text, event.origin.program, event.relay_text)
        elif isinstance(event, Complaint):
            text = blanked(event.text)
            key = (kind, text, event.origin.program, event.level)
        elif isinstance(event, Restriction):
            text = blanked(event.reply)
            key = (kind, text, event.action, event.stage, self._serves(event.client))
        else:
            return self.decide(event)
        if key in self._remembered:
            return self._remembered[key]
        cause = self.decide(event)
        if len(text) <= RATHER_SHORT:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = cause
        return cause

    def decide(self, event: Event) -> Cause | None:
        """Why the event is a failure, looked at anew."""
        found = self.on_what(event)
        if found is None:
            return None
        said, side = found
        cause = self.rules.tell(said, side)
        if cause.name == UNKNOWN and isinstance(event, Complaint):
            cause = self.rules.tell(said, CLIENT)  # a server may warn of its client
            return cause if cause.name != UNKNOWN else Cause(UNKNOWN, LOCAL)
        if isinstance(event, Complaint) and _is_of_a_stranger(event, cause):
            told = self.rules.tell(said, CLIENT)
            return told if told.scope == CLIENT and told.name != UNKNOWN else Cause("client-error", CLIENT, cause.rule)
        if cause.name == "client-refused" and isinstance(event, Restriction) and self._serves(event.client):
            return cause._replace(name="submission-refused")
        return cause

    def on_what(self, event: Event) -> tuple[Said, str] | None:
        """What is decided on, and the side it is on; None for what is no failure."""
        if isinstance(event, Delivery):
            return None if event.status in WELL else self._attempt(event)
        if isinstance(event, Restriction):
            if event.action not in REFUSED:
                return None
            reply = blanked(event.reply)
            words = f"{event.action}: {event.stage}: {reply}"
            return with_codes(reply, None, None)._replace(text=words), CLIENT
        if isinstance(event, Complaint):
            if event.origin.program == "master" and ECHO.search(event.text):
                return None  # the program has said itself why it gave up
            return with_codes(f"{event.level}: {blanked(event.text)}", None, None), LOCAL
        if isinstance(event, SaslFailed) and event.client is not None:
            words = f"SASL {event.method} authentication failed: {blanked(event.text or '')}"
            return with_codes(words, None, None), CLIENT
        if isinstance(event, Refusal | SaslFailed):
            return self._relay_said(event)
        if isinstance(event, Connect | LostConnection | Timeout | ProtocolError | Tls | Postscreen | Expired):
            return self._session(event)
        return None

    def _serves(self, client: Client | None) -> bool:
        """Whether a client is one that we should serve: this machine, or one of our own networks."""
        if client is None:
            return True
        try:
            address = ip_address(client.address)
        except ValueError:
            return False
        return address.is_loopback or any(address in network for network in self._networks)

    def _relay_said(self, event: Refusal | SaslFailed) -> tuple[Said, str] | None:
        """What a relay said besides a delivery line."""
        if event.relay is None:
            return None
        side = self.relays.side(event.relay.host, event.relay.address)
        if isinstance(event, Refusal):
            return unwrapped(blanked(event.reply))._replace(host=event.relay.host, address=event.relay.address), side
        words = f"SASL authentication failed; server said: {event.reply}" if event.reply else str(event.text)
        return with_codes(blanked(words), event.relay.host, event.relay.address), side

    def _session(
        self, event: Connect | LostConnection | Timeout | ProtocolError | Tls | Postscreen | Expired
    ) -> tuple[Said, str] | None:
        """A session with a client or a relay that came to nothing; None for one that did not."""
        if isinstance(event, Expired):
            return with_codes("status=expired, returned to sender", None, None), LOCAL
        if isinstance(event, Connect | LostConnection | Timeout | Tls) and event.relay is not None:
            host, address, port = event.relay
            words = {Connect: "connect to", LostConnection: "lost connection with", Timeout: "conversation with"}
            begin = words.get(type(event), "TLS session with")
            told = blanked(f"{begin} {host}[{address}]{'' if port is None else f':{port}'}: {event.text}")
            level = event.level if isinstance(event, Tls) else None
            return None if level else (with_codes(told, host, address), self.relays.side(host, address))
        if isinstance(event, Connect) or (isinstance(event, Tls) and event.level is not None):
            return None
        if isinstance(event, Postscreen) and event.action in PASSED:
            return None
        words_of_it = f"{SESSIONS[type(event)]}: {blanked(event.text or '')}"
        return with_codes(words_of_it, None, None), CLIENT

    def _attempt(self, event: Delivery) -> tuple[Said, str]:
        said = unwrapped(blanked(event.text))
        if event.origin.program in OWN_AGENTS:
            return said, LOCAL
        host, address = said.host, said.address
        if host is None and address is None:
            relay = event.relay
            host, address = (None, None) if relay is None else (relay.host, relay.address)
        if address is not None and (address.startswith(("/", "private/", "public/"))):
            return said, LOCAL  # LMTP over a socket: the back end of our own mailboxes
        return said._replace(host=host, address=address), self.relays.side(host, address)


def _is_of_a_stranger(event: Complaint, cause: Cause) -> bool:
    """Whether a server warns of a name or of TLS that is its client's."""
    return (
        event.level == "warning"
        and event.origin.program in SERVERS
        and cause.name in ("dns-failed", "tls-failed")
        and cause.rule != OWN_TLS
    )
