"""Every line of the corpus tells exactly the events written beside it: all programs, four kinds of stamp, Postfix 2.11 to 3.11.

The corpus was written from Postfix's documentation and behaviour, not from the parser's output: each row has a
sentence, a line, and the whole expected events. Rows change only when the expectation was wrong.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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
