"""The linear classifier: Fisher ratio, training against scikit-learn, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import io
import os
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from mertool.errors import DataError, FileError
from mertool.texture.classifier import (
    COSTS,
    Classifier,
    Hyperparameters,
    TrainingSet,
    feature_counts,
    fisher_ratio,
    fit_one_vs_rest,
    train_classifier,
)
from tests.support.damage import Payload

CLASSES = ("fear", "joy", "räge")

pytestmark = pytest.mark.usefixtures("one_thread")


def made_up(n, size, n_classes=3, seed=0, signal=0.5):
    """Features of which the first few say something about the labels; every class has clips."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % n_classes)
    features = rng.standard_normal((n, size))
    told = min(size, 5)
    features[:, :told] += signal * rng.standard_normal((n_classes, told))[labels]
    return features.astype(np.float32), labels


# Fisher ratio.


def slow_ratio(column, labels):
    column = column.astype(float)
    between = within = 0.0
    for label in set(labels.tolist()):
        part = [value for value, other in zip(column, labels, strict=True) if other == label]
        mean = sum(part) / len(part)
        between += len(part) * (mean - column.mean()) ** 2
        within += sum((value - mean) ** 2 for value in part)
    return between / within


@pytest.mark.parametrize(("n", "n_classes"), [(20, 2), (37, 3), (50, 6)])
def test_the_fisher_ratio_is_its_definition(n, n_classes):
    features, labels = made_up(n, 12, n_classes)
    found = fisher_ratio(features, labels)
    np.testing.assert_allclose(found, [slow_ratio(column, labels) for column in features.T], rtol=1e-12)


def test_features_rank_as_in_an_analysis_of_variance():
    features, labels = made_up(61, 300, 4, seed=1)
    found = fisher_ratio(features, labels)
    f = f_classif(features.astype(float), labels)[0]
    np.testing.assert_allclose(found, f * (4 - 1) / (61 - 4), rtol=1e-9)
    np.testing.assert_array_equal(np.argsort(-found), np.argsort(-f))


def test_classes_may_have_any_numbers():
    features, labels = made_up(30, 8)
    np.testing.assert_array_equal(fisher_ratio(features, labels), fisher_ratio(features, labels * 7 + 2))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3, 1e-6, 1e6, 12345.678])
@pytest.mark.parametrize("n", [3, 7, 50, 121])
def test_a_constant_feature_says_nothing(n, value):
    labels = np.arange(n) % 3
    features = np.full((n, 2), value, np.float32)
    features[:, 1] = np.random.default_rng(0).random(n)
    found = fisher_ratio(features, labels)
    assert found[0] == 0
    assert found[1] > 0


@pytest.mark.parametrize("counts", [(3, 4), (7, 9), (10, 13), (49, 57, 15)])
def test_a_feature_that_is_constant_in_each_class_says_everything(counts):
    """Infinity for all of them, so that of equally perfect features the first are taken, not those of best rounding."""
    labels = np.repeat(np.arange(len(counts)), counts)
    values = np.random.default_rng(1).random((len(counts), 200)).astype(np.float32)
    features = values[labels]
    features[:, 50] = 0.25
    features[:, 150] = np.random.default_rng(2).random(len(labels))
    expected = np.full(200, np.inf)
    expected[[50, 150]] = 0, slow_ratio(features[:, 150], labels)
    np.testing.assert_allclose(fisher_ratio(features, labels), expected)
    order = TrainingSet(features, labels, len(counts), balance=False).order
    assert order.tolist() == [k for k in range(200) if k not in (50, 150)] + [150, 50]


def test_shifting_scaling_and_turning_a_feature_round_changes_no_ratio():
    """Whole numbers, so that float32 holds them exactly, shifted or not."""
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 4
    features = (rng.integers(0, 200, (40, 30)) + labels[:, None]).astype(np.float32)
    expected = fisher_ratio(features, labels)
    for other in (features + 1000, features * 3, -features, features / 1024, features * 64 - 500):
        np.testing.assert_allclose(fisher_ratio(other.astype(np.float32), labels), expected, rtol=1e-9)


def test_the_order_of_the_clips_changes_no_ratio():
    features, labels = made_up(41, 30)
    order = np.random.default_rng(4).permutation(41)
    np.testing.assert_allclose(fisher_ratio(features[order], labels[order]), fisher_ratio(features, labels), rtol=1e-9)


