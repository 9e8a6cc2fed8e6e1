"""`cv --fuse`: finished runs joined clip by clip, with weights in which no test clip has a say."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shlex
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from mertool import settings as config
from mertool.cli.main import main
from mertool.errors import DataError
from mertool.files import file_sha256, write_json
from mertool.inputs.samples import Samples
from mertool.pack import load_pack
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from mertool.runs.config import RunConfig, fingerprint
from mertool.runs.finished import load_run
from mertool.texture.cache import features_of
from mertool.texture.classifier import Classifier
from tests.network.test_training import KilledError
from tests.runs.test_texture_runs import (
    CBP,
    DAMAGED,
    LBP,
    ONE_DESIGN,
    answer,
    done_of,
    edit_predictions,
    flat,
    page_of,
    sign_again,
    verdicts,
    words_of,
)
from tests.support.command import run
from tests.support.noise import SMALL, call, files_of, in_this_process, make_pack, refusal

PEOPLE = {f"p{n}": ["fear", "joy", "rage", "fear"][: 3 + n % 2] for n in range(6)}
FOLDS = ("--protocol", "group", "--folds", "3")
NET = (*SMALL, "--epochs", "2")
MEMBERS = ("lbp", "cbp", "net", "plain")


pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The pack a.npz, runs of both textures and of networks with and without inner part, and fusions of them."""
    home = tmp_path_factory.mktemp("fuse é")
    make_pack(home / "a.npz", PEOPLE, sequence=8)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        torch.set_num_threads(1)
        call("cv", "a.npz", *LBP, "--cost", 10, *FOLDS, "-o", "lbp", cwd=home)
        call("cv", "a.npz", *CBP, *ONE_DESIGN, *FOLDS, "-o", "cbp", cwd=home)
        call("cv", "a.npz", *NET, "--select", "inner", *FOLDS, "-o", "net", cwd=home)
        call("cv", "a.npz", *NET, *FOLDS, "-o", "plain", cwd=home)
        call("cv", "--fuse", "lbp", "cbp", "-o", "equal", cwd=home)
        call("cv", "--fuse", "lbp", "net", "cbp", "--fuse-weights", "fitted", "-o", "fitted", cwd=home)
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy to damage."""
    return shutil.copytree(made, tmp_path / "home", symlinks=True)


def table(folder, name="predictions.csv"):
    """Fold, clip -> its row, from the csv files alone."""
    found = {}
    for path in sorted(folder.glob(f"fold_*/{name}")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found[int(path.parent.name[5:]), row["clip"]] = row
    return found


def shares(row):
    return np.array([float(row[name]) for name in row if name.startswith("p_")])


def weights_of(folder):
    return [done_of(folder, fold)["weights"] for fold in range(len(list(folder.glob("fold_*"))))]


def check_fused(fused, members, weights):
    """Each fused probability is the weighted mean of those of the same clip; truth and fold are its own."""
    found, parts = table(fused), [table(member) for member in members]
    assert set(found) == set(parts[0])
    for (fold, clip), row in found.items():
        mean = sum(weight * shares(part[fold, clip]) for weight, part in zip(weights[fold], parts, strict=True))
        np.testing.assert_allclose(shares(row), mean, atol=2e-7)
        assert (row["truth"], row["fold"]) == (parts[0][fold, clip]["truth"], str(fold))
        names = [name[2:] for name in row if name.startswith("p_")]
        assert row["prediction"] == names[int(shares(row).argmax())]


# What it is


def test_a_fusion_has_the_files_of_the_contract_and_no_others(made):
    for name in ("equal", "fitted"):
        files = {path.relative_to(made / name).as_posix() for path in (made / name).rglob("*") if path.is_file()}
        assert files == {
            *(".lock", "config.json", "env.json", "folds.json", "results.json"),
            *(f"fold_{fold}/{file}" for fold in range(3) for file in (".lock", "done.json", "predictions.csv")),
        }
        for fold in range(3):
            done = done_of(made / name, fold)
            assert set(done) == {"sha256", "run", "weights"}
            assert done["sha256"] == {
                "predictions.csv": file_sha256(made / name / f"fold_{fold}/predictions.csv"),
            }
            assert done["run"] == fingerprint(made / name)
        assert (made / name / "folds.json").read_bytes() == (made / "lbp/folds.json").read_bytes()
    values = json.loads((made / "equal/config.json").read_text())
    assert [member["path"] for member in values["members"]] == ["../lbp", "../cbp"]
    expected = [fingerprint(made / name) for name in ("lbp", "cbp")]
    assert [member["fingerprint"] for member in values["members"]] == expected
    assert values["settings"]["method"] == "fusion"
    assert values["packs"][0]["path"] == "../a.npz"
    assert values["clips"] == sorted(load_pack(made / "a.npz").ids)


@pytest.mark.parametrize("members", [*itertools.combinations(MEMBERS, 2), MEMBERS], ids="+".join)
def test_equal_weights_are_the_mean_of_the_probabilities_by_clip(home, members):
    done = call("cv", "--fuse", *members, "-o", "fused ö", cwd=home)
    third = [1 / len(members)] * len(members)
    assert weights_of(home / "fused ö") == [third] * 3
    check_fused(home / "fused ö", [home / name for name in members], [third] * 3)
    hits = sum(row["truth"] == row["prediction"] for row in table(home / "fused ö").values())
    assert f"hits/N                   {hits}/21" in done.stdout
    assert json.loads((home / "fused ö/results.json").read_text())["hits"] == hits
    assert done.stderr == ""


@pytest.mark.parametrize("members", [("lbp", "net"), ("net", "cbp"), ("cbp", "lbp", "net")], ids="+".join)
def test_fitted_weights_are_the_likeliest_on_the_inner_predictions(home, members):
    """Against all weights in steps of two hundredths, on the clips that all runs have, fold by fold."""
    call("cv", "--fuse", *members, "--fuse-weights", "fitted", "-o", "fused", cwd=home)
    weights = weights_of(home / "fused")
    check_fused(home / "fused", [home / name for name in members], weights)
    inner = [table(home / name, "inner.csv") for name in members]
    for fold in range(3):
        common = set.intersection(*({key for key in part if key[0] == fold} for part in inner))
        assert len(common) >= 3
        of_truth = np.array([[float(part[key][f"p_{part[key]['truth']}"]) for part in inner] for key in sorted(common)])
        assert sum(weights[fold]) == pytest.approx(1, abs=1e-9)
        assert min(weights[fold]) >= 0
        steps = [np.array(w) for w in itertools.product(np.linspace(0, 1, 51), repeat=len(members) - 1) if sum(w) <= 1]
        tried = [np.log(of_truth @ np.array([*w, 1 - w.sum()])).sum() for w in steps]
        assert np.log(of_truth @ np.array(weights[fold])).sum() >= max(tried) - 1e-6
    assert len({tuple(np.round(each, 3)) for each in weights}) > 1  # each fold has its own


def test_runs_are_joined_by_clip_and_not_by_line(home):
    for path in (home / "cbp").glob("fold_*/predictions.csv"):
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *rows[::-1]]) + "\n")
    sign_again(home / "cbp")
    call("cv", "--fuse", "lbp", "cbp", "-o", "again", cwd=home)
    assert files_of(home / "again") == files_of(home / "equal")


def test_a_fusion_of_fusions_is_the_mean_of_means(home):
    call("cv", "--fuse", "equal", "net", "-o", "deep", cwd=home)
    check_fused(home / "deep", [home / "lbp", home / "cbp", home / "net"], [[0.25, 0.25, 0.5]] * 3)
    call("cv", "--fuse", "deep", "equal", "-o", "deeper", cwd=home)
    check_fused(home / "deeper", [home / "lbp", home / "cbp", home / "net"], [[0.375, 0.375, 0.25]] * 3)
    checks = audit_run(home / "deeper")
    assert [check.detail for check in checks if check.name == "fused run"] == [
        "deep passes its own audit",
        "equal passes its own audit",
    ]
    done = call("report", "deeper", cwd=home)
    assert "fusion of deep + equal, equal weights" in flat(done.stdout)
    assert len(call("predict", "deeper", "a.npz", cwd=home).stdout.splitlines()) == 22


def test_the_order_of_the_runs_changes_no_probability(home):
    call("cv", "--fuse", "cbp", "lbp", "-o", "other", cwd=home)
    for key, row in table(home / "equal").items():
        np.testing.assert_allclose(shares(row), shares(table(home / "other")[key]), atol=1e-7)


# No test clip has a say


def forge(folder, name):
    """Other probabilities in a csv file of every fold, of the same clips and truths, with repaired hashes."""
    rng = np.random.default_rng(1)
    for path in folder.glob(f"fold_*/{name}"):
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = [key for key in rows[0] if key.startswith("p_")]
        for row in rows:
            values = rng.dirichlet(np.ones(len(names))).astype(np.float32)
            row.update(zip(names, map(str, values), strict=True))
            row["prediction"] = names[int(values.argmax())][2:]
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sign_again(folder)


def test_predictions_of_test_clips_leave_the_weights_alone_and_inner_ones_make_them(home):
    words = ("cv", "--fuse", "lbp", "net", "cbp", "--fuse-weights", "fitted")
    honest = weights_of(home / "fitted")
    forge(home / "cbp", "predictions.csv")
    call(*words, "-o", "forged", cwd=home)
    assert weights_of(home / "forged") == honest
    assert table(home / "forged") != table(home / "fitted")
    forge(home / "cbp", "inner.csv")
    call(*words, "-o", "forged inner", cwd=home)
    assert all(a != b for a, b in zip(weights_of(home / "forged inner"), honest, strict=True))


def test_labels_of_test_clips_have_no_say_in_their_fused_predictions(tmp_path):
    """Another pack of the same frames, in which the clips of fold 0 have each other's labels."""
    other = {**PEOPLE, "p0": ["rage", "fear", "joy"], "p1": ["joy", "fear", "fear", "rage"]}
    for name, people in (("a", PEOPLE), ("b", other)):
        make_pack(tmp_path / f"{name}.npz", people, sequence=8)
    ids = load_pack(tmp_path / "a.npz").ids
    (tmp_path / "own.csv").write_text(
        "clip,fold\n" + "".join(f"{name},{int(name.split('/')[1] not in ('p0', 'p1'))}\n" for name in ids)
    )
    own = ("--folds-file", "own.csv")
    for name in "ab":
        call("cv", f"{name}.npz", *LBP, *own, "-o", f"{name} lbp", cwd=tmp_path)
        call("cv", f"{name}.npz", *NET, "--select", "inner", *own, "-o", f"{name} net", cwd=tmp_path)
        words = ("--fuse", f"{name} lbp", f"{name} net", "--fuse-weights", "fitted")
        call("cv", *words, "-o", f"{name} fused", cwd=tmp_path)
    one, two = (table(tmp_path / f"{name} fused") for name in "ab")
    told = {fold: [(shares(one[key]) == shares(two[key])).all() for key in one if key[0] == fold] for fold in (0, 1)}
    assert all(told[0])
    assert not any(told[1])
    assert weights_of(tmp_path / "a fused")[0] == weights_of(tmp_path / "b fused")[0]
    assert weights_of(tmp_path / "a fused")[1] != weights_of(tmp_path / "b fused")[1]
    # The same clips under two labels do not join, and leave nothing behind.
    line = refusal("cv", "--fuse", "a lbp", "b net", "-o", "mixed", cwd=tmp_path, code=1)
    assert "the runs give clip noise/p0/c0 different labels; were the packs made anew?" in line
    assert not (tmp_path / "mixed").exists()


