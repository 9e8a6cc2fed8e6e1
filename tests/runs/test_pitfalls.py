"""Every pitfall of docs/evaluation.md, section 2, what stepping into it would give, and the guard that bites.

`PITFALLS` is the table: the pitfall, and the tests that build it. One fails where a row of the reference has no test.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mertool.clips import subject_key_of_id
from mertool.datasets.labels import resolve_classes
from mertool.errors import DataError
from mertool.evaluation.folds import Folds
from mertool.evaluation.metrics import evaluate
from mertool.evaluation.predictions import Predictions
from mertool.evaluation.protocols import group_folds, stratified_folds
from mertool.inputs.channels import render_input
from mertool.inputs.rendering import render
from mertool.inputs.samples import load_samples
from mertool.network import training as engine
from mertool.network.batches import sample_augmentation
from mertool.network.checkpoint import load_weights
from mertool.pack import load_pack, save_pack
from mertool.report.formats import render_csv, render_json
from mertool.report.latex import render_latex
from mertool.report.plain import render_text
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from mertool.runs.config import RunConfig, open_samples
from mertool.runs.finished import load_run
from mertool.runs.methods.network_batches import inference_batches
from mertool.settings import Settings
from tests.support import in_process
from tests.support.audits import verdicts
from tests.support.command import ROOT, TINY
from tests.support.reports import flat, render_markdown
from tests.support.run_folders import make_run, timeless_log, weights_of

REFERENCE = ROOT / "docs" / "evaluation.md"

PITFALLS = {
    "the epoch is chosen on the test fold": [
        "test_planted_test_labels_change_no_weight",
        "test_training_is_given_the_training_part_and_nothing_else",
    ],
    "subject on both sides": [
        "test_who_knows_people_gains_only_where_they_are_on_both_sides",
        "test_a_person_smuggled_into_the_training_part_fails_the_audit",
    ],
    "copies or several frames of a clip on both sides": [
        "test_copies_made_before_splitting_would_score_full_marks_on_noise",
        "test_training_is_given_the_training_part_and_nothing_else",
        "test_frames_passed_off_as_clips_are_found",
    ],
    "F1 averaged over folds": ["test_f1_is_pooled"],
    "a class absent from a fold silently skipped": ["test_a_class_absent_from_a_fold_still_counts"],
    "oracle key frames": ["test_oracle_key_frames_are_said_and_can_be_doubted"],
    "class set not stated": ["test_class_list_and_counts_stand_in_every_result"],
    "imbalance": [
        "test_the_majority_stands_beside_every_accuracy",
        "test_an_imbalanced_accuracy_is_not_taken_for_skill",
    ],
    "statistics fitted on all data": ["test_a_test_clip_teaches_nothing", "test_a_training_clip_shapes_no_test_input"],
    "tiny n": ["test_few_clips_are_told_as_few", "test_repeated_seeds_show_what_chance_makes"],
    "shuffled truth against ordered predictions": [
        "test_rows_in_any_order_give_the_same_bytes",
        "test_a_missing_or_doubled_row_stops",
        "test_a_perfect_and_a_constant_predictor_under_every_protocol",
    ],
}


def test_every_pitfall_of_the_reference_has_its_tests():
    section = REFERENCE.read_text(encoding="utf-8").partition("\n## 2.")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    assert rows[0] == "pitfall"
    assert set(rows[2:]) == set(PITFALLS)
    assert all(PITFALLS.values())


def test_every_test_named_is_there_and_every_one_there_is_named():
    here = {name for name in globals() if name.startswith("test_")}
    named = {name for names in PITFALLS.values() for name in names}
    assert here - named == {
        "test_every_pitfall_of_the_reference_has_its_tests",
        "test_every_test_named_is_there_and_every_one_there_is_named",
    }
    assert named <= here


# Material: packs of small pictures, and mertool in this process

SIDE = 32
NETWORK = (*TINY[:4], "--augmentations", "1", "--face-size", SIDE)  # no landmarks: the picture is shown as it is
EMOTIONS = ("anger", "fear", "happiness", "surprise")


@pytest.fixture
def call(tmp_path, monkeypatch, one_process):
    """The command in this process, its folds too, so that a test may watch them at work; gives what it prints."""
    monkeypatch.chdir(tmp_path)

    def command(*words, exit_code=0):
        return in_process.call(*words, cwd=Path(), code=exit_code).output

    return command


def noise(name):
    """(3, S, S) uint8 that only its name decides."""
    return np.random.default_rng(list(name.encode())).integers(0, 100, (3, SIDE, SIDE), np.uint8)


def barred(name, label):
    """Noise with one of four bars, which tells the class."""
    picture = noise(name)
    picture[:, 8 * label : 8 * label + 8] += 120
    return picture


def write_pack(path, clips):
    """A pack of (id, emotion, picture), in this order."""
    parts = [name.split("/") for name, _, _ in clips]
    arrays = {"frames": np.stack([picture for _, _, picture in clips])}
    arrays["landmarks"] = np.full((len(clips), 3, 68, 2), np.nan, np.float32)
    for place, field in enumerate(("dataset", "subject", "clip")):
        arrays[field] = np.array([part[place] for part in parts])
    arrays["emotion"] = np.array([emotion for _, emotion, _ in clips])
    for field in ("onset", "middle", "apex", "offset"):
        arrays[field] = np.zeros(len(clips), np.int64)
    save_pack(path, arrays, {})


def barred_clips(dataset="made", people=6, each=4, seed=0):
    """Clips of four classes, a third of them anger, in random order."""
    clips = []
    for k in range(people * each):
        label = 0 if k % 3 == 0 else k % 4
        name = f"{dataset}/p{k % people}/c{k:02d}"
        clips.append((name, EMOTIONS[label], barred(name, label)))
    random.Random(seed).shuffle(clips)
    return clips


def write_folds(path, ids, is_test):
    """Two folds: the clips that fold 0 tests, and all others."""
    path.write_text("\n".join(["clip,fold", *(f"{name},{int(not is_test(name))}" for name in ids)]) + "\n")


def weights(fold):
    return weights_of(fold / "final.pt")


def answers(fold):
    found = Predictions.read(fold / "predictions.csv")
    return dict(zip(found.clip, found.prediction, strict=True))


def share(truth, answer):
    return sum(truth[name] == answer[name] for name in truth) / len(truth)


# The epoch is chosen on the test fold


@pytest.mark.parametrize("select", ["last", "inner"])
def test_planted_test_labels_change_no_weight(call, select):
    """The test clips are given the labels that the network of epoch 1 answers: choosing on them, it would win."""
    clips = barred_clips()
    write_folds(Path("folds.csv"), [name for name, _, _ in clips], lambda name: name.split("/")[1] in ("p0", "p1"))
    training: tuple[object, ...] = ("--folds-file", "folds.csv", "--fold", 0, *NETWORK)
    training += ("--schedule", "constant", "--warmup", 0, "--lr", 0.01, "--batch-size", 4)
    write_pack(Path("true.npz"), clips)
    call("cv", "true.npz", *training, "--epochs", 1, "-o", "first")
    first = answers(Path("first/fold_0"))
    planted = {name: first.get(name, emotion) for name, emotion, _ in clips}
    assert any(planted[name] != emotion for name, emotion, _ in clips)
    write_pack(Path("planted.npz"), [(name, planted[name], picture) for name, _, picture in clips])
    for name in ("true", "planted"):
        call("cv", f"{name}.npz", *training, "--epochs", 5, "--epoch-selection", select, "-o", f"of {name}")
    ours = answers(Path("of planted/fold_0"))
    chosen_on_test, honest = (share({name: planted[name] for name in first}, answer) for answer in (first, ours))
    assert chosen_on_test == 1.0 > honest
    assert weights(Path("of true/fold_0")) == weights(Path("of planted/fold_0"))
    assert timeless_log(Path("of true/fold_0")) == timeless_log(Path("of planted/fold_0"))
    assert answers(Path("of true/fold_0")) == ours
    # Labels of the training part do change them: the comparison is no empty one.
    taught = next(name for name, _, _ in clips if name not in first)
    changed = next(emotion for emotion in EMOTIONS if (taught, emotion) not in [clip[:2] for clip in clips])
    other = [(name, changed if name == taught else emotion, picture) for name, emotion, picture in clips]
    write_pack(Path("other.npz"), other)
    call("cv", "other.npz", *training, "--epochs", 5, "--epoch-selection", select, "-o", "of other")
    assert weights(Path("of other/fold_0")) != weights(Path("of true/fold_0"))


@pytest.mark.parametrize("select", ["last", "inner"])
def test_training_is_given_the_training_part_and_nothing_else(call, monkeypatch, select):
    """Every picture rendered and every copy drawn while a network is trained, watched."""
    at_work, shown, copied = [], defaultdict(set), defaultdict(set)

    def fit(*arguments, **named):
        at_work.append(len(at_work) // 2)
        done = real_fit(*arguments, **named)
        at_work.append(-1)
        return done

    def watched_render(samples, rows, *arguments, **named):
        shown[at_work[-1] if at_work else -1] |= {samples.ids[row] for row in rows}
        return render_input(samples, rows, *arguments, **named)

    def watched_copies(ids, *arguments):
        copied[at_work[-1]] |= set(ids)
        return sample_augmentation(ids, *arguments)

    real_fit = engine.fit
    monkeypatch.setattr("mertool.network.training.fit", fit)
    monkeypatch.setattr("mertool.runs.methods.network_batches.render_input", watched_render)
    monkeypatch.setattr("mertool.runs.methods.network.sample_augmentation", watched_copies)
    write_pack(Path("a.npz"), barred_clips(people=9))
    words = ("--augmentations", 10, "--epochs", 2, "--folds", 3, "--epoch-selection", select)
    call("cv", "a.npz", *NETWORK, *words, "-o", "run")
    folds = Folds.load(Path("run/folds.json"))
    assert sorted(shown) == [-1, 0, 1, 2]
    assert sorted(copied) == [0, 1, 2]  # copies are made for training alone
    for fold in range(3):
        training = set(folds.training(fold))
        assert shown[fold] == training  # with "inner" a part of these validates
        assert copied[fold] == training if select == "last" else copied[fold] < training
        assert not shown[fold] & set(folds.tests[fold])
    assert set(load_weights(Path("run/fold_1/final.pt")).seen) == set(folds.training(1))


# Subject on both sides


def test_who_knows_people_gains_only_where_they_are_on_both_sides(tmp_path):
    """An answer from who somebody is and nothing else: what that person mostly showed in the training part."""
    rng = random.Random(1)
    clips = {}
    for person in range(20):
        usual = EMOTIONS[person % 3]
        for k in range(6):
            clips[f"made/p{person:02d}/c{k}"] = usual if rng.random() < 0.8 else rng.choice(EMOTIONS[:3])
    ids, labels = list(clips), list(clips.values())
    scores = {}
    for name, folds in (("mixed", stratified_folds(ids, labels, 5, 0)), ("apart", group_folds(ids, labels, 5, 0))):
        parts = []
        for fold, tests in enumerate(folds.tests):
            known = defaultdict(Counter)
            for clip in folds.training(fold):
                known[subject_key_of_id(clip)][clips[clip]] += 1
            majority = sum(known.values(), Counter()).most_common(1)[0][0]
            guess = {who: counts.most_common(1)[0][0] for who, counts in known.items()}
            parts.append([(clip, clips[clip], guess.get(subject_key_of_id(clip), majority)) for clip in tests])
        found = load_run(make_run(tmp_path / name, parts, EMOTIONS[:3]))
        scores[name] = found.metrics["accuracy"]
        on_both = [
            {subject_key_of_id(clip) for clip in tests} & {subject_key_of_id(clip) for clip in folds.training(fold)}
            for fold, tests in enumerate(folds.tests)
        ]
        values = json.loads(render_json([found]))["runs"][0]
        assert [set(part["subjects"]) for part in values["overlap"]] == on_both
        people = len(set.union(*on_both))
        assert values["n_subjects_shared"] == people == {"mixed": 20, "apart": 0}[name]
        text = flat(render_text([found]))
        if name == "mixed":
            assert "Subject-dependent: 20 of 20 subjects have clips in both training and test parts" in text
            assert all(f" {len(both)}\n" in render_text([found]) for both in on_both)
        else:
            assert "Subject-independent: none of 20 subjects has clips in both training and test parts." in text
    assert scores["mixed"] > 0.7 > 0.45 > scores["apart"]


def test_a_person_smuggled_into_the_training_part_fails_the_audit(call):
    write_pack(Path("a.npz"), barred_clips())
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds", 3, "-o", "mixed")
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds", 3, "--protocol", "group", "-o", "run")
    run = Path("run")
    found = verdicts(run)
    assert (found["subjects"], found["networks"]) == (PASS, PASS)
    assert verdicts(Path("mixed"))["subjects"] == NOTE
    before = load_run(run)
    assert not before.shared_subjects

    # A clip of a person moves to another fold, its prediction with it: nothing else would ever tell.
    values = json.loads((run / "folds.json").read_text())
    moved = values["tests"][0].pop()
    values["tests"][1].append(moved)
    (run / "folds.json").write_text(json.dumps(values))
    header, *lines = (run / "fold_0/predictions.csv").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{moved},"))
    lines.remove(line)
    (run / "fold_0/predictions.csv").write_text("\n".join([header, *lines]) + "\n")
    cells = line.split(",")
    with (run / "fold_1/predictions.csv").open("a") as stream:
        stream.write(",".join([*cells[:3], "1", *cells[4:]]) + "\n")
    after = load_run(run)
    assert after.metrics["confusion"] == before.metrics["confusion"]
    assert after.shared_subjects == (subject_key_of_id(moved),)
    assert "Subject-dependent: 1 of 6 subjects has clips in both training and test parts" in flat(render_text([after]))
    checks = {check.name: check for check in audit_run(run)}
    assert [checks[name].verdict for name in ("files", "subjects", "networks")] == [FAIL, FAIL, FAIL]
    assert checks["subjects"].detail.endswith(f"parts: {subject_key_of_id(moved)}; the protocol says group")
    assert moved in checks["networks"].detail  # the network of fold 1 was trained on it


# Augmentations or several frames of a clip on both sides


def nearest_share(pictures, labels, test):
    """Share of right answers of the nearest training picture, over all folds; `test` numbers the fold of each."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    length = (flat**2).sum(1)
    distance = length[:, None] + length - 2 * flat @ flat.T
    hits = 0
    for fold in np.unique(test):
        tested, training = np.flatnonzero(test == fold), np.flatnonzero(test != fold)
        nearest = training[distance[np.ix_(tested, training)].argmin(1)]
        hits += int((labels[tested] == labels[nearest]).sum())
    return hits / len(labels)


