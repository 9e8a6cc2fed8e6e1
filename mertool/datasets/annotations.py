"""What a reader gives (`Annotations`), and how an annotated clip finds its frames."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..clips import BAD_ANNOTATION, MISSING_FRAME, OK, Clip, FrameSequence
from ..text import few
from .frames import Frames, absolute, index_frames, shown

__all__ = ["BY_APEX", "SAYS_OTHERWISE", "Annotations", "Expected", "Join", "middle_of", "with_apex", "with_frames"]

SAYS_OTHERWISE = "says otherwise in"  # of a row that contradicts an earlier one of the same clip
BY_APEX = "by --apex"  # in the detail of a clip whose apex was not taken from the table


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
        notes: What was met where, one line each: header row, release, image root, what was not used, and why.
        absent: Ids of the clips that have no folder at all.
        strays: Clip folders on disk that no row names.
        expected: What the data set holds as released.
        release: Which release the table is, where that can be told.
    """

    dataset: str
    clips: tuple[Clip, ...]
    tables: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
    strays: tuple[str, ...] = ()
    expected: Expected = Expected()
    release: str = ""

    @property
    def corrections(self) -> tuple[str, ...]:
        """One line for each clip that can be used but not as the table says, e.g. with an impossible apex."""
        return tuple(f"{clip.id}: {clip.detail}" for clip in self.clips if clip.status == OK and clip.detail)


class Join:
    """Joins clips with their folders, one after the other, and remembers what was absent and what was met.

    Args:
        root: The folder that the user gave.
        pictures: Every folder below it with pictures, so that none is left out in silence.
        reach: How many frames a missing key frame's stand-in may lie away: two at 100 or 200 a second, else one.
    """

    def __init__(self, root: Path, pictures: Iterable[Path], reach: int) -> None:
        self.clips: list[Clip] = []
        self._root = absolute(root)
        self._pictures = set(pictures)
        self._reach = reach
        self._absent: set[str] = set()
        self._met: set[Path] = set()
        self._last: Frames | None = None  # of a long video come many clips, one after the other

    def add(self, clip: Clip, folder: Path | None, missing: str = "", *, rebase: bool = False) -> None:
        """Take a clip, with the frames of `folder` if it is usable.

        A name that differs from the folder's in nothing but case is spelt as the folder's: one id from every table.

        Args:
            clip: As a row gave it.
            folder: Its frames; None where there is no such folder.
            missing: What there is none of, for the clip's detail: "no folder 006/006_1_2 on disk".
            rebase: Where the frames are numbered from 0 or 1 and the annotation lies behind them all, take the
                annotation as counted from the beginning of the recording, and its onset as the first frame.
        """
        if folder is not None:
            self._met.add(folder)
            if clip.clip.lower() == folder.name.lower():
                clip = dataclasses.replace(clip, clip=folder.name)
        if clip.status == OK and folder is None:
            self._absent.add(clip.id)
            clip = _missing(clip, missing)
        elif clip.status == OK and folder is not None:
            if self._last is None or self._last.folder != folder:
                self._last = index_frames(folder)
            if rebase:
                clip = _rebased(clip, self._last)
            clip = with_frames(clip, self._last, shown(folder, self._root), self._reach)
        self.clips.append(clip)

    def meets(self, folder: Path | None) -> None:
        """Remember that some row, usable or not, names this folder."""
        if folder is not None:
            self._met.add(folder)

    def _unread(self, strays: Iterable[Path]) -> list[Path]:
        """Folders with pictures that nothing has named; of a whole branch its uppermost folder."""
        known = {self._root, *self._met, *strays}
        busy = {above for path in known for above in (path, *path.parents)}
        unread = set()
        for path in self._pictures - known:
            while path.parent not in busy:
                path = path.parent
            unread.add(path)
        return sorted(unread)

    def done(
        self,
        dataset: str,
        folders: Iterable[Path],
        tables: Iterable[Path],
        notes: Iterable[str],
        expected: Expected = Expected(),
        release: str = "",
        unread: re.Pattern[str] | None = None,
    ) -> Annotations:
        """The whole, once every row was added.

        Args:
            dataset, tables, notes, expected, release: See `Annotations`.
            folders: All clip folders on disk; those without a row are strays.
            unread: Names of folders that hold no clips of the data set, and need no note.
        """
        alone = sorted(path for path in folders if path not in self._met)
        strays = tuple(shown(path, self._root) for path in alone)
        subjects = {clip.subject for clip in self.clips}
        present = {clip.subject for clip in self.clips if clip.id not in self._absent}
        said = list(notes)
        if len(present) < len(subjects):
            without = ", ".join(sorted(subjects - present))
            said.append(f"a subset: {len(present)} of {len(subjects)} subjects are on disk, not {without}")
        if strays:
            said.append(f"clip folders on disk that nothing annotates, {len(strays)}: {few(strays, 10)}")
        others = [shown(path, self._root) for path in self._unread(alone)]
        others = [name for name in others if unread is None or not unread.search(name)]
        if others:
            said.append(f"folders with pictures that were not read, {len(others)}: {few(others, 10)}")
        return Annotations(
            dataset,
            tuple(_without_doubles(self.clips)),
            tuple(tables),
            tuple(said),
            frozenset(self._absent),
            strays,
            expected,
            release,
        )


