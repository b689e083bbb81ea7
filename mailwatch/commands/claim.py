"""What a running agent claims for itself before it starts: the state folder, the address, the log.

All of it or none: a second instance, a port in use, a folder that cannot be written are told at once,
in one line, and nothing has been changed then.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.discovery import LogNotFound, Postfix, ask_postconf, find_log
from mailwatch.options import Address, parse_address
from mailwatch.store import StateError, refuse_unusable
from mailwatch.web import bind

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from mailwatch.options import Options

IN_USE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What this process alone uses. ``folder`` is the locked descriptor of the state folder."""

    options: Options
    postfix: Postfix | None
    log: Path
    folder: int
    address: Address
    listening: socket.socket

    def release(self) -> None:
        """Give it all back."""
        with suppress(OSError):
            os.close(self.folder)
        self.listening.close()


def me() -> str:
    """The name of the user we run as."""
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return f"uid {os.geteuid()}"


def lock_folder(folder: Path) -> int:
    """The state folder, made if need be, locked for this process. Raises Failure."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        msg = f"cannot make the state folder {folder}: {error.strerror}. Run as a user who may, or set state_dir"
        raise Failure(msg, BAD_CONFIG) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        holder = holder_of(folder)
        msg = f"another mailwatch{holder} is using {folder}: stop it first, or set another state_dir"
        raise Failure(msg, IN_USE) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        os.close(descriptor)
        msg = f"cannot write to the state folder {folder} as {me()}: chown it to {me()}, or set state_dir"
        raise Failure(msg, BAD_CONFIG)
    with suppress(OSError):
        os.fchmod(descriptor, 0o700)
    return descriptor


def holder_of(folder: Path) -> str:
    """Which process has locked the folder, as far as the kernel tells: `` (process 123)``."""
    with suppress(OSError, ValueError, IndexError):
        found = folder.stat()
        wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123
            for line in locks:
                words = line.split()
                if words[1] == "FLOCK" and words[5] == wanted:
                    return f" (process {words[4]})"
    return ""


def listen(address: Address) -> socket.socket:
    """The listening socket. Raises Failure."""
    try:
        return bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            who = f"ss -ltnp 'sport = :{address.port}'"
            msg = f"cannot listen on {address}: the port is in use. See by whom with {who}, or set listen"
            raise Failure(msg, IN_USE) from error
        msg = f"cannot listen on {address}: {error.strerror or error}. Set listen to an address of this host"
        raise Failure(msg, BAD_CONFIG) from error


def readable_log(options: Options, postfix: Postfix | None) -> Path:
    """The log to read. One that is not there yet is waited for; one that may not be read is a Failure."""
    try:
        path = find_log(options, postfix)
    except LogNotFound as error:
        raise Failure(str(error), BAD_CONFIG) from error
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        pass  # syslog makes it with the first line
    except OSError as error:
        what = error.strerror or str(error)
        do = (
            f"add {me()} to the group that may read it: ls -l {path}"
            if error.errno == errno.EACCES
            else "set [log] path"
        )
        msg = f"cannot read the log {path}: {what}; {do}"
        raise Failure(msg, BAD_CONFIG) from error
    return path


def claim(options: Options, previous: Claim | None = None) -> Claim:
    """Claim what ``options`` need; what ``previous`` has of it already is taken over. Raises Failure.

    After a failure the previous claim is as it was.
    """
    postfix = ask_postconf(options.postfix.config_dir)
    log = readable_log(options, postfix)
    address = parse_address(options.listen)
    kept_folder = previous is not None and previous.options.state_dir == options.state_dir
    kept_address = previous is not None and previous.address == address
    folder = os.dup(previous.folder) if previous is not None and kept_folder else lock_folder(options.state_dir)
    try:
        refuse_unusable(options.state_dir)
        listening = previous.listening.dup() if previous is not None and kept_address else listen(address)
    except StateError as error:
        os.close(folder)
        raise Failure(str(error), BAD_CONFIG) from error
    except Failure:
        os.close(folder)
        raise
    listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return Claim(options=options, postfix=postfix, log=log, folder=folder, address=address, listening=listening)
