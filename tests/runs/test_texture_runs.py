"""`cv --method`: runs like any other, which learn what is there to learn and nothing of their test clips."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gc
import hashlib
import html
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mertool import settings as config
from mertool.cli.main import main
from mertool.evaluation.predictions import Predictions
from mertool.files import file_sha256, write_json
from mertool.inputs.samples import Samples
from mertool.pack import load_pack, save_pack
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from mertool.runs.config import RunConfig, fingerprint, open_samples
from mertool.runs.finished import load_run
from mertool.settings import GROUPS, Settings
from mertool.texture import features as texture
from mertool.texture.cache import features_of
from mertool.texture.classifier import Classifier, Hyperparameters, train_classifier
from mertool.texture.model_selection import classify_fold, read_selection, train_fold
from tests.network.test_training import KilledError
from tests.runs.test_execute import descendants, zombie
from tests.support.command import COMMAND, run
from tests.support.folders import texture_files
from tests.support.noise import SMALL, call, files_of, in_this_process, make_pack, refusal

PEOPLE = {f"p{n}": ["fear", "joy", "rage", "fear"][: 3 + n % 2] for n in range(6)}
SIZE = ("--face-size", "32", "--points", "4", "--grid", "2,2,1", "--length", "6")
LBP = ("--method", "lbp-top", *SIZE)
CBP = ("--method", "cbp-top", *SIZE)
ONE_DESIGN = ("--n-features", "24", "--cost", "10")
GROUP = ("--protocol", "group", "--folds", "2")
FOLD = {".lock", "classifier.npz", "done.json", "inner.csv", "predictions.csv", "selection.csv"}
COMMANDS = {parameter.name: parameter for parameter in main.commands["cv"].params}
TEXTURE_FIELDS = sorted(GROUPS["texture"] | GROUPS["lbp-top"] | GROUPS["cbp-top"])
NETWORK_FIELDS = sorted(GROUPS["network"])
DAMAGED = (None, "x", [], {}, {"a": 1}, True, -1, 0, float("nan"), float("inf"), 10**400)


pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The pack a.npz, two finished runs `lbp` and `cbp`, and `fixed`, whose design is given."""
    folder = tmp_path_factory.mktemp("features é")
    make_pack(folder / "a.npz", PEOPLE, sequence=8)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        torch.set_num_threads(1)
        call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", cwd=folder)
        call("cv", "a.npz", *CBP, *GROUP, "-o", "cbp", cwd=folder)
        call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", cwd=folder)
    return folder


@pytest.fixture
def place(home, tmp_path):
    """An empty folder with the same pack, and no kept features."""
    shutil.copy(home / "a.npz", tmp_path)
    return tmp_path


@pytest.fixture
def copies(home, tmp_path):
    """The folder, to damage."""
    return shutil.copytree(home, tmp_path / "home")


def probabilities(path):
    """By clip the probabilities of a predictions.csv, as they stand there."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            row["clip"]: tuple(row[name] for name in row if name.startswith("p_")) for row in csv.DictReader(stream)
        }


def done_of(folder, fold=0):
    return json.loads((folder / f"fold_{fold}" / "done.json").read_text())


def flat(text):
    return " ".join(text.split())


# The run folder


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
        assert set(done) == {"sha256", "run", "design"}
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
        table = archive["features"]
    assert table.shape == (21, 180)
    sums = table.reshape(21, 4, 3, 15).sum(-1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


# Names


def said(field):
    """Words that ask for another value of a setting than the usual one."""
    option, usual = COMMANDS[field], getattr(Settings(), field)
    if field in ("radii", "grid", "n_features", "cost"):
        return (option.opts[0], {"radii": "2,1,1", "grid": "1,2,1", "n_features": "12", "cost": "5"}[field])
    if isinstance(usual, bool):
        return (option.secondary_opts[0] if usual else option.opts[0],)
    if hasattr(option.type, "choices"):
        return (option.opts[0], next(c for c in option.type.choices if c not in (str(usual), "auto")))
    return (option.opts[0], str(usual + 1 if isinstance(usual, int) else usual / 2))


def test_the_usual_name_tells_features_and_all_that_is_unusual(place):
    words = (*LBP, *ONE_DESIGN, *GROUP, "--balance", "--split-seed", 3, "--radii", "1,1,1")
    done = call("cv", "a.npz", *words, "--plan", cwd=place)
    name = (
        "a-face-lbp-top-balance-group-facesize32-length6-points4-radii1+1+1-grid2+2+1-nfeatures24-cost10-folds2"
        "-splitseed3"
    )
    assert [path.name for path in (place / "runs").iterdir()] == [name]
    assert shlex.split(done.stdout.splitlines()[0]) == f"mertool cv -o runs/{name} --resume --fold 0".split()
    call("cv", *LBP, *GROUP, "--fold", 1, cwd=place)  # the only pack of the folder
    assert (place / "runs/a-face-lbp-top-group-facesize32-length6-points4-grid2+2+1-folds2/fold_1/done.json").exists()


def test_each_option_makes_another_run_of_another_name(place):
    """Of each the name that the run gets by itself; none is that of another."""
    names = Counter()
    for kind, fields in (("lbp-top", GROUPS["cbp-top"]), ("cbp-top", GROUPS["lbp-top"])):
        for field in ("method", *sorted(set(TEXTURE_FIELDS) - fields)):
            words = () if field == "method" else said(field)
            done = call("cv", "a.npz", "--method", kind, "--face-size", 32, *words, "--plan", cwd=place)
            names[shlex.split(done.stdout.splitlines()[0])[3]] += 1
    assert len(names) == 2 * (1 + len(TEXTURE_FIELDS) - 2)
    assert set(names.values()) == {1}


# The same bytes


def test_the_jobs_of_an_array_that_start_together_share_a_run_and_its_features(home, place):
    """Two of the installed command at once, none of which finds features that are kept."""
    words = [*COMMAND, "cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--quiet", "--fold"]
    pipe = subprocess.PIPE
    jobs = [subprocess.Popen([*words, fold], cwd=place, stdout=pipe, stderr=pipe, text=True) for fold in "01"]
    for job in jobs:
        _, said = job.communicate(timeout=300)
        assert (job.returncode, said) == (0, "")
    assert files_of(place / "lbp") == files_of(home / "lbp")
    (kept,) = (place / "a.features").iterdir()
    assert kept.read_bytes() == (home / "a.features" / kept.name).read_bytes()


@contextlib.contextmanager
def unprivileged():
    """Nobody, who may write nowhere, in place of root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_pack_in_a_folder_that_cannot_be_written_gives_the_same_bytes(home):
    with tempfile.TemporaryDirectory(prefix="mertool é") as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "runs").mkdir()
        shutil.copy(home / "a.npz", folder / "data")
        for path, mode in ((folder, 0o755), (folder / "runs", 0o777), (folder / "data", 0o555)):
            path.chmod(mode)
        with unprivileged():
            call("cv", "../data/a.npz", *LBP, *GROUP, "-o", "lbp", cwd=folder / "runs")
            call("predict", "lbp", "../data/a.npz", cwd=folder / "runs")
        assert [path.name for path in (folder / "data").iterdir()] == ["a.npz"]
        ours, others = files_of(folder / "runs/lbp"), files_of(home / "lbp")
        assert [name for name in others if ours[name] != others[name]] == ["config.json"]  # the pack's place
        (folder / "data").chmod(0o755)


