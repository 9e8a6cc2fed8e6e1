"""Labels for clips that a finished run has not been trained on."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch

from .checkpoint import load_weights, restore
from .crossval import plain_batches
from .datasets.labels import ClassSet
from .engine import predict
from .errors import DataError
from .folds import Folds, person_of_id
from .inputs import Samples
from .pack import Pack
from .predictions import NO_FOLD, Predictions
from .runs import RunConfig

__all__ = ["predict_pack"]


def predict_pack(run: Path, pack: Pack, device: str) -> tuple[Predictions, list[str]]:
    """Class probabilities of every clip of a pack, averaged over the networks of a run.

    Args:
        run: A finished run of `cv` (its fold networks are averaged) or of `train`.
        pack: The clips; those whose emotion is none of the run's classes get no truth.
        device: "cpu", "cuda" or "mps".

    Returns:
        The predictions, and remarks for the user.

    Raises:
        DataError: The run is not finished, or the pack does not hold what the network needs.
    """
    config = RunConfig.read(run)
    files = [run / "final.pt"]
    if config.command == "cv":
        files = [run / f"fold_{fold}" / "final.pt" for fold in range(len(Folds.load(run / "folds.json").tests))]
    missing = [file for file in files if not file.is_file()]
    if missing:
        going_on = shlex.join(["mertool", config.command, "-o", str(run), "--resume"])
        raise DataError(f'{run}: not finished, no {missing[0].relative_to(run)}; run "{going_on}"')
    settings = config.settings
    torch.set_num_threads(settings.threads)
    if settings.region == "roi" and not pack.has_landmarks:
        raise DataError(f"{pack.path}: has no landmarks (made with --aligned), but {run} looks at regions")
    class_set = ClassSet(settings.classes, config.classes)
    places = zip(pack.dataset, pack.emotion, pack.subject, pack.clip, strict=True)
    truth = tuple(class_set.class_of(*place) or "" for place in places)
    n = len(pack.ids)
    place = np.stack([np.zeros(n, np.int64), np.arange(n)], 1)
    samples = Samples((pack,), place, pack.ids, np.zeros(n, np.int64), config.classes)
    rows = np.arange(len(samples.ids))
    total = np.zeros((len(rows), len(config.classes)))
    for file in files:
        model = restore(load_weights(file)).to(device)
        probabilities, _ = predict(model, plain_batches(samples, rows, config), settings)
        total += probabilities
    predictions = Predictions(samples.ids, (NO_FOLD,) * len(rows), truth, total / len(files), config.classes)
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
