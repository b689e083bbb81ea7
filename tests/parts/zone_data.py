"""The data of a name server in tests: zones as text, looked up as the RFCs say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dns.rdata import Rdata
    from dns.rdataset import Rdataset


class Data:
    """What the server knows: sets of records by name."""

    def __init__(self, text: str) -> None:
        self.sets: dict[dns.name.Name, list[Rdataset]] = {}
        self.names = {dns.name.root}
        for name, ttl, rdata in records(text):
            there = self.sets.setdefault(name, [])
            found = next((each for each in there if (each.rdtype, each.covers) == (rdata.rdtype, rdata.covers())), None)
            if found is None:
                there.append(dns.rdataset.from_rdata(ttl, rdata))
            else:
                found.add(rdata, ttl)
            above = name
            while above not in self.names:
                self.names.add(above)
                above = above.parent()

    def into(
        self, answer: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> dns.name.Name | None:
        """Put what is known of a name into the answer; the name to go on with, where it is an alias."""
        found = self.at(name)
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            self.negative(answer, name)
            return None
        alias = next((each for each in found if each.rdtype == dns.rdatatype.CNAME), None)
        wanted = rdtype if alias is None or rdtype == dns.rdatatype.ANY else dns.rdatatype.CNAME
        fits = [each for each in found if wanted in (each.rdtype, dns.rdatatype.ANY)]
        if not fits:
            self.negative(answer, name)
            return None
        signatures = [] if wanted == dns.rdatatype.ANY else [each for each in found if each.covers == wanted]
        for each in (*fits, *signatures):
            answer.answer.append(dns.rrset.from_rdata_list(name, each.ttl, list(each)))
        if alias is None or rdtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
            return None
        target: dns.name.Name = alias[0].target
        return target

    def at(self, name: dns.name.Name) -> list[Rdataset] | None:
        """The sets at a name, or at the wildcard that covers it (RFC 4592 section 3.3.1); None: it is not there."""
        if name in self.names:
            return self.sets.get(name, [])
        encloser = name.parent()
        while encloser not in self.names:
            encloser = encloser.parent()
        return self.sets.get(dns.name.Name((b"*", *encloser.labels)))

    def negative(self, answer: dns.message.Message, name: dns.name.Name) -> None:
        """The SOA of the zone, to live as long as RFC 2308 section 3 says."""
        zone = name
        while True:
            for each in self.sets.get(zone, ()):
                if each.rdtype == dns.rdatatype.SOA:
                    ttl = min(each.ttl, each[0].minimum)
                    answer.authority.append(dns.rrset.from_rdata_list(zone, ttl, list(each)))
                    return
            if zone == dns.name.root:
                return
            zone = zone.parent()


def records(text: str) -> Iterator[tuple[dns.name.Name, int, Rdata]]:
    """The records of a master file with absolute names: ``example.com. 300 IN TXT "text"``, the TTL and IN optional."""
    tokens = dns.tokenizer.Tokenizer(text)
    while not (token := tokens.get()).is_eof():
        if token.is_eol():
            continue
        name, ttl = dns.name.from_text(token.value), 300
        word = tokens.get_string()
        if word.isdigit():
            ttl, word = int(word), tokens.get_string()
        if word == "IN":
            word = tokens.get_string()
        yield name, ttl, dns.rdata.from_text("IN", word, tokens, dns.name.root, relativize=False)


def lines(zone: Mapping[tuple[str, str], list[str]]) -> str:
    return "\n".join(f"{name}. 60 IN {kind} {text}" for (name, kind), texts in zone.items() for text in texts) + "\n"