def test_copies_made_before_splitting_would_score_full_marks_on_noise(tmp_path):
    """Ten copies of pictures that say nothing about their class, and a method that only recognises pictures."""
    clips = [(f"made/p{k}/c", EMOTIONS[k % 2], noise(f"copies {k}")) for k in range(24)]
    write_pack(tmp_path / "a.npz", clips)
    geometry: dict[str, Any] = {"face_size": SIDE, "rotation_deg": 2.0, "hflip": False}
    settings = Settings(classes="all", augmentations=10, contrast=0.05, brightness=3.0, **geometry)
    pack = load_pack(tmp_path / "a.npz")
    samples = load_samples([pack], resolve_classes("all", pack.emotion), settings)
    rows, number = np.repeat(np.arange(24), 10), np.tile(np.arange(10), 24)
    copies = render(
        samples, rows, sample_augmentation([samples.ids[row] for row in rows], number, 1, settings), settings
    )
    labels = samples.labels[rows]
    carelessly = np.random.default_rng(0).integers(5, size=240)
    assert nearest_share(copies, labels, carelessly) > 0.95
    names = [samples.classes[label] for label in samples.labels]
    fold_of = stratified_folds(samples.ids, names, 5, 0).fold_of()
    by_clip = np.array([fold_of[samples.ids[row]] for row in rows])
    assert nearest_share(copies, labels, by_clip) < 0.7
    with pytest.raises(DataError, match="is tested more than once; a clip belongs to one fold"):
        Folds("own", 0, (samples.ids, samples.ids[:1]))


