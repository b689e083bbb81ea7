"""What a running agent claims for itself before it starts: the state folder, the address, the log.

All of it or none: a second instance, a port in use, a folder that cannot be written are told at once,
in one line, and nothing has been changed then.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import logging
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mailwatch.commands.failure import BAD_CONFIG, Failure
from mailwatch.config import ConfigError
from mailwatch.database import NAME, StateError, refuse_unusable
from mailwatch.discovery import (
    Log,
    LogNotFound,
    PostconfFails,
    Postfix,
    ask_postconf,
    choose_log,
    choose_without_postfix,
    trouble_of,
)
from mailwatch.options import Address, parse_address
from mailwatch.reserve import NAME as RESERVE
from mailwatch.store import known_journals, known_logs
from mailwatch.web.access import Terms, agree
from mailwatch.web.server import bind

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from mailwatch.options import Options
    from mailwatch.web.config import WebConfig

IN_USE: Final = 1
PRIVATE: Final = 0o700
IN_THE_WAY: Final = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What this process alone uses. ``folder`` is the locked descriptor of the state folder."""

    options: Options
    postfix: Postfix | None
    log: Log
    folder: int
    address: Address
    listening: socket.socket
    web: Terms

    def exposed(self) -> str | None:
        """What others than this host can see or overhear; None when there is nothing."""
        return exposure(self.address, self.listening.getsockname()[0], self.web.config)

    def release(self) -> None:
        """Give it all back."""
        with suppress(OSError):
            os.close(self.folder)
        self.listening.close()


def exposure(address: Address, bound: str, web: WebConfig) -> str | None:
    """What can be seen or overheard at an address, which is bound to this one of the host's."""
    if ipaddress.ip_address(bound.partition("%")[0]).is_loopback or web.tls is not None:
        return None
    if web.users:
        return f"passwords cross the network to {address} in the clear: add tls_server_config to web_config_file"
    return f"everybody who reaches {address} can read the page: set web_config_file, or listen on 127.0.0.1"


def me() -> str:
    """The name of the user we run as."""
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return f"uid {os.geteuid()}"


def lock_folder(folder: Path) -> int:
    """The state folder, made if need be, locked for this process. Raises Failure."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        msg = f"cannot make the state folder {folder}: {error.strerror}. Run as a user who may, or set state_dir"
        raise Failure(msg, exit_code_of(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        holder = holder_of(folder)
        msg = f"another mailwatch{holder} is using {folder}: stop it first, or set another state_dir"
        raise Failure(msg, IN_USE) from error
    trouble = unfit(folder, descriptor)
    if trouble is not None:
        os.close(descriptor)
        raise Failure(trouble, BAD_CONFIG)
    return descriptor


def unfit(folder: Path, descriptor: int) -> str | None:
    """Why a folder cannot hold the state. One that holds other things as well is never changed: it may be /tmp.

    One on a file system that nobody can write to now is fit: that this is so is what people are to be told.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    ours = all(name.startswith((NAME, RESERVE)) for name in os.listdir(descriptor))
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not ours:
        return f"the state folder {folder} can be written by others: set state_dir to another, or chmod 700 {folder}"
    if not os.access(folder, os.W_OK | os.X_OK) and not is_read_only(folder):
        return f"cannot write to the state folder {folder} as {me()}: chown it to {me()}, or set state_dir"
    if mode != PRIVATE and ours:
        with suppress(OSError):
            os.fchmod(descriptor, PRIVATE)
    return None


def exit_code_of(error: OSError) -> int:
    """78 for what stays so until a person changes it; 1 for what a supervisor may find mended the next time."""
    return BAD_CONFIG if error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EINVAL) else IN_THE_WAY


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


def listen(address: Address, previous: Address | None) -> socket.socket:
    """The listening socket. Raises Failure."""
    try:
        return bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            if previous is not None and previous.port == address.port:
                msg = f"cannot listen on {address}: mailwatch itself has {previous}. Restart it for that"
                raise Failure(msg, IN_USE) from error
            who = f"ss -ltnp 'sport = :{address.port}'"
            msg = f"cannot listen on {address}: the port is in use. See by whom with {who}, or set listen"
            raise Failure(msg, IN_USE) from error
        msg = f"cannot listen on {address}: {error.strerror or error}. Set listen to an address of this host"
        raise Failure(msg, exit_code_of(error)) from error


def postfix_and_log(options: Options, previous: Claim | None) -> tuple[Postfix | None, Log]:
    """What Postfix says of itself, and the log to read, which is readable. Raises Failure."""
    postfix, log = postfix_and_its_log(options, previous)
    refuse_unreadable(log)
    return postfix, log


