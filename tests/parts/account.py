"""Does something as another user, as a service that systemd has hardened would be."""

from __future__ import annotations

import codecs
import ctypes
import os
import pickle
import traceback
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
NOBODY = 65534
PR_SET_NO_NEW_PRIVS = 38
LIBC = ctypes.CDLL(None, use_errno=True)


def done_as(
    work: Callable[[], T], *, uid: int | None = None, groups: tuple[int, ...] = (), no_new_privileges: bool = False
) -> T:
    """What ``work`` gives in a process of this user (None: as we are), which cannot come by new privileges if so."""
    codecs.lookup("ascii")  # another user may not read where Python's own modules are
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            if no_new_privileges:
                assert LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            if uid is not None:
                os.setgroups(groups)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            with os.fdopen(writing, "wb") as out:
                pickle.dump(work(), out)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as a second test run
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        told = result.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the work failed; see above"
    return pickle.loads(told)  # type: ignore[no-any-return]
