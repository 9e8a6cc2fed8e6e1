"""The record that travels from a data set's folder to the pack: one annotated clip."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError

__all__ = [
    "BAD_ANNOTATION",
    "MISSING_FRAME",
    "NO_FACE",
    "OK",
    "STATUSES",
    "UNREADABLE",
    "ChosenApex",
    "Clip",
    "FrameSequence",
    "Jitter",
    "Move",
    "Unmoved",
    "filmed_together",
    "natural_key",
    "split_id",
    "subject_key",
    "subject_key_of_id",
]

OK = "ok"
NO_FACE = "no_face"
MISSING_FRAME = "missing_frame"
BAD_ANNOTATION = "bad_annotation"
UNREADABLE = "unreadable"
STATUSES = (OK, NO_FACE, MISSING_FRAME, BAD_ANNOTATION, UNREADABLE)

# Parts of one data set that show the same subjects under the same names (docs/datasets.md, sections 4, 6 and 9).
_SHARED_SUBJECTS = {
    "smic-hs": "smic",
    "smic-vis": "smic",
    "smic-nir": "smic",
    "mmew-macro": "mmew",
    "casme-squared-macro": "casme-squared",
}


def subject_key(dataset: str, subject: str) -> str:
    """One name for each subject, also where data sets share subjects: what subject-disjoint protocols keep apart."""
    return f"{_SHARED_SUBJECTS.get(dataset, dataset)}/{subject}"


def split_id(clip_id: str) -> tuple[str, str, str]:
    """Data set, subject and clip of an id `dataset/subject/clip`; only the clip may itself contain a slash.

    Raises:
        DataError: The id has fewer parts or an empty one.
    """
    parts = clip_id.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise DataError(f"clip id: expected dataset/subject/clip, got {clip_id!r}")
    return parts[0], parts[1], parts[2]


def subject_key_of_id(clip_id: str) -> str:
    """The `subject_key` of a clip's subject.

    Raises:
        DataError: As `split_id`.
    """
    return subject_key(*split_id(clip_id)[:2])


def filmed_together(dataset: str, other: str) -> bool:
    """Whether two data sets are cameras that filmed the same subjects at the same time."""
    return dataset != other and dataset.startswith("smic-") and other.startswith("smic-")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Key that sorts names by the numbers in them: s2 before s10."""
    parts = filter(None, re.split("([0-9]{1,9})", name))
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]


@dataclass(frozen=True, slots=True)
class FrameSequence:
    """Frames of one folder, ascending; paths are only put together when asked for, since there may be a million.

    Attributes:
        folder: Where they are; None if there is no sequence.
        numbers: Frame numbers.
        names: The file name of each.
    """

    folder: Path | None = None
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[int, Path]]:
        return ((number, self.path(i)) for i, number in enumerate(self.numbers))

    def path(self, i: int) -> Path:
        """The picture at index `i` of the sequence, from 0."""
        assert self.folder is not None
        return self.folder / self.names[i]


# What --apex and --jitter did to a clip. A pack stores the text of these records, which `parse` turns back into them.


@dataclass(frozen=True, slots=True)
class ChosenApex:
    """The apex that `--apex` chose in place of the annotated one.

    Attributes:
        frame: Its number, before any jitter.
        source: "middle" or "difference".
    """

    frame: int
    source: str

    def __str__(self) -> str:
        return f"apex {self.frame} by --apex {self.source}"

    @classmethod
    def parse(cls, text: str) -> ChosenApex | None:
        """The record that a text says; None if it says anything else."""
        parts = _CHOSEN_APEX.fullmatch(text)
        return cls(int(parts[1]), parts[2]) if parts else None


_CHOSEN_APEX = re.compile(r"apex ([0-9]+) by --apex (\w+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Move:
    """A key frame moved at random.

    Attributes:
        before, after: Frame numbers.
        drawn: How far it was to move, in frames.
    """

    before: int
    after: int
    drawn: int

    @property
    def stopped(self) -> bool:
        """Whether it moved less far than was drawn."""
        return self.after != self.before + self.drawn

    def __str__(self) -> str:
        drawn = f" (drawn {self.drawn:+d})" if self.stopped else ""
        return f"{self.before} to {self.after}{drawn}"

    @classmethod
    def parse(cls, text: str) -> Move | None:
        """The record that a text says; None if it says anything else."""
        parts = _MOVE.fullmatch(text)
        if parts is None:
            return None
        before, after = int(parts[1]), int(parts[2])
        return cls(before, after, int(parts[3] or after - before))


_MOVE = re.compile(r"([0-9]+) to ([0-9]+)(?: \(drawn ([+-][0-9]+)\))?", re.ASCII)


class Unmoved(enum.Enum):
    """Why `--jitter` could not move the key frames of a clip."""

    NO_NUMBERS = "it has no frame numbers"
    NO_MOVEMENT = "its apex is its onset"


@dataclass(frozen=True, slots=True)
class Jitter:
    """What `--jitter` did to a clip.

    Attributes:
        outcome: The moves of onset and apex, or why neither could be moved.
    """

    outcome: tuple[Move, Move] | Unmoved

    @property
    def moves(self) -> tuple[Move, ...]:
        """The moves of onset and apex; empty if neither could be moved."""
        return () if isinstance(self.outcome, Unmoved) else self.outcome

    def __str__(self) -> str:
        if isinstance(self.outcome, Unmoved):
            return f"not moved by --jitter: {self.outcome.value}"
        onset, apex = self.outcome
        return f"onset {onset}, apex {apex} by --jitter"

    @classmethod
    def parse(cls, text: str) -> Jitter | None:
        """The record that a text says; None if it says anything else."""
        for reason in Unmoved:
            if text == str(cls(reason)):
                return cls(reason)
        parts = _JITTER.fullmatch(text)
        if parts is None:
            return None
        onset, apex = Move.parse(parts[1]), Move.parse(parts[2])
        if onset is None or apex is None:
            return None
        return cls((onset, apex))


_JITTER = re.compile(r"onset (.+), apex (.+) by --jitter")


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of an annotation table, joined with its frames on disk.

    Attributes:
        name: As the data set writes it, e.g. "006_1_2"; unique within (dataset, subject).
        dataset: Lower-case name of the data set, e.g. "samm".
        subject: Subject with the data set's own padding, e.g. "006".
        emotion: Canonical lower-case emotion (`mertool.datasets.labels.canonical_emotion`).
        onset, middle, apex, offset: Frame numbers actually used; -1 where there is none.
        key_frames: Pictures of onset, middle and apex; empty unless `status` is ok. For a ready-made picture
            whose three channels are the three inputs, the one path three times.
        channels: True for such a ready-made picture.
        sequence: Every frame on disk from onset to offset.
        status: One of `STATUSES`.
        contradicts: True for a row that says something else than an earlier row of the same clip.
        remarks: One line each: why the status is not ok, or what was repaired (e.g. an impossible apex).
        chosen_apex: The apex that `--apex` chose; None if it is the annotated one.
        jitter: What `--jitter` did; None without it.
    """

    name: str
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
    contradicts: bool = False
    remarks: tuple[str, ...] = ()
    chosen_apex: ChosenApex | None = None
    jitter: Jitter | None = None

    @property
    def id(self) -> str:
        """`dataset/subject/name`: unique over all data sets, the key of folds and predictions."""
        return f"{self.dataset}/{self.subject}/{self.name}"

    @property
    def detail(self) -> str:
        """All that there is to say of the clip, in one line; may be empty."""
        records = (record for record in (self.chosen_apex, self.jitter) if record is not None)
        return "; ".join([*self.remarks, *map(str, records)])
