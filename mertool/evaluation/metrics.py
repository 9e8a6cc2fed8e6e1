"""Scores of predictions, pooled over all folds.

Everything but the fold accuracies is computed once over the rows of all folds together: an F1 averaged over folds is
another number (0.739 pooled and 0.666 as a mean over leave-one-subject-out folds for the same predictions).
The class list is always the explicit one of the predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ..clips import natural_key, subject_key
from ..errors import DataError
from .predictions import Predictions
from .statistics import stratified_random

__all__ = [
    "ClassScores",
    "DatasetScores",
    "Metrics",
    "confusions_by_subject",
    "count_confusions",
    "evaluate",
    "hits_by_subject",
]


class ClassScores(TypedDict):
    """Scores of one class; None where the ratio is 0 / 0."""

    precision: float | None  # TP / (TP + FP)
    recall: float | None  # TP / (TP + FN)
    f1: float | None  # 2 TP / (2 TP + FP + FN)
    support: int  # TP + FN: clips of this class


class DatasetScores(TypedDict):
    """Scores of one data set's rows of the same pooled predictions, defined as in `Metrics`."""

    accuracy: float
    uf1: float
    uar: float
    n: int
    absent_classes: list[str]


class Metrics(TypedDict):
    """What `evaluate` returns: plain values, ready for JSON, no NaN. Shares are 0..1."""

    accuracy: float  # hits / n over all folds
    uf1: float  # unweighted mean of F1_c over the classes that have clips
    uar: float  # unweighted mean of TP_c / n_c over the classes that have clips
    fold_accuracy_mean: float | None  # unweighted mean of the folds' accuracies (the paper's); None without folds
    fold_accuracy_sd: float | None  # their sample standard deviation (n - 1); None with fewer than two folds
    majority: float  # accuracy of always answering the most frequent class
    n: int
    n_subjects: int  # counted by `mertool.clips.subject_key`
    confusion: list[list[int]]  # K x K; row = truth, column = prediction, both in the order of `classes`
    per_class: dict[str, ClassScores]
    per_dataset: dict[str, DatasetScores]
    hits: int
    classes: list[str]
    absent_classes: list[str]  # classes without a clip, left out of the means of uf1 and uar
    majority_class: str  # the most frequent class; ties are broken by the order of `classes`
    fold_hits: list[tuple[int, int, int]]  # (fold, hits, n), ascending
    random: float  # expected accuracy of answering at random in the classes' own shares


def evaluate(predictions: Predictions) -> Metrics:
    """Score predictions against their truth.

    A class of the list without a single clip has no recall (0 / 0). Counting it as 0 would keep even a perfect
    predictor below 1.0, and counting it as 1 would be a gift. So it is left out of the means of both UF1 and UAR, and
    named in `absent_classes`. Predicting it is still punished: each such answer is a miss of the clip's own class.

    Raises:
        DataError: No rows, or rows without a truth.

    Source: MEGC2019 (See et al.) for UF1, UAR and pooling.
    """
    if not predictions.clip:
        raise DataError("metrics: no predictions; expected at least one row")
    unlabelled = [clip for clip, truth in zip(predictions.clip, predictions.truth, strict=True) if not truth]
    if unlabelled:
        raise DataError(
            f"metrics: {len(unlabelled)} of {len(predictions.clip)} rows have no truth, first {unlabelled[0]}"
        )

    classes = predictions.classes
    truth, prediction, dataset = predictions.truth, predictions.prediction, np.array(predictions.dataset)
    confusion = count_confusions(truth, prediction, classes)
    pooled = _dataset_scores(confusion, classes)
    support = confusion.sum(axis=1)

    hit = np.array([t == p for t, p in zip(truth, prediction, strict=True)])
    fold = np.array(predictions.fold)
    fold_hits = [
        (k, int(hit[fold == k].sum()), int((fold == k).sum())) for k in sorted(set(predictions.fold)) if k >= 0
    ]
    fold_accuracies = [hits / n for _, hits, n in fold_hits]

    per_dataset = {}
    for name in sorted(set(predictions.dataset)):
        rows = np.flatnonzero(dataset == name)
        part = count_confusions([truth[row] for row in rows], [prediction[row] for row in rows], classes)
        per_dataset[name] = _dataset_scores(part, classes)

    return {
        "accuracy": pooled["accuracy"],
        "uf1": pooled["uf1"],
        "uar": pooled["uar"],
        "fold_accuracy_mean": float(np.mean(fold_accuracies)) if fold_accuracies else None,
        "fold_accuracy_sd": float(np.std(fold_accuracies, ddof=1)) if len(fold_accuracies) > 1 else None,
        "majority": float(support.max() / support.sum()),
        "n": len(predictions.clip),
        "n_subjects": len(set(map(subject_key, predictions.dataset, predictions.subject))),
        "confusion": confusion.tolist(),
        "per_class": _class_scores(confusion, classes),
        "per_dataset": per_dataset,
        "hits": int(hit.sum()),
        "classes": list(classes),
        "absent_classes": pooled["absent_classes"],
        "majority_class": classes[int(support.argmax())],
        "fold_hits": fold_hits,
        "random": stratified_random(support.tolist()),
    }


