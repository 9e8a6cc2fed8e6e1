"""Fusion: the weights that inner predictions give, and the weighted mean of predictions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from mertool.errors import DataError
from mertool.evaluation.predictions import Predictions
from mertool.runs.methods.fusion import fit_weights, fuse

CLASSES = ("fear", "joy", "rage")


def softmax(scores):
    shares = np.exp(scores - scores.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def predictions_of(probabilities, labels, clips=None, classes=CLASSES, fold=2):
    clips = clips or [f"d/p{k // 4}/c{k}" for k in range(len(labels))]
    truth = tuple(classes[label] for label in labels)
    return Predictions(tuple(clips), (fold,) * len(clips), truth, np.asarray(probabilities, float), classes)


def made_up(n=40, signals=(1.0, 0.5), seed=0):
    """Runs that know the more about the labels the higher their signal."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3)
    return [
        predictions_of(softmax(signal * np.eye(3)[labels] + rng.standard_normal((n, 3))), labels) for signal in signals
    ]


def rows_of(part, order):
    """The same predictions with some of their rows, in this order."""
    return Predictions(
        tuple(part.clip[k] for k in order),
        tuple(part.fold[k] for k in order),
        tuple(part.truth[k] for k in order),
        part.probabilities[order],
        part.classes,
    )


def of_truth(parts):
    columns = [
        [row[part.classes.index(t)] for row, t in zip(part.probabilities, part.truth, strict=True)] for part in parts
    ]
    return np.array(columns).T


def mean_log(parts, weights):
    return np.log(of_truth(parts) @ weights).mean()


# Weights.


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("signals", [(1.0, 0.5), (2, 2), (3, 0.1), (1, 2, 3), (0.5, 0.5, 0.5, 4, 0.1)])
def test_weights_have_the_highest_likelihood(signals, seed):
    """As a general optimiser finds it, begun from several places."""
    parts = made_up(60, signals, seed)
    count = len(signals)
    weights = fit_weights(parts)
    assert weights.shape == (count,)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    best = None
    for start in (np.full(count, 1 / count), np.eye(count)[0] * 0.9 + 0.1 / count):
        found = minimize(
            lambda w: -mean_log(parts, w),
            start,
            method="SLSQP",
            bounds=[(0, 1)] * count,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        best = found if best is None or found.fun < best.fun else best
    assert mean_log(parts, weights) > -best.fun - 1e-9
    np.testing.assert_allclose(weights, best.x, atol=1e-3)


def test_weights_meet_the_condition_of_a_maximum():
    """Of each run the mean of its share over the joint one is 1, or below where its weight is 0."""
    for seed in range(5):
        parts = made_up(50, (1.5, 1, 0.3), seed)
        weights = fit_weights(parts)
        truth = of_truth(parts)
        slope = (truth / (truth @ weights)[:, None]).mean(0)
        for weight, value in zip(weights, slope, strict=True):
            assert value == pytest.approx(1, abs=1e-6) if weight > 1e-4 else value < 1 + 1e-6


@pytest.mark.parametrize("apart", [0.3, 0.03, 0.01, 0.001])
def test_runs_that_hardly_differ_are_joined_about_as_well_as_by_any_weights(apart):
    rng = np.random.default_rng(4)
    labels = np.arange(60) % 3
    scores = np.eye(3)[labels] + rng.standard_normal((60, 3))
    parts = [predictions_of(softmax(scores + apart * rng.standard_normal((60, 3))), labels) for _ in range(2)]
    best = max(mean_log(parts, np.array([share, 1 - share])) for share in np.linspace(0, 1, 1001))
    assert mean_log(parts, fit_weights(parts)) > best - 1e-4


@pytest.mark.parametrize("count", [2, 3, 7])
def test_equal_runs_get_equal_weights(count):
    (part,) = made_up(signals=(1.0,))
    np.testing.assert_allclose(fit_weights([part] * count), 1 / count, rtol=0, atol=1e-12)


def test_a_perfect_run_gets_all_of_it_and_a_constant_one_nothing():
    labels = np.arange(30) % 3
    perfect, constant = predictions_of(np.eye(3)[labels], labels), predictions_of(np.full((30, 3), 1 / 3), labels)
    np.testing.assert_allclose(fit_weights([perfect, constant]), [1, 0], atol=1e-9)
    np.testing.assert_allclose(fit_weights([constant, perfect, constant]), [0, 1, 0], atol=1e-9)


def test_runs_that_are_right_on_other_clips_share_the_weight():
    """Each sure of its own part and wrong on the other's: weights are the parts' sizes."""
    labels = np.arange(40) % 3
    sure, wrong = np.eye(3)[labels], np.eye(3)[(labels + 1) % 3]
    first = np.arange(40) < 30
    parts = [predictions_of(np.where((first == mine)[:, None], sure, wrong), labels) for mine in (True, False)]
    np.testing.assert_allclose(fit_weights(parts), [0.75, 0.25], atol=1e-6)


def test_runs_that_are_all_wrong_get_equal_weights():
    labels = np.arange(12) % 3
    part = predictions_of(np.eye(3)[(labels + 1) % 3], labels)
    np.testing.assert_allclose(fit_weights([part, part]), [0.5, 0.5])


def test_the_order_of_rows_and_of_classes_does_not_matter():
    parts = made_up(40, (1, 0.7, 0.4))
    expected = fit_weights(parts)
    rng = np.random.default_rng(1)
    shuffled = [rows_of(part, rng.permutation(40)) for part in parts]
    assert fit_weights(shuffled).tobytes() == expected.tobytes()
    turned = dataclasses.replace(
        parts[1], probabilities=parts[1].probabilities[:, [2, 0, 1]], classes=("rage", "fear", "joy")
    )
    assert fit_weights([parts[0], turned, parts[2]]).tobytes() == expected.tobytes()


def test_runs_in_another_order_have_their_weights_in_that_order():
    parts = made_up(40, (1, 0.7, 0.4))
    np.testing.assert_allclose(fit_weights(parts[::-1])[::-1], fit_weights(parts), atol=1e-9)


def test_only_clips_that_all_runs_have_count():
    one, two = made_up(40, (1, 0.6))
    common = np.arange(10, 30)
    expected = fit_weights([rows_of(one, common), rows_of(two, common)])
    found = fit_weights([rows_of(one, np.arange(30)), rows_of(two, np.arange(10, 40))])
    assert found.tobytes() == expected.tobytes()
    assert fit_weights([one, two]).tobytes() != expected.tobytes()
    assert fit_weights([one, rows_of(two, common)]).tobytes() == expected.tobytes()


def test_only_the_probability_of_the_truth_counts():
    one, two = made_up(40, (1, 0.6))
    values = one.probabilities.copy()
    for row, truth in enumerate(one.truth):
        others = [k for k in range(3) if CLASSES[k] != truth]
        values[row, others] = values[row, others[::-1]]
    np.testing.assert_array_equal(
        fit_weights([dataclasses.replace(one, probabilities=values), two]), fit_weights([one, two])
    )


def test_runs_without_a_common_clip_are_refused():
    one, two = made_up(40, (1, 0.6))
    three = rows_of(one, np.arange(15, 25))
    for parts in (
        [rows_of(one, np.arange(20)), rows_of(two, np.arange(20, 40))],
        [one, rows_of(two, np.arange(9)), three],
    ):
        with pytest.raises(DataError) as caught:
            fit_weights(parts)
        assert str(caught.value) == (
            "fusion: the runs' inner predictions have no clip in common; leave out --fuse-weights"
        )


# The weighted mean.


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1), (0.0, 1.0), (1.0, 0.0)])
def test_a_fusion_is_the_weighted_mean_clip_by_clip(weights):
    one, two = made_up(30, (1, 0.6))
    order = np.random.default_rng(2).permutation(30)
    fused = fuse([one, rows_of(two, order)], np.array(weights))
    assert (fused.clip, fused.fold, fused.truth, fused.classes) == (one.clip, one.fold, one.truth, one.classes)
    for row, clip in enumerate(one.clip):
        mean = [
            weights[0] * one.probabilities[row, k] + weights[1] * two.probabilities[two.clip.index(clip), k]
            for k in range(3)
        ]
        np.testing.assert_allclose(fused.probabilities[row], mean, atol=1e-7)
    other = fuse([rows_of(two, order), one], np.array(weights[::-1]))
    assert other.clip == tuple(two.clip[k] for k in order)
    np.testing.assert_allclose(rows_of(other, np.argsort(order)).probabilities, fused.probabilities, atol=1e-7)