def postfix_and_its_log(options: Options, previous: Claim | None) -> tuple[Postfix | None, Log]:
    """What Postfix says of itself, and the log to read; what was known before holds while postconf fails.

    Raises Failure.
    """
    folder = options.state_dir
    known, journals = known_logs(folder), known_journals(folder)
    try:
        postfix = answering_postfix(options, previous)
        log = choose_log(options, postfix, known=known, known_journals=journals)
    except LogNotFound as error:
        raise Failure(str(error), BAD_CONFIG) from error
    except PostconfFails as error:
        postfix, found = None, choose_without_postfix(options, known=known, known_journals=journals)
        if found is None:
            msg = f"{error}. Without it nobody knows where Postfix logs: mend that, or set [log] path"
            raise Failure(msg, IN_THE_WAY) from error
        log = found
        logger.warning("%s: watching %s, without the syslog_name that Postfix may have", error, log)
    return postfix, log


def answering_postfix(options: Options, previous: Claim | None) -> Postfix | None:
    """What Postfix says of itself, or said before. Raises PostconfFails; Failure for another Postfix than before."""
    try:
        return ask_postconf(options.postfix.config_dir)
    except PostconfFails as error:
        if previous is None:
            raise
        if previous.options.postfix.config_dir != options.postfix.config_dir:
            raise Failure(str(error), IN_THE_WAY) from error
        if previous.postfix is None:
            raise
        logger.warning("%s: going on with what it said before", error)
        return previous.postfix


def refuse_unreadable(log: Log) -> None:
    """A log that is not there yet is waited for; one that may not be read is a Failure."""
    trouble = trouble_of(log)
    if trouble is not None and not isinstance(trouble, FileNotFoundError):  # syslog makes it with the first line
        what, denied = trouble.strerror or str(trouble), trouble.errno == errno.EACCES
        if log.kind == "journal":
            do = f"add {me()} to the group systemd-journal" if denied else "install systemd, or set [log] path"
            raise Failure(f"cannot read {log}: {what}; {do}", BAD_CONFIG)
        do = f"add {me()} to the group that may read it: ls -l {log}" if denied else "set [log] path"
        raise Failure(f"cannot read the log {log}: {what}; {do}", exit_code_of(trouble))


def refuse_unusable_input() -> None:
    """Standard input must be there to be read: an end at once would look as if nothing had been logged. Raises Failure.

    To be asked before anything is opened, for that would take the number of a standard input that is closed.
    """
    try:
        os.fstat(0)
        if fcntl.fcntl(0, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY:
            return
        what = "it is open for writing only"
    except OSError:
        what = "it is closed"
    raise Failure(f"cannot read standard input: {what}; pipe the log to mailwatch, or set [log] path", BAD_CONFIG)


def web_terms(options: Options) -> Terms:
    """On which terms the page is served. Raises Failure."""
    try:
        return agree(options.web_config_file)
    except ConfigError as error:
        raise Failure(str(error), BAD_CONFIG) from error


def refuse_odd_names(options: Options) -> None:
    """Names that are no UTF-8 cannot be told in a page or a state. Raises Failure."""
    for path in (options.log.path, options.log.olddir, options.log.journal_dir, options.state_dir):
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            msg = f"the name {os.fsencode(str(path))!r} is not UTF-8: give the file another name"
            raise Failure(msg, BAD_CONFIG) from error


def claim(options: Options, previous: Claim | None = None) -> Claim:
    """Claim what ``options`` need; what ``previous`` has of it already is taken over. Raises Failure.

    After a failure the previous claim is as it was.
    """
    refuse_odd_names(options)
    postfix, log = postfix_and_log(options, previous)
    web = web_terms(options)
    address = parse_address(options.listen)
    kept_folder = previous is not None and previous.options.state_dir == options.state_dir
    kept_address = previous is not None and previous.address == address
    folder = os.dup(previous.folder) if previous is not None and kept_folder else lock_folder(options.state_dir)
    try:
        refuse_unusable(options.state_dir)
        before = None if previous is None else previous.address
        kept = previous.listening.dup() if previous is not None and kept_address else None
        listening = listen(address, before) if kept is None else kept
    except StateError as error:
        os.close(folder)
        raise Failure(str(error), BAD_CONFIG) from error
    except Failure:
        os.close(folder)
        raise
    listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return Claim(
        options=options, postfix=postfix, log=log, folder=folder, address=address, listening=listening, web=web
    )
