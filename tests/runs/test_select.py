"""`--epoch-selection inner`: the epoch is chosen on people kept out of the training part, and by nothing else."""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import time

import numpy as np
import pytest
import torch

from mertool.clips import subject_key_of_id
from mertool.errors import DataError, UsageError
from mertool.evaluation.folds import Folds
from mertool.evaluation.predictions import Predictions
from mertool.evaluation.protocols import inner_split
from mertool.network import training as engine
from mertool.network.batches import sample_augmentation
from mertool.network.checkpoint import load_weights, save_checkpoint
from mertool.network.prediction import predict
from mertool.network.training import ValidationScores
from mertool.network.training_files import TrainingFiles
from mertool.pack import load_pack
from mertool.report.formats import render_csv, render_json
from mertool.runs.audit import FAIL, PASS, audit_run
from mertool.runs.config import RunConfig, open_samples
from mertool.runs.finished import load_run
from mertool.runs.methods import network as crossval
from mertool.settings import Settings
from tests.support.audits import findings, sign_again
from tests.support.command import COMMAND
from tests.support.in_process import call, in_this_process, refusal
from tests.support.noise import SMALL, make_pack
from tests.support.processes import KilledError, killed
from tests.support.reports import flat
from tests.support.run_folders import resume_if_begun, timeless_log, timeless_record, weights_of, whole_run
from tests.support.trainings import CLASSES, STEPS, fit, log, made_up, same, stopping, tiny

PEOPLE = {f"p{n}": ["fear", "joy", "rage", "fear"][: 3 + n % 2] for n in range(6)}
INNER = ("--epoch-selection", "inner", *SMALL)


pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the pack a.npz: six people, three emotions."""
    folder = tmp_path_factory.mktemp("select é")
    make_pack(folder / "a.npz", PEOPLE)
    return folder


@pytest.fixture(scope="module")
def finished(home):
    """An undisturbed run over two folds of whole people, with an attention branch."""
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", "--abn", *INNER, "--protocol", "group", "--folds", 2, "-o", "finished", cwd=home)
    return home / "finished"


def people_of(ids):
    return {subject_key_of_id(name) for name in ids}


def parts_of(folder, fold):
    """Of a fold: clips of its inner training part, of its inner validation part, and of its test part."""
    folds = Folds.load(folder / "folds.json")
    inner = Predictions.read(folder / f"fold_{fold}" / "inner.csv")
    return set(folds.training(fold)) - set(inner.clip), set(inner.clip), set(folds.tests[fold])


# The parts


@pytest.mark.parametrize("seed", range(8))
def test_the_inner_part_is_other_people_of_the_training_part(seed):
    generator = random.Random(seed)
    ids, labels = [], []
    for person in range(generator.randint(2, 14)):
        dataset = generator.choice(["samm", "casme2", "smic", "smic-vis", "mmew"])
        for clip in range(generator.randint(1, 9)):
            ids.append(f"{dataset}/{person}/{clip}")
            labels.append(generator.choice("abc"))
    kept, held = inner_split(ids, labels, seed)
    assert sorted(kept + held) == sorted(ids)
    assert kept
    assert held
    assert not people_of(kept) & people_of(held)
    assert list(kept) == sorted(kept)
    assert list(held) == sorted(held)
    order = generator.sample(range(len(ids)), len(ids))
    assert inner_split([ids[k] for k in order], [labels[k] for k in order], seed) == (kept, held)


def test_the_inner_part_is_about_a_fifth_with_every_class_and_others_for_other_seeds():
    ids = [f"samm/{person}/{clip}" for person in range(26) for clip in range(5)]
    labels = [("happiness", "anger", "fear", "anger", "anger")[k % 5] for k in range(len(ids))]
    found = [inner_split(ids, labels, seed)[1] for seed in range(4)]
    assert all(len(held) in (25, 30) for held in found)
    assert len(set(found)) > 1
    label_of = dict(zip(ids, labels, strict=True))
    assert all({label_of[name] for name in held} == {"happiness", "anger", "fear"} for held in found)


def test_one_person_cannot_be_divided():
    with pytest.raises(DataError, match="inner validation: a training part has clips of 1 subject; expected two"):
        inner_split(["samm/1/a", "samm/1/b"], ["x", "y"], 0)


@pytest.mark.parametrize(
    "protocol",
    [("stratified", "--folds", 3), ("group", "--folds", 3), ("loso",), ("leave-dataset-out",), ("file",)],
    ids=lambda words: words[0],
)
def test_networks_train_on_the_inner_training_part_and_nothing_else(home, tmp_path, monkeypatch, protocol):
    """Whatever is rendered as a training copy is recorded."""
    shutil.copy(home / "a.npz", tmp_path)
    packs = ["a.npz"]
    options = ["--protocol", *protocol]
    if protocol[0] == "leave-dataset-out":
        make_pack(tmp_path / "b.npz", PEOPLE, "other", seed=1)
        packs.append("b.npz")
    if protocol[0] == "file":
        ids = load_pack(tmp_path / "a.npz").ids
        (tmp_path / "own.csv").write_text("clip,fold\n" + "".join(f"{name},{k % 2}\n" for k, name in enumerate(ids)))
        options = ["--folds-file", "own.csv"]
    trained = []

    def draw(ids, copy, epoch, settings):
        trained.extend(ids)
        return sample_augmentation(ids, copy, epoch, settings)

    monkeypatch.setattr(crossval, "sample_augmentation", draw)
    call("cv", *packs, *options, *INNER, "--epochs", 1, "-o", "run", "--fold", 0, cwd=tmp_path)
    folds = Folds.load(tmp_path / "run" / "folds.json")
    for fold in range(len(folds.tests)):
        if fold:
            trained.clear()
            call("cv", "-o", "run", "--resume", "--fold", fold, cwd=tmp_path)
        kept, held, tested = parts_of(tmp_path / "run", fold)
        assert set(trained) == kept
        assert held
        assert held <= set(folds.training(fold))
        assert not held & tested
        assert not people_of(held) & people_of(kept)
        inner = Predictions.read(tmp_path / "run" / f"fold_{fold}" / "inner.csv")
        assert set(inner.fold) == {fold}
        emotions = {f"noise/{who}/c{k}": what for who, all_of in PEOPLE.items() for k, what in enumerate(all_of)}
        assert all(
            truth == emotions[f"noise/{name.split('/', 1)[1]}"]
            for name, truth in zip(inner.clip, inner.truth, strict=True)
        )
        assert set(load_weights(tmp_path / "run" / f"fold_{fold}" / "final.pt").seen) == set(folds.training(fold))
    found = {check.name: check for check in audit_run(tmp_path / "run")}
    assert (found["epoch"].verdict, found["networks"].verdict) == (PASS, PASS), found


def test_the_split_seed_and_not_the_seed_draws_the_inner_part(home, finished, tmp_path):
    """Runs of several seeds differ by their networks alone."""
    labels = {f"noise/{who}/c{k}": what for who, all_of in PEOPLE.items() for k, what in enumerate(all_of)}
    folds = Folds.load(finished / "folds.json")
    training = folds.training(0)
    parts = [inner_split(training, [labels[name] for name in training], seed)[1] for seed in range(40)]
    other = next(seed for seed, part in enumerate(parts) if part != parts[0])
    shutil.copy(home / "a.npz", tmp_path)
    words = ("cv", "a.npz", *INNER, "--epochs", 1, "--protocol", "group", "--folds", 2, "--fold", 0)
    call(*words, "--seed", other, "-o", "seed", cwd=tmp_path)
    assert Folds.load(tmp_path / "seed" / "folds.json") == folds
    assert Predictions.read(tmp_path / "seed" / "fold_0" / "inner.csv").clip == parts[0]
    (tmp_path / "own.csv").write_text("clip,fold\n" + "".join(f"{name},{k}\n" for name, k in folds.fold_of().items()))
    others = ("cv", "a.npz", *INNER, "--epochs", 1, "--folds-file", "own.csv", "--fold", 0)
    call(*others, "--split-seed", other, "-o", "split", cwd=tmp_path)
    assert Predictions.read(tmp_path / "split" / "fold_0" / "inner.csv").clip == parts[other]


def test_nothing_of_the_test_part_matters(home, tmp_path):
    """The test clips of fold 0 become other pictures of other emotions: its network and its epoch stay the same."""
    pack = load_pack(home / "a.npz")
    ids = np.array(pack.ids)
    tests = [
        [name for name in ids if name.split("/")[1] in people] for people in (("p0", "p3"), ("p1", "p2", "p4", "p5"))
    ]
    (tmp_path / "own.csv").write_text(
        "clip,fold\n" + "".join(f"{name},{fold}\n" for fold, part in enumerate(tests) for name in part)
    )
    turned = {"fear": "joy", "joy": "rage", "rage": "fear"}
    people = {
        who: [turned[what] for what in all_of] if who in ("p0", "p3") else all_of for who, all_of in PEOPLE.items()
    }
    make_pack(tmp_path / "turned.npz", people)
    from mertool.pack import save_pack

    other = load_pack(tmp_path / "turned.npz")
    frames = np.array(other.frames)
    frames[np.isin(ids, tests[0])] = 255 - frames[np.isin(ids, tests[0])] // 2
    arrays = {name: np.array(getattr(other, name)) for name in ("dataset", "subject", "emotion", "landmarks")}
    arrays["clip"] = np.array(other.clip_name)
    arrays |= {name: np.arange(len(ids)) for name in ("onset", "middle", "apex", "offset")}
    save_pack(tmp_path / "turned.npz", {"frames": frames, **arrays}, {"settings": {}})
    for name, source in (("one", home / "a.npz"), ("two", tmp_path / "turned.npz")):
        call(
            *("cv", source, *INNER, "--classes", "fear,joy,rage", "--epochs", 4),
            *("--folds-file", "own.csv", "-o", name),
            cwd=tmp_path,
        )
    one, two = (tmp_path / name / "fold_0" for name in ("one", "two"))
    assert weights_of(one / "final.pt") == weights_of(two / "final.pt")
    assert timeless_log(one) == timeless_log(two)
    assert (one / "inner.csv").read_bytes() == (two / "inner.csv").read_bytes()
    epochs = [json.loads((part / "done.json").read_text())["epoch"] for part in (one, two)]
    assert epochs[0] == epochs[1]
    assert (one / "predictions.csv").read_bytes() != (two / "predictions.csv").read_bytes()
    # Where the same clips are trained on, they do matter.
    one, two = (tmp_path / name / "fold_1" for name in ("one", "two"))
    assert weights_of(one / "final.pt") != weights_of(two / "final.pt")


# The rule


def planned(scores, recorded):
    """A validation that gives these scores and records the weights that it is asked about."""

    def validate(model):
        assert not [name for name, value in model.state_dict().items() if not value.isfinite().all()]
        recorded.append({name: value.clone() for name, value in model.state_dict().items()})
        loss, uf1 = scores[len(recorded) - 1]
        return ValidationScores(loss, uf1)

    return validate


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([(1.0, 0.2), (1.0, 0.5), (1.0, 0.4), (1.0, 0.1)], 2),
        ([(1.0, 0.2), (1.0, 0.3), (1.0, 0.4), (1.0, 0.5)], 4),
        ([(1.0, 0.5), (1.0, 0.3), (1.0, 0.4), (1.0, 0.1)], 1),
        ([(1.0, 0.5), (0.9, 0.5), (0.7, 0.5), (0.8, 0.5)], 3),  # of equal UF1 the lowest loss
        ([(0.1, 0.2), (9.0, 0.5), (0.2, 0.2), (8.0, 0.5)], 4),  # UF1 first, however high its loss
        ([(1.0, 0.5)] * 4, 1),
        ([(2.0, 0.1), (1.0, 0.5), (1.0, 0.5), (1.0, 0.5)], 2),
        ([(1.0, 0.0)] * 4, 1),
        ([(1.0, 0.5), (1.0, 0.5 + 1e-12), (0.1, 0.5), (0.1, 0.5)], 2),  # as they are, not as the log rounds them
    ],
)
def test_the_highest_uf1_then_the_lowest_loss_then_the_first(tmp_path, scores, expected):
    recorded = []
    settings = tiny(epochs=4)
    model, epoch = fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=planned(scores, recorded))
    assert epoch == expected
    final, last = load_weights(tmp_path / "final.pt"), load_weights(tmp_path / "last.pt")
    assert (final.epoch, final.state) == (expected, {"epoch": expected})
    for weights, state in ((final.weights, expected), (last.state["best"], expected), (last.weights, 4)):
        assert all(torch.equal(value, recorded[state - 1][name]) for name, value in weights.items())
    assert all(torch.equal(value, recorded[expected - 1][name]) for name, value in model.state_dict().items())
    assert not model.training
    rows = [(float(row["loss_validation"]), float(row["uf1_validation"])) for row in log(tmp_path)]
    assert rows == [pytest.approx(pair) for pair in scores]
    again = fit(settings, CLASSES, stopping(1, 0), STEPS, tmp_path, validate=planned([], []))
    assert again.epoch == expected
    assert same(model, again.model)


def scored(settings):
    """A validation as `cv` does it: real predictions, which put the network into evaluation mode."""
    generator = torch.Generator().manual_seed(7)
    x, y = torch.randn(8, 3, 32, 48, generator=generator), np.arange(8) % 4

    def validate(model):
        probabilities, _ = predict(model, [x], settings)
        torch.rand(3)  # and somebody uses the global random state
        return ValidationScores(
            float(-np.log(probabilities[range(8), y]).mean()), float((probabilities.argmax(1) == y).mean())
        )

    return validate


def test_looking_changes_no_weight(tmp_path):
    settings = tiny(abn=True, dropout=0.3)
    for name, validate in (("looked", scored(settings)), ("blind", None)):
        (tmp_path / name).mkdir()
        fit(settings, CLASSES, made_up, STEPS, tmp_path / name, validate=validate)
    assert weights_of(tmp_path / "looked" / "last.pt") == weights_of(tmp_path / "blind" / "last.pt")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_at_any_step_of_any_epoch_and_continued_equals_undisturbed(tmp_path, precision):
    settings = tiny(epochs=4, abn=True, arcface=True, dropout=0.3, precision=precision)
    whole = tmp_path / "whole"
    whole.mkdir()
    undisturbed = fit(settings, CLASSES, made_up, STEPS, whole, validate=scored(settings))
    for epoch in range(1, 5):
        for step in range(STEPS):
            broken = tmp_path / f"{epoch} {step}"
            broken.mkdir()
            with pytest.raises(KilledError):
                fit(settings, CLASSES, stopping(epoch, step), STEPS, broken, validate=scored(settings))
            continued = fit(settings, CLASSES, made_up, STEPS, broken, validate=scored(settings))
            assert continued.epoch == undisturbed.epoch
            assert same(continued.model, undisturbed.model)
            assert whole_run(broken) == whole_run(whole)


def test_killed_again_and_again_the_best_is_not_forgotten(tmp_path):
    """Each process does one epoch, and dies in the validation of the next; the last one finds nothing left to train."""
    scores = [(1.0, 0.2), (1.0, 0.6), (1.0, 0.4), (1.0, 0.1)]
    settings, recorded = tiny(epochs=4), []

    def dying(after):
        def validate(model):
            if len(recorded) == after:
                raise KilledError
            return planned(scores, recorded)(model)

        return validate

    for after in range(1, 4):
        with pytest.raises(KilledError):
            fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=dying(after))
        assert len(log(tmp_path)) == after
    with pytest.MonkeyPatch.context() as patch:

        def save(path, *rest):
            if path.name == "final.pt":
                raise KilledError
            save_checkpoint(path, *rest)

        patch.setattr(engine, "save_checkpoint", save)
        with pytest.raises(KilledError):
            fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=dying(9))
    model, epoch = fit(settings, CLASSES, stopping(1, 0), STEPS, tmp_path, validate=dying(4))
    assert epoch == 2
    assert all(torch.equal(value, recorded[1][name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("done", [1, 2])
@pytest.mark.parametrize("lost", ["best", "scores", "a tensor"])
def test_a_last_pt_without_best_weights_or_scores_is_refused_in_one_line(tmp_path, done, lost):
    settings = tiny(epochs=2)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(TrainingFiles, "write_log", lambda files, rows: dead() if len(rows) == done else None)
        fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=scored(settings))
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    if lost == "best":
        del content["state"]["best"]
    elif lost == "scores":
        for row in content["state"]["log"]:
            del row["uf1_validation"], row["loss_validation"]
    else:
        del content["state"]["best"]["head.weight"]
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"last.pt: its content does not fit this training; delete last.pt to train"):
        fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=scored(settings))
    (tmp_path / "last.pt").unlink()
    assert fit(settings, CLASSES, made_up, STEPS, tmp_path, validate=scored(settings)).epoch in (1, 2)


def dead():
    raise KilledError


def test_a_last_pt_of_the_other_rule_is_refused_and_an_old_final_pt_has_the_last_epoch(tmp_path):
    with pytest.raises(KilledError):
        fit(tiny(), CLASSES, stopping(2, 0), STEPS, tmp_path)
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    del content["settings"]["epoch_selection"], content["settings"]["split_seed"]  # as the mertool before had it
    torch.save(content, tmp_path / "last.pt")
    chosen = tiny(epoch_selection="inner")
    differing = r"last.pt: belongs to another training \(epoch_selection: 'inner' here, 'last' there\)"
    with pytest.raises(DataError, match=differing):
        fit(chosen, CLASSES, made_up, STEPS, tmp_path, validate=scored(chosen))
    fit(tiny(), CLASSES, made_up, STEPS, tmp_path)
    content = torch.load(tmp_path / "final.pt", weights_only=True)
    content["state"] = {}
    torch.save(content, tmp_path / "final.pt")
    assert load_weights(tmp_path / "final.pt").epoch == 6
    assert fit(tiny(), CLASSES, stopping(1, 0), STEPS, tmp_path).epoch == 6


def test_weights_that_are_no_numbers_are_not_validated(tmp_path, monkeypatch):
    def train(model, *rest):
        row = train_epoch(model, *rest)
        if row["epoch"] == 2:
            next(iter(model.parameters())).data[0] = float("nan")  # as a last step may do whose loss nobody sees
        return row

    train_epoch = engine._train_epoch
    monkeypatch.setattr(engine, "_train_epoch", train)
    recorded = []
    with pytest.raises(DataError, match=r"produced NaN or infinite weights; lower --lr \(now 0.001\)"):
        fit(tiny(), CLASSES, made_up, STEPS, tmp_path, validate=planned([(1.0, 1.0)] * 6, recorded))
    assert len(recorded) == len(load_weights(tmp_path / "last.pt").state["log"]) == 1
    assert not (tmp_path / "final.pt").exists()


def test_rules_have_names():
    with pytest.raises(UsageError, match="--epoch-selection: expected one of last, inner, got 'best'"):
        Settings(epoch_selection="best")  # type: ignore[arg-type]


# Whole runs


def test_the_epoch_is_the_same_in_every_file(finished):
    for fold in range(2):
        part = finished / f"fold_{fold}"
        rows = list(csv.DictReader((part / "log.csv").read_text().splitlines()))
        keys = [(float(row["uf1_validation"]), -float(row["loss_validation"])) for row in rows]
        done = json.loads((part / "done.json").read_text())
        assert done["epoch"] == keys.index(max(keys)) + 1 == load_weights(part / "final.pt").epoch
        assert set(done["sha256"]) == {"predictions.csv", "final.pt", "inner.csv", "log.csv", "attention.npy"}
        inner = Predictions.read(part / "inner.csv")
        truth = [inner.classes.index(name) for name in inner.truth]
        loss = -np.log(inner.probabilities[range(len(truth)), truth]).mean()
        assert loss == pytest.approx(-keys[done["epoch"] - 1][1], rel=1e-4)


def saves_of(finished):
    """How many checkpoints an undisturbed run writes."""
    return 2 * (int(dict(zip(SMALL[::2], SMALL[1::2], strict=True))["--epochs"]) + 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_killed_at_any_checkpoint_resumes_to_the_same_bytes(home, finished, tmp_path, moment):
    shutil.copy(home / "a.npz", tmp_path)
    words = ("cv", "a.npz", "--abn", *INNER, "--protocol", "group", "--folds", 2, "-o", "run")
    (tmp_path / "x").mkdir()
    for number in range(saves_of(finished)):
        with pytest.MonkeyPatch.context() as patch:
            count = iter(range(100))

            def save(*arguments, count=count, number=number):
                if moment == "after":
                    save_checkpoint(*arguments)
                if next(count) == number:
                    raise KilledError
                if moment == "before":
                    save_checkpoint(*arguments)

            patch.setattr(engine, "save_checkpoint", save)
            with pytest.raises(KilledError):
                call(*words, cwd=tmp_path)
        call("cv", "-o", "run", "--resume", cwd=tmp_path)
        assert whole_run(tmp_path / "run") == whole_run(finished)
        shutil.rmtree(tmp_path / "run")


@pytest.mark.parametrize("name", ["inner.csv", "predictions.csv", "attention.npy", "done.json"])
def test_a_run_killed_between_the_files_of_a_fold_resumes_to_the_same_bytes(home, finished, tmp_path, name):
    shutil.copy(home / "a.npz", tmp_path)
    shutil.copytree(finished, tmp_path / "run")
    later = ["inner.csv", "predictions.csv", "attention.npy", "done.json"]
    for fold in range(2):
        for each in later[later.index(name) :]:
            (tmp_path / "run" / f"fold_{fold}" / each).unlink()
    (tmp_path / "run" / "results.json").unlink()
    call("cv", "-o", "run", "--resume", cwd=tmp_path)
    assert whole_run(tmp_path / "run") == whole_run(finished)
    records = [timeless_record(run / "fold_0" / "done.json") for run in (tmp_path / "run", finished)]
    assert records[0] == records[1]


def test_the_installed_command_killed_with_any_number_of_jobs_gives_the_same_bytes(home, finished, tmp_path):
    shutil.copy(home / "a.npz", tmp_path)
    words = ["cv", "a.npz", "--abn", *INNER, "--protocol", "group", "--folds", "2", "-o", "run"]
    for jobs, moment in ((2, 2.5), (2, 4.0)):
        more = resume_if_begun(tmp_path / "run")
        assert killed([*COMMAND, *words, *more, "--jobs", str(jobs)], tmp_path, moment) == []
    more = resume_if_begun(tmp_path / "run")
    subprocess.run([*COMMAND, *words, *more, "--jobs", "1"], cwd=tmp_path, check=True, capture_output=True)
    assert whole_run(tmp_path / "run") == whole_run(finished)
    shutil.rmtree(tmp_path / "run")
    started = time.monotonic()
    subprocess.run([*COMMAND, *words, "--jobs", "2"], cwd=tmp_path, check=True, capture_output=True)
    assert time.monotonic() - started < 120
    assert whole_run(tmp_path / "run") == whole_run(finished)


def test_train_keeps_people_out_as_well_and_says_that_it_has_seen_them(home, tmp_path):
    shutil.copy(home / "a.npz", tmp_path)
    call("train", "a.npz", "--classes", "all", *INNER, "-o", "net", cwd=tmp_path)
    everyone = set(load_pack(tmp_path / "a.npz").ids)
    inner = Predictions.read(tmp_path / "net" / "inner.csv")
    assert set(inner.fold) == {-1}
    assert 0 < len(inner.clip) < len(everyone)
    assert not people_of(inner.clip) & people_of(everyone - set(inner.clip))
    checkpoint = load_weights(tmp_path / "net" / "final.pt")
    assert set(checkpoint.seen) == everyone
    assert json.loads((tmp_path / "net" / "done.json").read_text())["epoch"] == checkpoint.epoch
    validating = {who: emotions for who, emotions in PEOPLE.items() if f"noise/{who}" in people_of(inner.clip)}
    assert validating
    make_pack(tmp_path / "held.npz", validating)
    done = call("predict", "net", "held.npz", cwd=tmp_path)
    assert f"{len(inner.clip)} of {len(inner.clip)} clips were used to train net" in done.stderr
    line = refusal("cv", "held.npz", "--folds", 2, *SMALL, "--init", "net", "-o", "tuned", cwd=tmp_path, code=1)
    assert f"net: was trained on {len(inner.clip)} clips of this run" in line
    whole = whole_run(tmp_path / "net")
    (tmp_path / "net" / "final.pt").unlink()
    (tmp_path / "net" / "done.json").unlink()
    call("train", "-o", "net", "--resume", cwd=tmp_path)
    assert whole_run(tmp_path / "net") == whole


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ({"p0": ["fear", "joy"], "p1": ["fear", "joy"]}, ("cv", "--protocol", "loso")),
        ({"p0": ["fear", "joy"], "p1": ["fear", "joy"]}, ("cv", "--protocol", "group", "--folds", 2)),
        ({"p0": ["fear", "joy", "fear", "joy"]}, ("cv", "--folds", 2)),
        ({"p0": ["fear", "joy"]}, ("train",)),
    ],
)
def test_a_training_part_of_one_person_is_refused_before_anything_is_written(tmp_path, people, words):
    make_pack(tmp_path / "a.npz", people)
    line = refusal(words[0], "a.npz", *words[1:], *INNER, "-o", "run", cwd=tmp_path, code=1)
    assert line.startswith(
        "Error: inner validation: a training part has clips of 1 subject; expected two or more subjects"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_class_that_is_lost_to_the_inner_part_is_remarked(tmp_path):
    people = {"p0": ["fear", "joy"], "p1": ["fear", "joy"], "p2": ["fear", "joy", "rage"]}
    make_pack(tmp_path / "a.npz", people)
    words = ("a.npz", "--classes", "all", *INNER, "--epochs", 1)
    done = call("cv", *words, "--protocol", "loso", "-o", "run", cwd=tmp_path)
    lost = [
        fold
        for fold in range(3)
        if fold != 2 and "rage" in Predictions.read(tmp_path / f"run/fold_{fold}/inner.csv").truth
    ]
    assert lost
    place = f"in fold {', '.join(map(str, lost))}"
    lost_to = "all its clips fall into the validation part"
    expected = f"mertool: --epoch-selection inner: class rage cannot be learned {place}: {lost_to}"
    assert expected in done.stderr.splitlines()
    assert "class rage cannot be learned in fold 2, which tests all its clips" in done.stderr
    make_pack(tmp_path / "b.npz", {who: people[who] for who in ("p0", "p2")})
    done = call("train", "b.npz", *words[1:], "-o", "net", cwd=tmp_path)
    said = (
        "mertool: --epoch-selection inner: class rage cannot be learned: all its clips fall into the validation part"
        in done.stderr.splitlines()
    )
    assert said is ("rage" in Predictions.read(tmp_path / "net" / "inner.csv").truth)


def test_the_rule_joins_and_resumes_as_every_setting_does(home, finished):
    words = ("cv", "a.npz", "--abn", *SMALL, "--protocol", "group", "--folds", 2, "-o", "finished")
    line = refusal(*words, "--fold", 0, cwd=home, code=2)
    assert "its settings differ (epoch_selection: 'last' here, 'inner' there)" in line
    line = refusal("cv", "-o", "finished", "--resume", "--epoch-selection", "last", cwd=home, code=2)
    assert "epoch_selection: 'last' here, 'inner' there; leave these options out" in line
    assert "--epoch-selection inner" in call("report", "--command", "finished", cwd=home).stdout
    line = refusal("cv", "a.npz", "--epoch-selection", "best", cwd=home, code=2)
    assert "'best' is not one of 'last', 'inner'" in line


def test_the_report_says_rule_and_epochs(finished):
    epochs = [load_weights(finished / f"fold_{fold}" / "final.pt").epoch for fold in range(2)]
    text = flat(call("report", "finished", cwd=finished.parent).stdout)
    rule = "Epoch rule: in each fold the best on subjects kept out of its training part (about a fifth)"
    assert f"{rule}: {epochs[0]}, {epochs[1]} of 3; the test fold is never looked at during training." in text
    assert "last epoch" not in text
    run = load_run(finished)
    assert json.loads(render_json([run]))["runs"][0]["epochs"] == epochs
    (row,) = csv.DictReader(render_csv([run]).splitlines())
    assert row["epoch_selection"] == "inner"


# The audit


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    shutil.copy(finished.parent / "a.npz", tmp_path)
    return tmp_path / "run"


def test_the_audit_passes_and_says_the_epochs(copy):
    found = findings(copy)
    assert [name for name, (verdict, _) in found.items() if verdict == FAIL] == []
    epochs = ", ".join(str(load_weights(copy / f"fold_{fold}" / "final.pt").epoch) for fold in range(2))
    assert found["epoch"][1] == (
        f"best of 3 on subjects kept out of the training part: {epochs}; the final weights predict the same again"
    )


def edited(path):
    """One probability mass moved between two classes, consistently."""
    rows = list(csv.reader(path.read_text().splitlines()))
    header, row = rows[0], rows[1]
    values = [float(cell) for cell in row[6:]]
    values = [values[-1], *values[:-1]]
    row[6:] = [str(np.float32(value)) for value in values]
    row[5] = header[6 + values.index(max(values))][2:]
    path.write_text("\n".join(",".join(cells) for cells in rows) + "\n")
    return row[0]


def test_an_edited_inner_csv_is_found_by_its_hash_and_by_the_weights(copy):
    clip = edited(copy / "fold_0" / "inner.csv")
    found = findings(copy)
    assert (found["files"][0], found["epoch"][0]) == (FAIL, FAIL)
    assert "fold_0/inner.csv" in found["files"][1]
    sign_again(copy)
    found = findings(copy)
    assert found["files"][0] == PASS
    assert found["epoch"] == (FAIL, f"not what the final weights predict: 1 clips, {clip}")


def test_an_inner_csv_that_is_gone_is_found(copy):
    (copy / "fold_1" / "inner.csv").unlink()
    found = findings(copy)
    assert "fold_1/inner.csv (gone)" in found["files"][1]
    assert found["networks"][0] == FAIL
    assert "inner.csv: cannot be read" in found["networks"][1]


@pytest.mark.parametrize("how", ["test clips", "a clip less", "clips of training"])
def test_other_clips_in_inner_csv_are_found(copy, how):
    """Predicted by the network itself, and signed."""
    kept, held, tested = parts_of(copy, 0)
    ids = sorted({"test clips": tested, "a clip less": set(sorted(held)[1:]), "clips of training": kept}[how])
    config = RunConfig.read(copy)
    samples = open_samples(copy, config)
    rows = samples.rows_of(ids)
    from mertool.network.checkpoint import restore

    model = restore(load_weights(copy / "fold_0" / "final.pt"))
    crossval._predict(model, samples, rows, config, copy / "fold_0" / "inner.csv", 0)
    sign_again(copy)
    found = findings(copy)
    assert found["files"][0] == PASS
    assert found["epoch"][0] == FAIL
    assert "fold 0 chose its epoch on other clips than the inner part of its training part" in found["epoch"][1]


def test_inner_predictions_of_unknown_clips_or_classes_are_no_traceback(copy):
    path = copy / "fold_0" / "inner.csv"
    before = path.read_text()
    path.write_text(before.replace("noise/", "foreign/").replace(",noise,", ",foreign,"))
    assert findings(copy)["networks"][0] == FAIL
    path.write_text(before.replace("p_rage", "p_calm").replace(",rage,", ",calm,").replace(",rage,", ",calm,"))
    assert findings(copy)["networks"][0] == FAIL
    path.write_text(before.splitlines()[0] + "\n")
    assert findings(copy)["networks"][0] == FAIL


@pytest.fixture
def epochs_of_fold_0(copy, monkeypatch):
    """The weights of fold 0 after each epoch, trained once more."""
    kept = {}

    def save(path, settings, classes, weights, state, seen):
        if path.name == "last.pt" and path.parent.name == "fold_0":
            kept[len(state["log"])] = {name: value.clone() for name, value in weights.items()}
        save_checkpoint(path, settings, classes, weights, state, seen)

    monkeypatch.setattr(engine, "save_checkpoint", save)
    words = (
        "cv",
        copy.parent / "a.npz",
        "--abn",
        *INNER,
        "--protocol",
        "group",
        "--folds",
        2,
        "-o",
        "again",
        "--fold",
        0,
    )
    call(*words, cwd=copy.parent)
    assert sorted(kept) == [1, 2, 3]
    return kept


@pytest.mark.parametrize("honest", [True, False])
def test_the_weights_of_another_epoch_are_found(copy, epochs_of_fold_0, honest):
    """With predictions of their own, and signed; `honest` says the epoch that they are of, the other the best one."""
    part = copy / "fold_0"
    final = load_weights(part / "final.pt")
    losses = [float(row["loss_validation"]) for row in log(part)]
    other = max((1, 2, 3), key=lambda epoch: abs(losses[epoch - 1] - losses[final.epoch - 1]))
    assert abs(losses[other - 1] - losses[final.epoch - 1]) > 0.002  # else there is nothing to tell them apart by
    said = other if honest else final.epoch
    save_checkpoint(
        part / "final.pt", final.settings, final.classes, epochs_of_fold_0[other], {"epoch": said}, final.seen
    )
    found = findings(copy)
    assert (found["files"][0], found["epoch"][0]) == (FAIL, FAIL)
    for name in ("predictions.csv", "inner.csv", "done.json"):
        (part / name).unlink()
    call("cv", "-o", copy, "--resume", cwd=copy.parent)  # final.pt is there: it predicts with it
    found = findings(copy)
    assert found["files"][0] == PASS
    assert found["epoch"][0] == FAIL
    if honest:
        assert found["epoch"][1] == f"fold 0 has the weights of epoch {other}, which was not the best on its inner part"
    else:
        what = f"fold 0: its weights do not score on its inner part as its log says of epoch {said}"
        assert found["epoch"][1] == what


def test_another_epoch_in_done_json_is_found(copy):
    epoch = load_weights(copy / "fold_0" / "final.pt").epoch
    sign_again(copy, fold=0, epoch=epoch % 3 + 1)
    assert (
        f"fold 0: done.json says epoch {epoch % 3 + 1}, its weights are those of {epoch}" in findings(copy)["epoch"][1]
    )


@pytest.mark.parametrize("what", ["cut", "without scores", "other scores", "no numbers", "gone"])
def test_an_edited_log_is_found(copy, what):
    log_file = copy / "fold_0" / "log.csv"
    rows = [line.split(",") for line in log_file.read_text().splitlines()]
    epoch = load_weights(copy / "fold_0" / "final.pt").epoch
    if what == "cut":
        rows = rows[:-1]
    elif what == "without scores":
        for row in rows[1:]:
            row[-2:] = ["", ""]
    elif what == "other scores":
        rows[1 + epoch % 3][-1] = "1.5"
    elif what == "no numbers":
        rows[2][-1] = "high"
    if what == "gone":
        log_file.unlink()
    else:
        log_file.write_text("".join(",".join(row) + "\n" for row in rows))
    assert findings(copy)["epoch"][0] == FAIL


def test_a_run_of_the_last_epoch_with_the_weights_of_another_is_found(home, tmp_path):
    shutil.copy(home / "a.npz", tmp_path)
    call("cv", "a.npz", *SMALL, "--folds", 2, "-o", "run", cwd=tmp_path)
    assert not list((tmp_path / "run").rglob("inner.csv"))
    assert findings(tmp_path / "run")["epoch"] == (PASS, "last of 3; the final weights predict the same again")
    part = tmp_path / "run" / "fold_0"
    final = load_weights(part / "final.pt")
    save_checkpoint(part / "final.pt", final.settings, final.classes, final.weights, {"epoch": 2}, final.seen)
    sign_again(tmp_path / "run", fold=0, epoch=2)
    found = findings(tmp_path / "run")
    assert (found["files"][0], found["epoch"]) == (
        PASS,
        (FAIL, "fold 0 has the weights of epoch 2, expected the last, 3"),
    )