@pytest.mark.parametrize(("change", "verdict"), [(0, FAIL), (2, NOTE)])
def test_frames_passed_off_as_clips_are_found(call, change, verdict):
    """Onset and apex of a recording as two clips, equal or with a movement in a corner; in different folds."""
    clips = []
    for k in range(8):
        picture = noise(f"frames {k}")
        later = picture.copy()
        later[:, :6, :6] += change
        clips += [(f"made/p{k}/onset", EMOTIONS[k % 2], picture), (f"made/p{k}/apex", EMOTIONS[k % 2], later)]
    write_pack(Path("a.npz"), clips)
    write_folds(Path("folds.csv"), [name for name, _, _ in clips], lambda name: name.endswith("apex"))
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds-file", "folds.csv", "-o", "run")
    check = next(check for check in audit_run(Path("run")) if check.name == "pictures")
    assert check.verdict == verdict, check
    assert len(re.findall(r"made/p\d/(?:onset|apex)", check.detail)) == 6  # three pairs, and how many more
    assert check.detail.endswith("and 5 more")
    # With the frames of a recording in one fold, there is nothing to find.
    write_folds(Path("folds.csv"), [name for name, _, _ in clips], lambda name: int(name[6]) < 4)
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds-file", "folds.csv", "-o", "apart")
    assert verdicts(Path("apart"))["pictures"] == PASS


