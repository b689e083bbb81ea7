"""Pushes the metrics of a run to a Pushgateway, in the place of those of the run before.

Never raises, and is back within ``SECONDS``: a resolver or a server that hangs is left behind in its thread.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit, urlunsplit

from mailwatch.channels.answer import SendFailed, line
from mailwatch.channels.http import Way, post
from mailwatch.channels.secrets import masked, resolved
from mailwatch.options import ChannelOptions

if TYPE_CHECKING:
    from mailwatch.options import CronOptions

SECONDS: Final = 10.0
TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def push(cron: CronOptions, host: str, content: bytes) -> str | None:
    """Push the content; why that failed."""
    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: heard.put(pushed(cron, host, content)), name="pushgateway", daemon=True).start()
    try:
        return heard.get(timeout=SECONDS + 1)
    except queue.Empty:
        return f"the Pushgateway does not answer within {SECONDS:.0f} s"


def pushed(cron: CronOptions, host: str, content: bytes) -> str | None:
    """Push the content here; why that failed."""
    # its URL is read, and hidden, as a webhook's is
    gateway = ChannelOptions(
        name="pushgateway", type="webhook", url=cron.pushgateway, url_file=cron.pushgateway_file, timeout=SECONDS
    )
    try:
        gateway = resolved(gateway)
        assert gateway.url is not None  # noqa: S101 - one of both is there
        way = Way(address="", ca_file=None, deadline=time.monotonic() + SECONDS)
        post(place(gateway.url.reveal(), host), content, {"Content-Type": TYPE}, way, method="PUT")
    except SendFailed as error:
        return line(f"the Pushgateway does not take the metrics: {masked(str(error), gateway)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
        said = masked(f"{type(error).__name__}: {error}", gateway)
        return line(f"the Pushgateway does not take the metrics: {said}")
    return None


def place(url: str, host: str) -> str:
    """Where this host's metrics are kept: the URL's own group, where it names one."""
    parts = urlsplit(url)
    if "/metrics/job" in parts.path:
        return url
    return urlunsplit(
        parts._replace(path=f"{parts.path.rstrip('/')}/metrics/job/mailwatch/instance/{quote(host, safe='')}")
    )
