"""What a data set's folder holds, against what its table names and what the released data set has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..clips import OK, Clip
from . import Annotations, expected_of, read_clips
from .annotations import Expected

__all__ = ["Count", "Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are: in the table, usable on disk, and in the data set as released (None: not known)."""

    what: str
    table: int
    usable: int
    expected: int | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of `verify`.

    Attributes:
        dataset: Name of the data set.
        complete: Every clip of the table can be used, repaired ones included; whether the table is, `counts` says.
        notes: What was met where.
        counts: Clips, subjects, and clips by emotion.
        deviations: One line each: counts other than expected, subjects and clips without folder, key frames missing,
            rows that cannot be used, repairs, gaps between onset and offset, folders without a row.
    """

    dataset: str
    complete: bool
    notes: tuple[str, ...]
    counts: tuple[Count, ...]
    deviations: tuple[str, ...]

    def lines(self) -> list[str]:
        """The outcome as text, for a terminal."""
        widest = max(len(count.what) for count in self.counts)
        rows, usable = self.counts[0].table, self.counts[0].usable
        said = f"all {rows} clips of the table can" if self.complete else f"{rows - usable} of {rows} clips cannot"
        lines = [f"{self.dataset}: {said} be used"]
        lines += [f"  {note}" for note in self.notes]
        lines.append(f"{'':{widest}}  expected  in table  usable")
        for count in self.counts:
            expected = "-" if count.expected is None else str(count.expected)
            lines.append(f"{count.what:{widest}}  {expected:>8}  {count.table:8d}  {count.usable:6d}")
        lines.append(f"{len(self.deviations) or 'no'} deviation{'' if len(self.deviations) == 1 else 's'}")
        return lines + [f"  {deviation}" for deviation in self.deviations]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)


def verify(path: Path, dataset: str | None = None) -> Verification:
    """Compare a folder (or manifest) with its annotation and with the data set as released. No picture is opened.

    Raises:
        UsageError, FileError, DataError: As `read_clips`.
    """
    found = read_clips(path, dataset=dataset)
    expected = expected_of(found.dataset) if path.is_dir() else None
    counts = _counts(found.clips, expected)
    return Verification(
        found.dataset,
        all(clip.status == OK for clip in found.clips),
        found.notes,
        counts,
        (
            *_count_deviations(found.clips, counts, expected),
            *_clip_deviations(found),
            *(f"{folder}: a clip folder without a row in the table" for folder in found.strays),
        ),
    )


def _counts(clips: tuple[Clip, ...], expected: Expected | None) -> tuple[Count, ...]:
    usable = [clip for clip in clips if clip.status == OK]
    table, on_disk = Counter(clip.emotion for clip in clips), Counter(clip.emotion for clip in usable)
    emotions = sorted({*table, *(expected.emotions if expected else ())} - {""})
    return (
        Count("clips", len(clips), len(usable), expected.clips if expected else None),
        Count("subjects", len(_subjects(clips)), len(_subjects(usable)), len(expected.subjects) if expected else None),
        *(
            Count(name, table[name], on_disk[name], expected.emotions.get(name, 0) if expected else None)
            for name in emotions
        ),
    )


def _subjects(clips: Iterable[Clip]) -> set[str]:
    return {clip.subject for clip in clips} - {""}


def _count_deviations(clips: tuple[Clip, ...], counts: tuple[Count, ...], expected: Expected | None) -> list[str]:
    if expected is None:
        return []
    lines = [
        f"{count.what}: {count.table} in the table, {count.expected} expected"
        for count in counts
        if count.table != count.expected
    ]
    subjects = _subjects(clips)
    lines += [f"subject {name}: expected, but not in the table" for name in expected.subjects if name not in subjects]
    lines += [f"subject {name}: not expected" for name in sorted(subjects - set(expected.subjects))]
    return lines


def _clip_deviations(found: Annotations) -> list[str]:
    lines = []
    present = _subjects(clip for clip in found.clips if clip.id not in found.absent)
    for subject in sorted(_subjects(found.clips) - present):
        names = [clip.clip for clip in found.clips if clip.subject == subject]
        lines.append(f"subject {subject}: no folder on disk for any of its {len(names)} clips: {', '.join(names)}")
    for clip in found.clips:
        if clip.id in found.absent and clip.subject not in present:
            continue
        if clip.status != OK:
            lines.append(f"{clip.id}: {clip.status}: {clip.detail}")
            continue
        if clip.detail:
            lines.append(f"{clip.id}: {clip.detail}")
        frames = clip.offset - clip.onset + 1
        if clip.offset >= 0 and len(clip.sequence) < frames:
            lines.append(f"{clip.id}: {frames - len(clip.sequence)} of {frames} frames onset..offset are not on disk")
    return lines
