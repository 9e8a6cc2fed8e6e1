"""A fold of texture features: what its classifier is chosen and trained on, and what it leaves behind."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

from mertool.clips import subject_key_of_id
from mertool.errors import DataError, FileError
from mertool.evaluation.metrics import evaluate
from mertool.evaluation.predictions import Predictions
from mertool.evaluation.protocols import inner_folds, loso_folds
from mertool.inputs.samples import Samples
from mertool.settings import Settings
from mertool.texture import model_selection as handcrafted
from mertool.texture.classifier import COSTS, Classifier, Hyperparameters, TrainingSet, fisher_ratio, train_classifier
from mertool.texture.model_selection import (
    best_candidate,
    candidates_of,
    classify_fold,
    read_selection,
    recheck_classifier,
    train_fold,
)
from tests.support.texture_runs import texture_files

CLASSES = ("fear", "joy", "rage")
AUTO = Settings(method="lbp-top")
FIXED = Settings(method="lbp-top", n_features="20", cost="10")

pytestmark = pytest.mark.usefixtures("one_thread", "no_waiting_for_the_disk")


def made_up(people=8, clips=6, size=40, seed=0, signal=1.0, classes=CLASSES):
    """Samples of several people, every class in each of them, and features that say something about the class."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"d/p{who}/c{k}" for who in range(people) for k in range(clips))
    labels = np.arange(people * clips) % 3
    features = rng.standard_normal((len(ids), size))
    features[:, :4] += signal * rng.standard_normal((3, 4))[labels]
    return samples_of(ids, labels, classes), features.astype(np.float32)


def samples_of(ids, labels, classes=CLASSES):
    return Samples((), np.zeros((len(ids), 2), np.int64), tuple(ids), np.asarray(labels, np.int64), classes)


def part_of(samples, people):
    """Sorted ids of these people."""
    return tuple(sorted(name for name in samples.ids if int(subject_key_of_id(name).rpartition("p")[2]) in people))


def parts(trained):
    """All that `train_fold` gives, comparable bit for bit."""
    fields = [getattr(trained.classifier, field.name) for field in dataclasses.fields(trained.classifier)]
    values = [v.tobytes() if isinstance(v, np.ndarray) else v for v in fields]
    return values, list(trained.scores.items()), None if trained.inner is None else trained.inner.tobytes()


# Nothing outside of the training part matters.


@pytest.mark.parametrize("settings", [AUTO, FIXED, Settings(method="lbp-top", balanced_sampling=True, cost="100")])
def test_nothing_of_the_test_clips_matters(settings):
    samples, features = made_up()
    ids = part_of(samples, range(6))
    tested = np.array([name not in ids for name in samples.ids])
    assert tested.sum() == 12
    expected = parts(train_fold(samples, features, ids, settings))
    rng = np.random.default_rng(1)
    others = {
        "nan": np.full((12, 40), np.nan),
        "infinite": np.full((12, 40), np.inf),
        "random": 1e6 * rng.standard_normal((12, 40)),
        "their own label": np.repeat(samples.labels[tested][:, None], 40, 1),
        "a copy of training clips": features[~tested][:12],
    }
    truths = (samples.labels[tested], rng.integers(0, 3, 12), np.zeros(12, np.int64))
    for number, (name, values) in enumerate(others.items()):
        changed, truth = features.copy(), samples.labels.copy()
        changed[tested] = values
        truth[tested] = truths[number % 3]
        found = train_fold(dataclasses.replace(samples, labels=truth), changed, ids, settings)
        assert parts(found) == expected, name


def test_clips_that_are_not_there_do_not_matter_and_neither_does_their_order():
    samples, features = made_up()
    ids = part_of(samples, (0, 2, 3, 5, 7))
    expected = parts(train_fold(samples, features, ids, AUTO))
    rows = samples.rows_of(ids)
    alone = samples_of(ids, samples.labels[rows])
    assert parts(train_fold(alone, features[rows], ids, AUTO)) == expected
    order = np.random.default_rng(2).permutation(len(samples.ids))
    shuffled = samples_of([samples.ids[k] for k in order], samples.labels[order])
    assert parts(train_fold(shuffled, features[order], ids, AUTO)) == expected