# F1 averaged over folds; a class absent from a fold silently skipped

CLASSES = ("anger", "fear", "joy", "rage")
PEOPLE = [  # leave one subject out, by hand: truth and answer of each clip; of rage there is none at all
    [("anger", "anger"), ("anger", "anger"), ("joy", "anger")],
    [("fear", "fear"), ("joy", "joy")],
    [("anger", "fear"), ("fear", "fear")],
]


@pytest.fixture
def by_hand(tmp_path):
    parts = [[(f"made/p{p}/c{k}", *pair) for k, pair in enumerate(part)] for p, part in enumerate(PEOPLE)]
    return make_run(tmp_path / "by hand", parts, CLASSES)


def f1_of(pairs, name):
    """F1 of a class; None where it is neither shown nor answered."""
    hits = sum(truth == answer == name for truth, answer in pairs)
    total = sum(truth == name for truth, _ in pairs) + sum(answer == name for _, answer in pairs)
    return 2 * hits / total if total else None


def test_f1_is_pooled(by_hand):
    pooled = np.mean([4 / 6, 4 / 5, 2 / 3])
    # As averaged over folds: with what is absent skipped, or counted as 0.
    averaged = np.mean([(4 / 5 + 0) / 2, (1 + 1) / 2, (0 + 2 / 3) / 2])
    with_zeros = np.mean([4 / 5, 2, 2 / 3]) / 3
    of_folds = [[f1_of(part, name) for name in CLASSES[:3]] for part in PEOPLE]
    assert averaged == pytest.approx(np.mean([np.mean([f1 for f1 in fold if f1 is not None]) for fold in of_folds]))
    assert with_zeros == pytest.approx(np.mean([np.mean([f1 or 0 for f1 in fold]) for fold in of_folds]))
    assert (round(pooled, 4), round(averaged, 4), round(with_zeros, 4)) == (0.7111, 0.5778, 0.3852)
    found = load_run(by_hand)
    assert found.metrics["uf1"] == pytest.approx(pooled)
    text = render_text([found])
    assert "UF1                      0.7111" in text
    assert "0.5778" not in text
    assert "0.3852" not in text
    # The one figure that is a mean of folds is the accuracy, and it says so.
    assert "accuracy, mean of folds  72.22 %" in text
    assert "accuracy, pooled         71.43 %" in text


