"""What a reader gives (`Annotations`), and how an annotated clip finds its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..clips import MISSING_FRAME, OK, Clip
from .frames import Frames

__all__ = ["Annotations", "Expected", "middle_of", "with_frames"]


@dataclass(frozen=True, slots=True)
class Annotations:
    """An annotation table joined with its frames on disk.

    Attributes:
        dataset: Lower-case name of the data set.
        clips: One for every row of the table, in its order, whatever their status.
        table: The annotation table.
        notes: What was met where, one line each: header row, image root, tables not used, folders without a row.
        absent: Ids of the clips that have no folder at all.
        strays: Clip folders on disk that no row names.
    """

    dataset: str
    clips: tuple[Clip, ...]
    table: Path
    notes: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
    strays: tuple[str, ...] = ()

    @property
    def corrections(self) -> tuple[str, ...]:
        """One line for each clip that can be used but not as the table says, e.g. with an impossible apex."""
        return tuple(f"{clip.id}: {clip.detail}" for clip in self.clips if clip.status == OK and clip.detail)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a data set's table holds as released: number of clips, subjects, clips by emotion."""

    clips: int
    subjects: tuple[str, ...]
    emotions: Mapping[str, int]


def middle_of(first: int, last: int) -> int:
    """The middle of two frame numbers, halves rounded up: floor((first + last + 1) / 2)."""
    return (first + last + 1) // 2


def with_frames(clip: Clip, frames: Frames, where: str) -> Clip:
    """Give a clip its middle frame, key frames and sequence.

    A key frame that is not on disk is replaced by the nearest within two frames, and `detail` says so. Two files with
    one number between onset and offset are never chosen from: the clip is left out.

    Args:
        clip: With onset, apex and (unless -1: the sequence then ends at the apex) offset set, onset <= apex <= offset.
        frames: The frames of its folder.
        where: How `detail` names that folder.

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
    used = {name: frames.nearest(number) for name, number in wanted.items()}
    lost = [f"{name} frame {wanted[name]}" for name, number in used.items() if number is None]
    if lost:
        held = f"{min(frames.names)}..{max(frames.names)}"
        return _missing(clip, f"no {' and no '.join(lost)}, nor one within 2 of it, in {where}, which holds {held}")
    found = {name: number for name, number in used.items() if number is not None}
    moved = [
        f"{name} frame {wanted[name]} is not on disk, {number} is used"
        for name, number in found.items()
        if number != wanted[name]
    ]
    last = max(clip.offset, found["apex"])
    inside = sorted(number for number in frames.names if found["onset"] <= number <= last)
    return dataclasses.replace(
        clip,
        onset=found["onset"],
        middle=found["middle"],
        apex=found["apex"],
        key_frames=tuple(frames.path(number) for number in found.values()),
        sequence=tuple((number, frames.path(number)) for number in inside),
        detail="; ".join(filter(None, (clip.detail, *moved))),
    )


def _missing(clip: Clip, why: str) -> Clip:
    return dataclasses.replace(clip, status=MISSING_FRAME, detail="; ".join(filter(None, (clip.detail, why))))
