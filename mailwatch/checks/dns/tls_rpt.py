"""Checks TLS-RPT: the address to which senders report that mail could not be delivered by TLS (RFC 8460)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import below, name_of, shown, written
from mailwatch.checks.dns.receivers import receivers
from mailwatch.checks.dns.txt import quoted
from mailwatch.checks.dns.versioned import Field, plain, raw, read, versioned
from mailwatch.finding import NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN
from mailwatch.question import UNKNOWN as NOBODY_KNOWS

if TYPE_CHECKING:
    from dns.name import Name

    from mailwatch.checks.dns.facts import Facts
    from mailwatch.question import Answer, Asks

NAME: Final = "tls_rpt"
VERSION: Final = "v=TLSRPTv1"
REFERENCE: Final = "RFC 8460 section 3"
MOST: Final = 10
"""So many addresses are looked at."""
SCHEMES: Final = ("mailto:", "https:")
IGNORED: Final = "Senders report nothing, and failures of TLS go unseen."
UNENCODED: Final = frozenset(' !\t"<>\\^`{|}')
"""What a URI cannot hold; "!" is forbidden in these besides, as are comma and semicolon, which end them."""


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with TLS-RPT of the domain."""
    name = below(facts.domain, "_smtp", "_tls")
    if name is None:
        return [_plain("absent", NOT_APPLICABLE, "The domain's name is too long for TLS-RPT, which is optional.")]
    answer = await asks.ask(name, "TXT")
    if answer.outcome == NOBODY_KNOWS:
        return [
            _plain(
                "unknown", UNKNOWN, f"Could not check: nobody could tell what is at {shown(name)}: {answer.trouble}."
            )
        ]
    exact, near = versioned(raw(answer.records), VERSION)
    if not exact and not near:
        return [await _absent(asks, facts)]
    record = _Record(name, answer, facts.domain)
    if len(exact) != 1:
        return [record.several(exact) if exact else record.dropped(near[0])]
    found = record.mistakes(exact[0])
    addresses = [each.strip(" \t") for field in _rua(exact[0])[:1] for each in field.value.split(",")]
    found += [each for address in addresses[:MOST] for each in await record.nobody_there(asks, address)]
    return found or [_plain("ok", OK, f"Senders report failures of TLS to {plain(', '.join(addresses))}.")]


def _rua(text: str) -> list[Field]:
    return [each for each in read(text)[0] if each.name == "rua"]


async def _absent(asks: Asks, facts: Facts) -> Finding:
    """That there is none; which is felt only where something may fail for want of TLS."""
    text = f"{shown(facts.domain)} has no TLS-RPT, which is optional"
    in_use = [
        name for name, there in (("MTA-STS", await _mta_sts(asks, facts)), ("DANE", await _tlsa(asks, facts))) if there
    ]
    if in_use:
        text += f"; it has {' and '.join(in_use)}, and without reports nobody hears of mail that this keeps away"
    return _plain("absent", NOT_APPLICABLE, text + ".")


async def _mta_sts(asks: Asks, facts: Facts) -> bool:
    name = below(facts.domain, "_mta-sts")
    return name is not None and bool(versioned(raw((await asks.ask(name, "TXT")).records), "v=STSv1")[0])


async def _tlsa(asks: Asks, facts: Facts) -> bool:
    hosts = (await receivers(asks, facts.domain)).hosts
    names = [name for host in hosts if (name := below(host, "_25", "_tcp")) is not None]
    for name in names:
        asks.soon(name, "TLSA")
    return any([(await asks.ask(name, "TLSA")).outcome == ANSWER for name in names])


