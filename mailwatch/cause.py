"""Why mail fails: the words for it, and what is looked at to tell: the innermost reply, and on whose side it failed.

A failed attempt, a reject, a warning gets one cause, one scope and the rule that decided. The list of causes is
closed: they are labels of metrics, and what people's rules and runbooks refer to. What nothing matches is ``unknown``.

Postfix softens, wraps and repeats: ``delivery temporarily suspended: host mx.example[192.0.2.7] said: 550-5.7.1
… 550 5.7.1 … (in reply to RCPT TO command)``. Decided is on what the other server said, not on what became of it.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import Final, NamedTuple

UNKNOWN: Final = "unknown"
RELAY, RECIPIENT, LOCAL, CLIENT = "relay", "recipient", "local", "client"
SIDES: Final = (RELAY, RECIPIENT, LOCAL, CLIENT)
"""Who failed: the host all our mail goes through, some destination, this machine, or a client of ours."""
CAUSES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("config-error", "daemon-crash", "transport-unavailable", "lookup-failed", "milter-failed", "filter-failed",
         "disk-full", "permission", "postfix-down", "queue-stuck", "local-delivery", "mail-loop"),
        (LOCAL,),
    ),
    **dict.fromkeys(
        ("relay-unreachable", "relay-auth-failed", "relay-denied", "relay-suspended", "sender-unverified",
         "quota-exceeded", "suppressed"),
        (RELAY,),
    ),
    **dict.fromkeys(("remote-unreachable", "domain-unknown"), (RECIPIENT,)),
    **dict.fromkeys(
        ("protocol-error", "rate-limited", "greylisted", "blocklisted", "ptr-missing",
         "spf-rejected", "dkim-rejected", "dmarc-rejected", "auth-rejected", "content-spam", "content-virus",
         "content-malformed", "policy", "mailbox-disabled", "sender-rejected", "remote-system",
         "remote-disk-full", "domain-refuses-mail"),
        (RELAY, RECIPIENT),
    ),
    # also told by warnings that name no host
    **dict.fromkeys(("dns-failed", "tls-failed"), (RELAY, RECIPIENT, LOCAL)),
    # also of our own mailboxes
    **dict.fromkeys(("user-unknown", "user-moved", "mailbox-full"), (RELAY, RECIPIENT, LOCAL)),
    "message-too-big": SIDES,
    "expired": (RELAY, RECIPIENT, LOCAL),
    **dict.fromkeys(("submission-refused", "client-refused", "client-abuse", "client-error"), (CLIENT,)),
    UNKNOWN: SIDES,
}  # fmt: skip
"""Every cause, and the sides on which it can be."""
LONGEST: Final = 2048
"""So much of a text is looked at: all that syslog leaves of a line of Postfix; a reply says why at its beginning."""

HOST: Final = r"(?P<host>[^ \[\]]{0,255})\[(?P<address>[^\[\]]{1,255})\](?::[0-9]{1,5})?"
# hosts that nobody is delivered to, only through: a line pasted from elsewhere tells its side by them
PROVIDERS: Final = re.compile(
    r"email-smtp\.[a-z0-9-]{1,40}\.amazonaws\.com|smtp\.sendgrid\.net|smtp(?:\.eu)?\.mailgun\.org|"
    r"smtp(?:-broadcasts)?\.postmarkapp\.com|smtp(?:-relay)?\.gmail\.com|smtp\.office365\.com|in(?:-v3)?\.mailjet\.com|"
    r"smtp-relay\.(?:brevo|sendinblue)\.com|smtp(?:\.eu)?\.sparkpostmail\.com|smtp\.mail\.yahoo\.com"
)
SUSPENDED: Final = "delivery temporarily suspended: "
# host mx.example[192.0.2.7] said: 550 5.1.1 … (in reply to RCPT TO command)
SAID: Final = re.compile(rf"host {HOST} (?:said|refused to talk to me): (?P<reply>.*)", re.DOTALL)
# SASL authentication failed; server mx.example[192.0.2.7] said: 535 5.7.8 …
PASSWORD: Final = re.compile(
    rf"SASL (?:\[CACHED\] )?authentication failed; server {HOST} said: (?P<reply>.*)", re.DOTALL
)
# connect to mx.example[192.0.2.7]:25: Connection refused      lost connection with mx.example[192.0.2.7] while …
TALKED_TO: Final = re.compile(
    rf"(?:connect to|lost connection with|conversation with|timed out with|host|"
    rf"SASL authentication failed; cannot authenticate to server) {HOST}"
)
# Host or domain name not found. Name service error for name=mx.example type=MX: Host not found, try again
LOOKED_UP: Final = re.compile(r"Name service error for (?:name=|domain )?(?P<host>[^ :;]{1,255})")
IN_REPLY: Final = re.compile(r" \(in reply to [A-Za-z][A-Za-z -]{0,40}\)$")
CODES: Final = re.compile(r"(?P<code>[2-5][0-9]{2})(?:[ -]|$)(?:(?P<dsn>[245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.]))?")
LOCAL_PART: Final = f"{ascii_letters}{digits}.!#$%&'*+-/=?^_`{{|}}~"
"""What a local part is made of where it is not quoted (RFC 5322, 3.2.3)."""
DSN: Final = re.compile(r"(?:^|[ #<(])(?P<dsn>[45]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")


class Cause(NamedTuple):
    """Why something failed, on which side, and the rule that says so; no rule: nothing matched."""

    name: str
    scope: str
    rule: str | None = None


class Said(NamedTuple):
    """What there is to decide on: the reply or text itself, its codes, and the host it is about."""

    text: str
    code: str | None
    dsn: str | None
    host: str | None
    address: str | None


class Relays(NamedTuple):
    """The hosts our mail goes through, by name and address in lower case; ``all_mail``: no mail goes another way."""

    hosts: frozenset[str] = frozenset()
    all_mail: bool = False

    def side(self, host: str | None, address: str | None) -> str:
        """Whether a host is our relay or some destination; of one that is not known where everything goes decides."""
        if self.all_mail:
            return RELAY
        if host is not None and PROVIDERS.fullmatch(host.lower()):
            return RELAY
        named = {each.lower().rstrip(".") for each in (host, address) if each}
        return RELAY if named & self.hosts else RECIPIENT


def blanked(text: str) -> str:
    """A text, cut, without the local parts of addresses: strangers choose them, and they are nobody's business.

    >>> blanked("550 <mailbox-full@shop.example>: no such user")
    '550 <@shop.example>: no such user'
    """
    text = text[:LONGEST]
    if "@" not in text:
        return text
    *before, last = text.split("@")
    return "@".join([*map(_without_local_part, before), last])


def _without_local_part(text: str) -> str:
    """What stands before an @, without the local part that ends it."""
    if text.endswith('"'):
        return text[:-1].rpartition('"')[0]
    return text.rstrip(LOCAL_PART)


def shape(text: str) -> str:
    """A text without what differs where all else is the same: words with a digit, a dot inside or an @ are a #.

    >>> shape("450 queue 4F2A1 of mx.example is busy.")
    '# queue # of # is busy.'
    """
    return " ".join("#" if _varies(word) else word for word in text.split())


def _varies(word: str) -> bool:
    return "@" in word or "." in word.rstrip(".") or any(each in digits for each in word)


def joined(reply: str) -> str:
    """A reply of several lines as one: the codes in front of every line but the first go."""
    reply = reply.replace("#012", " ").replace("\n", " ")
    found = CODES.match(reply)
    if found is None:
        return reply
    code, dsn = found["code"], found["dsn"]
    if code not in reply[found.end() :]:
        return reply
    again = rf"[ ?]{code}[ -](?:{re.escape(dsn)} ?)?" if dsn else rf"[ ?]{code}[ -]"
    return reply[: found.end()] + re.sub(again, " ", reply[found.end() :])


def unwrapped(text: str) -> Said:
    """The innermost reply of a delivery's ``blanked`` text, or the text itself; and the host it names."""
    while text.startswith(SUSPENDED):
        text = text.removeprefix(SUSPENDED)
    said = SAID.match(text)
    if said is not None:
        return with_codes(IN_REPLY.sub("", joined(said["reply"])), said["host"], said["address"])
    password = PASSWORD.match(text)
    if password is not None:
        reply = IN_REPLY.sub("", joined(password["reply"]))
        codes = with_codes(reply, password["host"], password["address"])
        return codes._replace(text=f"SASL authentication failed; server said: {reply}")
    about = TALKED_TO.match(text) or (LOOKED_UP.search(text) if "Name service" in text else None)
    address = about.groupdict().get("address") if about is not None else None
    return with_codes(joined(text), None if about is None else about["host"], address)


def with_codes(text: str, host: str | None, address: str | None) -> Said:
    """A text with the codes that it begins with, or the enhanced status code that it holds."""
    found = CODES.match(text)
    code, dsn = (None, None) if found is None else (found["code"], found["dsn"])
    if dsn is None:
        elsewhere = DSN.search(text)
        dsn = None if elsewhere is None else elsewhere["dsn"]
    return Said(text, code, dsn, host or None, address)