def test_the_training_clips_do_matter():
    """So the tests above compare something that can change."""
    samples, features = made_up()
    ids = part_of(samples, range(6))
    expected = parts(train_fold(samples, features, ids, AUTO))
    changed = features.copy()
    changed[3, 2] += 1
    assert parts(train_fold(samples, changed, ids, AUTO)) != expected
    truth = samples.labels.copy()
    truth[3] = (truth[3] + 1) % 3
    assert parts(train_fold(dataclasses.replace(samples, labels=truth), features, ids, AUTO)) != expected


def test_a_classifier_says_which_clips_it_was_made_on():
    samples, features = made_up()
    ids = part_of(samples, (1, 2, 3))
    for settings in (AUTO, FIXED):
        assert train_fold(samples, features, ids, settings).classifier.seen == ids


# Inner folds.


def inner_parts(samples, ids, settings):
    """Rows among `ids` of each inner test part."""
    labels = [samples.classes[label] for label in samples.labels[samples.rows_of(ids)]]
    place = {name: row for row, name in enumerate(ids)}
    return [np.array([place[name] for name in part]) for part in inner_folds(ids, labels, settings.split_seed).tests]


@pytest.mark.parametrize("balance", [False, True])
def test_inner_predictions_are_those_of_classifiers_that_never_met_the_person(balance):
    """Made again by hand: for each inner fold a classifier on the clips of all other people."""
    samples, features = made_up(people=7, seed=3)
    settings = dataclasses.replace(FIXED, balanced_sampling=balance)
    ids = part_of(samples, range(6))
    trained = train_fold(samples, features, ids, settings)
    rows = samples.rows_of(ids)
    x, labels = features[rows], samples.labels[rows]
    assert trained.inner.shape == (len(ids), 3)
    met = np.zeros(len(ids), int)
    for tested in inner_parts(samples, ids, settings):
        rest = np.setdiff1d(np.arange(len(ids)), tested)
        assert not {subject_key_of_id(ids[k]) for k in tested} & {subject_key_of_id(ids[k]) for k in rest}
        by_hand = train_classifier(x[rest], labels[rest], Hyperparameters(20, 10.0), CLASSES, balance=balance)
        assert trained.inner[tested].tobytes() == by_hand.predict(x[tested]).tobytes()
        met[tested] += 1
    assert (met == 1).all()
    np.testing.assert_allclose(trained.inner.sum(1), 1)


def test_each_inner_classifier_is_trained_on_the_clips_of_other_people_only(monkeypatch):
    """Which clips a `TrainingSet` is given is read from a column that holds their number."""
    samples, features = made_up(people=7, seed=4)
    features[:, 39] = np.arange(len(features))
    given = []

    class Watched(TrainingSet):
        def __init__(self, x, labels, n_classes, *, balance):
            given.append(x[:, 39].astype(int))
            super().__init__(x, labels, n_classes, balance=balance)

    monkeypatch.setattr(handcrafted, "TrainingSet", Watched)
    ids = part_of(samples, (0, 1, 3, 4, 5, 6))
    train_fold(samples, features, ids, AUTO)
    rows = samples.rows_of(ids)
    everyone = {subject_key_of_id(name) for name in ids}
    left_out = [everyone - {subject_key_of_id(samples.ids[k]) for k in numbers} for numbers in given]
    assert len(given) == 5
    assert all(set(numbers) < set(rows.tolist()) for numbers in given)
    assert sorted(who for people in left_out for who in people) == sorted(everyone)


