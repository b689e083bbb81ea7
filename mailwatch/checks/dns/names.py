"""Names from what people type, and from mail; and names as text for people.

Promises
    A text that is no domain is a ValueError that says what it is, where the mistake is, and what was meant, if that can
    be told. A name is built from labels. What is shown of a name is ASCII first, without control characters.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import idna
from dns.name import Name, NameTooLong, root

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Stated

LONGEST_TEXT: Final = 1000
"""So much of a text is read; no name is that long in any script."""
LONGEST_LABEL, LONGEST_NAME = 63, 253
ESCAPED_LABEL: Final = 255
"""Characters of a label in another script, before it is encoded."""
LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
A_LABEL: Final = "xn--"
QUOTED: Final = 80
"""So much of a wrong text is repeated to whoever typed it."""


def name_of(text: str) -> Name:
    """The domain that is meant by a text; other scripts by IDNA 2008 and UTS 46. ValueError when it is none."""
    text = text.strip(" \t\r\n")
    _refuse_what_is_no_domain(text)
    ascii_text = text if text.isascii() else _mapped(text)
    labels = ascii_text.removesuffix(".").split(".")
    encoded = [_label(label, text, number) for number, label in enumerate(labels, 1)]
    if sum(len(label) + 1 for label in encoded) - 1 > LONGEST_NAME:
        raise ValueError(f"{_quoted(text)}: too long, a name has at most {LONGEST_NAME} characters")
    if len(encoded) == 1:
        raise ValueError(
            f"{_quoted(text)}: a single label, without a dot, is no domain that others know. "
            "Give the whole name, such as example.com"
        )
    if encoded[-1].isdigit():
        raise ValueError(f"{_quoted(text)}: the last label is a number, and no domain ends so. Give a domain")
    return Name([*encoded, b""])


def stated_name(stated: Stated | None) -> Name | None:
    """The domain in a text that was found, behind its last ``@`` if there is one; None when there is none."""
    if stated is None:
        return None
    try:
        return name_of(stated.text.rpartition("@")[2])
    except ValueError:
        return None


def below(name: Name, *labels: str | bytes) -> Name | None:
    """The name with labels before it, as in ``below(name, "s1", "_domainkey")``; None where there can be no such name.

    A text may hold several, with dots between, and another script; bytes are one label as they are.
    """
    before: list[bytes] = []
    try:
        for each in labels:
            before += [_plain(part) for part in each.split(".")] if isinstance(each, str) else [each]
        if not all(0 < len(label) <= LONGEST_LABEL for label in before):
            return None
        return Name([*before, *name.labels])
    except (NameTooLong, ValueError):
        return None


def parent(name: Name) -> Name | None:
    """The name without its first label; None for the root."""
    return Name(name.labels[1:]) if len(name.labels) > 1 else None


def is_local(name: Name) -> bool:
    """Whether this is ``localhost``, a single label, or under a name that is not in the public DNS.

    RFC 6761, and what home routers hand out.
    """
    labels = [label.lower() for label in name.labels if label]
    private = (b"localhost", b"localdomain", b"local", b"lan", b"internal", b"home", b"corp", b"invalid", b"onion")
    return len(labels) < 2 or labels[-1] in private or labels[-2:] == [b"home", b"arpa"]  # noqa: PLR2004 - one dot


def shown(name: Name) -> str:
    """The name for people: ``example.com``, ``xn--bcher-kva.example (bücher.example)``; odd bytes escaped."""
    text = written(name).removesuffix(".") or "."
    readable = [_readable(label) for label in name.labels if label]
    if not any(readable):
        return text
    parts = [other or Name([label]).to_text() for other, label in zip(readable, name.labels, strict=False)]
    return f"{text} ({'.'.join(parts)})"


def written(name: Name) -> str:
    """The name as it stands in a zone, in lower case, with its last dot: ``example.com.``."""
    absolute = name if name.is_absolute() else name.concatenate(root)
    return absolute.canonicalize().to_text()


def _readable(label: bytes) -> str | None:
    """The label in its own script; None when it is ASCII, or not well encoded."""
    if not label.lower().startswith(A_LABEL.encode()):
        return None
    try:
        text = idna.ulabel(label)
    except (UnicodeError, IndexError):
        return None
    return text if text.isprintable() and not text.isascii() else None


def _plain(part: str) -> bytes:
    return part.encode("ascii") if part.isascii() else idna.alabel(part)


def _quoted(text: str) -> str:
    """What was typed, on one line, bounded, with what cannot be seen escaped."""
    seen = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:QUOTED])
    return seen + ("..." if len(text) > QUOTED else "")


def _refuse_what_is_no_domain(text: str) -> None:
    if not text.strip("."):
        raise ValueError(f"{text or 'nothing'}: no domain. Give one, such as example.com")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{_quoted(text)}: too long, a name has at most {LONGEST_NAME} characters")
    for column, each in enumerate(text, 1):
        if not each.isprintable():
            raise ValueError(f"{_quoted(text)}: an invisible character in column {column}. Type the name anew")
    _refuse_other_things(text)
    blank = next((column for column, each in enumerate(text, 1) if each.isspace()), None)
    if blank is not None:
        raise ValueError(f"{_quoted(text)}: a blank in column {blank}. Give one domain, without blanks")
    if text.startswith("*."):
        raise ValueError(f"{_quoted(text)}: a wildcard. Give a domain itself{_meant(text[2:])}")


def _refuse_other_things(text: str) -> None:
    """An address of mail, of the Web, of a host."""
    bare = text.strip("[]").removeprefix("IPv6:").removesuffix(".")
    if _is_address(bare):
        kind = "an address literal" if text.startswith("[") else "an IP address"
        raise ValueError(f"{_quoted(text)}: {kind}, not a domain. Give a domain, such as example.com")
    if text.startswith("["):
        raise ValueError(f"{_quoted(text)}: what stands in brackets is an address, not a domain. Give a domain")
    if "://" in text or "/" in text:
        host = text.rpartition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
        raise ValueError(f"{_quoted(text)}: an address of the Web. Give a domain{_meant(host)}")
    if "@" in text:
        raise ValueError(f"{_quoted(text)}: an e-mail address. Give a domain{_meant(text.rsplit('@', 1)[1])}")
    if ":" in text:
        raise ValueError(f"{_quoted(text)}: a colon, as before a port. Give a domain{_meant(text.partition(':')[0])}")


def _meant(guess: str) -> str:
    """``: meant example.com?``, when that is a domain."""
    guess = guess.strip("<>\"' ")
    if any(each in guess for each in "@/:[]*"):
        return ""
    try:
        name_of(guess)
    except ValueError:
        return ""
    return f": meant {_quoted(guess)}?"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _mapped(text: str) -> str:
    """The text by UTS 46: letters to their small and usual forms, other scripts' full stops to dots."""
    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except UnicodeError:
        raise ValueError(f"{_quoted(text)}: a character that no name can have. Type the name anew") from None


