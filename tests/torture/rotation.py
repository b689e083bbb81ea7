"""Rotates the log in every way that logrotate, Postfix and administrators do; and leaves files that are none of it.

Each kind is a function of the ``Ground`` it works on, and returns when the rotation is over. None but
``copytruncate-race`` destroys a line; that one enters in the ledger which lines it may have destroyed.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.torture.compression import compress
from tests.torture.ledger import numbers_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from tests.torture.ledger import Ledger
    from tests.torture.writer import Writer

DAY: Final = 86400
FIRST_DAY: Final = 1000
"""Days ago on which the first dated file pretends to have been rotated; each rotation takes one day."""
KEPT: Final = 99
STEP: Final = 16384
DATE_FORMATS: Final = ("-%Y%m%d", "-%Y%m%d-%s", "-%Y%m%d%H", ".%Y-%m-%d")
POSTFIX_FORMAT: Final = ".%Y%m%d-%H%M%S"


@dataclass(slots=True, kw_only=True)
class Ground:
    """Where the log lies, and who writes it."""

    log: Path
    olddir: Path
    writer: Writer
    ledger: Ledger
    random: Random
    rotated: int = field(default=0)

    def linger(self, longest: float) -> None:
        """Wait for a while, at most ``longest`` seconds."""
        time.sleep(self.random.uniform(0, longest))

    def dated(self, form: str) -> Path:
        """The name of the log with a date behind it, a day later than the last one."""
        self.rotated += 1
        at = time.time() + (self.rotated - FIRST_DAY) * DAY
        return self.log.with_name(self.log.name + time.strftime(form, time.localtime(at)))

    def numbered(self, folder: Path | None = None) -> Path:
        """The name that ends in .1, with everything that had such a name moved on by one."""
        folder = folder or self.log.parent
        pattern = re.compile(re.escape(self.log.name) + r"\.([0-9]{1,3})((?:\.(?:gz|xz|bz2|zst))?)")
        found = [match for match in map(pattern.fullmatch, os.listdir(folder)) if match]
        for match in sorted(found, key=lambda each: -int(each[1])):
            if int(match[1]) >= KEPT:
                (folder / match[0]).unlink()
            else:
                (folder / match[0]).rename(folder / f"{self.log.name}.{int(match[1]) + 1}{match[2]}")
        return folder / f"{self.log.name}.1"


def set_aside(ground: Ground, name: Path) -> Path:
    """Take the log's name away from its file; what that is called now. Behind a symlink it has its own name already."""
    if ground.log.is_symlink():
        real = ground.log.resolve()
        ground.log.unlink()
        return real
    ground.log.rename(name)
    return name


def begin_anew(ground: Ground, longest: float = 0.4) -> None:
    """Let the writer go on in the old file for a while, then in a new one, which logrotate may have made before."""
    if ground.random.random() < 0.5:
        ground.log.touch()
    ground.linger(longest)
    ground.writer.reopen()


def renamed(ground: Ground, name: Callable[[Ground], Path], suffix: str | None = None) -> None:
    """Rename; with a suffix, compress at once when the writer has let go of the file."""
    old = set_aside(ground, name(ground))
    begin_anew(ground)
    if suffix:
        ground.linger(0.3)
        compress(old, suffix)


def delayed(ground: Ground) -> None:
    """Compress the file of the rotation before, then rename (delaycompress)."""
    before = ground.log.with_name(ground.log.name + ".1")
    if before.exists():
        compress(before, ".gz")
    renamed(ground, Ground.numbered)


def not_created(ground: Ground) -> None:
    """Rename, and let nothing have the log's name for up to a second and a half."""
    set_aside(ground, ground.numbered())
    ground.linger(1.5)
    ground.writer.reopen()


def copy(source: Path, target: Path) -> int:
    """Copy in steps, up to the end as it is when it is reached; how many bytes that were."""
    copied = 0
    with source.open("rb") as old, target.open("wb", buffering=0) as new:
        while block := old.read(STEP):
            new.write(block)
            copied += len(block)
            time.sleep(0.001)
    return copied