def test_each_ratio_depends_on_its_own_column_alone():
    features, labels = made_up(30, 20)
    np.testing.assert_array_equal(fisher_ratio(features, labels)[5:9], fisher_ratio(features[:, 5:9].copy(), labels))


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (177, (177, 88, 44, 22)),
        (32, (32, 16)),
        (31, (31,)),
        (16, (16,)),
        (5, (5,)),
        (1, (1,)),
        (8850, (8850, 4425, 2212, 1106, 553, 276, 138, 69, 34, 17)),
    ],
)
def test_counts_are_halved_down_to_sixteen(size, counts):
    assert feature_counts(size) == counts


# Training.


def gradient(x, sign, cost, importance, weights, intercept):
    """Of |w|^2 / 2 + C sum of importance log(1 + exp(-y (w x + b))), written out."""
    share = 1 / (1 + np.exp(sign * (x @ weights + intercept)))
    pull = cost * importance * sign * share
    return np.append(weights - x.T @ pull, -pull.sum())


def tables():
    """Clips and labels of every shape and rank: (N, q) float64 of about unit length a row, and (N,)."""
    found = {}
    for n, q in ((40, 5), (40, 39), (40, 40), (40, 41), (30, 120), (6, 200)):
        features, labels = made_up(n, q, seed=n + q)
        found[f"{n} x {q}"] = features / np.sqrt(q), labels
    x, labels = found["40 x 5"]
    found["twice and constant"] = np.hstack([x, x, 2 * x, np.ones((40, 1)), np.zeros((40, 1))]), labels
    x, labels = found["30 x 120"]
    found["twice and constant, many"] = np.hstack([x, x[:, :50], x[:, :1] - x[:, 1:2], np.ones((30, 2))]), labels
    found["clips three times"] = np.repeat(x[:10], 3, 0), np.repeat(np.arange(10) % 3, 3)
    rng = np.random.default_rng(5)
    found["rank 1, many"] = np.outer(rng.standard_normal(30), rng.standard_normal(90)) / 9, np.arange(30) % 3
    found["rank 1, few"] = np.outer(rng.standard_normal(30), rng.standard_normal(9)) / 3, np.arange(30) % 3
    found["nothing, many"] = np.zeros((30, 90)), np.arange(30) % 3
    found["nothing, few"] = np.zeros((30, 9)), (np.arange(30) % 5).clip(0, 2)
    found["a class of one clip"] = x[:13], np.array([0, 1] * 6 + [2])
    return {name: (table.astype(np.float64), labels) for name, (table, labels) in found.items()}


TABLES = tables()


def weights_of(kind, n):
    return np.ones(n) if kind == "even" else 0.1 + 3 * np.random.default_rng(6).random(n)


@pytest.mark.parametrize("importance", ["even", "uneven"])
@pytest.mark.parametrize("name", TABLES)
def test_training_is_that_of_scikit_learn(name, importance):
    x, labels = TABLES[name]
    importance = weights_of(importance, len(x))
    fitted = list(fit_one_vs_rest(x, labels, 3, COSTS, importance))
    assert len(fitted) == len(COSTS)
    for cost, (weights, intercept) in zip(COSTS, fitted, strict=True):
        assert (weights.shape, weights.dtype, intercept.shape) == ((x.shape[1], 3), np.float64, (3,))
        for label in range(3):
            theirs = LogisticRegression(C=cost, solver="newton-cholesky", tol=1e-12, max_iter=1000)
            theirs.fit(x, labels == label, sample_weight=importance)
            np.testing.assert_allclose(weights[:, label], theirs.coef_[0], atol=1e-6)
            np.testing.assert_allclose(intercept[label], theirs.intercept_[0], atol=1e-6)


@pytest.mark.parametrize("importance", ["even", "uneven"])
@pytest.mark.parametrize("name", TABLES)
def test_at_the_end_of_training_the_gradient_is_zero(name, importance):
    x, labels = TABLES[name]
    importance = weights_of(importance, len(x))
    for cost, (weights, intercept) in zip(COSTS, fit_one_vs_rest(x, labels, 3, COSTS, importance), strict=True):
        for label in range(3):
            sign = np.where(labels == label, 1.0, -1.0)
            left = gradient(x, sign, cost, importance, weights[:, label], intercept[label])
            assert np.abs(left).max() < 1e-7 * cost


