"""Whether Postfix runs: its master holds its lock, and none of its processes is stopped.

Promises
    Disturbs nothing: the lock is looked up in /proc/locks, never tried, for a lock that is tried keeps a Postfix
    that starts just then from starting. Needs no root. Where neither the lock nor the socket of a service tells
    (we are in another PID namespace, and not in the group postdrop), the answer is that nobody knows.

Values
    ``up`` 1 or 0; where its processes can be seen ``stopped`` (how many) and ``queue_manager`` (1: it runs).
    Well is: up, with a queue manager, nothing stopped. A queue manager that hangs is seen by nothing else: mail
    is accepted and stays in incoming.

Bugs
    Where /proc hides the processes of others (ProtectProc=, hidepid=), only the master's lock can be seen.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.sample import Probe

if TYPE_CHECKING:
    from pathlib import Path

    from mailwatch.sample import Instance

NAME: Final = "postfix"
STOPPED: Final = frozenset("Tt")
QUEUE_MANAGER: Final = "qmgr"
FIRST_NAMESPACE: Final = 0xEFFFFFFC
"""The inode of the first PID namespace (PROC_PID_INIT_INO of Linux): there all locks are to be seen."""
SOCKET: Final = "public/pickup"
"""A service that master listens for: a connection without a word makes pickup look for mail, and nothing is logged."""
CONNECTS_WITHIN: Final = 2.0
PROCESSES: Final = 2000
# 1: FLOCK  ADVISORY  WRITE 14804 fe:00:2228322 0 EOF      those that wait have -> in the second place
LOCK: Final = re.compile(
    r"^[0-9]+: (?:FLOCK|POSIX) +ADVISORY +WRITE (?P<pid>[0-9]+) (?P<file>[0-9a-f:]+) ", re.MULTILINE
)
# 14843 (qmgr) T 14804 …
STAT: Final = re.compile(r"^[0-9]+ \((?P<name>.*)\) (?P<state>[A-Za-z]) ", re.DOTALL)


class Process(NamedTuple):
    """One of Postfix's processes; ``state`` is the kernel's letter."""

    pid: int
    name: str
    state: str


def look(instance: Instance, at: float) -> Probe:
    """Whether the Postfix of this queue directory runs, at ``at`` seconds."""
    try:
        pid = holder(instance.queue_directory / "pid" / "master.pid")
    except OSError as error:
        return _without_lock(instance, at, error)
    if pid is None:
        return _without_lock(instance, at, None)
    seen = processes(pid)
    values = {"up": 1.0}
    trouble = None
    if seen:
        managers = [each for each in seen if each.name.endswith(QUEUE_MANAGER)]
        halted = [each for each in seen if each.state in STOPPED]
        values |= {"stopped": float(len(halted)), "queue_manager": float(bool(managers))}
        trouble = None if managers else "Postfix runs without a queue manager: its log says why"
        if halted:
            named = ", ".join(f"{each.name}[{each.pid}]" for each in halted[:5])
            trouble = f"{len(halted)} of Postfix's processes stopped by a signal: {named}; kill -CONT lets them go on"
    return _found(instance, at, values, trouble)


def _found(instance: Instance, at: float, values: dict[str, float], trouble: str | None) -> Probe:
    return Probe(name=NAME, instance=instance.name, at=at, success=trouble is None, trouble=trouble, values=values)


def _without_lock(instance: Instance, at: float, error: OSError | None) -> Probe:
    """What is known when no process is seen to hold the lock (for ``error``)."""
    listening = is_listening(instance.queue_directory / SOCKET)
    if listening:
        return _found(instance, at, {"up": 1.0}, None)
    gone = error is None or error.errno == errno.ENOENT
    if listening is False or (gone and sees_all_locks()):
        return _found(instance, at, {"up": 0.0}, f"Postfix is down: no master runs for {instance.queue_directory}")
    why = "its lock cannot be seen from this container" if error is None else error.strerror or str(error)
    return Probe(
        name=NAME,
        instance=instance.name,
        at=at,
        success=None,
        trouble=f"cannot tell whether Postfix runs: {why}; the group postdrop may ask its sockets",
    )


def holder(path: Path) -> int | None:
    """The process that holds a lock on a file, as far as the kernel tells. Raises OSError."""
    found = os.stat(path)  # noqa: PTH116 - as the kernel names it
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with open("/proc/locks", encoding="ascii") as file:  # noqa: PTH123
        locks = file.read()
    return next((int(lock["pid"]) for lock in LOCK.finditer(locks) if lock["file"] == wanted), None)


def sees_all_locks() -> bool:
    """Whether /proc/locks shows the locks of every process: it leaves out those of other PID namespaces."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino == FIRST_NAMESPACE and os.access("/proc/locks", os.R_OK)  # noqa: PTH116
    except OSError:
        return False


def is_listening(path: Path) -> bool | None:
    """Whether somebody listens on a socket; None where we may not ask."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(CONNECTS_WITHIN)
        try:
            asked.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return None
    return True


def processes(master: int) -> list[Process]:
    """The master and its children, as far as they can be seen."""
    try:
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:  # noqa: PTH123
            children = [int(word) for word in file.read().split()[:PROCESSES]]
    except OSError:
        return []
    return [seen for seen in map(process, (master, *children)) if seen is not None]


def process(pid: int) -> Process | None:
    """What /proc says of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            found = STAT.match(file.read(1024))
    except OSError:
        return None
    return None if found is None else Process(pid, found["name"], found["state"])