def test_a_class_absent_from_a_fold_still_counts(by_hand):
    # The usual way: a confusion matrix a fold over the classes that it has, unravelled, and what does not fit dropped.
    kept = 0
    for part in PEOPLE:
        names = sorted({name for pair in part for name in pair})
        matrix = np.zeros((len(names), len(names)))
        for truth, answer in part:
            matrix[names.index(truth), names.index(answer)] += 1
        try:
            _, _, _, _, _, _, _, _, _ = matrix.ravel()
            kept += len(part)
        except ValueError:
            pass
    assert kept == 0  # not one fold has all three
    found = load_run(by_hand)
    scores = found.metrics
    assert scores["confusion"] == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert np.sum(scores["confusion"]) == scores["n"] == sum(n for _, _, n in scores["fold_hits"]) == 7
    text = render_text([found])
    assert re.search(r"truth +anger +fear +joy +rage +all\n", text)
    assert re.search(r"\nrage +- +- +- +0\n", text)
    assert "Classes without a clip, left out of UF1 and UAR: rage." in text
    # Of each fold as well: the list is the run's, not the fold's.
    for fold, part in enumerate(PEOPLE):
        of_fold = evaluate(Predictions.read(by_hand / f"fold_{fold}" / "predictions.csv"))
        assert (len(of_fold["confusion"]), of_fold["classes"]) == (4, list(CLASSES))
        assert set(CLASSES) - set(of_fold["absent_classes"]) == {truth for truth, _ in part}
    # One that is shown but never answered is a failure, not an absence.
    assert evaluate(Predictions.read(by_hand / "fold_0/predictions.csv"))["per_class"]["joy"]["recall"] == 0.0


# Oracle key frames


def see_bars(model, batches, settings):
    """What the network would have to find out: the class whose bar the last frame shows, else the first."""
    shown = torch.cat(list(batches))[:, -1]
    bars = shown.reshape(len(shown), 4, 8, SIDE).mean((2, 3))
    return np.eye(4)[bars.argmax(1).numpy()], None


