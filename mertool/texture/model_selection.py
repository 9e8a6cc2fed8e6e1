"""One fold of texture features with a linear classifier: tuning on inner folds of the training part, training, test.

Source: Kato et al., APSIPA ASC 2021, reference [8] of the paper (docs/methods.md, section 4.1); its classifier is not
known to us.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..csv_text import csv_text
from ..errors import DataError, FileError
from ..evaluation.metrics import evaluate
from ..evaluation.predictions import SAME_WITHIN, Predictions
from ..evaluation.protocols import inner_folds
from ..files import read_text, write_text
from ..inputs.samples import Samples
from ..settings import Settings
from ..text import os_error_text
from .classifier import COSTS, Classifier, Hyperparameters, TrainingSet, feature_counts, train_classifier
from .features import FeatureLayout

__all__ = [
    "FoldFiles",
    "TunedClassifier",
    "best_candidate",
    "candidates_of",
    "classify_fold",
    "fold_record",
    "read_selection",
    "recheck_classifier",
    "train_fold",
]

_DIGITS = 6  # of scores, as in selection.csv, so that the choice can be repeated from it
_MIN_PROBABILITY = 1e-12  # of the truth; below it a loss no longer grows
_LARGEST = 2**24  # bytes of selection.csv, which has a few dozen lines


class FoldFiles(NamedTuple):
    """Paths of a fold's classifier and predictions; they are chosen by whoever owns the folder.

    Attributes:
        classifier: The trained classifier.
        predictions: Predictions of the test clips.
        inner: Predictions of the training part's clips, each by the inner fold that left its subject out.
        selection: Scores of each candidate.
    """

    classifier: Path
    predictions: Path
    inner: Path
    selection: Path


class TunedClassifier(NamedTuple):
    """A fold's classifier and how it was chosen.

    Attributes:
        classifier: Trained on the whole training part.
        scores: UF1 and log loss of each candidate over the inner folds; empty where there was only one candidate and
            one subject.
        inner: (n, K) probabilities of the training part's clips by the chosen candidate, each by the classifier of the
            inner fold that left its subject out; None where `scores` is empty.
    """

    classifier: Classifier
    scores: dict[Hyperparameters, tuple[float, float]]
    inner: NDArray[np.float64] | None


def candidates_of(settings: Settings, size: int) -> list[Hyperparameters]:
    """What inner validation chooses from, given `size` features."""
    counts: Sequence[int]
    if settings.n_features == "auto":
        counts = feature_counts(size)
    elif settings.n_features == "all":
        counts = (size,)
    else:
        counts = (int(settings.n_features),)
    costs = COSTS if settings.cost == "auto" else (float(settings.cost),)
    return [Hyperparameters(count, cost) for count in counts for cost in costs]


def train_fold(
    samples: Samples, features: NDArray[np.float32], ids: Sequence[str], settings: Settings
) -> TunedClassifier:
    """Choose and train a classifier on the clips of a training part, and on nothing else.

    The choice is the best candidate over inner folds that keep subjects together; see `best_candidate`.

    Args:
        samples: All clips.
        features: (N, D) of all clips.
        ids: Sorted ids of the training part.
        settings: All settings.

    Raises:
        DataError: There are several candidates, but only one subject to validate on.
    """
    rows = samples.rows_of(ids)
    x, labels, classes = features[rows], samples.labels[rows], samples.classes
    candidates = candidates_of(settings, features.shape[1])
    seen = tuple(ids)
    try:
        inner = inner_folds(ids, [classes[label] for label in labels], settings.split_seed)
    except DataError:
        if len(candidates) > 1:
            raise
        classifier = train_classifier(x, labels, candidates[0], classes, balance=settings.balanced_sampling, seen=seen)
        return TunedClassifier(classifier, {}, None)
    left_out = [np.isin(ids, tested) for tested in inner.tests]
    found = _predict_inner(x, labels, classes, candidates, left_out, settings)
    scores = {candidate: _score(samples, rows, probabilities) for candidate, probabilities in found.items()}
    best = best_candidate(scores)
    classifier = train_classifier(x, labels, best, classes, balance=settings.balanced_sampling, seen=seen)
    return TunedClassifier(classifier, scores, found[best])


def _predict_inner(
    x: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    candidates: Sequence[Hyperparameters],
    left_out: Sequence[NDArray[np.bool_]],
    settings: Settings,
) -> dict[Hyperparameters, NDArray[np.float64]]:
    """(n, K) probabilities by each candidate of all clips, each when its inner fold was left out of the training."""
    found = {candidate: np.empty((len(x), len(classes))) for candidate in candidates}
    for out in left_out:
        training = TrainingSet(x[~out], labels[~out], len(classes), balance=settings.balanced_sampling)
        for count in dict.fromkeys(candidate.n_features for candidate in candidates):
            costs = [candidate.cost for candidate in candidates if candidate.n_features == count]
            for classifier in training.train(count, costs, classes):
                found[classifier.hyperparameters][out] = classifier.predict(x[out])
    return found


def best_candidate(scores: Mapping[Hyperparameters, tuple[float, float]]) -> Hyperparameters:
    """The candidate of highest UF1; ties are broken by lower log loss, then by fewer features, then by lower cost."""
    return min(scores, key=lambda one: (-scores[one][0], scores[one][1], one.n_features, one.cost))


def _score(samples: Samples, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[float, float]:
    of_truth = probabilities[np.arange(len(rows)), samples.labels[rows]]
    uf1 = evaluate(samples.predictions(rows, probabilities))["uf1"]
    loss = float(-np.log(np.maximum(of_truth, _MIN_PROBABILITY)).mean())
    return round(uf1, _DIGITS), round(loss, _DIGITS)


def classify_fold(
    samples: Samples,
    features: NDArray[np.float32],
    training: Sequence[str],
    tested: Sequence[str],
    fold: int,
    files: FoldFiles,
    settings: Settings,
) -> Classifier:
    """Train on one part and predict the other.

    `files.inner` and `files.selection`, which has one row per candidate, are written where inner folds can be made.
    """
    tuned = train_fold(samples, features, training, settings)
    tuned.classifier.save(files.classifier)
    if tuned.inner is not None:
        samples.predictions(samples.rows_of(training), tuned.inner, fold).write(files.inner)
        write_text(files.selection, _selection_csv(tuned))
    rows = samples.rows_of(tested)
    samples.predictions(rows, tuned.classifier.predict(features[rows]), fold).write(files.predictions)
    return tuned.classifier


def fold_record(classifier: Classifier, layout: FeatureLayout) -> dict[str, Any]:
    """What done.json says about a fold's classifier."""
    return {
        "features": classifier.hyperparameters.n_features,
        "of": layout.size,
        "cost": classifier.hyperparameters.cost,
        "places": layout.count_by_region(classifier.selected),
    }


