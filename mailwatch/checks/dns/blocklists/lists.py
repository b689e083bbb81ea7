"""The blocklists that are asked, each with what its answers mean and how to get off it.

Not here: lists that need a key of their own (Abusix, Invaluement), and those that have ended (SORBS, NiX Spam, AHBL).
That a list which ends is noticed is the work of its own test entries, not of this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING

if TYPE_CHECKING:
    from collections.abc import Mapping

INFORMATION: Final = NOT_APPLICABLE
"""Says more about the neighbours than about the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an answer says; ``weight`` is that of the list unless it is another one here."""

    text: str
    weight: str | None = None
    policy: bool = False
    """No spam was seen: mail is not expected to leave from there at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocklist:
    """A list: ``weight`` is the verdict on whoever is on it, ERROR where many receivers refuse mail by it.

    ``meanings``: by the whole address of an answer; where ``bits``, by the bit in its last octet. ``refusals`` are
    answers that say the question was refused. ``listed`` and ``free`` are its test entries (RFC 5782 section 5), as
    labels before the zone. ``registered``: it answers only resolvers that it knows.
    """

    name: str
    zone: str
    weight: str
    removal: str
    of_domains: bool = False
    ipv6: bool = False
    bits: bool = False
    registered: bool = False
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    refusals: frozenset[str] = frozenset({"127.0.0.1"})
    listed: str = "2.0.0.127"
    free: str = "1.0.0.127"