# Names, places


def test_the_usual_name_is_that_of_the_runs(home):
    for name in ("lbp", "cbp"):
        shutil.move(home / name, home / f"runs/a-{name}")
    call("cv", "--fuse", "runs/a-lbp", "runs/a-cbp/", cwd=home)
    assert table(home / "runs/fusion-a-lbp+a-cbp") == table(home / "equal")
    done = call("report", cwd=home)  # the newest run
    assert done.stderr == "mertool: report of runs/fusion-a-lbp+a-cbp\n"
    line = refusal("cv", "--fuse", "runs/a-lbp", "runs/a-cbp", cwd=home, code=1)
    assert line == (
        "Error: runs/fusion-a-lbp+a-cbp: holds a run already; --resume continues it, -o names another folder"
    )


def test_fitted_weights_have_a_usual_name_of_their_own(home):
    call("cv", "--fuse", "lbp", "cbp", cwd=home)
    call("cv", "--fuse", "lbp", "cbp", "--fuse-weights", "fitted", cwd=home)
    assert len(list((home / "runs").iterdir())) == 2


def test_names_of_runs_that_are_too_long_together_still_give_a_name(home):
    """A folder's name has 255 bytes at most."""
    for name in ("lbp", "cbp"):
        (home / name).rename(home / (name * 50))
    call("cv", "--fuse", "lbp" * 50, "cbp" * 50, cwd=home)
    assert len(list((home / "runs").iterdir())) == 1


