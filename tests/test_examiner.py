"""A domain is examined in a process of its own: whatever that does or says, there is a look, in time and bounded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwatch.domain import folded
from mailwatch.options import DnsOptions
from mailwatch.probes.domains import DomainRounds, domain_jobs
from mailwatch.probes.examiner import command, examined, read
from tests.parts.examiner import found, look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mailwatch.domain import DomainLook

OPTIONS = DnsOptions(domains=("example.com",), deadline=5)
OK = {"check": "spf", "code": "spf-ok", "verdict": "ok", "text": "one record", "record": "v=spf1 -all"}
CHECKS = ("spf", "mx")


def report(*findings: Mapping[str, object], **more: object) -> str:
    return json.dumps({"domain": "example.com", "verdict": "ok", "findings": findings, **more})


def program(text: str) -> tuple[str, ...]:
    """A stand-in for the command, in Python."""
    return (sys.executable, "-c", text)


def test_what_is_handed_over_is_options_of_the_command_and_the_domain_last() -> None:
    options = DnsOptions(
        domains=("example.com",), resolver="192.0.2.53", skip=("caa",), ip=("192.0.2.25",), helo="mx", selectors=("s1",)
    )
    words = command("example.com", options, ("mailwatch", "check-dns"))
    assert words[:3] == ["mailwatch", "check-dns", "--json"]
    assert words[3:7] == ["--deadline=20", "--resolver=192.0.2.53", "--helo=mx", "--ip=192.0.2.25"]
    assert words[7] == "--selector=s1"
    assert words[8].startswith("--only=spf,")
    assert "caa" not in words[8]
    assert words[9:] == ["--", "example.com"]
    assert command("example.com", OPTIONS, ("x",)) == ["x", "--json", "--deadline=5", "--", "example.com"]


def test_a_check_may_be_spelt_as_the_command_spells_it() -> None:
    assert DnsOptions(only=("mta-sts", "TLS_RPT")).checks == ("mta_sts", "tls_rpt")
    assert {*DnsOptions().checks} - {*DnsOptions(skip=("mta-sts",)).checks} == {"mta_sts"}


@pytest.mark.parametrize(("result", "expected"), [("pass", 7), ("permerror", 7), ("temperror", None), ("none", None)])
def test_look_ups_of_a_record_that_nobody_has_seen_are_not_known(result: str, expected: int | None) -> None:
    seen = read("example.com", report(OK, spf={"result": result, "lookups": 7}).encode(), 1.0, CHECKS)
    assert seen is not None
    assert seen.spf_lookups == expected


def test_a_report_is_read_whatever_the_exit_code() -> None:
    said = report({**OK, "verdict": "error", "ttl": 300, "fix": "do"}, spf={"result": "pass", "lookups": 7})
    seen = examined("example.com", OPTIONS, program(f"import sys; print({said!r}); sys.exit(2)"))
    assert seen.success is True
    assert seen.spf_lookups == 7
    [finding] = seen.findings["spf"]
    assert (finding.verdict, finding.record, finding.ttl, finding.fix) == ("error", "v=spf1 -all", 300, "do")


BROKEN: dict[str, tuple[str, str]] = {
    "a usage error, which ends with 2 as an error does": (
        "import sys; sys.stderr.write('Usage: x\\nError: No such option: --json\\n'); sys.exit(2)",
        "mailwatch check-dns ended with 2: Error: No such option: --json"),
    "nothing at all": ("pass", "mailwatch check-dns ended with 0: it does not say why"),
    "no JSON": ("print('all is well')", "mailwatch check-dns ended with 0: it does not say why"),
    "half of a report": ("print('{\"findings\": [')", "mailwatch check-dns ended with 0: it does not say why"),
    "a traceback": ("1/0", "mailwatch check-dns ended with 1: ZeroDivisionError: division by zero"),
    "a process that is killed": (
        "import os; os.kill(os.getpid(), 9)", "mailwatch check-dns ended with -9: it does not say why"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "trouble"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_report_is_unknown_and_says_why(text: str, trouble: str) -> None:
    seen = examined("example.com", OPTIONS, program(text))
    assert (seen.success, seen.trouble, dict(seen.findings)) == (None, trouble, {})


def test_a_program_that_there_is_not_is_unknown() -> None:
    seen = examined("example.com", OPTIONS, ("/nonexistent/mailwatch",))
    assert (seen.success, seen.trouble) == (None, "cannot start a process for it: No such file or directory")


def test_one_that_hangs_is_killed_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.probes.examiner.MARGIN", 0.0)
    noted = tmp_path / "pid"
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(noted)!r}, 'w').write(str(child.pid))\ntime.sleep(600)"
    )
    begun = time.monotonic()
    seen = examined("example.com", DnsOptions(domains=("example.com",), deadline=2), program(text))
    assert time.monotonic() - begun < 20
    assert (seen.success, seen.trouble) == (None, "no report within 2 s")
    # what it started is gone, too, or waits to be buried
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", noted.read_text()], capture_output=True, text=True, check=False
    ).stdout
    assert shown.strip()[:1] in ("", "Z")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_words_are_not_kept(stream: str) -> None:
    seen = examined(
        "example.com",
        DnsOptions(domains=("example.com",), deadline=2),
        program(f"import sys\nfor _ in range(40): sys.{stream}.write('x' * (1 << 20))"),
    )
    assert seen.success is None
    assert seen.trouble is not None
    assert len(seen.trouble) <= 300


def test_of_a_report_only_what_is_known_is_taken_and_texts_are_on_one_line_and_bounded() -> None:
    many = [
        {**OK, "verdict": "warning", "code": f"spf-{number}", "text": "a\n\x1b[2Jb" * 9999} for number in range(900)
    ]
    said = report(*many, {**OK, "check": "../x"}, {**OK, "verdict": "fine"}, {"check": "mx"}, spf=7)
    seen = read("example.com", said.encode()[: 1 << 30], 1.0, CHECKS) if len(said) < 1 << 20 else None
    assert seen is None  # it is larger than a report may be
    few = [{**each, "text": each["text"][:9999]} for each in many[:40]]
    seen = read("example.com", report(*few, *[{**OK, "check": "x"}], spf={"lookups": -1}).encode(), 1.0, CHECKS)
    assert seen is not None
    assert set(seen.findings) == {"spf"}
    assert len(seen.findings["spf"]) == 32
    assert all(each.record is None for each in seen.findings["spf"][4:])
    assert all(len(each.text) <= 300 and each.text.isprintable() for each in seen.findings["spf"])
    assert seen.spf_lookups is None


def test_that_something_is_unknown_is_not_lost_behind_what_was_found() -> None:
    bad = [{**OK, "verdict": "error", "code": f"spf-{number}"} for number in range(40)]
    seen = read("example.com", report(*bad, {**OK, "verdict": "unknown", "code": "spf-unknown"}).encode(), 1.0, CHECKS)
    assert seen is not None
    assert [each.verdict for each in seen.findings["spf"]] == ["error"] * 32 + ["unknown"]


json_like = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
finding_like = st.fixed_dictionaries(
    {
        "check": st.just("spf") | json_like,
        "code": st.just("spf-x") | json_like,
        "verdict": st.just("error") | json_like,
    },
    optional={"text": json_like, "record": json_like, "ttl": json_like, "fix": json_like},
)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | json_like.map(lambda each: json.dumps(each).encode())
    | st.lists(finding_like, max_size=4).map(lambda each: report(*each).encode())
)
def test_whatever_is_said_reading_it_never_raises(said: bytes) -> None:
    seen = read("example.com", said, 1.0, CHECKS)
    assert seen is None or folded(None, seen, 2).checks.keys() == {"spf"}


def test_deep_nesting_is_no_report() -> None:
    assert read("example.com", b'{"findings": ' + b"[" * 200_000, 1.0, CHECKS) is None


WELL = (found("spf", "spf-ok", "ok", "one record"),)
BAD = (found("spf", "spf-two-records", "error", "two records"),)


def rounds(
    answers: list[DomainLook], remembered: tuple[DomainLook, ...] = (), **more: object
) -> tuple[DomainRounds, list[str]]:
    """Rounds that are answered so, with what the state remembers of looks; and the domains that were asked for."""
    asked: list[str] = []

    def examine(domain: str, _options: DnsOptions) -> DomainLook:
        asked.append(domain)
        return answers.pop(0)

    known = {each.instance: folded(None, each, 2) for each in remembered}
    options = DnsOptions(domains=("example.com", "example.net"), interval=3600, again=300)
    made = DomainRounds(options, 2, lambda: known, stopped=lambda: False, examine=examine, **more)  # type: ignore[arg-type]
    return made, asked


def ago(seconds: float, domain: str, findings: object = WELL) -> DomainLook:
    return look(time.time() - seconds, findings, domain)  # type: ignore[arg-type]


def test_the_first_round_looks_at_all_and_the_next_at_none() -> None:
    made, asked = rounds([ago(0, "example.com"), ago(0, "example.net")])
    assert len(list(made.look())) == 2
    assert list(made.look()) == []
    assert asked == ["example.com", "example.net"]


@pytest.mark.parametrize(
    ("seconds", "findings", "due"),
    [(3000, WELL, False), (3601, WELL, True), (200, BAD, False), (301, BAD, True), (301, None, True), (-600, WELL, True)],
    ids=["early", "in time", "in doubt, early", "in doubt, soon", "no report, soon", "a clock that went back"],
)  # fmt: skip
def test_a_restart_is_no_reason_to_look_and_doubt_is_one(seconds: float, findings: object, *, due: bool) -> None:
    made, asked = rounds(
        [ago(0, "example.com", findings)], (ago(seconds, "example.com", findings), ago(5, "example.net"))
    )
    list(made.look())
    assert asked == (["example.com"] if due else [])


def test_those_not_looked_at_for_longest_come_first_and_a_round_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwatch.probes.domains.ROUND", -1.0)
    made, asked = rounds([], (ago(9000, "example.com"), ago(9999, "example.net")))
    assert list(made.look()) == []
    monkeypatch.setattr("mailwatch.probes.domains.ROUND", 100.0)
    made, asked = rounds(
        [ago(0, "example.net"), ago(0, "example.com")], (ago(9000, "example.com"), ago(9999, "example.net"))
    )
    list(made.look())
    assert asked == ["example.net", "example.com"]


def test_a_run_looks_twice_at_once_where_something_has_changed_and_does_not_wait_for_its_seconds() -> None:
    answers = [ago(0, "example.com", BAD), ago(0, "example.com", BAD), ago(0, "example.net")]
    made, asked = rounds(answers, (ago(3590, "example.com"), ago(3500, "example.net")), at_once=True)
    assert len(list(made.look())) == 3
    assert asked == ["example.com", "example.com", "example.net"]


def test_no_domain_is_no_job_and_one_that_is_late_is_unknown() -> None:
    def remembered() -> dict[str, object]:
        return {}

    never: Callable[[], bool] = lambda: False  # noqa: E731
    assert domain_jobs(DnsOptions(), 2, remembered, stopped=never) == []  # type: ignore[arg-type]
    [job] = domain_jobs(OPTIONS, 2, remembered, stopped=never)  # type: ignore[arg-type]
    [late] = job.unanswered(5.0, "no answer within 9 s")
    assert (late.instance, late.at) == ("example.com", 5.0)


LOADED = """
import sys, click
from mailwatch.commands import main
for name in ("run", "cron"):
    main.get_command(click.Context(main), name)
print(sorted({each.split(".")[0] for each in sys.modules} & {"dns", "idna", "rich", "cryptography"}))
"""


def test_nothing_of_dns_is_loaded_where_the_log_is_watched() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
