"""The very first start on a log: what is there already is history, recorded in one go.

A site that moves over from pygtail or logtail can go on where those stopped: their offset file
is two lines, the inode and the offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mailwatch.sources.content import Archive, ArchiveBroken, PlainFile
from mailwatch.sources.generation import HEAD, Generation
from mailwatch.sources.identify import Relation
from mailwatch.sources.lines import last_line_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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
        file = PlainFile.open(str(path))
        try:
            words = file.at(0, OFFSET_FILE_BYTES).split()
        finally:
            file.close()
        inode, offset = int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError):
        return None
    return Adopted(inode, offset) if inode > 0 and offset >= 0 else None


def first_generations(survey: Survey, start: str, adopt: Path | None) -> tuple[float | None, tuple[str, ...]]:
    """Record what the log holds as consumed; all of it or, when the live file cannot be read, nothing.

    Returns since when rotated files are news (seconds; None: from now on) and the gaps found. Raises OSError.
    """
    found = survey.candidates()
    adopted = None if adopt is None else read_offset_file(adopt)
    target = None if adopted is None else _file_of(adopted, found)
    gaps = ("offset-unusable",) if adopt is not None and target is None else ()
    live_head = next((_head(survey, each) for each in found if each.live), None)
    history = []
    for each in found:
        newer = target is not None and each is not target and (each.live or each.modified > target.modified)
        # a copy of the live file in the making says nothing of its own
        copy = not each.live and live_head is not None and _head(survey, each) == live_head
        from_beginning = each.live and target is None and start == "beginning"
        if newer or copy or from_beginning or _is_known(survey, each, found):
            continue
        offset = min(adopted.offset, each.size) if adopted is not None and each is target else each.size
        history.append(_recorded(survey, each, offset))
    for generation in history:
        if generation is not None:
            survey.rows.put(replace(generation, number=survey.rows.new(generation.identity).number))
    return (None if target is None else target.modified / 1e9), gaps


def _is_known(survey: Survey, each: Candidate, found: Sequence[Candidate]) -> bool:
    """Whether the file was read before, under another path of the log: then that goes on where it stopped."""
    if not survey.rows.generations:
        return False
    return survey.identifier.identify(each, found, begun_at=0.0).relation in (Relation.CONTINUES, Relation.SHORTER)


def _file_of(adopted: Adopted, found: Iterable[Candidate]) -> Candidate | None:
    for each in found:
        if each.inode == adopted.inode and each.compression is None and each.size >= adopted.offset:
            return each
    return None


def _head(survey: Survey, each: Candidate) -> tuple[int, bytes] | None:
    """What a file begins with; None for an empty one, and a rotated one that cannot be read. Raises OSError."""
    try:
        content = survey.identifier.open(each)
        if content is None:
            return None
        try:
            head_at = content.head_at()
            head = content.at(head_at, HEAD)
        finally:
            survey.identifier.close_unless_held(each, content)
    except ArchiveBroken:
        return None
    except OSError:
        if each.live:
            raise
        return None
    return (head_at, head) if head else None


def _recorded(survey: Survey, each: Candidate, size: int) -> Generation | None:
    """A file as consumed up to its last whole line among ``size`` bytes; an archive as a whole. Raises OSError."""
    blank = survey.rows.new(each.identity, live=each.live, size=each.size)
    try:
        content = survey.identifier.open(each)
        if content is None:
            return None
        try:
            return _consumed(blank, content, size)
        finally:
            survey.identifier.close_unless_held(each, content)
    except ArchiveBroken:
        return replace(blank, complete=True)
    except OSError:
        if each.live:
            raise
        return None


def _consumed(blank: Generation, content: Content, size: int) -> Generation | None:
    if isinstance(content, Archive):
        head_at = content.head_at()
        head = content.at(head_at, HEAD)
        return replace(blank.advanced(content, head_at + len(head)), complete=True, size=blank.size)
    end = last_line_end(content, size)
    return blank.advanced(content, end) if end else None