@pytest.mark.parametrize("name", TABLES)
def test_where_training_begins_does_not_matter(name):
    """Each cost by itself, all in turn, and all backwards."""
    x, labels = TABLES[name]
    even = np.ones(len(x))
    upwards = list(fit_one_vs_rest(x, labels, 3, COSTS, even))
    downwards = list(fit_one_vs_rest(x, labels, 3, COSTS[::-1], even))[::-1]
    for cost, one, other in zip(COSTS, upwards, downwards, strict=True):
        (alone,) = fit_one_vs_rest(x, labels, 3, [cost], even)
        for found in (one, other):
            np.testing.assert_allclose(found[0], alone[0], atol=1e-6)
            np.testing.assert_allclose(found[1], alone[1], atol=1e-6)


def test_a_weight_of_two_is_the_clip_twice():
    x, labels = TABLES["40 x 5"]
    twice = np.arange(40) % 3 == 0
    (weighted,) = fit_one_vs_rest(x, labels, 3, [10.0], 1.0 + twice)
    (doubled,) = fit_one_vs_rest(
        np.vstack([x, x[twice]]), np.append(labels, labels[twice]), 3, [10.0], np.ones(40 + twice.sum())
    )
    np.testing.assert_allclose(weighted[0], doubled[0], atol=1e-7)
    np.testing.assert_allclose(weighted[1], doubled[1], atol=1e-7)


@pytest.mark.parametrize("name", ["40 x 39", "30 x 120"])
def test_an_earlier_result_is_not_changed_by_a_later_one(name):
    x, labels = TABLES[name]
    results = fit_one_vs_rest(x, labels, 3, COSTS, np.ones(len(x)))
    weights, intercept = next(results)
    before = weights.copy(), intercept.copy()
    list(results)
    np.testing.assert_array_equal(weights, before[0])
    np.testing.assert_array_equal(intercept, before[1])


def separable(n, q, seed=7):
    x = np.random.default_rng(seed).standard_normal((n, q)) / np.sqrt(q)
    labels = np.arange(n) % 2
    x[:, 0] = (2 * labels - 1) * (1 + np.abs(x[:, 0]))
    return x, labels


@pytest.mark.parametrize(("n", "q"), [(40, 3), (40, 39), (30, 200), (4, 2), (2, 5), (20, 1)])
@pytest.mark.parametrize("cost", [1e-6, 1e9])
def test_extreme_costs_on_separable_clips_stay_finite(n, q, cost):
    x, labels = separable(n, q)
    ((weights, intercept),) = fit_one_vs_rest(x, labels, 2, [cost], np.ones(n))
    assert np.isfinite(weights).all()
    assert np.isfinite(intercept).all()
    scores = x @ weights + intercept
    if cost > 1:
        np.testing.assert_array_equal(scores.argmax(1), labels)
    else:
        assert np.abs(weights).max() < 1e-4
    features = x.astype(np.float32)
    classifier = train_classifier(features, labels, Hyperparameters(q, cost), ("a", "b"), balance=False)
    shares = classifier.predict(np.vstack([features, 1e6 * features]).astype(np.float32))
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-12)


def test_the_largest_cost_comes_near_the_minimum_even_of_separable_clips():
    """Where the loss is flat to ten digits, what it ends at is within a hundredth of the least."""
    for n, q in ((40, 3), (40, 39), (30, 100)):
        x, labels = separable(n, q)
        sign = np.where(labels == 1, 1.0, -1.0)

        def objective(weights, intercept, x=x, sign=sign):
            return weights @ weights / 2 + 1e9 * np.logaddexp(0, -sign * (x @ weights + intercept)).sum()

        ((weights, intercept),) = fit_one_vs_rest(x, labels, 2, [1e9], np.ones(n))
        theirs = LogisticRegression(C=1e9, solver="newton-cholesky", tol=1e-14, max_iter=10_000).fit(x, labels)
        least = objective(theirs.coef_[0], theirs.intercept_[0])
        assert objective(weights[:, 1], intercept[1]) < 1.01 * least


