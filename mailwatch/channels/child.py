"""The process in which one notification is handed over: a request on standard input, one line of JSON as its result.

Promises
    It ends by itself shortly before its deadline and says so; whoever started it kills it, and everything of its
    session, at the deadline. It writes no file, and takes no more memory than ``MEMORY``. What it says holds no secret.
    It is no command for people: ``python -m mailwatch.channels.child``, started by deliver.py.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from mailwatch.channels import sender
from mailwatch.channels.answer import Receipt, SendFailed, line
from mailwatch.channels.secrets import masked, resolved
from mailwatch.channels.wire import Request, unpacked

if TYPE_CHECKING:
    from typing import NoReturn

    from mailwatch.options import ChannelOptions

LARGEST: Final = 1 << 21
MEMORY: Final = 512 << 20
EARLIER: Final = 0.3
"""So much before the deadline all is over here, and before that the channel's own waits are: they know what for."""
SHORTEST: Final = 0.05


class TooLong(BaseException):
    """The time is over; nothing that catches exceptions catches it."""


def main() -> None:
    """Do what is asked, say what became of it, and end without waiting for threads that hang."""
    # a library that prints must not be taken for us
    result = os.dup(sys.stdout.fileno())
    end_with_parent(result)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = unpacked(sys.stdin.buffer.read(LARGEST))
    channel = request.channel
    limit(memory=channel.kind != "command")
    signal.signal(signal.SIGALRM, time_is_over)
    signal.setitimer(signal.ITIMER_REAL, max(request.deadline - EARLIER - time.monotonic(), SHORTEST))
    try:
        channel = resolved(channel)
        said = {"sent": True, "answer": done(request, channel).answer, "permanent": False, "retry_after": None}
    except SendFailed as error:
        said = {"sent": False, "answer": str(error), "permanent": error.permanent, "retry_after": error.retry_after}
    except TooLong:
        said = failed(f"no complete answer within {request.seconds:g} s")
    except MemoryError:
        said = failed("the answer is too large")
    except Exception as error:  # noqa: BLE001 - whatever a library does, there is one line that says so
        said = failed(f"{type(error).__name__}: {error}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    said["answer"] = line(masked(str(said["answer"]), channel))
    os.write(result, json.dumps(said).encode() + b"\n")
    os._exit(0)


def end_with_parent(result: int) -> None:
    """End, with all that was started here, as soon as nobody reads the result any more.

    Who asked was killed then, and will ask again: what hangs here must not be told after what comes next.
    """
    gone = select.poll()
    gone.register(result, 0)

    def look() -> None:
        while not gone.poll():
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def done(request: Request, channel: ChannelOptions) -> Receipt:
    """Hand over the notification, or ping. Raises SendFailed."""
    deadline = request.deadline - 2 * EARLIER
    if request.notification is None:
        from mailwatch.channels.deadman import ping  # noqa: PLC0415 - only what is needed is imported

        return ping(request.ping, request.text, channel, deadline)
    return sender(channel.kind)(request.notification.bounded(), channel, deadline)


def failed(text: str) -> dict[str, object]:
    """The result of what went wrong."""
    return {"sent": False, "answer": text, "permanent": False, "retry_after": None}


def limit(*, memory: bool) -> None:
    """No core file, which would hold secrets; no endless memory for an endless answer. A command inherits it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if memory:
        wanted = MEMORY if hard == resource.RLIM_INFINITY else min(hard, MEMORY)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def time_is_over(_number: int, _frame: object) -> NoReturn:
    """End whatever is being done."""
    raise TooLong


if __name__ == "__main__":
    main()
