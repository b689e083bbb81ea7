"""Has a domain examined in a process of its own, and reads what that found.

Promises
    Never raises, never waits longer than the deadline and a moment. What strangers publish in DNS is read there, where
    a bug or its size harms nobody else; here comes a bounded text of JSON, and what is no report of it is none. At the
    end the whole process group is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from mailwatch.domain import DNS, DomainLook, bounded
from mailwatch.finding import VERDICTS, Finding, worst
from mailwatch.masking import on_one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mailwatch.options.dns import DnsOptions

LARGEST: Final = 1 << 20
MEMORY: Final = 512 << 20
CHUNK: Final = 1 << 16
MARGIN: Final = 5.0
"""Seconds, besides its own deadline, for Python to start and to end."""
REAPED_WITHIN: Final = 2.0
MOST_LOOKUPS: Final = 10_000
NOT_FOR_CHILDREN: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")
"""A child must not be able to say that we are well."""
PROGRAM: Final = (sys.executable, "-P", "-B", "-m", "mailwatch", "check-dns")
"""-P: the working directory is no place to import from; -B: nothing is written."""


def command(domain: str, options: DnsOptions, program: Sequence[str] = PROGRAM) -> list[str]:
    """What is started for a domain."""
    words = [*program, "--json", f"--deadline={options.deadline}"]
    words += [f"--resolver={options.resolver}"] if options.resolver else []
    words += [f"--helo={options.helo}"] if options.helo else []
    words += [f"--ip={each}" for each in options.ip]
    words += [f"--selector={each}" for each in options.selectors]
    words += [f"--only={','.join(options.checks)}"] if options.only or options.skip else []
    return [*words, "--", domain]


def examined(domain: str, options: DnsOptions, program: Sequence[str] = PROGRAM) -> DomainLook:
    """What DNS says of a domain now."""
    deadline = time.monotonic() + options.deadline + MARGIN
    try:
        said, complaint, code = heard(command(domain, options, program), deadline)
    except OSError as error:
        return unseen(domain, time.time(), f"cannot start a process for it: {error.strerror or error}")
    look = read(domain, said, time.time(), options.checks)
    if look is not None:
        return look
    if time.monotonic() >= deadline:
        return unseen(domain, time.time(), f"no report within {options.deadline + MARGIN:.0f} s")
    last = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    why = on_one_line(last[-1]) if last else "it does not say why"
    return unseen(domain, time.time(), shortened(f"mailwatch check-dns ended with {code}: {why}", 300))


def unseen(domain: str, at: float, trouble: str) -> DomainLook:
    """The look that gave no report."""
    return DomainLook(name=DNS, instance=domain, at=at, success=None, trouble=trouble)


def heard(words: Sequence[str], deadline: float) -> tuple[bytes, bytes, int | None]:
    """What a process says on both outputs until its end, the deadline, or too much of it. Raises OSError."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}
    child = subprocess.Popen(  # noqa: S603 - our own program; what is handed to it was looked at
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        limit(child)
        return *said_by(child, deadline), ended(child, deadline)
    finally:
        end(child)


def limit(child: subprocess.Popen[bytes]) -> None:
    """No endless memory for endless answers."""
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.prlimit(child.pid, resource.RLIMIT_DATA)
        wanted = MEMORY if hard == resource.RLIM_INFINITY else min(hard, MEMORY)
        resource.prlimit(child.pid, resource.RLIMIT_DATA, (wanted, hard))


def said_by(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Both outputs, up to their end, the deadline, or ``LARGEST``; of the second the last part."""
    assert child.stdout is not None  # noqa: S101 - for the type checker
    assert child.stderr is not None  # noqa: S101 - for the type checker
    out, err = child.stdout.fileno(), child.stderr.fileno()
    said = {out: b"", err: b""}
    with selectors.DefaultSelector() as selector:
        for each in said:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map() and len(said[out]) <= LARGEST and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                data = os.read(key.fd, CHUNK)
                said[key.fd] += data
                said[err] = said[err][-CHUNK:]
                if not data:
                    selector.unregister(key.fd)
    return said[out], said[err]


def ended(child: subprocess.Popen[bytes], deadline: float) -> int | None:
    """Its exit code, as soon as it has one."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(max(0.0, deadline - time.monotonic()))
    return None


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill all of its session that is left."""
    if child.returncode is None:  # until it is waited for its number is nobody else's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(REAPED_WITHIN)


def read(domain: str, said: bytes, at: float, checks: Collection[str]) -> DomainLook | None:
    """The look that a report tells of; None where it is no report of any of the checks. Never raises."""
    if len(said) > LARGEST:
        return None
    try:
        report = json.loads(said)
        found = [finding for finding in map(finding_in, list(report["findings"])) if finding is not None]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    by_check = {name: tuple(each for each in found if each.check == name) for name in checks}
    by_check = {name: each for name, each in by_check.items() if each}
    if not by_check:
        return None
    return DomainLook(
        name=DNS,
        instance=domain,
        at=at,
        success=True,
        trouble=None,
        # what nobody could tell beside what was found is kept: the worst alone would hide it
        findings={name: trimmed(each) for name, each in by_check.items()},
        spf_lookups=lookups_in(report),
    )


def trimmed(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings in few words, the worst first, and one that says that something is unknown, where there is one."""
    kept = bounded(found)
    unknown = next((each for each in bounded(each for each in found if each.verdict == "unknown")), None)
    return kept if unknown is None or unknown in kept or worst(found) == "unknown" else (*kept, unknown)


def finding_in(content: Any) -> Finding | None:
    """A finding of a report; None for what is none."""
    if not isinstance(content, dict) or content.get("verdict") not in VERDICTS:
        return None
    check, code = text_in(content, "check"), text_in(content, "code")
    if not check or not code:
        return None
    ttl = content.get("ttl")
    return Finding(
        check=check,
        code=code[:100],
        verdict=content["verdict"],
        text=text_in(content, "text"),
        where=text_in(content, "where"),
        fix=text_in(content, "fix"),
        record=text_in(content, "record") or None,
        publish=text_in(content, "publish") or None,
        reference=text_in(content, "reference"),
        ttl=ttl if isinstance(ttl, int) and 0 <= ttl <= 1 << 31 else None,
    )


def text_in(content: dict[Any, Any], key: str) -> str:
    """A text of a report on one line; empty for what is none."""
    text = content.get(key)
    return on_one_line(text) if isinstance(text, str) else ""


def lookups_in(report: Any) -> int | None:
    """How many look-ups the SPF record costs, where that is told."""
    spf = report.get("spf")
    is_known = isinstance(spf, dict) and spf.get("result") not in ("temperror", "none")
    number = spf.get("lookups") if is_known else None
    return number if isinstance(number, int) and 0 <= number <= MOST_LOOKUPS else None