def test_runs_fused_with_themselves_stay_what_they_are():
    (part,) = made_up(30, (1,))
    for count in (1, 2, 3, 7):
        fused = fuse([part] * count, np.full(count, 1 / count))
        np.testing.assert_allclose(fused.probabilities, part.probabilities, atol=1e-7)
        assert fused.prediction == part.prediction


def test_sure_runs_stay_probabilities():
    labels = np.arange(9) % 3
    parts = [predictions_of(np.eye(3)[(labels + shift) % 3], labels) for shift in (0, 0, 1)]
    for weights in ([1 / 3] * 3, [0.1, 0.2, 0.7], [1, 0, 0]):
        fused = fuse(parts, np.array(weights))
        expected = (weights[0] + weights[1]) * np.eye(3)[labels] + weights[2] * np.eye(3)[(labels + 1) % 3]
        np.testing.assert_allclose(fused.probabilities, expected, atol=1e-7)


def test_inputs_are_not_changed():
    one, two = made_up(30, (1, 0.6))
    before = one.to_csv(), two.to_csv()
    fuse([one, two], np.array([0.3, 0.7]))
    fit_weights([one, two])
    assert (one.to_csv(), two.to_csv()) == before


def test_clips_that_one_run_lacks_are_refused():
    one, two = made_up(30, (1, 0.6))
    for parts in ([one, rows_of(two, np.arange(29))], [rows_of(one, np.arange(29)), two]):
        with pytest.raises(DataError) as caught:
            fuse(parts, np.full(2, 0.5))
        assert str(caught.value) == f"fusion: clip {one.clip[29]} is predicted by one run and not by another"


def test_other_labels_of_a_clip_are_refused():
    one, two = made_up(30, (1, 0.6))
    truth = list(two.truth)
    truth[7] = next(name for name in CLASSES if name != truth[7])
    order = np.random.default_rng(3).permutation(30)
    with pytest.raises(DataError) as caught:
        fuse([one, rows_of(dataclasses.replace(two, truth=tuple(truth)), order)], np.full(2, 0.5))
    assert str(caught.value) == (
        f"fusion: the runs give clip {one.clip[7]} different labels; were the packs made anew?"
    )
