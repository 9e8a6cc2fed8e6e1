"""The audit of texture runs finds what was planted, edited or forged, and nothing in honest runs."""

from __future__ import annotations

import csv
import dataclasses
import gc
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from mertool.files import write_json
from mertool.pack import load_pack
from mertool.runs.audit import FAIL, NOTE, PASS
from mertool.runs.config import RunConfig, open_samples
from mertool.runs.finished import load_run
from mertool.texture.cache import features_of
from mertool.texture.classifier import Classifier, Hyperparameters, train_classifier
from mertool.texture.model_selection import classify_fold, read_selection, train_fold
from tests.support.audits import faults, findings, sign_again
from tests.support.in_process import call, refusal
from tests.support.noise import make_pack
from tests.support.reports import flat, page_of
from tests.support.run_folders import done_of, edit_predictions
from tests.support.texture_runs import GROUP, LBP, ONE_DESIGN, PEOPLE, tampered, texture_files

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_the_audit_of_an_honest_run_passes(home, name):
    found = {check: verdict for check, (verdict, _) in findings(home / name).items()}
    assert found == {
        "files": PASS,
        "predictions": PASS,
        "results": PASS,
        "subjects": PASS,
        "initial weights": PASS,
        "pack": PASS,
        "clips": PASS,
        "labels": PASS,
        "folds": PASS,
        "classifiers": PASS,
        "pictures": PASS,
        "statistics": PASS,
        "key frames": NOTE,
        "beyond this audit": NOTE,
    }
    done = call("report", "--audit", name, cwd=home)
    assert "pass  classifiers      no classifier was trained on a clip of its test part" in done.stdout


@pytest.mark.parametrize("cost", ["0.123456789", "12345678.9", "1e-9", "1e9", "1e-300"])
def test_the_audit_of_an_honest_run_passes_whatever_its_cost(place, cost):
    call("cv", "a.npz", *LBP, "--cost", cost, *GROUP, "-o", "run", cwd=place)
    assert faults(place / "run") == []


