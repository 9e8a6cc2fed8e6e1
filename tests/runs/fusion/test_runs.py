"""`cv --fuse`: finished runs joined clip by clip, with weights in which no test clip has a say."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shlex
import shutil

import numpy as np
import pytest

from mertool.files import file_sha256, write_json
from mertool.inputs.samples import Samples
from mertool.pack import load_pack
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from mertool.runs.config import RunConfig, fingerprint
from mertool.texture.cache import features_of
from mertool.texture.classifier import Classifier
from tests.support.audits import faults, findings, sign_again
from tests.support.command import run
from tests.support.fusions import FOLDS, MEMBERS, NET, check_fused, forge, shares, table, weights_in
from tests.support.in_process import call, refusal
from tests.support.noise import SMALL, make_pack
from tests.support.processes import KilledError
from tests.support.reports import flat, page_of
from tests.support.run_folders import done_of, files_of, resume_if_begun
from tests.support.texture_runs import CBP, LBP, ONE_DESIGN, PEOPLE

pytestmark = pytest.mark.usefixtures("one_process")


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
            assert set(done) == {"sha256", "run", "weights", "finished", "seconds"}
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
    assert weights_in(home / "fused ö") == [third] * 3
    check_fused(home / "fused ö", [home / name for name in members], [third] * 3)
    hits = sum(row["truth"] == row["prediction"] for row in table(home / "fused ö").values())
    assert f"hits/N                   {hits}/21" in done.stdout
    assert json.loads((home / "fused ö/results.json").read_text())["hits"] == hits
    assert done.stderr == ""


@pytest.mark.parametrize("members", [("lbp", "net"), ("net", "cbp"), ("cbp", "lbp", "net")], ids="+".join)
def test_fitted_weights_are_the_likeliest_on_the_inner_predictions(home, members):
    """Against all weights in steps of two hundredths, on the clips that all runs have, fold by fold."""
    call("cv", "--fuse", *members, "--fuse-weights", "fitted", "-o", "fused", cwd=home)
    weights = weights_in(home / "fused")
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


def test_predictions_of_test_clips_leave_the_weights_alone_and_inner_ones_make_them(home):
    words = ("cv", "--fuse", "lbp", "net", "cbp", "--fuse-weights", "fitted")
    honest = weights_in(home / "fitted")
    forge(home / "cbp", "predictions.csv")
    call(*words, "-o", "forged", cwd=home)
    assert weights_in(home / "forged") == honest
    assert table(home / "forged") != table(home / "fitted")
    forge(home / "cbp", "inner.csv")
    call(*words, "-o", "forged inner", cwd=home)
    assert all(a != b for a, b in zip(weights_in(home / "forged inner"), honest, strict=True))


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
        call("cv", f"{name}.npz", *NET, "--epoch-selection", "inner", *own, "-o", f"{name} net", cwd=tmp_path)
        words = ("--fuse", f"{name} lbp", f"{name} net", "--fuse-weights", "fitted")
        call("cv", *words, "-o", f"{name} fused", cwd=tmp_path)
    one, two = (table(tmp_path / f"{name} fused") for name in "ab")
    told = {fold: [(shares(one[key]) == shares(two[key])).all() for key in one if key[0] == fold] for fold in (0, 1)}
    assert all(told[0])
    assert not any(told[1])
    assert weights_in(tmp_path / "a fused")[0] == weights_in(tmp_path / "b fused")[0]
    assert weights_in(tmp_path / "a fused")[1] != weights_in(tmp_path / "b fused")[1]
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
        "Error: runs/fusion-a-lbp+a-cbp: already holds a run; --resume continues it, -o names another folder"
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
    assert faults(moved / "fitted") == []
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
    assert faults(home / "equal") == []


def test_a_fusion_outlives_its_runs(home):
    report = call("report", "equal", cwd=home).stdout
    for name in MEMBERS:
        shutil.rmtree(home / name)
    assert call("report", "equal", cwd=home).stdout == report
    assert "fusion of lbp + cbp" in page_of(home, "equal")
    found = findings(home / "equal")
    assert found["fusion"][0] == NOTE
    assert found["fusion"][1].startswith(f"could not be made again: {home}/lbp: not a run folder")
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
            more = resume_if_begun(home / "again")
            resume = ("cv", "-o", "again") if more and how == "by its folder" else words
            call(*resume, *more, cwd=home)
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
    call("cv", "micro.npz", *words, "--balanced-sampling", "-o", "even", cwd=tmp_path)
    call("cv", "--fuse", "lbp", "net", "-o", "fused", cwd=tmp_path)
    call("cv", "--fuse", "even", "fused", "-o", "twice", cwd=tmp_path)
    call("cv", "--fuse", "even", "lbp", "-o", "clean", cwd=tmp_path)
    for name in ("fused", "twice"):
        text = flat(call("report", name, cwd=tmp_path).stdout)
        assert "through --init: the initial weights were trained on other clips of 2 of 4 subjects" in text
        values = json.loads(call("report", name, "--format", "json", cwd=tmp_path).stdout)["runs"][0]
        assert (values["subject_independent"], values["n_subjects_seen_by_init"]) == (False, 2)
        verdict, detail = findings(tmp_path / name)["initial weights"]
        assert (verdict, detail) == (FAIL, "a fused run was trained on 2 subjects of this run, in other clips")
    assert "Subject-independent" in call("report", "clean", cwd=tmp_path).stdout
    assert findings(tmp_path / "clean")["initial weights"][0] == PASS
    text = flat(call("report", "clean", "fused", cwd=tmp_path).stdout)
    assert "Subject-dependent and therefore easier than the others: fused." in text
    values = json.loads((tmp_path / "fused/config.json").read_text())
    for member in values["members"]:
        member["subjects"] = []
    write_json(tmp_path / "fused/config.json", values)
    assert faults(tmp_path / "fused")  # nor can it be hidden


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
    assert faults(home / "fused 1") == []


def test_runs_of_several_packs_fuse(tmp_path):
    for name, seed in (("noise", 0), ("other", 1)):
        make_pack(tmp_path / f"{name}.npz", {f"{name}{n}": ["fear", "joy"] for n in range(3)}, name, seed, sequence=8)
    for name, words in (("lbp", LBP), ("cbp", CBP)):
        packs = ("noise.npz", "other.npz") if name == "lbp" else ("other.npz", "noise.npz")
        call("cv", *packs, *words, *ONE_DESIGN, "--protocol", "leave-dataset-out", "-o", name, cwd=tmp_path)
    done = call("cv", "--fuse", "lbp", "cbp", "-o", "fused", cwd=tmp_path)
    assert "packs                    noise, other" in done.stdout
    assert "leave-dataset-out, 2 folds" in done.stdout
    assert faults(tmp_path / "fused") == []
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
        assert "its accuracy on new people, cross-validated: " in done.stderr
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
        for fold, weights in enumerate(weights_in(home / "two"))
    ]
    rows = csv.DictReader(call("predict", "two", "new.npz", cwd=home).stdout.splitlines())
    np.testing.assert_allclose([shares(row) for row in rows], np.mean(by_fold, 0), atol=1e-6)
    done = call("predict", "fitted", "a.npz", cwd=home)
    assert "21 of 21 clips were used to train fitted" in done.stderr
    make_pack(home / "none.npz", {"q0": ["joy"]})
    assert "none.npz: has no sequence of frames" in refusal("predict", "equal", "none.npz", cwd=home, code=1)
