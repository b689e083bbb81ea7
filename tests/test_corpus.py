"""Every line of the corpus tells exactly the events written beside it: all programs, four kinds of stamp, Postfix 2.11 to 3.11.

The corpus was written from Postfix's documentation and behaviour, not from the parser's output: each row has a
sentence, a line, and the whole expected events. Rows change only when the expectation was wrong.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mailwatch.event import STATUSES, Delivery
from mailwatch.parsers.postfix import PostfixParser
from mailwatch.record import as_json, record

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
ROWS: list[dict[str, Any]] = [
    {**json.loads(line), "file": file.stem}
    for file in sorted(CORPUS.glob("*.jsonl"))
    for line in file.read_text(encoding="utf-8").splitlines()
]


def told(line: str) -> list[dict[str, Any]]:
    parsed = PostfixParser(zone=UTC).parse(line.encode("utf-8", "surrogateescape") + b"\n", NOW)
    events = [record(event) for event in parsed.events]
    assert [json.loads(as_json(event)) for event in parsed.events] == events
    return events


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['file']}: {row['about']}")
def test_a_line_tells_what_is_written_beside_it(row: dict[str, Any]) -> None:
    assert told(row["line"]) == row["events"]


def statuses(lines: list[bytes]) -> list[set[str]]:
    """The statuses that deliveries in these lines have, of those that mean something, line by line."""
    parser = PostfixParser(zone=UTC)
    found = []
    for line in lines:
        events = parser.parse(line + b"\n", NOW).events
        found.append({event.status for event in events if isinstance(event, Delivery) and event.status in STATUSES})
    return found


MEANT = [(row, {event["status"] for event in row["events"] if event["event"] == "delivery"}) for row in ROWS]
FIELD = re.compile(r", (?=(?:orig_to|relay|conn_use|delay|delays|tls|dsn)=)")


def test_no_line_cut_short_tells_another_status() -> None:
    """Cut anywhere: a full disk, a power failure, syslog's longest line."""
    for row, meant in MEANT:
        line = row["line"].encode("utf-8", "surrogateescape")[:1500]
        for found in statuses([line[:length] for length in range(len(line))]):
            assert found <= meant, row


def test_no_line_with_a_bit_turned_over_tells_another_status() -> None:
    random = Random(7)
    for row, meant in MEANT:
        line = row["line"].encode("utf-8", "surrogateescape")[:1500]
        turned = []
        for at in range(len(line)):
            broken = bytearray(line)
            broken[at] ^= 1 << random.randrange(8)
            # with a quote more or less, what was quoted is the line's own
            if row["file"] != "hostile" or all(broken.count(each) == line.count(each) for each in (b'"', b"\\")):
                turned.append(bytes(broken))
        for found in statuses(turned):
            assert found <= meant, row


def test_no_line_with_its_fields_in_another_order_tells_another_status() -> None:
    random = Random(7)
    swapped = 0
    for row, meant in MEANT:
        begin, to, rest = row["line"].partition(": to=<")
        if row["file"] == "hostile" or not (meant and to):
            continue
        head, status, text = rest.partition(", status=")
        recipient, *fields = FIELD.split(head)
        for _ in range(4):
            random.shuffle(fields)
            line = begin + to + ", ".join((recipient, *fields)) + status + text
            (found,) = statuses([line.encode("utf-8", "surrogateescape")])
            assert found == meant & set(STATUSES), line
            swapped += 1
    assert swapped > 500


def test_the_python_of_the_distribution_reads_the_corpus_too() -> None:
    """Patterns that pass in one Python have failed in another: the service runs on what the distribution has."""
    python = shutil.which("python3", path="/usr/bin")
    assert python, "/usr/bin/python3 is missing: install Debian's python3"
    ask = (
        "import json, sys\n"
        "from datetime import UTC\n"
        "from mailwatch.parsers.postfix import PostfixParser\n"
        "from mailwatch.record import record\n"
        "for row in map(json.loads, sys.stdin):\n"
        "    line = row['line'].encode('utf-8', 'surrogateescape')\n"
        f"    events = PostfixParser(zone=UTC).parse(line + b'\\n', {NOW}).events\n"
        "    assert [record(event) for event in events] == row['events'], row\n"
        "print('all')\n"
    )
    rows = "".join(json.dumps({"line": row["line"], "events": row["events"]}) + "\n" for row in ROWS)
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [python, "-c", ask], input=rows, capture_output=True, text=True, timeout=120, cwd=root, check=False
    )
    assert (done.stdout, done.stderr) == ("all\n", "")
