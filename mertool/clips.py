"""The record that travels from a data set's folder to the pack: one annotated clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["BAD_ANNOTATION", "MISSING_FRAME", "NO_FACE", "OK", "STATUSES", "UNREADABLE", "Clip"]

OK = "ok"
NO_FACE = "no_face"
MISSING_FRAME = "missing_frame"
BAD_ANNOTATION = "bad_annotation"
UNREADABLE = "unreadable"
STATUSES = (OK, NO_FACE, MISSING_FRAME, BAD_ANNOTATION, UNREADABLE)


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
        sequence: (frame number, picture) of every frame on disk from onset to offset, ascending.
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
    sequence: tuple[tuple[int, Path], ...] = ()
    status: str = OK
    detail: str = ""

    @property
    def id(self) -> str:
        """`dataset/subject/clip`: unique over all data sets, the key of folds and predictions."""
        return f"{self.dataset}/{self.subject}/{self.clip}"
