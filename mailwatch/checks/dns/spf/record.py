"""Reads an SPF record, and finds every mistake in it at once (RFC 7208 sections 4.6 and 12). Pure.

Promises
    Never raises, takes time linear in the record, gives at most MOST problems. A record has problems exactly when it
    evaluates to permerror before its first term does. What could be read is given as terms, whatever else is wrong.
    ``Record.text`` and the texts of problems hold printable ASCII alone; columns count in that text, from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from mailwatch.checks.dns.spf import advice
from mailwatch.checks.dns.spf.grammar import NAMED, PREFIXES, Wrong, domain_spec, macro_string, prefix
from mailwatch.checks.dns.spf.term import MECHANISMS, QUALIFIERS, Problem, Record, Term

VERSION: Final = "v=spf1"
MOST: Final = 100
"""Problems told of one record: who has more has other worries."""
ONCE: Final = frozenset({"redirect", "exp"})
SHOWN: Final = 120
"""Characters of a token that a problem shows."""


def parse(text: str | bytes) -> Record:
    """The record; bytes are taken for UTF-8, as that is what a pasted dash or quote comes in."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    reading = _Reading(words=_words(text))
    reading.read()
    return Record(
        text=visible(text),
        terms=tuple(reading.terms),
        problems=tuple(reading.problems[:MOST]),
        doubts=tuple(reading.doubts[:MOST]),
    )


