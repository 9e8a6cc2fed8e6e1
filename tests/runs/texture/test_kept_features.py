"""Kept features that are damaged or of something else change no run."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mertool.settings import fields_of
from tests.support.in_process import call, other_words_for
from tests.support.noise import make_pack
from tests.support.run_folders import files_of
from tests.support.texture_runs import GROUP, LBP, ONE_DESIGN, PEOPLE, TEXTURE_FIELDS, tampered

pytestmark = pytest.mark.usefixtures("one_process")

KEPT_DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "text": lambda path: path.write_text("dear reader"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a bit": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "others": lambda path: tampered(path, lambda members: members.update(array=members["array"][:, ::-1])),
    "fewer clips": lambda path: tampered(path, lambda members: members.update(array=members["array"][1:])),
    "pickles": lambda path: tampered(path, lambda members: members.update(key=np.array([{}], object))),
    "all gone": lambda path: shutil.rmtree(path.parent),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
}


def flipped(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("damage", KEPT_DAMAGE)
def test_kept_features_that_are_damaged_between_a_kill_and_resume_change_nothing(home, place, damage):
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--fold", 0, cwd=place)
    (kept,) = (place / "a.features").iterdir()
    good = kept.read_bytes()
    KEPT_DAMAGE[damage](kept)
    call("cv", "-o", "lbp", "--resume", cwd=place)
    assert files_of(place / "lbp") == files_of(home / "lbp")
    if damage not in ("a folder", "a loop"):  # what is no file is not replaced by one
        assert kept.read_bytes() == good  # made again


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
def test_features_kept_for_one_setting_are_never_taken_for_another(place, kind):
    unfit = {"n_features", "cost"} | (fields_of("cbp-top") if kind == "lbp-top" else fields_of("lbp-top"))
    base = ("--method", kind, "--face-size", 32, *GROUP, *ONE_DESIGN)
    fields = sorted(set(TEXTURE_FIELDS) - unfit)
    variants = {"": (), "face_size": ("--face-size", 34), **{field: other_words_for(field) for field in fields}}
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