def test_the_chosen_design_is_the_best_of_all_and_its_scores_are_those_of_its_inner_predictions():
    samples, features = made_up(size=70, signal=0.5, seed=5)
    ids = part_of(samples, range(7))
    trained = train_fold(samples, features, ids, AUTO)
    assert list(trained.scores) == candidates_of(AUTO, 70)
    best = trained.classifier.hyperparameters
    assert trained.scores[best][0] == max(uf1 for uf1, _ in trained.scores.values())
    rows = samples.rows_of(ids)
    alone = train_fold(
        samples,
        features,
        ids,
        dataclasses.replace(AUTO, n_features=str(best.n_features), cost=str(best.cost)),
    )
    assert alone.classifier.hyperparameters == best
    np.testing.assert_allclose(alone.inner, trained.inner, atol=1e-6)
    np.testing.assert_allclose(alone.scores[best], trained.scores[best], atol=2e-6)
    truth = samples.labels[rows]
    uf1 = evaluate(samples.predictions(rows, trained.inner))["uf1"]
    loss = -np.log(trained.inner[np.arange(len(rows)), truth]).mean()
    np.testing.assert_allclose(trained.scores[best], (uf1, loss), atol=1e-6)
    assert all(value == round(value, 6) for scores in trained.scores.values() for value in scores)
    whole = train_classifier(features[rows], truth, best, CLASSES, balance=False, seen=ids)
    assert parts(trained)[0] == parts(trained._replace(classifier=whole))[0]


def test_a_feature_that_is_perfect_on_an_inner_test_part_alone_is_not_selected_for_it():
    """Selection on the whole training part would take it, since it tells the classes of those clips."""
    samples, features = made_up(people=6, seed=6)
    settings = dataclasses.replace(FIXED, n_features="1")
    ids = part_of(samples, range(6))
    rows = samples.rows_of(ids)
    before = train_fold(samples, features, ids, settings)
    for tested in inner_parts(samples, ids, settings):
        planted = features.copy()
        planted[:, 30] = 0
        planted[rows[tested], 30] = 100 + 50 * samples.labels[rows[tested]]
        found = train_fold(samples, planted, ids, settings)
        assert found.inner[tested].tobytes() == before.inner[tested].tobytes()
        ratio = fisher_ratio(planted[rows[tested]], samples.labels[rows[tested]])
        assert ratio.argmax() == 30


def test_random_labels_are_not_predicted_by_the_best_of_many_noise_features():
    """2000 features of noise: selected inside of the inner folds near chance, selected on all clips near perfect."""
    rng = np.random.default_rng(7)
    ids = tuple(f"d/p{who}/c{k}" for who in range(10) for k in range(6))
    honest, leaking = [], []
    for _ in range(3):
        samples = samples_of(ids, rng.permutation(np.arange(60) % 3))
        noise = rng.standard_normal((60, 2000)).astype(np.float32)
        trained = train_fold(samples, noise, ids, FIXED)
        honest.append(trained.scores[Hyperparameters(20, 10.0)][0])
        selected = np.argsort(-fisher_ratio(noise, samples.labels))[:20]  # on all clips, before they are divided
        leaked = train_fold(samples, noise[:, selected], ids, dataclasses.replace(FIXED, n_features="all"))
        leaking.append(leaked.scores[Hyperparameters(20, 10.0)][0])
    best = max(uf1 for uf1, _ in train_fold(samples, noise, ids, AUTO).scores.values())
    print(f"inner UF1 of random labels: {np.mean(honest):.2f} selected inside, {np.mean(leaking):.2f} on all clips")
    assert 0.2 < np.mean(honest) < 0.45
    assert max(honest) < 0.5
    assert best < 0.6  # of 32 designs
    assert min(leaking) > 0.65


def test_the_split_seed_and_nothing_of_the_network_changes_the_inner_folds():
    samples, features = made_up(people=9, signal=0.3)
    ids = part_of(samples, range(9))
    expected = parts(train_fold(samples, features, ids, AUTO))
    assert parts(train_fold(samples, features, ids, dataclasses.replace(AUTO, seed=9, epochs=1, threads=2))) == expected
    assert parts(train_fold(samples, features, ids, dataclasses.replace(AUTO, split_seed=1)))[2] != expected[2]


