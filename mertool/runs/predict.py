"""Labels for clips that a finished run has not been trained on: by networks, texture classifiers or a fusion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..datasets.labels import ClassSet
from ..errors import DataError
from ..evaluation.folds import subject_key_of_id
from ..evaluation.predictions import NO_FOLD, Predictions
from ..inputs.samples import Samples
from ..pack import Pack
from .config import RunConfig
from .methods import method_of

__all__ = ["predict_pack"]


def predict_pack(run: Path, pack: Pack, device: str) -> tuple[Predictions, list[str]]:
    """Class probabilities of every clip of a pack, averaged over the folds of a run.

    Args:
        run: A finished run of `cv` (what its folds trained is averaged) or of `train`.
        pack: The clips; those whose emotion is none of the run's classes get no truth.
        device: "cpu", "cuda" or "mps".

    Returns:
        The predictions, and remarks for the user.

    Raises:
        MertoolError: The run is not finished, or the pack does not hold what it looks at.
    """
    config = RunConfig.read(run)
    class_set = ClassSet(config.settings.classes, config.classes)
    places = zip(pack.dataset, pack.emotion, pack.subject, pack.clip_name, strict=True)
    truth = tuple(class_set.class_of(*place) or "" for place in places)
    n = len(pack.ids)
    place = np.stack([np.zeros(n, np.int64), np.arange(n)], 1)
    samples = Samples((pack,), place, pack.ids, np.zeros(n, np.int64), config.classes)
    rows = np.arange(len(samples.ids))
    torch.set_num_threads(config.settings.threads)
    if config.settings.region == "roi" and not pack.has_landmarks:
        raise DataError(f"{pack.path}: has no landmarks (made with --aligned), but {run} looks at regions")
    average = np.mean(method_of(config.settings).predict(run, config, samples, device), axis=0)
    predictions = Predictions(samples.ids, (NO_FOLD,) * len(rows), truth, average, config.classes)
    seen = len(set(samples.ids) & set(config.clips))
    remarks = []
    if seen:
        remarks.append(
            f"{seen} of {len(rows)} clips were used to train {run}; their predictions say nothing about new recordings"
        )
    people = {subject_key_of_id(name) for name in samples.ids}
    known = people & {subject_key_of_id(name) for name in config.clips}
    if known and not seen:
        remarks.append(f"{len(known)} of {len(people)} people were used to train {run}, in other clips or recordings")
    return predictions, remarks