def count_confusions(truth: Sequence[str], prediction: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """(K, K) counts over an explicit class list: row = truth, column = prediction."""
    number = {name: k for k, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, ([number[name] for name in truth], [number[name] for name in prediction]), 1)
    return confusion


def confusions_by_subject(predictions: Predictions) -> NDArray[np.int64]:
    """(S, K, K) int64: one confusion matrix per subject, in the order of their names (row = truth)."""
    subjects = list(map(subject_key, predictions.dataset, predictions.subject))
    row_of = {name: row for row, name in enumerate(sorted(set(subjects)))}
    number = {name: k for k, name in enumerate(predictions.classes)}
    counts = np.zeros((len(row_of), len(number), len(number)), np.int64)
    rows = ([row_of[name] for name in subjects], [number[t] for t in predictions.truth])
    np.add.at(counts, (*rows, [number[name] for name in predictions.prediction]), 1)
    return counts


def hits_by_subject(predictions: Predictions) -> dict[str, tuple[int, int]]:
    """Subject -> (clips right, clips), in the order of their names."""
    found: dict[str, tuple[int, int]] = {}
    rows = zip(predictions.dataset, predictions.subject, predictions.truth, predictions.prediction, strict=True)
    for dataset, subject, truth, prediction in rows:
        name = subject_key(dataset, subject)
        hits, n = found.get(name, (0, 0))
        found[name] = (hits + (truth == prediction), n + 1)
    return dict(sorted(found.items(), key=lambda item: natural_key(item[0])))


def _class_scores(confusion: NDArray[np.int64], classes: Sequence[str]) -> dict[str, ClassScores]:
    scores: dict[str, ClassScores] = {}
    for k, name in enumerate(classes):
        hits, predicted, support = int(confusion[k, k]), int(confusion[:, k].sum()), int(confusion[k].sum())
        scores[name] = {
            "precision": hits / predicted if predicted else None,
            "recall": hits / support if support else None,
            "f1": 2 * hits / (predicted + support) if predicted + support else None,
            "support": support,
        }
    return scores


def _dataset_scores(confusion: NDArray[np.int64], classes: Sequence[str]) -> DatasetScores:
    hits, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    present = support > 0
    n = int(confusion.sum())
    return {
        "accuracy": int(hits.sum()) / n,
        "uf1": float(np.mean(2 * hits[present] / (support + predicted)[present])),
        "uar": float(np.mean(hits[present] / support[present])),
        "n": n,
        "absent_classes": [name for name, here in zip(classes, present, strict=True) if not here],
    }