# What is chosen from.


@pytest.mark.parametrize(
    ("select", "cost", "designs"),
    [
        ("7", "0.5", [(7, 0.5)]),
        ("all", "100", [(70, 100)]),
        ("all", "auto", [(70, cost) for cost in COSTS]),
        ("9", "auto", [(9, cost) for cost in COSTS]),
        ("auto", "1e3", [(70, 1000), (35, 1000), (17, 1000)]),
        ("auto", "auto", [(count, cost) for count in (70, 35, 17) for cost in COSTS]),
    ],
)
def test_what_is_chosen_from_follows_the_options(select, cost, designs):
    settings = Settings(method="cbp-top", n_features=select, cost=cost)
    designs = [Hyperparameters(*design) for design in designs]
    assert candidates_of(settings, 70) == designs
    samples, features = made_up(people=4, size=70)
    trained = train_fold(samples, features, part_of(samples, range(4)), settings)
    assert list(trained.scores) == designs
    assert trained.classifier.hyperparameters in designs
    assert len(trained.classifier.selected) == trained.classifier.hyperparameters.n_features


def test_the_best_has_the_highest_uf1_then_the_lowest_loss_then_fewest_features_then_the_lowest_cost():
    best, scores = Hyperparameters(16, 1.0), {}
    for worse, values in (
        (Hyperparameters(8, 0.1), (0.4, 0.1)),  # lower UF1, all else better
        (Hyperparameters(8, 0.2), (0.5, 0.8)),  # higher loss
        (Hyperparameters(32, 0.1), (0.5, 0.7)),  # more features
        (Hyperparameters(16, 10.0), (0.5, 0.7)),  # higher cost
    ):
        scores = {worse: values, best: (0.5, 0.7)}
        assert best_candidate(scores) == best
        assert best_candidate(dict(reversed(scores.items()))) == best


def test_inner_folds_are_made_even_where_there_is_nothing_to_choose():
    samples, features = made_up()
    trained = train_fold(samples, features, part_of(samples, range(5)), FIXED)
    assert list(trained.scores) == [Hyperparameters(20, 10.0)]
    assert trained.inner.shape == (30, 3)


def test_one_person_is_too_few_to_choose_on_but_not_to_train_on():
    samples, features = made_up()
    ids = part_of(samples, [4])
    for settings in (AUTO, dataclasses.replace(FIXED, cost="auto"), dataclasses.replace(FIXED, n_features="auto")):
        with pytest.raises(DataError) as caught:
            train_fold(samples, features, ids, settings)
        assert str(caught.value) == (
            "inner validation: a training part has clips of 1 subject; expected two or more subjects, so that one can "
            "validate"
        )
    trained = train_fold(samples, features, ids, FIXED)
    assert (trained.scores, trained.inner) == ({}, None)
    rows = samples.rows_of(ids)
    whole = train_classifier(
        features[rows], samples.labels[rows], Hyperparameters(20, 10.0), CLASSES, balance=False, seen=ids
    )
    assert parts(trained)[0] == parts(trained._replace(classifier=whole))[0]


def test_a_class_that_one_person_alone_shows_is_no_obstacle():
    """The inner classifiers that did not meet it give it no chance; the whole one knows it."""
    samples, features = made_up(people=5)
    labels = samples.labels.copy()
    labels[labels == 2] = 0
    labels[[0, 3]] = 2  # clips of the first person
    samples = dataclasses.replace(samples, labels=labels)
    ids = part_of(samples, range(5))
    trained = train_fold(samples, features, ids, AUTO)
    assert (trained.inner[[0, 3], 2] == 0).all()
    assert all(np.isfinite(scores).all() for scores in trained.scores.values())
    assert np.isfinite(trained.classifier.intercept).all()


