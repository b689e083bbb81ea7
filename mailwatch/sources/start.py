"""The very first start on a log: what is there already is history, recorded in one go.

A site that moves over from pygtail or logtail can go on where those stopped: their offset file
is two lines, the inode and the offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import Archive, ArchiveBroken
from mailwatch.sources.generation import HEAD, Generation
from mailwatch.sources.lines import last_line_end

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mailwatch.sources.content import Content
    from mailwatch.sources.rotation import Candidate
    from mailwatch.sources.survey import Survey

OFFSET_FILE_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Adopted:
    """Where another reader stopped."""

    inode: int
    offset: int


def read_offset_file(path: Path) -> Adopted | None:
    """The offset file of pygtail or logtail; None when it is not there or is none."""
    try:
        with path.open("rb") as file:
            words = file.read(OFFSET_FILE_BYTES).split()
        inode, offset = int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError):
        return None
    return Adopted(inode, offset) if inode > 0 and offset >= 0 else None


def first_generations(survey: Survey, start: str, adopt: Path | None) -> tuple[float | None, tuple[str, ...]]:
    """Record what the log holds as consumed.

    Returns since when rotated files are news (seconds; None: from now on) and the gaps found.
    """
    found = survey.candidates()
    target, offset = None, 0
    gaps: tuple[str, ...] = ()
    if adopt is not None:
        adopted = read_offset_file(adopt)
        target = None if adopted is None else _file_of(adopted, found)
        offset = 0 if adopted is None else adopted.offset
        if target is None:
            gaps = ("offset-unusable",)
    live_head = next((_head(survey, each) for each in found if each.live), None)
    for each in found:
        newer = target is not None and each is not target and (each.live or each.modified > target.modified)
        # a copy of the live file in the making says nothing of its own
        copy = not each.live and live_head is not None and _head(survey, each) == live_head
        if newer or copy or (each.live and target is None and start == "beginning"):
            continue
        _record(survey, each, min(offset, each.size) if each is target else each.size)
    return (None if target is None else target.modified / 1e9), gaps


def _file_of(adopted: Adopted, found: Iterable[Candidate]) -> Candidate | None:
    for each in found:
        if each.inode == adopted.inode and each.compression is None and each.size >= adopted.offset:
            return each
    return None


def _head(survey: Survey, each: Candidate) -> tuple[int, bytes] | None:
    """What a file begins with; None for an empty or unreadable one."""
    content = survey.identifier.open(each)
    if content is None:
        return None
    try:
        head_at = content.head_at()
        head = content.at(head_at, HEAD)
    except (ArchiveBroken, OSError):
        return None
    finally:
        survey.identifier.close_unless_held(each, content)
    return (head_at, head) if head else None


def _record(survey: Survey, each: Candidate, size: int) -> None:
    """Record a file as consumed up to its last whole line among ``size`` bytes; an archive as a whole."""
    content = survey.identifier.open(each)
    if content is None:
        return
    blank = survey.rows.new(each.identity, live=each.live, size=each.size)
    try:
        generation = _consumed(blank, content, size)
    except ArchiveBroken:
        generation = replace(blank, complete=True)
    except OSError:
        generation = None
    finally:
        survey.identifier.close_unless_held(each, content)
    if generation is not None:
        survey.rows.put(generation)


def _consumed(blank: Generation, content: Content, size: int) -> Generation | None:
    if isinstance(content, Archive):
        head_at = content.head_at()
        head = content.at(head_at, HEAD)
        return replace(blank.advanced(content, head_at + len(head)), complete=True, size=blank.size)
    end = last_line_end(content, size)
    return blank.advanced(content, end) if end else None
