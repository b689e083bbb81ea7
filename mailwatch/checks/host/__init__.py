"""Checks of this machine, one a file: a function ``look`` that asks the kernel, waits for nobody, and gives a Probe.

Any of them may hang with a file system that does: they are for a worker thread, never for the work loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.host import disk, log_moving, postfix_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwatch.sample import Probe

HOST: Final[dict[str, Callable[..., Probe]]] = {
    postfix_up.NAME: postfix_up.look,
    disk.NAME: disk.look,
    log_moving.NAME: log_moving.look,
}
"""Every check of this machine, by the name of its probe."""
NAMES: Final = tuple(HOST)
