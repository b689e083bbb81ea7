"""What is wrong, in a few words: the line that has to fit a text message. Pure.

Every cause has a phrase that goes on after a colon, and every rule a sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.masking import quotable_about

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PHRASES: Final[dict[str, str]] = {
    "config-error": "Postfix configuration is wrong",
    "daemon-crash": "a Postfix process dies",
    "transport-unavailable": "the mail transport does not run",
    "lookup-failed": "a table or policy service is down",
    "milter-failed": "a milter does not answer",
    "filter-failed": "the content filter does not answer",
    "disk-full": "the queue's disk is full",
    "permission": "wrong owner or mode",
    "postfix-down": "Postfix is not running",
    "queue-stuck": "the queue does not move",
    "local-delivery": "delivery on this host fails",
    "relay-unreachable": "no connection",
    "relay-auth-failed": "password refused",
    "relay-denied": "it does not accept us",
    "relay-suspended": "account suspended",
    "sender-unverified": "sender not verified there",
    "quota-exceeded": "quota spent",
    "remote-unreachable": "no connection",
    "dns-failed": "DNS look-ups fail",
    "domain-unknown": "no such domain",
    "tls-failed": "encryption fails",
    "protocol-error": "sessions break off",
    "mail-loop": "mail goes in a circle",
    "rate-limited": "sending too fast",
    "greylisted": "greylisted",
    "blocklisted": "our address is on a blocklist",
    "ptr-missing": "reverse DNS or HELO name is wrong",
    "spf-rejected": "SPF check failed",
    "dkim-rejected": "DKIM check failed",
    "dmarc-rejected": "DMARC check failed",
    "auth-rejected": "sender authentication failed",
    "content-spam": "taken for spam",
    "content-virus": "taken for malware",
    "content-malformed": "malformed messages",
    "message-too-big": "messages too big",
    "policy": "refused by policy",
    "user-unknown": "no such recipients",
    "user-moved": "recipients have moved",
    "mailbox-disabled": "mailboxes disabled",
    "mailbox-full": "mailboxes full",
    "sender-rejected": "sender refused",
    "suppressed": "on the provider's suppression list",
    "remote-system": "trouble at the other side",
    "remote-disk-full": "the other side's disk is full",
    "domain-refuses-mail": "no mail taken for the domain",
    "expired": "given up after the queue lifetime",
    "submission-refused": "our own clients are refused",
    "client-refused": "strangers refused",
    "client-abuse": "somebody abuses this server",
    "client-error": "clients break off",
    "unknown": "cause not known",
}


def _relay(cause: str, evidence: Mapping[str, str]) -> str:
    share = evidence.get("percent")
    how_much = "all mail" if share is None else f"{share} % of the mail"
    return f"{how_much} via {evidence.get('relay') or 'the relay'} is failing: {PHRASES.get(cause, cause)}"


def _recipients(cause: str, evidence: Mapping[str, str]) -> str:
    return f"{evidence.get('percent', 'too many')} % of mail to other hosts is failing: {PHRASES.get(cause, cause)}"


def _share(word: str) -> Callable[[str, Mapping[str, str]], str]:
    def said(_cause: str, evidence: Mapping[str, str]) -> str:
        top = evidence.get("top_cause", "unknown")
        return f"{evidence.get('percent', 'too many')} % of attempts are {word}, mostly: {PHRASES.get(top, top)}"

    return said


def _growing(_cause: str, evidence: Mapping[str, str]) -> str:
    before, now, minutes = (evidence.get(each, "?") for each in ("before", "now", "minutes"))
    return f"the queue grew from {before} to {now} messages in {minutes} min"


def _down(_cause: str, evidence: Mapping[str, str]) -> str:
    names = evidence.get("instances", "postfix")
    return "Postfix is not running" if names in ("postfix", "-") else f"Postfix is not running: {names}"


def _dns(cause: str, evidence: Mapping[str, str]) -> str:
    domain, checks = evidence.get("domain", "a domain"), evidence.get("checks", "")
    if cause == "dns-worse":
        said = quotable_about(domain, evidence.get("text", "it is worse than it was"))
        return f"{domain} {evidence.get('check', 'DNS')}: {said.removesuffix('.')}"
    word = "the DNS of {} is not as it should be" if cause == "dns-found" else "the DNS of {} cannot be checked"
    return word.format(domain) + (f": {checks}" if checks else "")


OWN: Final[dict[str, str]] = {
    "log-silent": "the mail log is silent while mail moves",
    "log-gap": "lines of the mail log are missing",
    "log-unreadable": "mailwatch cannot read the mail log",
    "state-unwritable": "mailwatch cannot write its state",
    "outbox-old": "notifications do not get out",
    "probe-failing": "a probe of mailwatch fails",
    "postfix-unknown": "mailwatch cannot tell whether Postfix runs",
    "queue-old": "mail has been waiting for too long",
    "no-delivery": "mail comes in and none is delivered",
}
FACES: Final[dict[tuple[str, str], str]] = {
    ("disk-full", "inodes"): "the queue's disk has no inodes left",
    ("disk-full", "read-only"): "the queue's disk is read-only",
    ("queue-stuck", "stopped"): "the queue does not move: a signal has stopped Postfix",
    ("queue-stuck", "no-manager"): "the queue does not move: Postfix has no queue manager",
}
"""What is known more closely, by cause and what was seen of it."""
RULES: Final[dict[str, Callable[[str, Mapping[str, str]], str]]] = {
    "relay_failing": _relay,
    "recipients_failing": _recipients,
    "deferred_share": _share("deferred"),
    "bounced_share": _share("bounced"),
    "queue_growing": _growing,
    "postfix_down": _down,
    "dns_changed": _dns,
}


def headline(rule: str, cause: str, evidence: Mapping[str, str]) -> str:
    """What is wrong, in one sentence without an end."""
    said = RULES.get(rule)
    if said is not None:
        return said(cause, evidence)
    return FACES.get((cause, evidence.get("face", ""))) or OWN.get(cause) or PHRASES.get(cause) or f"{rule}: {cause}"
