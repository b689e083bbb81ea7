"""Reads lines from a pipe: ``docker logs -f postfix | mailwatch run --log -``.

Promises
    At most once. A pipe cannot be read twice: what was read and not committed when the agent is killed is lost,
    and nobody can tell (a quarter of a second's lines at most). While the process lives nothing is lost: what was
    handed out is kept until it is known to be committed, so a full disk or a SIGHUP costs nothing.
    Whole lines only, and none longer than 64 KiB; the last one counts without its newline.

How it fails
    What cannot be read is trouble, and tried again; only a terminal that hung up has ended.

When the writer closes its end, everything is committed and the agent ends. Whoever starts the pipe again decides
what comes again: ``docker logs --since`` or ``--tail 0``, for what was counted is not known to be the same here.
"""

from __future__ import annotations

import errno
import json
import os
import select
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mailwatch.sources.batch import Batch
from mailwatch.sources.lines import LONGEST, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY: Final = "stdin:read"
UNTIL_COMMIT: Final = 1 << 22
"""So many bytes are handed out before the agent is made to commit: they are kept until then."""


@dataclass(slots=True)
class Stream:
    """A pipe and what is known of it; outlives the sources that read it, for its bytes come once.

    ``offset`` counts the bytes of whole lines handed out; ``kept`` has the blocks not known to be committed, each
    with the offset behind it. ``token`` tells this process's offsets from those of an earlier one.
    """

    descriptor: int
    token: str = field(default_factory=lambda: f"{os.getpid()} {time.time_ns()}")
    rest: bytes = b""
    skipping: bool = False
    ended: bool = False
    offset: int = 0
    kept: list[tuple[int, bytes, int]] = field(default_factory=list)


STANDARD_INPUT: Final = Stream(0)


class StdinSource:
    """The lines of a stream, standard input by default. ``positions`` are the committed ones."""

    def __init__(
        self,
        stream: Stream = STANDARD_INPUT,
        *,
        positions: Mapping[str, str],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._wall = wall
        self._poll = select.poll()
        self._poll.register(stream.descriptor, select.POLLIN)
        committed = json.loads(positions.get(KEY, "{}"))
        reached = committed.get("offset", 0) if committed.get("token") == stream.token else 0
        # handed out before, and never committed: the disk was full, or the state was begun anew
        self._again = [each for each in stream.kept if each[0] > reached]
        self._since_commit = 0
        self._committed = not self._again

    def read(self, limit: int) -> Batch:
        """The next whole lines; see ``Source``."""
        if self._again:
            return self._batch(*self._again.pop(0), more=True)
        stream = self._stream
        if self._committed:
            stream.kept.clear()
            self._committed = False
        if stream.ended:
            return self._idle(ended=True)
        try:
            data = self._available(limit)
        except OSError as error:
            return replace(self._idle(), trouble=f"cannot read standard input: {error.strerror or error}")
        if data is None:
            return self._idle()
        block, overlong = self._whole_lines(data)
        if not block and not overlong:
            return self._idle(ended=True) if stream.ended else Batch(more=True)
        stream.offset += len(block) + overlong
        stream.kept.append((stream.offset, block, overlong))
        self._since_commit += len(block)
        more = self._since_commit < UNTIL_COMMIT
        if not more:
            self._since_commit, self._committed = 0, True
        return self._batch(stream.offset, block, overlong, more=more)

    def close(self) -> None:
        """Leave the stream as it is: another source may read on."""

    def _available(self, limit: int) -> bytes | None:
        """Bytes that are there now; none at the end of input, None when there are none yet. Raises OSError."""
        if not self._poll.poll(0):
            return None
        try:
            return os.read(self._stream.descriptor, limit)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""  # a terminal that hung up

    def _whole_lines(self, data: bytes) -> tuple[bytes, int]:
        """The lines that are whole with these bytes, and how many overlong ones end with them."""
        stream = self._stream
        if not data:
            stream.ended = True
            data = b"\n" if stream.rest or stream.skipping else b""
        buffer, overlong = stream.rest + data, 0
        if stream.skipping:
            newline = buffer.find(b"\n")
            if newline < 0:
                return b"", 0
            buffer, overlong, stream.skipping = buffer[newline + 1 :], 1, False
        end = buffer.rfind(b"\n") + 1
        stream.rest = buffer[end:]
        if len(stream.rest) > LONGEST:
            stream.rest, stream.skipping = b"", True
        block, more = bounded(buffer[:end]) if end else (b"", 0)
        return block, overlong + more

    def _idle(self, *, ended: bool = False) -> Batch:
        """Nothing more at the moment: the agent commits what it has."""
        self._since_commit, self._committed = 0, True
        return Batch(ended=ended)

    def _batch(self, offset: int, block: bytes, overlong: int, *, more: bool) -> Batch:
        position = json.dumps({"token": self._stream.token, "offset": offset})
        return Batch(block=block, written_at=self._wall(), positions={KEY: position}, overlong=overlong, more=more)
