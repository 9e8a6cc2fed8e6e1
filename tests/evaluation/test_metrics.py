"""Scores against hand-made examples, against scikit-learn, and their properties."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mertool.errors import DataError
from mertool.evaluation.metrics import confusions_by_subject, count_confusions, evaluate
from mertool.evaluation.predictions import NO_FOLD, Predictions

ABC = ("a", "b", "c")


def make(
    truth: str, answer: str, fold: str | None = None, classes: tuple[str, ...] = ABC, subjects: list[str] | None = None
) -> Predictions:
    """One letter a clip: its class, the answer, and the digit of its fold."""
    n = len(truth)
    owners = subjects or ["d/1"] * n
    sure = np.eye(len(classes))[[classes.index(name) for name in answer]]
    folds = tuple(map(int, fold)) if fold is not None else (0,) * n
    return Predictions(tuple(f"{owners[k]}/{k:04d}" for k in range(n)), folds, tuple(truth), sure, classes)


def random_predictions(seed: int, n: int = 200, n_classes: int = 4) -> Predictions:
    rng = np.random.default_rng(seed)
    classes = tuple("abcdefgh"[:n_classes])
    truth = rng.choice(n_classes, n, p=rng.dirichlet(np.ones(n_classes)))
    answer = np.where(rng.random(n) < 0.5, truth, rng.integers(0, n_classes, n))
    return Predictions(
        tuple(f"d{k % 3}/{k % 11}/{k:04d}" for k in range(n)),
        tuple(int(f) for f in rng.integers(0, 5, n)),
        tuple(classes[k] for k in truth),
        np.eye(n_classes)[answer],
        classes,
    )


def shuffled(predictions: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(predictions.clip))
    return Predictions(
        tuple(predictions.clip[k] for k in order),
        tuple(predictions.fold[k] for k in order),
        tuple(predictions.truth[k] for k in order),
        predictions.probabilities[order],
        predictions.classes,
    )


def test_by_hand() -> None:
    #        a a a a b b c    TP a 3, b 1, c 0; FP a 1, b 1, c 1; FN a 1, b 1, c 1
    scores = evaluate(make("aaaabbc", "aaacbab", "0001112", subjects=["x/1", "x/1", "x/2", "x/2", "y/1", "y/1", "y/3"]))
    assert scores["confusion"] == [[3, 0, 1], [1, 1, 0], [0, 1, 0]]
    assert scores["hits"] == 4
    assert scores["accuracy"] == 4 / 7
    assert scores["per_class"] == {
        "a": {"precision": 3 / 4, "recall": 3 / 4, "f1": 6 / 8, "support": 4},
        "b": {"precision": 1 / 2, "recall": 1 / 2, "f1": 2 / 4, "support": 2},
        "c": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    }
    assert scores["uf1"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert scores["uar"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert scores["fold_hits"] == [(0, 3, 3), (1, 1, 3), (2, 0, 1)]
    assert scores["fold_accuracy_mean"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    # Sample standard deviation of 1, 1/3, 0: mean 4/9, squares 25/81 + 1/81 + 16/81 = 42/81, over 2.
    assert scores["fold_accuracy_sd"] == pytest.approx(math.sqrt(42 / 81 / 2))
    assert scores["majority"] == 4 / 7
    assert scores["majority_class"] == "a"
    assert scores["random"] == (4**2 + 2**2 + 1) / 7**2
    assert (scores["n"], scores["n_subjects"]) == (7, 4)
    assert scores["classes"] == ["a", "b", "c"]
    assert scores["absent_classes"] == []
    assert scores["per_dataset"]["x"] == {
        "accuracy": 3 / 4,
        "uf1": 6 / 7,
        "uar": 3 / 4,
        "n": 4,
        "absent_classes": ["b", "c"],
    }
    # y: truth b b c, answers b a b: b TP 1 FP 1 FN 1, c nothing right.
    assert scores["per_dataset"]["y"] == {
        "accuracy": 1 / 3,
        "uf1": 1 / 4,
        "uar": 1 / 4,
        "n": 3,
        "absent_classes": ["a"],
    }


def test_the_keys_are_the_documented_ones_and_plain_json() -> None:
    scores = evaluate(random_predictions(0))
    assert list(scores) == [
        *("accuracy", "uf1", "uar", "fold_accuracy_mean", "fold_accuracy_sd", "majority", "n", "n_subjects"),
        *("confusion", "per_class", "per_dataset", "hits", "classes", "absent_classes", "majority_class", "fold_hits"),
        "random",
    ]
    json.dumps(scores, allow_nan=False)


@pytest.mark.parametrize("seed", range(10))
def test_against_scikit_learn(seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    predictions = random_predictions(seed, n_classes=2 + seed % 5)
    labels = list(predictions.classes)
    truth, answer = predictions.truth, predictions.prediction
    assert set(truth) == set(labels), "the comparison needs every class"
    scores = evaluate(predictions)
    assert scores["accuracy"] == pytest.approx(sklearn.accuracy_score(truth, answer))
    assert scores["uf1"] == pytest.approx(sklearn.f1_score(truth, answer, labels=labels, average="macro"))
    assert scores["uar"] == pytest.approx(sklearn.balanced_accuracy_score(truth, answer))
    assert scores["confusion"] == sklearn.confusion_matrix(truth, answer, labels=labels).tolist()
    columns = sklearn.precision_recall_fscore_support(truth, answer, labels=labels, zero_division=np.nan)
    for name, precision, recall, f1, support in zip(labels, *columns, strict=True):
        part = scores["per_class"][name]
        assert part["precision"] == (None if np.isnan(precision) else pytest.approx(precision))
        assert (part["recall"], part["f1"]) == (pytest.approx(recall), pytest.approx(f1))
        assert part["support"] == support


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_rows_change_nothing(seed: int) -> None:
    predictions = random_predictions(seed)
    assert evaluate(shuffled(predictions, seed)) == evaluate(predictions)


def test_a_perfect_predictor_on_shuffled_rows_scores_one() -> None:
    truth = "aaaaaabbbccb"
    scores = evaluate(shuffled(make(truth, truth, "012301230123"), 1))
    assert (scores["accuracy"], scores["uf1"], scores["uar"], scores["fold_accuracy_mean"]) == (1.0, 1.0, 1.0, 1.0)
    assert scores["fold_accuracy_sd"] == 0.0


def test_a_constant_predictor_scores_the_majority_share() -> None:
    # The MEGC2019 composite: always "negative" gives accuracy 250/442 = 0.566, UAR 1/3, UF1 500/692/3.
    truth = "a" * 250 + "b" * 109 + "c" * 83
    scores = evaluate(make(truth, "a" * 442))
    assert scores["accuracy"] == scores["majority"] == 250 / 442
    assert scores["uar"] == pytest.approx(1 / 3)
    assert scores["uf1"] == pytest.approx(500 / 692 / 3)
    assert scores["per_class"]["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 109}


def test_scores_are_pooled_and_not_means_of_folds() -> None:
    # Fold 0: one clip, right. Fold 1: a a b b answered a b b a. Pooled accuracy 3/5, mean of folds (1 + 1/2) / 2.
    # F1 pooled: a 4/6, b 2/4; averaged over folds: fold 0 a 1 (b silently skipped), fold 1 1/2 each -> 3/4.
    scores = evaluate(make("aaabb", "aabba", "01111", classes=("a", "b")))
    assert scores["accuracy"] == 3 / 5
    assert scores["fold_accuracy_mean"] == 3 / 4
    assert scores["uf1"] == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert scores["uf1"] != pytest.approx(3 / 4)


def test_a_class_without_clips_is_left_out_and_named() -> None:
    perfect = evaluate(make("aabb", "aabb"))
    assert (perfect["uf1"], perfect["uar"], perfect["absent_classes"]) == (1.0, 1.0, ["c"])
    assert perfect["per_class"]["c"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    # Answering the absent class is punished all the same: as a miss of a.
    scores = evaluate(make("aabb", "acbb"))
    assert scores["uar"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["uf1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["per_class"]["c"] == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}
    assert scores["confusion"] == [[1, 0, 1], [0, 2, 0], [0, 0, 0]]


def test_one_fold_has_no_deviation_and_no_fold_no_mean() -> None:
    single = evaluate(make("ab", "aa", "00"))
    assert (single["fold_accuracy_mean"], single["fold_accuracy_sd"]) == (0.5, None)
    sure = np.eye(2)[[0, 1]]
    none = evaluate(Predictions(("d/1/x", "d/1/y"), (NO_FOLD, NO_FOLD), ("a", "b"), sure, ("a", "b")))
    assert (none["fold_hits"], none["fold_accuracy_mean"], none["accuracy"]) == ([], None, 1.0)


def test_people_are_told_apart_by_data_set() -> None:
    assert evaluate(make("aabb", "aabb", subjects=["x/1", "y/1", "x/1", "x/2"]))["n_subjects"] == 3


def test_no_truth_no_scores() -> None:
    sure = np.eye(2)[[0, 1, 1]]
    with pytest.raises(DataError, match=r"^metrics: 2 of 3 rows have no truth, first d/1/y$"):
        evaluate(Predictions(("d/1/x", "d/1/y", "d/1/z"), (0, 0, 0), ("a", "", ""), sure, ("a", "b")))
    with pytest.raises(DataError, match=r"^metrics: no predictions; expected at least one row$"):
        evaluate(Predictions((), (), (), np.zeros((0, 2)), ("a", "b")))


def test_confusions_are_counted_over_the_explicit_list() -> None:
    assert count_confusions("aab", "aba", ABC).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(4))
def test_confusions_by_subject_add_up_and_stay_with_their_person(seed: int) -> None:
    predictions = random_predictions(seed)
    by_person = confusions_by_subject(predictions)
    assert by_person.sum(0).tolist() == evaluate(predictions)["confusion"]
    people = sorted({f"{d}/{s}" for d, s in zip(predictions.dataset, predictions.subject, strict=True)})
    assert len(by_person) == len(people)
    for name, counts in zip(people, by_person, strict=True):
        own = [row for row, clip in enumerate(predictions.clip) if clip.startswith(f"{name}/")]
        truth, answer = ([values[row] for row in own] for values in (predictions.truth, predictions.prediction))
        assert counts.tolist() == count_confusions(truth, answer, predictions.classes).tolist()