class _Record:
    """What is at a name, as findings need it."""

    def __init__(self, name: Name, answer: Answer, domain: Name) -> None:
        self._name, self._ttl, self._where = name, answer.ttl, f"{shown(name)} TXT"
        self._example = f"mailto:tls-reports@{written(domain).removesuffix('.')}"

    def several(self, exact: list[str]) -> Finding:
        text = f"There are {len(exact)} TLS-RPT records, where one is allowed. {IGNORED}"
        whole = list(
            dict.fromkeys(each for text in exact for field in _rua(text)[:1] for each in field.value.split(","))
        )
        return self._found("several-records", text, "Publish one record.", " | ".join(map(plain, exact)), publish=whole)

    def dropped(self, near: str) -> Finding:
        text = f'The TLS-RPT record does not begin with "{VERSION};" to the letter, and is dropped. {IGNORED}'
        uris = [each.strip(" \t\"'") for field in _rua(near)[:1] for each in field.value.split(",")]
        return self._found("malformed-record", text, "Publish it as shown.", near, publish=uris)

    def mistakes(self, text: str) -> list[Finding]:
        """Every mistake of the one record there is."""
        fields, mistakes = read(text)
        rua = [each for each in fields if each.name == "rua"]
        uris = rua[0].value.split(",") if rua else []
        uris += [each.strip(" \t") for each in text.split(";") if each.strip(" \t").lower().startswith(SCHEMES)]
        found = [
            self._found("malformed-record", f"The TLS-RPT record cannot be read: {each.text}. {IGNORED}",
                        "Publish it as shown.", text, each.column, uris)
            for each in mistakes
        ]  # fmt: skip
        if not rua:
            words = f"The TLS-RPT record names no address (rua) to report to. {IGNORED}"
            fix = f"Publish one that is read, as in: {VERSION}; rua={self._example}"
            found.append(self._found("no-address", words, fix, text, len(text) + 1))
        for again in rua[1:2]:
            words = "The TLS-RPT record has rua twice: which addresses get reports is up to the sender."
            both = [each for field in rua for each in field.value.split(",")]
            found.append(self._found("malformed-record", words, "Give all addresses in one.", text, again.column, both))
        return found + [each for field in rua[:1] for each in self._addresses(field, text)]

    def _addresses(self, field: Field, record: str) -> list[Finding]:
        found = []
        column = field.at
        for part in field.value.split(",")[:MOST]:
            wrong = _wrong(part.strip(" \t"))
            if wrong is not None:
                text = f'TLS-RPT: "{plain(part.strip(), 80)}" {wrong}. No report gets there.'
                at = column + len(part) - len(part.lstrip(" \t"))
                fix = "Give mailto:ADDRESS or https://HOST/PATH."
                found.append(self._found("bad-address", text, fix, record, at, field.value.split(",")))
            column += len(part) + 1
        return found

    async def nobody_there(self, asks: Asks, address: str) -> list[Finding]:
        """A finding when reports go to a host or a domain that does not exist."""
        host = _host(address)
        if _wrong(address) is not None or host is None:
            return []
        kinds = ("MX", "A", "AAAA") if address.lower().startswith("mailto:") else ("A", "AAAA")
        for kind in kinds:
            asks.soon(host, kind)
        outcomes = [(await asks.ask(host, kind)).outcome for kind in kinds]
        if not all(each in (NXDOMAIN, NO_DATA) for each in outcomes):
            return []
        gone = "does not exist" if NXDOMAIN in outcomes else "has neither mail host nor address"
        text = (
            f"Failures of TLS are to be reported to {plain(address, 80)}, and {shown(host)} {gone}: reports are lost."
        )
        return [self._found("dead-address", text, "Give an address that is read.", None)]

    def _found(self, code: str, text: str, fix: str, record: str | None, column: int = 0,
               publish: list[str] | None = None) -> Finding:  # fmt: skip
        good = ",".join(dict.fromkeys(filter(None, map(_meant, publish or []))))
        line = f"{written(self._name)} 300 IN TXT {quoted(f'{VERSION}; rua={good}')}" if good else None
        return Finding(
            check=NAME, code=f"tls-rpt-{code}", verdict=WARNING, text=text, fix=fix, record=record and plain(record),
            where=f"{self._where}, column {column}" if column else self._where, publish=line, reference=REFERENCE,
            ttl=self._ttl,
        )  # fmt: skip


def _wrong(uri: str) -> str | None:
    """What is wrong with an address to report to; None when it is good."""
    scheme, colon, rest = uri.partition(":")
    if not uri:
        return "is empty"
    if not uri.lower().startswith(SCHEMES):
        meant = f", meant mailto:{plain(uri, 80)}?" if "@" in uri and not colon else ""
        return f"is neither mailto: nor https:{meant}"
    if set(uri) & UNENCODED or not uri.isascii() or not uri.isprintable():
        return "holds a character that has to be written in percent-encoding"
    if scheme.lower() == "https" and not rest.startswith("//"):
        return "is not https://HOST/PATH"
    if scheme.lower() == "mailto" and "@" not in rest.strip("@"):
        return "is no address of mail"
    return None if _host(uri) is not None else "names no host that there can be"


def _meant(part: str) -> str | None:
    """A good address, or what a wrong one was meant to be; None where that cannot be told."""
    uri = part.strip(" \t\"'")
    for each in (uri, f"mailto:{uri}", f"https:{uri.removeprefix('http:')}"):
        if _wrong(each) is None:
            return each
    return None


def _host(uri: str) -> Name | None:
    """The domain that mail goes to, or the host of a page."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "mailto":
        text = rest.partition("?")[0].rpartition("@")[2]
    else:
        text = rest.removeprefix("//").partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0]
    try:
        return name_of(text)
    except ValueError:
        return None


def _plain(code: str, verdict: str, text: str) -> Finding:
    return Finding(check=NAME, code=f"tls-rpt-{code}", verdict=verdict, text=text, reference=REFERENCE)