def test_the_installed_command_from_another_folder(home, tmp_path):
    place = tmp_path / "a ñ"
    place.mkdir()
    done = run("cv", "--fuse", home / "lbp", "../home/cbp", "-o", "equal ü", "--quiet", cwd=place)
    assert done.stderr == ""
    assert "hits/N" in done.stdout
    assert table(place / "equal ü") == table(home / "equal")
    values = json.loads((place / "equal ü/config.json").read_text())
    assert [member["path"] for member in values["members"]] == ["../../home/lbp", "../../home/cbp"]


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_the_command_that_the_report_prints_makes_the_same_bytes(home, name):
    words = shlex.split(call("report", "--command", name, cwd=home).stdout)
    assert words[:3] == ["mertool", "cv", "--fuse"]
    assert words[-2:] == ["-o", f"{name}-again"]
    call(*words[1:], cwd=home)
    assert files_of(home / f"{name}-again") == files_of(home / name)


def test_a_fusion_moves_together_with_its_runs(home, tmp_path):
    (home / "fitted/fold_1/done.json").unlink()
    (home / "fitted/results.json").unlink()
    (tmp_path / "elsewhere").mkdir()
    moved = home.rename(tmp_path / "elsewhere/nach Süden")
    before = table(moved / "fitted")
    call("cv", "-o", moved / "fitted", "--resume", cwd="/")
    assert table(moved / "fitted") == before
    assert [check for check in audit_run(moved / "fitted") if check.verdict == FAIL] == []
    call("predict", moved / "fitted", moved / "a.npz", cwd="/")


def test_runs_that_moved_are_named_again(home):
    """As packs are that moved: --resume finds their new places."""
    (home / "equal/fold_1/done.json").unlink()
    before = table(home / "equal")
    (home / "away").mkdir()
    shutil.move(home / "lbp", home / "away/lbp")
    line = refusal("cv", "-o", "equal", "--resume", cwd=home, code=1)
    assert line.startswith(f"Error: {home}/lbp: not a run folder")
    call("cv", "--fuse", "away/lbp", "cbp", "-o", "equal", "--resume", cwd=home)
    assert table(home / "equal") == before
    assert [check for check in audit_run(home / "equal") if check.verdict == FAIL] == []


def test_a_fusion_outlives_its_runs(home):
    report = call("report", "equal", cwd=home).stdout
    for name in MEMBERS:
        shutil.rmtree(home / name)
    assert call("report", "equal", cwd=home).stdout == report
    assert "fusion of lbp + cbp" in page_of(home, "equal")
    found = verdicts(home / "equal")
    assert found["fusion"][0] == NOTE
    assert found["fusion"][1].startswith(f"not made once more: {home}/lbp: not a run folder")
    assert [name for name, (verdict, _) in found.items() if verdict == FAIL] == []
    line = refusal("predict", "equal", "a.npz", cwd=home, code=1)
    assert line.startswith(f"Error: {home}/lbp: not a run folder")
    assert call("cv", "-o", "equal", "--resume", cwd=home).stdout == report
    (home / "equal/fold_1/done.json").unlink()
    assert "lbp: not a run folder" in refusal("cv", "-o", "equal", "--resume", cwd=home, code=1)


# Killed and continued


@pytest.mark.parametrize("how", ["by its folder", "by its runs"])
def test_killed_before_any_file_is_named_it_resumes_to_the_same_bytes(home, monkeypatch, how):
    replace, count = os.replace, itertools.count()
    deadly, finished = 0, False

    def counting(source, target):
        if next(count) == deadly:
            raise KilledError
        replace(source, target)

    monkeypatch.setattr(os, "replace", counting)
    words = ("cv", "--fuse", "lbp", "net", "cbp", "--fuse-weights", "fitted", "-o", "again", "-q")
    while not finished:
        count = itertools.count()
        try:
            call(*words, cwd=home)
            finished = True
        except KilledError:
            begun = (home / "again/config.json").exists()
            resume = ("cv", "-o", "again") if begun and how == "by its folder" else words
            call(*resume, "--resume", cwd=home)
        assert files_of(home / "again") == files_of(home / "fitted")
        shutil.rmtree(home / "again")
        deadly += 1
    assert deadly == 3 + 3 * 2 + 1 + 1


def test_resume_refuses_other_runs_and_other_weights(home):
    for words, text in (
        (("lbp", "net"), "other runs (--fuse)"),
        (("cbp", "lbp"), "other runs (--fuse)"),
        (("lbp", "cbp", "net"), "other runs (--fuse)"),
        (("lbp", "cbp", "--fuse-weights", "fitted"), "fuse_weights: 'fitted' here, 'equal' there"),
    ):
        line = refusal("cv", "--fuse", *words, "-o", "equal", "--resume", cwd=home, code=2)
        assert text in line
    assert "method: 'lbp-top' here, 'fusion' there" in refusal(
        "cv", "-o", "equal", "--resume", "--method", "lbp-top", cwd=home, code=2
    )
    before = files_of(home / "equal")
    call("cv", "--fuse", "lbp", "cbp", "-o", "equal", "--resume", cwd=home)
    assert files_of(home / "equal") == before


# Refusals