def test_edited_predictions_are_found(copies):
    edit_predictions(copies / "lbp/fold_1/predictions.csv")
    assert faults(copies / "lbp") == ["files", "results", "classifiers"]
    assert "fold_1/predictions.csv" in findings(copies / "lbp")["files"][1]
    assert "changed since it was made: fold_1/predictions.csv" in flat(call("report", "lbp", cwd=copies).stdout)
    sign_again(copies / "lbp")
    assert findings(copies / "lbp")["files"][0] == PASS
    verdict, detail = findings(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 1: its classifier predicts something else than predictions.csv has" in detail
    assert "fold 0" not in detail


def of_run(folder):
    """Samples, features, training and test ids of fold 0."""
    run_config = RunConfig.read(folder)
    samples = open_samples(folder, run_config)
    features = features_of(samples, run_config.settings, use_cache=False)
    tests = json.loads((folder / "folds.json").read_text())["tests"]
    return samples, features, sorted(tests[1]), sorted(tests[0])


def write_fold(folder, samples, features, tested, classifier):
    rows = samples.rows_of(tested)
    samples.predictions(rows, classifier.predict(features[rows]), 0).write(folder / "fold_0/predictions.csv")
    classifier.save(folder / "fold_0/classifier.npz")


@pytest.mark.parametrize("admits", [True, False])
@pytest.mark.parametrize("name", ["lbp", "fixed"])
def test_a_classifier_trained_on_the_test_clips_too_is_found(copies, name, admits):
    """With predictions of its own and repaired hashes; whether or not it says what it has seen."""
    folder = copies / name
    samples, features, training, tested = of_run(folder)
    honest = Classifier.load(folder / "fold_0/classifier.npz")
    everyone = sorted(samples.ids)
    rows = samples.rows_of(everyone)
    leaked = train_classifier(
        features[rows],
        samples.labels[rows],
        Hyperparameters(honest.hyperparameters.n_features, 1000.0 if name == "lbp" else 10.0),
        samples.classes,
        balance=False,
        seen=tuple(everyone if admits else training),
    )
    leaked = dataclasses.replace(leaked, hyperparameters=honest.hyperparameters)
    before = load_run(folder).metrics["hits"]
    write_fold(folder, samples, features, tested, leaked)
    sign_again(folder)
    assert load_run(folder).metrics["hits"] > before
    verdict, detail = findings(folder)["classifiers"]
    assert verdict == FAIL
    assert "fold 0: a classifier trained again on the training part predicts something else" in detail
    assert ("its classifier was trained or chosen on clips that it was tested on" in detail) is admits
    done = call("report", "--audit", name, cwd=copies, code=1)
    assert done.stderr == ""


def other_design(folder):
    """A design of fold 0's selection.csv that was not chosen, and its classifier."""
    samples, features, training, tested = of_run(folder)
    chosen = Classifier.load(folder / "fold_0/classifier.npz").hyperparameters
    scores = read_selection(folder / "fold_0/selection.csv")
    other = next(design for design in scores if design.n_features != chosen.n_features and design.cost != chosen.cost)
    rows = samples.rows_of(training)
    args = (features[rows], samples.labels[rows], other, samples.classes)
    return samples, features, tested, train_classifier(*args, balance=False, seen=tuple(training))


def test_a_classifier_of_another_design_is_found(copies):
    samples, features, tested, classifier = other_design(copies / "lbp")
    write_fold(copies / "lbp", samples, features, tested, classifier)
    sign_again(copies / "lbp")
    verdict, detail = findings(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its hyperparameters are not the best over its inner folds" in detail


def edit_selection(path, best, to=None):
    """Let a design have the best score of all, or all others a worse one."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        mine = (int(row["features"]), float(row["cost"])) == (best.n_features, best.cost)
        if to is not None and mine:
            row["uf1_validation"] = to
        elif to is None and not mine:
            row["uf1_validation"] = "0.000000"
        row["chosen"] = str(int(mine))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_a_selection_in_which_another_design_was_best_is_found(copies):
    *_, classifier = other_design(copies / "lbp")
    edit_selection(copies / "lbp/fold_0/selection.csv", classifier.hyperparameters, "0.999999")
    assert faults(copies / "lbp") == ["files", "classifiers"]
    sign_again(copies / "lbp")
    verdict, detail = findings(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its hyperparameters are not the best over its inner folds" in detail


def test_a_selection_that_was_edited_together_with_its_classifier_is_found(copies):
    samples, features, tested, classifier = other_design(copies / "lbp")
    write_fold(copies / "lbp", samples, features, tested, classifier)
    edit_selection(copies / "lbp/fold_0/selection.csv", classifier.hyperparameters, "0.999999")
    sign_again(copies / "lbp")
    verdict, detail = findings(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its inner predictions do not give the scores in its selection.csv" in detail


def forged_choice(folder):
    """Fold 0 as if another design had been best: all of it is true but the scores of the designs that lost."""
    samples, features, tested, classifier = other_design(folder)
    part = folder / "fold_0"
    write_fold(folder, samples, features, tested, classifier)
    settings = dataclasses.replace(
        RunConfig.read(folder).settings,
        n_features=str(classifier.hyperparameters.n_features),
        cost=str(classifier.hyperparameters.cost),
    )
    training = list(classifier.seen)
    inner = train_fold(samples, features, training, settings).inner
    samples.predictions(samples.rows_of(training), inner, 0).write(part / "inner.csv")
    edit_selection(part / "selection.csv", classifier.hyperparameters)


def test_worse_scores_of_the_designs_that_lost_are_found(copies):
    """The audit says that it takes nothing on trust that can be done again."""
    forged_choice(copies / "lbp")
    sign_again(copies / "lbp")
    assert faults(copies / "lbp") == ["results", "classifiers"]


def test_a_selection_without_the_designs_that_would_have_won_is_found(copies):
    forged_choice(copies / "lbp")
    path = copies / "lbp/fold_0/selection.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines[1:] if line.endswith(",1"))]) + "\n")
    sign_again(copies / "lbp")
    assert faults(copies / "lbp") == ["results", "classifiers"]


def test_a_design_other_than_the_settings_say_is_found(copies):
    """A run that was to have 24 features and C 10 has a hundred and C 1000, in all its files."""
    folder = copies / "fixed"
    samples, features, training, tested = of_run(folder)
    settings = dataclasses.replace(RunConfig.read(folder).settings, n_features="100", cost="1000")
    classify_fold(samples, features, training, tested, 0, texture_files(folder / "fold_0"), settings)
    sign_again(folder)
    assert faults(folder) == ["results", "classifiers"]


def test_edited_inner_predictions_are_found(copies):
    edit_predictions(copies / "lbp/fold_0/inner.csv")
    assert faults(copies / "lbp") == ["files", "classifiers"]
    sign_again(copies / "lbp")
    verdict, detail = findings(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its inner predictions do not give the scores in its selection.csv" in detail


def test_inner_predictions_of_other_clips_are_found(copies):
    path = copies / "lbp/fold_0/inner.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    sign_again(copies / "lbp")
    assert (
        "fold 0: its inner predictions are for other clips than the training part"
        in (findings(copies / "lbp")["classifiers"][1])
    )


@pytest.mark.parametrize("name", ["classifier.npz", "inner.csv", "selection.csv"])
def test_a_file_that_is_gone_is_found(copies, name):
    (copies / "lbp/fold_1" / name).unlink()
    assert f"fold_1/{name} (gone)" in findings(copies / "lbp")["files"][1]
    done = done_of(copies / "lbp", 1)
    del done["sha256"][name]
    write_json(copies / "lbp/fold_1/done.json", done)
    found = findings(copies / "lbp")
    assert (found["files"][0], found["classifiers"][0]) == (FAIL, FAIL)


def planted(folder, **members):
    """Other members of fold 0's classifier; hashes are repaired."""
    path = folder / "fold_0/classifier.npz"
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files} | members
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in found.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=True)
    sign_again(folder)


