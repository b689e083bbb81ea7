"""The runbook: every cause has its place there, and what it tells people to type exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mailwatch.cause import CAUSES
from mailwatch.causes import catalogue
from mailwatch.firing import OWN_CAUSES

TEXT = (Path(__file__).parent.parent / "RUNBOOK.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL))
PROGRAMS = frozenset(
    ("postfix", "postconf", "postqueue", "postsuper", "postcat", "postmap", "posttls-finger", "postmulti", "newaliases",
     "qshape", "journalctl", "df", "ls", "namei", "ss", "nc", "dig", "dmesg", "openssl", "ping", "diff", "grep", "ps", "doveadm",
     "fail2ban-client", "mailwatch")
)  # fmt: skip


def test_every_cause_has_its_place_and_nothing_else_has() -> None:
    assert set(PARTS) == set(CAUSES)
    assert not {entry.runbook for entry in catalogue().values()} - set(PARTS)
    assert all(entry.runbook == cause for cause, entry in catalogue().items())


@pytest.mark.parametrize("cause", PARTS)
def test_a_cause_is_told_with_what_it_means_how_to_confirm_it_and_what_to_do(cause: str) -> None:
    lines = PARTS[cause].strip().splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["- Confirm", "- Do"]
    assert lines[0].endswith((".", ":"))


@pytest.mark.parametrize("cause", [each for each in OWN_CAUSES if each.startswith("dns-")])
def test_what_the_rule_of_domains_tells_has_its_place(cause: str) -> None:
    told = re.search(rf"^### {cause}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert [line.split(":")[0] for line in told[1].strip().splitlines()[1:]] == ["- Confirm", "- Do"]


def commands() -> set[str]:
    """What is given to type, pipes and lists apart."""
    given = re.findall(r"`([^`]+)`", TEXT)
    return {
        each.strip() for command in given if " " in command for each in re.split(r"&&|;|\|(?![^']*'(?: |$))", command)
    }


def test_what_is_given_to_type_begins_with_a_program() -> None:
    programs = {each.split()[0] for each in commands()}
    assert not programs - PROGRAMS - {"echo", "wc", "tail", "ulimit", "EHLO", "smtp", ":"}


def test_the_parameters_it_names_are_postfixs() -> None:
    known = {line.split(" =")[0] for line in subprocess.check_output(["postconf", "-d"], text=True).splitlines()}
    fixes = [entry.fix for entry in catalogue().values()]
    given = {each for command in commands() if command.startswith("postconf") for each in command.split()[1:]}
    named = {each.split("=")[0] for each in given if not each.startswith("-")}
    named |= {
        each for fix in fixes for each in re.findall(r"\b(?:smtpd?|virtual|queue|default|maximal)_[a-zA-Z_]+", fix)
    }
    ours = {each for each in named if not each.startswith("NAME_")}
    assert len(ours) > 30
    assert not ours - known