def visible(text: str) -> str:
    """The text in printable ASCII; all else escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if " " <= each <= "~" else _escaped(each) for each in text)


def _escaped(each: str) -> str:
    return f"\\x{ord(each):02x}" if each.isascii() else each.encode("ascii", "backslashreplace").decode()


def _words(text: str) -> list[tuple[int, str]]:
    """What stands between blanks, each with its column; only a blank is one, a tab is not."""
    found = []
    column = 1
    for word in text.split(" "):
        if word:
            found.append((column, word))
        column += len(visible(word)) + 1
    return found


@dataclass(slots=True)
class _Reading:
    """A record being read, word by word."""

    words: list[tuple[int, str]]
    terms: list[Term] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Problem] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def read(self) -> None:
        rest = self.words
        if not rest or rest[0][1].lower() != VERSION or rest[0][0] != 1:
            column, word = rest[0] if rest else (1, "")
            said, instead = advice.version(word, column)
            self.wrong(column, word, said, instead)
        skip = False
        for index, (column, word) in enumerate(rest[1:], 1):
            if skip:
                skip = False
                continue
            if len(self.problems) > MOST:
                return
            following = rest[index + 1][1] if index + 1 < len(rest) else ""
            skip = self.word(column, word, following)

    def wrong(self, column: int, word: str, said: str, instead: str | None = None) -> None:
        token = visible(word[:SHOWN])
        self.problems.append(Problem(column=column, token=token, text=said, instead=instead))

    def word(self, column: int, word: str, following: str) -> bool:
        """Take a word; whether the one that follows belongs to it."""
        read = read_term(word, column)
        if isinstance(read, Term):
            self.take(read)
            return False
        split = advice.torn(word, following, stands_alone=_is_right(following))
        if split is not None and _is_right(split):
            self.wrong(column, f"{word} {following}", "a blank tears this term apart", split)
            return True
        said, instead = next(((said, each) for said, each in advice.proposals(word) if _is_right(each)), ("", None))
        self.wrong(column + len(visible(word[: read.at])), word, said or read.text, instead)
        return False

    def take(self, term: Term) -> None:
        if term.name in ONCE and term.is_modifier:
            if term.name in self.seen:
                self.wrong(term.column, term.text, f"{term.name}= stands here a second time: only one is allowed")
            self.seen.add(term.name)
        doubt = advice.doubt(term)
        if doubt is not None and len(self.doubts) <= MOST:
            said, instead = doubt
            instead = instead if instead and _is_right(instead) else None
            self.doubts.append(Problem(column=term.column, token=term.text[:SHOWN], text=said, instead=instead))
        self.terms.append(term)


def _is_right(text: str) -> bool:
    words = text.split()
    return bool(words) and all(isinstance(read_term(each, 1), Term) for each in words)


def read_term(word: str, column: int) -> Term | Wrong:
    """One term, or what is wrong with it."""
    for at, each in enumerate(word):
        if not "!" <= each <= "~":
            return Wrong(at=at, text=advice.character(each))
    named = NAMED.match(word)
    if named is not None:
        return _modifier(word, column, named.group(1).lower(), word[named.end() :], named.end())
    qualifier = word[0] if word[0] in QUALIFIERS else ""
    name, argument = _halves(word[len(qualifier) :])
    if name.lower() not in MECHANISMS:
        return Wrong(at=0, text="this is no mechanism of SPF")
    return _mechanism(word, column, qualifier or "+", name.lower(), argument)


def _halves(text: str) -> tuple[str, str]:
    """``a`` and ``:example.com/24``; ``mx`` and ``/24``."""
    ends = [at for at in (text.find(":"), text.find("/")) if at >= 0]
    end = min(ends, default=len(text))
    return text[:end], text[end:]


def _modifier(word: str, column: int, name: str, value: str, at: int) -> Term | Wrong:
    if name in ONCE:
        wrong = domain_spec(value)
        if wrong is not None:
            return Wrong(at=at + wrong.at, text=f"{name}= needs a domain: {wrong.text}")
    else:
        wrong = macro_string(value)
        if wrong is not None:
            return Wrong(at=at + wrong.at, text=wrong.text)
    return Term(text=word, column=column, name=name, domain=value)


def _mechanism(word: str, column: int, qualifier: str, name: str, argument: str) -> Term | Wrong:
    at = len(word) - len(argument)
    if name == "all":
        if argument:
            return Wrong(at=at, text="all stands alone, nothing may follow it")
        return Term(text=word, column=column, name=name, qualifier=qualifier)
    if name in ("ip4", "ip6"):
        return _network(word, column, qualifier, name, argument)
    if name in ("a", "mx"):
        return _with_prefixes(word, column, qualifier, name, argument)
    return _with_domain(word, at, Term(text=word, column=column, name=name, qualifier=qualifier), argument)


def _with_prefixes(word: str, column: int, qualifier: str, name: str, argument: str) -> Term | Wrong:
    at = len(word) - len(argument)
    cut = PREFIXES.search(argument)
    end = cut.start() if cut is not None else len(argument)
    lengths = _lengths(*cut.groups()) if cut is not None else (32, 128)
    if lengths is None:
        return Wrong(at=at + end, text="a prefix is /0 to /32 for IPv4, then //0 to //128 for IPv6")
    prefix4, prefix6 = lengths
    term = Term(text=word, column=column, name=name, qualifier=qualifier, prefix4=prefix4, prefix6=prefix6)
    return _with_domain(word, at, term, argument[:end])


def _with_domain(word: str, at: int, term: Term, domain: str) -> Term | Wrong:
    """The term with its domain, which stands at ``at`` in the word."""
    if domain[:1] == ":":
        wrong = domain_spec(domain[1:])
        return replace(term, domain=domain[1:]) if wrong is None else Wrong(at=at + 1 + wrong.at, text=wrong.text)
    if domain:
        return Wrong(at=at, text=f"nothing can be made of what follows {term.name}")
    if term.name in ("include", "exists"):
        return Wrong(at=len(word), text=f"{term.name} needs a domain: {term.name}:example.com")
    return term


def _lengths(four: str | None, six: str | None) -> tuple[int, int] | None:
    prefix4 = 32 if four is None else prefix(four, 32)
    prefix6 = 128 if six is None else prefix(six, 128)
    return None if prefix4 is None or prefix6 is None else (prefix4, prefix6)


def _network(word: str, column: int, qualifier: str, name: str, argument: str) -> Term | Wrong:
    at = len(word) - len(argument)
    kind = "IPv4" if name == "ip4" else "IPv6"
    if len(argument) < 2 or argument[0] != ":":  # noqa: PLR2004  # a colon and something
        return Wrong(at=at, text=f"{name} needs an {kind} address: {name}:{advice.EXAMPLE[name]}")
    host, slash, digits = argument[1:].partition("/")
    address = address_of(host, name)
    if address is None:
        return Wrong(at=at + 1, text=f"this is no {kind} address")
    length = prefix(digits, address.max_prefixlen) if slash else address.max_prefixlen
    if length is None:
        longest = address.max_prefixlen
        return Wrong(at=at + 1 + len(host), text=f"the prefix of an {kind} network is /0 to /{longest}")
    network = _network_of(address, length)
    return Term(
        text=word,
        column=column,
        name=name,
        qualifier=qualifier,
        network=network,
        host_bits=network.network_address != address,
    )


def address_of(host: str, name: str) -> IPv4Address | IPv6Address | None:
    """The address of an ip4 or ip6 as the grammar has it: no zone, no zeros before a number."""
    if "%" in host or len(host) > 45:  # noqa: PLR2004  # the longest form of an IPv6 address
        return None
    try:
        return IPv4Address(host) if name == "ip4" else IPv6Address(host)
    except AddressValueError:
        return None


def _network_of(address: IPv4Address | IPv6Address, length: int) -> IPv4Network | IPv6Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    return IPv6Network((address, length), strict=False)
