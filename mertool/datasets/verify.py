"""What a data set's folder holds, compared with what its table names and with the data set as released."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..clips import OK, Clip, natural_key
from ..text import plural
from . import read_clips
from .annotations import Annotations, Expected

__all__ = ["Count", "Verification", "verify"]

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are: annotated, usable on disk, and in the data set as released (None: not known)."""

    what: str
    table: int
    usable: int
    expected: int | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of `verify`.

    Attributes:
        dataset: Name of the data set.
        complete: Every clip of the table can be used, repaired ones included; `counts` tells whether the table has
            all clips.
        notes: What was read from where, and what was not.
        counts: Clips, subjects, and clips by emotion.
        subjects: Clips by subject.
        deviations: One line each: counts other than expected, subjects and clips without folder, key frames missing,
            rows that cannot be used, repairs, gaps between onset and offset, folders without a row.
    """

    dataset: str
    complete: bool
    notes: tuple[str, ...]
    counts: tuple[Count, ...]
    subjects: tuple[Count, ...]
    deviations: tuple[str, ...]

    def lines(self) -> list[str]:
        """The outcome as text, for a terminal."""
        widest = max(len(count.what) for count in self.counts)
        rows, usable = self.counts[0].table, self.counts[0].usable
        outcome = f"{rows - usable} of {rows} annotated clips cannot"
        if self.complete:
            outcome = f"all {rows} annotated clips can"
        lines = [f"{self.dataset}: {outcome} be used"]
        lines += [f"  {note}" for note in self.notes]
        lines.append(f"{'':{widest}}  expected  annotated  usable")
        for count in self.counts:
            expected = "-" if count.expected is None else str(count.expected)
            lines.append(f"{count.what:{widest}}  {expected:>8}  {count.table:9d}  {count.usable:6d}")
        lines += _wrapped("clips by subject (usable of those annotated): ", self.subjects)
        lines.append(plural(len(self.deviations), "deviation") if self.deviations else "no deviations")
        return lines + [f"  {deviation}" for deviation in self.deviations]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)


def verify(path: Path, dataset: str | None = None, apex: str = "table") -> Verification:
    """Compare a folder (or manifest) with its annotation and with the data set as released. No picture is opened.

    Args:
        path, dataset, apex: As in `read_clips`.

    Raises:
        UsageError, FileError, AnnotationError: As `read_clips`.
    """
    found = read_clips(path, dataset=dataset, apex=apex)
    counts = _counts(found.clips, found.expected)
    return Verification(
        found.dataset,
        all(clip.status == OK for clip in found.clips),
        found.notes,
        counts,
        _by_subject(found.clips),
        (
            *_count_deviations(found.clips, counts, found.expected),
            *_clip_deviations(found),
            *(f"{folder}: a clip folder that nothing annotates" for folder in found.unannotated),
        ),
    )


def _wrapped(title: str, subjects: Sequence[Count]) -> list[str]:
    counts = (f"{c.what} {c.table}" if c.usable == c.table else f"{c.what} {c.usable} of {c.table}" for c in subjects)
    return textwrap.wrap(title + ", ".join(counts), _WIDTH, subsequent_indent="  ", break_long_words=False)


def _counts(clips: tuple[Clip, ...], expected: Expected) -> tuple[Count, ...]:
    usable = [clip for clip in clips if clip.status == OK]
    n_subjects = expected.subjects
    if isinstance(n_subjects, tuple):
        n_subjects = len(n_subjects)
    counts = [
        Count("clips", len(clips), len(usable), expected.clips),
        Count("subjects", len(_subjects(clips)), len(_subjects(usable)), n_subjects),
    ]
    table, on_disk = Counter(clip.emotion for clip in clips), Counter(clip.emotion for clip in usable)
    for emotion in sorted({*table, *(expected.emotions or ())} - {""}):
        n_expected = None if expected.emotions is None else expected.emotions.get(emotion, 0)
        counts.append(Count(emotion, table[emotion], on_disk[emotion], n_expected))
    return tuple(counts)


def _by_subject(clips: tuple[Clip, ...]) -> tuple[Count, ...]:
    table = Counter(clip.subject for clip in clips)
    usable = Counter(clip.subject for clip in clips if clip.status == OK)
    return tuple(Count(name, table[name], usable[name], None) for name in sorted(table, key=natural_key) if name)


def _subjects(clips: Iterable[Clip]) -> set[str]:
    return {clip.subject for clip in clips} - {""}


def _count_deviations(clips: tuple[Clip, ...], counts: tuple[Count, ...], expected: Expected) -> list[str]:
    lines = [
        f"{count.what}: {count.table} annotated, {count.expected} expected"
        for count in counts
        if count.expected is not None and count.table != count.expected
    ]
    if isinstance(expected.subjects, tuple):
        annotated = _subjects(clips)
        lines += [f"subject {name}: expected, but not annotated" for name in expected.subjects if name not in annotated]
        lines += [f"subject {name}: not expected" for name in sorted(annotated - set(expected.subjects))]
    return lines


def _clip_deviations(found: Annotations) -> list[str]:
    lines = []
    present = _subjects(clip for clip in found.clips if clip.id not in found.absent)
    for subject in sorted(_subjects(found.clips) - present):
        names = [clip.name for clip in found.clips if clip.subject == subject]
        lines.append(f"subject {subject}: no folder on disk for any of its {len(names)} clips: {', '.join(names)}")
    for clip in found.clips:
        if clip.id in found.absent and clip.subject not in present:
            continue
        if clip.status != OK:
            lines.append(f"{clip.id}: {clip.status}: {clip.detail}")
            continue
        if clip.remarks:  # what --apex chose is no deviation
            lines.append(f"{clip.id}: {'; '.join(clip.remarks)}")
        frames = clip.offset - clip.onset + 1
        if clip.offset >= 0 and len(clip.sequence) < frames:
            lines.append(f"{clip.id}: {frames - len(clip.sequence)} of {frames} frames onset..offset are not on disk")
    return lines
