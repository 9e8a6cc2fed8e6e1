"""Folds: disjoint, complete, reproducible, balanced; every refusal by its text."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sklearn.model_selection import StratifiedGroupKFold

from mertool.clips import split_id, subject_key_of_id
from mertool.errors import DataError, FileError, UsageError
from mertool.evaluation.folds import Folds, Overlap, read_folds_file, subject_overlap
from mertool.evaluation.protocols import dataset_folds, group_folds, loso_folds, stratified_folds

SAMM = {"anger": 57, "happiness": 26, "surprise": 15, "disgust": 9, "fear": 8, "sadness": 6}


def make_clips(counts: dict[str, int], n_subjects: int = 26) -> tuple[list[str], list[str]]:
    labels = [name for name, count in counts.items() for _ in range(count)]
    ids = [f"samm/{number % n_subjects:03d}/{number:03d}_1" for number in range(len(labels))]
    return ids, labels


def test_samm_gives_the_papers_fold_sizes() -> None:
    folds = stratified_folds(*make_clips(SAMM), 5, 0)
    assert [len(ids) for ids in folds.tests] == [25, 24, 24, 24, 24]


@pytest.mark.parametrize("seed", range(20))
def test_folds_are_disjoint_complete_and_balanced_within_one(seed: int) -> None:
    rng = random.Random(seed)
    n_folds = rng.randint(2, 10)
    ids, labels = make_clips({name: rng.randint(n_folds, 60) for name in "abcdefg"[: rng.randint(2, 7)]})
    folds = stratified_folds(ids, labels, n_folds, seed)
    tested = [clip_id for part in folds.tests for clip_id in part]
    assert sorted(tested) == sorted(ids)
    sizes = [len(part) for part in folds.tests]
    assert max(sizes) - min(sizes) <= 1
    label = dict(zip(ids, labels, strict=True))
    per_fold = [Counter(label[clip_id] for clip_id in part) for part in folds.tests]
    for name in set(labels):
        counts = [counter[name] for counter in per_fold]
        assert max(counts) - min(counts) <= 1
    for fold, part in enumerate(folds.tests):
        assert not set(part) & set(folds.training(fold))
        assert sorted((*part, *folds.training(fold))) == sorted(ids)
    folds.check(ids)


def test_folds_depend_on_the_seed_but_not_on_the_order() -> None:
    ids, labels = make_clips(SAMM)
    first = stratified_folds(ids, labels, 5, 7)
    pairs = list(zip(ids, labels, strict=True))
    random.Random(1).shuffle(pairs)
    assert stratified_folds([i for i, _ in pairs], [label for _, label in pairs], 5, 7) == first
    assert stratified_folds(ids, labels, 5, 8).tests != first.tests


def test_folds_are_the_same_in_every_version() -> None:
    # A changed split would silently change every published number of a seed.
    ids, labels = make_clips({"a": 4, "b": 3}, n_subjects=3)
    assert stratified_folds(ids, labels, 2, 0).tests == (
        ("samm/000/003_1", "samm/000/006_1", "samm/002/002_1", "samm/002/005_1"),
        ("samm/000/000_1", "samm/001/001_1", "samm/001/004_1"),
    )


@pytest.mark.parametrize(
    ("counts", "n_folds", "message"),
    [
        ({}, 5, "folds: no clip is of the wanted classes; try another --classes"),
        ({"anger": 12}, 5, "folds: all 12 clips are 'anger'; expected two classes, try another --classes"),
        (
            {"anger": 9, "fear": 4, "sadness": 3},
            5,
            "folds: every class needs one clip per fold, 5 here, but 'fear' has 4, 'sadness' has 3; "
            "try --folds 3 or another --classes",
        ),
        (
            {"anger": 2, "fear": 1},
            5,
            "folds: every class needs one clip per fold, 5 here, but 'anger' has 2, 'fear' has 1; "
            "try another --classes",
        ),
    ],
)
def test_too_few_clips(counts: dict[str, int], n_folds: int, message: str) -> None:
    with pytest.raises(DataError) as caught:
        stratified_folds(*make_clips(counts), n_folds, 0)
    assert str(caught.value) == message


def test_the_advice_on_too_few_clips_helps() -> None:
    ids, labels = make_clips({"anger": 9, "fear": 4, "sadness": 3})
    assert len(stratified_folds(ids, labels, 3, 0).tests) == 3


def test_one_fold_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--folds: expected at least 2, got 1$"):
        stratified_folds(*make_clips(SAMM), 1, 0)


def test_a_clip_given_twice_is_refused() -> None:
    ids, labels = make_clips(SAMM)
    with pytest.raises(DataError, match=r"^folds: clip samm/000/000_1 is tested more than once"):
        stratified_folds([*ids, ids[0]], [*labels, labels[0]], 5, 0)


@pytest.mark.parametrize("fold", [-1, 5])
def test_training_of_no_fold(fold: int) -> None:
    with pytest.raises(UsageError, match=f"^--fold: expected 0 to 4, got {fold}$"):
        stratified_folds(*make_clips(SAMM), 5, 0).training(fold)


def test_check_names_unknown_and_missing_clips() -> None:
    ids, labels = make_clips(SAMM)
    folds = stratified_folds(ids, labels, 5, 0)
    with pytest.raises(DataError, match=r"^folds: clip samm/000/000_1 is not in the pack; were"):
        folds.check(ids[1:])
    with pytest.raises(DataError, match=r"^folds: 4 clips \(z/1/a, z/1/b, z/1/c, ...\) are in no fold; were"):
        folds.check([*ids, "z/1/d", "z/1/a", "z/1/b", "z/1/c"])


def test_files_are_read_back_and_byte_identical(tmp_path: Path) -> None:
    folds = stratified_folds(*make_clips(SAMM), 5, 3)
    folds.save(tmp_path / "a.json")
    loaded = Folds.load(tmp_path / "a.json")
    assert loaded == folds
    loaded.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


GOOD: dict[str, Any] = {"format": 1, "protocol": "stratified", "seed": 0, "tests": [["d/1/a"], ["d/2/b"]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "folds: expected format 1, got 2; was it written by a newer mertool?"),
        ({"protocol": 3}, "folds: protocol: expected text, got 3"),
        ({"seed": "0"}, "folds: seed: expected a whole number, got '0'"),
        ({"seed": True}, "folds: seed: expected a whole number, got True"),
        ({"tests": None}, "folds: tests: expected one list of clip ids per fold"),
        ({"tests": [["d/1/a"], "d/2/b"]}, "folds: tests: expected one list of clip ids per fold"),
        ({"tests": [["d/1/a"], [2]]}, "folds: tests: expected one list of clip ids per fold"),
        ({"tests": [["d/1/a"]]}, "folds: expected at least two folds, got 1"),
        ({"tests": [["d/1/a"], []]}, "folds: fold 1 has no clips; every fold needs at least one"),
        (
            {"tests": [["d/1/a", "d/1/b"], ["d/1/a", "d/1/b"]]},
            "folds: 2 clips (d/1/a, d/1/b) are tested more than once; a clip belongs to one fold",
        ),
        (
            {"tests": [["d/1/a", "d/1/a"], ["d/1/b"]]},
            "folds: clip d/1/a is tested more than once; a clip belongs to one fold",
        ),
        ({"tests": [["d/1/a"], ["d/b"]]}, "clip id: expected dataset/subject/clip, got 'd/b'"),
        ({"tests": [["d/1/a"], ["d//b"]]}, "clip id: expected dataset/subject/clip, got 'd//b'"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(DataError) as caught:
        Folds.load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_other_json_and_no_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    path.write_text("[]")
    with pytest.raises(DataError, match="expected format 1, got 'list'; was it"):
        Folds.load(path)
    path.write_text('{"format": 1')
    with pytest.raises(DataError, match="not a JSON file"):
        Folds.load(path)
    with pytest.raises(FileError, match="cannot be read: no such file"):
        Folds.load(tmp_path / "none.json")


def test_subject_overlap_tells_people_apart_by_data_set() -> None:
    folds = Folds("stratified", 0, (("a/1/x", "a/2/x"), ("a/1/y", "b/2/x"), ("b/3/x", "b/3/y")))
    assert subject_overlap(folds) == [Overlap(0, 1, ("a/1",)), Overlap(1, 1, ("a/1",)), Overlap(2, 0, ())]


def test_only_the_clip_may_contain_a_slash() -> None:
    assert split_id("a/1/x/y") == ("a", "1", "x/y")


# Leave one subject out


def test_loso_has_a_fold_a_person_in_natural_order() -> None:
    ids = [
        "samm/010/a",
        "samm/009/b",
        "samm/009/a",
        "smic-hs/s2/x",
        "smic-vis/s2/x",
        "smic-hs/s10/x",
        "mmew-macro/S1/y",
    ]
    folds = loso_folds(ids)
    assert folds.tests == (
        ("mmew-macro/S1/y",),
        ("samm/009/a", "samm/009/b"),
        ("samm/010/a",),
        ("smic-hs/s2/x", "smic-vis/s2/x"),  # the same person before two cameras
        ("smic-hs/s10/x",),
    )
    assert loso_folds(ids[::-1]) == folds
    assert not any(part.n_shared for part in subject_overlap(folds))
    assert Folds.from_dict(folds.to_dict()) == folds


def test_people_are_one_over_the_parts_of_a_data_set() -> None:
    assert subject_key_of_id("mmew-macro/S01/a") == subject_key_of_id("mmew/S01/b") == "mmew/S01"
    assert subject_key_of_id("smic-nir/s11/a") == subject_key_of_id("smic-hs/s11/a")
    assert subject_key_of_id("casme/sub01/a") != subject_key_of_id("casme2/sub01/a")
    folds = Folds("own", 0, (("mmew/S01/a",), ("mmew-macro/S01/b",)))
    assert [part.subjects for part in subject_overlap(folds)] == [("mmew/S01",), ("mmew/S01",)]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "no clip is of the wanted classes"),
        (["smic-hs/s1/a", "smic-vis/s1/a"], "all 2 clips are of smic/s1; --protocol loso needs two subjects"),
        (["a/1/x", "a/2/x", "a/1/x"], "clip a/1/x is tested more than once"),
    ],
)
def test_loso_refuses(ids: list[str], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        loso_folds(ids)


# Whole subjects


def deviation(folds: Folds, label_of: dict[str, str]) -> float:
    """Largest deviation of a class from an even share, in clips."""
    totals = Counter(label_of.values())
    parts = [Counter(label_of[name] for name in ids) for ids in folds.tests]
    return max(abs(part[label] - total / len(parts)) for part in parts for label, total in totals.items())


def random_clips(seed: int) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    people = [f"{rng.choice(('samm', 'casme2'))}/{n:02d}" for n in range(rng.randint(10, 40))]
    words = rng.choices(list(SAMM), list(SAMM.values()), k=200)
    return [f"{rng.choice(people)}/{n}" for n in range(200)], words


@pytest.mark.parametrize("seed", range(8))
def test_group_folds_keep_people_whole_and_classes_nearly_even(seed: int) -> None:
    ids, labels = random_clips(seed)
    folds = group_folds(ids, labels, 5, seed)
    folds.check(ids)
    assert not any(part.n_shared for part in subject_overlap(folds))
    shuffled = list(zip(ids, labels, strict=True))
    random.Random(1).shuffle(shuffled)
    assert group_folds([i for i, _ in shuffled], [w for _, w in shuffled], 5, seed) == folds
    label_of = dict(zip(ids, labels, strict=True))
    # Against people dealt out at random, which is what a group split without classes does.
    people = sorted({subject_key_of_id(name) for name in ids})
    careless = []
    for trial in range(30):
        random.Random(trial).shuffle(people)
        place = {name: number % 5 for number, name in enumerate(people)}
        tests = tuple(tuple(name for name in ids if place[subject_key_of_id(name)] == fold) for fold in range(5))
        careless.append(deviation(Folds("x", 0, tests), label_of))
    assert deviation(folds, label_of) <= min(careless)


def test_group_folds_fill_every_fold_and_follow_the_seed() -> None:
    ids = [f"samm/{n:03d}/a" for n in range(5)]
    assert all(len(part) == 1 for part in group_folds(ids, ["x"] * 4 + ["y"], 5, 0).tests)
    ids, labels = random_clips(3)
    assert group_folds(ids, labels, 5, 1) != group_folds(ids, labels, 5, 2)


def test_group_folds_beat_scikit_learn_s_on_average() -> None:
    """StratifiedGroupKFold is what people use for this; ours is not allowed to be less even."""
    ours, theirs = [], []
    for seed in range(10):
        ids, labels = random_clips(seed)
        label_of = dict(zip(ids, labels, strict=True))
        groups = [subject_key_of_id(name) for name in ids]
        split = StratifiedGroupKFold(5).split(ids, labels, groups)
        tests = tuple(tuple(ids[k] for k in test) for _, test in split)
        ours.append(deviation(group_folds(ids, labels, 5, seed), label_of))
        theirs.append(deviation(Folds("x", 0, tests), label_of))
    assert sum(ours) <= sum(theirs)


@pytest.mark.parametrize(
    ("ids", "n_folds", "message"),
    [
        ([], 2, "no clip is of the wanted classes"),
        (["a/1/x", "a/2/x"], 3, "2 subjects cannot fill 3 disjoint folds; try --folds 2"),
        (["a/1/x"], 1, "--folds: expected at least 2, got 1"),
        (["a/1/x", "a/2/x", "a/1/x"], 2, "clip a/1/x is tested more than once"),
    ],
)
def test_group_folds_refuse(ids: list[str], n_folds: int, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=re.escape(message)):
        group_folds(ids, ["x"] * len(ids), n_folds, 0)


# Leave one data set out, and one's own folds


def test_leave_dataset_out_has_a_fold_a_data_set() -> None:
    folds = dataset_folds(["smic-hs/s1/a", "samm/006/b", "samm/007/a"])
    assert folds.tests == (("samm/006/b", "samm/007/a"), ("smic-hs/s1/a",))
    with pytest.raises(DataError, match="all clips are of samm; --protocol leave-dataset-out needs packs of two"):
        dataset_folds(["samm/1/a", "samm/2/a"])


IDS = ["samm/1/a", "samm/1/b", "samm/2/a"]


@pytest.mark.parametrize(
    "text",
    [
        "clip,fold\nsamm/1/a,0\nsamm/2/a,1\nsamm/1/b,0\n",
        "fold;clip\n0;samm/1/a\n1;samm/2/a\n0;samm/1/b\n",
        "\ufefffold,note, Clip \r\n0,x, samm/1/a\r\n\r\n1,,samm/2/a\r\n0,y,samm/1/b\r\n",
    ],
)
def test_own_folds_from_a_csv(tmp_path: Path, text: str) -> None:
    path = tmp_path / "folds.csv"
    path.write_text(text, encoding="utf-8")
    assert read_folds_file(path, IDS) == Folds("file", 0, (("samm/1/a", "samm/1/b"), ("samm/2/a",)))


def test_own_folds_may_hold_clips_outside_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    path.write_text("clip,fold\nsamm/1/a,0\nsamm/1/b,0\nsamm/2/a,1\nsamm/2/other,1\n")
    assert read_folds_file(path, IDS, {"samm/2/other"}).tests == (("samm/1/a", "samm/1/b"), ("samm/2/a",))
    with pytest.raises(DataError, match=r"folds\.csv: folds: clip samm/2/other is not in the pack"):
        read_folds_file(path, IDS)


def test_own_folds_from_another_run(tmp_path: Path) -> None:
    stratified_folds(IDS * 1 + ["samm/3/a"], ["x", "y", "x", "y"], 2, 7).save(tmp_path / "folds.json")
    again = read_folds_file(tmp_path / "folds.json", [*IDS, "samm/3/a"])
    assert (again.protocol, again.tests) == ("file", Folds.load(tmp_path / "folds.json").tests)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns clip and fold, got nothing"),
        ("id,fold\na,0\n", "line 1: expected the columns clip and fold, got id,fold"),
        ("clip,fold\nsamm/1/a,x\n", "line 2: fold: expected a whole number from 0, got 'x'"),
        ("clip,fold\nsamm/1/a\n", "line 2: fold: expected a whole number from 0, got ''"),
        ("clip,fold\nsamm/1/a,0\nsamm/1/b,2\n", "expected folds numbered from 0 without a gap, got 0, 2"),
        ("clip,fold\n", "expected folds numbered from 0 without a gap, got none"),
        ("clip,fold\nsamm/1/a,0\nsamm/1/b,1\n", "clip samm/2/a is in no fold; were the folds made from another pack?"),
        ("clip,fold\nsamm/1/a,0\nsamm/1/a,1\n", "folds: clip samm/1/a is tested more than once"),
        ("clip,fold\nsamm/1/a,0\nsamm/1/b,1\nsamm/2/a,1\nsamm/9/z,0\n", "clip samm/9/z is not in the pack"),
        ("clip,fold\n006_1_2,0\nsamm/1/b,1\n", "clip id: expected dataset/subject/clip, got '006_1_2'"),
    ],
)
def test_own_folds_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "folds.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_folds_file(path, IDS)
    assert "\n" not in str(caught.value)


def test_own_folds_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.csv: cannot be read: no such file"):
        read_folds_file(tmp_path / "none.csv", IDS)
    (tmp_path / "latin.csv").write_bytes(b"clip,fold\n\xff\xfe,0\n")
    with pytest.raises(DataError, match=r"latin\.csv: not a csv file"):
        read_folds_file(tmp_path / "latin.csv", IDS)


def test_a_fold_is_named_after_what_it_tests() -> None:
    two = [f"a/{k}/x" for k in "12"] + [f"b/{k}/x" for k in "12"]
    assert loso_folds(two).names() == ("a/1", "a/2", "b/1", "b/2")
    assert dataset_folds(two).names() == ("a", "b")
    assert dataset_folds([*two, "a/1/y", "c/1/x"]).names() == ("a", "b", "c")  # although c has one subject
    assert Folds("file", 0, (("a/1/x", "a/1/y"), ("a/2/x", "a/3/x"), ("a/4/x",))).names() == ("a/1", "1", "a/4")
    assert Folds("stratified", 0, (("a/1/x", "a/2/x"), ("a/1/y", "a/2/y"))).names() == ("0", "1")
    assert Folds("file", 0, (("a/1/x", "a/2/x"), ("a/3/x", "b/1/x"))).names() == ("0", "1")
    assert loso_folds(["a/1/x", "b/1/x"]).names() == ("a/1", "b/1")