def _label(label: str, text: str, number: int) -> bytes:
    """A label as it is asked for; ``number`` says in an error which one it is."""
    if not label:
        where = "before the first dot" if number == 1 else f"between two dots, after label {number - 1}"
        raise ValueError(f"{_quoted(text)}: nothing stands {where}. Take out the dot, or put in what is missing")
    lower = label.lower()
    if lower.isascii():
        encoded = lower
    elif len(label) > ESCAPED_LABEL:
        encoded = label
    else:
        encoded = _encoded(lower, text)
    if len(encoded) > LONGEST_LABEL:
        raise ValueError(f"{_quoted(text)}: label {number} has {len(encoded)} characters, {LONGEST_LABEL} are allowed")
    wrong = next((each for each in encoded if each not in LETTERS), None)
    if wrong is not None:
        raise ValueError(f"{_quoted(text)}: '{_quoted(wrong)}' cannot stand in a domain. Give letters, digits, hyphens")
    if encoded.startswith("-") or encoded.endswith("-"):
        raise ValueError(f"{_quoted(text)}: label {number} begins or ends with a hyphen, and no domain does")
    return encoded.encode("ascii")


def _encoded(label: str, text: str) -> str:
    try:
        return idna.alabel(label).decode("ascii")
    except UnicodeError as error:
        if "too long" in str(error):
            raise ValueError(
                f"{_quoted(text)}: the label '{_quoted(label)}' is too long once encoded, "
                f"{LONGEST_LABEL} characters are allowed"
            ) from None
        raise ValueError(
            f"{_quoted(text)}: '{_quoted(label)}' is not allowed in names of other scripts (IDNA 2008). "
            "Give the name in its xn-- form, if it has one"
        ) from None
