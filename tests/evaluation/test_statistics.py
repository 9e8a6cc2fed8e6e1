"""Statistics against scipy, scikit-learn, plain loops and their own definitions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import f1_score, recall_score

from mertool.evaluation.statistics import (
    bootstrap_intervals,
    compare_paired,
    holm,
    mcnemar_exact,
    min_discordant,
    minimal_detectable,
    stratified_random,
    wilson,
)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 24, 121, 442, 100_000])
def test_wilson_agrees_with_scipy(n: int, confidence: float) -> None:
    for hits in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        expected = scipy.stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
        assert wilson(hits, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_by_hand() -> None:
    # The paper's best, 80 of 121. With z = 1.96: centre (0.66116 + 0.01587) / 1.03175 = 0.65620,
    # half width 1.96 sqrt(0.66116 0.33884 / 121 + 3.8416 / (4 121^2)) / 1.03175 = 0.08318.
    assert wilson(80, 121) == pytest.approx((0.57302, 0.73938), abs=2e-5)


def test_wilson_is_mirrored_and_exact_at_the_ends() -> None:
    for n in range(1, 200):
        assert (wilson(0, n)[0], wilson(n, n)[1]) == (0.0, 1.0)
    low, high = wilson(3, 10)
    assert wilson(7, 10) == pytest.approx((1 - high, 1 - low), abs=1e-15)


@pytest.mark.parametrize(
    ("hits", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (1, 5, 1.0), (1, 5, 0)]
)
def test_wilson_refuses_what_is_no_share(hits: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"^wilson: expected 0 <= hits <= n and 0 < confidence < 1, got"):
        wilson(hits, n, confidence)


# Bootstrap over people


def confusions_of(rng, people=20, classes=4, clips=6):
    made = np.zeros((people, classes, classes), np.int64)
    for person in range(people):
        for _ in range(clips):
            truth = rng.integers(classes)
            made[person, truth, truth if rng.random() < 0.6 else rng.integers(classes)] += 1
    return made


def scores_of(confusion):
    rows = np.repeat(np.arange(confusion.size), confusion.ravel())
    truth, prediction = np.divmod(rows, len(confusion))
    present = np.unique(truth)
    return {
        "accuracy": float((truth == prediction).mean()),
        "uf1": float(f1_score(truth, prediction, labels=present, average="macro", zero_division=0)),
        "uar": float(recall_score(truth, prediction, labels=present, average="macro", zero_division=0)),
    }


def test_bootstrap_is_that_of_a_plain_loop_over_people():
    rng = np.random.default_rng(3)
    confusions = confusions_of(rng)
    found = bootstrap_intervals(confusions, seed=5, repeats=300)
    draws = np.random.default_rng(5).multinomial(20, np.full(20, 1 / 20), size=300)
    resampled = [scores_of((confusions * draw[:, None, None]).sum(0)) for draw in draws]
    for name, (low, high) in found.items():
        values = [scores[name] for scores in resampled]
        assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)


def test_bootstrap_agrees_with_scipy_s_where_every_person_has_one_clip():
    hits = np.random.default_rng(1).random(200) < 0.6
    confusions = np.zeros((200, 2, 2), np.int64)
    confusions[np.arange(200), 0, np.where(hits, 0, 1)] = 1
    low, high = bootstrap_intervals(confusions, seed=0, repeats=20000)["accuracy"]
    theirs = scipy.stats.bootstrap(
        (hits.astype(float),), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(9)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_people_who_hang_together_widen_the_interval():
    together = np.zeros((10, 2, 2), np.int64)
    together[:5, 0, 0], together[5:, 0, 1] = 10, 10  # five people always right, five always wrong
    apart = np.zeros((100, 2, 2), np.int64)
    apart[:50, 0, 0], apart[50:, 0, 1] = 1, 1
    wide, narrow = (bootstrap_intervals(made, seed=0)["accuracy"] for made in (together, apart))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("perfect", [True, False])
def test_bootstrap_of_always_right_and_always_wrong(perfect):
    confusions = np.zeros((4, 3, 3), np.int64)
    confusions[np.arange(4), np.arange(4) % 3, (np.arange(4) + (not perfect)) % 3] = 5
    ends = (float(perfect),) * 2
    assert bootstrap_intervals(confusions, seed=1) == {"accuracy": ends, "uf1": ends, "uar": ends}


# PairedTest tests


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (0, 5), (0, 6), (1, 9), (4, 4), (3, 17), (40, 60), (2, 700)])
def test_mcnemar_is_scipy_s_binomial_test(b, c):
    expected = scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(c, b) == mcnemar_exact(b, c)


def test_six_clips_one_way_are_the_fewest_that_can_tell():
    assert min_discordant() == 6
    for alpha in (0.5, 0.25, 0.05, 0.05 / 3, 0.05 / 15, 1e-6):
        few = min_discordant(alpha)
        assert mcnemar_exact(0, few) <= alpha < mcnemar_exact(0, few - 1)


def test_runs_are_compared_clip_by_clip():
    first = {"a": True, "b": True, "c": False, "d": False}
    second = {"d": True, "c": True, "b": False, "a": True}  # another order
    assert compare_paired(first, second) == (4, 1, 2, 0.25, 1.0)
    with pytest.raises(ValueError, match=r"the same clips, 1 are in one run only, e\.g\. \['d'\]"):
        compare_paired(first, dict.fromkeys("abc", True))


@pytest.mark.parametrize("p", [[], [0.03], [0.01, 0.04, 0.03], [0.2, 0.2, 0.001, 0.9], [0.5] * 5, [0.0, 1.0]])
def test_holm_is_its_definition(p):
    """The adjusted p of a test is the smallest level at which the step-down procedure rejects it."""
    adjusted = holm(p)
    for level in (0.0005, 0.01, 0.05, 0.08, 0.1, 0.25, 0.61, 0.999):
        order = sorted(range(len(p)), key=p.__getitem__)
        rejected = set()
        for rank, place in enumerate(order):
            if p[place] > level / (len(p) - rank):
                break
            rejected.add(place)
        assert {place for place, value in enumerate(adjusted) if value <= level + 1e-12} == rejected


def test_the_minimal_detectable_difference_is_found_with_its_power():
    n, discordant = 121, 30
    difference = minimal_detectable(n, discordant)
    share = (difference * n / discordant + 1) / 2
    better = np.random.default_rng(0).binomial(discordant, share, 20000)
    found = np.mean([mcnemar_exact(int(k), discordant - int(k)) <= 0.05 for k in better])
    assert found == pytest.approx(0.8, abs=0.01)
    assert minimal_detectable(121, 5) is None
    assert minimal_detectable(121, 6) == pytest.approx((2 * 0.8 ** (1 / 6) - 1) * 6 / 121, abs=1e-6)
    assert minimal_detectable(442, 30) < difference < minimal_detectable(121, 60)


def test_random_answers_in_the_classes_own_shares():
    support = [57, 26, 15, 9, 8, 6]
    truth = np.repeat(np.arange(6), support)
    rng = np.random.default_rng(0)
    simulated = np.mean([(rng.permutation(truth) == truth).mean() for _ in range(3000)])
    assert stratified_random(support) == pytest.approx(simulated, abs=0.01)
    assert stratified_random([5, 0]) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar_exact(-1, 2), "mcnemar_exact: expected counts from 0"),
        (lambda: minimal_detectable(5, 6), "minimal_detectable: expected 0 <= discordant <= n"),
        (lambda: stratified_random([0, 0]), "stratified_random: expected counts of some clips"),
        (lambda: bootstrap_intervals(np.zeros((2, 3, 3), np.int64), 0), "expected .* counts of some clips"),
        (lambda: bootstrap_intervals(np.ones((2, 3, 2), np.int64), 0), "expected .* counts of some clips"),
        (lambda: bootstrap_intervals(np.ones((2, 3, 3), np.int64), 0, repeats=0), "expected repeats >= 1"),
    ],
)
def test_impossible_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