def other(home, what):
    """A run `other` that cannot be joined with lbp; gives the words of the refusal."""
    words = ("cv", "a.npz", *LBP, *ONE_DESIGN, "-o", "other")
    if what == "folds":
        call(*words, *FOLDS, "--split-seed", 1, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "number of folds":
        call(*words, *FOLDS[:2], "--folds", 2, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "classes":
        call(*words, *FOLDS, "--classes", "fear,joy", cwd=home)
        return "other: has the classes fear, joy, lbp fear, joy, rage; a fusion needs the same"
    if what == "order of classes":
        call(*words, *FOLDS, "--classes", "joy,fear,rage", cwd=home)
        return "other: has the classes joy, fear, rage, lbp fear, joy, rage; a fusion needs the same"
    if what == "clips":
        make_pack(home / "b.npz", {**PEOPLE, "p0": ["fear", "joy"]}, sequence=8)
        call(words[0], "b.npz", *words[2:], *FOLDS, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "training":
        call("train", "a.npz", *NET, "-o", "other", cwd=home)
        return 'other: made by "mertool train", which tests nothing; fuse runs of "mertool cv"'
    if what == "unfinished":
        call(*words, *FOLDS, "--fold", 0, cwd=home)
        return 'other: fold 1 is not done; run "mertool cv -o other --resume"'
    if what == "planned":
        call(*words, *FOLDS, "--plan", cwd=home)
        return 'other: fold 0 is not done; run "mertool cv -o other --resume"'
    if what == "empty folder":
        (home / "other").mkdir()
    if what == "file":
        (home / "other").write_text("dear")
    if what == "edited":
        shutil.copytree(home / "cbp", home / "other")
        edit_predictions(home / "other/fold_1/predictions.csv")
        return "other/fold_1/predictions.csv: changed since it was made; fuse only what a run left"
    return 'other: not a run folder (no config.json); make one with "mertool cv"'


KINDS = ["folds", "number of folds", "classes", "order of classes", "clips", "training", "unfinished", "planned"]
KINDS += ["empty folder", "file", "nothing", "edited"]


@pytest.mark.parametrize("what", KINDS)
def test_what_cannot_be_joined_is_one_line_and_leaves_nothing_behind(home, what):
    text = other(home, what)
    line = refusal("cv", "--fuse", "lbp", "other", "-o", "new", cwd=home, code=1)
    assert line.startswith(f"Error: {text}"), line
    if "folds than" in line:
        assert line.endswith("; make it with --folds-file lbp/folds.json")
    assert not (home / "new").exists()
    assert refusal("cv", "--fuse", "other", "lbp", "-o", "new", cwd=home, code=1)
    assert not (home / "new").exists()


def test_the_folds_of_another_run_make_it_fit(home):
    assert "make it with --folds-file lbp/folds.json" in other_folds(home)
    call("cv", "a.npz", *CBP, *ONE_DESIGN, "--folds-file", "lbp/folds.json", "-o", "fits", cwd=home)
    call("cv", "--fuse", "lbp", "fits", "-o", "one", cwd=home)
    call("cv", "--fuse", "fits", "lbp", "-o", "two", cwd=home)
    for name in ("one", "two"):
        assert [check for check in audit_run(home / name) if check.verdict == FAIL] == []
        words = shlex.split(call("report", "--command", name, cwd=home).stdout)
        call(*words[1:], cwd=home)
        assert files_of(home / f"{name}-again") == files_of(home / name)


def other_folds(home):
    other(home, "folds")
    return refusal("cv", "--fuse", "lbp", "other", "-o", "new", cwd=home, code=1)


def test_inner_predictions_that_are_missing_or_edited_are_refused_where_they_are_wanted(home):
    for name in ("plain", "equal"):
        line = refusal("cv", "--fuse", "lbp", name, "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
        assert line.startswith(f"Error: {name}: has no inner predictions to fit weights on; ")
        assert not (home / "new").exists()
    edit_predictions(home / "net/fold_2/inner.csv")
    line = refusal("cv", "--fuse", "lbp", "net", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert line == "Error: net/fold_2/inner.csv: changed since it was made; fuse only what a run left"
    (home / "net/fold_2/inner.csv").unlink()
    line = refusal("cv", "--fuse", "lbp", "net", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert line == "Error: net/fold_2/inner.csv: cannot be read: no such file or directory"
    assert not (home / "new").exists()
    call("cv", "--fuse", "lbp", "net", "-o", "new", cwd=home)  # equal weights need none


def test_the_advice_on_missing_inner_predictions_is_of_use(home):
    """Only a network is made with --select inner."""
    line = refusal("cv", "--fuse", "lbp", "equal", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert "--select inner" not in line
    line = refusal("cv", "--fuse", "lbp", "plain", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert "--select inner" in line


REFUSED = [
    ((), 2, "--fuse: expected two runs or more, got 0; name them: mertool cv --fuse RUN RUN"),
    (("lbp",), 2, "--fuse: expected two runs or more, got 1; name them: mertool cv --fuse RUN RUN"),
    (("lbp", "lbp"), 2, "--fuse: a run is named twice"),
    (("lbp", "cbp", "./lbp/"), 2, "--fuse: a run is named twice"),
    (("lbp", "link"), 2, "--fuse: a run is named twice"),
    (("lbp", "a.npz"), 1, "a.npz: not a run folder (no config.json)"),
    (("lbp", "cbp", "--fold", "0"), 2, "--fold: "),
    (("lbp", "cbp", "--repeat", "0"), 2, "--repeat: "),
    (("lbp", "cbp", "--folds-file", "lbp/folds.json"), 2, "--folds-file: "),
    (("lbp", "cbp", "--init", "net"), 2, "--init: "),
    (("lbp", "cbp", "--plan"), 2, "--plan: "),
    (("lbp", "cbp", "--jobs", "2"), 2, "--jobs: "),
    (("lbp", "cbp", "--fold", "1", "--jobs", "1", "--plan"), 2, "--fold, --plan, --jobs: "),
    (("lbp", "cbp", "--show-input", "x.png"), 2, "--show-input: "),
    (("lbp", "cbp", "--fuse-weights", "best"), 2, "'best' is not one of 'equal', 'fitted'"),
    (("lbp", "cbp", "-o", "lbp"), 2, "-o: lbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "./cbp/"), 2, "-o: cbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "lbp", "--resume"), 2, "-o: lbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "net"), 1, "net: holds a run already; --resume continues it, -o names another folder"),
    (("lbp", "cbp", "-o", "net", "--resume"), 2, "net: its settings differ ("),
    (("lbp", "cbp", "-o", "lbp/fold_0"), 1, "lbp/fold_0: not empty and not a run"),
    (("lbp", "cbp", "-o", "a.npz"), 1, "a.npz: cannot make this folder: file exists"),
]


@pytest.mark.parametrize(("words", "code", "text"), REFUSED, ids=[" ".join(words) for words, _, _ in REFUSED])
def test_wrong_words_are_one_line_and_change_nothing(made, tmp_path, words, code, text):
    """In the runs themselves: nothing of them is touched."""
    home = shutil.copytree(made, tmp_path / "home")
    (home / "link").symlink_to("lbp")
    before = files_of(home)
    line = refusal("cv", "--fuse", *words, *(() if "-o" in words else ("-o", "new")), cwd=home, code=code)
    assert text in line
    assert files_of(home) == before
    assert not (home / "new").exists()


@pytest.mark.parametrize("field", sorted(set(config.Settings().as_dict()) - {"fuse_weights"}))
def test_a_fusion_takes_every_setting_from_its_runs(made, field):
    for words in words_of(field):
        line = refusal("cv", "--fuse", "lbp", "cbp", *words, "-o", "new", cwd=made, code=2)
        assert line == f"Error: {config.option_name(field)}: --fuse takes all else from its runs; leave it out"
    assert not (made / "new").exists()


def test_every_option_of_cv_is_said_to_be_of_fusions_or_not():
    """A new one has to be thought of here."""
    own = {"packs", "run", "resume", "quiet", "fusing", "fuse_weights"}
    refused = {"chosen", "chosen_repeats", "folds_file", "init", "plan", "jobs", "show_input"}
    assert {parameter.name for parameter in main.commands["cv"].params} == (
        own | refused | set(config.Settings().as_dict())
    )


# People, repeats, packs


def test_people_whom_the_weights_of_a_run_have_seen_make_the_fusion_subject_dependent(tmp_path):
    """MMEW's parts share their people; so they do in a fusion of a fusion."""
    make_pack(tmp_path / "macro.npz", {"p0": ["fear", "joy"], "p1": ["joy", "fear"], "x": ["fear"]}, "mmew-macro")
    make_pack(tmp_path / "micro.npz", {f"p{n}": ["fear", "joy", "joy"] for n in range(4)}, "mmew", sequence=8)
    network = (*SMALL, "--epochs", 1, "--classes", "fear,joy")
    call("train", "macro.npz", *network, "-o", "macro", cwd=tmp_path)
    call("cv", "micro.npz", *network, "--init", "macro", *FOLDS, "-o", "net", cwd=tmp_path)
    words = (*LBP, *ONE_DESIGN, *FOLDS, "--classes", "fear,joy")
    call("cv", "micro.npz", *words, "-o", "lbp", cwd=tmp_path)
    call("cv", "micro.npz", *words, "--balance", "-o", "even", cwd=tmp_path)
    call("cv", "--fuse", "lbp", "net", "-o", "fused", cwd=tmp_path)
    call("cv", "--fuse", "even", "fused", "-o", "twice", cwd=tmp_path)
    call("cv", "--fuse", "even", "lbp", "-o", "clean", cwd=tmp_path)
    for name in ("fused", "twice"):
        text = flat(call("report", name, cwd=tmp_path).stdout)
        assert (
            "Subject-dependent through --init: the initial weights were trained on other clips of 2 of 4 subjects"
            in text
        )
        values = json.loads(call("report", name, "--format", "json", cwd=tmp_path).stdout)["runs"][0]
        assert (values["subject_independent"], values["n_subjects_seen_by_init"]) == (False, 2)
        verdict, detail = verdicts(tmp_path / name)["initial weights"]
        assert (verdict, detail) == (FAIL, "a fused run has seen 2 people of this run, in other clips")
    assert "Subject-independent" in call("report", "clean", cwd=tmp_path).stdout
    assert verdicts(tmp_path / "clean")["initial weights"][0] == PASS
    text = flat(call("report", "clean", "fused", cwd=tmp_path).stdout)
    assert "Subject-dependent and therefore easier than the others: fused." in text
    values = json.loads((tmp_path / "fused/config.json").read_text())
    for member in values["members"]:
        member["people"] = []
    write_json(tmp_path / "fused/config.json", values)
    assert [check.name for check in audit_run(tmp_path / "fused") if check.verdict == FAIL]  # nor can it be hidden


def test_repeats_are_not_fused_and_it_is_said(home):
    words = (*LBP, *ONE_DESIGN, *FOLDS, "--repeats", 2, "--new-splits")
    call("cv", "a.npz", *words, "-o", "two", cwd=home)
    call("cv", "a.npz", *CBP, *ONE_DESIGN, *FOLDS, "--split-seed", 1, "-o", "one", cwd=home)
    said = "mertool: two: its repeats are not fused; fuse repeat_1 and so on by their names\n"
    done = call("cv", "--fuse", "cbp", "two", "-o", "fused", cwd=home)
    assert done.stderr == said
    assert "seeds" not in done.stdout
    assert call("cv", "--fuse", "cbp", "two", "-o", "fused 2", "--quiet", cwd=home).stderr == ""
    done = call("cv", "--fuse", "two/repeat_1", "one", "-o", "fused 1", cwd=home)
    assert done.stderr == ""
    check_fused(home / "fused 1", [home / "two/repeat_1", home / "one"], [[0.5, 0.5]] * 3)
    assert [check for check in audit_run(home / "fused 1") if check.verdict == FAIL] == []


def test_runs_of_several_packs_fuse(tmp_path):
    for name, seed in (("noise", 0), ("other", 1)):
        make_pack(tmp_path / f"{name}.npz", {f"{name}{n}": ["fear", "joy"] for n in range(3)}, name, seed, sequence=8)
    for name, words in (("lbp", LBP), ("cbp", CBP)):
        packs = ("noise.npz", "other.npz") if name == "lbp" else ("other.npz", "noise.npz")
        call("cv", *packs, *words, *ONE_DESIGN, "--protocol", "leave-dataset-out", "-o", name, cwd=tmp_path)
    done = call("cv", "--fuse", "lbp", "cbp", "-o", "fused", cwd=tmp_path)
    assert "packs                    noise, other" in done.stdout
    assert "leave-dataset-out, 2 folds" in done.stdout
    assert [check for check in audit_run(tmp_path / "fused") if check.verdict == FAIL] == []
    assert "Per data set" in done.stdout


def test_two_packs_of_the_same_clips_are_no_leak(home):
    """A network of a pack without sequence, and textures of the pack that was extracted once more with one."""
    make_pack(home / "b.npz", PEOPLE, seed=4)
    call("cv", "b.npz", *NET, *FOLDS, "-o", "b", cwd=home)
    call("cv", "--fuse", "b", "lbp", "-o", "both", cwd=home)
    checks = audit_run(home / "both")
    assert [check for check in checks if check.verdict == FAIL] == []
    assert "pictures" in {check.name for check in checks}
    assert "No pictures" not in page_of(home, "both")


# Predict


def test_predict_joins_what_the_runs_predict(home):
    make_pack(home / "new.npz", {"q0": ["joy", "rage"], "q1": ["disgust", "fear"]}, "other", seed=5, sequence=6)
    tables = {}
    for name in ("lbp", "cbp", "net", "equal", "fitted"):
        done = call("predict", name, "new.npz", cwd=home)
        assert done.stderr == ""
        tables[name] = {row["clip"]: row for row in csv.DictReader(done.stdout.splitlines())}
    for clip, row in tables["equal"].items():
        mean = (shares(tables["lbp"][clip]) + shares(tables["cbp"][clip])) / 2
        np.testing.assert_allclose(shares(row), mean, atol=1e-6)
        assert row["truth"] == tables["lbp"][clip]["truth"]
    assert [row["truth"] for row in tables["equal"].values()] == ["joy", "rage", "", "fear"]
    call("cv", "--fuse", "lbp", "cbp", "--fuse-weights", "fitted", "-o", "two", cwd=home)
    pack = load_pack(home / "new.npz")
    samples = Samples((pack,), np.array([(0, k) for k in range(4)]), pack.ids, np.zeros(4, np.int64), ())
    looked_at = {name: features_of(samples, RunConfig.read(home / name).settings) for name in ("lbp", "cbp")}
    by_fold = [
        sum(
            weight * Classifier.load(home / name / f"fold_{fold}/classifier.npz").predict(looked_at[name])
            for name, weight in zip(("lbp", "cbp"), weights, strict=True)
        )
        for fold, weights in enumerate(weights_of(home / "two"))
    ]
    rows = csv.DictReader(call("predict", "two", "new.npz", cwd=home).stdout.splitlines())
    np.testing.assert_allclose([shares(row) for row in rows], np.mean(by_fold, 0), atol=1e-6)
    done = call("predict", "fitted", "a.npz", cwd=home)
    assert "21 of 21 clips were used to train fitted" in done.stderr
    make_pack(home / "none.npz", {"q0": ["joy"]})
    assert "none.npz: has no sequence of frames" in refusal("predict", "equal", "none.npz", cwd=home, code=1)


# The audit


SOUND = {
    "files": PASS,
    "predictions": PASS,
    "subjects": PASS,
    "initial weights": PASS,
    "fusion": PASS,
    "fused run": PASS,
    "pictures": PASS,
    "statistics": PASS,
    "key frames": NOTE,
}


def test_the_audit_of_a_sound_fusion_passes_and_has_a_line_a_run(made):
    for name, members in (("equal", ["lbp", "cbp"]), ("fitted", ["lbp", "net", "cbp"])):
        checks = audit_run(made / name)
        assert {check.name: check.verdict for check in checks} == SOUND
        said = [check.detail for check in checks if check.name == "fused run"]
        assert said == [f"{member} passes its own audit" for member in members]
    done = call("report", "--audit", "equal", cwd=made)
    assert "pass  fusion           what 2 runs predict, joined once more, is the same" in done.stdout


def faults(folder):
    return [check.name for check in audit_run(folder) if check.verdict == FAIL]


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_edited_predictions_are_found(home, name):
    edit_predictions(home / name / "fold_1/predictions.csv")
    assert faults(home / name) == ["files", "fusion"]
    sign_again(home / name)
    assert faults(home / name) == ["fusion"]
    assert verdicts(home / name)["fusion"][1] == "its runs give other predictions or weights than those of fold 1"
    assert call("report", "--audit", name, cwd=home, code=1).stderr == ""


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_edited_weights_are_found(home, name):
    """`predict` uses them and the report shows them."""
    done = done_of(home / name, 1)
    write_json(home / name / "fold_1/done.json", {**done, "weights": [0.9, 0.1, *[0.0] * (len(done["weights"]) - 2)]})
    assert faults(home / name) != []


def test_a_fusion_whose_rule_was_changed_is_found(home):
    values = json.loads((home / "fitted/config.json").read_text())
    values["settings"]["fuse_weights"] = "equal"
    write_json(home / "fitted/config.json", values)
    sign_again(home / "fitted")
    assert "fusion" in faults(home / "fitted")


def test_a_run_of_equal_settings_and_other_predictions_in_the_place_of_a_fused_one_is_found(home):
    forge(home / "cbp", "predictions.csv")
    assert faults(home / "equal") == ["fusion", "fused run"]
    assert (
        verdicts(home / "equal")["fusion"][1] == "its runs give other predictions or weights than those of fold 0, 1, 2"
    )


def test_another_run_in_the_place_of_a_fused_one_is_found(home):
    shutil.rmtree(home / "cbp")
    call("cv", "a.npz", *CBP, "--n-features", 25, "--cost", 10, *FOLDS, "-o", "cbp", cwd=home)
    found = verdicts(home / "equal")
    assert found["fusion"][0] == FAIL
    assert f"{home}/cbp: is not the run that {home}/equal was begun with; fuse anew" in found["fusion"][1]
    assert "is not the run that" in refusal("predict", "equal", "a.npz", cwd=home, code=1)
    (home / "equal/fold_0/done.json").unlink()
    assert "is not the run that" in refusal("cv", "-o", "equal", "--resume", cwd=home, code=1)
    assert "other runs (--fuse)" in refusal("cv", "--fuse", "lbp", "cbp", "-o", "equal", "--resume", cwd=home, code=2)


@pytest.mark.parametrize("member", ["lbp", "net"])
def test_a_fused_run_that_fails_its_own_audit_fails_the_fusion(home, member):
    """A leak that only the run's own checks find: another fold's classifier or network, with repaired hashes."""
    file = "classifier.npz" if member == "lbp" else "final.pt"
    shutil.copy(home / member / "fold_1" / file, home / member / "fold_0" / file)
    sign_again(home / member)
    checks = audit_run(home / "fitted")
    assert [check.name for check in checks if check.verdict == FAIL] == ["fused run"]
    (detail,) = [check.detail for check in checks if check.verdict == FAIL]
    failed = "classifiers" if member == "lbp" else "clips, epoch"
    assert detail == f"{member} fails its own audit: {failed}"
    done = call("report", "--audit", "fitted", cwd=home, code=1)
    assert f"fail  fused run        {member} fails its own audit: {failed}" in done.stdout
    assert f"{member} fails its own audit" in page_of(home, "fitted")


def test_notes_on_a_fused_run_are_notes_on_the_fusion(home):
    for name in ("lbp", "cbp"):
        words = LBP if name == "lbp" else CBP
        call("cv", "a.npz", *words, *ONE_DESIGN, "--folds", 3, "-o", f"mixed {name}", cwd=home)
    call("cv", "--fuse", "mixed lbp", "mixed cbp", "-o", "mixed", cwd=home)
    checks = audit_run(home / "mixed")
    said = [(check.verdict, check.detail) for check in checks if check.name == "fused run"]
    assert said == [
        (NOTE, "mixed lbp passes its own audit, notes on subjects"),
        (NOTE, "mixed cbp passes its own audit, notes on subjects"),
    ]
    assert "Subject-dependent" in call("report", "mixed", cwd=home).stdout


def test_a_fused_run_without_a_file_is_one_line_and_not_the_end_of_the_audit(home):
    (home / "cbp/fold_1/done.json").unlink()
    found = verdicts(home / "equal")
    assert found["fusion"] == (
        FAIL,
        f'not made once more: {home}/cbp: fold 1 is not done; run "mertool cv -o {home}/cbp --resume"',
    )
    assert "statistics" in found
    shutil.copy(home / "cbp/fold_0/done.json", home / "cbp/fold_1/done.json")
    assert verdicts(home / "equal")["fusion"][0] == FAIL


def test_a_pack_that_changed_or_is_gone_is_said(home):
    pack = (home / "a.npz").read_bytes()
    (home / "a.npz").unlink()
    found = verdicts(home / "equal")
    assert (found["pack"][0], found["fusion"][0], found["fused run"][0]) == (NOTE, PASS, NOTE)
    assert "notes on pack" in found["fused run"][1]
    (home / "a.npz").write_bytes(pack + b"\0")
    found = verdicts(home / "equal")
    assert (found["pack"][0], found["fused run"][0]) == (FAIL, FAIL)


# The report


def test_the_report_tells_runs_and_weights(made):
    text = flat(call("report", "equal", cwd=made).stdout)
    assert "settings fusion of lbp + cbp, equal weights" in text
    assert "Fusion: probabilities are averaged clip by clip; the runs' weights are equal." in text
    text = flat(call("report", "fitted", cwd=made).stdout)
    assert "settings fusion of lbp + net + cbp, fitted weights" in text
    folds = "; ".join("/".join(f"{weight:.2f}" for weight in weights) for weights in weights_of(made / "fitted"))
    assert f"fitted in each fold on clips of its training part (lbp / net / cbp: {folds})" in text
    assert "group, 3 folds" in text
    for word in ("epoch", "network", "None", "modern", "Selected"):
        assert not re.search(rf"\b{word}\b", text), word


@pytest.mark.parametrize("style", ["text", "md", "latex", "csv", "json", "html"])
def test_every_format_of_the_report(made, tmp_path, style):
    text = call("report", "fitted", "--format", style, "-q", cwd=made).stdout
    assert "fusion" in text
    assert not re.search(r"\bNone\b|\bnan\b", text)
    call("report", "fitted", "--format", style, "-o", tmp_path, cwd=made)
    assert len(list(tmp_path.iterdir())) == 1


def test_json_has_runs_and_weights(made):
    for name, members in (("equal", ["lbp", "cbp"]), ("fitted", ["lbp", "net", "cbp"])):
        values = json.loads(call("report", name, "--format", "json", cwd=made).stdout)["runs"][0]
        assert values["members"] == members
        assert values["weights"] == weights_of(made / name)
        assert (values["designs"], values["epochs"]) == ([], [])


def test_a_line_of_csv_says_which_runs_were_fused(made):
    (row,) = csv.DictReader(call("report", "fitted", "--format", "csv", cwd=made).stdout.splitlines())
    assert (row["method"], row["fuse_weights"]) == ("fusion", "fitted")
    assert "lbp" in row["members"]
    assert f"{weights_of(made / 'fitted')[0][0]:.4f}" in row["weights"]


def test_the_page_of_a_fusion_has_nothing_of_networks(made):
    page = page_of(made, "fitted")
    assert "fusion of lbp + net + cbp, fitted weights" in page
    assert "pass fusion what 3 runs predict, joined once more, is the same" in page
    assert "Most and least confident predictions" in page
    for word in ("Learning curves", "None", "nan", "recipe", "epoch", "log.csv", "Selected", "No attention maps"):
        assert not re.search(rf"\b{word}\b", page), word


def test_a_fusion_compares_with_its_runs(made):
    text = call("report", "net", "lbp", "fitted", cwd=made).stdout
    assert "Compared with net clip by clip: exact McNemar test" in text
    rows = [line.split() for line in text.splitlines() if re.match(r"(lbp|fitted) +\d", line)]
    hits = {name: load_run(made / name).metrics["hits"] for name in ("net", "lbp", "fitted")}
    assert [(row[0], int(row[1]) - int(row[2])) for row in rows] == [
        (name, hits[name] - hits["net"]) for name in ("lbp", "fitted")
    ]
    assert "different folds" not in text
    assert "group, fusion of lbp + net + cbp, fitted weights" in text
    page = page_of(made, "net", "lbp", "fitted")
    section = page[page.index("Settings that differ run") :]
    section = section[: section.index("hits / N")]
    assert "lbp + net + cbp" in section
    assert Counter(re.findall(r"\bfusion\b", section))["fusion"] == 1


def test_a_fusion_has_no_region_of_its_own(home):
    """Its runs look at regions; it looks at nothing."""
    make_pack(home / "b.npz", PEOPLE, sequence=8, size=64, faces=True)
    for name, words in (("l", LBP[:2]), ("c", CBP[:2])):
        call("cv", "b.npz", *words, "--roi", "--tile", 12, *ONE_DESIGN, *FOLDS, "-o", name, cwd=home)
    call("cv", "--fuse", "l", "c", "-o", "lc", cwd=home)
    (row,) = csv.DictReader(call("report", "lc", "--format", "csv", cwd=home).stdout.splitlines())
    assert row["region"] != "face"


def test_the_papers_tables_leave_fusions_out_by_name(made):
    done = call("report", "plain", "equal", "--tables", "paper", "--format", "csv", cwd=made)
    assert done.stderr == "mertool: equal: left out, the tables are about networks, not fusion\n"
    assert "equal (the tables are about networks, not fusion" in flat(
        call("report", "plain", "equal", "--tables", "paper", cwd=made).stdout
    )


# Damage

READERS = (
    ("report", "{}"),
    ("report", "--format", "json", "{}"),
    ("report", "--format", "csv", "{}"),
    ("report", "--audit", "{}"),
    ("predict", "{}", "a.npz"),
)


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_damaged_weights_are_never_a_traceback(home, name):
    path = home / name / "fold_1/done.json"
    good = json.loads(path.read_text())
    n = len(good["weights"])
    odd = (1.0, "0.5", None, [1], {}, True, float("nan"), float("inf"), 10**400, -1.0, 0.0)
    for weights in (*DAMAGED, [], [1.0], [0.5] * (n + 1), *([value] * n for value in odd)):
        path.write_text(json.dumps({**good, "weights": weights}))
        for words in READERS:
            answer(*(word.format(name) for word in words), cwd=home)
    del good["weights"]
    path.write_text(json.dumps(good))
    for words in (*READERS, ("report", "--format", "html", "{}")):
        answer(*(word.format(name) for word in words), cwd=home)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [5.0, 5.0], [-1.0, 2.0], [float("nan")] * 2, [0.5, 0.6]])
def test_weights_that_are_no_shares_are_not_predicted_with(home, weights):
    for fold in range(3):
        path = home / f"equal/fold_{fold}/done.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "weights": weights}))
    assert refusal("predict", "equal", "a.npz", cwd=home, code=1).startswith("Error: ")


@pytest.mark.parametrize("name", ["done.json", "config.json", "folds.json", "predictions.csv"])
def test_a_damaged_file_of_a_fused_run_is_one_line(home, name):
    path = home / "lbp" / ("" if name in ("config.json", "folds.json") else "fold_1") / name
    for content in (b"", b"[]", b"{}", b"null", b"\xff\xfe", b'{"sha256": 5}', b'{"sha256": {"predictions.csv": 5}}'):
        path.write_bytes(content)
        line = refusal("cv", "--fuse", "lbp", "cbp", "-o", "new", cwd=home, code=1)
        assert line.startswith(("Error: lbp", "Error: folds: "))
        assert not (home / "new").exists()
        for words in READERS:
            answer(*(word.format("equal") for word in words), cwd=home)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ((), None),
        ((), 5),
        ((), "lbp"),
        ((), {}),
        ((), ["lbp", "cbp"]),
        ((), [None]),
        ((0,), []),
        ((0,), {}),
        ((0, "path"), None),
        ((0, "path"), 5),
        ((0, "path"), ""),
        ((0, "path"), "a\0b"),
        ((0, "path"), "\ud800"),
        ((0, "fingerprint"), None),
        ((0, "fingerprint"), 5),
        ((0, "people"), None),
        ((0, "people"), "p0"),
        ((0, "people"), [5]),
    ],
)
def test_damaged_members_are_one_line_wherever_they_are_read(home, where, value):
    path = home / "equal/config.json"
    values = json.loads(path.read_text())
    inner = values
    place = ("members", *where)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(values))
    for words in (
        ("report", "--audit", "equal"),
        ("report", "--command", "equal"),
        ("predict", "equal", "a.npz"),
        ("cv", "-o", "equal", "--resume"),
        ("cv", "--fuse", "lbp", "cbp", "-o", "equal", "--resume"),
        ("cv", "--fuse", "equal", "net", "-o", "new"),
    ):
        line = refusal(*words, cwd=home, code=1)
        assert line.startswith("Error: equal/config.json: damaged configuration"), line
    answer("report", "equal", cwd=home)
    answer("report", "equal", "--format", "html", cwd=home)


@pytest.mark.parametrize("how", ["no list", "an empty list", "one run"])
def test_a_fusion_of_nothing_is_never_a_traceback(home, how):
    values = json.loads((home / "equal/config.json").read_text())
    values["members"] = values["members"][:1] if how == "one run" else []
    if how == "no list":
        del values["members"]
    write_json(home / "equal/config.json", values)
    sign_again(home / "equal")
    for words in READERS:
        answer(*(word.format("equal") for word in words), cwd=home)
    with pytest.raises(DataError, match="expected two runs or more of a fusion"):
        audit_run(home / "equal")
    (home / "equal/fold_1/done.json").unlink()
    answer("cv", "-o", "equal", "--resume", cwd=home)


@pytest.mark.parametrize("how", ["fewer classes", "classes in another order", "other clips", "no clips"])
def test_predictions_that_are_not_of_the_runs_clips_and_classes_do_not_join(home, how):
    """With repaired hashes."""
    for path in (home / "cbp").glob("fold_*/predictions.csv"):
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = list(rows[0])
        if how == "fewer classes":
            for row in rows:
                row["p_fear"] = "0.7"
                row["p_joy"], row["prediction"] = "0.3", "fear"
                row["truth"] = "fear"
            names.remove("p_rage")
        elif how == "classes in another order":
            names = [*names[:6], *reversed(names[6:])]
        elif how == "other clips":
            rows[0]["clip"] = "noise/p0/c99"
            rows[0]["subject"] = "p0"
        else:
            rows = []
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sign_again(home / "cbp")
    line = refusal("cv", "--fuse", "lbp", "cbp", "-o", "new", cwd=home, code=1)
    assert line.startswith("Error: ")
    assert not (home / "new").exists()
