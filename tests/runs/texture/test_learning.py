"""Texture runs learn what is there to learn, and nothing of their test clips."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from mertool.pack import load_pack, save_pack
from mertool.runs.finished import load_run
from tests.support.in_process import call
from tests.support.noise import make_pack
from tests.support.reports import flat
from tests.support.run_folders import done_of, files_of, probabilities
from tests.support.texture_runs import CBP, GROUP, LBP, ONE_DESIGN, PEOPLE, SIZE

pytestmark = pytest.mark.usefixtures("one_process")


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


@pytest.mark.parametrize(
    "options", [(), ONE_DESIGN, ("--balanced-sampling", "--cost", "10")], ids=["auto", "fixed", "balanced"]
)
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
