"""The jitter test: onset and apex moved at random by a few frames (`extract --jitter`).

Key frames are human labels. A result that falls when they are slightly wrong hangs on annotators who saw the whole
clip, and would not be reached after a program's spotting.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..clips import OK, Clip, FrameSequence
from .annotations import middle_of
from .frames import Frames

__all__ = ["BY_JITTER", "around", "draw_moves", "jitter_remark", "with_jitter"]

BY_JITTER = "by --jitter"  # in the detail of every usable clip of a pack made with it
_UNMOVED = f"not moved {BY_JITTER}"
_STOPPED = "(drawn"


def draw_moves(clip_id: str, most: int, seed: int) -> tuple[int, int]:
    """How far a clip's onset and apex are to move: two independent uniform draws from -most..most, in frames.

    They hang on seed and id alone, so that neither order nor number of clips nor processes matter. With a larger
    `most` the same seed moves the same frames the same way, only further: what then differs between two packs is the
    amount, not the luck of the draw.

    Args:
        clip_id: `dataset/subject/clip`.
        most: From 0.
        seed: Other seeds give other draws.
    """
    digest = hashlib.sha256(f"jitter/{seed}/{clip_id}".encode()).digest()  # not the hash by which folds are dealt
    onset, apex = ((int.from_bytes(digest[at : at + 8], "big") * (2 * most + 1) >> 64) - most for at in (0, 8))
    return onset, apex


def with_jitter(clip: Clip, frames: Frames, most: int, seed: int) -> Clip:
    """Move a clip's onset and apex by what `draw_moves` says; `detail` tells from where to where.

    A move stops short where frames end or are missing (the nearest frame on disk between the two places is taken),
    at the offset, and halfway between onset and apex, so that onset < apex <= offset stays true; never does it go
    further than was drawn. Middle frame and sequence follow from the new places.

    Args:
        clip: Usable; with the apex that `--apex` chose.
        frames: All frames of its folder, also those before its onset.
        most: Frames, from 1.
        seed: See `draw_moves`.

    Returns:
        The clip; as it was, but for `detail`, where it has no frame numbers or its apex is its onset.
    """
    if not len(clip.sequence):
        return _saying(clip, f"{_UNMOVED}: it has no frame numbers")
    if clip.apex <= clip.onset:
        return _saying(clip, f"{_UNMOVED}: its apex is its onset")
    names = frames.names | dict(zip(clip.sequence.numbers, clip.sequence.names, strict=True))
    last = max(clip.offset, clip.apex) if clip.offset >= 0 else max(names)
    half = (clip.onset + clip.apex - 1) // 2  # the last place for the onset; independent of what the apex draws
    by_onset, by_apex = draw_moves(clip.id, most, seed)
    onset = _moved(clip.onset, by_onset, [number for number in names if number <= half])
    apex = _moved(clip.apex, by_apex, [number for number in names if half < number <= last])
    inside = tuple(sorted(number for number in names if onset <= number <= max(clip.offset, apex)))
    wanted = middle_of(onset, apex)
    middle = min((number for number in inside if number <= apex), key=lambda number: abs(number - wanted))
    folder = frames.folder
    moves = ((clip.onset, by_onset, onset), (clip.apex, by_apex, apex))
    said = [f"{before} to {now}{'' if now == before + by else f' {_STOPPED} {by:+d})'}" for before, by, now in moves]
    return _saying(
        dataclasses.replace(
            clip,
            onset=onset,
            middle=middle,
            apex=apex,
            key_frames=tuple(folder / names[number] for number in (onset, middle, apex)),
            sequence=FrameSequence(folder, inside, tuple(names[number] for number in inside)),
        ),
        f"onset {said[0]}, apex {said[1]} {BY_JITTER}",
    )


def around(clip: Clip, frames: Frames, most: int) -> list[Path]:
    """The pictures outside a clip's sequence to which `with_jitter` may move a key frame, whichever its apex."""
    if not len(clip.sequence):
        return []
    first, last = clip.sequence.numbers[0], clip.sequence.numbers[-1]
    end = last if clip.offset >= 0 else last + most
    numbers = sorted(n for n in frames.names if first - most <= n < first or last < n <= end)
    return [frames.path(number) for number in numbers]


def jitter_remark(rows: Iterable[Mapping[str, str]], most: int, seed: int) -> str:
    """What the jitter did to all clips, in a sentence, from the rows of NAME.clips.csv."""
    details = [row["detail"] for row in rows if row["status"] == OK]
    moved = sum(BY_JITTER in detail and _UNMOVED not in detail for detail in details)
    stopped = sum(detail.count(_STOPPED) for detail in details)
    said = f"--jitter {most}, seed {seed}: onset and apex of {moved} of {len(details)} clips moved at random"
    if not stopped:
        return said
    why = "no frame there, the offset, or halfway between the two"
    return f"{said}; {stopped} of these {2 * moved} moves stopped short ({why})"


def _moved(number: int, by: int, places: Iterable[int]) -> int:
    """The place nearest to `number + by` of those that lie between it and `number`."""
    low, high = sorted((number, number + by))
    return min((place for place in places if low <= place <= high), key=lambda place: abs(place - number - by))


def _saying(clip: Clip, what: str) -> Clip:
    return dataclasses.replace(clip, detail="; ".join(filter(None, (clip.detail, what))))
