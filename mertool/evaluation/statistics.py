"""Intervals, paired tests and what few clips can tell: statistics that need nothing but NumPy.

Everything is for paired or pooled results of cross-validation: runs are compared clip by clip, never by their means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, comb, log, log1p, log2, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PairedTest",
    "Spread",
    "bootstrap_intervals",
    "compare_paired",
    "holm",
    "mcnemar_exact",
    "min_discordant",
    "minimal_detectable",
    "spread",
    "stratified_random",
    "wilson",
]


class PairedTest(NamedTuple):
    """Two runs clip by clip.

    Attributes:
        n: Clips of both.
        discordant_first, discordant_second: Clips that only the first, or only the second, got right.
        difference: Accuracy of the second less that of the first.
        p: Of the exact McNemar test, two-sided.
    """

    n: int
    discordant_first: int
    discordant_second: int
    difference: float
    p: float


class Spread(NamedTuple):
    """A score over repeats: mean, sample standard deviation (n - 1), lowest and highest."""

    mean: float
    sd: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """How much a score varies between repeats.

    Args:
        values: Two or more.
    """
    if len(values) < 2:
        raise ValueError(f"spread: expected two values or more, got {len(values)}")
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)), float(min(values)), float(max(values)))


def wilson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion, without continuity correction.

    It treats the n trials as independent; clips of one subject are correlated, so the true interval is slightly wider.

    Args:
        hits: Number of successes, 0..n.
        n: Number of trials, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, 0..1.

    Raises:
        ValueError: An argument is out of its range.

    Source: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    if not 0 <= hits <= n or n < 1 or not 0 < confidence < 1:
        raise ValueError(f"wilson: expected 0 <= hits <= n and 0 < confidence < 1, got {hits}, {n}, {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The bounds are exactly 0 and 1 at the ends; rounding must not push them past.
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def bootstrap_intervals(
    confusions: NDArray[np.int64], seed: int, repeats: int = 2000, confidence: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of accuracy, UF1 and UAR over resampled subjects: clips of one subject are correlated.

    Args:
        confusions: (S, K, K) int64, one confusion matrix per subject: row = truth, column = prediction.
        seed: The same seed gives the same interval.
        repeats: Resamples.
        confidence: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound of "accuracy", "uf1" and "uar", 0..1. A class that a resample has no clip of is left out
        of its means of UF1 and UAR, as in `mertool.evaluation.metrics.evaluate`.

    Raises:
        ValueError: An argument is out of its range, or there are no clips.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13 (clusters, percentiles).
    """
    if confusions.ndim != 3 or confusions.shape[1] != confusions.shape[2] or not confusions.sum():
        raise ValueError(f"bootstrap_intervals: expected (S, K, K) counts of some clips, got {confusions.shape}")
    if repeats < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"bootstrap_intervals: expected repeats >= 1 and 0 < confidence < 1, got {repeats}, {confidence}"
        )
    n_subjects, n_classes = confusions.shape[:2]
    draws = np.random.default_rng(seed).multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=repeats)
    pooled = (draws @ confusions.reshape(n_subjects, -1)).reshape(repeats, n_classes, n_classes)
    pooled = pooled[pooled.sum((1, 2)) > 0]  # a resample without any clip of the classes says nothing
    hits = np.diagonal(pooled, axis1=1, axis2=2)
    support, predicted = pooled.sum(2), pooled.sum(1)
    present = support > 0
    f1 = 2 * hits / np.where(present, support + predicted, 1)
    recall = hits / np.where(present, support, 1)
    count = present.sum(1)
    scores = {
        "accuracy": hits.sum(1) / pooled.sum((1, 2)),
        "uf1": np.where(present, f1, 0).sum(1) / count,
        "uar": np.where(present, recall, 0).sum(1) / count,
    }
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = {name: np.quantile(values, ends) for name, values in scores.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def mcnemar_exact(discordant_first: int, discordant_second: int) -> float:
    """Two-sided p of the exact McNemar test: are two classifiers right on equally many of the clips they differ on?

    Args:
        discordant_first, discordant_second: Clips that only the one, or only the other, got right.

    Raises:
        ValueError: A negative count.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; exact form: binomial test with p = 1/2.
    """
    if discordant_first < 0 or discordant_second < 0:
        raise ValueError(f"mcnemar_exact: expected counts from 0, got {discordant_first} and {discordant_second}")
    n, fewer = discordant_first + discordant_second, min(discordant_first, discordant_second)
    tail = sum(comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**n))  # whole numbers until here: exact for any count


