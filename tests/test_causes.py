"""Why mail fails: the labelled set, the rules as data, and what is looked at to tell."""

from __future__ import annotations

import doctest
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

import mailwatch.cause
from mailwatch.cause import CAUSES, RECIPIENT, RELAY, SIDES, Relays, blanked, unwrapped
from mailwatch.causes import Judge, Rule, RuleError, Rules, catalogue, own_rules, read_rules
from mailwatch.commands import COMMANDS
from mailwatch.commands.explain import explained
from mailwatch.event import Delivery, Origin
from mailwatch.parsers.postfix import PostfixParser

FOLDER = Path(__file__).parent / "causes"
LOGS = Path(__file__).parent / "logs"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
RULES = own_rules()
SEEN, HELD = (
    [
        {**json.loads(line), "file": file.stem}
        for file in sorted((FOLDER / kind).glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    for kind in ("seen", "held")
)
RIGHT_OF_ALL, RIGHT_OF_HELD = 0.95, 0.90


def told(row: dict[str, Any]) -> tuple[str, str] | None:
    """Cause and scope of a row, as ``mailwatch explain`` tells them on a machine with its relays."""
    relays = Relays(frozenset(each.lower() for each in row.get("relays", ())))
    found = explained(Judge(RULES, relays), row["text"], row.get("side"), ("postfix",))
    return None if found is None else (found.cause.name, found.cause.scope)


def is_right(row: dict[str, Any]) -> bool:
    found = told(row)
    return found is not None and found[0] == row["cause"]


def wrong(rows: list[dict[str, Any]]) -> list[str]:
    return [
        f"{row['file']}: {row['about']}: {told(row)} for {row['cause']}: {row['text'][:160]}"
        for row in rows
        if not is_right(row)
    ]


def test_the_labelled_set_is_large_and_names_every_cause() -> None:
    rows = SEEN + HELD
    assert len(rows) >= 400
    assert len({row["text"] for row in rows}) == len(rows)
    missing = set(CAUSES) - {row["cause"] for row in rows} - {"unknown", "expired", "postfix-down"}
    assert not missing


def test_almost_all_of_the_labelled_set_is_told_rightly() -> None:
    rows = SEEN + HELD
    found = wrong(rows)
    assert len(found) <= len(rows) * (1 - RIGHT_OF_ALL), "\n".join(found)


def test_lines_the_rules_were_not_written_from_are_told_rightly() -> None:
    found = wrong(HELD)
    assert len(found) <= len(HELD) * (1 - RIGHT_OF_HELD), "\n".join(found)


def test_what_failed_is_told_with_the_side_it_failed_on() -> None:
    found = [
        f"{row['about']}: {told(row)} for {row['scope']}"
        for row in SEEN + HELD
        if is_right(row) and told(row) != (row["cause"], row["scope"])
    ]
    assert len(found) <= len(SEEN + HELD) * (1 - RIGHT_OF_ALL), "\n".join(found)


def expected_of_logs() -> list[Any]:
    """The causes that count as right for the most frequent failure of each recorded fault, and its scope."""
    rows = [line.split("\t") for line in (FOLDER / "faults.tsv").read_text().splitlines() if not line.startswith("#")]
    return [pytest.param(log, causes.split("|"), scope, id=log) for log, causes, scope in rows]


@pytest.mark.parametrize(("log", "causes", "scope"), expected_of_logs())
def test_every_recorded_fault_has_its_cause(log: str, causes: list[str], scope: str) -> None:
    judge = Judge(RULES, Relays(all_mail=True))
    events = PostfixParser(zone=UTC).parse((LOGS / f"{log}.log").read_bytes(), NOW).events
    found = Counter((cause.name, cause.scope) for cause in map(judge, events) if cause is not None)
    assert found
    (name, side), _ = found.most_common(1)[0]
    assert name in causes, found
    assert side in scope.split("|"), found


NO_NAME = "hostname x.example does not resolve to address 192.0.2.1: Temporary failure in name resolution"
NO_LIST = "1.2.0.192.list.example: RBL lookup error: Host or domain name not found. Name service error for name=1.2.0.192.list.example type=A: Host not found, try again"
NO_TLS = "TLS library problem: error:0A00010B:SSL routines::wrong version number:../ssl/record/ssl3_record.c:354:"
NO_KEY = "cannot get RSA certificate from file /etc/ssl/mail.pem: disabling TLS support"


@pytest.mark.parametrize(
    ("program", "text", "side"),
    [
        *((program, text, "client") for program in ("smtpd", "smtps/smtpd", "postscreen", "tlsproxy", "dnsblog")
          for text in (NO_NAME, NO_LIST, NO_TLS)),
        *((program, text, "local") for program in ("smtp", "lmtp", "trivial-rewrite", "cleanup") for text in (NO_LIST, NO_TLS)),
        ("smtpd", NO_KEY, "local"),
        ("tlsproxy", NO_KEY, "local"),
    ],
)  # fmt: skip
def test_what_strangers_make_a_server_warn_of_is_on_their_side(program: str, text: str, side: str) -> None:
    line = f"Nov 22 06:13:04 mx postfix/{program}[4]: warning: {text}\n"
    (event,) = PostfixParser(zone=UTC).parse(line.encode(), NOW).events
    cause = Judge(RULES, Relays())(event)
    assert cause is not None
    assert cause.scope == side, cause


def test_every_cause_is_in_the_catalogue_with_a_next_step() -> None:
    for cause, entry in catalogue().items():
        assert entry.title, cause
        assert len(entry.title) <= 60
        assert entry.fix, cause
        assert len(entry.fix) <= 240
        named = re.findall(r"mailwatch ([a-z-]+)", f"{entry.fix} {entry.meaning}")
        assert not set(named) - set(COMMANDS), cause


def decided(row: dict[str, Any]) -> tuple[str | None, list[Rule]]:
    """The rule that decides a row, and all that hold, in order."""
    relays = Relays(frozenset(each.lower() for each in row.get("relays", ())))
    found = explained(Judge(RULES, relays), row["text"], row.get("side"), ("postfix",))
    if found is None:
        return None, []
    return found.cause.rule, list(RULES.holding(found.said, row.get("side") or found.cause.scope))


def test_every_rule_decides_a_line_of_the_set() -> None:
    decisive = {decided(row)[0] for row in SEEN}
    assert not [rule.id for rule in RULES.rules if rule.id not in decisive]


def test_no_two_rules_of_a_layer_claim_a_line_for_different_causes() -> None:
    found = {}
    for row in SEEN + HELD:
        rules = decided(row)[1]
        rival = next((rule for rule in rules if rule.layer == rules[0].layer and rule.cause != rules[0].cause), None)
        if rival is not None:
            found[rules[0].id, rival.id] = row["text"]
    assert not found


FAMILIES = {
    "amavis": ("exim", "local-delivery"), "barracuda": ("barracuda",), "blocklists": ("blocklists",), "brevo": ("brevo",),
    "cisco": ("ironport",), "comcast": ("comcast",), "exchange": ("exchange",), "exim": ("exim",), "gmx": ("gmx",),
    "google": ("gmail", "gmail-relay"), "icloud": ("icloud",), "mailgun": ("mailgun",), "mailjet": ("mailjet",),
    "microsoft": ("outlook", "microsoft-relay"), "mimecast": ("mimecast",), "orange": ("orange",), "postmark": ("postmark",),
    "proofpoint": ("proofpoint",), "qmail": ("qmail",), "sendgrid": ("sendgrid",), "sendmail": ("sendmail",), "ses": ("ses",),
    "sparkpost": ("sparkpost",), "yahoo": ("yahoo", "yahoo-relay"),
}  # fmt: skip
"""The files of lines that try a provider's rules."""


def test_every_provider_has_eight_lines() -> None:
    assert {rule.id.split("-")[0] for rule in RULES.rules if rule.layer == "provider"} == set(FAMILIES)
    lines = Counter(row["family"] for row in SEEN + HELD)
    assert not [file for file, families in FAMILIES.items() if any(lines[each] < 8 for each in families)]


@pytest.mark.parametrize(
    ("reply", "side", "cause"),
    [
        ("452 4.2.2 Mailbox full", RECIPIENT, "mailbox-full"),
        ("552 5.2.2 over quota", RECIPIENT, "mailbox-full"),
        ("550 5.1.1 User unknown", RECIPIENT, "user-unknown"),
        ("550 no such user here", RECIPIENT, "user-unknown"),
        ("550 5.2.1 account is disabled", RECIPIENT, "mailbox-disabled"),
        ("550 5.7.1 Message rejected as spam", RECIPIENT, "content-spam"),
        ("554 5.7.1 virus found", RECIPIENT, "content-virus"),
        ("550 5.7.1 rejected by DMARC policy", RECIPIENT, "dmarc-rejected"),
        ("550 5.7.23 SPF check failed", RECIPIENT, "spf-rejected"),
        ("550 5.7.20 DKIM signature invalid", RECIPIENT, "dkim-rejected"),
        ("550 5.7.25 no PTR record", RECIPIENT, "ptr-missing"),
        ("554 5.7.1 your IP is blacklisted", RECIPIENT, "blocklisted"),
        ("450 4.2.0 Greylisted, try again later", RECIPIENT, "greylisted"),
        ("421 4.7.0 too many connections", RECIPIENT, "rate-limited"),
        ("554 5.7.1 Relay access denied", RECIPIENT, "domain-refuses-mail"),
        ("554 5.7.1 Relay access denied", RELAY, "relay-denied"),
        ("550 5.7.1 Relaying denied", RELAY, "relay-denied"),
        ("530 5.7.0 Authentication required", RELAY, "relay-denied"),
        ("535 5.7.8 Authentication failed", RELAY, "relay-auth-failed"),
        ("535 5.7.0 Invalid login or password", RELAY, "relay-auth-failed"),
        ("554 5.7.1 your account has been suspended", RELAY, "relay-suspended"),
        ("452 4.7.1 daily sending quota exceeded", RELAY, "quota-exceeded"),
        ("421 4.7.0 rate limit exceeded", RELAY, "rate-limited"),
        ("550 5.7.1 sender address not verified", RELAY, "sender-unverified"),
        ("550 5.1.1 address is on the suppression list", RELAY, "suppressed"),
        ("530 5.7.0 Must issue a STARTTLS command first", RELAY, "tls-failed"),
        ("552 5.3.4 message size exceeds limit", RECIPIENT, "message-too-big"),
        ("554 5.4.6 too many hops", RECIPIENT, "mail-loop"),
        ("550 5.6.0 missing From header", RECIPIENT, "content-malformed"),
        ("452 4.3.1 insufficient system storage", RECIPIENT, "remote-disk-full"),
        ("451 4.3.0 internal error, try again later", RECIPIENT, "remote-system"),
        ("554 5.7.1 refused by policy", RECIPIENT, "policy"),
    ],
)
def test_what_everybody_says_is_decided_by_no_providers_rule(reply: str, side: str, cause: str) -> None:
    rules = list(RULES.holding(unwrapped(reply), side))
    assert rules[0].cause == cause
    assert rules[0].layer != "provider", rules[0].id


def test_patterns_are_small() -> None:
    """Gaps and counted repetitions multiply RE2's states: memory, and time for each new reply."""
    sizes = {rule.id: sum(re2.compile(each).programsize for each in rule.patterns) for rule in RULES.rules}
    assert not {each: size for each, size in sizes.items() if size > 1000}


def test_the_ids_of_rules_are_unique() -> None:
    assert not [each for each, times in Counter(rule.id for rule in RULES.rules).items() if times > 1]


GOOD = 'title = "x"\nlayer = "keywords"\n'


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("title = ", "mine.toml: Invalid value (at end of document)"),
        ('layer = "keyword"', "mine.toml: layer: expected one of local, client, provider, sasl, tls, dns, connection, verdict, keywords, enhanced, code, found 'keyword'"),
        (GOOD + "[[rules]]", "mine.toml: rules: unknown key; did you mean rule?"),
        (GOOD + '[[rule]]\nid="a"\npattern="x"\ncause="mailbox-ful"', "mine.toml: rule a: cause: there is no 'mailbox-ful'; did you mean mailbox-full?"),
        (GOOD + '[[rule]]\nid="a"\npattern="(x"\ncause="policy"', "mine.toml: rule a: pattern: missing ): (x (RE2 syntax: no look-around, no back-references)"),
        (GOOD + '[[rule]]\nid="a"\npattern="x"\ncause="policy"\non=["server"]', "mine.toml: rule a: on: expected one of relay, recipient, local, client, found 'server'"),
        (GOOD + '[[rule]]\nid="a"\npattern="x"\ncause="quota-exceeded"\nscope="recipient"', "mine.toml: rule a: scope: quota-exceeded is a cause at relay, not at recipient"),
        (GOOD + '[[rule]]\npattern=1\ncause="policy"', "mine.toml: rule 1: id: expected a text, found None"),
        (GOOD + '[[rule]]\nid="a"\npattern="x.{0,900}y|z.{0,900}y"\ncause="policy"', "mine.toml: rule a: pattern: pattern too large - compile failed (RE2 syntax: no look-around, no back-references)"),
        (GOOD + '[[rule]]\nid="a"\ncause="policy"', "mine.toml: rule a: pattern: expected a pattern or a list of them, or a code or dsn to go by alone"),
        (GOOD + '[[rule]]\nid="a"\ncause="policy"\npattern=["x", 7]', "mine.toml: rule a: pattern: expected a text, found 7"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_with_what_to_do(text: str, mistake: str) -> None:
    with pytest.raises(RuleError) as error:
        read_rules("mine.toml", text)
    assert error.value.mistakes[0] == mistake


@pytest.mark.parametrize(
    ("text", "inner", "code", "dsn", "host"),
    [
        ("host mx.example[192.0.2.7] said: 550-5.1.1 The address 550-5.1.1 you reached 550 5.1.1 does not exist (in reply to RCPT TO command)", "550-5.1.1 The address you reached does not exist", "550", "5.1.1", "mx.example"),
        ("delivery temporarily suspended: host mx.example[2001:db8::7]:25 refused to talk to me: 421 4.7.0 busy", "421 4.7.0 busy", "421", "4.7.0", "mx.example"),
        ("connect to mx.example[192.0.2.7]:25: Connection timed out", "connect to mx.example[192.0.2.7]:25: Connection timed out", None, None, "mx.example"),
        ("SASL authentication failed; server smtp.example[192.0.2.7] said: 535 5.7.8 no", "SASL authentication failed; server said: 535 5.7.8 no", "535", "5.7.8", "smtp.example"),
        ("Host or domain name not found. Name service error for name=smtp.example type=AAAA: Host not found", "Host or domain name not found. Name service error for name=smtp.example type=AAAA: Host not found", None, None, "smtp.example"),
        ("550 5.7.1 first#012550 5.7.1 second", "550 5.7.1 first second", "550", "5.7.1", None),
        ('unknown user: "x"', 'unknown user: "x"', None, None, None),
    ],
)  # fmt: skip
def test_the_innermost_reply_is_what_is_looked_at(
    text: str, inner: str, code: str | None, dsn: str | None, host: str | None
) -> None:
    said = unwrapped(text)
    assert (said.text, said.code, said.dsn, said.host) == (inner, code, dsn, host)


def test_which_side_it_is_is_told_by_the_host() -> None:
    relays = Relays(frozenset({"smtp.example", "192.0.2.9"}))
    assert relays.side("SMTP.example.", "198.51.100.1") == RELAY
    assert relays.side("other.example", "192.0.2.9") == RELAY
    assert relays.side("mx.example", "198.51.100.1") == RECIPIENT
    assert relays.side("email-smtp.eu-west-1.amazonaws.com", "198.51.100.1") == RELAY
    assert relays.side("smtp.sendgrid.net.evil.example", "198.51.100.1") == RECIPIENT
    assert Relays(all_mail=True).side(None, None) == RELAY
    assert Relays().side(None, None) == RECIPIENT


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=5000), st.sampled_from(SIDES))
def test_no_text_raises_and_every_cause_can_be_on_its_side(text: str, side: str) -> None:
    cause = RULES.tell(unwrapped(text), side)
    assert cause.scope in CAUSES[cause.name]


def test_an_operators_rule_wins_over_ours() -> None:
    mine = read_rules(
        "mine.toml", 'layer = "provider"\n[[rule]]\nid = "mine"\npattern = "user unknown"\ncause = "policy"\n'
    )
    said = unwrapped("host mx.example[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command)")
    assert own_rules().tell(said, RECIPIENT).name == "user-unknown"
    assert own_rules(mine).tell(said, RECIPIENT) == ("policy", RECIPIENT, "mine")


def deferred(text: str, host: str = "mx.example") -> Delivery:
    return Delivery(
        at=NOW, origin=Origin("mx", "postfix", None, "smtp", 1), queue_id="ABCDEF", recipient="a@b.example",
        original_recipient=None, relay_text=f"{host}[192.0.2.7]:25", delay_text="1", delays_text="0/0/0/1", tls=None, dsn="4.0.0",
        status="deferred", text=text,
    )  # fmt: skip


def test_what_was_decided_is_remembered_with_a_bound() -> None:
    judge = Judge(
        Rules(read_rules("x.toml", GOOD + '[[rule]]\nid="a"\npattern="full"\ncause="mailbox-full"')), Relays()
    )
    long = "x" * 1000
    for number in range(10_000):
        assert judge(deferred(f"452 {number} full")) == ("mailbox-full", RECIPIENT, "a")
        assert judge(deferred(f"452 {number} {long} full")) == ("mailbox-full", RECIPIENT, "a")
    assert 0 < len(judge._remembered) <= 4096
    assert max(len(str(key)) for key in judge._remembered) < 1024


def test_the_same_words_of_another_host_are_decided_anew() -> None:
    judge = Judge(Rules(read_rules("x.toml", GOOD + '[[rule]]\nid="a"\npattern="full"\ncause="mailbox-full"')),
                  Relays(frozenset({"smtp.example"})))  # fmt: skip
    assert [judge(deferred("452 full", host)) for host in ("mx.example", "smtp.example", "mx.example")] == [
        ("mailbox-full", RECIPIENT, "a"), ("mailbox-full", RELAY, "a"), ("mailbox-full", RECIPIENT, "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("550 <mailbox-full@shop.example>: no such user", "550 <@shop.example>: no such user"),
        ('550 <"user unknown, full"@shop.example> gone', "550 <@shop.example> gone"),
        ("from=<a+b@c.example> to=<d@e.example>", "from=<@c.example> to=<@e.example>"),
        ("over quota@x", "over @x"),
        ("@" * 9, "@" * 9),
        ("no address", "no address"),
        ("x" * 5000, "x" * 2048),
    ],
)
def test_local_parts_of_addresses_decide_nothing(text: str, left: str) -> None:
    assert blanked(text) == left
    assert blanked(left) == left


def test_the_examples_in_the_words_are_true() -> None:
    assert doctest.testmod(mailwatch.cause).failed == 0


def test_a_rule_of_several_patterns_holds_by_any_of_them_and_once() -> None:
    rules = Rules(read_rules("x.toml", GOOD + '[[rule]]\nid="a"\npattern=["full", "over quota"]\ncause="mailbox-full"'))
    assert [rule.id for rule in rules.holding(unwrapped("452 full, over quota"), RECIPIENT)] == ["a"]
    assert rules.tell(unwrapped("452 OVER QUOTA"), RECIPIENT).name == "mailbox-full"
    assert rules.words(rules.rules[0], unwrapped("452 is over quota now")) == "over quota"


def test_a_rule_without_a_pattern_goes_by_codes_alone() -> None:
    rules = Rules(read_rules("x.toml", GOOD + '[[rule]]\nid="a"\ndsn="5[.]2[.]2"\ncause="mailbox-full"'))
    assert rules.tell(unwrapped("550 5.2.2 whatever"), RECIPIENT).name == "mailbox-full"
    assert rules.tell(unwrapped("550 5.2.1 whatever"), RECIPIENT).name == "unknown"