# The classifier.


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("n", "size"), [(60, 10), (40, 200)])
def test_probabilities_are_those_of_scikit_learn(n, size, cost):
    features, labels = made_up(n, size, seed=8)
    classifier = train_classifier(features, labels, Hyperparameters(size, cost), CLASSES, balance=False)
    assert classifier.selected.tolist() == list(range(size))

    def shown(values):
        values, known = values.astype(np.float64), features.astype(np.float64)
        return (values - known.mean(0)) / known.std(0) / np.sqrt(size)

    theirs = OneVsRestClassifier(LogisticRegression(C=cost, solver="newton-cholesky", tol=1e-12, max_iter=1000))
    theirs.fit(shown(features), labels)
    other, _ = made_up(50, size, seed=9)
    for clips in (features, other):
        found = classifier.predict(clips)
        assert (found.shape, found.dtype) == ((len(clips), 3), np.float64)
        np.testing.assert_allclose(found, theirs.predict_proba(shown(clips)), atol=1e-6)


def test_balance_weighs_every_class_the_same():
    rng = np.random.default_rng(10)
    labels = np.array([0] * 40 + [1] * 12 + [2] * 5)
    features = rng.standard_normal((57, 8)).astype(np.float32) + labels[:, None].astype(np.float32) / np.float32(3)
    balanced = TrainingSet(features, labels, 4, balance=True)
    for label, count in enumerate((40, 12, 5)):
        np.testing.assert_allclose(balanced.importance[labels == label].sum(), 57 / 3)
        assert len(set(balanced.importance[labels == label])) == 1
        assert balanced.importance[labels == label][0] == pytest.approx(57 / 3 / count)
    assert (TrainingSet(features, labels, 4, balance=False).importance == 1).all()
    found = train_classifier(features, labels, Hyperparameters(8, 10.0), (*CLASSES, "none"), balance=True)
    x = (features.astype(np.float64) - found.mean) / found.scale
    for label in range(3):
        theirs = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-12)
        theirs.fit(x, labels == label, sample_weight=balanced.importance)
        np.testing.assert_allclose(found.weights[:, label], theirs.coef_[0], atol=1e-6)
        np.testing.assert_allclose(found.intercept[label], theirs.intercept_[0], atol=1e-6)
    plain = train_classifier(features, labels, Hyperparameters(8, 10.0), (*CLASSES, "none"), balance=False)
    assert (plain.selected == found.selected).all()  # which features are best does not depend on it
    assert found.predict(features)[:, 2].mean() > 1.2 * plain.predict(features)[:, 2].mean()


@pytest.mark.parametrize("size", [4, 100])
def test_a_class_without_a_clip_is_never_predicted(size):
    features, labels = made_up(30, size, 2)
    labels = np.array([1, 3])[labels]
    classifier = train_classifier(features, labels, Hyperparameters(size, 10.0), tuple("abcde"), balance=True)
    found = classifier.predict(features)
    assert (found[:, [0, 2, 4]] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)
    assert (classifier.weights[:, [0, 2, 4]] == 0).all()
    without = train_classifier(features, labels // 2, Hyperparameters(size, 10.0), ("b", "d"), balance=True).predict(
        features
    )
    np.testing.assert_allclose(found[:, [1, 3]], without, atol=1e-9)


def test_of_clips_of_one_class_this_class_is_all_that_is_known():
    features, _ = made_up(10, 4)
    for balance in (False, True):
        problem = TrainingSet(features, np.full(10, 1), 3, balance=balance)
        (classifier,) = problem.train(4, [1000.0], ("anger", "fear", "joy"))
        assert classifier.predict(features).tolist() == [[0, 1, 0]] * 10


def test_the_best_features_are_kept_in_their_order_and_of_equal_ones_the_first():
    features, labels = made_up(30, 40, seed=11, signal=2)
    features[:, 20:] = features[:, 19::-1]  # each a second time, backwards
    problem = TrainingSet(features, labels, 3, balance=False)
    ratio = fisher_ratio(features, labels)
    best = sorted(range(40), key=lambda k: (-ratio[k], k))
    assert problem.order.tolist() == best
    for count in (1, 7, 40):
        (classifier,) = problem.train(count, [1.0], CLASSES)
        assert classifier.selected.dtype == np.int64
        assert classifier.selected.tolist() == sorted(best[:count])
        known = features[:, classifier.selected].astype(np.float64)
        np.testing.assert_allclose(classifier.mean, known.mean(0))
        np.testing.assert_allclose(classifier.scale, known.std(0) * np.sqrt(count))


