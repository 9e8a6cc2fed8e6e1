"""Key frames: which frames on disk become onset, middle and apex of a clip, and its sequence."""

from __future__ import annotations

from dataclasses import replace

from ..clips import MISSING_FRAME, ChosenApex, Clip, FrameSequence
from .frames import Frames

__all__ = ["from_first_frame", "middle_of", "missing", "with_apex", "with_frames"]


def middle_of(first: int, last: int) -> int:
    """The middle of two frame numbers, halves rounded up: floor((first + last + 1) / 2)."""
    return (first + last + 1) // 2


def missing(clip: Clip, why: str) -> Clip:
    """The clip with status missing_frame, and the reason."""
    return replace(clip, status=MISSING_FRAME, key_frames=(), remarks=(*clip.remarks, why))


def with_frames(clip: Clip, frames: Frames, where: str, max_gap: int = 2) -> Clip:
    """Give a clip its middle frame, key frames and sequence.

    A key frame that is not on disk is replaced by the nearest within `max_gap` frames, with a remark, but never such
    that the apex becomes the onset. If two files have the same frame number, neither is chosen: the clip is left out.

    Args:
        clip: With onset, apex and offset set, onset <= apex <= offset. With an offset of -1 the sequence ends at the
            apex.
        frames: The frames of its folder.
        where: How remarks name that folder.
        max_gap: See above.

    Returns:
        The clip with status ok or missing_frame.
    """
    last = clip.offset if clip.offset >= 0 else clip.apex
    wanted = {"onset": clip.onset, "middle": middle_of(clip.onset, clip.apex), "apex": clip.apex}
    clip = replace(clip, middle=wanted["middle"])
    duplicates = sorted(number for number in frames.duplicates if clip.onset <= number <= last)
    if duplicates:
        more = f" (and {len(duplicates) - 1} more)" if len(duplicates) > 1 else ""
        names = " and ".join(frames.duplicates[duplicates[0]])
        return missing(clip, f"frame {duplicates[0]} is there more than once{more}: {names} in {where}; keep one")
    if not frames.names:
        return missing(clip, f"no numbered pictures in {where}")
    used = {name: frames.nearest(number, max_gap) for name, number in wanted.items()}
    lost = [f"{name} frame {wanted[name]}" for name, number in used.items() if number is None]
    if lost:
        held = f"{min(frames.names)}..{max(frames.names)}"
        what = f"no {' and no '.join(lost)}, nor one within {max_gap} of it"
        return missing(clip, f"{what}, in {where}, which holds {held}")
    found = {name: number for name, number in used.items() if number is not None}
    if found["apex"] <= found["onset"] and wanted["apex"] > wanted["onset"]:
        return missing(clip, f"of onset frame {wanted['onset']} to apex frame {wanted['apex']} one is left in {where}")
    substitutes = [
        f"{name} frame {wanted[name]} is not on disk, {number} is used"
        for name, number in found.items()
        if number != wanted[name]
    ]
    last = max(clip.offset, found["apex"])
    inside = tuple(sorted(number for number in frames.names if found["onset"] <= number <= last))
    return replace(
        clip,
        onset=found["onset"],
        middle=found["middle"],
        apex=found["apex"],
        key_frames=tuple(frames.path(number) for number in found.values()),
        sequence=FrameSequence(frames.folder, inside, tuple(frames.names[number] for number in inside)),
        remarks=(*clip.remarks, *substitutes),
    )


def with_apex(clip: Clip, apex: int, source: str) -> Clip:
    """Give a clip another apex, and the middle frame that follows from it.

    Args:
        clip: Usable, with its sequence.
        apex: A frame number. The nearest frame on disk after the onset is taken; of two, the earlier.
        source: "middle" or "difference".

    Returns:
        The clip; with status missing_frame if no frame follows the onset.
    """
    numbers = clip.sequence.numbers
    later = [i for i, number in enumerate(numbers) if number > clip.onset]
    if not later:
        return missing(clip, f"no frames after the onset to choose an apex from, by --apex {source}")
    at = min(later, key=lambda i: abs(numbers[i] - apex))
    wanted = middle_of(clip.onset, numbers[at])
    middle = min(range(len(numbers)), key=lambda i: abs(numbers[i] - wanted))
    return replace(
        clip,
        middle=numbers[middle],
        apex=numbers[at],
        key_frames=(clip.key_frames[0], clip.sequence.path(middle), clip.sequence.path(at)),
        chosen_apex=ChosenApex(numbers[at], source),
    )


def from_first_frame(clip: Clip, frames: Frames) -> Clip:
    """A clip annotated in frames of the whole recording, in frames of its own folder; others as they are.

    It is taken as such where the frames on disk are numbered from 0 or 1 and the annotation lies after them all: its
    onset is then the first frame.
    """
    if not frames.names:
        return clip
    first, last = min(frames.names), max(frames.names)
    end = max(clip.apex, clip.offset)
    if first > 1 or clip.onset <= last or end - clip.onset > last - first:
        return clip
    shift = clip.onset - first
    offset = clip.offset - shift if clip.offset >= 0 else -1
    remark = f"frames {clip.onset}..{end} are those of the whole recording; taken as {first}.."
    return replace(clip, onset=first, apex=clip.apex - shift, offset=offset, remarks=(*clip.remarks, remark))
