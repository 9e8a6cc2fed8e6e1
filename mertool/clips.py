"""The record that travels from a data set's folder to the pack: one annotated clip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BAD_ANNOTATION",
    "MISSING_FRAME",
    "NO_FACE",
    "OK",
    "STATUSES",
    "UNREADABLE",
    "Clip",
    "FrameSequence",
    "filmed_together",
    "natural_key",
    "subject_key",
]

OK = "ok"
NO_FACE = "no_face"
MISSING_FRAME = "missing_frame"
BAD_ANNOTATION = "bad_annotation"
UNREADABLE = "unreadable"
STATUSES = (OK, NO_FACE, MISSING_FRAME, BAD_ANNOTATION, UNREADABLE)

# Parts of one data set that show the same people under the same names (docs/datasets.md, sections 4, 6 and 9).
_SAME_PEOPLE = {
    "smic-hs": "smic",
    "smic-vis": "smic",
    "smic-nir": "smic",
    "mmew-macro": "mmew",
    "casme-squared-macro": "casme-squared",
}


def subject_key(dataset: str, subject: str) -> str:
    """One name for each person, also where data sets share people: what subject-disjoint protocols keep apart."""
    return f"{_SAME_PEOPLE.get(dataset, dataset)}/{subject}"


def filmed_together(dataset: str, other: str) -> bool:
    """Whether two data sets are cameras that filmed the same people at the same time."""
    return dataset != other and dataset.startswith("smic-") and other.startswith("smic-")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts names by the numbers in them: s2 before s10."""
    parts = filter(None, re.split("([0-9]{1,9})", name))
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]


@dataclass(frozen=True, slots=True)
class FrameSequence:
    """Frames of one folder, ascending; paths are put together when asked for, since there may be a million.

    Attributes:
        folder: Where they lie; None where there is no sequence.
        numbers: Frame numbers.
        names: The file name of each.
    """

    folder: Path | None = None
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[int, Path]]:
        return ((number, self.path(place)) for place, number in enumerate(self.numbers))

    def path(self, place: int) -> Path:
        """The picture at a place of the sequence, counted from 0."""
        assert self.folder is not None
        return self.folder / self.names[place]


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of an annotation table, joined with its frames on disk.

    Attributes:
        clip: Name of the clip as the data set writes it, e.g. "006_1_2"; unique within (dataset, subject).
        dataset: Lower-case name of the data set, e.g. "samm".
        subject: Subject with the data set's own padding, e.g. "006".
        emotion: Canonical lower-case emotion (`mertool.datasets.labels.canonical_emotion`).
        onset, middle, apex, offset: Frame numbers actually used; -1 where there is none.
        key_frames: Pictures of onset, middle and apex; empty unless `status` is ok. For a ready-made picture
            whose three channels are the three inputs, the one path three times.
        channels: True for such a ready-made picture.
        sequence: Every frame on disk from onset to offset.
        status: One of `STATUSES`.
        detail: One line: why the status is not ok, or what was repaired (e.g. an impossible apex). May be empty.
    """

    clip: str
    dataset: str
    subject: str
    emotion: str
    onset: int = -1
    middle: int = -1
    apex: int = -1
    offset: int = -1
    key_frames: tuple[Path, ...] = ()
    channels: bool = False
    sequence: FrameSequence = FrameSequence()
    status: str = OK
    detail: str = ""

    @property
    def id(self) -> str:
        """`dataset/subject/clip`: unique over all data sets, the key of folds and predictions."""
        return f"{self.dataset}/{self.subject}/{self.clip}"
