"""What DNS says of a domain: what became worse is told, once, after two looks, and what nobody knows changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch import ledger
from mailwatch.advance import Terms, advance
from mailwatch.causes import catalogue
from mailwatch.decisions import Decisions, Remembered
from mailwatch.domain import DNS, Domain, DomainLook, bounded, domain_in, folded, numbers
from mailwatch.examined import domains
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding
from mailwatch.letter import Stationery, written
from mailwatch.masking import quotable_about
from mailwatch.options import DnsChanged, DnsOptions, Options, OwnHealth, RulesOptions
from mailwatch.rules import dns_changed, own_health
from mailwatch.sample import Probe
from mailwatch.store import Snapshot, Store, read_snapshot
from mailwatch.tally import Delta
from mailwatch.view import History, Site, Sums
from tests.parts.examiner import found, look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mailwatch.alert import Alert, AlertKey, Notice

BEGIN = 1_795_594_320.0
HOUR = 3600.0
SITE = Site(host="mx1", severities={})
OPTIONS = Options(dns=DnsOptions(domains=("example.com",)), rules=RulesOptions(dns_changed=DnsChanged(clear_seconds=0)))
AS_SHIPPED = Options(dns=DnsOptions(domains=("example.com",)))
Steps = tuple[str, ...]
PAGE = ("dns-worse", "example.com:spf", "page")
WARN = ("dns-worse", "example.com:spf", "warn")
STOOD = ("dns-found", "example.com", "warn")

FINDINGS: dict[str, tuple[Finding, ...] | None] = {
    "well": (found("spf", "spf-ok", OK, "one SPF record", record="v=spf1 mx -all"),),
    "other": (found("spf", "spf-ok", OK, "one SPF record", record="v=spf1 a mx -all"),),
    "bad": (found("spf", "spf-two-records", ERROR, "there are two SPF records", record="v=spf1 -all, v=spf1 mx -all"),),
    "warning": (found("spf", "spf-too-lax", WARNING, "the record ends in +all"),),
    "grave": (found("spf", "spf-fail", ERROR, "192.0.2.25 may not send"),),
    "unknown": (found("spf", "spf-unknown", UNKNOWN, "SERVFAIL"),),
    "warning and unknown": (
        found("spf", "spf-too-lax", WARNING, "the record ends in +all"),
        found("spf", "spf-unknown", UNKNOWN, "SERVFAIL"),
    ),
    "another warning": (found("spf", "spf-ptr", WARNING, "the record has ptr in it"),),
    "both warnings": (
        found("spf", "spf-too-lax", WARNING, "the record ends in +all"),
        found("spf", "spf-ptr", WARNING, "the record has ptr in it"),
    ),
    "warning and bad": (
        found("spf", "spf-too-lax", WARNING, "the record ends in +all"),
        found("spf", "spf-two-records", ERROR, "there are two SPF records"),
    ),
    "bad and unknown": (
        found("spf", "spf-two-records", ERROR, "there are two SPF records"),
        found("spf", "spf-unknown", UNKNOWN, "SERVFAIL"),
    ),
    "other unknown": (found("spf", "spf-unknown", UNKNOWN, "time-out"),),
    "bad twice": tuple(found("spf", "spf-two-records", ERROR, f"{each} has two SPF records") for each in "ab"),
    "optional": (found("spf", "spf-not-there", NOT_APPLICABLE, "is optional"),),
    "no report": None,
}


WELL, BAD, UNSEEN = FINDINGS["well"] or (), FINDINGS["bad"] or (), FINDINGS["unknown"] or ()


def looks(*steps: str, every: float = HOUR) -> list[DomainLook]:
    """A look for each word, an hour apart."""
    return [look(BEGIN + at * every, FINDINGS[step]) for at, step in enumerate(steps)]


def told(found: Sequence[DomainLook], restart: int | None = None, options: Options = OPTIONS) -> list[Notice]:
    """What a person is told, the state written and read again before one of the looks."""
    domain: Domain | None = None
    alerts: Mapping[AlertKey, Alert] = {}
    notices: list[Notice] = []
    for at, each in enumerate(found):
        if at == restart and domain is not None:
            domain = domain_in(json.loads(json.dumps(asdict(domain))))
        domain = folded(domain, each, 2)
        history = History(site=SITE, sums=Sums(), started_at=0.0, domains={"example.com": domain})
        course = advance(alerts, [history.at(each.at + 1)], Terms(options=options, page_from=0.0))
        alerts = course.alerts
        notices += [notice for notice in course.notices if notice.alert.rule == "dns_changed"]
    return notices


def story(notices: Sequence[Notice]) -> list[tuple[str, ...]]:
    return [
        (each.kind, each.alert.cause, each.alert.scope, each.severity)
        for each in notices
        if each.reason != "reminder-due"
    ]


STORIES: dict[str, tuple[Steps, list[tuple[str, ...]]]] = {
    "all is well": (("well",) * 9, []),
    "a record that is changed and still well": (("well", "well", "other", "other"), []),
    "what is optional comes and goes": (("well", "well", "optional", "optional", "well", "well"), []),
    "an error": (("well", "bad", "bad"), [("first", *PAGE)]),
    "an error that is seen once is chance": (("well", "bad", "well", "bad", "well"), []),
    "an error that is over": (("well", "bad", "bad", "well", "well"), [("first", *PAGE), ("resolved", *PAGE)]),
    "one good look is not its end": (("well", "bad", "bad", "well", "bad", "bad", "well"), [("first", *PAGE)]),
    "what is not applicable any more is over": (
        ("well", "bad", "bad", "optional", "optional"),
        [("first", *PAGE), ("resolved", *PAGE)],
    ),
    "a warning is told, and not a second time": (("well", *["warning"] * 30), [("first", *WARN)]),
    "a warning that becomes an error": (
        ("well", "warning", "warning", "bad", "bad"),
        [("first", *WARN), ("reminder", *PAGE)],
    ),
    "an error that is seen once beside a warning is chance": (
        ("well", "warning", "warning", "bad", "warning", "warning and bad", "warning", "well", "well"),
        [("first", *WARN), ("resolved", *WARN)],
    ),
    "an error and a warning in turn are a warning": (
        ("well", "bad", "warning", "bad", "warning"),
        [("first", *WARN)],
    ),
    "a warning that becomes another one is told, once each": (
        ("well", "warning", "warning", "another warning", "another warning", "warning", "another warning"),
        [("first", *WARN), ("reminder", *WARN)],
    ),
    "a warning that comes beside another one is told": (
        ("well", "warning", "warning", "both warnings", "both warnings"),
        [("first", *WARN), ("reminder", *WARN)],
    ),
    "two of a code where there was one are news": (
        ("bad", "bad", "bad twice", "bad twice", "bad", "bad"),
        [("first", *STOOD), ("first", *PAGE), ("resolved", *PAGE)],
    ),
    "one of a code where there were two is none": (("bad twice",) * 2 + ("bad",) * 3, [("first", *STOOD)]),
    "what could not be seen at the first looks is no news when it can": (
        ("warning and unknown", "warning and unknown", "warning and bad", "warning and bad", "warning and bad"),
        [("first", *STOOD), ("reminder", *STOOD)],
    ),
    "what is known for the first time after an outage is no news": (
        ("unknown", "no report", "unknown", "bad", "bad"),
        [("first", *STOOD)],
    ),
    "what comes beside what was unknown all the time is news": (
        ("unknown", "unknown", "bad and unknown", "bad and unknown"),
        [("first", *PAGE)],
    ),
    "and is over when the same is unknown and nothing else": (
        ("unknown", "unknown", "bad and unknown", "bad and unknown", "unknown", "unknown"),
        [("first", *PAGE), ("resolved", *PAGE)],
    ),
    "but not when more is unknown than was": (
        ("unknown", "unknown", "bad and unknown", "bad and unknown", *["other unknown"] * 3),
        [("first", *PAGE)],
    ),
    "unknown between starts nothing and takes nothing back": (
        ("well", "bad", "unknown", "no report", "bad"),
        [("first", *PAGE)],
    ),
    "unknown between ends nothing": (
        ("well", "bad", "bad", "unknown", "well", "unknown", "well"),
        [("first", *PAGE), ("resolved", *PAGE)],
    ),
    "unknown for some hours": (("well", *["unknown"] * 6, "well"), []),
    "unknown for more than six hours": (
        ("well", *["unknown"] * 8, "well"),
        [("first", "dns-unknown", "example.com", "warn"), ("resolved", "dns-unknown", "example.com", "warn")],
    ),
    "no report at all for more than six hours, from the beginning": (
        ("no report",) * 8,
        [("first", "dns-unknown", "example.com", "warn")],
    ),
    "what is seen beside what is unknown is news where it is": (
        ("well", "warning and unknown", "warning and unknown"),
        [("first", *WARN)],
    ),
    "and it is not over while some of it is unknown": (
        ("well", "bad", "bad", *["warning and unknown"] * 3),
        [("first", *PAGE)],
    ),
    "nor while what was expected is all that is seen beside it": (
        ("warning", "warning", "bad", "bad", *["warning and unknown"] * 3),
        [("first", *STOOD), ("first", *PAGE)],
    ),
    "what was there at the first look is told once and pages nobody": (("bad",) * 60, [("first", *STOOD)]),
    "what was there and is over": (("bad", "bad", "well", "well"), [("first", *STOOD), ("resolved", *STOOD)]),
    "what was there at one look only": (("bad", "well", "well"), []),
    "what was there becomes worse": (
        ("warning", "warning", "bad", "bad"),
        [("first", *STOOD), ("first", *PAGE)],
    ),
    "what was there, was over and comes back is news": (
        ("bad", "well", "well", "bad", "bad"),
        [("first", *PAGE)],
    ),
    "at the first look this host may not send": (("grave", "grave"), [("first", *PAGE)]),
    "at the first look alone this host may not send": (("grave", "well", "well"), []),
}


@pytest.mark.parametrize(("steps", "expected"), STORIES.values(), ids=STORIES)
def test_what_is_told_of_a_row_of_looks(steps: Steps, expected: list[tuple[str, ...]]) -> None:
    assert story(told(looks(*steps))) == expected


@pytest.mark.parametrize(("steps", "expected"), STORIES.values(), ids=STORIES)
def test_a_restart_between_any_two_looks_changes_nothing(steps: Steps, expected: list[tuple[str, ...]]) -> None:
    for at in range(1, min(len(steps), 6)):
        assert story(told(looks(*steps), restart=at)) == expected


@pytest.mark.parametrize("steps", [["warning and unknown"] * 3, ["warning"] * 3, ["unknown"] * 3])
def test_what_stays_as_it_is_is_soon_in_no_doubt(steps: list[str]) -> None:
    domain = None
    for each in looks(*steps):
        domain = folded(domain, each, 2)
    assert domain is not None
    assert not domain.is_in_doubt(2)


def test_a_zone_that_comes_and_goes_is_one_alert_until_it_has_stayed_well() -> None:
    flapping = ("bad", "bad", "well", "well") * 12
    notices = told(looks("well", *flapping, *["well"] * 12, every=300.0), options=AS_SHIPPED)
    assert [each[:1] for each in story(notices)] == [("first",), ("resolved",)]


def test_an_error_seen_once_beside_a_warning_is_looked_at_again_soon() -> None:
    domain = None
    for each in looks("well", "warning", "warning", "bad"):
        domain = folded(domain, each, 2)
    assert domain is not None
    assert domain.is_in_doubt(2)


def test_one_fault_less_brings_no_other_to_light_as_new() -> None:
    many = tuple(found("spf", f"spf-{number}", WARNING, f"fault {number}") for number in range(9))
    rows = [look(BEGIN + at * HOUR, many[min(at // 2, 5) :]) for at in range(12)]
    assert story(told(rows)) == [("first", "dns-found", "example.com", "warn")]


def test_a_fault_that_is_new_beside_many_is_told_with_its_words() -> None:
    many = tuple(found("spf", f"spf-{number}", WARNING, f"fault {number}") for number in range(9))
    more = (*many, found("spf", "spf-9", WARNING, "the tenth fault"))
    [_, notice] = told([look(BEGIN + at * HOUR, each) for at, each in enumerate((many, many, more, more))])
    assert notice.alert.evidence["text"] == "the tenth fault"


def test_a_check_that_a_report_lacks_is_unknown_and_ends_nothing() -> None:
    mx = (found("mx", "mx-ok", OK, "there are two"),)
    rows = [
        look(BEGIN + at * HOUR, each)
        for at, each in enumerate(((*WELL, *mx), (*BAD, *mx), (*BAD, *mx), mx, mx, (*BAD, *mx)))
    ]
    assert story(told(rows)) == [("first", *PAGE)]


def test_what_another_version_finds_more_in_the_same_record_is_no_news() -> None:
    record = "v=spf1 mx ptr -all"
    before = (found("spf", "spf-ok", OK, "one SPF record", record=record),)
    after = (found("spf", "spf-ptr", ERROR, "the record has ptr in it", record=record),)
    changed = (found("spf", "spf-ptr", ERROR, "the record has ptr in it", record="v=spf1 ptr -all"),)
    for findings, version, is_news in ((after, "9.9", False), (changed, "9.9", True), (after, "9.8", True)):
        domain = folded(None, look(BEGIN, before), 2, "9.8")
        domain = folded(domain_in(json.loads(json.dumps(asdict(domain)))), look(BEGIN + HOUR, findings), 2, version)
        assert bool(domain.checks["spf"].news) == is_news


def test_a_line_to_publish_is_whole_or_not_there() -> None:
    key = 'example.com. IN TXT "v=DKIM1; p=' + "A" * 700
    [kept] = bounded([replace(BAD[0], publish=key)])
    assert kept.publish == key
    [cut] = bounded([replace(BAD[0], publish=key * 2, record="v=spf1 " * 200)])
    assert cut.publish is None
    assert (cut.record or "").endswith(" ...")
    assert bounded([cut]) == (cut,)


def test_more_looks_that_are_wanted_by_a_new_configuration_end_nothing() -> None:
    domain = None
    for each in looks("well", "bad", "bad"):
        domain = folded(domain, each, 2)
    assert domain is not None
    history = History(site=SITE, sums=Sums(), started_at=0.0, domains={"example.com": domain})
    [firing] = dns_changed.evaluate(history.at(BEGIN + 9 * HOUR), DnsChanged(min_count=5))
    assert (firing.cause, firing.level) == ("dns-worse", "hold")


def test_before_a_domain_is_looked_at_what_was_told_of_it_is_not_over(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    rows = looks("well", "bad", "bad", "bad")
    said = [decided(store, anew(store, each.at), each) for each in rows[:3]]
    with store.transaction() as connection:
        connection.execute("DELETE FROM domain")
    decisions = anew(store, rows[2].at + 60)
    made = decisions.decide(Delta(), rows[2].at + 61, caught_up=True)
    assert said[-1] == ["first example.com:spf"]
    assert made is not None
    assert [notice.kind for notice in made.notices] == []
    store.close()


@pytest.mark.parametrize("words", [("no report",), ("well", "unknown")], ids=["no report", "unknown"])
def test_what_a_host_sleeps_through_is_not_unknown_for_long(words: tuple[str, ...]) -> None:
    domain = None
    for each in looks(*words):
        domain = folded(domain, each, 2)
    assert domain is not None
    history = History(site=SITE, sums=Sums(), started_at=0.0, domains={"example.com": domain})
    assert dns_changed.evaluate(history.at(BEGIN + 99 * HOUR), DnsChanged()) == []


def test_a_clock_that_went_back_makes_nothing_unknown_from_the_future() -> None:
    domain = folded(None, look(BEGIN, WELL), 2)
    for at in (BEGIN + 99 * HOUR, BEGIN + HOUR):
        domain = folded(domain, look(at, UNSEEN), 2)
    assert domain.checks["spf"].unknown_since == BEGIN + HOUR


def test_only_the_domain_that_has_changed_is_written(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    two = {name: folded(None, look(BEGIN, WELL, name), 2) for name in ("example.com", "example.net")}
    with store.transaction() as connection:
        ledger.write_domains(connection, two)
        before = connection.total_changes
        two["example.net"] = folded(two["example.net"], look(BEGIN + HOUR, WELL, "example.net"), 2)
        ledger.write_domains(connection, two)
        assert connection.total_changes == before + 1
        ledger.write_domains(connection, {"example.net": two["example.net"]})
    assert ledger.known_domains(tmp_path) == {"example.net": two["example.net"]}
    store.close()


def test_an_error_is_told_again_and_a_warning_and_what_was_there_are_not() -> None:
    def reminders(*steps: str) -> int:
        return sum(each.reason == "reminder-due" for each in told(looks(*steps)))

    assert reminders("well", *["bad"] * 10) > 5
    assert reminders("well", *["warning"] * 50) == 0
    assert reminders(*["bad"] * 50) == 0


def test_what_it_was_is_still_told_when_it_is_over() -> None:
    first, *_, last = told(looks("well", "bad", "bad", "well", "well"))
    assert last.kind == "resolved"
    assert last.alert.evidence == first.alert.evidence
    assert last.alert.evidence["was"] == "v=spf1 mx -all"


def test_of_a_warning_too() -> None:
    first, last = told(looks("well", "warning", "warning", "well", "well"))
    assert last.kind == "resolved"
    assert last.alert.evidence == first.alert.evidence


def test_a_letter_says_what_was_what_is_and_what_to_do() -> None:
    [notice] = told(looks("well", "bad", "bad"))
    letter = written(notice, Stationery(host="mx1", catalogue=catalogue()))
    assert letter.subject.startswith("[mx1] example.com spf: there are two SPF records (since ")
    lines = dict(line.split(":", 1) for line in letter.text.splitlines()[2:] if ":" in line)
    assert lines["was"].strip() == "v=spf1 mx -all"
    assert lines["now"].strip() == "v=spf1 -all, v=spf1 mx -all"
    assert lines["publish"].strip() == 'example.com. IN TXT "v=spf1 mx -all"'
    assert lines["do next"].strip() == "Leave one of them. Look again with: mailwatch check-dns example.com --only spf"


def test_a_letter_about_one_more_names_it_too() -> None:
    *_, notice = told(looks("well", "warning", "warning", "both warnings", "both warnings"))
    text = written(notice, Stationery(host="mx1", catalogue=catalogue())).text
    assert "the record ends in +all" in text
    assert "\nalso:         the record has ptr in it\n" in text


def test_at_the_first_look_a_letter_does_not_say_that_it_has_become_worse() -> None:
    for rows, is_worse in ((("grave", "grave"), False), (("well", "grave", "grave"), True)):
        *_, notice = told(looks(*rows))
        text = written(notice, Stationery(host="mx1", catalogue=catalogue())).text
        assert ("has become worse" in text) == is_worse
        assert "Leave one of them. Look again with: mailwatch check-dns example.com --only spf" in text


def test_what_is_over_is_not_told_as_what_is_now_and_nothing_is_to_be_published() -> None:
    *_, notice = told(looks("well", "bad", "bad", "well", "well"))
    text = written(notice, Stationery(host="mx1", catalogue=catalogue())).text
    assert "\nthen:         v=spf1 -all, v=spf1 mx -all\n" in text
    assert "\nnow:" not in text
    assert "publish" not in text


def test_what_cannot_be_checked_besides_what_never_could_is_told() -> None:
    lists = (found("blocklists", "blocklists-unknown", UNKNOWN, "refused"),)
    rows = [look(BEGIN + at * HOUR, (*WELL, *lists)) for at in range(9)]
    rows += [look(BEGIN + at * HOUR, (*UNSEEN, *lists)) for at in range(9, 20)]
    notices = told(rows)
    assert [(each.kind, each.alert.evidence["checks"]) for each in notices] == [
        ("first", "blocklists"),
        ("reminder", "spf, blocklists"),
    ]


def test_what_to_do_names_files_of_postfix_as_they_are_and_links_nothing() -> None:
    said = quotable_about("example.com", "Set myhostname in main.cf, not in http://main.cf/x or main.cf.example")
    assert said == "Set myhostname in main.cf, not in hxxp[:]//main[.]cf/x or main.cf[.]example"


def test_what_hostile_dns_says_is_dead_and_bounded_in_a_letter() -> None:
    evil = found(
        "spf",
        "spf-x",
        ERROR,
        "<b>see http://evil.example/</b>\x1b[2J" * 99,
        record="\u202e<script>@everyone" * 9999,
    )
    [notice] = told([look(BEGIN, FINDINGS["well"]), *(look(BEGIN + at, (evil,)) for at in (1, 2))])
    letter = written(notice, Stationery(host="mx1", catalogue=catalogue()))
    assert len(letter.text) < 3000
    assert "<script" not in letter.html
    assert "http://" not in letter.text
    assert letter.subject.isprintable()
    assert not {each for each in letter.text if not each.isprintable()} - {"\n"}


def test_the_first_look_of_several_faults_is_one_notice() -> None:
    both = (*(FINDINGS["bad"] or ()), found("dmarc", "dmarc-none", WARNING, "no policy"))
    [notice] = told([look(BEGIN, both), look(BEGIN + 300, both)])
    assert notice.alert.evidence["checks"] == "spf, dmarc"
    assert notice.alert.count == 2


def test_before_the_last_look_nothing_is_told_and_nothing_ends() -> None:
    domain = None
    for each in looks("well", "bad", "bad"):
        domain = folded(domain, each, 2)
    assert domain is not None
    history = History(site=SITE, sums=Sums(), started_at=0.0, domains={"example.com": domain})
    [firing] = dns_changed.evaluate(history.at(BEGIN + HOUR), DnsChanged())
    assert (firing.level, firing.cause) == ("unknown", "*")


@pytest.mark.parametrize("success", [True, None])
def test_what_dns_does_not_tell_is_no_fault_of_mailwatch(success: bool | None) -> None:
    probes = (
        Probe(name=DNS, instance="example.com", at=BEGIN, success=success, trouble="no report within 25 s"),
        Probe(name="x", at=BEGIN, success=None, trouble="for comparison"),
    )
    site = Site(host="mx1", severities={}, looked_at=False)
    history = History(site=site, sums=Sums(), started_at=0.0, probes=probes)
    [firing] = own_health.evaluate(history.at(BEGIN + 9 * HOUR), OwnHealth())
    assert firing.evidence["probes"] == "x"


def decided(store: Store, decisions: Decisions, each: DomainLook) -> list[str]:
    """Take in a look, decide and commit; what was told."""
    decisions.take([each])
    made = decisions.decide(Delta(), each.at + 1, caught_up=True)
    assert made is not None
    assert made.pressing
    store.commit(Delta(), {}, each.at + 1, lambda connection: ledger.write(connection, made, [], {}, each.at + 1))
    decisions.settled(each.at + 1)
    return [f"{notice.kind} {notice.alert.scope}" for notice in made.notices if notice.kind != "reminder"]


def anew(store: Store, now: float, options: Options = OPTIONS) -> Decisions:
    with store.reading() as connection:
        return Decisions(SITE, options, ledger.read(connection, now), now)


def test_what_changed_survives_a_restart_between_any_two_commits(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    rows = looks("well", "bad", "no report", "bad", "well", "unknown", "well")
    said = [decided(store, anew(store, each.at), each) for each in rows]
    assert said == [[], [], [], ["first example.com:spf"], [], [], ["resolved example.com:spf"]]
    assert ledger.known_domains(tmp_path).keys() == {"example.com"}
    store.close()


def test_a_state_of_an_earlier_version_that_cannot_be_written_still_says_who_was_told(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    for each in looks("well", "bad", "bad"):
        decided(store, anew(store, each.at), each)
    with store.transaction() as connection:
        connection.execute("DROP TABLE domain")
    with store.reading() as connection:
        found = ledger.read(connection, BEGIN)
    assert [key[1] for key in found.alerts if key[0] == "dns_changed"] == ["dns-worse"]
    assert dict(found.domains) == {}
    store.close()


def test_a_state_of_an_earlier_version_that_cannot_be_written_still_has_its_counters_on_the_page(
    tmp_path: Path,
) -> None:
    store = Store.open(tmp_path, BEGIN)
    delta = Delta()
    delta.count("log_lines", BEGIN, ())
    store.commit(delta, {}, BEGIN)
    with store.transaction() as connection:
        connection.execute("DROP TABLE domain")
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.counters["log_lines", ()] == 1
    store.close()


@pytest.mark.parametrize("content", ["[]", "3", "{}", "null", "nonsense", '{"name": "a"}', '{"checks": {"spf": 3}}'])
def test_what_another_version_wrote_of_a_domain_is_left_out(tmp_path: Path, content: str) -> None:
    store = Store.open(tmp_path, BEGIN)
    with store.transaction() as connection:
        connection.execute("INSERT INTO domain VALUES ('example.com', '{}', ?)", (content,))
    assert ledger.known_domains(tmp_path) == {}
    store.close()


def test_a_domain_or_check_that_is_left_out_is_forgotten(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    two = (*(FINDINGS["well"] or ()), found("mx", "mx-ok", OK, "there are two"))
    decided(store, anew(store, BEGIN), look(BEGIN, two))
    left = Options(dns=DnsOptions(domains=("example.com",), skip=("mx",)))
    for options, expected in ((left, {"spf"}), (Options(), set())):
        decisions = anew(store, BEGIN + 60, options)
        made = decisions.decide(Delta(), BEGIN + 61, caught_up=True)
        assert made is not None
        assert made.pressing
        store.commit(Delta(), {}, BEGIN + 61, lambda c, made=made: ledger.write(c, made, [], {}, BEGIN + 61))  # type: ignore[misc]
        known = ledger.known_domains(tmp_path)
        assert {check for domain in known.values() for check in domain.checks} == expected
    # and of a domain that is not configured a late look is none
    decisions.take([look(BEGIN + 70, two)])
    assert decisions.domains == {}
    store.close()


def test_a_commit_that_fails_forgets_nothing_of_a_look() -> None:
    decisions = Decisions(SITE, OPTIONS, Remembered(), BEGIN)
    decisions.take([look(BEGIN, FINDINGS["well"])])
    decisions.decide(Delta(), BEGIN + 1, caught_up=True)
    decisions.undo()
    assert decisions.standing().pressing
    assert decisions.standing().domains is not None
    decisions.settled(BEGIN + 2)
    assert decisions.standing().domains is None


def page(domain: Domain) -> dict[tuple[str, ...], float]:
    snapshot = Snapshot(
        counters={}, delays={}, open_messages=0, last_event_at=None, domains={domain.name: numbers(domain)}
    )
    return {
        (
            sample.name.removeprefix("mailwatch_dns_"),
            *(sample.labels[key] for key in sorted(sample.labels)),
        ): sample.value
        for family in domains(snapshot)
        for sample in family.samples
    }


def test_on_the_page_what_is_unknown_is_absent_and_when_it_was_known_stays() -> None:
    known = folded(None, look(BEGIN, (*(FINDINGS["bad"] or ()), found("mx", "mx-ok", OK, "x")), spf_lookups=7), 2)
    assert page(known) == {
        ("check_status", "spf", "example.com"): 2.0,
        ("check_status", "mx", "example.com"): 0.0,
        ("check_last_success_timestamp_seconds", "spf", "example.com"): BEGIN,
        ("check_last_success_timestamp_seconds", "mx", "example.com"): BEGIN,
        ("check_findings", "example.com", "error"): 1.0,
        ("check_findings", "example.com", "warning"): 0.0,
        ("check_findings", "example.com", "unknown"): 0.0,
        ("check_findings", "example.com", "ok"): 1.0,
        ("check_findings", "example.com", "not-applicable"): 0.0,
        ("spf_lookups", "example.com"): 7.0,
    }
    one = folded(known, look(BEGIN + 60, (*(FINDINGS["unknown"] or ()), found("mx", "mx-ok", OK, "x"))), 2)
    shown = page(one)
    assert ("check_status", "spf", "example.com") not in shown
    assert shown["check_last_success_timestamp_seconds", "spf", "example.com"] == BEGIN
    assert shown["check_last_success_timestamp_seconds", "mx", "example.com"] == BEGIN + 60
    none = page(folded(one, look(BEGIN + 120, None), 2))
    assert {key[0] for key in none} == {"check_last_success_timestamp_seconds"}


def test_the_page_reads_it_from_the_state(tmp_path: Path) -> None:
    store = Store.open(tmp_path, BEGIN)
    decided(store, anew(store, BEGIN), look(BEGIN, FINDINGS["bad"]))
    store.close()
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.domains["example.com"]["status"] == {"spf": 2}


verdicts = st.sampled_from([OK, WARNING, ERROR, UNKNOWN, NOT_APPLICABLE])
codes = st.sampled_from(["spf-a", "spf-b", "spf-fail"])
some = st.lists(st.tuples(codes, verdicts), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), some), max_size=12))
def test_whatever_is_found_nothing_raises_and_between_two_beginnings_is_an_end(
    rows: list[list[tuple[str, str]] | None],
) -> None:
    made = [
        look(BEGIN + at * HOUR, None if row is None else tuple(found("spf", *each, "x") for each in row))
        for at, row in enumerate(rows)
    ]
    notices = [each for each in told(made) if each.reason not in ("reminder-due", "worse", "one-more")]
    for scope in {each.alert.key for each in notices}:
        kinds = [each.kind for each in notices if each.alert.key == scope]
        assert kinds == ["first", "resolved"] * (len(kinds) // 2) + ["first"] * (len(kinds) % 2)
    domain: Domain | None = None
    for each in made:
        domain = folded(domain, each, 2)
    if domain is not None:
        assert domain_in(json.loads(json.dumps(asdict(domain)))) == domain


def has(row: list[tuple[str, str]] | None, verdict: str) -> bool:
    return any(each[1] == verdict for each in row or ())


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.none(), some), max_size=12), st.integers(0, 11))
def test_nobody_is_paged_by_one_look(rows: list[list[tuple[str, str]] | None], restart: int) -> None:
    made = [
        look(BEGIN + at * HOUR, None if row is None else tuple(found("spf", *each, "x") for each in row))
        for at, row in enumerate(rows)
    ]
    for notice in told(made, restart=restart):
        at = int((notice.at - BEGIN) // HOUR)
        if notice.severity == "page" and notice.reason in ("lasted", "worse"):
            # looks that hide something tell nothing of what is not in them
            whole = [row for row in rows[: at + 1] if has(row, ERROR) or not (row is None or has(row, UNKNOWN))]
            assert [has(row, ERROR) for row in whole[-2:]] == [True, True]