def test_costs_come_in_ascending_order_whatever_was_asked_for():
    features, labels = made_up(30, 20)
    problem = TrainingSet(features, labels, 3, balance=False)
    found = list(problem.train(20, (100.0, 1.0, 10.0), CLASSES, ("a/b/c",)))
    assert [classifier.hyperparameters for classifier in found] == [
        Hyperparameters(20, cost) for cost in (1.0, 10.0, 100.0)
    ]
    for classifier in found:
        alone = train_classifier(features, labels, classifier.hyperparameters, CLASSES, balance=False, seen=("a/b/c",))
        np.testing.assert_allclose(classifier.weights, alone.weights, atol=1e-7)
        assert (classifier.classes, classifier.seen) == (alone.classes, alone.seen) == (CLASSES, ("a/b/c",))


def test_features_that_are_not_kept_do_not_matter():
    features, labels = made_up(30, 50, signal=2)
    classifier = train_classifier(features, labels, Hyperparameters(5, 10.0), CLASSES, balance=False)
    other = np.full_like(features, np.nan)
    other[:, classifier.selected] = features[:, classifier.selected]
    assert classifier.predict(other).tobytes() == classifier.predict(features).tobytes()


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 7.0])
def test_a_feature_that_was_constant_in_training_says_nothing_later(value):
    """Its deviation is 0, or all but: divided by that, a test clip with another value would be thrown anywhere."""
    for n in (20, 21, 33, 50):
        features, labels = made_up(n, 6, seed=12)
        features[:, 3] = value
        classifier = train_classifier(features, labels, Hyperparameters(6, 1000.0), CLASSES, balance=False)
        other = features.copy()
        other[:, 3] = value + 0.5
        np.testing.assert_allclose(classifier.predict(other), classifier.predict(features), atol=1e-9)


