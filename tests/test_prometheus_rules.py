"""The alerting rules for Prometheus, by promtool: they load, and each fires when it should and not before."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.test_readme import metrics

RULES = Path(__file__).parent.parent / "grafana" / "mailwatch-rules.yml"
INSTANCE = 'job="mailwatch", instance="mx:10154"'


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    assert found, "promtool is missing: install Debian's prometheus"
    return subprocess.run([found, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def test_they_load() -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_name_metrics_that_there_are() -> None:
    assert set(re.findall(r"mailwatch_[a-z_]+", RULES.read_text())) <= set(metrics())


@pytest.mark.parametrize(
    ("alert", "series", "values", "quiet_at", "fires_at"),
    [
        ("MailwatchGone", f"up{{{INSTANCE}}}", "1x3 0x20", "7m", "12m"),
        ("MailwatchBlind", f'mailwatch_probe_success{{{INSTANCE}, probe="log"}}', "1x3 0x30", "10m", "25m"),
        ("MailwatchCannotTell", f"mailwatch_outbox_oldest_timestamp_seconds{{{INSTANCE}}}", "60x40", "10m", "20m"),
        ("MailwatchAlert", f'mailwatch_alerts_firing{{{INSTANCE}, rule="postfix_down", severity="page"}}', "0x5 1x20", "3m", "8m"),
        ("MailwatchDomainWorse", f'mailwatch_dns_check_status{{{INSTANCE}, domain="example.com", check="spf"}}', "0x5 2x30", "12m", "20m"),
        ("MailwatchDomainUnknown", f'mailwatch_dns_check_last_success_timestamp_seconds{{{INSTANCE}, domain="example.com", check="spf"}}', "60x500", "425m", "440m"),
    ],
)  # fmt: skip
def test_each_fires_when_it_should(
    tmp_path: Path, alert: str, series: str, values: str, quiet_at: str, fires_at: str
) -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    rule = next(each for each in rules if each["alert"] == alert)
    labels = dict(re.findall(r'([a-z]+)="([^"]*)"', series)) | rule["labels"]
    if alert == "MailwatchAlert":
        labels = {**labels, "severity": "page"}
    texts = {name: filled(text, labels) for name, text in rule["annotations"].items()}
    wanted = {"exp_labels": labels, "exp_annotations": texts}
    up = [] if alert == "MailwatchGone" else [{"series": f"up{{{INSTANCE}}}", "values": "1x60"}]
    content = {
        "rule_files": [str(RULES)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [*up, {"series": series, "values": values}],
                "alert_rule_test": [
                    {"eval_time": quiet_at, "alertname": alert, "exp_alerts": []},
                    {"eval_time": fires_at, "alertname": alert, "exp_alerts": [wanted]},
                    {
                        "eval_time": fires_at,
                        "alertname": "MailwatchWatchdog",
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": "none"},
                                "exp_annotations": {"summary": rules[0]["annotations"]["summary"]},
                            }
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


QUIET: dict[str, str] = {
    "an error that was there at the first look": f'mailwatch_dns_check_status{{{INSTANCE}, domain="example.com", check="spf"}} 2x60',
    "an error that a second look takes back": f'mailwatch_dns_check_status{{{INSTANCE}, domain="example.com", check="spf"}} 0x5 2x5 0x50',
    "what is unknown": f'mailwatch_dns_check_status{{{INSTANCE}, domain="example.com", check="spf"}} 0x5 _x50',
    "a look at DNS that gave no report": f'mailwatch_probe_success{{{INSTANCE}, probe="dns"}} 0x60',
}  # fmt: skip


@pytest.mark.parametrize("series", QUIET.values(), ids=QUIET)
def test_of_a_domain_nothing_else_is_told(tmp_path: Path, series: str) -> None:
    name, _, values = series.partition("} ")
    content = {
        "rule_files": [str(RULES)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"up{{{INSTANCE}}}", "values": "1x60"},
                    {"series": f"{name}}}", "values": values},
                ],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}
                    for minute in (5, 15, 30, 59)
                    for alert in ("MailwatchDomainWorse", "MailwatchDomainUnknown", "MailwatchBlind")
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_domain_that_is_looked_at_once_a_day_is_not_unknown(tmp_path: Path) -> None:
    labels = f'{{{INSTANCE}, domain="example.com", check="spf"}}'
    series = {
        f"up{{{INSTANCE}}}": "1x1000",
        f"mailwatch_dns_check_status{labels}": "0x1000",
        f"mailwatch_dns_check_last_success_timestamp_seconds{labels}": "60x1000",
    }
    content = {
        "rule_files": [str(RULES)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": "900m", "alertname": "MailwatchDomainUnknown", "exp_alerts": []}],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.([a-z]+) \}\}", lambda found: labels[found[1]], text)
