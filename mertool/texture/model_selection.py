"""One fold of texture features with a linear classifier: choice on inner folds of the training part, training, test.

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

from ..errors import DataError, FileError
from ..evaluation.metrics import evaluate
from ..evaluation.predictions import SAME_WITHIN, Predictions
from ..evaluation.protocols import inner_folds
from ..files import write_text
from ..network.inputs import Samples
from ..settings import Settings
from ..text import os_error_text
from .classifier import COSTS, Classifier, Design, Problem, feature_counts, train_classifier
from .features import Layout

__all__ = [
    "FoldFiles",
    "Trained",
    "best_candidate",
    "candidates_of",
    "classify_fold",
    "design_of",
    "read_selection",
    "recheck_classifier",
    "train_fold",
]

_DIGITS = 6  # of scores, as selection.csv has them: so the choice can be made again from it
_LEAST = 1e-12  # probability of the truth below which a loss no longer grows


class FoldFiles(NamedTuple):
    """Where a fold's classifier and predictions go: whoever owns the folder says so.

    Attributes:
        classifier: The trained classifier.
        predictions: Of the test clips.
        inner: Of the training part's clips, each by the inner fold that left its person out.
        selection: Scores of each candidate.
    """

    classifier: Path
    predictions: Path
    inner: Path
    selection: Path


class Trained(NamedTuple):
    """A fold's classifier and how it was chosen.

    Attributes:
        classifier: Trained on the whole training part.
        scores: Of each design its UF1 and log loss over the inner folds; empty where there was nothing to choose and
            nobody to choose on.
        inner: (n, K) probabilities of the training part's clips under the chosen design, each by the classifier of the
            inner fold that left its person out; None as above.
    """

    classifier: Classifier
    scores: dict[Design, tuple[float, float]]
    inner: NDArray[np.float64] | None


def candidates_of(settings: Settings, size: int) -> list[Design]:
    """What inner validation chooses from, of `size` features."""
    counts: Sequence[int] = feature_counts(size)
    if settings.n_features != "auto":
        counts = (size,) if settings.n_features == "all" else (int(settings.n_features),)
    costs = COSTS if settings.cost == "auto" else (float(settings.cost),)
    return [Design(count, cost) for count in counts for cost in costs]


def train_fold(samples: Samples, features: NDArray[np.float32], ids: Sequence[str], settings: Settings) -> Trained:
    """Choose and train a classifier on the clips of a training part, and on nothing else.

    The design is the best over inner folds of whole people; see `best_candidate`.

    Args:
        samples: All clips.
        features: (N, D) of all clips.
        ids: Sorted ids of the training part.
        settings: All settings.

    Raises:
        DataError: There is something to choose, but only one person to choose on.
    """
    rows = samples.rows_of(ids)
    x, labels, classes = features[rows], samples.labels[rows], samples.classes
    designs = candidates_of(settings, features.shape[1])
    seen = tuple(ids)
    try:
        inner = inner_folds(ids, [classes[label] for label in labels], settings.split_seed)
    except DataError:
        if len(designs) > 1:
            raise
        trained = train_classifier(x, labels, designs[0], classes, balance=settings.balanced_sampling, seen=seen)
        return Trained(trained, {}, None)
    place = {name: row for row, name in enumerate(ids)}
    found = {design: np.empty((len(ids), len(classes))) for design in designs}
    for tested in inner.tests:
        out = np.zeros(len(ids), bool)
        out[[place[name] for name in tested]] = True
        problem = Problem(x[~out], labels[~out], len(classes), balance=settings.balanced_sampling)
        for count in dict.fromkeys(design.count for design in designs):
            costs = [design.cost for design in designs if design.count == count]
            for classifier in problem.train(count, costs, classes):
                found[classifier.design][out] = classifier.predict(x[out])
    scores = {design: _score(samples, rows, probabilities) for design, probabilities in found.items()}
    best = best_candidate(scores)
    classifier = train_classifier(x, labels, best, classes, balance=settings.balanced_sampling, seen=seen)
    return Trained(classifier, scores, found[best])


def best_candidate(scores: Mapping[Design, tuple[float, float]]) -> Design:
    """The design of highest UF1, of equal ones that of lowest log loss, of equal ones that of fewest features."""
    return min(scores, key=lambda design: (-scores[design][0], scores[design][1], design.count, design.cost))


def _score(samples: Samples, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[float, float]:
    of_truth = probabilities[np.arange(len(rows)), samples.labels[rows]]
    uf1 = evaluate(samples.predictions(rows, probabilities))["uf1"]
    loss = float(-np.log(np.maximum(of_truth, _LEAST)).mean())
    return round(uf1, _DIGITS), round(loss, _DIGITS)


def classify_fold(
    samples: Samples,
    features: NDArray[np.float32],
    training: Sequence[str],
    tested: Sequence[str],
    fold: int,
    files: FoldFiles,
    settings: Settings,
) -> tuple[list[Path], Classifier]:
    """Train on one part and predict the other; gives the files written, and the classifier.

    `files.inner` and `files.selection`, which has one row per design, are written where inner folds can be made.
    """
    trained = train_fold(samples, features, training, settings)
    written = [files.predictions, files.classifier]
    trained.classifier.save(files.classifier)
    if trained.inner is not None:
        samples.predictions(samples.rows_of(training), trained.inner, fold).write(files.inner)
        write_text(files.selection, _selection(trained))
        written += [files.inner, files.selection]
    rows = samples.rows_of(tested)
    samples.predictions(rows, trained.classifier.predict(features[rows]), fold).write(files.predictions)
    return written, trained.classifier


def design_of(classifier: Classifier, layout: Layout) -> dict[str, Any]:
    """What done.json says of a fold's classifier."""
    return {
        "features": classifier.design.count,
        "of": layout.size,
        "cost": classifier.design.cost,
        "places": layout.count_places(classifier.kept),
    }