def test_a_file_where_the_features_would_be_kept_is_no_reason_to_fail(home, place):
    (place / "a.features").write_text("a file is no folder\n")
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", cwd=place)
    assert files_of(place / "lbp") == files_of(home / "lbp")
    assert (place / "a.features").read_text() == "a file is no folder\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_threads_give_the_same_bytes_and_all_the_same_features(home, place, threads):
    call("cv", "a.npz", *LBP, *GROUP, "--threads", threads, "-o", "lbp", cwd=place)
    first = files_of(place / "lbp")
    (kept,) = (place / "a.features").iterdir()
    assert kept.read_bytes() == (home / "a.features" / kept.name).read_bytes()
    shutil.rmtree(place / "lbp")
    call("cv", "a.npz", *LBP, *GROUP, "--threads", threads, "-o", "lbp", cwd=place)
    assert files_of(place / "lbp") == first
    assert (first == files_of(home / "lbp")) is (threads == 1)  # config.json says two


def test_a_fold_alone_is_that_fold_and_the_last_one_ends_the_run(home, place):
    words = ("cv", "a.npz", *LBP, *GROUP, "-o", "lbp")
    done = call(*words, "--fold", 1, cwd=place)
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("", "mertool: lbp: fold 1 done; others are still to do")
    assert not (place / "lbp/fold_0").exists()
    assert not (place / "lbp/results.json").exists()
    line = refusal("report", "lbp", cwd=place, code=1)
    assert line == 'Error: report: lbp: fold 0 has no predictions.csv; run "mertool cv -o lbp --resume"'
    assert "its settings differ (cost: '3' here, 'auto' there)" in refusal(
        *words, "--cost", 3, "--fold", 0, cwd=place, code=2
    )
    done = call(*words, "--fold", 0, cwd=place)
    assert "hits/N" in done.stdout
    assert files_of(place / "lbp") == files_of(home / "lbp")


def test_the_plan_is_a_command_a_fold(home, place):
    done = call("cv", "a.npz", *LBP, *GROUP, "-o", "it's\u00e9 ", "--plan", cwd=place)
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert [words[-2:] for words in commands] == [["--fold", "0"], ["--fold", "1"]]
    assert not (place / "a.features").exists()
    for words in reversed(commands):
        call(*words[1:], cwd=place)
    assert files_of(place / "it's\u00e9 ") == files_of(home / "lbp")


@pytest.mark.parametrize(
    "options",
    [
        (*LBP, *GROUP),
        (*CBP, "--threshold", 7, "--signed", "--no-normalise", "--protocol", "loso", *ONE_DESIGN),
        (
            *LBP,
            *ONE_DESIGN,
            "--radii",
            "2,1,1",
            "--sampling",
            "nearest",
            "--mapping",
            "full",
            "--balance",
            "--threads",
            2,
        ),
        (*LBP, "--interpolation", "linear", "--classes", "joy,fear", "--cost", "0.30000000000000004", "--folds", 2),
        (*LBP, *ONE_DESIGN, "--folds-file", "own.csv"),
        (*LBP, *ONE_DESIGN, *GROUP, "--repeats", 2, "--new-splits", "--split-seed", 5),
        ("--method", "lbp-top", "--roi", "--tile", 9, "--length", 0, "--n-features", "all", "--folds", 2),
    ],
    ids=["plain", "cbp", "lbp", "classes", "own folds", "repeats", "roi"],
)
def test_the_command_that_the_report_prints_makes_the_same_bytes(place, options):
    make_pack(place / "b ö.npz", PEOPLE, "other", seed=1, sequence=7, faces=True)
    make_pack(place / "c.npz", PEOPLE, seed=2, sequence=8, faces=True)
    ids = [name for pack in ("b ö", "c") for name in load_pack(place / f"{pack}.npz").ids]
    rows = [f"{name},{row % 3}\n" for row, name in enumerate(ids)]
    (place / "own.csv").write_text("clip,fold\n" + "".join(rows))
    call("cv", "b ö.npz", "c.npz", *options, "-o", "runs/a run", cwd=place)
    printed = call("report", "--command", "runs/a run", cwd=place).stdout
    words = shlex.split(printed)
    assert words[:2] == ["mertool", "cv"]
    assert words[-2:] == ["-o", "runs/a run-again"]
    shutil.rmtree(place / "b ö.features")
    call(*words[1:], cwd=place)
    assert files_of(place / "runs/a run-again") == files_of(place / "runs/a run")
    assert [check.name for check in audit_run(place / "runs/a run") if check.verdict == FAIL] == []


# Kept features


KEPT_DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "text": lambda path: path.write_text("dear reader"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a bit": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "others": lambda path: tampered(path, lambda members: members.update(features=members["features"][:, ::-1])),
    "fewer clips": lambda path: tampered(path, lambda members: members.update(features=members["features"][1:])),
    "pickles": lambda path: tampered(path, lambda members: members.update(key=np.array([{}], object))),
    "all gone": lambda path: shutil.rmtree(path.parent),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
}


def flipped(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def tampered(path, change, sign=False):
    """Kept features with other members; with `sign` their hash is right."""
    with np.load(path, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    change(members)
    if sign:
        content = np.ascontiguousarray(members["features"]).tobytes()
        members["sha256"] = np.array(hashlib.sha256(content).hexdigest())
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=True)


@pytest.mark.parametrize("damage", KEPT_DAMAGE)
def test_kept_features_that_are_damaged_between_a_kill_and_resume_change_nothing(home, place, damage):
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--fold", 0, cwd=place)
    (kept,) = (place / "a.features").iterdir()
    good = kept.read_bytes()
    KEPT_DAMAGE[damage](kept)
    call("cv", "-o", "lbp", "--resume", cwd=place)
    assert files_of(place / "lbp") == files_of(home / "lbp")
    if damage != "a folder":
        assert kept.read_bytes() == good  # made again


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
def test_features_kept_for_one_setting_are_never_taken_for_another(place, kind):
    unfit = {"n_features", "cost"} | (GROUPS["cbp-top"] if kind == "lbp-top" else GROUPS["lbp-top"])
    base = ("--method", kind, "--face-size", 32, *GROUP, *ONE_DESIGN)
    fields = sorted(set(TEXTURE_FIELDS) - unfit)
    variants = {"": (), "face_size": ("--face-size", 34), **{field: said(field) for field in fields}}
    found = {}
    for field, words in variants.items():
        call("cv", "a.npz", *base, *words, "-o", f"with {field}", "--fold", 0, cwd=place)
        found[field] = files_of(place / f"with {field}")
    assert len(list((place / "a.features").iterdir())) == len(variants)
    for field, words in variants.items():
        shutil.rmtree(place / "a.features")
        call("cv", "a.npz", *base, *words, "-o", f"without {field}", "--fold", 0, cwd=place)
        assert files_of(place / f"without {field}") == found[field], field
    answers = {found[field]["fold_0/predictions.csv"] for field in variants}
    assert len(answers) == len(variants)  # each of them is looked at


def test_features_of_a_pack_are_not_those_of_another_of_the_same_name_and_clips(place):
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "first", cwd=place)
    make_pack(place / "a.npz", PEOPLE, seed=9, sequence=8)
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "second", cwd=place)
    shutil.rmtree(place / "a.features")
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "third", cwd=place)
    first, second, third = (files_of(place / name) for name in ("first", "second", "third"))
    assert second == third
    assert first["fold_0/predictions.csv"] != second["fold_0/predictions.csv"]


# Killed and continued


