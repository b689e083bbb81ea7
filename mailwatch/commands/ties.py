"""Which channels share the fate of the mail of this machine; said by check-config, and by the agent at its start."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailwatch.channels.independence import Tie
    from mailwatch.discovery import Postfix
    from mailwatch.options import Options

log = logging.getLogger("mailwatch")

SECONDS: Final = 5.0
MEANS: Final = {
    "shared": "it shares the fate of the mail it is to warn about",
    "lost": "nothing that it sends arrives",
    "unknown": "whether it shares the fate of the mail it is to warn about is unknown",
}


def ties_of(options: Options, postfix: Postfix | None) -> list[Tie]:
    """What ties the channels of these options to the mail of this machine, within ``SECONDS``."""
    if not options.channel:
        return []
    # names are looked up here alone: an agent without channels does without the 5 MiB
    from mailwatch.channels.independence import ties, watched  # noqa: PLC0415
    from mailwatch.channels.lookups import Lookups  # noqa: PLC0415

    own, relays = "", list(options.postfix.relays)
    if postfix is not None:
        own = postfix.hostname
        relays += [postfix.relayhost, *postfix.fallback_relays]
    return ties(options.channel, watched(own, relays), Lookups(time.monotonic() + SECONDS))


def told(tie: Tie) -> str:
    """A tie, for people."""
    return f"channel {tie.channel}: {tie.text}: {MEANS[tie.verdict]}"


def warn_of_ties(options: Options, postfix: Postfix | None) -> None:
    """Log the ties, from a thread: nothing waits for a resolver that does not answer."""

    def look() -> None:
        try:
            for tie in ties_of(options, postfix):
                log.warning("%s", told(tie))
        except Exception:
            log.exception("whether the channels share the fate of the mail they watch could not be told")

    if options.channel:
        threading.Thread(target=look, name="ties", daemon=True).start()
