"""Labels for clips that a finished run has not been trained on: by networks, texture classifiers or a fusion."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets.labels import ClassSet
from ..errors import DataError
from ..evaluation.folds import Folds, person_of_id
from ..evaluation.predictions import NO_FOLD, Predictions
from ..network.checkpoint import load_weights, restore
from ..network.inputs import Samples
from ..network.training import predict
from ..pack import Pack
from ..settings import FUSION, NETWORK
from ..texture.classifier import Classifier
from ..texture.features import features_of, layout_of
from .config import RunConfig
from .execute import plain_batches
from .methods.fusion import member_folders, weights_of

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
    places = zip(pack.dataset, pack.emotion, pack.subject, pack.clip, strict=True)
    truth = tuple(class_set.class_of(*place) or "" for place in places)
    n = len(pack.ids)
    place = np.stack([np.zeros(n, np.int64), np.arange(n)], 1)
    samples = Samples((pack,), place, pack.ids, np.zeros(n, np.int64), config.classes)
    rows = np.arange(len(samples.ids))
    folds = _by_fold(run, config, samples, device)
    average = np.mean(folds, axis=0)
    predictions = Predictions(samples.ids, (NO_FOLD,) * len(rows), truth, average, config.classes)
    seen = len(set(samples.ids) & set(config.clips))
    remarks = []
    if seen:
        remarks.append(
            f"{seen} of {len(rows)} clips were used to train {run}; their predictions say nothing about new recordings"
        )
    people = {person_of_id(name) for name in samples.ids}
    known = people & {person_of_id(name) for name in config.clips}
    if known and not seen:
        remarks.append(f"{len(known)} of {len(people)} people were used to train {run}, in other clips or recordings")
    return predictions, remarks


def _by_fold(run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:
    """(N, K) probabilities of all clips by what each fold of a run trained, or by the one network of `train`."""
    settings, pack = config.settings, samples.packs[0]
    torch.set_num_threads(settings.threads)
    if settings.region == "roi" and not pack.has_landmarks:
        raise DataError(f"{pack.path}: has no landmarks (made with --aligned), but {run} looks at regions")
    if settings.features == NETWORK:
        rows = np.arange(len(samples.ids))
        models = (restore(load_weights(file)).to(device) for file in _files(run, config, "final.pt"))
        return [predict(model, plain_batches(samples, rows, config), settings)[0] for model in models]
    if settings.features == FUSION:
        weights = [weights_of(run, config, fold) for fold in range(len(_files(run, config, "done.json")))]
        members = [_by_fold(folder, RunConfig.read(folder), samples, device) for folder in member_folders(run, config)]
        return [
            np.asarray(sum(weight * part for weight, part in zip(shares, parts, strict=True)))
            for shares, parts in zip(weights, zip(*members, strict=True), strict=True)
        ]
    size = layout_of(settings).size
    classifiers = [Classifier.load_for(file, config.classes, size) for file in _files(run, config, "classifier.npz")]
    features = features_of(samples, settings)
    return [classifier.predict(features) for classifier in classifiers]


def _files(run: Path, config: RunConfig, name: str) -> list[Path]:
    """The files of this name of all folds, or of `train`."""
    files = [run / name]
    if config.command == "cv":
        files = [run / f"fold_{fold}" / name for fold in range(len(Folds.load(run / "folds.json").tests))]
    missing = [file for file in files if not file.is_file()]
    if missing:
        going_on = shlex.join(["mertool", config.command, "-o", str(run), "--resume"])
        raise DataError(f'{run}: not finished, no {missing[0].relative_to(run)}; run "{going_on}"')
    return files