def test_killed_before_any_file_is_named_it_resumes_to_the_same_bytes(home, place, monkeypatch):
    """Every file gets its name from os.replace: before each of them the run is killed, and the kept features taken."""
    replace = os.replace
    names = []

    def counting(source, target):
        names.append(str(target))
        if len(names) == deadly:
            raise KilledError
        replace(source, target)

    monkeypatch.setattr(os, "replace", counting)
    deadly, finished = 0, False
    while not finished:
        deadly += 1
        names.clear()
        try:
            call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", cwd=place)
            finished = True
        except KilledError:
            if deadly % 2 and (place / "a.features").exists():
                shutil.rmtree(place / "a.features")
            call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", "--resume", "--quiet", cwd=place)
        assert files_of(place / "fixed") == files_of(home / "fixed")
        shutil.rmtree(place / "fixed")
    assert deadly == 3 + 1 + 2 * 5 + 1 + 1 - (1 if (place / "a.features").exists() else 0)


def test_the_installed_command_killed_at_random_moments_resumes_to_the_same_bytes(tmp_path):
    """Whatever was running has ended with it."""
    make_pack(tmp_path / "a.npz", PEOPLE, sequence=8)
    words = ("cv", "a.npz", *LBP, "--protocol", "group", "--folds", "3", "-o", "a ñ")
    call(*words, cwd=tmp_path)
    whole = files_of(tmp_path / "a ñ")
    shutil.rmtree(tmp_path / "a ñ")
    shutil.rmtree(tmp_path / "a.features")
    for jobs, pause_s in ((2, random.uniform(0, 2)), (1, random.uniform(0, 3))):
        process = subprocess.Popen([*COMMAND, *words, "-q", "--resume", "--jobs", str(jobs)], cwd=tmp_path)
        while not (tmp_path / "a ñ/config.json").exists():  # the second finds it there
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(pause_s)
        children = descendants(process.pid)
        process.kill()
        process.wait()
        end = time.monotonic() + 30
        while any(Path(f"/proc/{child}").exists() and not zombie(child) for child in children):
            assert time.monotonic() < end, f"outlived by a child after {pause_s} s"
            time.sleep(0.05)
    run(*words, "--resume", "--jobs", 2, cwd=tmp_path)
    assert files_of(tmp_path / "a ñ") == whole


def test_resume_takes_the_settings_of_the_run_and_no_others(copies):
    folder = copies / "fixed"
    (folder / "fold_1/done.json").unlink()
    for words, text in (
        (("--method", "cbp-top"), "method: 'cbp-top' here, 'lbp-top' there"),
        (("--method", "network"), "method: 'network' here, 'lbp-top' there"),
        (("--cost", "11"), "cost: '11' here, '10' there"),
        (("--points", "8"), "points: 8 here, 4 there"),
        (("--balance",), "balance: True here, False there"),
        (("--epochs", "3"), "epochs: 3 here, 30 there"),
    ):
        line = refusal("cv", "-o", "fixed", "--resume", *words, cwd=copies, code=2)
        assert text in line
    before = files_of(copies / "lbp")
    call("cv", "-o", "fixed", "--resume", "--method", "lbp-top", "--points", "4", "--cost", "10", cwd=copies)
    assert (folder / "fold_1/done.json").exists()
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--resume", cwd=copies)
    assert files_of(copies / "lbp") == before


@pytest.mark.parametrize("option", ["--cost", "--n-features", "--grid"])
def test_resume_refuses_auto_where_the_run_has_a_value(copies, option):
    """As it refuses every other value than the run's."""
    line = refusal("cv", "-o", "fixed", "--resume", option, "auto", cwd=copies, code=2)
    assert f"{option[2:].replace('-', '_')}: 'auto' here" in line


def test_a_finished_run_is_shown_again_without_work_also_where_its_pack_is_gone(copies):
    """As one of a network is."""
    expected = call("report", "lbp", cwd=copies).stdout
    shutil.rmtree(copies / "a.features")
    assert call("cv", "-o", "lbp", "--resume", cwd=copies).stdout == expected
    assert not (copies / "a.features").exists()  # nothing was to do
    (copies / "a.npz").unlink()
    assert call("cv", "-o", "lbp", "--resume", cwd=copies).stdout == expected


def test_a_pack_that_moved_is_named_again(home, place):
    (place / "there").mkdir()
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--fold", 1, cwd=place)
    (place / "a.npz").rename(place / "there/b c.npz")
    line = refusal("cv", "-o", "lbp", "--resume", cwd=place, code=1)
    assert line == f"Error: {place / 'a.npz'}: cannot be read: no such file or directory"
    call("cv", place / "there/b c.npz", "-o", place / "lbp", "--resume", cwd="/")
    assert (place / "there/b c.features").is_dir()
    ours, others = files_of(place / "lbp"), files_of(home / "lbp")
    changed = [name for name in others if ours[name] != others[name]]
    assert changed == ["config.json"]
    assert json.loads(ours["config.json"])["packs"][0]["path"] == "../there/b c.npz"
    make_pack(place / "there/b c.npz", PEOPLE, seed=3, sequence=8)
    (place / "lbp/fold_0/done.json").unlink()
    line = refusal("cv", "-o", "lbp", "--resume", cwd=place, code=1)
    assert f"b c.npz: changed since {'lbp'} was begun" in line


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
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "--balance", "-o", "even", cwd=place)
    plain, even = (
        np.array([list(map(float, row)) for row in probabilities(folder / "fold_0/predictions.csv").values()]).mean(0)
        for folder in (home / "fixed", place / "even")
    )
    assert even[0] < plain[0]  # fear is twice as frequent as each other class
    assert "balance True" in call("report", "even", cwd=place).stdout


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


# What they learn


def test_a_moving_texture_that_tells_the_classes_apart_is_recognised_on_other_people(tmp_path):
    people = {f"p{n}": ["fear", "joy", "rage", "calm"] for n in range(8)}
    make_pack(tmp_path / "a.npz", people, sequence=8, signal=True)
    call("cv", "a.npz", *LBP, *GROUP, "-o", "run", cwd=tmp_path)
    found = load_run(tmp_path / "run")
    assert found.metrics["majority"] == 0.25
    assert found.metrics["accuracy"] > 0.9
    assert "Better than always predicting" in call("report", "run", cwd=tmp_path).stdout
    for fold in range(2):  # it shows in the planes of time
        counts = Counter()
        for planes in done_of(tmp_path / "run", fold)["design"]["places"].values():
            counts.update(planes)
        assert counts["XT"] + counts["YT"] > 4 * counts["XY"]
    # One still frame, over and over, tells nothing.
    pack = load_pack(tmp_path / "a.npz")
    rows = {name: np.array(getattr(pack, name)) for name in ("dataset", "subject", "emotion", "landmarks")}
    rows["clip"] = np.array(pack.clip_name)
    still = np.repeat(np.array(pack.sequence[:, :1]), 8, axis=1)
    rows |= {"frames": np.array(pack.frames), "sequence": still}
    rows |= {name: np.full(len(pack.ids), k) for k, name in enumerate(("onset", "middle", "apex", "offset"))}
    save_pack(tmp_path / "still.npz", rows, {"settings": {}})
    call("cv", "still.npz", *LBP, *GROUP, "-o", "still", cwd=tmp_path)
    assert load_run(tmp_path / "still").metrics["accuracy"] < 0.5