SPAMHAUS: Final = "https://check.spamhaus.org/"
PBL: Final = Meaning(
    text="by policy (PBL), for its network says that no mail leaves from there directly", weight=ERROR, policy=True
)
CSS: Final = Meaning(text="spam or poor sending practice was seen (CSS)")
ADDRESS_LISTS: Final = (
    Blocklist(
        name="Spamhaus ZEN",
        zone="zen.spamhaus.org",
        weight=ERROR,
        removal=SPAMHAUS,
        ipv6=True,
        meanings={
            "127.0.0.2": Meaning(text="a source of spam (SBL)"),
            "127.0.0.3": CSS,
            "127.0.0.4": Meaning(text="an exploited or infected machine (XBL)"),
            "127.0.0.9": Meaning(text="a network that spammers have taken over (DROP)"),
            "127.0.0.10": PBL,
            "127.0.0.11": PBL,
            "127.0.0.30": Meaning(text="a botnet's control server (BCL)"),
        },
    ),
    Blocklist(
        name="SpamCop",
        zone="bl.spamcop.net",
        weight=ERROR,
        removal="https://www.spamcop.net/bl.shtml",
        meanings={"127.0.0.2": Meaning(text="spam was reported; it ends within 24 hours after the last report")},
    ),
    Blocklist(
        name="Barracuda",
        zone="b.barracudacentral.org",
        weight=ERROR,
        removal="https://www.barracudacentral.org/rbl/removal-request",
        registered=True,
        meanings={"127.0.0.2": Meaning(text="a source of spam")},
    ),
    Blocklist(
        name="PSBL",
        zone="psbl.surriel.com",
        weight=WARNING,
        removal="https://psbl.org/remove",
        meanings={"127.0.0.2": Meaning(text="sent to a spam trap")},
    ),
    Blocklist(
        name="UCEPROTECT-1",
        zone="dnsbl-1.uceprotect.net",
        weight=WARNING,
        removal="https://www.uceprotect.net/en/rblcheck.php",
        meanings={"127.0.0.2": Meaning(text="sent to a spam trap; it ends 7 days after the last spam, no need to pay")},
    ),
    Blocklist(
        name="UCEPROTECT-2",
        zone="dnsbl-2.uceprotect.net",
        weight=INFORMATION,
        removal="https://www.uceprotect.net/en/rblcheck.php",
        meanings={"127.0.0.2": Meaning(text="other addresses of its network sent spam")},
    ),
    Blocklist(
        name="UCEPROTECT-3",
        zone="dnsbl-3.uceprotect.net",
        weight=INFORMATION,
        removal="https://www.uceprotect.net/en/rblcheck.php",
        meanings={"127.0.0.2": Meaning(text="other networks of its provider sent spam")},
    ),
    Blocklist(
        name="Mailspike",
        zone="bl.mailspike.net",
        weight=WARNING,
        removal="https://mailspike.org/",
        meanings={
            "127.0.0.2": Meaning(text="takes part in a wave of spam"),
            "127.0.0.10": Meaning(text="the worst reputation"),
            "127.0.0.11": Meaning(text="a very bad reputation"),
            "127.0.0.12": Meaning(text="a bad reputation"),
        },
    ),
    Blocklist(
        name="SpamRATS",
        zone="all.spamrats.com",
        weight=WARNING,
        removal="https://www.spamrats.com/removal.php",
        meanings={
            "127.0.0.36": Meaning(text="its name looks like that of a dynamic address (Dyna)"),
            "127.0.0.37": Meaning(text="it has no name (NoPtr)"),
            "127.0.0.38": Meaning(text="a source of spam"),
            "127.0.0.43": Meaning(text="tried passwords (Auth)"),
        },
    ),
    Blocklist(
        name="DroneBL",
        zone="dnsbl.dronebl.org",
        weight=WARNING,
        removal="https://dronebl.org/lookup",
        ipv6=True,
        meanings={
            "127.0.0.3": Meaning(text="an IRC drone"),
            "127.0.0.6": Meaning(text="a spam bot or drone"),
            "127.0.0.7": Meaning(text="took part in an attack"),
            "127.0.0.8": Meaning(text="an open SOCKS proxy"),
            "127.0.0.9": Meaning(text="an open HTTP proxy"),
            "127.0.0.13": Meaning(text="tried passwords"),
            "127.0.0.15": Meaning(text="a router that was taken over"),
        },
    ),
    Blocklist(
        name="s5h", zone="all.s5h.net", weight=WARNING, removal="https://www.usenix.org.uk/content/rblremove", ipv6=True
    ),
    Blocklist(name="0spam", zone="bl.0spam.org", weight=WARNING, removal="https://0spam.org/"),
    Blocklist(
        name="blocklist.de", zone="bl.blocklist.de", weight=WARNING, removal="https://www.blocklist.de/en/delist.html"
    ),
    Blocklist(name="NordSpam", zone="bl.nordspam.com", weight=WARNING, removal="https://www.nordspam.com/", ipv6=True),
    Blocklist(
        name="SpamEatingMonkey",
        zone="bl.spameatingmonkey.net",
        weight=WARNING,
        removal="https://spameatingmonkey.com/lookup",
    ),
    Blocklist(
        name="Backscatterer",
        zone="ips.backscatterer.org",
        weight=INFORMATION,
        removal="https://www.backscatterer.org/?target=test",
        meanings={"127.0.0.2": Meaning(text="sent bounces or call-outs to addresses that had sent nothing")},
    ),
)
DOMAIN_LISTS: Final = (
    Blocklist(
        name="Spamhaus DBL",
        zone="dbl.spamhaus.org",
        weight=ERROR,
        removal=SPAMHAUS,
        of_domains=True,
        listed="dbltest.com",
        free="invalid",
        refusals=frozenset({"127.0.1.255", "127.0.0.1"}),
        meanings={
            "127.0.1.2": Meaning(text="a domain of low reputation, or of spam"),
            "127.0.1.4": Meaning(text="a domain of phishing"),
            "127.0.1.5": Meaning(text="a domain of malware"),
            "127.0.1.6": Meaning(text="a domain of a botnet"),
            "127.0.1.102": Meaning(text="a good domain that is abused for spam"),
            "127.0.1.103": Meaning(text="a redirector that is abused"),
            "127.0.1.104": Meaning(text="a good domain that is abused for phishing"),
            "127.0.1.105": Meaning(text="a good domain that is abused for malware"),
            "127.0.1.106": Meaning(text="a good domain that is abused by a botnet"),
        },
    ),
    Blocklist(
        name="SURBL",
        zone="multi.surbl.org",
        weight=ERROR,
        removal="https://surbl.org/surbl-analysis",
        of_domains=True,
        listed="surbl-org-permanent-test-point.com",
        free="invalid",
        bits=True,
        meanings={
            "8": Meaning(text="phishing (PH)"),
            "16": Meaning(text="malware (MW)"),
            "64": Meaning(text="spam (ABUSE)"),
            "128": Meaning(text="a site that was broken into (CR)"),
        },
    ),
    Blocklist(
        name="URIBL",
        zone="multi.uribl.com",
        weight=WARNING,
        removal="https://admin.uribl.com/",
        of_domains=True,
        listed="test.uribl.com",
        free="invalid",
        bits=True,
        refusals=frozenset({"127.0.0.1", "127.0.0.255"}),
        meanings={
            "2": Meaning(text="a domain of spam (black)", weight=ERROR),
            "4": Meaning(text="a domain of unwanted bulk mail (grey)"),
            "8": Meaning(text="a domain under watch (red)"),
        },
    ),
)
