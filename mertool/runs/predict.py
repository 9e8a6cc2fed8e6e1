"""Labels for clips that a finished run has not been trained on: by networks, texture classifiers or a fusion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..clips import subject_key_of_id
from ..datasets.labels import ClassSet
from ..errors import DataError, MertoolError
from ..evaluation.predictions import NO_FOLD, Predictions
from ..inputs.samples import Samples
from ..pack import Pack
from ..text import plural
from .config import RunConfig
from .finished import load_run
from .methods import method_of

__all__ = ["predict_pack"]


def predict_pack(run: Path, pack: Pack, device: str) -> tuple[Predictions, list[str]]:
    """Class probabilities of every clip of a pack, averaged over the folds of a run.

    Args:
        run: A finished run of `cv` (what its folds trained is averaged) or of `train`.
        pack: The clips; those whose emotion is not among the run's classes have an empty truth.
        device: "cpu", "cuda" or "mps".

    Returns:
        The predictions, and remarks for the user.

    Raises:
        RunError: The run is not finished or is damaged.
        DataError: The pack does not hold what the run looks at.
        FileError: There is no run, or a file of it is missing.
    """
    config = RunConfig.read(run)
    class_set = ClassSet(config.settings.classes, config.classes)
    clips = zip(pack.dataset, pack.emotion, pack.subject, pack.clip_name, strict=True)
    truth = tuple(class_set.class_of(*clip) or "" for clip in clips)
    n = len(pack.ids)
    pack_rows = np.stack([np.zeros(n, np.int64), np.arange(n)], 1)
    samples = Samples((pack,), pack_rows, pack.ids, np.zeros(n, np.int64), config.classes)
    torch.set_num_threads(config.settings.threads)
    if config.settings.region == "roi" and not pack.has_landmarks:
        raise DataError(f"{pack.path}: has no landmarks (made with --aligned), but {run} looks at regions")
    average = np.mean(method_of(config.settings).predict(run, config, samples, device), axis=0)
    predictions = Predictions(samples.ids, (NO_FOLD,) * n, truth, average, config.classes)
    remarks = [
        _origin(config),
        _accuracy(run, config),
        _labels(config),
        *_known(run, set(samples.ids), set(config.clips)),
    ]
    return predictions, remarks


def _origin(config: RunConfig) -> str:
    subjects = {subject_key_of_id(clip_id) for clip_id in config.clips}
    packs = ", ".join(pack.name for pack in config.packs)
    return f"trained on {packs}: {plural(len(config.clips), 'clip')} of {plural(len(subjects), 'subject')}"


def _accuracy(run: Path, config: RunConfig) -> str:
    """What is known of the accuracy on people who were not trained on."""
    if config.command == "train":
        return (
            'its accuracy on new people is not known: it was never tested; "mertool cv" with the same options says it'
        )
    try:
        found = load_run(run)
    except MertoolError as error:
        return f"its accuracy on new people is not known: {error}"
    scores = found.metrics
    always = f"always predicting '{scores['majority_class']}' {100 * scores['majority']:.1f} %"
    if found.subject_dependent:
        return (
            "its accuracy on new people is not known: its cross-validation trained and tested on the same people "
            f"({100 * scores['accuracy']:.1f} %, {always}); expect less"
        )
    low, high = found.bootstrap_ci["accuracy"]
    return (
        f"its accuracy on new people, cross-validated: {100 * scores['accuracy']:.1f} % (95 % interval over subjects "
        f"{100 * low:.1f} to {100 * high:.1f} %), {always}; on other cameras and other people expect less"
    )


def _labels(config: RunConfig) -> str:
    return (
        f"every clip gets one of {', '.join(config.classes)}, even one without any movement: there is no class 'none'"
    )


def _known(run: Path, clips: set[str], training: set[str]) -> list[str]:
    """What makes predictions of known clips or people say less about new recordings than they seem to."""
    known = clips & training
    if known:
        return [
            f"{len(known)} of {len(clips)} clips were used to train {run}; their predictions say nothing about new "
            "recordings"
        ]
    subjects = set(map(subject_key_of_id, clips))
    shared = subjects & set(map(subject_key_of_id, training))
    if shared:
        return [f"{len(shared)} of {len(subjects)} subjects were used to train {run}, in other clips or recordings"]
    return []