def truncated(ground: Ground, suffix: str | None = None) -> None:
    """Copy and truncate while nothing is written: no line is lost by that."""
    name = ground.numbered()
    with ground.writer.held():
        copy(ground.log, name)
        ground.linger(0.02)
        os.truncate(ground.log, 0)
    if suffix:
        ground.linger(0.3)
        compress(name, suffix)


def truncated_in_a_race(ground: Ground) -> None:
    """Copy and truncate as logrotate really does: what is written between the two is gone."""
    name = ground.numbered()
    copied = copy(ground.log, name)
    ground.linger(0.1)
    with ground.writer.held():
        content = ground.log.read_bytes()
        # the line in which the copy ends is not whole in it
        whole = content.rfind(b"\n", 0, copied) + 1
        ground.ledger.destroyed(numbers_in(content[whole:]))
        os.truncate(ground.log, 0)


def switched(ground: Ground) -> None:
    """Let the log be a symlink to a dated file, and point it to the next one."""
    form = ground.random.choice(DATE_FORMATS)
    if not ground.log.is_symlink():
        first = ground.dated(form)
        ground.log.rename(first)
        ground.log.symlink_to(first.name)
    target = ground.dated(form)
    target.touch()
    link = ground.log.with_name("next")
    link.symlink_to(target.name)
    link.replace(ground.log)
    ground.linger(0.4)
    ground.writer.reopen()


def with_date(ground: Ground) -> Path:
    """A name as logrotate's dateext gives it."""
    return ground.dated(ground.random.choice(DATE_FORMATS))


def as_postfix_does(ground: Ground) -> Path:
    """A name as ``postfix logrotate`` gives it."""
    return ground.dated(POSTFIX_FORMAT)


def in_olddir(ground: Ground) -> Path:
    """A name in another folder."""
    ground.olddir.mkdir(exist_ok=True)
    return ground.numbered(ground.olddir)


KINDS: Final[dict[str, Callable[[Ground], None]]] = {
    "rename": partial(renamed, name=Ground.numbered),
    "rename-gz": partial(renamed, name=Ground.numbered, suffix=".gz"),
    "rename-xz": partial(renamed, name=Ground.numbered, suffix=".xz"),
    "rename-bz2": partial(renamed, name=Ground.numbered, suffix=".bz2"),
    "rename-zst": partial(renamed, name=Ground.numbered, suffix=".zst"),
    "delaycompress": delayed,
    "nocreate": not_created,
    "dateext": partial(renamed, name=with_date),
    "dateext-gz": partial(renamed, name=with_date, suffix=".gz"),
    "olddir": partial(renamed, name=in_olddir),
    "olddir-gz": partial(renamed, name=in_olddir, suffix=".gz"),
    "postfix-logrotate": partial(renamed, name=as_postfix_does),
    "postfix-logrotate-gz": partial(renamed, name=as_postfix_does, suffix=".gz"),
    "copytruncate": truncated,
    "copytruncate-gz": partial(truncated, suffix=".gz"),
    "symlink": switched,
    "copytruncate-race": truncated_in_a_race,
}
RACES: Final = frozenset({"copytruncate-race"})
EXACT: Final = tuple(kind for kind in KINDS if kind not in RACES)
"""The kinds that destroy nothing: over these, every line can be counted."""


def leave_decoy(ground: Ground) -> None:
    """Leave a file that holds lines of the log and is none of it: somebody's grep, or a copy by hand or by an editor."""
    name = ground.log.with_name(ground.log.name + ground.random.choice((".txt", ".save", ".orig", "~")))
    try:
        content = ground.log.read_bytes()
    except FileNotFoundError:  # it is being rotated
        return
    if name.suffix == ".txt":
        content = b"".join(line for line in content.splitlines(keepends=True) if b"status=" in line)
    name.write_bytes(content)
