"""What of a stranger's text may be shown to people: addresses masked, no live links, no markup, no mentions. Pure.

Promises
    Linear in the text and bounded in what comes out, whatever goes in. A masked address keeps its first letter and its
    domain, with an ellipsis between. Nothing in the result is opened by a click or calls anybody.

Known limit: a name that stands alone, without an address around it, is not known to be one; after ``user=`` it is.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 300
"""So much of a server's reply is shown."""
READ: Final = 4096
"""So much of a text is looked at."""
MORE: Final = " ..."
CUT: Final = "\u2026"
AT: Final = re.compile(r"@|%40|=40|&#64;", re.IGNORECASE)
ENDS: Final = frozenset(" \t\r\n<>()[]{},;:\"'`|\\")
"""What a local part cannot hold unless it is quoted."""
USER: Final = re.compile(
    r"\b(unknown user: |user=|username=|sasl_username=)([\"'<]?)([A-Za-z0-9])[A-Za-z0-9._+=-]{1,64}", re.IGNORECASE
)
LINK: Final = re.compile(r"\b([a-z][a-z0-9+.-]{0,15}):(?=/{2})", re.IGNORECASE)
SCHEME: Final = re.compile(r"\b(mailto|javascript|data|tel|sms|callto|xmpp):(?=\S)", re.IGNORECASE)
HTTP: Final = re.compile(r"\bhttp(s?)\[:\]", re.IGNORECASE)
WWW: Final = re.compile(r"\bwww\.", re.IGNORECASE)
# the last dot of a name: many a program makes a link of evil.example where nobody wrote http
NAME: Final = re.compile(r"(?<=[\w-])\.(?=(?:xn--[\w-]{1,59}|[^\W\d_]{2,24})(?![\w-]|\.\w))")
MENTION: Final = re.compile(r"(?<![\w.\u2026])@|@(?=(?:everyone|here|channel|all)\b)", re.IGNORECASE)
OURS: Final = re.compile(r"(?<![\w.\]/@-])(main|master)\[\.\]cf(?![\w./:@-])")
TURNED: Final = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "`": "'", "*": "", "~": "", "|": "/", "\\": "/", "#": "", "\u3002": "."}
)


def masked(text: str) -> str:
    """The text with the local part of every address cut down to its first letter."""
    parts = AT.split(text[:READ])
    shown = [_cut(part) for part in parts[:-1]]
    return USER.sub(rf"\1\2\3{CUT}", "@".join([*shown, parts[-1]]))


def _cut(part: str) -> str:
    """What stands before an ``@``, its last word cut down."""
    begin = len(part)
    if part.endswith('"'):  # "jane doe"@example.com
        opened = part.rfind('"', 0, len(part) - 1)
        begin = opened if opened >= 0 else len(part) - 1
        word = part[begin:].strip('"')
    else:
        while begin and part[begin - 1] not in ENDS:
            begin -= 1
        word = part[begin:]
    if not word:
        return part
    first = word[0] if word[0].isalnum() else ""
    return f"{part[:begin]}{first}{CUT}"


def on_one_line(text: str) -> str:
    """The text without line breaks, control and invisible characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:READ]).split())


def disarmed(text: str) -> str:
    """The text without live links, markup and mentions."""
    text = text.translate(TURNED).replace("](", "] (")
    text = SCHEME.sub(r"\1[:]", LINK.sub(r"\1[:]", text))
    text = HTTP.sub(r"hxxp\1[:]", text).replace("://", "[:]//")  # whatever stands before it
    text = NAME.sub("[.]", WWW.sub("www[.]", text))
    return MENTION.sub("(at)", text)


def quotable(text: str, *, mask: bool = True, longest: int = LONGEST) -> str:
    """A stranger's text as it may stand in an alert, bounded."""
    text = on_one_line(text)
    return shortened(disarmed(masked(text) if mask else text), longest)


def quotable_about(domain: str, text: str, *, mask: bool = True, longest: int = LONGEST) -> str:
    """The same, of a text about a domain of ours: its name is no stranger's and stays, as do names of Postfix files."""
    shown = quotable(text, mask=mask, longest=longest).replace(disarmed(domain), domain)
    return OURS.sub(r"\1.cf", shown)


def shortened(text: str, longest: int) -> str:
    """At most so many characters; what was cut off is marked."""
    return text if len(text) <= longest else text[: longest - len(MORE)].rstrip() + MORE
