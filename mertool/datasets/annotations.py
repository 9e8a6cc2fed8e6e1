"""What a reader gives (`Annotations`), and how annotated clips are joined with their folders (`AnnotationBuilder`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..clips import BAD_ANNOTATION, OK, Clip
from ..text import few
from .frames import Frames, absolute, index_frames, shown
from .key_frames import from_first_frame, missing, with_frames
from .rows import FirstRows, Row
from .survey import Survey
from .tables import Record

__all__ = ["AnnotationBuilder", "Annotations", "Expected"]

Key = TypeVar("Key", bound=Hashable)

_MIDDLE_IS_APEX = "no apex is annotated: the middle of onset..offset is used (--apex difference finds another)"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a data set's table holds as released; None for what is not known for certain.

    Attributes:
        clips: Number of clips.
        subjects: Their names, or how many there are.
        emotions: Clips by emotion.
    """

    clips: int | None = None
    subjects: tuple[str, ...] | int | None = None
    emotions: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """An annotation joined with its frames on disk.

    Attributes:
        dataset: Lower-case name of the layout that was read, e.g. "smic-e"; a clip's own `dataset` may be another.
        clips: One for every row of the table, in its order, whatever their status.
        tables: The annotation tables.
        sources: What was read, one line each: header row, release, image root, what was not used, and why.
        middle_is_apex: True if no apex is annotated, and the middle of onset..offset takes its place.
        gaps: What of table and folder has no counterpart in the other, one line each.
        absent: Ids of the clips that have no folder at all.
        unannotated: Clip folders on disk that no row names.
        expected: What the data set holds as released.
        release: Which release the table is, where that can be told.
    """

    dataset: str
    clips: tuple[Clip, ...]
    tables: tuple[Path, ...] = ()
    sources: tuple[str, ...] = ()
    middle_is_apex: bool = False
    gaps: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
    unannotated: tuple[str, ...] = ()
    expected: Expected = Expected()
    release: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """All that the user should know of what was read and what was not, one line each."""
        apex = (_MIDDLE_IS_APEX,) if self.middle_is_apex else ()
        return (*self.sources, *apex, *self.gaps)

    @property
    def outside_subset(self) -> frozenset[str]:
        """Ids of the clips of subjects without a single clip on disk: the user has a part of the data set."""
        present = {(clip.dataset, clip.subject) for clip in self.clips if clip.id not in self.absent}
        return frozenset(clip.id for clip in self.clips if (clip.dataset, clip.subject) not in present)

    @property
    def corrections(self) -> tuple[str, ...]:
        """One line for each clip that can be used but not as the table says, e.g. with an impossible apex."""
        return tuple(f"{clip.id}: {clip.detail}" for clip in self.clips if clip.status == OK and clip.detail)


