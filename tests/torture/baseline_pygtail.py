"""An agent that reads with pygtail, as careful as a user of it can be: the figures to compare with.

``python -m tests.torture.baseline_pygtail LOG STATE_DIR PORT``. Counts are committed right before pygtail writes
its offset, and dropped when it fails; half lines are left alone; Latin-1 because it stops for ever at a
byte that is no UTF-8. Its page has the totals by status; the table has the sequence numbers, too.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from pygtail import Pygtail

NAME: Final = "totals.db"
POLL: Final = 0.2
DELIVERY: Final = re.compile(
    r"\0*[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [^ ]+ postfix/smtp\[[0-9]+\]: [0-9A-F]+: "
    r"to=<[^>]*>, orig_to=<seq([0-9]+)@torture\.example>, .*? status=([a-z]+) \("
)


class Totals:
    """What was counted, in an SQLite table."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS total (status TEXT PRIMARY KEY, attempts INTEGER)")
        self._connection.execute("CREATE TABLE IF NOT EXISTS witness (number INTEGER)")
        self._pending: Counter[str] = Counter()
        self._numbers: list[tuple[int]] = []

    def count(self, line: str | bytes) -> None:
        """Count a line if it is a delivery attempt."""
        # pygtail hands out what lies in a gz as bytes
        text = line.decode("latin-1") if isinstance(line, bytes) else line
        found = DELIVERY.match(text)
        if found is not None:
            self._numbers.append((int(found[1]),))
            self._pending[found[2]] += 1

    def commit(self) -> None:
        """Write what was counted."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO total VALUES (?, ?) ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts",
            list(self._pending.items()),
        )
        self._connection.executemany("INSERT INTO witness VALUES (?)", self._numbers)
        self._connection.execute("COMMIT")
        self.drop()

    def drop(self) -> None:
        """Forget what was not committed: it is read again."""
        self._pending.clear()
        self._numbers.clear()

    def page(self) -> str:
        """What was committed, for Prometheus. From any thread."""
        with closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute("SELECT status, attempts FROM total").fetchall()
        samples = "".join(f'baseline_delivery_attempts_total{{status="{status}"}} {value}\n' for status, value in rows)
        return f"# TYPE baseline_delivery_attempts_total counter\n{samples}"


def serve(totals: Totals, port: int) -> None:
    """Serve the page in a thread."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = totals.page().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def read_once(log: Path, folder: Path, totals: Totals) -> None:
    """Read what is new, as pygtail finds it."""
    totals.drop()
    tail = Pygtail(
        str(log),
        offset_file=str(folder / "offset"),
        copytruncate=True,
        full_lines=True,
        on_update=totals.commit,
        encoding="latin-1",
    )
    for line in tail:
        totals.count(line)


def main() -> None:
    """Read and count for ever."""
    log, folder, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    totals = Totals(folder)
    serve(totals, port)
    said = ""
    while True:
        try:
            read_once(log, folder, totals)
        except FileNotFoundError:  # it is being rotated
            pass
        except Exception:  # noqa: BLE001 - whatever it is, it may be over the next time
            if (now := traceback.format_exc()) != said:
                print(now, file=sys.stderr, flush=True)
                said = now
        time.sleep(POLL)


if __name__ == "__main__":
    main()
