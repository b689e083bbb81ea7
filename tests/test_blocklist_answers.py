"""What an answer of a blocklist says, and what its test entries say of the list."""

from __future__ import annotations

import pytest
from dns.name import from_text
from dns.rdata import from_text as rdata

from mailwatch.checks.dns.blocklists.lists import ADDRESS_LISTS, DOMAIN_LISTS, Blocklist
from mailwatch.checks.dns.blocklists.reading import Reading, doubted, meanings, read
from mailwatch.finding import ERROR, NOT_APPLICABLE, WARNING
from mailwatch.question import ANSWER, NO_DATA, NXDOMAIN, UNKNOWN, Answer

LISTS = {each.zone: each for each in (*ADDRESS_LISTS, *DOMAIN_LISTS)}
ZEN, DBL, SURBL, URIBL = (
    LISTS[zone] for zone in ("zen.spamhaus.org", "dbl.spamhaus.org", "multi.surbl.org", "multi.uribl.com")
)
CLEAN, ON = Reading(), Reading(codes=("127.0.0.2",))


def answer(*addresses: str) -> Answer:
    return Answer(
        name=from_text("25.2.0.192.list.example."),
        kind="A",
        outcome=ANSWER,
        records=tuple(rdata("IN", "A", each) for each in addresses),
    )


@pytest.mark.parametrize(
    ("blocklist", "addresses"),
    [
        (ZEN, ["127.255.255.252"]),
        (ZEN, ["127.255.255.254"]),
        (ZEN, ["127.255.255.255"]),
        (ZEN, ["127.255.255.7"]),
        (ZEN, ["127.0.0.1"]),
        (ZEN, ["203.0.113.1"]),
        (ZEN, ["127.0.0.2", "203.0.113.1"]),
        (DBL, ["127.0.1.255"]),
        (DBL, ["127.255.255.254"]),
        (URIBL, ["127.0.0.1"]),
        (SURBL, ["127.0.0.1"]),
    ],
)
def test_a_refusal_is_no_listing(blocklist: Blocklist, addresses: list[str]) -> None:
    reading = read(blocklist, answer(*addresses))
    assert reading.codes == ()
    assert reading.trouble


def test_nobody_could_tell_is_no_answer() -> None:
    name = from_text("x.list.example.")
    unknown = Answer(name=name, kind="A", outcome=UNKNOWN, trouble="no answer about A of x: 192.0.2.1 is silent")
    assert read(ZEN, unknown).trouble == "192.0.2.1 is silent"
    for outcome in (NXDOMAIN, NO_DATA):
        assert read(ZEN, Answer(name=name, kind="A", outcome=outcome)) == CLEAN


def test_a_listing_has_its_codes_in_order() -> None:
    assert read(ZEN, answer("127.0.0.4", "127.0.0.2")).codes == ("127.0.0.2", "127.0.0.4")


@pytest.mark.parametrize(
    ("listed", "free", "made_up", "believed"),
    [
        (ON, CLEAN, CLEAN, True),
        (CLEAN, CLEAN, CLEAN, False),
        (ON, ON, CLEAN, False),
        (ON, CLEAN, ON, False),
        (Reading(trouble="refused"), CLEAN, CLEAN, False),
        (ON, Reading(trouble="refused"), CLEAN, False),
        (ON, CLEAN, Reading(trouble="refused"), False),
    ],
)
def test_a_list_must_prove_itself(listed: Reading, free: Reading, made_up: Reading, believed: bool) -> None:
    assert (doubted(listed, free, made_up) is None) is believed


@pytest.mark.parametrize(
    ("blocklist", "codes", "weight", "words"),
    [
        (ZEN, ("127.0.0.2",), ERROR, ["SBL"]),
        (ZEN, ("127.0.0.2", "127.0.0.10"), ERROR, ["SBL", "PBL"]),
        (ZEN, ("127.0.0.99",), None, []),
        (DBL, ("127.0.1.5",), ERROR, ["malware"]),
        (SURBL, ("127.0.0.80",), ERROR, ["malware", "spam"]),  # 16 + 64
        (URIBL, ("127.0.0.4",), WARNING, ["grey"]),
        (URIBL, ("127.0.0.6",), ERROR, ["black", "grey"]),
        (LISTS["dnsbl-3.uceprotect.net"], ("127.0.0.2",), NOT_APPLICABLE, ["provider"]),
    ],
)
def test_codes_have_meanings_worst_first(
    blocklist: Blocklist, codes: tuple[str, ...], weight: str | None, words: list[str]
) -> None:
    found = meanings(blocklist, codes)
    assert len(found) == len(words)
    for meaning, word in zip(found, words, strict=True):
        assert word in meaning.text
    assert weight is None or (found[0].weight or blocklist.weight) == weight


def test_policy_alone_is_told_apart_from_spam() -> None:
    assert all(each.policy for each in meanings(ZEN, ("127.0.0.10", "127.0.0.11")))
    assert not all(each.policy for each in meanings(ZEN, ("127.0.0.2", "127.0.0.10")))


def test_every_list_says_how_to_get_off_it_and_is_there_once() -> None:
    lists = [*ADDRESS_LISTS, *DOMAIN_LISTS]
    assert len({each.zone for each in lists}) == len({each.name for each in lists}) == len(lists)
    for each in lists:
        assert each.removal.startswith("https://")
        assert each.weight in (ERROR, WARNING, NOT_APPLICABLE)
        from_text(f"{each.listed}.{each.zone}.")