class AnnotationBuilder:
    """Joins clips with their folders, one after the other, and remembers which have no counterpart.

    Args:
        survey: The folder that the user gave.
        dataset: See `Annotations`.
        max_gap: How many frames a missing key frame's substitute may be away: two at 100 or 200 per second, else one.
    """

    def __init__(self, survey: Survey, dataset: str, max_gap: int) -> None:
        self.clips: list[Clip] = []
        self._dataset = dataset
        self._root = absolute(survey.root)
        self._pictures = set(survey.pictures)
        self._max_gap = max_gap
        self._absent: set[str] = set()
        self._used: set[Path] = set()
        self._last: Frames | None = None  # consecutive clips may come from one long video

    def add_rows(
        self,
        records: Iterable[Record],
        clip_of: Callable[[Row], tuple[Clip, Key | None]],
        folder_of: Callable[[Key], Path | None],
        *,
        lacking: Callable[[Clip], str] = lambda clip: f"no folder {clip.subject}/{clip.name} on disk",
        renumber: bool = False,
    ) -> None:
        """Take rows of a table, each with the frames of its folder.

        Args:
            records: The rows.
            clip_of: A row as a clip, and the key of its folder; None if the row does not tell which.
            folder_of: The folder of a key; None if there is none.
            lacking, renumber: See `add`.
        """
        first_rows: FirstRows = {}
        for record in records:
            clip, key = clip_of(Row(record, first_rows))
            folder = None if key is None else folder_of(key)
            self.add(clip, folder, lacking(clip), renumber=renumber)

    def add(self, clip: Clip, folder: Path | None, lacking: str, *, renumber: bool = False) -> None:
        """Take a clip, with the frames of `folder` if it is usable.

        A name that differs from the folder's in nothing but case is spelt as the folder's: one id from every table.

        Args:
            clip: As a row gave it.
            folder: Its frames; None if there is no such folder.
            lacking: The remark if there is none: "no folder 006/006_1_2 on disk".
            renumber: The annotation may count from the beginning of the whole recording; see `from_first_frame`.
        """
        if folder is not None:
            self._used.add(folder)
            if clip.name.lower() == folder.name.lower():
                clip = replace(clip, name=folder.name)
        if clip.status == OK and folder is None:
            self._absent.add(clip.id)
            clip = missing(clip, lacking)
        elif clip.status == OK and folder is not None:
            if self._last is None or self._last.folder != folder:
                self._last = index_frames(folder)
            if renumber:
                clip = from_first_frame(clip, self._last)
            clip = with_frames(clip, self._last, shown(folder, self._root), self._max_gap)
        self.clips.append(clip)

    def mark_used(self, folder: Path | None) -> None:
        """Remember that some row, usable or not, names this folder."""
        if folder is not None:
            self._used.add(folder)

    def build(
        self,
        tables: Iterable[Path],
        sources: Iterable[str],
        *,
        folders: Iterable[Path] = (),
        expected: Expected = Expected(),
        ignored: re.Pattern[str] | None = None,
    ) -> Annotations:
        """The whole, once every row was added.

        Args:
            tables, sources, expected: See `Annotations`.
            folders: All clip folders on disk; those without a row are unannotated.
            ignored: Names of folders that hold no clips of the data set, and need no note.
        """
        without_row = sorted(path for path in folders if path not in self._used)
        unannotated = tuple(shown(path, self._root) for path in without_row)
        gaps = self._subset_note()
        if unannotated:
            gaps.append(f"clip folders on disk that nothing annotates, {len(unannotated)}: {few(unannotated, 10)}")
        unread = [shown(path, self._root) for path in self._unread(without_row)]
        unread = [name for name in unread if ignored is None or not ignored.search(name)]
        if unread:
            gaps.append(f"folders with pictures that were not read, {len(unread)}: {few(unread, 10)}")
        return Annotations(
            self._dataset,
            tuple(_without_duplicates(self.clips)),
            tuple(tables),
            tuple(sources),
            gaps=tuple(gaps),
            absent=frozenset(self._absent),
            unannotated=unannotated,
            expected=expected,
        )

    def _subset_note(self) -> list[str]:
        subjects = {clip.subject for clip in self.clips}
        present = {clip.subject for clip in self.clips if clip.id not in self._absent}
        if present == subjects:
            return []
        lacking = ", ".join(sorted(subjects - present))
        return [f"a subset: {len(present)} of {len(subjects)} subjects are on disk, not {lacking}"]

    def _unread(self, unannotated: Iterable[Path]) -> list[Path]:
        """Folders with pictures that nothing has named; of a whole branch its uppermost folder."""
        known = {self._root, *self._used, *unannotated}
        busy = {above for path in known for above in (path, *path.parents)}
        unread = set()
        for path in self._pictures - known:
            while path.parent not in busy:
                path = path.parent
            unread.add(path)
        return sorted(unread)


def _without_duplicates(clips: Sequence[Clip]) -> Iterable[Clip]:
    """The clips, each id usable at most once, and not at all where a second row contradicts the first."""
    contradicted = {clip.id: clip.detail for clip in clips if clip.contradicts}
    ids: set[str] = set()
    for clip in clips:
        why = ""
        if clip.status == OK and clip.id in contradicted:
            why = f"contradicted: {contradicted[clip.id]}"
        elif clip.status == OK and clip.id in ids:
            why = "its name stands there twice"
        elif clip.status == OK:
            ids.add(clip.id)
        yield replace(clip, status=BAD_ANNOTATION, remarks=(why,), key_frames=()) if why else clip