def odd_members(classifier):
    last = classifier.selected.copy()
    last[-1] = 10**6
    two = {"weights": classifier.weights[:, :2], "intercept": classifier.intercept[:2]}
    return {
        "a column that is not there": {"kept": last},
        "intercepts that are no numbers": {"intercept": np.full(3, np.nan)},
        "an infinite intercept": {"intercept": np.array([np.inf, 0, 0])},
        "two classes": {**two, "classes": np.array(["fear", "joy"])},
        "other classes": {"classes": np.array(["a", "b", "c"])},
        "weights that are no numbers": {"weights": classifier.weights * np.nan},
        "no scale": {"scale": classifier.scale * 0},
        "no features": {"kept": np.zeros(0, np.int64), "count": np.array(0)},
        "a newer format": {"format": np.array(99)},
        "a text as format": {"format": np.array("x")},
        "pickles": {"classes": np.array([{}, {}, {}], object)},
        "clips that it has not seen": {"seen": np.array(["noise/p9/c0"])},
        "an infinite cost": {"cost": np.array(np.inf)},
        "a list as cost": {"cost": np.array([1.0, 2.0])},
    }


NOTHING: Any = np.zeros((3, 3))
NO_CLASSIFIER = Classifier(Hyperparameters(1, 1), NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, ())


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("what", odd_members(NO_CLASSIFIER))
def test_an_odd_classifier_fails_the_audit_and_predicts_nothing_wrong(copies, what):
    folder = copies / "lbp"
    planted(folder, **odd_members(Classifier.load(folder / "fold_0/classifier.npz"))[what])
    found = findings(folder)
    assert (found["files"][0], found["classifiers"][0]) == (PASS, FAIL)
    if what not in ("clips that it has not seen", "an infinite cost", "an infinite intercept"):
        assert refusal("predict", "lbp", "a.npz", cwd=copies, code=1).startswith("Error: ")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"dear reader" * 100])
def test_a_damaged_classifier_is_one_line(copies, data):
    path = copies / "lbp/fold_0/classifier.npz"
    path.write_bytes(data)
    line = refusal("predict", "lbp", "a.npz", cwd=copies, code=1)
    assert line == "Error: lbp/fold_0/classifier.npz: damaged; expected a texture classifier of mertool"
    assert findings(copies / "lbp")["classifiers"][0] == FAIL
    gc.collect()  # a file that was left open is this test's


@pytest.mark.parametrize(
    "text", ["", "features,cost\n1,2\n", "features,cost,uf1_validation,loss_validation,chosen\nx,1,1,1,1\n"]
)
def test_a_damaged_selection_is_one_line(copies, text):
    (copies / "lbp/fold_0/selection.csv").write_text(text)
    assert findings(copies / "lbp")["classifiers"][0] == FAIL


@pytest.mark.parametrize("key", ["features", "of", "cost", "places"])
def test_a_design_in_done_json_that_is_not_the_classifiers_is_found(copies, key):
    """It is what the report shows."""
    design = done_of(copies / "lbp")["design"]
    design[key] = {"block 1,1": {"XY": 1, "XT": 2, "YT": 3}} if key == "places" else design[key] + 1
    write_json(copies / "lbp/fold_0/done.json", {**done_of(copies / "lbp"), "design": design})
    assert faults(copies / "lbp") != []


def test_kept_features_that_were_tampered_with_do_not_matter_to_the_audit(copies):
    for path in (copies / "a.features").iterdir():
        tampered(path, lambda members: members.update(array=members["array"][::-1].copy()), sign=True)
    for name in ("lbp", "cbp", "fixed"):
        assert faults(copies / name) == []


def test_a_run_that_was_made_of_forged_features_fails_its_audit(place):
    """Kept features that hold the labels themselves, under the hash of the true ones."""
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "first", cwd=place)
    (kept,) = (place / "a.features").iterdir()
    labels = np.unique(load_pack(place / "a.npz").emotion, return_inverse=True)[1]
    tampered(kept, lambda members: members["array"].__setitem__((..., 0), labels), sign=True)
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "second", cwd=place)
    assert load_run(place / "second").metrics["hits"] > load_run(place / "first").metrics["hits"]
    assert faults(place / "first") == []
    assert faults(place / "second") == ["classifiers"]


def test_a_pack_that_changed_or_is_gone_is_said(copies):
    make_pack(copies / "a.npz", PEOPLE, seed=1, sequence=8)
    found = findings(copies / "lbp")
    assert found["pack"][0] == FAIL
    assert "so pictures and classifiers were not checked" in found["pack"][1]
    (copies / "a.npz").unlink()
    found = findings(copies / "lbp")
    assert found["pack"][0] == NOTE
    assert faults(copies / "lbp") == []
    assert "hits/N" in call("report", "lbp", cwd=copies).stdout
    assert "No pictures: " in page_of(copies, "lbp")


def test_settings_that_were_changed_afterwards_are_found(copies):
    path = copies / "lbp/config.json"
    values = json.loads(path.read_text())
    values["settings"]["cost"] = "10"
    write_json(path, values)
    assert "files" in faults(copies / "lbp")
    values["settings"].update(cost="auto", radii="2,1,2")
    write_json(path, values)
    sign_again(copies / "lbp")
    assert faults(copies / "lbp") == ["results", "classifiers"]