def test_with_nothing_to_choose_people_of_one_class_each_are_no_obstacle():
    """Two people: without either, the clips left are of one class, which is then all that is ever predicted."""
    samples, features = made_up(people=2)
    samples = dataclasses.replace(samples, labels=np.repeat([0, 1], 6))
    trained = train_fold(samples, features, part_of(samples, range(2)), FIXED)
    assert trained.inner[:, :2].tolist() == [[0, 1]] * 6 + [[1, 0]] * 6
    assert trained.classifier.predict(features).argmax(1).tolist() == samples.labels.tolist()


def test_a_training_part_of_one_class_knows_this_class():
    samples, features = made_up(people=3)
    samples = dataclasses.replace(samples, labels=np.full(18, 1))
    for settings in (AUTO, FIXED):
        trained = train_fold(samples, features, part_of(samples, range(3)), settings)
        assert (trained.classifier.predict(features)[:, 1] == 1).all()


def test_balance_reaches_the_classifier_and_the_choice():
    samples, features = made_up(people=6, signal=0.4)
    labels = np.where(np.arange(36) % 6 == 5, 2, np.arange(36) % 2)  # one clip of a person is rage
    samples = dataclasses.replace(samples, labels=labels)
    ids = part_of(samples, range(6))
    rows = samples.rows_of(ids)
    plain, balanced = (
        train_fold(samples, features, ids, dataclasses.replace(FIXED, balanced_sampling=balance))
        for balance in (False, True)
    )
    for trained, balance in ((plain, False), (balanced, True)):
        whole = train_classifier(features[rows], labels[rows], Hyperparameters(20, 10.0), CLASSES, balance=balance)
        assert trained.classifier.weights.tobytes() == whole.weights.tobytes()
    assert balanced.inner[:, 2].mean() > plain.inner[:, 2].mean()
    assert balanced.scores != plain.scores


# The files of a fold.


def faults_of(samples, features, training, tested, folder, settings):
    """What is wrong with a finished fold, its choice made once more."""
    return recheck_classifier(samples, features, training, tested, texture_files(folder), settings, choose=True)[1]


@pytest.fixture
def fold(tmp_path):
    """A finished fold: samples, features, training part, test part."""
    samples, features = made_up()
    training, tested = part_of(samples, range(6)), part_of(samples, (6, 7))
    classifier = classify_fold(samples, features, training, tested, 3, texture_files(tmp_path), AUTO)
    return samples, features, training, tested, tmp_path, classifier