def test_one_moving_region_is_found_where_it_moves(tmp_path):
    """Only the lower right quarter tells the classes apart; the selected features of the first fold lie there."""
    make_pack(tmp_path / "a.npz", {f"p{n}": ["calm", "fear", "joy", "rage"] for n in range(6)}, sequence=8, signal=True)
    call(
        "cv",
        "a.npz",
        *LBP,
        "--n-features",
        8,
        "--cost",
        10,
        *GROUP,
        "--classes",
        "calm,rage",
        "-o",
        "run",
        cwd=tmp_path,
    )
    assert load_run(tmp_path / "run").metrics["accuracy"] > 0.9
    places = done_of(tmp_path / "run")["design"]["places"]
    moving = sum(places["block 1,1"].values()) + sum(places["block 2,2"].values())  # of calm and of rage
    assert moving == 8


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
def test_labels_that_are_pure_chance_are_not_recognised(tmp_path, kind):
    generator = random.Random(0)
    people = {f"p{n}": [generator.choice(["fear", "joy"]) for _ in range(6)] for n in range(10)}
    make_pack(tmp_path / "a.npz", people, sequence=8)
    call("cv", "a.npz", "--method", kind, *SIZE, "--protocol", "group", "-o", "run", cwd=tmp_path)
    found = load_run(tmp_path / "run")
    low, high = found.wilson_ci
    assert low <= found.metrics["majority"] <= high
    assert "not distinguishable from always predicting" in flat(call("report", "run", cwd=tmp_path).stdout)


@pytest.mark.parametrize("options", [(), ONE_DESIGN, ("--balance", "--cost", "10")], ids=["auto", "fixed", "balanced"])
def test_the_labels_of_the_test_clips_have_no_say_in_their_predictions(place, options):
    """Another pack with the same frames, in which the clips of fold 0 have each other's labels."""
    other = {**PEOPLE, "p0": ["rage", "fear", "joy"], "p1": ["joy", "fear", "fear", "rage"]}
    make_pack(place / "b.npz", other, sequence=8)
    one, two = (load_pack(place / f"{name}.npz") for name in "ab")
    assert np.array_equal(one.sequence, two.sequence)
    changed = [name for name, a, b in zip(one.ids, one.emotion, two.emotion, strict=True) if a != b]
    assert len(changed) == 7
    assert {name.split("/")[1] for name in changed} == {"p0", "p1"}
    folds = "".join(f"{name},{int(name.split('/')[1] not in ('p0', 'p1'))}\n" for name in one.ids)
    (place / "own.csv").write_text(f"clip,fold\n{folds}")
    for name in "ab":
        call("cv", f"{name}.npz", *LBP, *options, "--folds-file", "own.csv", "-o", name, cwd=place)
    first, second = (files_of(place / name) for name in "ab")
    assert set(probabilities(place / "a/fold_0/predictions.csv")) == set(changed)
    assert probabilities(place / "a/fold_0/predictions.csv") == probabilities(place / "b/fold_0/predictions.csv")
    for name in ("classifier.npz", "inner.csv", "selection.csv"):
        assert first[f"fold_0/{name}"] == second[f"fold_0/{name}"]
    # Where they are in the training part, they have.
    assert probabilities(place / "a/fold_1/predictions.csv") != probabilities(place / "b/fold_1/predictions.csv")


def test_the_pictures_of_the_test_clips_have_no_say_in_the_classifier(place):
    """Nor in means, deviations, ratios or the choice of the design."""
    pack = load_pack(place / "a.npz")
    names = ("dataset", "subject", "emotion", "landmarks", "frames")
    rows = {name: np.array(getattr(pack, name)) for name in names} | {"clip": np.array(pack.clip_name)}
    rows |= {name: np.full(len(pack.ids), k) for k, name in enumerate(("onset", "middle", "apex", "offset"))}
    sequence = np.array(pack.sequence)
    tested = np.isin(rows["subject"], ["p0", "p1"])
    sequence[tested] //= 8
    save_pack(place / "b.npz", {**rows, "sequence": sequence}, {"settings": {}})
    folds = "".join(
        f"{name},{int(who not in ('p0', 'p1'))}\n" for name, who in zip(pack.ids, pack.subject, strict=True)
    )
    (place / "own.csv").write_text(f"clip,fold\n{folds}")
    for name in "ab":
        call("cv", f"{name}.npz", *CBP, "--folds-file", "own.csv", "-o", name, cwd=place)
    first, second = (files_of(place / name) for name in "ab")
    for name in ("classifier.npz", "inner.csv", "selection.csv"):
        assert first[f"fold_0/{name}"] == second[f"fold_0/{name}"]
        assert first[f"fold_1/{name}"] != second[f"fold_1/{name}"]
    assert first["fold_0/predictions.csv"] != second["fold_0/predictions.csv"]


# Refusals


def words_of(field):
    """Every way to ask for a setting, also for its usual value."""
    ways = []
    for option in main.commands["cv"].params:
        if option.name != field:
            continue
        if option.is_flag:
            ways += [(name,) for name in (*option.opts, *option.secondary_opts)]
        elif hasattr(option.type, "choices"):
            ways += [(option.opts[0], choice) for choice in option.type.choices if choice != "auto"]
        else:
            usual = getattr(Settings(), field)
            ways.append((option.opts[0], "1" if usual == "auto" else str(usual)))
    assert ways, field
    return ways


def test_every_setting_is_of_networks_or_of_textures_or_of_all():
    shared = {"classes", "region", "tile", "face_size", "balance", "method", "protocol", "folds", "split_seed"}
    shared |= {"repeats", "new_splits", "threads"}
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == shared | {"fuse_weights"} | set(TEXTURE_FIELDS) | set(NETWORK_FIELDS)
    assert not set(TEXTURE_FIELDS) & set(NETWORK_FIELDS)
    assert fields <= set(COMMANDS)


@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["begun", "begun with --resume"])
@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
@pytest.mark.parametrize("field", NETWORK_FIELDS)
def test_no_option_of_networks_goes_with_texture_features(place, field, kind, resume):
    for words in words_of(field):
        line = refusal("cv", "a.npz", "--method", kind, *words, *resume, "-o", "new", cwd=place, code=2)
        assert line == f"Error: {config.option_name(field)}: means nothing for --method {kind}; leave it out"
    assert [path.name for path in place.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["begun", "begun with --resume"])
@pytest.mark.parametrize("kind", [(), ("--method", "network")], ids=["plain", "network"])
@pytest.mark.parametrize("field", [*TEXTURE_FIELDS, "fuse_weights"])
def test_no_option_of_textures_goes_with_networks(place, field, kind, resume):
    for words in words_of(field):
        line = refusal("cv", "a.npz", *kind, *words, *resume, "-o", "new", cwd=place, code=2)
        takers = [kind for kind in ("lbp-top", "cbp-top") if field in GROUPS["texture"] | GROUPS[kind]]
        where = "--fuse" if field == "fuse_weights" else f"--method {' or '.join(takers)}"
        assert line == f"Error: {config.option_name(field)}: goes with {where}"
    assert [path.name for path in place.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("lbp-top", name) for name in sorted(GROUPS["cbp-top"])]
    + [("cbp-top", name) for name in sorted(GROUPS["lbp-top"])],
)
def test_no_option_of_one_code_goes_with_the_other(place, kind, field):
    for words in words_of(field):
        line = refusal("cv", "a.npz", "--method", kind, *words, "-o", "new", cwd=place, code=2)
        assert line == f"Error: {config.option_name(field)}: means nothing for --method {kind}; leave it out"


def test_several_options_that_do_not_fit_are_named_at_once(place):
    line = refusal("cv", "a.npz", *LBP, "--abn", "--lr", "0.1", "--signed", cwd=place, code=2)
    assert line == "Error: --abn, --lr, --signed: means nothing for --method lbp-top; leave it out"