def _without_doubles(clips: Sequence[Clip]) -> Iterable[Clip]:
    """The clips, each id usable at most once, and not at all where a second row contradicts the first."""
    contradicted = {clip.id: clip.detail for clip in clips if SAYS_OTHERWISE in clip.detail}
    ids: set[str] = set()
    for clip in clips:
        why = ""
        if clip.status == OK and clip.id in contradicted:
            why = f"contradicted: {contradicted[clip.id]}"
        elif clip.status == OK and clip.id in ids:
            why = "its name stands there twice"
        elif clip.status == OK:
            ids.add(clip.id)
        yield dataclasses.replace(clip, status=BAD_ANNOTATION, detail=why, key_frames=()) if why else clip


def middle_of(first: int, last: int) -> int:
    """The middle of two frame numbers, halves rounded up: floor((first + last + 1) / 2)."""
    return (first + last + 1) // 2


def with_frames(clip: Clip, frames: Frames, where: str, reach: int = 2) -> Clip:
    """Give a clip its middle frame, key frames and sequence.

    A key frame that is not on disk is replaced by the nearest within `reach` frames, and `detail` says so, but never so
    that the apex becomes the onset. Two files with one number between onset and offset are never chosen from: the clip
    is left out.

    Args:
        clip: With onset, apex and (unless -1: the sequence then ends at the apex) offset set, onset <= apex <= offset.
        frames: The frames of its folder.
        where: How `detail` names that folder.
        reach: See above.

    Returns:
        The clip with status ok or missing_frame.
    """
    last = clip.offset if clip.offset >= 0 else clip.apex
    wanted = {"onset": clip.onset, "middle": middle_of(clip.onset, clip.apex), "apex": clip.apex}
    clip = dataclasses.replace(clip, middle=wanted["middle"])
    doubled = sorted(number for number in frames.doubled if clip.onset <= number <= last)
    if doubled:
        more = f" (and {len(doubled) - 1} more)" if len(doubled) > 1 else ""
        names = " and ".join(frames.doubled[doubled[0]])
        return _missing(clip, f"frame {doubled[0]} is there more than once{more}: {names} in {where}; keep one")
    if not frames.names:
        return _missing(clip, f"no numbered pictures in {where}")
    used = {name: frames.nearest(number, reach) for name, number in wanted.items()}
    lost = [f"{name} frame {wanted[name]}" for name, number in used.items() if number is None]
    if lost:
        held = f"{min(frames.names)}..{max(frames.names)}"
        what = f"no {' and no '.join(lost)}, nor one within {reach} of it"
        return _missing(clip, f"{what}, in {where}, which holds {held}")
    found = {name: number for name, number in used.items() if number is not None}
    if found["apex"] <= found["onset"] and wanted["apex"] > wanted["onset"]:
        return _missing(clip, f"of onset frame {wanted['onset']} to apex frame {wanted['apex']} one is left in {where}")
    moved = [
        f"{name} frame {wanted[name]} is not on disk, {number} is used"
        for name, number in found.items()
        if number != wanted[name]
    ]
    last = max(clip.offset, found["apex"])
    inside = tuple(sorted(number for number in frames.names if found["onset"] <= number <= last))
    return dataclasses.replace(
        clip,
        onset=found["onset"],
        middle=found["middle"],
        apex=found["apex"],
        key_frames=tuple(frames.path(number) for number in found.values()),
        sequence=FrameSequence(frames.folder, inside, tuple(frames.names[number] for number in inside)),
        detail="; ".join(filter(None, (clip.detail, *moved))),
    )


def with_apex(clip: Clip, apex: int, why: str) -> Clip:
    """Give a clip another apex, and the middle frame that follows from it.

    Args:
        clip: Usable, with its sequence.
        apex: A frame number; of the frames on disk the nearest one behind the onset is taken (of two, the earlier).
        why: "middle" or "difference", for the clip's detail.

    Returns:
        The clip; with status missing_frame where no frame follows the onset.
    """
    behind = [place for place, number in enumerate(clip.sequence.numbers) if number > clip.onset]
    if not behind:
        return _missing(clip, f"no frames behind the onset to choose an apex from, {BY_APEX} {why}")
    numbers = clip.sequence.numbers
    at = min(behind, key=lambda place: abs(numbers[place] - apex))
    wanted = middle_of(clip.onset, numbers[at])
    between = min(range(len(numbers)), key=lambda place: abs(numbers[place] - wanted))
    moved = f"apex {numbers[at]} {BY_APEX} {why}"
    return dataclasses.replace(
        clip,
        middle=numbers[between],
        apex=numbers[at],
        key_frames=(clip.key_frames[0], clip.sequence.path(between), clip.sequence.path(at)),
        detail="; ".join(filter(None, (clip.detail, moved))),
    )


def _rebased(clip: Clip, frames: Frames) -> Clip:
    """A clip annotated in frames of the whole recording, in frames of its own folder; others as they are."""
    if not frames.names:
        return clip
    first, last = min(frames.names), max(frames.names)
    end = max(clip.apex, clip.offset)
    if first > 1 or clip.onset <= last or end - clip.onset > last - first:
        return clip
    shift = clip.onset - first
    return dataclasses.replace(
        clip,
        onset=first,
        apex=clip.apex - shift,
        offset=clip.offset - shift if clip.offset >= 0 else -1,
        detail="; ".join(
            filter(
                None,
                (clip.detail, f"frames {clip.onset}..{end} are those of the whole recording; taken as {first}.."),
            )
        ),
    )


def _missing(clip: Clip, why: str) -> Clip:
    detail = "; ".join(filter(None, (clip.detail, why)))
    return dataclasses.replace(clip, status=MISSING_FRAME, key_frames=(), detail=detail)
