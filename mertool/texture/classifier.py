"""A linear one-vs-rest classifier for few clips with many features: feature selection and training.

Everything here is fitted to the clips it is given, which `mertool.texture.model_selection` takes from the training part
of a fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ..files import read_arrays, write_arrays
from ..text import os_error_text

__all__ = [
    "COSTS",
    "Classifier",
    "Hyperparameters",
    "TrainingSet",
    "feature_counts",
    "fisher_ratio",
    "fit_one_vs_rest",
    "train_classifier",
]

COSTS = (1.0, 10.0, 100.0, 1000.0)  # for features of unit length: from little more than class shares to separation
_FEWEST = 16
_NEWTON_STEPS = 100
_TOLERANCE = 1e-10  # of the gradient, relative to that at the start
_FORMAT = 1
_LARGEST = 2**30  # bytes of a classifier


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What inner validation chooses.

    Attributes:
        n_features: How many features are selected, those of highest Fisher ratio.
        cost: C, the weight of the clips' losses against the size of the weights.
    """

    n_features: int
    cost: float


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A trained one-vs-rest classifier over K classes.

    Attributes:
        hyperparameters: How it was trained.
        selected: (q,) int64 columns of the features that it uses, ascending.
        mean: (q,) float64, subtracted from them.
        scale: (q,) float64, then divided by: sqrt(q) standard deviations, so that a clip's length is about 1.
        weights: (q, K) float64.
        intercept: (K,) float64; minus infinity for a class without a training clip.
        classes: K names.
        seen: Ids of the clips that it was trained or chosen on.
    """

    hyperparameters: Hyperparameters
    selected: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    classes: tuple[str, ...]
    seen: tuple[str, ...] = ()

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, K) probabilities of (N, D) features: each class's logistic probability, divided by the sum of all."""
        x = (features[:, self.selected].astype(np.float64) - self.mean) / self.scale
        scores = torch.from_numpy(x) @ torch.from_numpy(self.weights)
        return _normalised_logistic(scores.numpy() + self.intercept)

    def save(self, path: Path) -> None:
        """Write it to an .npz file without pickles, atomically; equal classifiers give equal bytes."""
        arrays = {
            "format": np.array(_FORMAT),
            "count": np.array(self.hyperparameters.n_features),
            "cost": np.array(self.hyperparameters.cost),
            "kept": self.selected,
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "intercept": self.intercept,
            "classes": np.array(self.classes, np.str_),
            "seen": np.array(self.seen, np.str_),
        }
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read what `save` wrote.

        Raises:
            FileError: It is missing or cannot be read.
            DataError: It is damaged, or was written by a newer mertool.
        """
        try:
            found = read_arrays(path, _LARGEST)
            if int(found["format"]) > _FORMAT:
                raise DataError(f"{path}: format {int(found['format'])}, expected up to {_FORMAT}; update mertool")
            classifier = cls(
                Hyperparameters(int(found["count"]), float(found["cost"])),
                selected=found["kept"],
                mean=found["mean"],
                scale=found["scale"],
                weights=found["weights"],
                intercept=found["intercept"],
                classes=tuple(found["classes"].tolist()),
                seen=tuple(found["seen"].tolist()),
            )
            if found["classes"].dtype.kind != "U" or found["seen"].dtype.kind != "U" or found["seen"].ndim != 1:
                raise ValueError("expected text")
            classifier._check()
        except DataError:
            raise
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
        except Exception as error:
            raise DataError(f"{path}: damaged; expected a texture classifier of mertool") from error
        return classifier

    @classmethod
    def load_for(cls, path: Path, classes: tuple[str, ...], n_features: int) -> Classifier:
        """`load`, and check that it is for these classes and (N, n_features) features.

        Raises:
            MertoolError: As `load`; or it is for other classes or features.
        """
        classifier = cls.load(path)
        if classifier.classes != classes:
            raise DataError(f"{path}: expected the classes {', '.join(classes)}, got {', '.join(classifier.classes)}")
        if classifier.selected[-1] >= n_features:
            raise DataError(
                f"{path}: uses feature {classifier.selected[-1]} of {n_features}; it was made with other settings"
            )
        return classifier

    def _check(self) -> None:
        q, k = len(self.selected), len(self.classes)
        right = (
            0 < self.hyperparameters.cost < np.inf
            and len(set(self.classes)) == k
            and self.selected.dtype == np.int64
            and self.selected.ndim == 1
            and q == self.hyperparameters.n_features
            and bool((np.diff(self.selected) > 0).all())
            and self.selected[0] >= 0
            and self.mean.shape == self.scale.shape == (q,)
            and self.weights.shape == (q, k)
            and self.intercept.shape == (k,)
            and not np.isnan(self.intercept).any()
            and bool((self.intercept < np.inf).all() and (self.intercept > -np.inf).any())
            and all(array.dtype == np.float64 for array in (self.mean, self.scale, self.weights, self.intercept))
            and np.isfinite([self.mean, self.scale]).all()
            and np.isfinite(self.weights).all()
            and bool((self.scale > 0).all())
        )
        if not right:
            raise ValueError("its members do not fit together")


def fisher_ratio(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Variance between classes over variance within them, of each feature (Kato et al.; docs/methods.md, section 4.1).

    F_j = sum over c of n_c (mean_cj - mean_j)^2 / sum over c, i in c of (x_ij - mean_cj)^2. It ranks the features as a
    one-way analysis of variance does.

    Args:
        features: (N, D).
        labels: (N,) class of each clip.

    Returns:
        (D,) float64; 0 for a constant feature, infinity for one that is constant in each class but not over all.
    """
    x = features.astype(np.float64)
    x = x - x.mean(0)
    between = np.zeros(x.shape[1])
    within = np.zeros(x.shape[1])
    for label in np.unique(labels):
        part = x[labels == label]
        mean = part.mean(0)
        between += len(part) * mean**2
        within += ((part - mean) ** 2).sum(0)
    within[within < 1e-24 * between] = 0  # rounding errors of a feature that is constant in each class
    constant = between + within <= 1e-20 * np.maximum(1, (features.astype(np.float64) ** 2).sum(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(constant, 0.0, between / within)


def feature_counts(size: int) -> tuple[int, ...]:
    """Numbers of features that inner validation tries: all, half of them, a quarter, and so on down to sixteen."""
    counts = [size]
    while counts[-1] // 2 >= _FEWEST:
        counts.append(counts[-1] // 2)
    return tuple(counts)


class TrainingSet:
    """Clips to train on, with what all classifiers trained on them share: the order of the features.

    Args:
        features: (N, D).
        labels: (N,) class of each clip.
        n_classes: K; classes without a clip are never predicted.
        balance: Give every class the same weight instead of every clip.
    """

    def __init__(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], n_classes: int, *, balance: bool
    ) -> None:
        counts = np.bincount(labels, minlength=n_classes)
        self.features, self.labels, self.n_classes = features, labels, n_classes
        self.importance = np.ones(len(labels))
        if balance:
            self.importance = (len(labels) / (counts > 0).sum() / np.maximum(counts, 1))[labels]
        ratio = fisher_ratio(features, labels)
        self.order = np.argsort(-ratio, kind="stable")  # ties are broken by the earlier column

    def train(
        self, n_features: int, costs: Sequence[float], classes: tuple[str, ...], seen: tuple[str, ...] = ()
    ) -> Iterator[Classifier]:
        """A classifier for each cost, in ascending order, on the `n_features` features of highest Fisher ratio."""
        selected = np.sort(self.order[:n_features])
        x = self.features[:, selected].astype(np.float64)
        mean = x.mean(0)
        deviation = x.std(0)
        scale = np.where(deviation > 0, deviation, 1.0) * np.sqrt(len(selected))
        fitted = fit_one_vs_rest((x - mean) / scale, self.labels, self.n_classes, sorted(costs), self.importance)
        for cost, (weights, intercept) in zip(sorted(costs), fitted, strict=True):
            hyperparameters = Hyperparameters(n_features, cost)
            yield Classifier(hyperparameters, selected, mean, scale, weights, intercept, classes, seen)


def train_classifier(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    hyperparameters: Hyperparameters,
    classes: tuple[str, ...],
    *,
    balance: bool,
    seen: tuple[str, ...] = (),
) -> Classifier:
    """The classifier with these hyperparameters; see `TrainingSet`."""
    training = TrainingSet(features, labels, len(classes), balance=balance)
    return next(training.train(hyperparameters.n_features, (hyperparameters.cost,), classes, seen))


def fit_one_vs_rest(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    n_classes: int,
    costs: Sequence[float],
    importance: NDArray[np.float64],
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """L2-regularised logistic regression of each class against all others, to the minimum.

    Minimises |w|^2 / 2 + C sum over i of importance_i log(1 + exp(-y_i (w x_i + b))), as scikit-learn's
    LogisticRegression does, by Newton's method with step halving. On separable clips float64 reaches the minimum up to
    C of about 1e6; at 1e9 the objective is within a thousandth of it. With more features than clips it works in the
    span of the clips, which contains the minimum. All is float64; apart from its input the result depends only on the
    number of threads.

    Args:
        x: (N, q).
        labels: (N,) class of each row.
        n_classes: K.
        costs: Values of C; each starts from the solution of the one before.
        importance: (N,) weight of each row's loss.

    Yields:
        For each C (q, K) weights and (K,) intercepts: 0 and minus infinity for a class without a row, 0 and 0 for a
        class that has all of them.
    """
    rows = torch.from_numpy(np.ascontiguousarray(x))
    back = None
    if rows.shape[1] > rows.shape[0]:
        values, vectors = torch.linalg.eigh(rows @ rows.T)
        real = values > values[-1].clamp_min(1e-300) * 1e-12 * len(values)
        root = values[real].sqrt()
        back = rows.T @ (vectors[:, real] / root)
        rows = vectors[:, real] * root
    design = torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], 1)
    weight = torch.from_numpy(importance)
    signs = [torch.from_numpy(np.where(labels == label, 1.0, -1.0)) for label in range(n_classes)]
    known = [bool((labels == label).any()) for label in range(n_classes)]
    theta = torch.zeros(n_classes, design.shape[1], dtype=torch.float64)
    for cost in costs:
        for label in range(n_classes):
            if known[label] and sum(known) > 1:
                theta[label] = _newton(design, signs[label], cost * weight, theta[label])
        found = theta[:, :-1].T if back is None else back @ theta[:, :-1].T
        yield found.numpy().copy(), np.where(known, theta[:, -1].numpy(), -np.inf)


def _newton(design: torch.Tensor, sign: torch.Tensor, weight: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """The minimum for one class; the last column of `design` belongs to the intercept, which is not penalised."""
    penalty = torch.ones(design.shape[1], dtype=torch.float64)
    penalty[-1] = 0

    def objective(theta: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.softplus(-sign * (design @ theta), threshold=1000)
        return (weight * loss).sum() + (penalty * theta**2).sum() / 2

    theta, value = start, objective(start)
    enough = _TOLERANCE * (1 + float((design.abs().T @ weight).max()))
    for _ in range(_NEWTON_STEPS):
        share = torch.sigmoid(-sign * (design @ theta))
        gradient = penalty * theta - design.T @ (weight * sign * share)
        if float(gradient.abs().max()) <= enough:
            break
        curvature = design.T @ ((weight * share * (1 - share))[:, None] * design) + torch.diag(penalty + 1e-12)
        step = torch.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-8 and objective(theta - size * step) > value:
            size /= 2
        if size <= 1e-8:
            break  # as far as float64 can tell, this is the minimum
        theta = theta - size * step
        value = objective(theta)
    return theta


def _normalised_logistic(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) logistic values divided by their sum, also where all of them underflow."""
    log = -np.logaddexp(0, -scores)
    share = np.exp(log - log.max(1, keepdims=True))
    return np.asarray(share / share.sum(1, keepdims=True))
