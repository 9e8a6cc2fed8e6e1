"""The jitter test: onset and apex moved at random by a few frames (`extract --jitter`).

Key frames are human labels. A result that drops when they are slightly wrong depends on annotators who saw the whole
clip, and would not be reached with key frames that a program spotted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..clips import OK, Clip, FrameSequence, Jitter, Move, Unmoved
from .frames import Frames
from .key_frames import middle_of

__all__ = ["draw_moves", "frames_within_reach", "jitter_summary", "with_jitter"]


def draw_moves(clip_id: str, most: int, seed: int) -> tuple[int, int]:
    """How far a clip's onset and apex are to move: two independent uniform draws from -most..most, in frames.

    They depend on seed and id alone, so that neither order nor number of clips nor processes matter. With a larger
    `most` the same seed moves the same frames the same way, only further: what then differs between two packs is the
    amount, not the luck of the draw.

    Args:
        clip_id: `dataset/subject/name`.
        most: From 0.
        seed: Other seeds give other draws.
    """
    digest = hashlib.sha256(f"jitter/{seed}/{clip_id}".encode()).digest()  # not the hash by which folds are dealt
    onset, apex = ((int.from_bytes(digest[at : at + 8], "big") * (2 * most + 1) >> 64) - most for at in (0, 8))
    return onset, apex


def with_jitter(clip: Clip, frames: Frames, most: int, seed: int) -> Clip:
    """Move a clip's onset and apex by what `draw_moves` says; its `jitter` tells from where to where.

    A move stops short where frames end or are missing (the nearest frame on disk between the two numbers is taken),
    at the offset, and halfway between onset and apex, so that onset < apex <= offset stays true. It never goes
    further than was drawn. Middle frame and sequence follow from the new numbers.

    Args:
        clip: Usable; with the apex that `--apex` chose.
        frames: All frames of its folder, also those before its onset.
        most: Frames, from 1.
        seed: See `draw_moves`.

    Returns:
        The clip; as it was, but for `jitter`, if it has no frame numbers or its apex is its onset.
    """
    if not len(clip.sequence):
        return replace(clip, jitter=Jitter(Unmoved.NO_NUMBERS))
    if clip.apex <= clip.onset:
        return replace(clip, jitter=Jitter(Unmoved.NO_MOVEMENT))
    names = frames.names | dict(zip(clip.sequence.numbers, clip.sequence.names, strict=True))
    last = max(clip.offset, clip.apex) if clip.offset >= 0 else max(names)
    half = (clip.onset + clip.apex - 1) // 2  # the last number for the onset; independent of what the apex draws
    by_onset, by_apex = draw_moves(clip.id, most, seed)
    onset = _move(clip.onset, by_onset, [number for number in names if number <= half])
    apex = _move(clip.apex, by_apex, [number for number in names if half < number <= last])
    inside = tuple(sorted(number for number in names if onset.after <= number <= max(clip.offset, apex.after)))
    wanted = middle_of(onset.after, apex.after)
    middle = min((number for number in inside if number <= apex.after), key=lambda number: abs(number - wanted))
    folder = frames.folder
    return replace(
        clip,
        onset=onset.after,
        middle=middle,
        apex=apex.after,
        key_frames=tuple(folder / names[number] for number in (onset.after, middle, apex.after)),
        sequence=FrameSequence(folder, inside, tuple(names[number] for number in inside)),
        jitter=Jitter((onset, apex)),
    )


def frames_within_reach(clip: Clip, frames: Frames, most: int) -> list[Path]:
    """The pictures outside a clip's sequence to which `with_jitter` may move a key frame, whichever its apex."""
    if not len(clip.sequence):
        return []
    first, last = clip.sequence.numbers[0], clip.sequence.numbers[-1]
    end = last if clip.offset >= 0 else last + most
    numbers = sorted(n for n in frames.names if first - most <= n < first or last < n <= end)
    return [frames.path(number) for number in numbers]


def jitter_summary(rows: Iterable[Mapping[str, str]], most: int, seed: int) -> str:
    """What the jitter did to all clips, in a sentence, from the rows of NAME.clips.csv."""
    used = [row["detail"].split("; ") for row in rows if row["status"] == OK]
    jitters = [jitter for parts in used for part in parts if (jitter := Jitter.parse(part))]
    moved = [jitter.moves for jitter in jitters if jitter.moves]
    stopped = sum(move.stopped for moves in moved for move in moves)
    summary = f"--jitter {most}, seed {seed}: onset and apex of {len(moved)} of {len(used)} clips moved at random"
    if not stopped:
        return summary
    why = "no frame there, the offset, or halfway between the two"
    return f"{summary}; {stopped} of these {2 * len(moved)} moves stopped short ({why})"


def _move(number: int, drawn: int, allowed: Iterable[int]) -> Move:
    """A move to the number nearest to `number + drawn` of those allowed that lie between it and `number`."""
    low, high = sorted((number, number + drawn))
    after = min((n for n in allowed if low <= n <= high), key=lambda n: abs(n - number - drawn))
    return Move(number, after, drawn)
