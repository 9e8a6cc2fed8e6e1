"""Packs -> samples: the clips that belong to the classes, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..datasets.labels import ClassSet
from ..errors import DataError
from ..evaluation.predictions import NO_FOLD, Predictions
from ..pack import Pack
from ..settings import Settings
from .motion import Progress, flow_of_pack

__all__ = ["Samples", "load_samples"]


@dataclass(frozen=True, slots=True)
class Samples:
    """The clips of one or more packs that belong to a class set, in the order of the packs.

    Attributes:
        packs: The packs.
        pack_row: (N, 2) int64: number of the pack, and row in it, of each clip.
        ids: N clip ids, `dataset/subject/name`.
        labels: (N,) int64 index into `classes`.
        classes: Class names.
    """

    packs: tuple[Pack, ...]
    pack_row: NDArray[np.int64]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    _flow: dict[int, NDArray[np.float16]] = field(default_factory=dict, repr=False, compare=False)

    def flow_of(self, number: int, progress: Progress = lambda _done, _total: None) -> NDArray[np.float16]:
        """The flow of all clips of a pack, see `mertool.inputs.motion.flow_of_pack`; found on first use."""
        if number not in self._flow:
            self._flow[number] = flow_of_pack(self.packs[number], progress)
        return self._flow[number]

    def predictions(
        self, rows: NDArray[np.int64], probabilities: NDArray[np.float64], fold: int = NO_FOLD
    ) -> Predictions:
        """Predictions of these clips: (B,) rows and their (B, K) probabilities."""
        clips = tuple(self.ids[row] for row in rows)
        truth = tuple(self.classes[label] for label in self.labels[rows])
        return Predictions(clips, (fold,) * len(rows), truth, probabilities, self.classes)

    def class_names(self) -> dict[str, str]:
        """The class of each clip, by its id."""
        return {clip_id: self.classes[label] for clip_id, label in zip(self.ids, self.labels, strict=True)}

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(len(ids),) rows of the named clips.

        Raises:
            DataError: A clip is not among them.
        """
        row = {clip_id: index for index, clip_id in enumerate(self.ids)}
        unknown = [clip_id for clip_id in ids if clip_id not in row]
        if unknown:
            raise DataError(f"clip {unknown[0]} and {len(unknown) - 1} more are not in the pack; was it made again?")
        return np.array([row[clip_id] for clip_id in ids], np.int64)


def load_samples(packs: Sequence[Pack], class_set: ClassSet, settings: Settings) -> Samples:
    """The clips of `packs` that belong to one of the classes.

    Raises:
        DataError: A clip is in two packs, no clip belongs to a class, or a pack without landmarks is used with `--roi`.
    """
    pack_row, ids, labels = [], [], []
    for number, pack in enumerate(packs):
        if settings.region == "roi" and not pack.has_landmarks:
            raise DataError(
                f"{pack.path}: has no landmarks (made with --aligned), but --roi renders regions from them; "
                "use --face, or extract without --aligned"
            )
        for row, clip_id in enumerate(pack.ids):
            label = class_set.class_of(pack.dataset[row], pack.emotion[row], pack.subject[row], pack.clip_name[row])
            if label is not None:
                pack_row.append((number, row))
                ids.append(clip_id)
                labels.append(class_set.classes.index(label))
    if not ids:
        present = sorted({emotion for pack in packs for emotion in pack.emotion} - {""})
        raise DataError(
            f"no clip belongs to --classes {settings.classes}; the emotions in the packs are {', '.join(present)}"
        )
    if len(set(ids)) < len(ids):
        double = next(clip_id for clip_id in ids if ids.count(clip_id) > 1)
        raise DataError(f"clip {double} is in more than one pack; leave one of them out")
    return Samples(
        tuple(packs), np.array(pack_row, np.int64), tuple(ids), np.array(labels, np.int64), tuple(class_set.classes)
    )
