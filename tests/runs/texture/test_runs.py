"""`cv --method`: texture runs are like any other, under every protocol, with several packs and repeats."""

from __future__ import annotations

import csv
import json
import shlex
import shutil

import numpy as np
import pytest

from mertool.evaluation.predictions import Predictions
from mertool.files import file_sha256
from mertool.pack import load_pack
from mertool.runs.audit import NOTE, PASS, audit_run
from mertool.runs.config import fingerprint
from mertool.runs.finished import load_run
from mertool.texture.classifier import Classifier, Hyperparameters
from mertool.texture.model_selection import read_selection
from tests.support.in_process import call, refusal
from tests.support.noise import make_pack
from tests.support.run_folders import done_of, files_of, probabilities
from tests.support.texture_runs import FOLD, GROUP, LBP, ONE_DESIGN, PEOPLE

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_a_run_has_the_files_of_the_contract_and_no_others(home, name):
    folder = home / name
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "config.json",
        "env.json",
        "folds.json",
        "results.json",
        "fold_0",
        "fold_1",
    }
    for fold in range(2):
        assert {path.name for path in (folder / f"fold_{fold}").iterdir()} == FOLD
        done = done_of(folder, fold)
        assert set(done) == {"sha256", "run", "design", "finished", "seconds"}
        assert set(done["sha256"]) == FOLD - {".lock", "done.json"}
        assert all(file_sha256(folder / f"fold_{fold}" / file) == value for file, value in done["sha256"].items())
        assert done["run"] == fingerprint(folder)


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_every_clip_is_predicted_once_in_its_fold_and_results_are_made_of_that(home, name):
    folds = json.loads((home / name / "folds.json").read_text())["tests"]
    pack = load_pack(home / "a.npz")
    truth = dict(zip(pack.ids, pack.emotion, strict=True))
    rows = []
    for fold, ids in enumerate(folds):
        with (home / name / f"fold_{fold}" / "predictions.csv").open(newline="") as stream:
            found = list(csv.DictReader(stream))
        assert [row["clip"] for row in found] == sorted(ids)
        assert {row["fold"] for row in found} == {str(fold)}
        rows += found
    assert sorted(row["clip"] for row in rows) == sorted(pack.ids)
    assert all(row["truth"] == truth[row["clip"]] for row in rows)
    hits = sum(row["truth"] == row["prediction"] for row in rows)
    results = json.loads((home / name / "results.json").read_text())
    assert (results["hits"], results["n"]) == (hits, len(rows))
    assert results["settings"]["method"] == {"lbp": "lbp-top", "cbp": "cbp-top", "fixed": "lbp-top"}[name]
    assert f"hits/N                   {hits}/{len(rows)}" in call("report", name, cwd=home).stdout


def test_inner_predictions_are_of_each_clip_of_the_training_part_by_other_people(home):
    """The scores of the chosen design are those of inner.csv, and the chosen one has the best."""
    for name in ("lbp", "cbp", "fixed"):
        folds = json.loads((home / name / "folds.json").read_text())["tests"]
        for fold in range(2):
            part = home / name / f"fold_{fold}"
            inner = Predictions.read(part / "inner.csv")
            assert sorted(inner.clip) == sorted(folds[1 - fold])
            truth = inner.probabilities[range(len(inner.clip)), [inner.classes.index(each) for each in inner.truth]]
            with (part / "selection.csv").open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            (chosen,) = [row for row in rows if row["chosen"] == "1"]
            assert float(chosen["loss_validation"]) == pytest.approx(-np.log(truth).mean(), abs=1e-5)
            assert max(float(row["uf1_validation"]) for row in rows) == float(chosen["uf1_validation"])
            design = done_of(home / name, fold)["design"]
            assert (design["features"], design["cost"]) == (int(chosen["features"]), float(chosen["cost"]))
            assert len(rows) == (1 if name == "fixed" else len({row["features"] for row in rows}) * 4)


def test_the_design_that_was_asked_for_is_the_one(home, place):
    for fold in range(2):
        design = done_of(home / "fixed", fold)["design"]
        assert (design["features"], design["of"], design["cost"]) == (24, 180, 10.0)
        assert sum(sum(planes.values()) for planes in design["places"].values()) == 24
        classifier = Classifier.load(home / "fixed" / f"fold_{fold}" / "classifier.npz")
        assert (classifier.hyperparameters, len(classifier.selected)) == (Hyperparameters(24, 10.0), 24)
    call("cv", "a.npz", *LBP, "--n-features", "all", *GROUP, "-o", "all", cwd=place)
    assert {row.n_features for row in read_selection(place / "all/fold_0/selection.csv")} == {180}
    call("cv", "a.npz", *LBP, "--cost", 7, *GROUP, "-o", "seven", cwd=place)
    found = read_selection(place / "seven/fold_0/selection.csv")
    assert {row.cost for row in found} == {7.0}
    assert len({row.n_features for row in found}) > 2