def read_selection(path: Path) -> dict[Design, tuple[float, float]]:
    """The scores in a selection.csv.

    Raises:
        FileError: It cannot be read.
        DataError: It is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {
                Design(int(row["features"]), float(row["cost"])): (
                    float(row["uf1_validation"]),
                    float(row["loss_validation"]),
                )
                for row in csv.DictReader(stream)
            }
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: damaged; expected a row a design, as mertool writes it") from error


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
    """A finished fold's classifier, and what is not as training it once more says; see `classify_fold`.

    Args:
        samples, features, training, tested, files, settings: As there.
        choose: Make the choice on inner folds once more as well; else its scores are read.

    Raises:
        MertoolError: A file of the fold is missing or damaged.
    """
    kept = Classifier.load_for(files.classifier, samples.classes, features.shape[1])
    faults = []
    leaked = sorted(set(kept.seen) & set(tested))
    if leaked:
        faults.append(f"its classifier has seen clips that it was tested on: {leaked[0]}")
    if kept.seen != tuple(training):
        faults.append("its classifier was trained on other clips than the training part")
    faults += _faults_of_choice(samples, features, training, kept, files, settings, choose)
    rows = samples.rows_of(training)
    again = train_classifier(
        features[rows], samples.labels[rows], kept.design, samples.classes, balance=settings.balanced_sampling
    )
    written = Predictions.read(files.predictions)
    if written.classes != samples.classes:
        return kept, [*faults, "its predictions.csv is over other classes"]
    test = features[samples.rows_of(written.clip)]
    if not _same(kept.predict(test), written.probabilities):
        faults.append("its classifier predicts something else than predictions.csv has")
    if not _same(again.predict(test), written.probabilities):
        faults.append("a classifier trained once more on the training part predicts something else")
    return kept, faults


def _faults_of_choice(
    samples: Samples,
    features: NDArray[np.float32],
    training: Sequence[str],
    kept: Classifier,
    files: FoldFiles,
    settings: Settings,
    choose: bool,
) -> list[str]:
    """What is wrong with the choice of a fold's design."""
    designs = candidates_of(settings, features.shape[1])
    if kept.design not in designs:
        return ["its design is none that its settings allow"]
    if not files.selection.exists():
        return ["it has no selection.csv, so nothing says how its design was chosen"] if len(designs) > 1 else []
    scores = read_selection(files.selection)
    inner = Predictions.read(files.inner)
    if set(scores) != set(designs):
        return ["its selection.csv has other designs than its settings give"]
    if best_candidate(scores) != kept.design:
        return ["its design is not the best of its inner folds"]
    if inner.clip != tuple(training):
        return ["its inner predictions are of other clips than the training part"]
    if inner.classes != samples.classes:
        return ["its inner predictions are over other classes"]
    if not np.allclose(
        _score(samples, samples.rows_of(training), inner.probabilities), scores[kept.design], atol=SAME_WITHIN
    ):
        return ["its inner predictions do not score as its selection.csv says"]
    if choose:
        trained = train_fold(samples, features, training, settings)
        same = trained.scores.keys() == scores.keys() and all(
            np.allclose(trained.scores[design], scores[design], atol=SAME_WITHIN) for design in designs
        )
        if not same or trained.inner is None or not _same(trained.inner, inner.probabilities):
            return ["its inner folds, predicted once more, score otherwise than its selection.csv says"]
    return []


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and bool((np.abs(one - other) <= SAME_WITHIN).all())  # not so with a NaN


def _selection(trained: Trained) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("features", "cost", "uf1_validation", "loss_validation", "chosen"))
    for design, (uf1, loss) in trained.scores.items():
        chosen = int(design == trained.classifier.design)
        writer.writerow((design.count, design.cost, f"{uf1:.6f}", f"{loss:.6f}", chosen))
    return text.getvalue()