def test_a_fold_leaves_its_classifier_its_choice_and_its_predictions(fold):
    samples, features, training, tested, folder, classifier = fold
    assert sorted(path.name for path in folder.iterdir()) == [
        *("classifier.npz", "inner.csv", "predictions.csv", "selection.csv")
    ]
    trained = train_fold(samples, features, training, AUTO)
    kept = Classifier.load(folder / "classifier.npz")
    assert parts(trained._replace(classifier=kept)) == parts(trained._replace(classifier=classifier)) == parts(trained)
    written = Predictions.read(folder / "predictions.csv")
    assert written.clip == tested
    assert set(written.fold) == {3}
    rows = samples.rows_of(tested)
    assert written.truth == tuple(CLASSES[label] for label in samples.labels[rows])
    np.testing.assert_allclose(written.probabilities, classifier.predict(features[rows]), atol=1e-7)
    inner = Predictions.read(folder / "inner.csv")
    assert inner.clip == training
    np.testing.assert_allclose(inner.probabilities, trained.inner, atol=1e-7)
    assert read_selection(folder / "selection.csv") == trained.scores
    with (folder / "selection.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["features", "cost", "uf1_validation", "loss_validation", "chosen"]
    chosen = [Hyperparameters(int(row["features"]), float(row["cost"])) for row in rows if row["chosen"] == "1"]
    assert chosen == [classifier.hyperparameters]
    assert {row["chosen"] for row in rows} == {"0", "1"}


def test_the_same_fold_twice_gives_the_same_bytes(fold, tmp_path):
    samples, features, training, tested, folder, _ = fold
    other = tmp_path / "other"
    other.mkdir()
    classify_fold(samples, features, training, tested, 3, texture_files(other), AUTO)
    for path in other.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_a_fold_of_one_person_has_no_inner_files(tmp_path):
    samples, features = made_up()
    training, tested = part_of(samples, [0]), part_of(samples, [1])
    classify_fold(samples, features, training, tested, 0, texture_files(tmp_path), FIXED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.npz", "predictions.csv"]
    assert faults_of(samples, features, training, tested, tmp_path, FIXED) == []


@pytest.mark.parametrize(
    ("select", "cost"),
    [
        *[("auto", "auto"), ("all", "auto"), ("auto", "10"), ("3", "auto"), ("3", "10")],
        *[("auto", "0.1234567890123"), ("3", "0.1234567890123"), ("3", "1e-9"), ("auto", "1e9"), ("3", "123456789")],
    ],
)
def test_a_fold_that_nobody_touched_has_no_faults(tmp_path, select, cost):
    samples, features = made_up(people=4)
    settings = Settings(method="lbp-top", n_features=select, cost=cost)
    tested, training = loso_folds(samples.ids).tests[1], loso_folds(samples.ids).training(1)
    classify_fold(samples, features, training, tested, 1, texture_files(tmp_path), settings)
    assert faults_of(samples, features, training, tested, tmp_path, settings) == []


def saved_with(folder, **values):
    path = folder / "classifier.npz"
    dataclasses.replace(Classifier.load(path), **values).save(path)


def edited(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def rewritten(path, change):
    """Predictions with other probabilities."""
    found = Predictions.read(path)
    dataclasses.replace(found, probabilities=change(found.probabilities)).write(path)


def test_a_classifier_that_saw_a_test_clip_is_found(fold):
    samples, features, training, tested, folder, _ = fold
    saved_with(folder, seen=tuple(sorted({*training, tested[2]})))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        f"its classifier was trained or chosen on clips that it was tested on: {tested[2]}",
        "its classifier was trained on other clips than the training part",
    ]


def test_a_classifier_of_fewer_clips_is_found(fold):
    samples, features, training, tested, folder, _ = fold
    saved_with(folder, seen=training[1:])
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its classifier was trained on other clips than the training part"
    ]


def test_a_classifier_trained_on_the_test_clips_in_secret_is_found(fold):
    """It says that it has seen the training part alone, and its predictions are its own: too good to be true."""
    samples, features, training, tested, folder, classifier = fold
    everyone = samples.rows_of((*training, *tested))
    leaking = train_classifier(
        features[everyone], samples.labels[everyone], classifier.hyperparameters, CLASSES, balance=False, seen=training
    )
    leaking.save(folder / "classifier.npz")
    rewritten(folder / "predictions.csv", lambda _: leaking.predict(features[samples.rows_of(tested)]))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "a classifier trained again on the training part predicts something else"
    ]


def test_predictions_of_another_classifier_are_found(fold):
    samples, features, training, tested, folder, _ = fold
    rewritten(folder / "predictions.csv", lambda p: np.roll(p, 1, 1))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its classifier predicts something else than predictions.csv has",
        "a classifier trained again on the training part predicts something else",
    ]


def test_a_choice_that_is_not_the_best_is_found(fold):
    samples, features, training, tested, folder, classifier = fold
    path = folder / "selection.csv"
    chosen = next(line for line in path.read_text().splitlines() if line.endswith(",1"))
    cells = chosen.split(",")
    edited(path, chosen, ",".join([*cells[:2], "0.000000", *cells[3:]]))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its hyperparameters are not the best over its inner folds"
    ]
    path.write_text("features,cost,uf1_validation,loss_validation,chosen\n")
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its selection.csv has other candidates than its settings give"
    ]
    assert classifier.hyperparameters.n_features in (40, 20)