def min_discordant(alpha: float = 0.05) -> int:
    """The fewest discordant clips, all in favour of one run, with which an exact McNemar test reaches `alpha`.

    2 x 0.5^6 = 0.031: six at 5 %.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"min_discordant: expected alpha between 0 and 1, got {alpha}")
    return ceil(1 - log2(alpha))


def compare_paired(first: Mapping[str, bool], second: Mapping[str, bool]) -> PairedTest:
    """Compare two runs, joined by clip id.

    Args:
        first, second: Clip id -> whether the run got it right.

    Raises:
        ValueError: They do not test the same clips.
    """
    if first.keys() != second.keys() or not first:
        apart = sorted(first.keys() ^ second.keys())
        raise ValueError(f"compare_paired: expected the same clips, {len(apart)} are in one run only, e.g. {apart[:1]}")
    discordant_first = sum(hit and not second[clip] for clip, hit in first.items())
    discordant_second = sum(hit and not first[clip] for clip, hit in second.items())
    n = len(first)
    return PairedTest(
        n,
        discordant_first,
        discordant_second,
        (discordant_second - discordant_first) / n,
        mcnemar_exact(discordant_first, discordant_second),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several, in the order given: the chance of any false alarm stays at its level.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def minimal_detectable(n: int, discordant: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true difference in accuracy that an exact McNemar test over these clips would usually find.

    Args:
        n: Clips.
        discordant: Clips on which the two runs differ; few if the networks are alike, which makes small differences
            visible.
        alpha: Level of the test.
        power: Fraction of the tests that should find a difference of this size.

    Returns:
        The difference, 0..1; None if even `discordant` clips all in favour of one run would not suffice.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 <= discordant <= n or n < 1 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(
            "minimal_detectable: expected 0 <= discordant <= n and alpha, power between 0 and 1, "
            f"got {discordant}, {n}, {alpha}, {power}"
        )
    most, tail, ways = 0, 0, 1  # the test rejects up to `most` - 1 clips on one side; `ways` is discordant over `most`
    while 2 * most < discordant and 2 * (tail + ways) / 2**discordant <= alpha:
        tail += ways
        ways = ways * (discordant - most) // (most + 1)
        most += 1
    if most == 0:
        return None
    k = np.arange(most)
    log_ways = np.concatenate([[0.0], np.cumsum(np.log((discordant - k[:-1]) / (k[:-1] + 1.0)))])

    def found(share: float) -> float:
        fewer = log_ways + k * log(share) + (discordant - k) * log1p(-share) if share < 1 else np.full(most, -np.inf)
        more = log_ways + (discordant - k) * log(share) + (k * log1p(-share) if share < 1 else np.where(k, -np.inf, 0))
        return float(np.exp(fewer).sum() + np.exp(more).sum())

    low, high = 0.5, 1.0  # share of the discordant clips that the better run gets right
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return (2 * high - 1) * discordant / n


def stratified_random(support: Sequence[int]) -> float:
    """Expected accuracy of random answers with the frequencies of the classes: the sum of their squares.

    Args:
        support: Clips of each class; at least one in all.
    """
    n = sum(support)
    if n < 1 or min(support) < 0:
        raise ValueError(f"stratified_random: expected counts of some clips, got {list(support)}")
    return sum(count**2 for count in support) / n**2