def test_oracle_key_frames_are_said_and_can_be_doubted(call, monkeypatch):
    """Recordings that show their class in one frame alone: found only by who was told which."""
    rows = ["clip,subject,emotion,frames,onset,apex,offset"]
    for k in range(32):
        folder = Path(f"frames/{k}")
        folder.mkdir(parents=True)
        for number in range(1, 26):
            grey = np.full((64, 64), 60, np.uint8)
            grey[:16] = 70  # nothing to see: the first class
            if number == 17:
                grey[16 * (k % 4) : 16 * (k % 4) + 16] = 200
            cv2.imwrite(str(folder / f"{number}.png"), grey)
        rows.append(f"c{k},p{k % 8},{EMOTIONS[k % 4]},{folder},5,17,25")
    Path("made.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("mertool.network.prediction.predict", see_bars)
    packs = {"plain": (), "middle": ("--apex", "middle"), "moved": ("--jitter", 2)}
    for name, options in packs.items():
        call("extract", "made.csv", "--aligned", "--size", 64, "-j", 1, "-o", f"{name}.npz", *options)
        call("cv", f"{name}.npz", *NETWORK, "--epochs", 1, "--folds", 2, "-o", name)
    plain, middle, moved = runs = [load_run(Path(name)) for name in packs]
    assert plain.metrics["accuracy"] == 1.0
    assert middle.metrics["accuracy"] == middle.metrics["majority"] == 0.25
    assert 0.25 < moved.metrics["accuracy"] < 0.75  # about one apex in five stays where it is
    oracle = (
        "Oracle key frames: where an expression begins and ends is annotated or cut by hand, not found by a program; "
    )
    endings = {
        "plain": "its apex is annotated (the middle where it is not).",
        "middle": "its apex is the middle of the two.",
        "moved": "its apex is annotated (the middle where it is not); "
        "onset and apex moved at random by up to 2 frames.",
    }
    for run, ending in zip(runs, endings.values(), strict=True):
        for render_report in (render_text, render_markdown, render_latex, render_json):
            assert flat(render_report([run])).count(oracle + ending) == 1, render_report
        assert (
            next(check for check in audit_run(Path(run.name)) if check.name == "key frames").detail == oracle + ending
        )
    text = flat(render_text(runs))
    assert "Compared with plain clip by clip: exact McNemar test" in text
    assert "Significantly different from plain at the 5 % level: middle, moved." in text


# Class set not stated


def test_class_list_and_counts_stand_in_every_result(call):
    write_pack(Path("a.npz"), barred_clips())
    for name, chosen in (("four", "all"), ("three", "anger,surprise,fear")):
        call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds", 2, "--classes", chosen, "-o", name)
    four, three = load_run(Path("four")), load_run(Path("three"))
    counts = Counter(emotion for _, emotion, _ in barred_clips())
    listed = ", ".join(f"{name} {counts[name]}" for name in ("anger", "surprise", "fear"))
    assert len(set(counts.values())) > 1
    for render_report in (render_text, render_markdown, render_latex):
        assert flat(render_report([three])).count(listed) == 1, render_report
    (row,) = csv.DictReader(io.StringIO(render_csv([three])))
    assert row["class_counts"] == listed
    for values in (json.loads(render_json([three]))["runs"][0], json.loads(Path("three/results.json").read_text())):
        assert values["classes"] == ["anger", "surprise", "fear"]
        assert {name: part["support"] for name, part in values["per_class"].items()} == {
            name: counts[name] for name in ("anger", "surprise", "fear")
        }
    # Runs of other class sets stand in one report, but never in one comparison.
    text = flat(render_text([four, three]))
    assert "These runs test different clips or classes, so their scores are not comparable." in text
    assert "McNemar" not in text


# Imbalance


def one_sided(answer):
    """Two folds of 20 clips, 14 of them anger, answered by a function of number and truth."""
    truths = ["anger"] * 7 + ["fear"] * 2 + ["joy"]
    return [
        [(f"made/p{k % 5}/{fold}{k}", truth, answer(10 * fold + k, truth)) for k, truth in enumerate(truths)]
        for fold in range(2)
    ]


def wide_text(runs):
    return render_text(runs, 160)


def test_the_majority_stands_beside_every_accuracy(call, tmp_path):
    constant = load_run(make_run(tmp_path / "constant", one_sided(lambda _, truth: "anger"), CLASSES[:3]))
    perfect = load_run(make_run(tmp_path / "perfect", one_sided(lambda _, truth: truth), CLASSES[:3]))
    assert constant.metrics["accuracy"] == constant.metrics["majority"] == 0.7
    for render_report in (wide_text, render_markdown):
        text = flat(render_report([constant])).replace("\\", "")
        assert "majority baseline" in text
        assert "70.00 %, always predicting 'anger'" in text
        summary = render_report([constant, perfect]).splitlines()
        header = next(line for line in summary if "hits/N" in line)
        assert "pooled [95" in header
        assert "majority" in header
        for run, hits in ((constant, "14/20"), (perfect, "20/20")):
            line = next(line for line in summary if hits in line)
            assert "70.00" in line.partition(hits)[2].rpartition("UAR")[2], run.name
    for hits in ("14/20 & 70.00", "20/20 & 100.00"):
        assert re.search(hits + r" & \[[0-9., ]+\] & 70\.00 &", render_latex([constant, perfect]))
    for row in csv.DictReader(io.StringIO(render_csv([constant, perfect]))):
        assert row["majority"] == "0.7"
    assert [run["majority"] for run in json.loads(render_json([constant, perfect]))["runs"]] == [0.7, 0.7]
    write_pack(Path("a.npz"), barred_clips())
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds", 2, "-o", "run")
    counts = Counter(emotion for _, emotion, _ in barred_clips())
    assert json.loads(Path("run/results.json").read_text())["majority"] == max(counts.values()) / 24


@pytest.mark.parametrize(
    ("answer", "hits", "sentence"),
    [
        (lambda _, truth: "anger", 14, "This accuracy is not distinguishable from always predicting 'anger' (70.00 %)"),
        (lambda k, truth: truth if k < 17 else "anger", 17, "This accuracy is not distinguishable from always"),
        (lambda _, truth: truth, 20, "Better than always predicting 'anger' (70.00 %): both intervals lie above"),
        (lambda k, truth: "fear", 4, "Worse than always predicting 'anger' (70.00 %): both intervals lie below"),
    ],
    ids=["constant", "a little better", "perfect", "of a rare class"],
)
def test_an_imbalanced_accuracy_is_not_taken_for_skill(tmp_path, answer, hits, sentence):
    found = load_run(make_run(tmp_path / "run", one_sided(answer), CLASSES[:3]))
    assert found.metrics["hits"] == hits
    assert sentence in flat(render_text([found]))
    if hits == 14:  # 70 % sound well; over the classes it is what it is
        assert found.metrics["uar"] == pytest.approx(1 / 3)
        assert found.metrics["per_class"]["fear"]["f1"] == 0.0


# Statistics fitted on all data


def packs_with_one_clip_changed(is_changed):
    """a.npz, and b.npz with the first clip of `is_changed` all bright; folds.csv tests p0 and p1 in fold 0."""
    clips = barred_clips()
    changed = next(name for name, _, _ in sorted(clips) if is_changed(name))
    other = [(name, emotion, picture // 9 + 220 if name == changed else picture) for name, emotion, picture in clips]
    write_pack(Path("a.npz"), clips)
    write_pack(Path("b.npz"), other)
    write_folds(Path("folds.csv"), [name for name, _, _ in clips], in_test)
    everything = [np.stack([picture for _, _, picture in each]) for each in (clips, other)]
    assert everything[0].mean() != everything[1].mean()  # what a mean over all clips would hand on
    return changed


def in_test(name):
    return name.split("/")[1] in ("p0", "p1")


def rendered(run, rows_of):
    """What a network sees of the clips that a function of the fold's names picks: bytes by id."""
    config = RunConfig.read(run)
    samples = open_samples(run, config)
    ids = sorted(name for name in samples.ids if rows_of(name))
    pictures = torch.cat(list(inference_batches(samples, samples.rows_of(ids), config)))
    return {name: picture.numpy().tobytes() for name, picture in zip(ids, pictures, strict=True)}


@pytest.mark.parametrize("option", [(), ("--abn", "--arcface"), ("--balanced-sampling",)])
def test_a_test_clip_teaches_nothing(call, option):
    """One test clip is another picture: every weight, log and answer but its own stays, byte for byte."""
    changed = packs_with_one_clip_changed(in_test)
    for name in "ab":
        arguments = ("--folds-file", "folds.csv", "--fold", 0, *NETWORK, *option, "--epochs", 2, "-o", f"run {name}")
        call("cv", f"{name}.npz", *arguments)
    assert weights(Path("run a/fold_0")) == weights(Path("run b/fold_0"))
    assert timeless_log(Path("run a/fold_0")) == timeless_log(Path("run b/fold_0"))
    one, other = ((Path(f"run {name}") / "fold_0/predictions.csv").read_text().splitlines() for name in "ab")
    assert [line.split(",")[0] for line, twin in zip(one, other, strict=True) if line != twin] == [changed]


def test_a_training_clip_shapes_no_test_input(call):
    changed = packs_with_one_clip_changed(lambda name: not in_test(name))
    for name in "ab":
        arguments = ("--folds-file", "folds.csv", "--fold", 0, *NETWORK, "--epochs", 2, "-o", f"run {name}")
        call("cv", f"{name}.npz", *arguments)
    assert rendered(Path("run a"), in_test) == rendered(Path("run b"), in_test)
    one, other = (rendered(Path(f"run {name}"), lambda name: not in_test(name)) for name in "ab")
    assert [name for name, picture in one.items() if other[name] != picture] == [changed]
    assert weights(Path("run a/fold_0")) != weights(Path("run b/fold_0"))


# Tiny n


def test_few_clips_are_told_as_few(tmp_path):
    """The paper's whole gain, four clips of 121: a larger accuracy, and no evidence of anything."""

    def made(name, right):
        clips = [(f"samm/{k % 26:03d}/{k:03d}", EMOTIONS[k % 3], EMOTIONS[(k + (k >= right)) % 3]) for k in range(121)]
        return load_run(make_run(tmp_path / name, [clips[:60], clips[60:]], EMOTIONS[:3]))

    runs = [made("first", 76), made("better", 80)]
    assert runs[1].metrics["accuracy"] - runs[0].metrics["accuracy"] == pytest.approx(0.0331, abs=1e-4)
    text = flat(render_text(runs, 200))
    assert "76/121" in text
    assert "80/121" in text
    assert "62.81 %, 95 % interval 53.93 to 70.90 (Wilson" in text
    low, high = runs[0].wilson_ci
    assert low < runs[1].metrics["accuracy"] < high
    assert re.search(r"better 4 0 \+3\.31 0\.1250 0\.1250 -", text)
    assert "None of these runs differs significantly from" in text
    assert (
        "It can never detect a difference of fewer than 6 clips (here 5.0 points)." in text
    )  # so one clip is 0.83 points
    # Two clips more, and all one way, would do.
    runs.append(made("best", 84))
    assert re.search(r"Significantly different from \S+ at the 5 % level: ", flat(render_text(runs)))


def test_repeated_seeds_show_what_chance_makes(call):
    clips = [(f"made/p{k % 8}/c{k}", EMOTIONS[k % 2], noise(f"seeds {k}")) for k in range(40)]
    write_pack(Path("a.npz"), clips)
    text = call("cv", "a.npz", *NETWORK, "--epochs", 2, "--folds", 2, "--repeats", 4, "-o", "run")
    found = load_run(Path("run"))
    each = [load_run(Path("run") / part).metrics["accuracy"] for part in (".", "repeat_1", "repeat_2", "repeat_3")]
    assert len(set(each)) > 1  # the same method on the same folds
    values = json.loads(render_json([found]))["runs"][0]
    assert values["n_seeds"] == 4
    assert values["over_seeds"]["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert values["over_seeds"]["accuracy"]["sd"] == pytest.approx(np.std(each, ddof=1))
    assert f"{100 * np.mean(each):.2f}" in text
    assert f"{100 * np.std(each, ddof=1):.2f}" in text


# Shuffled truth against ordered predictions


@pytest.fixture
def perfect_run(call, monkeypatch):
    """A run of a network that answers by the bars that its pictures show."""
    monkeypatch.setattr("mertool.network.prediction.predict", see_bars)
    write_pack(Path("a.npz"), barred_clips())
    call("cv", "a.npz", *NETWORK, "--epochs", 1, "--folds", 3, "-o", "run")
    return Path("run")


def shuffle_rows(run, seed):
    for path in run.glob("fold_*/predictions.csv"):
        header, *rows = path.read_text().splitlines(keepends=True)
        random.Random(seed).shuffle(rows)
        path.write_text("".join([header, *rows]))


def test_rows_in_any_order_give_the_same_bytes(perfect_run, call):
    def found():
        return render_json([load_run(perfect_run)]), (perfect_run / "results.json").read_bytes()

    before = found()
    assert json.loads(before[0])["runs"][0]["accuracy"] == 1.0
    for seed in range(3):
        shuffle_rows(perfect_run, seed)
        rows = list(csv.DictReader((perfect_run / "fold_0/predictions.csv").read_text().splitlines()))
        in_order = sorted(rows, key=lambda row: row["clip"])
        # Truth as the table has it, against predictions as the network gave them.
        assert sum(a["truth"] == b["prediction"] for a, b in zip(in_order, rows, strict=True)) < len(rows)
        (perfect_run / "results.json").unlink()
        call("cv", "--resume", "-o", perfect_run)
        assert found() == before


@pytest.mark.parametrize("fault", ["missing", "doubled", "elsewhere as well"])
def test_a_missing_or_doubled_row_stops(perfect_run, call, fault):
    path = perfect_run / "fold_1/predictions.csv"
    header, *rows = path.read_text().splitlines(keepends=True)
    shuffle_rows(perfect_run, 0)
    if fault == "missing":
        path.write_text("".join([header, *rows[1:]]))
        message = "1 clip of fold 1 has no prediction, first"
    elif fault == "doubled":
        path.write_text("".join([header, *rows, rows[0]]))
        message = "a second time; expected each clip once"
    else:
        with (perfect_run / "fold_0/predictions.csv").open("a") as stream:
            stream.write(rows[0].replace(",1,", ",0,", 1))
        message = "is predicted in fold 0, but folds.json tests it in 1"
    with pytest.raises(DataError, match=message):
        load_run(perfect_run)
    assert message in call("report", perfect_run, exit_code=1)
    assert verdicts(perfect_run)["predictions"] == FAIL


PROTOCOLS = {
    "stratified": ("--folds", 3),
    "group": ("--protocol", "group", "--folds", 3),
    "loso": ("--protocol", "loso"),
    "leave-dataset-out": ("--protocol", "leave-dataset-out"),
    "file": ("--folds-file", "folds.csv"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_perfect_and_a_constant_predictor_under_every_protocol(call, monkeypatch, protocol):
    clips = [*barred_clips("one", seed=3), *barred_clips("two", people=3, seed=4)]
    write_pack(Path("one.npz"), clips[:24])
    write_pack(Path("two.npz"), clips[24:])
    write_folds(Path("folds.csv"), [name for name, _, _ in clips], lambda name: "p1" in name)
    majority = Counter(emotion for _, emotion, _ in clips)["anger"] / len(clips)

    def always_anger(model, batches, settings):
        return np.tile([0.4, 0.2, 0.2, 0.2], (sum(map(len, batches)), 1)), None

    for name, predictor, expected in (("perfect", see_bars, 1.0), ("constant", always_anger, majority)):
        monkeypatch.setattr("mertool.network.prediction.predict", predictor)
        call("cv", "one.npz", "two.npz", *NETWORK, "--epochs", 1, *PROTOCOLS[protocol], "-o", name)
        before = (Path(name) / "results.json").read_bytes()
        shuffle_rows(Path(name), 1)
        found = load_run(Path(name))
        assert found.folds.protocol == protocol
        scores = found.metrics
        assert (scores["n"], scores["accuracy"], scores["majority"]) == (len(clips), expected, majority)
        assert json.loads(before)["accuracy"] == expected
        if name == "perfect":
            assert (scores["uf1"], scores["uar"], scores["fold_accuracy_mean"]) == (1.0, 1.0, 1.0)
            assert np.count_nonzero(scores["confusion"]) == 4
        else:
            assert scores["uar"] == pytest.approx(1 / 4)
            assert scores["uf1"] == pytest.approx(2 * majority / (1 + majority) / 4)
            assert "This accuracy is not distinguishable from always predicting 'anger'" in flat(render_text([found]))
        assert bool(found.shared_subjects) == (protocol == "stratified")