def test_features_are_kept_beside_the_pack_and_are_those_of_another_way_of_counting(home):
    kept = sorted(path.name for path in (home / "a.features").iterdir())
    assert [name[:8] for name in kept] == ["cbp-top-", "lbp-top-"]  # of `lbp` and `fixed` the same
    with np.load(home / "a.features" / kept[1], allow_pickle=False) as archive:
        table = archive["array"]
    assert table.shape == (21, 180)
    sums = table.reshape(21, 4, 3, 15).sum(-1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


# Protocols, packs, classes


@pytest.mark.parametrize("protocol", ["stratified", "group", "loso", "leave-dataset-out", "file"])
def test_every_protocol_of_several_packs(place, protocol):
    make_pack(place / "b.npz", {"q0": ["joy", "fear"], "q1": ["rage", "joy"]}, "other", seed=1, sequence=5, size=48)
    ids = [*load_pack(place / "a.npz").ids, *load_pack(place / "b.npz").ids]
    options = ["--protocol", protocol]
    folds = {"loso": 8, "leave-dataset-out": 2}.get(protocol, 3)
    if protocol == "file":
        (place / "own.csv").write_text("clip,fold\n" + "".join(f"{name},{k % 3}\n" for k, name in enumerate(ids)))
        options = ["--folds-file", "own.csv"]
    elif folds == 3:
        options += ["--folds", "3"]
    done = call("cv", "a.npz", "b.npz", *LBP, *ONE_DESIGN, *options, "-o", "run", cwd=place)
    tests = json.loads((place / "run/folds.json").read_text())["tests"]
    assert len(tests) == folds
    assert sorted(name for ids in tests for name in ids) == sorted(ids)
    if protocol == "file":
        assert [sorted(ids[fold::3]) for fold in range(3)] == tests
    assert load_run(place / "run").metrics["n"] == len(ids) == 25
    assert f"protocol                 {protocol}, {folds} folds" in done.stdout
    assert "packs                    a, b" in done.stdout
    checks = {check.name: check for check in audit_run(place / "run")}
    assert checks["classifiers"].verdict == PASS
    assert checks["subjects"].verdict == (NOTE if protocol in ("stratified", "file") else PASS)
    for name in ("a.features", "b.features"):
        assert len(list((place / name).iterdir())) == 1


def test_classes_and_balance_are_those_of_the_networks_too(home, place):
    done = call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "--classes", "joy,fear", "-o", "two", cwd=place)
    assert "15 of 21 clips belong to --classes joy,fear" in done.stderr
    rows = Predictions.read(place / "two/fold_0/predictions.csv")
    assert rows.classes == ("joy", "fear")
    assert set(rows.truth) == {"joy", "fear"}
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "--balanced-sampling", "-o", "even", cwd=place)
    plain, even = (
        np.array([list(map(float, row)) for row in probabilities(folder / "fold_0/predictions.csv").values()]).mean(0)
        for folder in (home / "fixed", place / "even")
    )
    assert even[0] < plain[0]  # fear is twice as frequent as each other class
    assert "balanced_sampling True" in call("report", "even", cwd=place).stdout


def test_regions_are_looked_at_as_regions(tmp_path):
    make_pack(tmp_path / "a.npz", PEOPLE, sequence=8, size=64, faces=True)
    words = ("cv", "a.npz", "--method", "lbp-top", "--points", 4, "--tile", 12, *GROUP)
    done = call(*words, "--roi", "--n-features", 40, "--cost", 10, "-o", "roi", cwd=tmp_path)
    assert done_of(tmp_path / "roi")["design"]["of"] == 15 * 2 * 3 * 15
    table = done.stdout[done.stdout.index("Selected features of each region, mean of folds, %") :].splitlines()
    assert [row.split()[0] for row in table[3:18]][:3] == ["R_brow_outer", "R_brow_inner", "M_nose"]
    assert len(table) == 18
    shares = np.array([[float(cell) for cell in row.split()[1:]] for row in table[3:]])
    assert shares[:, :3].mean() == pytest.approx(100 * 40 / 1350, abs=0.06)
    make_pack(tmp_path / "b.npz", PEOPLE, sequence=8, size=64)
    line = refusal(*words[:1], "b.npz", *words[2:], "--roi", cwd=tmp_path, code=1)
    assert "b.npz: has no landmarks (made with --aligned)" in line
    assert "has no landmarks" in refusal("predict", "roi", "b.npz", cwd=tmp_path, code=1)
    assert not (tmp_path / "runs").exists()


# Repeats


def test_repeats_with_new_splits_are_the_runs_of_the_split_seeds(place):
    words = ("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP)
    done = call(*words, "--repeats", 3, "--new-splits", "-o", "three", cwd=place)
    assert "Over 3 seeds, each with its own folds" in done.stdout
    for number, name in enumerate(("", "repeat_1", "repeat_2")):
        call(*words, "--split-seed", number, "-o", f"alone {number}", cwd=place)
        ours = files_of(place / "three" / name)
        for file, content in files_of(place / f"alone {number}").items():
            if file.endswith(("predictions.csv", "inner.csv", "classifier.npz", "selection.csv", "folds.json")):
                assert ours[file] == content, file
    folds = {(place / "three" / name / "folds.json").read_bytes() for name in ("", "repeat_1", "repeat_2")}
    assert len(folds) == 3
    whole = files_of(place / "three")
    shutil.rmtree(place / "three")
    for repeat in (2, 0, 1):
        call(*words, "--repeats", 3, "--new-splits", "-o", "three", "--repeat", repeat, "--fold", 1, cwd=place)
    plan = call("cv", "-o", "three", "--resume", "--plan", cwd=place).stdout.splitlines()
    for line in plan:
        call(*shlex.split(line)[1:], cwd=place)
    assert files_of(place / "three") == whole
    done = call("report", "--audit", "three", cwd=place)
    assert done.stdout.count("pass  classifiers") == 3