@pytest.mark.parametrize("size", [12, 90])
@pytest.mark.parametrize("factor", [2.0**-8, 2.0**5])
def test_scaling_by_powers_of_two_changes_no_bit(size, factor):
    features, labels = made_up(40, size, seed=13)
    design = Hyperparameters(size // 2, 100.0)
    one = train_classifier(features, labels, design, CLASSES, balance=False)
    other = train_classifier(features * np.float32(factor), labels, design, CLASSES, balance=False)
    assert (one.selected.tobytes(), one.weights.tobytes()) == (other.selected.tobytes(), other.weights.tobytes())
    assert (one.scale * factor).tobytes() == other.scale.tobytes()
    assert one.predict(features).tobytes() == other.predict(features * np.float32(factor)).tobytes()


@pytest.mark.parametrize("size", [12, 90])
def test_the_order_of_clips_and_classes_does_not_matter(size):
    features, labels = made_up(40, size, seed=14)
    design = Hyperparameters(size // 2, 100.0)
    expected = train_classifier(features, labels, design, CLASSES, balance=True).predict(features)
    order = np.random.default_rng(15).permutation(40)
    shuffled = train_classifier(features[order], labels[order], design, CLASSES, balance=True)
    np.testing.assert_allclose(shuffled.predict(features), expected, atol=1e-7)
    renamed = train_classifier(features, 2 - labels, design, CLASSES[::-1], balance=True)
    np.testing.assert_allclose(renamed.predict(features)[:, ::-1], expected, atol=1e-7)


def test_shares_are_right_where_every_class_is_all_but_impossible():
    """Logistic values of 1e-400 and less are no floats; their shares are."""
    features, labels = made_up(20, 2)
    classifier = train_classifier(features, labels, Hyperparameters(2, 1.0), CLASSES, balance=False)
    far = dataclasses.replace(classifier, weights=np.zeros((2, 3)), intercept=np.array([-1000.0, -1001.0, -np.inf]))
    found = far.predict(np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(found, [[np.e / (1 + np.e), 1 / (1 + np.e), 0]])
    sure = dataclasses.replace(classifier, weights=np.zeros((2, 3)), intercept=np.array([1000.0, 1000.0, -1000.0]))
    np.testing.assert_allclose(sure.predict(np.zeros((1, 2), np.float32)), [[0.5, 0.5, 0]])


def test_another_process_trains_the_same_bytes(tmp_path):
    code = """
        import hashlib, sys
        from pathlib import Path
        import numpy as np
        import torch
        from mertool.texture.classifier import Hyperparameters, train_classifier
        torch.set_num_threads(1)
        for size in (20, 700):
            with np.load(f"{sys.argv[1]}/{size}.npz") as clips:
                words = clips["features"], clips["labels"], Hyperparameters(size, 100.0), ("fear", "joy", "räge")
            path = Path(sys.argv[2])
            train_classifier(*words, balance=True).save(path)
            print(hashlib.sha256(path.read_bytes()).hexdigest())
    """
    for size in (20, 700):
        features, labels = made_up(60, size)
        np.savez(tmp_path / f"{size}.npz", features=features, labels=labels)
    words = [sys.executable, "-c", textwrap.dedent(code), tmp_path]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    words.append(tmp_path / "there.npz")
    said = subprocess.run(words, capture_output=True, text=True, env=env, timeout=120).stdout.split()
    expected = []
    for size in (20, 700):
        features, labels = made_up(60, size)
        train_classifier(features, labels, Hyperparameters(size, 100.0), CLASSES, balance=True).save(
            tmp_path / "here.npz"
        )
        expected.append(hashlib.sha256((tmp_path / "here.npz").read_bytes()).hexdigest())
    assert said == expected


# The file.


SEEN = ("samm/006/006_1_2", "casme2/sub é/EP 01")


def trained(seed=0, **values):
    features, labels = made_up(24, 9, 2, seed=seed)
    classifier = train_classifier(features, labels, Hyperparameters(6, 10.0), CLASSES, balance=False, seen=SEEN)
    return dataclasses.replace(classifier, **values)


def parts(classifier):
    """All of a classifier, comparable."""
    values = [getattr(classifier, field.name) for field in dataclasses.fields(classifier)]
    return [(v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values]


@pytest.fixture
def saved(tmp_path):
    """A file, and the members that it holds."""
    path = tmp_path / "classifier é.npz"
    trained().save(path)
    with np.load(path, allow_pickle=False) as archive:
        return path, dict(archive)


def test_what_is_saved_comes_back(tmp_path):
    path = tmp_path / "c.npz"
    classifier = trained()
    assert np.isneginf(classifier.intercept[2])  # a class it has never met
    classifier.save(path)
    again = Classifier.load(path)
    assert parts(again) == parts(classifier)
    features, _ = made_up(9, 9, seed=1)
    assert again.predict(features).tobytes() == classifier.predict(features).tobytes()
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "again.npz", path]


def test_a_classifier_that_names_no_clips_comes_back_naming_none(tmp_path):
    trained(seen=()).save(tmp_path / "c.npz")
    assert Classifier.load(tmp_path / "c.npz").seen == ()


def test_equal_classifiers_give_equal_bytes_and_others_do_not(tmp_path):
    def written(classifier):
        classifier.save(tmp_path / "c.npz")
        return (tmp_path / "c.npz").read_bytes()

    expected = written(trained())
    assert written(trained()) == expected
    others = (
        trained(seed=1),
        trained(seen=SEEN[:1]),
        trained(classes=("a", "b", "c")),
        trained(hyperparameters=Hyperparameters(6, 10.5)),
        trained(weights=trained().weights * (1 + 1e-15)),
    )
    assert len({written(other) for other in others} | {expected}) == 6


def test_the_file_is_an_archive_of_plain_arrays(saved):
    path, members = saved
    assert set(members) == {
        *("format", "count", "cost", "kept", "mean", "scale", "weights", "intercept", "classes", "seen")
    }
    assert all(array.dtype.kind in "iufU" for array in members.values())
    with zipfile.ZipFile(path) as archive:
        assert all(entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist())


def write_members(path, members, **options):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), **options)


def refused(path, error=DataError):
    with pytest.raises(error) as caught:
        Classifier.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


DAMAGED = "damaged; expected a texture classifier of mertool"


def test_the_members_written_by_these_tests_are_read(saved):
    path, members = saved
    write_members(path, members)
    assert parts(Classifier.load(path)) == parts(trained())


@pytest.mark.parametrize(
    "name", ["format", "count", "cost", "kept", "mean", "scale", "weights", "intercept", "classes", "seen"]
)
def test_a_missing_member_is_damage(saved, name):
    path, members = saved
    del members[name]
    write_members(path, members)
    assert refused(path) == DAMAGED


def with_entry(array, place, value):
    array = array.copy()
    array[place] = value
    return array


FAULTS = {
    "format: text": lambda _: np.array("one"),
    "format: two": lambda _: np.array([1, 1]),
    "count: another": lambda count: count + 1,
    "count: two": lambda _: np.array([6, 6]),
    "cost: text": lambda _: np.array("ten"),
    "cost: two": lambda _: np.array([1.0, 2.0]),
    "cost: not a number": lambda _: np.array(np.nan),
    "kept: one too few": lambda kept: kept[:-1],
    "kept: backwards": lambda kept: kept[::-1],
    "kept: negative": lambda kept: kept - 100,
    "kept: twice": lambda kept: with_entry(kept, 1, kept[0]),
    "kept: int32": lambda kept: kept.astype(np.int32),
    "kept: float64": lambda kept: kept.astype(np.float64),
    "kept: two axes": lambda kept: kept[None],
    "kept: none": lambda kept: kept[:0],
    "mean: one too few": lambda mean: mean[:-1],
    "mean: float32": lambda mean: mean.astype(np.float32),
    "mean: not a number": lambda mean: with_entry(mean, 2, np.nan),
    "mean: two axes": lambda mean: mean[:, None],
    "scale: zero": lambda scale: with_entry(scale, 0, 0),
    "scale: negative": lambda scale: with_entry(scale, 0, -1),
    "scale: infinite": lambda scale: with_entry(scale, 0, np.inf),
    "scale: not a number": lambda scale: with_entry(scale, 0, np.nan),
    "weights: turned": lambda weights: weights.T,
    "weights: of two classes": lambda weights: weights[:, :2],
    "weights: complex": lambda weights: weights.astype(np.complex128),
    "weights: not a number": lambda weights: with_entry(weights, (0, 1), np.nan),
    "weights: infinite": lambda weights: with_entry(weights, (0, 1), np.inf),
    "intercept: of two classes": lambda intercept: intercept[:2],
    "intercept: text": lambda intercept: intercept.astype(str),
    "intercept: not a number": lambda intercept: with_entry(intercept, 0, np.nan),
    "intercept: infinite": lambda intercept: with_entry(intercept, 0, np.inf),
    "intercept: no class at all": lambda intercept: with_entry(intercept, [0, 1, 2], -np.inf),
    "classes: one too few": lambda classes: classes[:2],
    "classes: one too many": lambda classes: np.append(classes, "more"),
    "classes: one twice": lambda classes: with_entry(classes, 1, classes[0]),
    "classes: numbers": lambda _: np.arange(3),
    "seen: numbers": lambda _: np.arange(3),
    "seen: two axes": lambda seen: seen[None],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_members_that_do_not_fit_are_damage(saved, fault):
    path, members = saved
    name = fault.partition(":")[0]
    members[name] = FAULTS[fault](members[name])
    write_members(path, members)
    assert refused(path) == DAMAGED


@pytest.mark.parametrize("name", ["format", "kept", "weights", "classes", "seen"])
def test_pickles_are_never_opened(saved, tmp_path, name):
    path, members = saved
    members[name] = np.array([Payload(tmp_path / "made")], object)
    write_members(path, members, allow_pickle=True)
    assert refused(path) == DAMAGED
    assert not (tmp_path / "made").exists()
    with np.load(path, allow_pickle=True) as archive:
        archive[name]
    assert (tmp_path / "made").exists()  # so the payload would have worked


def test_a_newer_format_is_named(saved):
    path, members = saved
    members["format"] = np.array(2)
    write_members(path, members)
    assert refused(path) == "format 2, expected up to 1; update mertool"


def array_bytes():
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"weights\n", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, array_bytes()])
def test_what_is_no_archive_of_arrays_is_damage(tmp_path, content):
    path = tmp_path / "c.npz"
    path.write_bytes(content)
    assert refused(path) == DAMAGED
    gc.collect()  # a file left open would show here


def test_a_file_cut_short_or_with_a_flipped_bit_is_refused_or_read_as_it_was(saved):
    path, _ = saved
    good, expected = path.read_bytes(), parts(trained())
    for end in np.linspace(0, len(good) - 1, 40).astype(int):
        path.write_bytes(good[:end])
        refused(path)
    refusals = 0
    for place in range(0, len(good), 11):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = Classifier.load(path)
        except (DataError, FileError):
            refusals += 1
            refused(path, (DataError, FileError))
        else:
            assert parts(found) == expected, place  # a bit that says nothing: a date, or the room between members
    assert refusals > len(good) / 11 / 2
    gc.collect()  # a file left open would show here


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert refused(tmp_path / "none.npz", FileError) == "cannot be read: no such file or directory"
    assert refused(tmp_path, FileError) == "cannot be read: is a directory"
    with pytest.raises(FileError, match=r"none/c\.npz: cannot be written: no such file or directory"):
        trained().save(tmp_path / "none" / "c.npz")