def test_inner_predictions_of_other_clips_or_scores_are_found(fold):
    samples, features, training, tested, folder, _ = fold
    path = folder / "inner.csv"
    before = path.read_bytes()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its inner predictions are for other clips than the training part"
    ]
    path.write_bytes(before)
    rewritten(path, lambda p: np.roll(p, 1, 1))
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "its inner predictions do not give the scores in its selection.csv"
    ]


def test_a_choice_without_a_record_is_found(fold):
    samples, features, training, tested, folder, _ = fold
    (folder / "selection.csv").unlink()
    assert faults_of(samples, features, training, tested, folder, AUTO) == [
        "it has no selection.csv, so nothing says how its hyperparameters were chosen"
    ]
    for settings in (dataclasses.replace(FIXED, n_features="auto"), dataclasses.replace(FIXED, cost="auto")):
        assert len(faults_of(samples, features, training, tested, folder, settings)) == 1
    assert faults_of(samples, features, training, tested, folder, FIXED) == []


def test_a_classifier_of_other_features_is_found(fold):
    samples, features, training, tested, folder, _ = fold
    with pytest.raises(DataError, match=r"uses feature \d+ of 5; it was made with other settings"):
        faults_of(samples, features[:, :5], training, tested, folder, AUTO)


def test_a_classifier_of_a_column_that_is_not_there_is_found(fold):
    samples, features, training, tested, folder, classifier = fold
    selected = classifier.selected.copy()
    selected[-1] = 40
    saved_with(folder, selected=selected)
    with pytest.raises(DataError, match="uses feature 40 of 40; it was made with other settings"):
        faults_of(samples, features, training, tested, folder, AUTO)


@pytest.mark.parametrize("name", ["predictions.csv", "inner.csv"])
def test_predictions_over_other_classes_are_a_fault_and_no_traceback(fold, name):
    samples, features, training, tested, folder, _ = fold
    found = Predictions.read(folder / name)
    joined = np.stack([found.probabilities[:, 0], found.probabilities[:, 1:].sum(1)], 1)
    truth = tuple("fear" if truth == "fear" else "joy" for truth in found.truth)
    dataclasses.replace(found, probabilities=joined, truth=truth, classes=("fear", "joy")).write(folder / name)
    try:
        faults = faults_of(samples, features, training, tested, folder, AUTO)
    except DataError as error:
        faults = [str(error)]
    assert faults


@pytest.mark.parametrize("name", ["classifier.npz", "predictions.csv", "inner.csv"])
def test_a_missing_file_of_a_fold_is_named(fold, name):
    samples, features, training, tested, folder, _ = fold
    (folder / name).unlink()
    with pytest.raises(FileError) as caught:
        faults_of(samples, features, training, tested, folder, AUTO)
    assert str(caught.value) == f"{folder / name}: cannot be read: no such file or directory"


@pytest.mark.parametrize(
    "text",
    [
        "features,cost\n20,10\n",
        "features,cost,uf1_validation,loss_validation,chosen\n20,10,0.5\n",
        "features,cost,uf1_validation,loss_validation,chosen\nmany,10,0.5,0.5,1\n",
        "features,cost,uf1_validation,loss_validation,chosen\n20,10,good,0.5,1\n",
        "features,cost,uf1_validation,loss_validation,chosen\n20.5,10,0.5,0.5,1\n",
        b"features,cost,uf1_validation,loss_validation,chosen\n20,10,0.5,\xff,1\n",
        b"features,cost,uf1_validation,loss_validation,chosen\n20,10,0.5,\x000,1\n",
    ],
)
def test_a_damaged_selection_is_named(tmp_path, text):
    path = tmp_path / "selection é.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError) as caught:
        read_selection(path)
    assert str(caught.value) == f"{path}: damaged; expected one row per candidate"


def test_a_selection_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError) as caught:
        read_selection(tmp_path / "none.csv")
    assert str(caught.value) == f"{tmp_path / 'none.csv'}: cannot be read: no such file or directory"


def test_the_costs_tried_are_these():
    assert COSTS == (1.0, 10.0, 100.0, 1000.0)