REFUSED = [
    (("--init", "x"), 2, "--init: --method lbp-top has no network; leave it out"),
    (("--show-input", "x.png"), 2, "--show-input: draws what a network sees; leave out --method lbp-top"),
    (("--select", "inner"), 2, "--select: means nothing for --method lbp-top; leave it out"),
    (("--radii", "1,2"), 2, "--radii: expected three numbers of 1 to 64 for x,y,t, got '1,2'"),
    (("--radii", "0,1,1"), 2, "--radii: expected three numbers of 1 to 64 for x,y,t, got '0,1,1'"),
    (("--radii", "1,1,65"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", "1,1,1,1"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", "1;1;1"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", "-1,1,1"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", "1.5,1,1"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", "²,1,1"), 2, "--radii: expected three numbers of 1 to 64"),
    (("--radii", ""), 2, "--radii: expected three numbers of 1 to 64"),
    (
        ("--radii", "16,1,1"),
        2,
        "--radii: a radius of 16 px does not fit into a picture of 32 px; choose a smaller one or a larger",
    ),
    (("--radii", "1,16,1"), 2, "--radii: a radius of 16 px does not fit into a picture of 32 px"),
    (("--radii", "1,1,3"), 2, "--length: 6 frames hold no circle of radius 3; expected at least 7, or a smaller third"),
    (("--length", "4"), 2, "--length: 4 frames hold no circle of radius 2; expected at least 5"),
    (("--length", "-1"), 2, "--length: expected 0 to 1000, got -1"),
    (("--length", "1001"), 2, "--length: expected 0 to 1000, got 1001"),
    (("--length", "0", "--radii", "1,1,4"), 1, "a.npz: its sequence of 8 frames holds no circle of radius 4 in time"),
    (("--grid", "2,2"), 2, "--grid: expected three numbers of 1 to 64 for x,y,t, got '2,2'"),
    (("--grid", "0,1,1"), 2, "--grid: expected three numbers of 1 to 64"),
    (("--grid", "all"), 2, "--grid: expected three numbers of 1 to 64"),
    (("--grid", "33,1,1"), 2, "--grid: more blocks than frames or pixels: clips have 6 frames of 32 x 32 px"),
    (("--grid", "1,33,1"), 2, "--grid: more blocks than there are frames or pixels"),
    (("--grid", "1,1,7"), 2, "--grid: more blocks than there are frames or pixels"),
    (("--n-features", "0"), 2, "--n-features: expected a number from 1, all or auto, got '0'"),
    (("--n-features", "-3"), 2, "--n-features: expected a number from 1, all or auto, got '-3'"),
    (("--n-features", "some"), 2, "--n-features: expected a number from 1, all or auto, got 'some'"),
    (("--n-features", "1.5"), 2, "--n-features: expected a number from 1, all or auto"),
    (("--n-features", "²"), 2, "--n-features: expected a number from 1, all or auto"),
    (("--n-features", "181"), 2, "--n-features: expected at most 180, the features that these settings give"),
    (("--cost", "0"), 2, "--cost: expected a number above 0 and up to 1e9, or auto, got '0'"),
    (("--cost", "-1"), 2, "--cost: expected a number above 0 and up to 1e9"),
    (("--cost", "nan"), 2, "--cost: expected a number above 0 and up to 1e9"),
    (("--cost", "inf"), 2, "--cost: expected a number above 0 and up to 1e9"),
    (("--cost", "2e9"), 2, "--cost: expected a number above 0 and up to 1e9"),
    (("--cost", "much"), 2, "--cost: expected a number above 0 and up to 1e9"),
    (("--points", "5"), 2, "Invalid value for '--points': '5' is not one of '4', '8', '16'."),
    (("--method", "fusion"), 2, "Invalid value for '--method': 'fusion' is not one of"),
    (("--repeats", "2"), 2, "--repeats: lbp-top has no chance in it but the folds; add --new-splits"),
    (("--new-splits",), 2, "--new-splits: of repeats; add --repeats 5"),
    (("--fold", "5"), 2, "--fold: expected 0 to 4, got 5"),
    (("--folds", "9", "--protocol", "group"), 1, "6 subjects cannot fill 9 disjoint folds; try --folds 6"),
    (("--classes", "fear"), 2, "--classes: expected at least two classes, got 'fear'"),
    (("--plan", "--jobs", "2"), 2, "--plan: trains nothing; leave out --fold, --repeat and --jobs"),
]


@pytest.mark.parametrize(("words", "code", "text"), REFUSED, ids=[" ".join(words)[:40] for words, _, _ in REFUSED])
def test_nonsense_is_one_line_and_leaves_nothing_behind(place, words, code, text):
    line = refusal("cv", "a.npz", *LBP, *words, "-o", "new", cwd=place, code=code)
    assert text in line
    assert len(line) < 250
    assert [path.name for path in place.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("option", ["--radii", "--grid", "--n-features", "--cost"])
def test_a_long_value_does_not_drown_the_message(place, option):
    line = refusal("cv", "a.npz", *LBP, option, "9" * 5000, "-o", "new", cwd=place, code=2)
    assert line.startswith(f"Error: {option}: expected ")
    assert len(line) < 250


def test_packs_without_frames_between_onset_and_offset_are_refused(place):
    make_pack(place / "b.npz", PEOPLE, "other")
    line = refusal("cv", "a.npz", "b.npz", *LBP, "-o", "new", cwd=place, code=1)
    assert line == (
        "Error: b.npz: has no sequence of frames, which texture features need; extract it again with --sequence 20"
    )
    make_pack(place / "b.npz", PEOPLE, "other", sequence=3)
    line = refusal("cv", "a.npz", "b.npz", *LBP, "--length", 0, "-o", "new", cwd=place, code=1)
    assert line == (
        "Error: b.npz: its sequence of 3 frames holds no circle of radius 2 in time; choose a --length of at least 5, "
        "or extract it with a longer --sequence"
    )
    call("cv", "a.npz", "b.npz", *LBP, "--length", 0, "--radii", "1,1,1", "-o", "new", "--plan", cwd=place)


def test_features_that_do_not_fit_into_memory_are_refused_before_they_are_computed(place, monkeypatch):
    monkeypatch.setattr(texture, "_MAX_BYTES", 21 * 180 * 4)
    call("cv", "a.npz", *LBP, "-o", "fits", "--plan", cwd=place)
    monkeypatch.setattr(texture, "_MAX_BYTES", 21 * 180 * 4 - 1)
    line = refusal("cv", "a.npz", *LBP, "-o", "new", cwd=place, code=1)
    assert line == (
        "Error: a.npz: 180 features per clip for 21 clips do not fit into memory; choose fewer --points, --mapping u2 "
        "or a smaller --grid"
    )
    assert not (place / "new").exists()


def test_train_has_no_texture_features(place):
    for words in (("--method", "lbp-top"), ("--cost", "3"), ("--fuse",), ("--fuse-weights", "fitted")):
        done = call("train", "a.npz", *words, "-o", "new", cwd=place, code=2)
        assert f"Error: No such option '{words[0]}'" in done.stderr.splitlines()[-1]
    assert not (place / "new").exists()


def test_to_ask_for_the_network_is_to_ask_for_nothing(place):
    for name, words in (("plain", ()), ("network", ("--method", "network"))):
        call("cv", "a.npz", *SMALL, *GROUP, *words, "-o", name, "--plan", cwd=place)
    assert files_of(place / "plain") == files_of(place / "network")


@pytest.mark.parametrize("protocol", [("loso",), ("group", "--folds", 2)], ids=lambda words: words[0])
def test_a_training_part_of_one_person_leaves_nothing_to_choose_on_and_nothing_behind(tmp_path, protocol):
    make_pack(tmp_path / "a.npz", {"p0": ["fear", "joy", "joy"], "p1": ["fear", "joy", "fear"]}, sequence=8)
    words = ("cv", "a.npz", *LBP, "--protocol", *protocol, "-o", "run")
    line = refusal(*words, cwd=tmp_path, code=1)
    assert "inner validation: a training part holds the clips of 1 person; it needs two or more" in line
    assert not (tmp_path / "run").exists()  # as with --select inner
    call(*words, *ONE_DESIGN, cwd=tmp_path)
    assert {path.name for path in (tmp_path / "run/fold_0").iterdir()} == FOLD - {"inner.csv", "selection.csv"}
    assert [check.name for check in audit_run(tmp_path / "run") if check.verdict == FAIL] == []
    text = flat(call("report", "run", cwd=tmp_path).stdout)
    assert "Features of highest Fisher ratio and the classifier are of the training part alone (24, 24 of 180" in text


def test_people_with_one_class_each_do_not_end_the_run(tmp_path):
    """Without its only person of a class an inner training part may hold a single class."""
    people = {"p0": ["fear"] * 3, "p1": ["fear"] * 3, "p2": ["joy"] * 3, "p3": ["joy"] * 3, "p4": ["fear", "joy"]}
    make_pack(tmp_path / "a.npz", people, sequence=8)
    done = call("cv", "a.npz", *LBP, "--protocol", "loso", "-o", "run", cwd=tmp_path)
    assert "hits/N" in done.stdout
    make_pack(tmp_path / "b.npz", {"p0": ["fear"] * 3, "p1": ["fear"] * 3, "p2": ["joy"] * 3}, sequence=8)
    done = CliRunner().invoke(
        main, ["cv", str(tmp_path / "b.npz"), *LBP, "--protocol", "loso", "-o", str(tmp_path / "b")]
    )
    assert isinstance(done.exception, SystemExit | None)
    if done.exit_code:  # in fold 2 there is one class to learn: then a line that names it, before anything is written
        assert not (tmp_path / "b").exists()


# Predict and report


def test_predict_is_the_mean_of_the_classifiers(home, place):
    make_pack(place / "new ü.npz", {"q0": ["joy", "rage"], "q1": ["disgust", "fear"]}, "other", seed=5, sequence=6)
    for name in ("lbp", "cbp"):
        done = call("predict", home / name, "new ü.npz", cwd=place)
        assert done.stderr == ""
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert [row["clip"] for row in rows] == list(load_pack(place / "new ü.npz").ids)
        assert [row["truth"] for row in rows] == ["joy", "rage", "", "fear"]
        assert {row["fold"] for row in rows} == {""}
        pack = load_pack(place / "new ü.npz")
        samples = Samples((pack,), np.array([(0, k) for k in range(4)]), pack.ids, np.zeros(4, int), ())
        features = features_of(samples, RunConfig.read(home / name).settings, use_cache=False)
        parts = [Classifier.load(home / name / f"fold_{k}/classifier.npz").predict(features) for k in range(2)]
        found = np.array([[float(row[f"p_{kind}"]) for kind in ("fear", "joy", "rage")] for row in rows])
        np.testing.assert_allclose(found, np.mean(parts, 0), atol=1e-6)
    done = call("predict", home / "lbp", "a.npz", "-o", "out.csv", cwd=place)
    assert f"21 of 21 clips were used to train {home / 'lbp'}" in done.stderr
    make_pack(place / "none.npz", {"q0": ["joy"]})
    assert "none.npz: has no sequence of frames" in refusal("predict", home / "lbp", "none.npz", cwd=place, code=1)
    (place / "lbp").mkdir()
    for file in ("config.json", "folds.json"):
        shutil.copy(home / "lbp" / file, place / "lbp")
    line = refusal("predict", "lbp", "a.npz", cwd=place, code=1)
    assert line == 'Error: lbp: not finished, no fold_0/classifier.npz; run "mertool cv -o lbp --resume"'


def page_of(folder, *words):
    """The words of a page, without pictures and markup."""
    source = call("report", *words, "--format", "html", cwd=folder).stdout
    source = re.sub(r"<style>.*?</style>", "", source, flags=re.DOTALL)
    return flat(html.unescape(re.sub("<[^>]+>", " ", source)))


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_the_page_of_a_texture_run_shows_the_selection_and_nothing_of_networks(home, name):
    page = page_of(home, name)
    selected = bool(load_run(home / name).selected_shares())  # a fold may have chosen all features
    assert selected or name == "cbp"
    assert ("Selected features of each block, mean of folds, %" in page) == selected
    assert ("Where the selected features are" in page) == selected
    assert ("block 2,2" in page) == selected
    assert f"face, {'CBP' if name == 'cbp' else 'LBP'}-TOP, P 4, R 1,1,2, 6 frames (tim)" in page
    assert "pass classifiers no classifier has seen a clip of its test part" in page
    for word in ("Learning curves", "None", "nan", "epoch", "recipe", "log.csv", "modern"):
        assert not re.search(rf"\b{word}\b", page), word


@pytest.mark.parametrize("name", ["lbp", "cbp"])
def test_the_page_of_a_texture_run_explains_no_networks(home, name):
    assert not re.search("network|attention", page_of(home, name))


def test_all_features_need_no_table_of_the_selected_ones(place):
    done = call("cv", "a.npz", *LBP, "--n-features", "all", "--cost", 10, *GROUP, "-o", "all", cwd=place)
    assert "Selected" not in done.stdout
    assert "all features" in done.stdout
    assert "Where the selected features are" not in page_of(place, "all")


def test_networks_and_textures_compare_clip_by_clip(copies):
    call("cv", "a.npz", *SMALL, "--epochs", 1, *GROUP, "-o", "net", cwd=copies)
    text = call("report", "net", "lbp", "cbp", cwd=copies).stdout
    assert "Compared with net clip by clip: exact McNemar test" in text
    rows = [line for line in text.splitlines() if re.match(r"(net|lbp|cbp) ", line)]
    assert [row.split()[0] for row in rows] == ["net", "lbp", "cbp", "lbp", "cbp"]
    assert "group, face, 3 frames, modern" in rows[0]
    assert "group, face, LBP-TOP, P 4, R 1,1,2, 6 frames (tim), selection" in rows[1]
    hits = {name: load_run(copies / name).metrics["hits"] for name in ("net", "lbp")}
    only, other = map(int, rows[3].split()[1:3])
    assert only - other == hits["lbp"] - hits["net"]
    assert "different folds" not in text
    page = page_of(copies, "net", "lbp", "cbp")
    for word in ("Learning curves", "Settings that differ", "Selected features of each block"):
        assert word in page
    assert page.count("Learning curves") == 1
    assert "None of these runs differs significantly" in page or "Significantly different from" in page


def test_settings_that_differ_are_those_that_a_run_has(copies):
    """A texture run has no epochs and no width, whatever config.json says."""
    call("cv", "a.npz", *SMALL, "--epochs", 2, *GROUP, "-o", "net", cwd=copies)
    source = call("report", "net", "lbp", "--format", "html", cwd=copies).stdout
    section = source[source.index('<section id="settings">') :]
    section = section[: section.index("</section>")]
    head = [html.unescape(cell) for cell in re.findall(r"<th scope=.col.[^>]*>([^<]*)</th>", section)]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", section)[1:]]
    found = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert found["net"]["method"] == "network"
    assert found["lbp"]["method"] == "lbp-top"
    assert {found["lbp"].get(name, "-") for name in ("epochs", "width", "lr", "copies")} == {"-"}


def test_json_and_csv_have_what_was_chosen(home):
    values = json.loads(call("report", "lbp", "--format", "json", cwd=home).stdout)["runs"][0]
    assert values["designs"] == [done_of(home / "lbp", fold)["design"] for fold in range(2)]
    assert (values["members"], values["weights"], values["epochs"]) == ([], [], [])
    assert values["settings"]["method"] == "lbp-top"
    (row,) = csv.DictReader(call("report", "lbp", "--format", "csv", cwd=home).stdout.splitlines())
    assert (row["method"], row["n_features"], row["cost"], row["points"]) == ("lbp-top", "auto", "auto", "4")
    assert "None" not in row.values()


def test_a_line_of_csv_says_which_designs_were_chosen(home):
    (row,) = csv.DictReader(call("report", "lbp", "--format", "csv", cwd=home).stdout.splitlines())
    assert str(done_of(home / "lbp")["design"]["features"]) in row["designs"]


@pytest.mark.parametrize("style", ["text", "md", "latex", "csv", "json", "html"])
@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_every_format_of_the_report(home, tmp_path, name, style):
    done = call("report", name, "--format", style, "--no-faces" if style == "html" else "-q", cwd=home)
    text = done.stdout
    kind = "cbp" if name == "cbp" else "lbp"
    assert f"{kind}-top" in text.lower()
    assert not re.search(r"\bNone\b|\bnan\b", text)
    if style in ("text", "md", "latex", "html"):
        said = (
            "is of the training part alone" if name == "fixed" else "are chosen by cross-validation over whole people"
        )
        assert said.replace("is of", "are of") in flat(text)
    call("report", name, "--format", style, "-o", tmp_path, cwd=home)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_papers_tables_leave_texture_runs_out_by_name(copies):
    call("cv", "a.npz", *SMALL, "--epochs", 1, *GROUP, "-o", "net", cwd=copies)
    done = call("report", "net", "lbp", "--tables", "paper", cwd=copies)
    assert "lbp (the tables are about networks, not lbp-top)" in flat(done.stdout)
    for style in ("csv", "json"):
        done = call("report", "net", "lbp", "--tables", "paper", "--format", style, cwd=copies)
        assert done.stderr == "mertool: lbp: left out, the tables are about networks, not lbp-top\n"


def test_what_only_networks_have_is_one_line(home, place):
    line = refusal("report", "lbp", "--maps", place / "x.png", cwd=home, code=1)
    assert line.startswith("Error: lbp: ")
    assert not (place / "x.png").exists()
    line = refusal("cv", "a.npz", *SMALL, "--init", home / "lbp", "-o", "x", cwd=place, code=1)
    assert line.startswith(f"Error: {home / 'lbp'}: no weights for --init")


# The audit


def sign_again(folder, **more):
    """What somebody would do who knows how the hashes are made."""
    for part in sorted(folder.glob("fold_*")):
        done = json.loads((part / "done.json").read_text())
        done["sha256"] = {name: file_sha256(part / name) for name in done["sha256"]}
        done["run"] = fingerprint(folder)
        write_json(part / "done.json", {**done, **more})


def verdicts(folder):
    return {check.name: (check.verdict, check.detail) for check in audit_run(folder)}


def faults(folder):
    """The names of the checks that fail, without a word of the classifiers that did not change."""
    return [name for name, (verdict, _) in verdicts(folder).items() if verdict == FAIL]


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_the_audit_of_an_honest_run_passes(home, name):
    found = {check: verdict for check, (verdict, _) in verdicts(home / name).items()}
    assert found == {
        "files": PASS,
        "predictions": PASS,
        "subjects": PASS,
        "initial weights": PASS,
        "classifiers": PASS,
        "pictures": PASS,
        "statistics": PASS,
        "key frames": NOTE,
    }
    done = call("report", "--audit", name, cwd=home)
    assert "pass  classifiers      no classifier has seen a clip of its test part" in done.stdout


@pytest.mark.parametrize("cost", ["0.123456789", "12345678.9", "1e-9", "1e9", "1e-300"])
def test_the_audit_of_an_honest_run_passes_whatever_its_cost(place, cost):
    call("cv", "a.npz", *LBP, "--cost", cost, *GROUP, "-o", "run", cwd=place)
    assert faults(place / "run") == []


def edit_predictions(path):
    """Another answer of one clip, consistently."""
    rows = list(csv.reader(path.read_text().splitlines()))
    header, row = rows[0], rows[1]
    values = [*row[7:], row[6]]
    row[6:] = values
    row[5] = header[6 + max(range(len(values)), key=lambda k: float(values[k]))][2:]
    path.write_text("\n".join(",".join(cells) for cells in rows) + "\n")


def test_edited_predictions_are_found(copies):
    edit_predictions(copies / "lbp/fold_1/predictions.csv")
    assert faults(copies / "lbp") == ["files", "classifiers"]
    assert "fold_1/predictions.csv" in verdicts(copies / "lbp")["files"][1]
    assert "changed since it was made: fold_1/predictions.csv" in flat(call("report", "lbp", cwd=copies).stdout)
    sign_again(copies / "lbp")
    assert verdicts(copies / "lbp")["files"][0] == PASS
    verdict, detail = verdicts(copies / "lbp")["classifiers"]
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
    verdict, detail = verdicts(folder)["classifiers"]
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
    verdict, detail = verdicts(copies / "lbp")["classifiers"]
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
    verdict, detail = verdicts(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its hyperparameters are not the best over its inner folds" in detail


def test_a_selection_that_was_edited_together_with_its_classifier_is_found(copies):
    samples, features, tested, classifier = other_design(copies / "lbp")
    write_fold(copies / "lbp", samples, features, tested, classifier)
    edit_selection(copies / "lbp/fold_0/selection.csv", classifier.hyperparameters, "0.999999")
    sign_again(copies / "lbp")
    verdict, detail = verdicts(copies / "lbp")["classifiers"]
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
    assert faults(copies / "lbp") == ["classifiers"]


def test_a_selection_without_the_designs_that_would_have_won_is_found(copies):
    forged_choice(copies / "lbp")
    path = copies / "lbp/fold_0/selection.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines[1:] if line.endswith(",1"))]) + "\n")
    sign_again(copies / "lbp")
    assert faults(copies / "lbp") == ["classifiers"]


def test_a_design_other_than_the_settings_say_is_found(copies):
    """A run that was to have 24 features and C 10 has a hundred and C 1000, in all its files."""
    folder = copies / "fixed"
    samples, features, training, tested = of_run(folder)
    settings = dataclasses.replace(RunConfig.read(folder).settings, n_features="100", cost="1000")
    classify_fold(samples, features, training, tested, 0, texture_files(folder / "fold_0"), settings)
    sign_again(folder)
    assert faults(folder) == ["classifiers"]


def test_edited_inner_predictions_are_found(copies):
    edit_predictions(copies / "lbp/fold_0/inner.csv")
    assert faults(copies / "lbp") == ["files", "classifiers"]
    sign_again(copies / "lbp")
    verdict, detail = verdicts(copies / "lbp")["classifiers"]
    assert verdict == FAIL
    assert "fold 0: its inner predictions do not give the scores in its selection.csv" in detail


def test_inner_predictions_of_other_clips_are_found(copies):
    path = copies / "lbp/fold_0/inner.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    sign_again(copies / "lbp")
    assert (
        "fold 0: its inner predictions are for other clips than the training part"
        in (verdicts(copies / "lbp")["classifiers"][1])
    )


@pytest.mark.parametrize("name", ["classifier.npz", "inner.csv", "selection.csv"])
def test_a_file_that_is_gone_is_found(copies, name):
    (copies / "lbp/fold_1" / name).unlink()
    assert f"fold_1/{name} (gone)" in verdicts(copies / "lbp")["files"][1]
    done = done_of(copies / "lbp", 1)
    del done["sha256"][name]
    write_json(copies / "lbp/fold_1/done.json", done)
    found = verdicts(copies / "lbp")
    assert (found["files"][0], found["classifiers"][0]) == (PASS, FAIL)


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


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("what", odd_members(Classifier(Hyperparameters(1, 1), *[np.zeros((3, 3))] * 5, ())))
def test_an_odd_classifier_fails_the_audit_and_predicts_nothing_wrong(copies, what):
    folder = copies / "lbp"
    planted(folder, **odd_members(Classifier.load(folder / "fold_0/classifier.npz"))[what])
    found = verdicts(folder)
    assert (found["files"][0], found["classifiers"][0]) == (PASS, FAIL)
    if what not in ("clips that it has not seen", "an infinite cost", "an infinite intercept"):
        assert refusal("predict", "lbp", "a.npz", cwd=copies, code=1).startswith("Error: ")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"dear reader" * 100])
def test_a_damaged_classifier_is_one_line(copies, data):
    path = copies / "lbp/fold_0/classifier.npz"
    path.write_bytes(data)
    line = refusal("predict", "lbp", "a.npz", cwd=copies, code=1)
    assert line == "Error: lbp/fold_0/classifier.npz: damaged; expected a texture classifier of mertool"
    assert verdicts(copies / "lbp")["classifiers"][0] == FAIL
    gc.collect()  # a file that was left open is this test's


@pytest.mark.parametrize(
    "text", ["", "features,cost\n1,2\n", "features,cost,uf1_validation,loss_validation,chosen\nx,1,1,1,1\n"]
)
def test_a_damaged_selection_is_one_line(copies, text):
    (copies / "lbp/fold_0/selection.csv").write_text(text)
    assert verdicts(copies / "lbp")["classifiers"][0] == FAIL


@pytest.mark.parametrize("key", ["features", "of", "cost", "places"])
def test_a_design_in_done_json_that_is_not_the_classifiers_is_found(copies, key):
    """It is what the report shows."""
    design = done_of(copies / "lbp")["design"]
    design[key] = {"block 1,1": {"XY": 1, "XT": 2, "YT": 3}} if key == "places" else design[key] + 1
    write_json(copies / "lbp/fold_0/done.json", {**done_of(copies / "lbp"), "design": design})
    assert faults(copies / "lbp") != []


def test_kept_features_that_were_tampered_with_do_not_matter_to_the_audit(copies):
    for path in (copies / "a.features").iterdir():
        tampered(path, lambda members: members.update(features=members["features"][::-1].copy()), sign=True)
    for name in ("lbp", "cbp", "fixed"):
        assert faults(copies / name) == []


def test_a_run_that_was_made_of_forged_features_fails_its_audit(place):
    """Kept features that hold the labels themselves, under the hash of the true ones."""
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "first", cwd=place)
    (kept,) = (place / "a.features").iterdir()
    labels = np.unique(load_pack(place / "a.npz").emotion, return_inverse=True)[1]
    tampered(kept, lambda members: members["features"].__setitem__((..., 0), labels), sign=True)
    call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "second", cwd=place)
    assert load_run(place / "second").metrics["hits"] > load_run(place / "first").metrics["hits"]
    assert faults(place / "first") == []
    assert faults(place / "second") == ["classifiers"]