def read_selection(path: Path) -> dict[Hyperparameters, tuple[float, float]]:
    """The scores in a selection.csv.

    Raises:
        FileError: It cannot be read.
        DataError: It is damaged.
    """
    try:
        return {
            Hyperparameters(int(row["features"]), float(row["cost"])): (
                float(row["uf1_validation"]),
                float(row["loss_validation"]),
            )
            for row in csv.DictReader(io.StringIO(read_text(path, _LARGEST), newline=""))
        }
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: damaged; expected one row per candidate") from error


def recheck_classifier(
    samples: Samples,
    features: NDArray[np.float32],
    training: Sequence[str],
    tested: Sequence[str],
    files: FoldFiles,
    settings: Settings,
    *,
    choose: bool,
) -> tuple[Classifier, list[str]]:
    """Check a finished fold's classifier by training it again; see `classify_fold`.

    Args:
        samples, features, training, tested, files, settings: As there.
        choose: Repeat the choice on inner folds as well; otherwise its stored scores are checked.

    Returns:
        The fold's classifier, and what is wrong with the fold, one sentence each.

    Raises:
        MertoolError: A file of the fold is missing or damaged.
    """
    stored = Classifier.load_for(files.classifier, samples.classes, features.shape[1])
    faults = []
    leaked = sorted(set(stored.seen) & set(tested))
    if leaked:
        faults.append(f"its classifier was trained or chosen on clips that it was tested on: {leaked[0]}")
    if stored.seen != tuple(training):
        faults.append("its classifier was trained on other clips than the training part")
    faults += _faults_of_choice(samples, features, training, stored, files, settings, choose)
    rows = samples.rows_of(training)
    retrained = train_classifier(
        features[rows],
        samples.labels[rows],
        stored.hyperparameters,
        samples.classes,
        balance=settings.balanced_sampling,
    )
    written = Predictions.read(files.predictions)
    if written.classes != samples.classes:
        return stored, [*faults, "its predictions.csv has other classes"]
    test = features[samples.rows_of(written.clip)]
    if not _same(stored.predict(test), written.probabilities):
        faults.append("its classifier predicts something else than predictions.csv has")
    if not _same(retrained.predict(test), written.probabilities):
        faults.append("a classifier trained again on the training part predicts something else")
    return stored, faults


def _faults_of_choice(
    samples: Samples,
    features: NDArray[np.float32],
    training: Sequence[str],
    stored: Classifier,
    files: FoldFiles,
    settings: Settings,
    choose: bool,
) -> list[str]:
    """What is wrong with the choice of a fold's hyperparameters."""
    candidates = candidates_of(settings, features.shape[1])
    if stored.hyperparameters not in candidates:
        return ["the hyperparameters of its classifier are not among those that its settings allow"]
    if not files.selection.exists():
        if len(candidates) == 1:
            return []
        return ["it has no selection.csv, so nothing says how its hyperparameters were chosen"]
    scores = read_selection(files.selection)
    inner = Predictions.read(files.inner)
    if set(scores) != set(candidates):
        return ["its selection.csv has other candidates than its settings give"]
    if best_candidate(scores) != stored.hyperparameters:
        return ["its hyperparameters are not the best over its inner folds"]
    if inner.clip != tuple(training):
        return ["its inner predictions are for other clips than the training part"]
    if inner.classes != samples.classes:
        return ["its inner predictions have other classes"]
    inner_scores = _score(samples, samples.rows_of(training), inner.probabilities)
    if not np.allclose(inner_scores, scores[stored.hyperparameters], atol=SAME_WITHIN):
        return ["its inner predictions do not give the scores in its selection.csv"]
    if choose:
        tuned = train_fold(samples, features, training, settings)
        same = tuned.scores.keys() == scores.keys() and all(
            np.allclose(tuned.scores[one], scores[one], atol=SAME_WITHIN) for one in candidates
        )
        if not same or tuned.inner is None or not _same(tuned.inner, inner.probabilities):
            return ["its inner folds, predicted again, do not give the scores in its selection.csv"]
    return []


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and bool((np.abs(one - other) <= SAME_WITHIN).all())  # false with a NaN


def _selection_csv(tuned: TunedClassifier) -> str:
    rows: list[tuple[object, ...]] = [("features", "cost", "uf1_validation", "loss_validation", "chosen")]
    for candidate, (uf1, loss) in tuned.scores.items():
        chosen = int(candidate == tuned.classifier.hyperparameters)
        rows.append((candidate.n_features, candidate.cost, f"{uf1:.6f}", f"{loss:.6f}", chosen))
    return csv_text(rows)
