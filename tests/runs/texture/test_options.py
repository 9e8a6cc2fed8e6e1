"""Names and refusals of texture runs."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter

import pytest
from click.testing import CliRunner

from mertool.cli.main import main
from mertool.declarations import option_name
from mertool.settings import Settings, fields_of
from mertool.texture import features as texture
from tests.support.audits import faults
from tests.support.in_process import CV_OPTIONS, call, other_words_for, refusal, words_of
from tests.support.noise import SMALL, make_pack
from tests.support.reports import flat
from tests.support.run_folders import files_of
from tests.support.texture_runs import FOLD, GROUP, LBP, ONE_DESIGN, PEOPLE, TEXTURE_FIELDS

pytestmark = pytest.mark.usefixtures("one_process")

NETWORK_FIELDS = sorted(fields_of("network"))


# Names


def test_the_usual_name_tells_features_and_all_that_is_unusual(place):
    words = (*LBP, *ONE_DESIGN, *GROUP, "--balanced-sampling", "--split-seed", 3, "--radii", "1,1,1")
    done = call("cv", "a.npz", *words, "--plan", cwd=place)
    name = (
        "a-face-lbp-top-balanced-group-facesize32-length6-points4-radii1+1+1-grid2+2+1-nfeatures24-cost10-folds2"
        "-splitseed3"
    )
    assert [path.name for path in (place / "runs").iterdir()] == [name]
    assert shlex.split(done.stdout.splitlines()[0]) == f"mertool cv a.npz -o runs/{name} --resume --fold 0".split()
    call("cv", *LBP, *GROUP, "--fold", 1, cwd=place)  # the only pack of the folder
    assert (place / "runs/a-face-lbp-top-group-facesize32-length6-points4-grid2+2+1-folds2/fold_1/done.json").exists()


def test_each_option_makes_another_run_of_another_name(place):
    """Of each the name that the run gets by itself; none is that of another."""
    names = Counter()
    for kind, fields in (("lbp-top", fields_of("cbp-top")), ("cbp-top", fields_of("lbp-top"))):
        for field in ("method", *sorted(set(TEXTURE_FIELDS) - fields)):
            words = () if field == "method" else other_words_for(field)
            done = call("cv", "a.npz", "--method", kind, "--face-size", 32, *words, "--plan", cwd=place)
            names[shlex.split(done.stdout.splitlines()[0])[4]] += 1
    assert len(names) == 2 * (1 + len(TEXTURE_FIELDS) - 2)
    assert set(names.values()) == {1}


# Refusals


def test_every_setting_is_of_networks_or_of_textures_or_of_all():
    shared = {"classes", "region", "tile", "face_size", "balanced_sampling", "method", "protocol", "folds"}
    shared |= {"split_seed", "repeats", "new_splits", "threads"}
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == shared | {"fuse_weights"} | set(TEXTURE_FIELDS) | set(NETWORK_FIELDS)
    assert not set(TEXTURE_FIELDS) & set(NETWORK_FIELDS)
    assert fields <= set(CV_OPTIONS)


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
@pytest.mark.parametrize("field", NETWORK_FIELDS)
def test_no_option_of_networks_goes_with_texture_features(place, field, kind):
    for words in words_of(field):
        line = refusal("cv", "a.npz", "--method", kind, *words, "-o", "new", cwd=place, code=2)
        assert line == f"Error: {option_name(field)}: means nothing for --method {kind}; leave it out"
    assert [path.name for path in place.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("kind", [(), ("--method", "network")], ids=["plain", "network"])
@pytest.mark.parametrize("field", [*TEXTURE_FIELDS, "fuse_weights"])
def test_no_option_of_textures_goes_with_networks(place, field, kind):
    for words in words_of(field):
        line = refusal("cv", "a.npz", *kind, *words, "-o", "new", cwd=place, code=2)
        takers = [
            kind
            for kind in ("lbp-top", "cbp-top")
            if field in fields_of("texture") | fields_of("classifier") | fields_of(kind)
        ]
        where = "--fuse" if field == "fuse_weights" else f"--method {' or '.join(takers)}"
        assert line == f"Error: {option_name(field)}: goes with {where}"
    assert [path.name for path in place.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("lbp-top", name) for name in sorted(fields_of("cbp-top"))]
    + [("cbp-top", name) for name in sorted(fields_of("lbp-top"))],
)
def test_no_option_of_one_code_goes_with_the_other(place, kind, field):
    for words in words_of(field):
        line = refusal("cv", "a.npz", "--method", kind, *words, "-o", "new", cwd=place, code=2)
        assert line == f"Error: {option_name(field)}: means nothing for --method {kind}; leave it out"


def test_several_options_that_do_not_fit_are_named_at_once(place):
    line = refusal("cv", "a.npz", *LBP, "--abn", "--lr", "0.1", "--signed", cwd=place, code=2)
    assert line == "Error: --abn, --lr, --signed: means nothing for --method lbp-top; leave it out"


REFUSED = [
    (("--init", "x"), 2, "--init: --method lbp-top has no network; leave it out"),
    (("--show-input", "x.png"), 2, "--show-input: draws what a network sees; leave out --method lbp-top"),
    (("--epoch-selection", "inner"), 2, "--epoch-selection: means nothing for --method lbp-top; leave it out"),
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
    (
        ("--radii", "1,1,3"),
        2,
        "--length: 6 frames are too few for a radius of 3 in time; expected at least 7, or a smaller third",
    ),
    (("--length", "4"), 2, "--length: 4 frames are too few for a radius of 2 in time; expected at least 5"),
    (("--length", "-1"), 2, "--length: expected 0 to 1000, got -1"),
    (("--length", "1001"), 2, "--length: expected 0 to 1000, got 1001"),
    (
        ("--length", "0", "--radii", "1,1,4"),
        1,
        "a.npz: its sequence of 8 frames is too short for a radius of 4 in time",
    ),
    (("--grid", "2,2"), 2, "--grid: expected three numbers of 1 to 64 for x,y,t, got '2,2'"),
    (("--grid", "0,1,1"), 2, "--grid: expected three numbers of 1 to 64"),
    (("--grid", "all"), 2, "--grid: expected three numbers of 1 to 64"),
    (("--grid", "33,1,1"), 2, "--grid: more blocks than frames or pixels: clips have 6 frames of 32 x 32 px"),
    (("--grid", "1,33,1"), 2, "--grid: more blocks than frames or pixels"),
    (("--grid", "1,1,7"), 2, "--grid: more blocks than frames or pixels"),
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
    (
        ("--repeats", "2"),
        2,
        "--repeats: lbp-top is deterministic: all repeats over the same folds would be identical; add --new-splits",
    ),
    (("--new-splits",), 2, "--new-splits: has an effect on repeats only; add --repeats 5"),
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
        "Error: b.npz: its sequence of 3 frames is too short for a radius of 2 in time; "
        "choose a --length of at least 5, or extract it with a longer --sequence"
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
    assert "inner validation: a training part has clips of 1 subject; expected two or more subjects" in line
    assert not (tmp_path / "run").exists()  # as with --epoch-selection inner
    call(*words, *ONE_DESIGN, cwd=tmp_path)
    assert {path.name for path in (tmp_path / "run/fold_0").iterdir()} == FOLD - {"inner.csv", "selection.csv"}
    assert faults(tmp_path / "run") == []
    text = flat(call("report", "run", cwd=tmp_path).stdout)
    assert (
        "Features of highest Fisher ratio and the classifier come from the training part alone (24, 24 of 180" in text
    )


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