def test_a_pack_that_changed_or_is_gone_is_said(copies):
    make_pack(copies / "a.npz", PEOPLE, seed=1, sequence=8)
    found = verdicts(copies / "lbp")
    assert found["pack"][0] == FAIL
    assert "so pictures and classifiers were not checked" in found["pack"][1]
    (copies / "a.npz").unlink()
    found = verdicts(copies / "lbp")
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
    assert faults(copies / "lbp") == ["classifiers"]


# Damage


def answer(*words, cwd):
    """What a command says; a failure is a line, never a traceback."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(main, [str(word) for word in words])
    finally:
        os.chdir(before)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.exit_code in (0, 1, 2), done.output
    assert len(lines) == bool(done.exit_code) or "--audit" in words
    assert all(len(line) < 500 for line in lines)
    return done


READERS = (
    ("report",),
    ("report", "--format", "json"),
    ("report", "--format", "csv"),
    ("report", "--format", "html"),
    ("report", "--audit"),
    ("report", "--command"),
)


@pytest.mark.parametrize("place_in", ["design", "features", "of", "cost", "places", "place", "plane"])
def test_a_damaged_done_json_is_never_a_traceback(copies, place_in):
    path = copies / "lbp/fold_1/done.json"
    good = json.loads(path.read_text())
    for value in DAMAGED:
        done = json.loads(json.dumps(good))
        design = done["design"]
        if place_in == "design":
            done["design"] = value
        elif place_in == "place":
            design["places"]["block 1,1"] = value
        elif place_in == "plane":
            design["places"]["block 1,1"]["XT"] = value
        else:
            design[place_in] = value
        for fold in range(2):
            (copies / f"lbp/fold_{fold}/done.json").write_text(json.dumps(done))
        for words in READERS[:3]:
            answer(*words, "lbp", cwd=copies)
    for words in READERS[3:]:
        answer(*words, "lbp", cwd=copies)


@pytest.mark.parametrize("field", sorted({*TEXTURE_FIELDS, "method", "fuse_weights", "threads", "region"}))
def test_a_damaged_setting_is_one_line_wherever_it_is_read(copies, field):
    path = copies / "lbp/config.json"
    good = json.loads(path.read_text())
    for value in (None, ["x"], {}, "no such thing", 10**400, -5, True if field not in ("normalise", "signed") else 1):
        values = json.loads(json.dumps(good))
        values["settings"][field] = value
        path.write_text(json.dumps(values))
        for words in (
            ("report", "lbp"),
            ("report", "--audit", "lbp"),
            ("report", "--command", "lbp"),
            ("predict", "lbp", "a.npz"),
            ("cv", "-o", "lbp", "--resume"),
        ):
            line = refusal(*words, cwd=copies, code=1)
            assert "lbp" in line
            assert config.option_name(field) in line


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"method": "network"}, "a network"),
        ({"method": "cbp-top"}, "the other code"),
        ({"method": "fusion"}, "a fusion of nothing"),
        ({"n_features": "9999"}, "more than there are"),
        ({"grid": "64,64,64"}, "more blocks than pixels"),
        ({"radii": "20,20,1"}, "circles without a place"),
        ({"length": 0, "radii": "1,1,30"}, "circles without a time"),
        ({"region": "roi"}, "regions without landmarks"),
        ({"folds": 7}, "more folds"),
    ],
)
def test_settings_of_another_run_are_never_a_traceback(copies, changes, what):
    path = copies / "lbp/config.json"
    values = json.loads(path.read_text())
    values["settings"] |= changes
    write_json(path, values)
    for words in READERS:
        answer(*words, "lbp", cwd=copies)
    answer("predict", "lbp", "a.npz", cwd=copies)
    (copies / "lbp/fold_0/done.json").unlink()
    answer("cv", "-o", "lbp", "--resume", cwd=copies)


def test_a_texture_run_has_no_attention_maps_to_draw(home, tmp_path):
    line = refusal("report", "lbp", "--maps", tmp_path / "m.png", cwd=home, code=1)
    assert line == "Error: lbp: is a run of lbp-top, which has no attention maps"
